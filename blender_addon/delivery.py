# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a finished job -> the scene that it was made for, in steps small enough for a timer."""

from __future__ import annotations

import traceback

from . import requests, sequences
from .core import errors
from .core.drive_job import DriveInput, MeasureInput
from .core.errors import AddonError, Problem
from .core.jobs import Job, JobState
from .core.relief import ReliefError
from .core.steps import Result, Steps, advance, finish
from .scene import chosen_picture, driving, importing
from .tasks import TICK_BUDGET_S, push_undo


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
        except Exception as error:  # whatever it is: a timer that raises is never called again
            job.problem = _problem_of(error)
        self._steps, self._delivered_id = None, job.id
        if job.problem is not None:
            job.state = JobState.FAILED


def _problem_of(error: Exception) -> Problem:
    """What an import that failed shows."""
    if isinstance(error, AddonError):
        return error.problem
    if isinstance(error, OSError):
        return errors.local("folder_not_writable", detail=str(error))
    if not isinstance(error, ReliefError):
        traceback.print_exception(error)
    return errors.local("import_failed", detail=str(error))


def told_steps(steps: Steps[Result]) -> Steps[Result]:
    """An import's steps, for a task. Raises AddonError for whatever they raise."""
    try:
        return (yield from steps)
    except Exception as error:  # as above
        raise AddonError(_problem_of(error)) from error


def _import_steps(job: Job, scene_uid: int) -> Steps[None]:
    """Imports every frame of a finished job.

    Raises ReliefError when there is no head in it, AddonError when its scene is gone.
    """
    scene = importing.find_scene(scene_uid)
    sequence = sequences.of(job)
    if sequence is not None:
        yield from sequences.import_steps(scene, sequence, job.id)
        push_undo("Import Portrait Sequence")
        return
    given = job.input
    if isinstance(given, MeasureInput):
        own = job.results[0].frames[0]
        driving.remember_own(scene.portrait_relief, given.photo, own)
        if given.take is not None:
            driving.write_relative(
                scene,
                given.take,
                own,
                start_frame=given.start_frame or 0.0,
                strength=given.take_strength,
                wanted=given.wanted,
            )
        push_undo("Measure Portrait" if given.take is None else "Import Face Recording")
        return
    if isinstance(given, DriveInput):
        driving.apply(scene, job.results[0], given.start_frame)
        push_undo("Drive Expression")
        return
    for number, frame in enumerate(job.results):
        description = importing.Description(
            result_id=job.id if len(job.results) == 1 else f"{job.id}-{number}",
            name=f"{given.label} Relief",
            mode=given.mode,
            summary=requests.summary(given.mode, dict(given.expression), dict(given.pose)),
            expression={**given.expression, **given.pose},
            asked=requests.asked(given),
        )
        scene = importing.find_scene(scene_uid)
        yield from importing.import_steps(scene, frame, description)
        if given.mode != "appearance":
            settings = importing.find_scene(scene_uid).portrait_relief
            chosen_picture.remember_faces(settings, given, frame.info.get("report") or {})
        yield
    push_undo("Import Portrait Relief")
