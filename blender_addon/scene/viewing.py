# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the artist's editors to what was made: a relief in the 3D View, a picture in an Image Editor."""

from __future__ import annotations

import functools

import bpy
from mathutils import Matrix, Vector

from . import images, relief_object

VIEW_SENSOR_MM = 72.0  # a view's longer side shows its distance times this, divided by its focal length
MARGIN = 1.25


def view3d(context: bpy.types.Context) -> bpy.types.Area | None:
    """The 3D View at work, or the largest one of the window."""
    if context.area is not None and context.area.type == "VIEW_3D":
        return context.area
    areas = [area for area in context.screen.areas if area.type == "VIEW_3D"] if context.screen else []
    return max(areas, key=lambda area: area.width * area.height) if areas else None


def look_at(area: bpy.types.Area, item: bpy.types.Object, *others: bpy.types.Object) -> None:
    """Turns a 3D View to the relief's front and frames it and the others; the solid view shows the picture on it.

    A relief is life-sized: in the view that a new file comes with it is a few pixels high.
    """
    space = area.spaces.active
    view, to_world = space.region_3d, item.matrix_world
    axes = relief_object.placement_of(item.data).axes
    right, up = ((to_world.to_3x3() @ Vector(axes[:, column])).normalized() for column in (0, 1))
    front = right.cross(up).normalized()
    if not front.length:  # its scale is zero
        return
    up = front.cross(right)
    corners = [each.matrix_world @ Vector(corner) for each in (item, *others) for corner in each.bound_box]
    spans = [[corner.dot(axis) for corner in corners] for axis in (right, up, front)]
    middle = sum(
        ((max(s) + min(s)) / 2 * axis for s, axis in zip(spans, (right, up, front), strict=True)), Vector()
    )
    half_width, half_height = ((max(s) - min(s)) / 2 for s in spans[:2])
    window = next(region for region in area.regions if region.type == "WINDOW")
    unit_per_px = 2 * max(half_width / _free_width(area, window), MARGIN * half_height / window.height)
    view.view_perspective = "ORTHO"
    view.view_rotation = Matrix((right, up, front)).transposed().to_quaternion()
    view.view_location = middle
    view.view_distance = unit_per_px * max(window.width, window.height) * space.lens / VIEW_SENSOR_MM
    if space.shading.type == "SOLID":
        space.shading.color_type = "TEXTURE"


def _free_width(area: bpy.types.Area, window: bpy.types.Region) -> float:
    """Pixels round the window's middle that the sidebar, which lies over it, leaves free."""
    sidebar = next((region.width for region in area.regions if region.type == "UI"), 0)
    return max(window.width - 2 * sidebar, window.width / 4)


def show_picture(context: bpy.types.Context, image: bpy.types.Image) -> bool:
    """In an Image Editor that is empty or shows a picture of ours, else in a window of its own, as Blender shows
    renders. False where there is no window, as in background mode."""
    windows = [context.window, *context.window_manager.windows] if context.window else []
    spaces = (
        area.spaces.active
        for window in windows
        for area in window.screen.areas
        if area.ui_type == "IMAGE_EDITOR"  # the UV Editor is of the same type
    )
    free = (space for space in spaces if space.image is None or images.KIND_KEY in space.image)
    space = next(free, None)
    if space is not None:
        space.image = image
    elif bpy.app.background:
        return False
    else:  # later: a window that a modal operator opens at the end of a render ends Blender 4.3 (GLXBadContext)
        bpy.app.timers.register(functools.partial(_show_in_window, image.name), first_interval=0.0)
    return True


def _show_in_window(image_name: str) -> None:
    windows, image = bpy.context.window_manager.windows, bpy.data.images.get(image_name)
    if image is None:
        return
    known = set(windows)
    with bpy.context.temp_override(window=windows[0]):
        bpy.ops.wm.window_new()
    for window in set(windows) - known:
        area = window.screen.areas[0]
        area.ui_type = "IMAGE_EDITOR"
        area.spaces.active.image = image
        region = next(region for region in area.regions if region.type == "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.image.view_all(fit_view=True)
