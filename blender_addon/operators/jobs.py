# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate, estimate depth, the same of a file, repaint from a sculpted relief, cancel.

With a window they start the work and return at once. In background mode, or with `wait`, they return when the result
is imported, and fail as operators do (RuntimeError in a script) with the sentence that the panel shows.
"""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty

from .. import requests, runtime
from ..core.errors import AddonError, Problem
from ..core.jobs import JobInput, Made
from ..core.steps import Steps
from ..scene import sending_back
from ..translations import say
from .browsing import ask_for_file
from .reporting import ReportingMixin


class JobOperator(ReportingMixin):
    """What all operators have in common that send a job."""

    timeout: FloatProperty(
        name="Timeout",
        description="Seconds to wait for the result in background mode",
        default=1800.0,
        min=0.1,
        options={"SKIP_SAVE"},
    )
    wait: BoolProperty(
        name="Wait", description="Return only when the result is imported", options={"SKIP_SAVE"}
    )
    mode = ""
    poll_message_set: Callable[[str], None]

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if runtime.is_busy():
            cls.poll_message_set(say("Portrait Relief is still at work"))
            return False
        return True

    def what_to_send(self, context: bpy.types.Context) -> tuple[JobInput, Steps[Made] | None]:
        """The job, and what makes what it still lacks."""
        return requests.begun_input(context.scene.portrait_relief, self.mode)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            runtime.submit(context.scene, *self.what_to_send(context))
        except AddonError as error:
            return self.refused(error.problem)
        return self.sent()

    def sent(self) -> set[str]:
        """After a job was begun: with `wait`, or in background mode, drives it to its end."""
        wait = bpy.app.background or self.wait
        return self.ended(runtime.run_job_blocking(self.timeout) if wait else None)

    def refused(self, problem: Problem) -> set[str]:
        """Shows why nothing was begun; while a job is at work, the panel goes on showing that."""
        if not runtime.is_busy():
            runtime.show_problem(problem)
        return self.ended(problem)


class PORTRAIT_RELIEF_OT_generate(JobOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.generate"
    bl_label = "Generate Portrait Relief"
    bl_description = "Give the portrait the expression below and make a relief of it"
    mode = "generate"


class PORTRAIT_RELIEF_OT_estimate_depth(JobOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.estimate_depth"
    bl_label = "Estimate Portrait Depth"
    bl_description = "Make a relief of the photo as it is"
    mode = "depth"


class PORTRAIT_RELIEF_OT_relief_from_photo(JobOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.relief_from_photo"
    bl_label = "Relief from Photo…"
    bl_description = "Choose a portrait photo on disk and make a relief of it as it is"
    mode = "depth"

    filepath: StringProperty(
        name="File", description="The portrait photo", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        return ask_for_file(self, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        settings.source, settings.filepath = "FILE", self.filepath
        return super().execute(context)


class PORTRAIT_RELIEF_OT_repaint(JobOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.repaint"
    bl_label = "Repaint from Relief"
    bl_description = "Send the active relief's sculpted shape back and paint the portrait anew to match it"
    mode = "appearance"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and sending_back.is_at_hand(cls, context.active_object)

    def what_to_send(self, context: bpy.types.Context) -> tuple[JobInput, Steps[Made] | None]:
        return requests.repaint_input(context.scene, context.active_object)


class PORTRAIT_RELIEF_OT_at_work(bpy.types.Operator):
    bl_idname = "portrait_relief.at_work"
    bl_label = "Portrait Relief Is at Work"
    bl_description = "Can be used again when the work is done"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Never: it is what a job's button is while a job is at work.

        Blender keeps a button that lies under the mouse from one redraw to the next, and never takes the grey off it;
        another operator's button is a new one.
        """
        cls.poll_message_set(say("Portrait Relief is still at work"))
        return False


class PORTRAIT_RELIEF_OT_cancel(bpy.types.Operator):
    bl_idname = "portrait_relief.cancel"
    bl_label = "Cancel Portrait Relief"
    bl_description = "Stop the work; nothing is imported"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return {"FINISHED"} if runtime.cancel() else {"CANCELLED"}


class PORTRAIT_RELIEF_OT_dismiss(bpy.types.Operator):
    bl_idname = "portrait_relief.dismiss"
    bl_label = "Dismiss Message"
    bl_description = "Take this message away"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        runtime.forget_problem()
        return {"FINISHED"}


CLASSES = (
    PORTRAIT_RELIEF_OT_generate,
    PORTRAIT_RELIEF_OT_estimate_depth,
    PORTRAIT_RELIEF_OT_relief_from_photo,
    PORTRAIT_RELIEF_OT_repaint,
    PORTRAIT_RELIEF_OT_at_work,
    PORTRAIT_RELIEF_OT_cancel,
    PORTRAIT_RELIEF_OT_dismiss,
)
