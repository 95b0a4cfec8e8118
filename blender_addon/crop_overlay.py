# SPDX-License-Identifier: GPL-3.0-or-later
"""The crop drawn over its picture in the Image Editor."""

from __future__ import annotations

import os.path

import bpy

from .core.crop import Crop, corners_uv
from .scene import images

COLOUR = (1.0, 0.6, 0.1, 1.0)
_WIDTH_PX = 2.0

_handle: object | None = None
dragged: Crop | None = None
"""While the mouse draws a crop, this one is shown."""
drawn_on = 0
"""`session_uid` of the picture that it is drawn on; it becomes the portrait when the mouse is let go."""


def add() -> None:
    """In background mode there is nothing to draw on."""
    global _handle
    if not bpy.app.background:
        _handle = bpy.types.SpaceImageEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")


def remove() -> None:
    global _handle
    if _handle is not None:
        bpy.types.SpaceImageEditor.draw_handler_remove(_handle, "WINDOW")
        _handle = None


def shown(settings: bpy.types.PropertyGroup, image: bpy.types.Image | None) -> Crop | None:
    """The crop to show over a picture: the one that is being drawn on it, or the portrait's."""
    if image is not None and image.session_uid == drawn_on and dragged is not None:
        return dragged
    if image is None or not settings.use_crop or not _is_portrait(settings, image):
        return None
    return Crop(settings.crop_left, settings.crop_top, settings.crop_side)


def _is_portrait(settings: bpy.types.PropertyGroup, image: bpy.types.Image) -> bool:
    """The chosen picture, or one opened from the chosen file."""
    if settings.source == "IMAGE":
        return image == settings.image
    if not settings.filepath or not image.filepath:
        return False
    paths = images.path_of(image), bpy.path.abspath(settings.filepath)
    opened, chosen = (os.path.normcase(os.path.abspath(path)) for path in paths)
    return opened == chosen


def _draw() -> None:
    context = bpy.context
    settings, image = context.scene.portrait_relief, context.space_data.image
    crop = shown(settings, image)
    if image is None or crop is None or not all(image.size):
        return
    import gpu  # not there in every background Blender
    from gpu_extras.batch import batch_for_shader  # pyright: ignore[reportMissingImports]

    view = context.region.view2d
    points = [view.view_to_region(u, v, clip=False) for u, v in corners_uv(crop, tuple(image.size))]
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", _WIDTH_PX * context.preferences.system.ui_scale)
    shader.uniform_float("color", COLOUR)
    batch_for_shader(shader, "LINE_LOOP", {"pos": [(float(x), float(y), 0.0) for x, y in points]}).draw(
        shader
    )
