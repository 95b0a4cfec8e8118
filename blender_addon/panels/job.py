# SPDX-License-Identifier: GPL-3.0-or-later
"""Source, the two main buttons, progress, errors with the button that mends them, and the backend."""

from __future__ import annotations

import textwrap

import bpy

from .. import installation, runtime, tasks
from ..core import found_faces
from ..core.errors import Remedy
from ..core.installer import InstallState
from ..core.jobs import JobState
from ..operators.portrait import camera_background
from ..scene import sending_back
from ..translations import say, say_problem
from .places import PanelMixin, in_both_editors

_MOST_FACES = 8  # that have a button; any has its number in the panel Settings
_DISMISS_LETTERS = 5  # that the cross beside an error takes
_ICONS_LETTERS = 12  # that the three buttons beside the backend's state take
_WORKING = {state.value for state in JobState if not state.ended}

# Remedy -> (operator, label, icon)
_REMEDY_BUTTONS = {
    Remedy.START_BACKEND.value: ("portrait_relief.start_backend", "Start Backend", "PLAY"),
    Remedy.RESTART_BACKEND.value: ("portrait_relief.restart_backend", "Restart Backend", "FILE_REFRESH"),
    Remedy.OPEN_PREFERENCES.value: ("portrait_relief.open_preferences", "Open Preferences", "PREFERENCES"),
    Remedy.OPEN_LOG.value: ("portrait_relief.open_log", "Open Log", "TEXT"),
    Remedy.CHOOSE_PICTURE.value: ("portrait_relief.choose_picture", "Choose Another Picture", "FILE_IMAGE"),
    Remedy.RETRY.value: ("portrait_relief.generate", "Try Again", "FILE_REFRESH"),
    Remedy.INSTALL_BACKEND.value: ("portrait_relief.install_backend", "Install Backend", "IMPORT"),
    Remedy.OPEN_INSTALL_LOG.value: ("portrait_relief.open_install_log", "Open Install Log", "TEXT"),
}

# What "Try Again" tries again.
_JOB_OPERATORS = {
    "generate": "portrait_relief.generate",
    "depth": "portrait_relief.estimate_depth",
    "appearance": "portrait_relief.repaint",
    "sequence": "portrait_relief.generate_sequence",
    "drive": "portrait_relief.drive_from_footage",
    "drive_photo": "portrait_relief.expression_from_photo",
    "measure": "portrait_relief.measure_portrait",
    "live_link": "portrait_relief.import_live_link",
}


def letters_across(context: bpy.types.Context) -> int:
    """How many letters a label holds in the region's width."""
    return max(16, int((context.region.width / context.preferences.system.ui_scale - 60) / 6.3))


def draw_wrapped(
    layout: bpy.types.UILayout, text: str, context: bpy.types.Context, icon: str = "NONE", taken: int = 0
) -> None:
    """A label in as many lines as the sidebar's width asks for: Blender itself cuts long labels off.

    `taken` is how many letters' room a button beside it has.
    """
    for number, line in enumerate(textwrap.wrap(say_problem(text), letters_across(context) - taken)):
        layout.label(
            text=line, translate=False, icon=icon if number == 0 else ("NONE" if icon == "NONE" else "BLANK1")
        )


def draw_job_button(layout: bpy.types.UILayout, operator: str, *, text: str, icon: str) -> None:
    """Of an operator that sends a job; grey while one is at work."""
    layout.operator("portrait_relief.at_work" if runtime.is_busy() else operator, text=text, icon=icon)


def draw_install_progress(layout: bpy.types.UILayout, install) -> None:
    row = layout.row(align=True)
    row.progress(factor=install.progress, text=install.status)
    row.operator("portrait_relief.cancel_install", text="", icon="X")


def draw_task(layout: bpy.types.UILayout, kind: str, of: int = 0, *, text: str) -> None:
    """What a button of this panel still works on, with a way to stop it."""
    if tasks.is_busy(kind, of):
        row = layout.row(align=True)
        row.label(text="Waiting for the render or stroke" if runtime.is_held_up() else text, icon="TIME")
        button = row.operator("portrait_relief.cancel_task", text="", icon="X")
        button.kind, button.of = kind, of


