# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries in Blender's own menus, and the menu Portrait Relief: F3 finds what a menu holds, and nothing else."""

from __future__ import annotations

import bpy

from . import own_presets_folder
from .core import presets
from .core.light_rigs import RIGS
from .scene import sending_back
from .translations import say

LINE = ""
MAIN = "PORTRAIT_RELIEF_MT_main"

# (submenu's name, label, its operators); what is drawn besides is in the submenu's own draw.
_SUBMENUS = (
    ("source", "Portrait Photo", ("choose_picture", "use_camera_background", "restore_settings")),
    (
        "expression",
        "Expression",
        ("mirror_expression", "reset_expression", "recall_expression", LINE),
    ),
    (
        "driving",
        "Driving",
        (
            "expression_from_photo",
            "drive_from_footage",
            "import_live_link",
            "read_shape_keys",
            "measure_portrait",
        ),
    ),
    (
        "results",
        "Results",
        (
            "select_result",
            "compare_results",
            "use_result",
            LINE,
            "import_result",
            "save_picture",
            LINE,
            "remove_result",
            "delete_result",
        ),
    ),
    ("light", "Light", ("remove_light_rig", LINE, "load_hdri", "restore_world", LINE, "delight", LINE)),
    ("export", "Export", ("check_relief", "fix_export", "export_relief")),
    (
        "backend",
        "Backend",
        (
            "start_backend",
            "restart_backend",
            "stop_backend",
            "free_memory",
            LINE,
            "open_log",
            "copy_report",
            "open_preferences",
            LINE,
            "install_backend",
            "check_installation",
            "remove_backend",
            "cancel_install",
            "open_install_log",
        ),
    ),
)
_MAIN_OPERATORS = (
    "generate",
    "estimate_depth",
    "relief_from_photo",
    "generate_sequence",
    "import_finished_frames",
    "cancel",
    LINE,
    "view_relief",
    "repaint",
    "rebuild_relief",
    LINE,
)


def _draw_operators(layout: bpy.types.UILayout, names: tuple[str, ...]) -> None:
    for name in names:
        if name == LINE:
            layout.separator()
        else:
            layout.operator(f"portrait_relief.{name}")


class _Submenu:
    """What a submenu of the table below has, besides its operators, is drawn by `more`."""

    layout: bpy.types.UILayout
    bl_idname = ""
    operators: tuple[str, ...] = ()

    def draw(self, context: bpy.types.Context) -> None:
        _draw_operators(self.layout, self.operators)
        more = _MORE.get(self.bl_idname)
        if more is not None:
            more(self.layout, context)


def _draw_editor_picture(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    if context.space_data is not None and context.space_data.type == "IMAGE_EDITOR":
        _draw_operators(layout, (LINE, "use_editor_image", "draw_crop"))


def _draw_expressions(layout: bpy.types.UILayout, _context: bpy.types.Context) -> None:
    named = [("apply_preset", preset.identifier, say(preset.label)) for preset in presets.PRESETS]
    named += [("apply_own_preset", name, name) for name in own_presets_folder.names()]
    for operator, key, label in named:
        text = say("Expression: {name}", name=label)
        button = layout.operator(f"portrait_relief.{operator}", text=text, translate=False)
        setattr(button, "preset" if operator == "apply_preset" else "name", key)
    layout.separator()
    layout.menu("PORTRAIT_RELIEF_MT_own_presets")


def _draw_lights(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The preview and the still as the panel has them set for the active relief; and the rigs."""
    preview = layout.operator("portrait_relief.relight_preview")
    layout.operator("portrait_relief.end_preview")
    still = layout.operator("portrait_relief.relit_still")
    layout.operator("portrait_relief.show_still")
    if sending_back.is_relief(context.active_object):
        chosen = context.active_object.portrait_relief_light
        preview.engine = still.engine = chosen.engine
        still.samples = chosen.samples
    layout.separator()
    for rig in RIGS:
        text = say("Light Rig: {name}", name=say(rig.label))
        button = layout.operator("portrait_relief.apply_light_rig", text=text, translate=False)
        button.rig = rig.identifier


_MORE = {
    "PORTRAIT_RELIEF_MT_source": _draw_editor_picture,
    "PORTRAIT_RELIEF_MT_expression": _draw_expressions,
    "PORTRAIT_RELIEF_MT_light": _draw_lights,
}


class PORTRAIT_RELIEF_MT_main(bpy.types.Menu):
    bl_idname = MAIN
    bl_label = "Portrait Relief"

    def draw(self, _context: bpy.types.Context) -> None:
        _draw_operators(self.layout, _MAIN_OPERATORS)
        for name, _label, _operators in _SUBMENUS:
            self.layout.menu(f"PORTRAIT_RELIEF_MT_{name}")


def _submenu_class(name: str, label: str, operators: tuple[str, ...]) -> type:
    identifier = f"PORTRAIT_RELIEF_MT_{name}"
    attributes = {"bl_idname": identifier, "bl_label": label, "operators": operators}
    return type(identifier, (_Submenu, bpy.types.Menu), attributes)


CLASSES = (PORTRAIT_RELIEF_MT_main, *(_submenu_class(*row) for row in _SUBMENUS))


def _draw_main(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.separator()
    self.layout.menu(MAIN, icon="USER")


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


ENTRIES = (
    ("VIEW3D_MT_mesh_add", _draw_add),
    ("VIEW3D_MT_object", _draw_main),
    ("IMAGE_MT_image", _draw_main),
    ("TOPBAR_MT_file_import", _draw_import),
    ("TOPBAR_MT_file_export", _draw_export),
)


def add() -> None:
    for name, draw in ENTRIES:
        getattr(bpy.types, name).append(draw)


def remove() -> None:
    for name, draw in ENTRIES:
        getattr(bpy.types, name).remove(draw)
