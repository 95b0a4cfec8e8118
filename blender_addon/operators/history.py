# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made before: its settings again, all of it side by side, or away with it."""

from __future__ import annotations

import bpy

from .. import sequence_files
from ..scene import (
    albedo,
    chosen_picture,
    images,
    lighting,
    relief_build,
    relief_object,
    relit_still,
    viewing,
)
from ..translations import say
from .expression import apply_settings
from .results import ResultOperator

# Of the pictures that a result comes with, or that were made of it.
KINDS = (
    "rgb",
    "depth",
    relief_build.DISPLACEMENT_KIND,
    relief_build.NORMALS_KIND,
    albedo.KIND,
    relit_still.KIND,
)
GAP = 1.1  # reliefs side by side stand this many of the widest one's widths apart


class PORTRAIT_RELIEF_OT_restore_settings(bpy.types.Operator):
    bl_idname = "portrait_relief.restore_settings"
    bl_label = "Settings from Picture"
    bl_description = (
        "Set sliders, seed, steps, face and crop as they were for the chosen picture, if it is one of ours"
    )
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        found = chosen_picture.told_settings(settings)
        if found is None:
            self.report({"WARNING"}, say("The chosen picture does not tell how it was made"))
            return {"CANCELLED"}
        apply_settings(settings, found)
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_delete_result(ResultOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.delete_result"
    bl_label = "Delete Result"
    bl_description = (
        "Take this result off the list and delete its relief and pictures. "
        "A sequence's files go when the .blend is saved"
    )

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
    what something else uses as well stays, and copies that the artist made of the relief keep all of it. A sequence's
    files on disk go when the .blend is saved, which needs them until then."""
    item = relief_object.find(result_id, layer)
    if item is not None:
        lighting.remove_rig(item)
        bpy.data.objects.remove(item)
    folder = sequence_files.folder_of(result_id)
    if folder is not None:
        sequence_files.forget(folder)
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
    for image in [each for each in bpy.data.images if each.get(images.RESULT_KEY) == result_id]:
        kind = image.get(images.KIND_KEY)
        if kind == relit_still.KIND:
            image.use_fake_user = (
                False  # it kept the still; one that an editor shows goes with the file's next saving
            )
        if kind in KINDS and not image.users:
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
        context.view_layer.update()
        area = viewing.view3d(context)
        if area is not None:
            viewing.look_at(area, *reliefs)
        return {"FINISHED"}


CLASSES = (
    PORTRAIT_RELIEF_OT_restore_settings,
    PORTRAIT_RELIEF_OT_delete_result,
    PORTRAIT_RELIEF_OT_compare_results,
)
