# SPDX-License-Identifier: GPL-3.0-or-later
"""Save, apply, rename and delete the user's own expressions."""

from __future__ import annotations

import json

import bpy
from bpy.props import StringProperty

from .. import own_presets_folder, requests, thumbnails
from ..core import arkit, own_presets
from ..core.errors import AddonError
from ..scene import images
from ..translations import say_error
from .expression import set_sliders

THUMBNAIL_PX = 128


class _OwnPreset:
    bl_options = {"REGISTER", "UNDO"}
    name: StringProperty(
        name="Name", description="What the expression is called in the library", options={"SKIP_SAVE"}
    )


def _refresh() -> None:
    own_presets_folder.refresh()
    thumbnails.forget_own()


def _picture(settings) -> bytes | None:
    """A thumbnail of the active result, where that shows the expression that the sliders have now."""
    if not settings.results:
        return None
    result = settings.results[min(settings.active_result, len(settings.results) - 1)]
    image = images.find(result.result_id, "rgb")
    asked = json.loads(result.expression or "{}")
    now = requests.expression(settings)
    if image is None or any(
        abs(asked.get(name, 0.0) - now.get(name, 0.0)) > 1e-3 for name in arkit.ARKIT_NAMES
    ):
        return None
    try:
        return images.thumbnail_png(image, THUMBNAIL_PX)
    except AddonError:
        return None


def _refused(operator: bpy.types.Operator, name: str, error: Exception) -> set[str]:
    operator.report({"ERROR"}, f"“{name}”: {say_error(error)}")
    _refresh()  # its file may have gone
    return {"CANCELLED"}


class PORTRAIT_RELIEF_OT_apply_own_preset(_OwnPreset, bpy.types.Operator):
    bl_idname = "portrait_relief.apply_own_preset"
    bl_label = "Apply Own Expression"
    bl_description = "Set all sliders to this expression"

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        try:
            values = own_presets.load(own_presets.path_of(own_presets_folder.path(), self.name))
        except (ValueError, OSError) as error:
            return _refused(self, self.name, error)
        set_sliders(settings, {name: value * settings.preset_strength for name, value in values.items()})
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_save_own_preset(_OwnPreset, bpy.types.Operator):
    bl_idname = "portrait_relief.save_own_preset"
    bl_label = "Save Expression"
    bl_description = "Keep the sliders as an expression of your own, for all files"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        try:
            values = {name: getattr(settings, name) for name in arkit.ARKIT_NAMES}
            own_presets.save(own_presets_folder.path(), self.name, values)
            own_presets.save_thumbnail(own_presets_folder.path(), self.name, _picture(settings))
        except (ValueError, OSError) as error:
            return _refused(self, self.name, error)
        _refresh()
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_rename_own_preset(_OwnPreset, bpy.types.Operator):
    bl_idname = "portrait_relief.rename_own_preset"
    bl_label = "Rename Expression"
    bl_description = "Give an expression of your own another name"
    bl_options = {"REGISTER"}

    new_name: StringProperty(
        name="New Name", description="What it shall be called from now on", options={"SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        self.new_name = self.name
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, _context: bpy.types.Context) -> None:
        self.layout.prop(self, "new_name")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            own_presets.rename(own_presets_folder.path(), self.name, self.new_name)
        except (ValueError, OSError) as error:
            return _refused(self, self.name, error)
        _refresh()
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_delete_own_preset(_OwnPreset, bpy.types.Operator):
    bl_idname = "portrait_relief.delete_own_preset"
    bl_label = "Delete Expression"
    bl_description = "Delete this expression of your own from disk"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            own_presets.delete(own_presets_folder.path(), self.name)
        except (ValueError, OSError) as error:
            return _refused(self, self.name, error)
        _refresh()
        return {"FINISHED"}


CLASSES = (
    PORTRAIT_RELIEF_OT_apply_own_preset,
    PORTRAIT_RELIEF_OT_save_own_preset,
    PORTRAIT_RELIEF_OT_rename_own_preset,
    PORTRAIT_RELIEF_OT_delete_own_preset,
)
