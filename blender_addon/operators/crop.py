# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the square round the head by hand, where it is not found or found wrongly."""

from __future__ import annotations

import bpy

from .. import crop_overlay, runtime
from ..core.crop import Crop, from_drag
from ..translations import say


class PORTRAIT_RELIEF_OT_draw_crop(bpy.types.Operator):
    bl_idname = "portrait_relief.draw_crop"
    bl_label = "Draw Crop round the Head"
    bl_description = "Drag a square round the whole head, hair and chin included, in this Image Editor"
    bl_options = {"REGISTER", "UNDO"}

    _start: tuple[float, float] | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        space = context.space_data
        return space is not None and space.type == "IMAGE_EDITOR" and space.image is not None

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        self._start = None
        crop_overlay.drawn_on = context.space_data.image.session_uid
        context.window.cursor_modal_set("CROSSHAIR")
        context.workspace.status_text_set(say("Drag a square round the whole head. Escape: as before"))
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event) -> set[str]:
        if event.type in {"ESC", "RIGHTMOUSE"} or context.area is None:
            return self._end(context, None)
        if event.type == "LEFTMOUSE" and event.value == "PRESS":
            self._start = _pixel(context, event)
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE" and self._start is not None:
            return self._end(context, from_drag(self._start, _pixel(context, event)))
        elif event.type == "MOUSEMOVE" and self._start is not None:
            crop_overlay.dragged = from_drag(self._start, _pixel(context, event))
            context.area.tag_redraw()
        elif event.type in {"WHEELUPMOUSE", "WHEELDOWNMOUSE", "MIDDLEMOUSE"}:
            return {"PASS_THROUGH"}  # the view may be moved before the drag
        return {"RUNNING_MODAL"}

    def _end(self, context: bpy.types.Context, crop: Crop | None) -> set[str]:
        crop_overlay.dragged, crop_overlay.drawn_on = None, 0
        context.window.cursor_modal_restore()
        context.workspace.status_text_set(None)
        if context.area is not None:
            context.area.tag_redraw()
        if crop is None:
            return {"CANCELLED"}
        take(context.scene.portrait_relief, context.space_data.image, crop)
        runtime.forget_problem()
        return {"FINISHED"}


def take(settings: bpy.types.PropertyGroup, image: bpy.types.Image, crop: Crop) -> None:
    """What a finished drag chooses: the picture that it was drawn on, and the square."""
    settings.source, settings.image, settings.use_crop = "IMAGE", image, True
    settings.crop_left, settings.crop_top, settings.crop_side = crop


def _pixel(context: bpy.types.Context, event) -> tuple[float, float]:
    """The mouse's place in the picture, in pixels from its upper left corner."""
    region = next(region for region in context.area.regions if region.type == "WINDOW")
    u, v = region.view2d.region_to_view(event.mouse_x - region.x, event.mouse_y - region.y)
    width, height = context.space_data.image.size
    return u * width, (1 - v) * height


CLASSES = (PORTRAIT_RELIEF_OT_draw_crop,)