class _MainPanel(PanelMixin):
    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.portrait_relief
        job = context.window_manager.portrait_relief
        layout = self.layout
        self._draw_source(layout, context, settings)
        column = layout.column(align=True)
        column.scale_y = 1.3
        draw_job_button(column, "portrait_relief.generate", text="Generate", icon="SHADERFX")
        draw_job_button(column, "portrait_relief.estimate_depth", text="Estimate Depth", icon="MOD_DISPLACE")
        if job.install.state == InstallState.RUNNING.value:
            draw_install_progress(layout, job.install)
        elif job.state in _WORKING:
            row = layout.row(align=True)
            row.progress(factor=job.progress, text=job.status)
            row.operator("portrait_relief.cancel", text="", icon="X")
        elif job.message:
            self._draw_error(layout, context, job)
        elif job.install.message:
            self._draw_error(layout, context, job.install)
        elif job.state in {JobState.DONE.value, JobState.CANCELLED.value}:
            done = job.state == JobState.DONE.value
            row = layout.row()
            row.label(text=job.status, icon="CHECKMARK" if done else "CANCEL")
            if done and sending_back.is_relief(context.active_object):
                row.operator("portrait_relief.view_relief", icon="ZOOM_SELECTED")
        if installation.needs_update():
            box = layout.box()
            box.label(text="A new backend came with this add-on", icon="INFO")
            box.operator("portrait_relief.install_backend", text="Update Backend", icon="FILE_REFRESH")

    def _draw_source(self, layout: bpy.types.UILayout, context: bpy.types.Context, settings) -> None:
        column = layout.column(align=True)
        column.row(align=True).prop(settings, "source", expand=True)
        if settings.source == "FILE":
            column.prop(settings, "filepath", text="")
        else:
            column.template_ID(settings, "image", open="portrait_relief.choose_picture")
        self._draw_faces(column, settings)
        if settings.tells_settings and (settings.source == "FILE" or settings.image is not None):
            column.operator("portrait_relief.restore_settings", icon="LOOP_BACK")
        if settings.source == "FILE":
            return
        if camera_background(context.scene) not in {None, settings.image}:
            column.operator(
                "portrait_relief.use_camera_background", text="Use Camera Background", icon="CAMERA_DATA"
            )
        space = context.space_data
        in_editor = space.type == "IMAGE_EDITOR"
        if in_editor and bpy.ops.image.clipboard_paste.poll():
            column.operator("image.clipboard_paste", text="Paste from Clipboard", icon="PASTEDOWN")
        shown = space.image if in_editor else None
        if shown is not None and shown != settings.image:
            column.operator(
                "portrait_relief.use_editor_image",
                text=say("Use “{name}”", name=shown.name),
                translate=False,
                icon="IMAGE_DATA",
            )

    def _draw_faces(self, layout: bpy.types.UILayout, settings) -> None:
        """Several faces that the last job found, to choose one; the Image Editor shows their numbers."""
        faces = found_faces.from_text(settings.faces)
        if len(faces) < 2 or settings.use_crop:
            return
        row = layout.row(align=True)
        row.label(text=say("{count} faces", count=len(faces)), translate=False, icon="COMMUNITY")
        for number in range(1, min(len(faces), _MOST_FACES) + 1):
            chosen = settings.face == number
            row.operator("portrait_relief.choose_face", text=str(number), depress=chosen).number = number

    def _draw_error(self, layout: bpy.types.UILayout, context: bpy.types.Context, shown) -> None:
        """`shown` is the job or the installation: message, hint and the button that mends it."""
        box = layout.box()
        row = box.row(align=True)
        column = row.column(align=True)
        draw_wrapped(column, shown.message, context, icon="ERROR", taken=_DISMISS_LETTERS)
        row.operator("portrait_relief.dismiss", text="", icon="X", emboss=False)
        if shown.hint:
            draw_wrapped(box.column(align=True), shown.hint, context)
        if shown.remedy in _REMEDY_BUTTONS:
            operator, label, icon = _REMEDY_BUTTONS[shown.remedy]
            if shown.remedy == Remedy.RETRY.value:
                operator = _JOB_OPERATORS.get(shown.mode, operator)
            row = box.row(align=True)
            row.operator(operator, text=label, icon=icon)
            if shown.remedy == Remedy.INSTALL_BACKEND.value:
                row.operator("portrait_relief.open_preferences", text="", icon="PREFERENCES")


class _AdvancedPanel(PanelMixin):
    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.portrait_relief
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(settings, "density")
        column.prop(settings, "depth_scale")
        column.prop(settings, "size")
        column = layout.column(align=True)
        row = column.row(align=True)
        row.active = not settings.use_crop
        row.prop(settings, "face")
        column.prop(settings, "steps")
        column.prop(settings, "seed")
        column = layout.column(align=True)
        column.prop(settings, "use_crop")
        if settings.use_crop:
            column.prop(settings, "crop_left", text="Left")
            column.prop(settings, "crop_top", text="Top")
            column.prop(settings, "crop_side", text="Side")
        if context.space_data.type == "IMAGE_EDITOR":
            column.operator("portrait_relief.draw_crop", text="Draw Crop", icon="SELECT_SET")


class _BackendPanel(PanelMixin):
    def draw(self, context: bpy.types.Context) -> None:
        job = context.window_manager.portrait_relief
        layout = self.layout
        icons = {"READY": "CHECKMARK", "FAILED": "ERROR", "STOPPED": "RADIOBUT_OFF"}
        icon = icons.get(job.backend_state, "SORTTIME")
        row = layout.row()
        text = job.backend_message or "Backend is not running"
        draw_wrapped(row.column(align=True), text, context, icon, taken=_ICONS_LETTERS)
        row = row.row(align=True)  # here, as "Free Memory" has no room beside them
        row.operator("portrait_relief.open_log", text="", icon="TEXT")
        row.operator("portrait_relief.copy_report", text="", icon="COPYDOWN")
        row.operator("portrait_relief.open_preferences", text="", icon="PREFERENCES")
        row = layout.row(align=True)
        if job.backend_state in {"STOPPED", "FAILED"}:
            row.operator("portrait_relief.start_backend", text="Start", icon="PLAY")
        else:
            row.operator("portrait_relief.restart_backend", text="Restart", icon="FILE_REFRESH")
            row.operator("portrait_relief.free_memory", text="Free Memory", icon="TRASH")


CLASSES = (
    *in_both_editors(_MainPanel, "main", "Portrait Relief", order=0),
    *in_both_editors(_AdvancedPanel, "settings", "Settings", closed=True, order=3),
    *in_both_editors(_BackendPanel, "backend", "Backend", closed=True, order=4),
)
