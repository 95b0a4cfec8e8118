# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend's doctor found: a part of the preferences."""

from __future__ import annotations

import bpy

from .. import checking
from ..core.doctor import Check
from ..translations import say
from .job import draw_wrapped

# The doctor's names -> labels
_LABELS = {
    "python": "Python",
    "packages": "Packages",
    "device": "Device",
    "memory": "Memory",
    "checkpoint": "Model",
    "driving": "Face Following",
    "folders": "Temporary Files",
    "network": "Connection",
}


def draw_section(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The buttons, and below them what the last check found."""
    row = layout.row(align=True)
    if checking.is_busy():
        row.label(text="Checking the installation...", icon="SORTTIME")
        row.operator("portrait_relief.end_check", text="", icon="X")
    else:
        row.operator("portrait_relief.check_installation", icon="VIEWZOOM")
    row.operator("portrait_relief.copy_report", icon="COPYDOWN")
    found = checking.findings()
    if found is None:
        return
    box = layout.box()
    row = box.row(align=True)
    said = "Everything is in order" if found.ok else "Something is not in order"
    row.label(text=say(said), icon="CHECKMARK" if found.ok else "ERROR", translate=False)
    row.operator("portrait_relief.end_check", text="", icon="X", emboss=False)
    if found.problem is not None:
        draw_wrapped(box.column(align=True), found.problem.message, context)
        draw_wrapped(box.column(align=True), found.problem.hint, context)
    for check in found.checks:
        _draw_check(box.column(align=True), check, context)


def _draw_check(column: bpy.types.UILayout, check: Check, context: bpy.types.Context) -> None:
    label = say(_LABELS.get(check.name, check.name))
    icon = ("INFO" if check.absent else "CHECKMARK") if check.ok else "ERROR"
    draw_wrapped(column, f"{label}: {check.value}", context, icon=icon)
    if check.hint and not check.ok:
        draw_wrapped(column, check.hint, context)
