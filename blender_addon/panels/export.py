# SPDX-License-Identifier: GPL-3.0-or-later
"""Export of the active relief: format, piece, checks and the button."""

from __future__ import annotations

import bpy

from ..core.base_shapes import BaseShape
from ..scene import sending_back
from .job import draw_task, draw_wrapped
from .places import PanelMixin, in_both_editors

_ICONS = {"OK": "CHECKMARK", "Warning": "INFO", "Error": "ERROR"}
_MAPS = {"PNG", "EXR"}


class _ExportPanel(PanelMixin):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return sending_back.is_relief(context.active_object)

    def draw(self, context: bpy.types.Context) -> None:
        chosen = context.scene.portrait_relief_export
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        shape, is_map = BaseShape(chosen.shape), chosen.format in _MAPS
        column = layout.column(align=True)
        column.prop(chosen, "format")
        column.prop(chosen, "shape")
        column = layout.column(align=True)
        column.prop(chosen, "size_mm", text="Size (mm)")
        column.prop(chosen, "relief_height_mm")
        if shape is not BaseShape.SURFACE and not is_map:
            column.prop(chosen, "base_mm")
        if shape.has_plate:
            column.prop(chosen, "border_mm")
        if shape is BaseShape.MEDALLION:
            column.prop(chosen, "rim_mm")
        if shape is not BaseShape.SURFACE and not is_map:
            row = layout.row(heading="Hollow")
            row.prop(chosen, "hollow", text="")
            field = row.row()
            field.active = chosen.hollow
            field.prop(chosen, "hollow_wall_mm", text="")
        column = layout.column(align=True)
        column.prop(chosen, "map_px" if is_map else "target_faces")
        if chosen.format not in _MAPS | {"STL"}:
            if chosen.format == "3MF":
                column.prop(chosen, "colour_3mf")
            if shape is not BaseShape.SURFACE:
                column.prop(chosen, "base_colour")
        row = layout.row(align=True)
        row.scale_y = 1.3
        row.operator("portrait_relief.check_relief", text="Check", icon="VIEWZOOM")
        row.operator("portrait_relief.export_relief", text="Export", icon="EXPORT")
        draw_task(layout, "check", text="Checking")
        draw_task(layout, "export", text="Exporting")
        self._draw_report(layout, context, chosen)

    def _draw_report(self, layout: bpy.types.UILayout, context: bpy.types.Context, chosen) -> None:
        if not chosen.report or chosen.report_object != context.active_object.name:
            return
        column = layout.box().column(align=True)
        for line in chosen.report.splitlines():
            severity, sentence = line.split("|", 1)
            draw_wrapped(column, sentence, context, icon=_ICONS[severity])
        if chosen.can_fix:
            column.separator()
            column.operator("portrait_relief.fix_export", text="Fix", icon="TOOL_SETTINGS")


class _PrinterPanel(PanelMixin):
    def draw(self, context: bpy.types.Context) -> None:
        chosen = context.scene.portrait_relief_export
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.column(align=True).prop(chosen, "bed_mm", text="Bed (mm)")
        column = layout.column(align=True)
        column.prop(chosen, "thinnest_mm")
        column.prop(chosen, "overhang_deg")


CLASSES = (
    *in_both_editors(_ExportPanel, "export", "Export", closed=True, order=3),
    *in_both_editors(_PrinterPanel, "printer", "Printer", parent="export", closed=True),
)
