# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sliders and shape keys move by themselves: by keyframes, drivers or strips of the NLA."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from ..core import arkit
from .driving import driving_keys

_SETTINGS = "portrait_relief."


def moved_paths(owner: bpy.types.ID) -> set[str]:
    """Data paths of `owner` that its action, its drivers or its NLA strips move."""
    animation = owner.animation_data
    if animation is None:
        return set()
    curves = [*animation.drivers, *_curves(animation.action, getattr(animation, "action_slot", None))]
    for track in animation.nla_tracks:
        for strip in track.strips if not track.mute else ():
            curves += _curves(strip.action, getattr(strip, "action_slot", None))
    return {curve.data_path for curve in curves if not curve.mute}


def moved_sliders(settings: bpy.types.PropertyGroup) -> set[str]:
    """Names of properties on the scene's settings, `jawOpen` or `expression_strength`, that move by themselves."""
    paths = moved_paths(settings.id_data)
    return {path.removeprefix(_SETTINGS) for path in paths if path.startswith(_SETTINGS)}


def moved_keys(item: bpy.types.Object | None) -> set[str]:
    """Coefficients whose shape keys on the driving mesh move by themselves; those of muted keys do not."""
    names = driving_keys(item)
    if item is None or not names:
        return set()
    keys = item.data.shape_keys
    paths = moved_paths(keys)
    return {
        name
        for name, key in names.items()
        if not keys.key_blocks[key].mute
        and f'key_blocks["{bpy.utils.escape_identifier(key)}"].value' in paths
    }


def moved_coefficients(settings: bpy.types.PropertyGroup) -> set[str]:
    """Coefficients that move by themselves, as sliders or as the driving mesh's shape keys."""
    sliders = moved_sliders(settings).intersection(arkit.ARKIT_NAMES)
    item = settings.driving_object
    return (sliders - driving_keys(item).keys()) | moved_keys(item)


def _curves(action: bpy.types.Action | None, slot: object) -> Iterator[bpy.types.FCurve]:
    """The F-curves of an action; of a layered one (Blender 4.4 and later) those of the slot."""
    if action is None:
        return
    if not getattr(action, "layers", None):
        yield from getattr(action, "fcurves", ())
        return
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                if slot is not None and bag.slot_handle == slot.handle:  # pyright: ignore[reportAttributeAccessIssue]
                    yield from bag.fcurves
