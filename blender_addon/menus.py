# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries in Blender's own menus."""

from __future__ import annotations

import bpy


def _draw_add(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Of the panel's picture; where none is chosen, a file browser asks for one."""
    settings = context.scene.portrait_relief
    chosen = settings.filepath if settings.source == "FILE" else settings.image
    operator = "estimate_depth" if chosen else "relief_from_photo"
    self.layout.separator()
    self.layout.operator(f"portrait_relief.{operator}", text="Portrait Relief", icon="USER")


def _draw_import(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.operator("portrait_relief.relief_from_photo", text="Portrait Photo as Relief (.jpg, .png)")
    self.layout.operator("portrait_relief.import_result", text="Portrait Relief Result (folder)")
    self.layout.operator("portrait_relief.import_live_link", text="Live Link Face Recording (.csv)")


def _draw_export(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.operator("portrait_relief.export_relief", text="Portrait Relief (for printing and milling)")


_ENTRIES = (
    ("VIEW3D_MT_mesh_add", _draw_add),
    ("TOPBAR_MT_file_import", _draw_import),
    ("TOPBAR_MT_file_export", _draw_export),
)


def add() -> None:
    for name, draw in _ENTRIES:
        getattr(bpy.types, name).append(draw)


def remove() -> None:
    for name, draw in _ENTRIES:
        getattr(bpy.types, name).remove(draw)
