# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, cancel and remove the backend's environment, and its log."""

from __future__ import annotations

import textwrap

import bpy
from bpy.props import BoolProperty, FloatProperty

from .. import installation, runtime
from ..core.errors import AddonError
from ..translations import say
from .reporting import ReportingMixin

_DIALOG_WIDTH_PX = 460
_DIALOG_LETTERS = 68


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
        size = installation.needed_gb()
        self.draw_lines(
            say(
                "Downloads PyTorch and the other packages of the backend {version} from the Python Package Index "
                "(pypi.org), or wherever this machine's pip is set to. The model itself came with the add-on.",
                version=carried.version if carried else "",
            ),
            say("Needs about {size} GB of disk space and some minutes in:", size=size),
            str(installation.environment_folder()),
            say("Nothing is installed into Blender's Python. Blender stays usable meanwhile."),
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
    PORTRAIT_RELIEF_OT_open_install_log,
)
