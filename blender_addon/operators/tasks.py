# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators have in common whose work goes on while the interface is used; and the button that stops it."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

from .. import runtime, tasks
from ..core.errors import AddonError
from ..translations import say
from .reporting import ReportingMixin

Report = tuple[str, str]  # Blender's word for how severe it is, and the text


class TaskOperator(ReportingMixin):
    """With a window the work is begun and goes on by the timer, which also makes the undo step at its end; in
    background mode, or with `wait`, the operator returns when it is done."""

    bl_options = {"REGISTER"}  # with UNDO there would be a step before the work is done
    wait: BoolProperty(name="Wait", description="Return only when it is done", options={"SKIP_SAVE"})
    poll_message_set: Callable[[str], None]

    @classmethod
    def may_begin(cls, kind: str, of: int = 0) -> bool:
        """For `poll`."""
        if tasks.is_busy(kind, of):
            cls.poll_message_set(say("Portrait Relief is still at work"))
            return False
        return True

    def run_task(self, task: tasks.Task) -> set[str]:
        """Its steps return a Report or None; it tells the artist a problem when the operator has returned long
        before."""
        try:
            outcome = runtime.run_task(task, wait=self.wait)
        except AddonError as error:
            return self.ended(error.problem)
        if isinstance(outcome, tuple):  # a Report
            self.report({outcome[0]}, outcome[1])
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_cancel_task(bpy.types.Operator):
    bl_idname = "portrait_relief.cancel_task"
    bl_label = "Cancel Work"
    bl_description = "Stop this work; everything stays as it is"

    kind: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    of: IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return {"FINISHED"} if runtime.cancel_task(self.kind, self.of) else {"CANCELLED"}


CLASSES = (PORTRAIT_RELIEF_OT_cancel_task,)
