# SPDX-License-Identifier: GPL-3.0-or-later
"""The active relief's light: texture, rig and its direction, HDRI, preview and still. In the 3D View only."""

from __future__ import annotations

import bpy

from ..core.light_rigs import RIGS
from ..operators.viewing import still_of
from ..scene import albedo, hdri, lighting, sending_back
from .job import draw_task, draw_wrapped
from .places import CATEGORY, PanelMixin

RIG_COLUMNS = 3


class PORTRAIT_RELIEF_PT_light_view3d(PanelMixin, bpy.types.Panel):
    bl_idname = "PORTRAIT_RELIEF_PT_light_view3d"
    bl_label = "Light"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = CATEGORY
    bl_order = 2

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return sending_back.is_relief(context.active_object)

    def draw(self, context: bpy.types.Context) -> None:
        item = context.active_object
        chosen = item.portrait_relief_light
        layout = self.layout
        self._draw_texture(layout, item, chosen)
        self._draw_rig(layout, context, item, chosen)
        self._draw_hdri(layout, context, chosen)
        self._draw_pictures(layout, item, chosen)

    def _draw_texture(self, layout: bpy.types.UILayout, item: bpy.types.Object, chosen) -> None:
        column = layout.column(align=True)
        if albedo.has_albedo(item):
            row = column.row(align=True)
            row.prop(chosen, "texture", expand=True)
            row.operator("portrait_relief.delight", text="", icon="FILE_REFRESH")
        else:
            column.operator("portrait_relief.delight", icon="LIGHT")
        draw_task(column, "delight", item.data.session_uid, text="Removing the photo's light")
        row = column.row(align=True)
        row.prop(chosen, "delight_strength", slider=True)
        row.prop(chosen, "coloured", toggle=True)

    def _draw_rig(
        self, layout: bpy.types.UILayout, context: bpy.types.Context, item: bpy.types.Object, chosen
    ) -> None:
        active = lighting.rig_of(item)
        grid = layout.grid_flow(row_major=True, columns=RIG_COLUMNS, even_columns=True, align=True)
        for rig in RIGS:
            button = grid.operator("portrait_relief.apply_light_rig", text=rig.label, depress=rig == active)
            button.rig = rig.identifier
        if active is None:
            return
        column = layout.column(align=True)
        column.prop(chosen, "azimuth", slider=True)
        column.prop(chosen, "elevation", slider=True)
        row = column.row(align=True)
        row.prop(chosen, "strength", slider=True)
        row.prop(chosen, "warmth", slider=True)
        column.operator("portrait_relief.remove_light_rig", icon="X")
        if not _shows_lights(context.space_data):
            draw_wrapped(
                column, "Relight Preview shows these lights; this shading does not.", context, icon="INFO"
            )

    def _draw_hdri(self, layout: bpy.types.UILayout, context: bpy.types.Context, chosen) -> None:
        column = layout.column(align=True)
        row = column.row(align=True)
        row.operator("portrait_relief.load_hdri", icon="WORLD")
        if hdri.world_of(context.scene) is None:
            return
        row.operator("portrait_relief.restore_world", text="", icon="X")
        row = column.row(align=True)
        row.prop(chosen, "hdri_strength", text="Strength", slider=True)
        row.prop(chosen, "hdri_turn", text="Turn", slider=True)

    def _draw_pictures(self, layout: bpy.types.UILayout, item: bpy.types.Object, chosen) -> None:
        column = layout.column(align=True)
        row = column.row(align=True)
        row.prop(chosen, "engine", expand=True)
        row = column.row(align=True)
        row.scale_y = 1.3
        row.operator("portrait_relief.relight_preview", icon="SHADING_RENDERED").engine = chosen.engine
        if chosen.view_before:
            row.operator("portrait_relief.end_preview", text="", icon="X")
        row = column.row(align=True)
        row.scale_y = 1.3
        button = row.operator("portrait_relief.relit_still", text="Relit Still", icon="RENDER_STILL")
        button.engine, button.samples = chosen.engine, chosen.samples
        row.prop(chosen, "samples", text="")
        still = still_of(item)
        if still is not None:
            row = column.row(align=True)
            row.operator("portrait_relief.show_still", text="Show Still", icon="IMAGE_DATA")
            row.context_pointer_set("edit_image", still)
            row.operator("image.save_as", text="", icon="FILE_TICK")


def _shows_lights(space: bpy.types.SpaceView3D) -> bool:
    """Material Preview and Rendered may each be set to light by a studio picture instead."""
    kind = space.shading.type
    if kind == "MATERIAL":
        return space.shading.use_scene_lights
    return kind == "RENDERED" and space.shading.use_scene_lights_render


CLASSES = (PORTRAIT_RELIEF_PT_light_view3d,)
