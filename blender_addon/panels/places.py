# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one panel for each editor from one description, so that both stay the same."""

from __future__ import annotations

import bpy

CATEGORY = "Portrait Relief"


class PanelMixin:
    """What a description of a panel may rely on; Blender fills it in."""

    layout: bpy.types.UILayout


_EDITORS = {"view3d": "VIEW_3D", "image": "IMAGE_EDITOR"}


def in_both_editors(
    mixin: type, name: str, label: str, *, parent: str = "", closed: bool = False, order: int = 0
) -> tuple[type, ...]:
    """Panel classes for the 3D View and the Image Editor that draw with `mixin`."""
    classes = []
    for suffix, space in _EDITORS.items():
        attributes = {
            "bl_idname": f"PORTRAIT_RELIEF_PT_{name}_{suffix}",
            "bl_label": label,
            "bl_space_type": space,
            "bl_region_type": "UI",
            "bl_category": CATEGORY,
            "bl_order": order,
            "bl_options": {"DEFAULT_CLOSED"} if closed else set(),
        }
        if parent:
            attributes["bl_parent_id"] = f"PORTRAIT_RELIEF_PT_{parent}_{suffix}"
        classes.append(type(attributes["bl_idname"], (mixin, bpy.types.Panel), attributes))
    return tuple(classes)
