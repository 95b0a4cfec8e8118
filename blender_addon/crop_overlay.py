# SPDX-License-Identifier: GPL-3.0-or-later
"""The crop, or the faces to choose among, drawn over the portrait in the Image Editor."""

from __future__ import annotations

import os.path

import bpy

from .core import found_faces
from .core.crop import Crop, corners_uv
from .scene import images

COLOUR = (1.0, 0.6, 0.1, 1.0)
_OTHERS = (0.7, 0.7, 0.7, 1.0)
_TEXT_PX = 16.0
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


def shown_faces(
    settings: bpy.types.PropertyGroup, image: bpy.types.Image | None
) -> tuple[tuple[str, Crop, tuple[float, float, float, float]], ...]:
    """Number, square and colour of the faces to choose among, over the portrait; none beside a crop."""
    if image is None or shown(settings, image) is not None or not _is_portrait(settings, image):
        return ()
    return tuple(
        (str(number), face, COLOUR if settings.face in {0, number} else _OTHERS)
        for number, face in enumerate(found_faces.from_text(settings.faces), 1)
    )


def _draw() -> None:
    context = bpy.context
    settings, image = context.scene.portrait_relief, context.space_data.image
    if image is None or not all(image.size) or not context.space_data.overlay.show_overlays:
        return
    crop = shown(settings, image)
    if crop is not None:
        _draw_square(context, crop, tuple(image.size), COLOUR)
    in_editor = context.area.ui_type == "IMAGE_EDITOR"  # the UV Editor shows it, too
    for number, face, colour in shown_faces(settings, image) if in_editor else ():
        left, top = _draw_square(context, face, tuple(image.size), colour)
        _draw_text(context, number, (left, top), colour)


def _draw_text(
    context: bpy.types.Context,
    text: str,
    corner: tuple[float, float],
    colour: tuple[float, float, float, float],
) -> None:
    """Inside the upper left corner."""
    import blf  # pyright: ignore[reportMissingImports]

    size = _TEXT_PX * context.preferences.system.ui_scale
    blf.size(0, size)
    blf.color(0, *colour)
    blf.position(0, corner[0] + 0.4 * size, corner[1] - 1.1 * size, 0)
    blf.draw(0, text)


def _draw_square(
    context: bpy.types.Context,
    crop: Crop,
    size_px: tuple[int, int],
    colour: tuple[float, float, float, float],
) -> tuple[float, float]:
    """Returns its upper left corner in the region."""
    import gpu  # not there in every background Blender
    from gpu_extras.batch import batch_for_shader  # pyright: ignore[reportMissingImports]

    view = context.region.view2d
    points = [view.view_to_region(u, v, clip=False) for u, v in corners_uv(crop, size_px)]
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", _WIDTH_PX * context.preferences.system.ui_scale)
    shader.uniform_float("color", colour)
    corners = [(float(x), float(y), 0.0) for x, y in points]
    batch_for_shader(shader, "LINE_LOOP", {"pos": corners}).draw(shader)
    return corners[0][:2]
