# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of results and the active relief's depth."""

from __future__ import annotations

import bpy

from ..scene import images, relief_object, sending_back
from .job import draw_job_button
from .places import PanelMixin, in_both_editors

NAME_SHARE = 0.4  # of a row in the list; what tells rows apart, how it was made, stands beside it
PICTURE_SCALE = 5.0


class PORTRAIT_RELIEF_UL_results(bpy.types.UIList):
    bl_idname = "PORTRAIT_RELIEF_UL_results"

    def draw_item(
        self, _context, layout, _data, item, _icon, _active_data, _active_property, _index=0
    ) -> None:
        image = images.find(item.result_id, "rgb")
        preview = image.preview if image is not None else None
        row = layout.split(factor=NAME_SHARE)
        if preview is not None:
            row.prop(item, "name", text="", emboss=False, icon_value=preview.icon_id)
        else:
            row.prop(item, "name", text="", emboss=False, icon="USER")
        note = row.row()
        note.active = False
        note.label(text=item.summary)


class _ResultsPanel(PanelMixin):
    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.portrait_relief
        layout = self.layout
        if len(settings.results):
            row = layout.row()
            row.template_list(
                "PORTRAIT_RELIEF_UL_results", "", settings, "results", settings, "active_result", rows=3
            )
            column = row.column(align=True)
            column.operator("portrait_relief.remove_result", text="", icon="REMOVE")
            column.operator("portrait_relief.delete_result", text="", icon="TRASH")
            column.operator("portrait_relief.import_result", text="", icon="IMPORT")
            column.operator("portrait_relief.save_picture", text="", icon="EXPORT")
            active = settings.results[min(settings.active_result, len(settings.results) - 1)]
            self._draw_notes(layout, active)
            grid = layout.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
            grid.operator("portrait_relief.select_result", icon="RESTRICT_SELECT_OFF")
            grid.operator("portrait_relief.use_result", text="Use as Source", icon="IMAGE_DATA")
            grid.operator("portrait_relief.recall_expression", text="Recall Sliders", icon="LOOP_BACK")
            grid.operator("portrait_relief.compare_results", text="Side by Side", icon="ALIGN_JUSTIFY")
        else:
            layout.label(text="No results yet", icon="INFO")
            layout.operator("portrait_relief.import_result", icon="IMPORT")
        self._draw_active(layout, context)

    def _draw_notes(self, layout: bpy.types.UILayout, active) -> None:
        """The picture large enough to tell results apart, and how it was made."""
        row = layout.row()
        image = images.find(active.result_id, "rgb")
        if image is not None and image.preview is not None:
            row.template_icon(icon_value=image.preview.icon_id, scale=PICTURE_SCALE)
        column = row.column(align=True)
        for line in (*active.summary.split(", "), active.details):
            if line:
                column.label(text=line)

    def _draw_active(self, layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
        item = context.active_object
        if not sending_back.is_relief(item):
            return
        box = layout.box()
        row = box.row()
        row.label(text=item.name, translate=False, icon="MESH_GRID")
        row.operator("portrait_relief.view_relief", text="", icon="ZOOM_SELECTED")
        row = box.row()
        row.active = row.enabled = relief_object.can_displace(item.data)
        if relief_object.is_animated(item):
            row.active = row.enabled = True
            row.prop(item, "scale", index=1, text="Depth Scale")
        else:
            row.prop(item.data.portrait_relief, "depth_scale", slider=True)
        if relief_object.is_held_elsewhere(item.data):
            box.label(text="Leave edit mode or dyntopo to change it", icon="INFO")
        elif not row.enabled:
            box.label(text="Its depth was lost by remeshing", icon="INFO")
        draw_job_button(box, "portrait_relief.repaint", text="Repaint from Relief", icon="BRUSH_DATA")


CLASSES = (
    PORTRAIT_RELIEF_UL_results,
    *in_both_editors(_ResultsPanel, "results", "Results", order=2),
)
