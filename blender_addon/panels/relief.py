# SPDX-License-Identifier: GPL-3.0-or-later
"""The active relief's mesh: all that can be changed after the import. In the 3D View only."""

from __future__ import annotations

import bpy

from ..scene import relief_build, relief_object, sending_back
from .job import draw_task, draw_wrapped
from .places import CATEGORY, PanelMixin


class PORTRAIT_RELIEF_PT_relief_view3d(PanelMixin, bpy.types.Panel):
    bl_idname = "PORTRAIT_RELIEF_PT_relief_view3d"
    bl_label = "Relief"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = CATEGORY
    bl_order = 2
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        item = context.active_object
        return sending_back.is_relief(item) and not relief_object.is_animated(item)

    def draw(self, context: bpy.types.Context) -> None:
        mesh = context.active_object.data
        built = mesh.portrait_relief_build
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(mesh.portrait_relief, "depth_scale", slider=True)
        column.prop(built, "density")
        column.row(align=True).prop(built, "grid", expand=True)
        if built.grid == "ADAPTIVE":
            column.prop(built, "tolerance_mm")
        column = layout.column(align=True)
        column.prop(built, "trim_mm")
        column.prop(built, "fill_holes_mm")
        column.prop(built, "repair_spikes")
        column = layout.column(align=True)
        column.prop(built, "smoothing", slider=True)
        row = column.row(align=True)
        row.active = built.smoothing > 0
        row.prop(built, "keep_mm")
        column = layout.column(align=True)
        column.row(align=True).prop(built, "projection", expand=True)
        if built.projection == "PERSPECTIVE":
            column.prop(built, "focal_mm")
        column = layout.column(align=True)
        column.row(align=True).prop(built, "variant", expand=True)
        if built.variant == "MESH":
            column.row(align=True).prop(built, "back", expand=True)
            if built.back != "OPEN":
                column.prop(built, "thickness_mm")
        layout.prop(built, "normal_map")
        self._draw_rebuild(layout, context, mesh, built)

    def _draw_rebuild(
        self, layout: bpy.types.UILayout, context: bpy.types.Context, mesh: bpy.types.Mesh, built
    ) -> None:
        row = layout.row(align=True)
        changed = not relief_build.is_up_to_date(mesh)
        row.operator(
            "portrait_relief.rebuild_relief",
            icon="FILE_REFRESH",
            depress=changed and (not built.auto_update or relief_build.has_stale_normal_map(mesh)),
        )
        row.prop(built, "auto_update", text="", icon="AUTO")
        draw_task(layout, "rebuild", mesh.session_uid, text="Rebuilding the relief")
        if built.message:
            draw_wrapped(layout.column(align=True), built.message, context, icon="ERROR")
        elif changed:
            text = "Not rebuilt yet: it may have been sculpted, or Auto Update is off."
            if relief_build.needs_only_a_normal_map(mesh):
                text = "The normal map was made for another Depth Scale. Rebuild Relief makes it anew, nothing else."
            draw_wrapped(layout.column(align=True), text, context, icon="INFO")


CLASSES = (PORTRAIT_RELIEF_PT_relief_view3d,)
