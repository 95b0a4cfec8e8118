# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a finished job -> the scene that it was made for, in steps small enough for a timer."""

from __future__ import annotations

import contextlib
import traceback

import bpy

from . import requests, sequences
from .core import errors
from .core.drive_job import DriveInput
from .core.errors import AddonError
from .core.jobs import Job, JobState
from .core.relief import ReliefError
from .core.steps import Steps, advance, finish
from .scene import driving, importing
from .translations import say

TICK_BUDGET_S = 0.001  # the last of a tick's steps may take some milliseconds more


class Delivery:
    """Imports the result of one job after the other, each once and as one undo step."""

    def __init__(self) -> None:
        self._delivered_id = ""
        self._steps: Steps[None] | None = None
        self._steps_of = ""

    def awaits(self, job: Job | None) -> bool:
        """Whether this job is done and its result not, or not wholly, imported."""
        return job is not None and job.state is JobState.DONE and job.id != self._delivered_id

    def drop(self) -> None:
        """Ends a begun import; what it made so far is taken away."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    def tick(self, job: Job, scene_uid: int) -> None:
        """A few milliseconds of it."""
        self._go_on(job, scene_uid, TICK_BUDGET_S)

    def finish(self, job: Job, scene_uid: int) -> None:
        """All of it: for scripts, where no timer runs."""
        self._go_on(job, scene_uid, None)

    def _go_on(self, job: Job, scene_uid: int, budget_s: float | None) -> None:
        if self._steps is None or self._steps_of != job.id:
            self.drop()
            self._steps, self._steps_of = _import_steps(job, scene_uid), job.id
        try:
            if budget_s is None:
                finish(self._steps)
            elif not advance(self._steps, budget_s):
                return
        except AddonError as error:
            job.problem = error.problem
        except OSError as error:
            job.problem = errors.local("folder_not_writable", detail=str(error))
        except Exception as error:  # whatever it is: a timer that raises is never called again
            if not isinstance(error, ReliefError):
                traceback.print_exc()
            job.problem = errors.local("import_failed", detail=str(error))
        self._steps, self._delivered_id = None, job.id
        if job.problem is not None:
            job.state = JobState.FAILED


def _import_steps(job: Job, scene_uid: int) -> Steps[None]:
    """Imports every frame of a finished job.

    Raises ReliefError when there is no head in it, AddonError when its scene is gone.
    """
    scene = importing.find_scene(scene_uid)
    sequence = sequences.of(job)
    if sequence is not None:
        yield from sequences.import_steps(scene, sequence, job.id)
        _push_undo("Import Portrait Sequence")
        return
    given = job.input
    if isinstance(given, DriveInput):
        driving.apply(scene, job.results[0], given.start_frame)
        _push_undo("Drive Expression")
        return
    for number, frame in enumerate(job.results):
        description = importing.Description(
            result_id=job.id if len(job.results) == 1 else f"{job.id}-{number}",
            name=f"{given.label} Relief",
            mode=given.mode,
            summary=requests.summary(given.mode, dict(given.expression), dict(given.pose)),
            expression={**given.expression, **given.pose},
        )
        scene = importing.find_scene(scene_uid)
        yield from importing.import_steps(scene, frame, description)
        yield
    _push_undo("Import Portrait Relief")


def _push_undo(message: str) -> None:
    """One step for the whole import. A timer has no window in its context, so one is lent to it."""
    if bpy.app.background:
        return
    windows = bpy.context.window_manager.windows
    if windows:
        with bpy.context.temp_override(window=windows[0]), contextlib.suppress(RuntimeError):
            bpy.ops.ed.undo_push(message=say(message))
