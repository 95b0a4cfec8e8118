# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate an expression for every frame of the scene's range."""

from __future__ import annotations

import uuid

import bpy
from bpy.props import BoolProperty

from .. import delivery, requests, runtime, sequences, tasks
from ..core import errors
from ..core.errors import AddonError, Problem
from ..translations import say
from .jobs import JobOperator
from .reporting import ReportingMixin


class PORTRAIT_RELIEF_OT_generate_sequence(JobOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.generate_sequence"
    bl_label = "Generate Expression Sequence"
    bl_description = (
        "Generate the animated expression for every frame from the scene's start to its end, as one relief that plays. "
        "Frames that were finished before are not made again"
    )
    mode = "generate"

    fresh: BoolProperty(
        name="Make All Anew", description="Also the frames that were finished before", options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = context.scene
        try:
            given, frames = requests.sequence_input(scene, sequences.scene_range(scene))
            try:
                sequence = sequences.plan(
                    given, frames, scene.portrait_relief.sequence_folder, fresh=self.fresh
                )
                if not sequence.to_make:
                    self.report({"INFO"}, say("All frames were there already"))
                    return self.ended(_import(scene, sequence, wait=self.wait))
                runtime.submit_sequence(scene, given, frames, sequence)
            except OSError as error:
                raise AddonError(errors.local("folder_not_writable", detail=str(error))) from error
        except AddonError as error:
            return self.refused(error.problem)
        return self.sent()


class PORTRAIT_RELIEF_OT_import_finished_frames(ReportingMixin, bpy.types.Operator):
    bl_idname = "portrait_relief.import_finished_frames"
    bl_label = "Import Finished Frames"
    bl_description = (
        "Import the frames of the sequence that are finished so far as a relief that plays; "
        "while others are being made, or after that was cancelled"
    )

    wait: BoolProperty(
        name="Wait", description="Return only when the result is imported", options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            try:
                sequence = sequences.finished_of(context.scene, runtime.session().job)
            except OSError as error:
                raise AddonError(errors.local("folder_not_writable", detail=str(error))) from error
        except AddonError as error:
            if not runtime.is_busy():  # the panel shows the job that is at work
                runtime.show_problem(error.problem)
            return self.ended(error.problem)
        return self.ended(_import(context.scene, sequence, wait=self.wait))


def _import(scene: bpy.types.Scene, sequence: sequences.Sequence, *, wait: bool) -> Problem | None:
    """Imports the frames that are there, beside a job; in background mode, or with `wait`, at once. Why it failed."""
    steps = delivery.told_steps(sequences.import_steps(scene, sequence, uuid.uuid4().hex))
    task = tasks.Task("import", steps, runtime.show_problem, "Import Portrait Sequence")
    try:
        runtime.run_task(task, wait=wait)
    except AddonError as error:
        return error.problem
    return None


CLASSES = (PORTRAIT_RELIEF_OT_generate_sequence, PORTRAIT_RELIEF_OT_import_finished_frames)
