# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators have in common whose work goes on while the interface is used; and the button that stops it."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import runtime, tasks
from ..core.errors import AddonError, Problem
from ..core.steps import Steps, finish
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
    def may_begin(cls, kind: str) -> bool:
        """For `poll`."""
        if tasks.is_busy(kind):
            cls.poll_message_set(say("Portrait Relief is still at work"))
            return False
        return True

    def run(
        self, kind: str, steps: Steps[Report | None], tell: Callable[[Problem], None], undo: str = ""
    ) -> set[str]:
        """`tell` shows a problem to the artist when the operator has returned long before."""
        try:
            if not (bpy.app.background or self.wait):
                runtime.begin_task(tasks.Task(kind, steps, tell, undo))
                return {"FINISHED"}
            outcome = finish(steps)
        except AddonError as error:
            return self.ended(error.problem)
        if outcome is not None:
            self.report({outcome[0]}, outcome[1])
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_cancel_task(bpy.types.Operator):
    bl_idname = "portrait_relief.cancel_task"
    bl_label = "Cancel Work"
    bl_description = "Stop this work; everything stays as it is"

    kind: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return {"FINISHED"} if runtime.cancel_task(self.kind) else {"CANCELLED"}


CLASSES = (PORTRAIT_RELIEF_OT_cancel_task,)
