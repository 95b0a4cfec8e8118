# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, check, cancel and remove the backend's environment, and its log."""

from __future__ import annotations

import textwrap

import bpy
from bpy.props import BoolProperty, FloatProperty

from .. import checking, installation, runtime, user_choices
from ..core import downloads, errors, face_following
from ..core.downloads import size_text
from ..core.errors import AddonError
from ..download_list import draw_packages, summary
from ..translations import say
from .reporting import ReportingMixin

_DIALOG_WIDTH_PX = 600
_DIALOG_LETTERS = 88


class _EnvironmentOperator(ReportingMixin):
    """Begins, and in background mode stays until the end."""

    timeout: FloatProperty(
        name="Timeout",
        description="Seconds to wait in background mode",
        default=7200.0,
        options={"SKIP_SAVE"},
    )
    layout: bpy.types.UILayout

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return not installation.is_busy()

    def begin(self, *, remove: bool, fresh: bool) -> set[str]:
        try:
            runtime.start_installation(remove=remove, fresh=fresh)
        except AddonError as error:
            installation.show_problem(error.problem)
            return self.ended(error.problem)
        return self.ended(installation.wait(self.timeout) if bpy.app.background else None)

    def draw_lines(self, *paragraphs: str) -> None:
        for paragraph in paragraphs:
            column = self.layout.column(align=True)
            for line in textwrap.wrap(paragraph, _DIALOG_LETTERS):
                column.label(text=line, translate=False)


class PORTRAIT_RELIEF_OT_install_backend(_EnvironmentOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.install_backend"
    bl_label = "Install Backend"
    bl_description = (
        "Download the packages that the model runs on into a folder of their own, apart from Blender"
    )

    fresh: BoolProperty(
        name="Make Anew",
        description="Remove the environment and make it anew, also where it is whole",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        try:
            installation.check(remove=False)
        except AddonError as error:
            installation.show_problem(error.problem)
            return self.ended(error.problem)
        return context.window_manager.invoke_props_dialog(
            self, width=_DIALOG_WIDTH_PX, title=say("Install the Backend"), confirm_text=say("Install")
        )

    def draw(self, _context: bpy.types.Context) -> None:
        carried = installation.bundle()
        if carried is None:  # the add-on was changed while the dialog is open
            return
        source = say("the Python Package Index (pypi.org), or wherever this machine's pip is set to")
        if installation.package_index():
            source = say("{source}, and {index}", source=source, index=installation.package_index())
        if not self.fresh and installation.only_faces():
            brought = downloads.of_faces(carried)
            size = size_text(sum(package.download_bytes for package in brought))
            self.draw_lines(say("Only face following is installed now, {size}.", size=size))
            names = ", ".join(f"{package.name} {package.version}" for package in brought)
            self.draw_lines(names, face_following.model_url())
            return
        brought, folder = installation.to_download(carried), installation.environment_folder()
        self.draw_lines(
            say(
                "Downloads the packages that backend {version} runs on from {source}. "
                "The model itself came with the add-on.",
                version=carried.version,
                source=source,
            ),
            summary(brought),
        )
        if folder.exists() and not self.fresh:
            self.draw_lines(say("What is there already and still fits is not downloaded again."))
        if user_choices.get().face_following:
            self.draw_lines(say("Face following is included."), face_following.model_url())
        draw_packages(self.layout.box(), brought, _DIALOG_LETTERS)
        self.draw_lines(
            say("{free} must be free while it installs, in:", free=size_text(brought.needed_bytes)),
            str(folder),
            say("Nothing is installed into Blender or its Python. Blender stays usable meanwhile."),
        )

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.begin(remove=False, fresh=self.fresh)


class PORTRAIT_RELIEF_OT_remove_backend(_EnvironmentOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.remove_backend"
    bl_label = "Remove Backend"
    bl_description = "Delete the backend's environment and what was downloaded for it"

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(
            self, width=_DIALOG_WIDTH_PX, title=say("Remove the Backend"), confirm_text=say("Remove")
        )

    def draw(self, _context: bpy.types.Context) -> None:
        self.draw_lines(
            say("Deletes this folder. Your pictures and reliefs stay; new ones need the backend again."),
            str(installation.environment_folder()),
        )

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if not installation.environment_folder().exists():
            self.report({"WARNING"}, say("No backend is installed"))
            return {"CANCELLED"}
        return self.begin(remove=True, fresh=False)


class PORTRAIT_RELIEF_OT_cancel_install(bpy.types.Operator):
    bl_idname = "portrait_relief.cancel_install"
    bl_label = "Cancel Installation"
    bl_description = "End the installation; it can be started again at any time"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return installation.is_busy()

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return {"FINISHED"} if runtime.cancel_installation() else {"CANCELLED"}


class PORTRAIT_RELIEF_OT_check_installation(ReportingMixin, bpy.types.Operator):
    bl_idname = "portrait_relief.check_installation"
    bl_label = "Check Installation"
    bl_description = "Have the backend examine its packages, device, memory and model; takes up to a minute"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return not installation.is_busy() and not checking.is_busy()

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            runtime.start_check()
        except AddonError as error:
            installation.show_problem(error.problem)
            return self.ended(error.problem)
        if not bpy.app.background:
            return {"FINISHED"}
        found = checking.wait()
        print(checking.report())
        if found is None or found.ok:
            return {"FINISHED"}
        return self.ended(found.problem or errors.local("check_found"))


class PORTRAIT_RELIEF_OT_end_check(bpy.types.Operator):
    bl_idname = "portrait_relief.end_check"
    bl_label = "End Check"
    bl_description = "End the check, or take away what it found"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        runtime.end_check()
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_open_install_log(ReportingMixin, bpy.types.Operator):
    bl_idname = "portrait_relief.open_install_log"
    bl_label = "Open Install Log"
    bl_description = "Open what the installation wrote"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.opened(installation.log_path(), "Nothing has been installed yet")


CLASSES = (
    PORTRAIT_RELIEF_OT_install_backend,
    PORTRAIT_RELIEF_OT_remove_backend,
    PORTRAIT_RELIEF_OT_cancel_install,
    PORTRAIT_RELIEF_OT_check_installation,
    PORTRAIT_RELIEF_OT_end_check,
    PORTRAIT_RELIEF_OT_open_install_log,
)
