# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate an expression for every frame of the scene's range."""

from __future__ import annotations

import uuid

import bpy
from bpy.props import BoolProperty

from .. import requests, runtime, sequences
from ..core import errors
from ..core.errors import AddonError
from ..core.relief import ReliefError
from ..core.steps import finish
from ..core.wording import worded
from ..translations import say
from .jobs import JobOperator


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
            numbers = range(scene.frame_start, scene.frame_end + 1)
            if len(numbers) > sequences.MAX_FRAMES:
                raise AddonError(
                    errors.local("too_many_frames", detail=worded("{count} frames", count=len(numbers)))
                )
            given, frames = requests.sequence_input(scene, numbers)
            try:
                sequence = sequences.plan(
                    given, frames, scene.portrait_relief.sequence_folder, fresh=self.fresh
                )
                if not sequence.to_make:
                    return self._import_at_once(scene, sequence)
                runtime.submit_sequence(scene, given, frames, sequence)
            except OSError as error:
                raise AddonError(errors.local("folder_not_writable", detail=str(error))) from error
        except AddonError as error:
            runtime.show_problem(error.problem)
            return self.ended(error.problem)
        wait = bpy.app.background or self.wait
        return self.ended(runtime.run_job_blocking(self.timeout) if wait else None)

    def _import_at_once(self, scene: bpy.types.Scene, sequence: sequences.Sequence) -> set[str]:
        try:
            finish(sequences.import_steps(scene, sequence, uuid.uuid4().hex))
        except (ReliefError, ValueError) as error:
            raise AddonError(errors.local("import_failed", detail=str(error))) from error
        self.report({"INFO"}, say("All frames were there already"))
        return {"FINISHED"}


CLASSES = (PORTRAIT_RELIEF_OT_generate_sequence,)
