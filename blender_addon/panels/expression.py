# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets, and the sliders by region."""

from __future__ import annotations

import bpy

from .. import own_presets_folder, runtime, thumbnails
from ..core import arkit, presets
from ..scene import driving
from ..translations import say
from .job import draw_job_button, draw_wrapped
from .places import PanelMixin, in_both_editors

CELL_WIDTH = 85  # of the library's cells, in units of the interface's scale
CELL_SCALE = 3.5
PAIR_SHARE = 0.62  # of a row for the left slider, which bears the name of both: halves cut "Outer Up L" off


class _ExpressionPanel(PanelMixin):
    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.portrait_relief
        layout = self.layout
        column = layout.column(align=True)
        row = column.row(align=True)
        row.prop(settings, "expression_strength", slider=True)
        row.prop(settings, "symmetric", text="", icon="MOD_MIRROR")
        row = column.row(align=True)
        row.operator("portrait_relief.mirror_expression", text="Mirror", icon="ARROW_LEFTRIGHT")
        row.operator("portrait_relief.reset_expression", text="Reset All", icon="LOOP_BACK").region = "ALL"
        row.menu("PORTRAIT_RELIEF_MT_own_presets", text="", icon="DOWNARROW_HLT")
        layout.prop(settings, "keep_unset")


class _LibraryPanel(PanelMixin):
    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        self.layout.operator("portrait_relief.save_own_preset", text="", icon="ADD", emboss=False)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        width = context.region.width / context.preferences.system.ui_scale
        columns = max(2, int(width / CELL_WIDTH))
        grid = layout.grid_flow(row_major=True, columns=columns, even_columns=True, even_rows=True)
        for preset in presets.PRESETS:
            cell = self._cell(grid, thumbnails.icon_of_preset(preset.identifier))
            cell.operator("portrait_relief.apply_preset", text=preset.label).preset = preset.identifier
        for name in own_presets_folder.names():
            cell = self._cell(grid, thumbnails.icon_of_own(name))
            cell.operator("portrait_relief.apply_own_preset", text=name).name = name
        layout.prop(context.scene.portrait_relief, "preset_strength", slider=True)

    def _cell(self, grid: bpy.types.UILayout, icon: int) -> bpy.types.UILayout:
        """A picture with room for its button below."""
        column = grid.column(align=True)
        if icon:
            column.template_icon(icon_value=icon, scale=CELL_SCALE)
        else:
            empty = column.row()
            empty.scale_y = CELL_SCALE
            empty.label(text="", icon="USER")
        return column


class PORTRAIT_RELIEF_MT_own_presets(bpy.types.Menu):
    bl_idname = "PORTRAIT_RELIEF_MT_own_presets"
    bl_label = "Own Expressions"

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("portrait_relief.save_own_preset", icon="ADD")
        for operator, text in (
            ("rename_own_preset", "Rename “{name}”"),
            ("delete_own_preset", "Delete “{name}”"),
        ):
            for name in own_presets_folder.names():
                layout.operator(
                    f"portrait_relief.{operator}", text=say(text, name=name), translate=False
                ).name = name


class _DrivingPanel(PanelMixin):
    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.portrait_relief
        layout = self.layout
        column = layout.column(align=True)
        column.prop(settings, "driving_object", text="Mesh")
        if settings.driving_object is not None:
            count = len(driving.driving_keys(settings.driving_object))
            column.label(
                text=say("{count} of {all} sliders follow it", count=count, all=len(arkit.ARKIT_NAMES)),
                icon="SHAPEKEY_DATA",
            )
            column.operator("portrait_relief.read_shape_keys", text="Read Shape Keys", icon="IMPORT")
            column.prop(settings, "driving_motion", text="")
            if settings.driving_motion == "relative":
                measured = driving.own_expression(settings) is not None
                icon = "CHECKMARK" if measured else "VIEWZOOM"
                draw_job_button(
                    column, "portrait_relief.measure_portrait", text="Measure Portrait", icon=icon
                )
        column = layout.column(align=True)
        for operator, text, icon in (
            ("expression_from_photo", "Expression from Photo…", "IMAGE_DATA"),
            ("drive_from_footage", "Drive from Movie or Images…", "FILE_MOVIE"),
        ):
            draw_job_button(column, f"portrait_relief.{operator}", text=text, icon=icon)
        reason = runtime.why_no_driving()
        if reason:
            draw_wrapped(column, reason, context, icon="INFO")
            column.operator("portrait_relief.open_preferences", icon="PREFERENCES")
        layout.operator("portrait_relief.import_live_link", icon="FILE")
        scene = context.scene
        column = layout.column(align=True)
        row = column.row(align=True)
        row.prop(scene, "frame_start", text="Start")
        row.prop(scene, "frame_end", text="End")
        draw_job_button(
            column, "portrait_relief.generate_sequence", text="Generate Sequence", icon="RENDER_ANIMATION"
        )
        column.operator("portrait_relief.import_finished_frames", icon="IMPORT")
        column.prop(settings, "sequence_folder", text="")


def _region_mixin(region: str, names: tuple[str, ...]) -> type:
    """A sub-panel with one region's sliders; its header tells how many are in use."""

    class _RegionPanel(PanelMixin):
        def draw_header_preset(self, context: bpy.types.Context) -> None:
            settings = context.scene.portrait_relief
            used = sum(1 for name in names if getattr(settings, name))
            row = self.layout.row(align=True)
            if used:
                row.label(text=str(used))
                row.operator(
                    "portrait_relief.reset_expression", text="", icon="LOOP_BACK", emboss=False
                ).region = region.upper()

        def draw(self, context: bpy.types.Context) -> None:
            settings = context.scene.portrait_relief
            column = self.layout.column(align=True)
            listed = set()
            for name in names:
                if name in listed:
                    continue
                other = arkit.mirrored_name(name)
                if other != name and other in names:  # the pair shares a row, and its name
                    row = column.split(factor=PAIR_SHARE, align=True)
                    row.prop(settings, name, slider=True)
                    row.prop(settings, other, text=arkit.label(other).split()[-1], slider=True)
                    listed.add(other)
                else:
                    column.prop(settings, name, slider=True)

    return _RegionPanel


class _PosePanel(PanelMixin):
    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(context.scene.portrait_relief, "use_pose", text="")

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.portrait_relief
        column = self.layout.column(align=True)
        column.active = settings.use_pose
        for name in arkit.POSE_NAMES:
            column.prop(settings, name, slider=True)


CLASSES = (
    *in_both_editors(_ExpressionPanel, "expression", "Expression", order=1),
    *in_both_editors(_LibraryPanel, "library", "Library", parent="expression", order=0),
    *(
        panel
        for number, (region, names) in enumerate(arkit.REGIONS.items())
        for panel in in_both_editors(
            _region_mixin(region, names),
            f"region_{region.lower()}",
            region,
            parent="expression",
            closed=True,
            order=number + 1,
        )
    ),
    PORTRAIT_RELIEF_MT_own_presets,
    *in_both_editors(
        _DrivingPanel, "driving", "Driving", parent="expression", closed=True, order=len(arkit.REGIONS) + 2
    ),
    *in_both_editors(
        _PosePanel, "pose", "Head Pose", parent="expression", closed=True, order=len(arkit.REGIONS) + 1
    ),
)
