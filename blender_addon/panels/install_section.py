# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's installation: a section of the preferences."""

from __future__ import annotations

import os

import bpy

from .. import installation
from ..core import downloads
from ..core.downloads import size_text
from ..core.environment import Bundle, EnvironmentState
from ..core.errors import Remedy
from ..core.launch import ENV_PYTHON
from ..download_list import draw_packages, summary
from ..translations import say
from .job import draw_install_progress, draw_wrapped, letters_across

_ICONS = {
    EnvironmentState.ABSENT: "IMPORT",
    EnvironmentState.INCOMPLETE: "ERROR",
    EnvironmentState.OUTDATED: "FILE_REFRESH",
    EnvironmentState.INSTALLED: "CHECKMARK",
}


def draw_section(layout: bpy.types.UILayout, context: bpy.types.Context, chosen) -> None:
    """State, buttons, folder and the settings of the installation. `chosen` are the preferences."""
    shown = context.window_manager.portrait_relief.install
    box = layout.box()
    box.use_property_split = True
    state, carried, named = installation.state(), installation.bundle(), installation.named_python()
    if installation.is_busy():
        draw_install_progress(box, shown)
    else:
        if named and state is EnvironmentState.ABSENT:
            box.label(text="Not installed, nor needed: another Python is used", icon="INFO")
        else:
            box.label(text=_sentence(state, carried.version if carried else ""), icon=_ICONS[state])
        if carried is not None:
            wanted = chosen.face_following and not installation.follows_faces()
            _draw_buttons(box.row(align=True), state, faces=wanted)
        if shown.message:
            _draw_failure(box, context, shown)
    earlier = installation.earlier_environment()
    if earlier is not None:
        box.label(text="The backend of an earlier installation fits and is used:", icon="INFO")
        box.label(text=str(earlier), icon="BLANK1", translate=False)
    if named:
        said = "Named by {variable}: {python}" if os.environ.get(ENV_PYTHON) else "Named below: {python}"
        draw_wrapped(
            box.column(align=True), say(said, variable=ENV_PYTHON, python=named), context, icon="INFO"
        )
    if carried is None and state is EnvironmentState.ABSENT:
        if not named:
            box.label(text="This copy carries none; name a Python or a source folder below", icon="INFO")
        return
    if carried is not None:
        _draw_downloads(box, context, shown, carried)
        _draw_face_following(box, chosen, carried)
        box.label(text="An environment of its own: nothing is installed into Blender", icon="LOCKED")
    _draw_online_access(box, context, state)
    row = box.row(align=True)
    field = row.row(align=True)
    field.prop(chosen, "install_folder", placeholder=str(installation.environment_folder().parent))
    row.operator("portrait_relief.open_install_log", text="", icon="TEXT")
    column = box.column()
    column.enabled = field.enabled = not installation.is_busy()
    column.prop(chosen, "install_python", placeholder="Blender's own")
    column.prop(chosen, "package_index", placeholder=installation.package_index() or say("pip's own"))


def _draw_downloads(layout: bpy.types.UILayout, context: bpy.types.Context, shown, carried: Bundle) -> None:
    """How much an installation downloads, and behind the triangle every package of it."""
    brought = installation.to_download(carried)
    row = layout.row()
    row.use_property_split = False
    icon = "DOWNARROW_HLT" if shown.show_packages else "RIGHTARROW"
    row.prop(shown, "show_packages", text="", icon=icon, emboss=False)
    row.label(text=summary(brought), translate=False)
    smaller = installation.without_graphics_card(carried)
    if smaller is not None and smaller.recorded:
        text = say(
            "No NVIDIA driver is seen here. With Device set to Processor: {download}, {disk} on disk",
            download=size_text(smaller.download_bytes),
            disk=size_text(smaller.disk_bytes),
        )
        draw_wrapped(layout, text, context, icon="INFO")
    if shown.show_packages:
        draw_packages(layout, brought, letters_across(context))


def _draw_face_following(layout: bpy.types.UILayout, chosen, carried: Bundle) -> None:
    """The tick, and below it what it brings."""
    row = layout.row()
    row.enabled = not installation.is_busy()
    row.prop(chosen, "face_following")
    brought = downloads.of_faces(carried)
    name = next(
        (f"MediaPipe {package.version}" for package in brought if package.name == "mediapipe"), "MediaPipe"
    )
    if installation.follows_faces():
        text = say("{name} and its model: installed", name=name)
    else:
        size = size_text(sum(package.download_bytes for package in brought))
        text = say("{name} and its model, {size}", name=name, size=size)
    layout.label(text=text, icon="BLANK1", translate=False)


def _sentence(state: EnvironmentState, carried: str) -> str:
    version = installation.installed_version()
    if state is EnvironmentState.ABSENT:
        return say("The backend is not installed yet")
    if state is EnvironmentState.INCOMPLETE:
        return say("The backend's installation is not complete")
    if state is EnvironmentState.OUTDATED:
        return say("Backend {old} is installed; {new} came with this add-on", old=version, new=carried)
    return say("Backend {version} is installed", version=version)


def _draw_buttons(row: bpy.types.UILayout, state: EnvironmentState, *, faces: bool) -> None:
    if faces and state is EnvironmentState.INSTALLED:
        row.operator("portrait_relief.install_backend", text="Install Face Following").fresh = False
    label = {
        EnvironmentState.ABSENT: "Install",
        EnvironmentState.INCOMPLETE: "Repair",
        EnvironmentState.OUTDATED: "Update",
        EnvironmentState.INSTALLED: "Reinstall",
    }[state]
    row.operator("portrait_relief.install_backend", text=label).fresh = state is EnvironmentState.INSTALLED
    if state is not EnvironmentState.ABSENT:
        row.operator("portrait_relief.remove_backend", text="Remove")


def _draw_online_access(
    layout: bpy.types.UILayout, context: bpy.types.Context, state: EnvironmentState
) -> None:
    if bpy.app.online_access or state is EnvironmentState.INSTALLED:
        return
    if bpy.app.online_access_override:  # --offline-mode: the box would be without effect
        layout.label(text="Blender was started in offline mode and may not download", icon="INFO")
    else:
        row = layout.row(heading="Needed to Download")
        row.prop(context.preferences.system, "use_online_access", text="Allow Online Access")


def _draw_failure(layout: bpy.types.UILayout, context: bpy.types.Context, shown) -> None:
    """What went wrong with the installation; installing again clears it."""
    draw_wrapped(layout.column(align=True), shown.message, context, icon="ERROR")
    draw_wrapped(layout.column(align=True), shown.hint, context)
    if shown.remedy != Remedy.NONE.value:
        layout.row().operator("portrait_relief.open_install_log", icon="TEXT")
