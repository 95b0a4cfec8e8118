# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions from elsewhere: a mesh's shape keys, and a recording written as keyframes of the sliders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import bpy
import numpy as np

from .. import slider_symmetry
from ..core import arkit, retarget
from ..core.drive_job import photo_key
from ..core.live_link import Recording

# With "keep the rest as in the photo" a slider at 0 is left to the photo: a face that came through 0 would jump there.
LEAST_DRIVEN = 1e-4


def driving_keys(item: bpy.types.Object | None) -> dict[str, str]:
    """Shape keys of a mesh that are named as ARKit names its coefficients: coefficient -> key's name."""
    keys = item.data.shape_keys if item is not None and item.type == "MESH" else None
    if keys is None:
        return {}
    found = ((arkit.named(block.name), block.name) for block in keys.key_blocks[1:])
    return {name: key for name, key in found if name is not None}


def shape_key_values(item: bpy.types.Object, layer: bpy.types.ViewLayer | None = None) -> dict[str, float]:
    """Coefficients 0..1 that the mesh's shape keys have at this frame, with animation and drivers; muted ones are 0."""
    names = driving_keys(item)
    if not names:  # its keys were removed since it was chosen
        return {}
    evaluated = item.evaluated_get((layer or bpy.context.view_layer).depsgraph)
    blocks = (
        evaluated.data.shape_keys.key_blocks if evaluated.data.shape_keys else item.data.shape_keys.key_blocks
    )
    return {
        name: 0.0 if blocks[key].mute else min(1.0, max(0.0, float(blocks[key].value)))
        for name, key in names.items()
    }


def is_relative(settings: bpy.types.PropertyGroup) -> bool:
    """Whether a driving mesh's keys are added to the portrait's own expression."""
    return settings.driving_motion == "relative" and bool(driving_keys(settings.driving_object))


def own_expression(
    settings: bpy.types.PropertyGroup, portrait: bytes | None = None
) -> dict[str, float] | None:
    """The coefficients that were measured in the portrait; None where they were not, or in another one than
    `portrait` (an image file's content)."""
    try:
        kept = json.loads(settings.own_expression)
        known = portrait is None or kept["photo"] == photo_key(portrait)
        return dict(kept["values"]) if known else None
    except (ValueError, KeyError, TypeError):
        return None


def remember_own(settings: bpy.types.PropertyGroup, photo: str, values: Mapping[str, float]) -> None:
    """Keeps what was measured in the portrait whose `photo_key` is `photo`."""
    measured = {name: round(value, 4) for name, value in values.items() if name in arkit.ARKIT_NAMES}
    settings.own_expression = json.dumps({"photo": photo, "values": measured})


def write_relative(
    scene: bpy.types.Scene,
    recording: Recording,
    own: Mapping[str, float],
    *,
    start_frame: float,
    strength: float,
    wanted: Sequence[str],
) -> int:
    """`write_keyframes` of `own` plus the recording's changes from its first frame; the scene shows this frame of it.

    Head Pose is switched on where it is `wanted` and was recorded.
    """
    names = [name for name in recording.names if name in wanted]
    moved = retarget.relative_to_first(recording, own, strength)
    span = write_keyframes(scene, moved, start_frame=start_frame, strength=1.0, names=names)
    if any(name in names for name in arkit.POSE_NAMES):
        scene.portrait_relief.use_pose = True
    scene.frame_set(scene.frame_current)
    return span


def apply(scene: bpy.types.Scene, recording: Recording, start_frame: float | None) -> int:
    """A followed face: keyframes from `start_frame` on, or with None the sliders as at its first frame.

    Returns how many frames of the scene it spans. The head's pose is switched on where it was followed.
    """
    settings = scene.portrait_relief
    if any(name in recording.names for name in arkit.POSE_NAMES):
        settings.use_pose = True
    if start_frame is None:
        with slider_symmetry.paused():  # a wink stays one
            for name, value in recording.frames[0].items():
                setattr(settings, name, value if name in arkit.POSE_NAMES else max(value, LEAST_DRIVEN))
        return 1
    span = write_keyframes(scene, recording, start_frame=start_frame, strength=1.0, names=recording.names)
    scene.frame_set(scene.frame_current)  # the sliders show this frame of it
    return span


def write_keyframes(
    scene: bpy.types.Scene, recording: Recording, *, start_frame: float, strength: float, names: Sequence[str]
) -> int:
    """Keyframes of the sliders `names`, one for each recorded frame at its time; earlier ones of these are replaced as
    far as the recording reaches.

    Returns how many frames of the scene the recording spans.
    """
    per_second = scene.render.fps / scene.render.fps_base
    frames = np.array([start_frame + time * per_second for time in recording.times_s], np.float32)
    for name in names:
        values = np.array([frame[name] for frame in recording.frames], np.float32) * strength
        if name not in arkit.POSE_NAMES:
            values = np.maximum(values, LEAST_DRIVEN)
        points = np.stack([frames, values], 1).astype(np.float32)
        curve = _curve(scene, f"portrait_relief.{name}")
        kept = _clear_span(curve, frames[0] - 1e-3, frames[-1] + 1e-3)
        curve.keyframe_points.add(len(points))
        linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
        for property_name, width, added in (
            ("co", 2, points.ravel()),
            ("interpolation", 1, np.full(len(points), linear, np.int32)),
        ):
            all_of_it = np.empty((kept + len(points)) * width, added.dtype)
            curve.keyframe_points.foreach_get(property_name, all_of_it)
            all_of_it[kept * width :] = added
            curve.keyframe_points.foreach_set(property_name, all_of_it)
        curve.update()  # sorts them
    return int(np.ceil(frames[-1] - frames[0])) + 1


def _clear_span(curve: bpy.types.FCurve, first: float, last: float) -> int:
    """Removes the keyframes from `first` to `last`; returns how many are left."""
    places = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get("co", places)
    inside = (places[::2] >= first) & (places[::2] <= last)
    if inside.all():
        curve.keyframe_points.clear()  # one by one it would take seconds
    else:
        for index in np.flatnonzero(inside)[::-1].tolist():
            curve.keyframe_points.remove(curve.keyframe_points[index], fast=True)
    return len(curve.keyframe_points)


def _curve(scene: bpy.types.Scene, path: str) -> bpy.types.FCurve:
    """The F-curve of a property of the scene, in its action, made where there is none."""
    animation = scene.animation_data or scene.animation_data_create()
    if animation.action is None:
        animation.action = bpy.data.actions.new(f"{scene.name} Expression")
    action = animation.action
    if hasattr(action, "fcurve_ensure_for_datablock"):  # layered actions: Blender 5.0 has no action.fcurves
        return action.fcurve_ensure_for_datablock(scene, path)
    return action.fcurves.find(path) or action.fcurves.new(path)
