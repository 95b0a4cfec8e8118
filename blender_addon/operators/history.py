# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made before: its settings again, all of it side by side, or away with it."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..core import picture_settings
from ..core.picture_settings import PictureSettings
from ..scene import images, lighting, relief_build, relief_object
from ..translations import say
from .expression import apply_settings
from .results import ResultOperator

GAP = 1.1  # reliefs side by side stand this many of the widest one's widths apart


def settings_of_source(settings) -> PictureSettings | None:
    """Those of the chosen picture, where it is one of ours: packed, or a file on disk."""
    if settings.source == "FILE":
        return _of_file(settings.filepath)
    image = settings.image
    if image is None:
        return None
    if image.packed_file is not None:
        return picture_settings.from_png(bytes(image.packed_file.data))
    return _of_file(image.filepath)


def _of_file(filepath: str) -> PictureSettings | None:
    try:
        return picture_settings.from_png(Path(bpy.path.abspath(filepath)).read_bytes())
    except OSError:
        return None


class PORTRAIT_RELIEF_OT_restore_settings(bpy.types.Operator):
    bl_idname = "portrait_relief.restore_settings"
    bl_label = "Settings from Picture"
    bl_description = "Set the sliders as they were for the chosen picture, if Portrait Relief made it"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        found = settings_of_source(settings)
        if found is None:
            self.report({"WARNING"}, say("The chosen picture does not tell how it was made"))
            return {"CANCELLED"}
        apply_settings(settings, found)
        settings.seed = found.seed
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_delete_result(ResultOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.delete_result"
    bl_label = "Delete Result"
    bl_description = "Take this result off the list and delete its relief and pictures from the file"

    def invoke(self, context: bpy.types.Context, event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        result = self.result(context)
        if result is None:
            return {"CANCELLED"}
        delete_data(result.result_id, context.view_layer)
        return bpy.ops.portrait_relief.remove_result(index=self.index)


def delete_data(result_id: str, layer: bpy.types.ViewLayer) -> None:
    """The relief that the list shows for a result, with its light rig, and the result's mesh, materials and pictures;
    what something else uses as well stays, and copies that the artist made of the relief keep all of it."""
    item = relief_object.find(result_id, layer)
    if item is not None:
        lighting.remove_rig(item)
        bpy.data.objects.remove(item)
    meshes = [mesh for mesh in bpy.data.meshes if mesh.portrait_relief.result_id == result_id]
    for mesh in [mesh for mesh in meshes if not mesh.users]:
        materials = [material for material in mesh.materials if material is not None]
        bpy.data.meshes.remove(mesh)
        for material in materials:
            if not material.users:
                bpy.data.materials.remove(material)
    if any(mesh.portrait_relief.result_id == result_id for mesh in bpy.data.meshes):
        return
    for texture in [each for each in bpy.data.textures if each.type == "IMAGE" and each.image]:
        if not texture.users and texture.image.get(images.RESULT_KEY) == result_id:
            bpy.data.textures.remove(texture)
    for kind in ("rgb", "depth", relief_build.DISPLACEMENT_KIND, relief_build.NORMALS_KIND):
        image = images.find(result_id, kind)
        if image is not None and not image.users:
            bpy.data.images.remove(image)


class PORTRAIT_RELIEF_OT_compare_results(bpy.types.Operator):
    bl_idname = "portrait_relief.compare_results"
    bl_label = "Show Reliefs Side by Side"
    bl_description = "Show the reliefs of all results in a row, in the order of the list, to compare them"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return len(context.scene.portrait_relief.results) > 1

    def execute(self, context: bpy.types.Context) -> set[str]:
        results = context.scene.portrait_relief.results
        found = [relief_object.find(result.result_id, context.view_layer) for result in results]
        reliefs = [item for item in found if item is not None]
        if len(reliefs) < 2:
            self.report({"WARNING"}, say("There are not two reliefs left to compare"))
            return {"CANCELLED"}
        for item in reliefs:
            relief_object.reveal(item)
        context.view_layer.update()  # hidden objects keep the size and place they last had
        first = reliefs[0].matrix_world.translation.copy()
        step = GAP * max(item.dimensions.x for item in reliefs)
        for number, item in enumerate(reliefs):
            matrix = item.matrix_world.copy()
            matrix.translation = (first.x + number * step, first.y, first.z)
            item.matrix_world = matrix
        return {"FINISHED"}


CLASSES = (
    PORTRAIT_RELIEF_OT_restore_settings,
    PORTRAIT_RELIEF_OT_delete_result,
    PORTRAIT_RELIEF_OT_compare_results,
)
