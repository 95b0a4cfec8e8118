# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop, restart, the log and the preferences."""

from __future__ import annotations

import bpy
from bpy.props import FloatProperty

from .. import checking, runtime, storage
from ..core import bug_report
from ..core.errors import AddonError
from ..translations import say, say_whole
from .reporting import ReportingMixin


class _StartOperator(ReportingMixin):
    timeout: FloatProperty(
        name="Timeout", description="Seconds to wait in background mode", default=180.0, options={"SKIP_SAVE"}
    )
    restart = False

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            runtime.start_backend(restart=self.restart)
        except AddonError as error:
            runtime.show_problem(error.problem)
            return self.ended(error.problem)
        return self.ended(runtime.wait_for_backend(self.timeout) if bpy.app.background else None)


class PORTRAIT_RELIEF_OT_start_backend(_StartOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.start_backend"
    bl_label = "Start Backend"
    bl_description = "Start the local process that holds the model"


class PORTRAIT_RELIEF_OT_restart_backend(_StartOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.restart_backend"
    bl_label = "Restart Backend"
    bl_description = "End the backend if it runs and start it anew"
    restart = True


class PORTRAIT_RELIEF_OT_stop_backend(bpy.types.Operator):
    bl_idname = "portrait_relief.stop_backend"
    bl_label = "Stop Backend"
    bl_description = "End the backend and give its memory back"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        runtime.stop_backend()
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_free_memory(bpy.types.Operator):
    bl_idname = "portrait_relief.free_memory"
    bl_label = "Free Backend Memory"
    bl_description = "Give the model's memory back, also the graphics card's; the next job loads it again"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return not runtime.is_busy()

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            runtime.free_memory()
        except AddonError as error:
            self.report({"WARNING"}, say_whole(error.problem))
            return {"CANCELLED"}
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_open_log(ReportingMixin, bpy.types.Operator):
    bl_idname = "portrait_relief.open_log"
    bl_label = "Open Backend Log"
    bl_description = "Open what the backend wrote"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.opened(runtime.session().backend.log_path, "The backend has not written a log yet")


class PORTRAIT_RELIEF_OT_copy_report(bpy.types.Operator):
    bl_idname = "portrait_relief.copy_report"
    bl_label = "Copy Backend Report"
    bl_description = (
        "Copy versions, device, the last error, the last check and the end of the log, for a bug report"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        shown, backend = context.window_manager.portrait_relief, runtime.session().backend
        report = bug_report.compose(
            blender=bpy.app.version_string,
            addon=storage.version(),
            backend_state=shown.backend_state,
            capabilities=backend.capabilities,
            problems={
                "Job": shown.message,
                "Backend said": shown.backend_message,
                "Install": shown.install.message,
            },
            log=backend.log_tail(bug_report.LOG_LINES),
            check=checking.report(),
        )
        context.window_manager.clipboard = report
        if bpy.app.background:  # where there is no clipboard
            print(report)
        self.report({"INFO"}, say("The report is in the clipboard"))
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_open_preferences(bpy.types.Operator):
    bl_idname = "portrait_relief.open_preferences"
    bl_label = "Portrait Relief Preferences"
    bl_description = "Choose the backend's Python, a running backend or a model folder"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return not bpy.app.background

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return bpy.ops.preferences.addon_show(module=storage.PACKAGE)


CLASSES = (
    PORTRAIT_RELIEF_OT_start_backend,
    PORTRAIT_RELIEF_OT_restart_backend,
    PORTRAIT_RELIEF_OT_stop_backend,
    PORTRAIT_RELIEF_OT_free_memory,
    PORTRAIT_RELIEF_OT_open_log,
    PORTRAIT_RELIEF_OT_copy_report,
    PORTRAIT_RELIEF_OT_open_preferences,
)
