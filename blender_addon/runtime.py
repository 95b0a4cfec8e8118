# SPDX-License-Identifier: GPL-3.0-or-later
"""The one owner of the session and of the timer that drives it.

With a window, a `bpy.app.timers` function ticks the session. In background mode timers never run, so operators drive
the very same state machine by `run_job_blocking`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace

import bpy

from . import (
    checking,
    installation,
    job_texts,
    late_imports,
    requests,
    sequences,
    status_bar,
    storage,
    tasks,
)
from .core import collector, errors, temp_files
from .core.backend_process import BackendState
from .core.errors import AddonError, Problem, Remedy
from .core.jobs import FrameInput, Job, JobInput, JobState, Made
from .core.session import Session
from .core.steps import Steps, join_workers
from .delivery import Delivery
from .translations import say_sentence

BUSY_INTERVAL_S = 0.03
BRISK_INTERVAL_S = 0.005  # many steps of some milliseconds
IDLE_INTERVAL_S = 1.0  # only looks whether the backend still runs
LONG_S = 0.003  # what took longer leaves the rest of its tick's work to the next one

_BRISK = (JobState.PREPARING, JobState.UPLOADING, JobState.DOWNLOADING)

# In the middle of these the user holds data that an import would change under their hands.
_STROKES = ("TRANSFORM_OT_", "SCULPT_OT_", "PAINT_OT_", "GREASE_PENCIL_OT_", "GPENCIL_OT_")

# Macros that end in moving what they made are running under their own names.
_DRAGS = re.compile(r"_(move|slide)(_|$)")

_session: Session | None = None
_job_scene_uid = 0
_untold: list[Problem] = []  # of the file before
_delivery = Delivery()
_is_behind = False  # the last tick left something out


def session() -> Session:
    """The session, made when it is first needed."""
    global _session
    if _session is None:
        folder = storage.folder()
        temp_files.sweep(storage.temporary())
        _session = Session(folder / "logs")
    return _session


def is_busy() -> bool:
    return _session is not None and (_session.busy or _undelivered() is not None)


def close() -> None:
    """Ends the backend, the timers, the job and an installation; for unregister."""
    global _session
    late_imports.end()
    installation.close()
    checking.forget()
    _delivery.drop()
    for problem in tasks.end_all():
        print(f"Portrait Relief: {problem.text}")
    status_bar.clear()
    sequences.flush()
    join_workers()
    collector.release()
    if bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.unregister(_on_timer)
    if _session is not None:
        _session.close()
        _session = None


def submit(scene: bpy.types.Scene, job_input: JobInput, rest: Steps[Made] | None = None) -> Job:
    """Starts a job for this scene, and the backend if need be; `rest` makes what the input still lacks while the
    interface stays alive. Raises AddonError."""
    global _job_scene_uid
    done = _undelivered()
    if done is not None:  # a script's next job: the result before it is not lost
        _delivery.finish(done, _job_scene_uid)
    job = session().submit(job_input, requests.backend_choice(), rest)
    _job_scene_uid = scene.session_uid
    _clear_problem()
    keep_ticking()
    return job


def submit_sequence(
    scene: bpy.types.Scene, given: JobInput, frames: Mapping[int, FrameInput], sequence: sequences.Sequence
) -> Job:
    """Starts a job for the frames of a sequence that are missing. Raises AddonError."""
    job = submit(scene, replace(given, frames=tuple(frames[number] for number in sequence.to_make)))
    sequences.begin(job, sequence)
    sync()
    return job


def run_job_blocking(timeout_s: float) -> Problem | None:
    """Drives the job to its end and imports its result; None, or why there is none."""

    def on_tick() -> None:
        _collect()
        sync()

    problem = session().run_job(timeout_s, on_tick=on_tick)
    _collect(wait=True)
    done = _undelivered()
    if done is not None:
        _delivery.finish(done, _job_scene_uid)
    sync()
    job = session().job
    if (
        job is not None and job.state is JobState.CANCELLED and job.problem is None
    ):  # by the backend: nobody can press a button meanwhile
        return errors.local("cancelled")
    return job.problem if job is not None else problem


def cancel() -> bool:
    """Ends the job, or throws its result away while that waits to be imported; False when there is neither."""
    if _session is None:
        return False
    waiting = _undelivered()
    if waiting is not None:
        waiting.state = JobState.CANCELLED
        _delivery.drop()
    elif not _session.cancel():
        return False
    keep_ticking()
    return True


def keep_ticking() -> None:
    """Makes sure that the timer runs (with a window) and shows the new state at once."""
    sync()
    if _has_event_loop() and not bpy.app.timers.is_registered(_on_timer):
        # persistent: opening another file must not leave the backend without its watcher
        bpy.app.timers.register(_on_timer, first_interval=BUSY_INTERVAL_S, persistent=True)


def _has_event_loop() -> bool:
    """Whether Blender calls timers; in background mode it never does."""
    return not bpy.app.background


def _on_timer() -> float | None:
    """Takes the next steps of all work; returns when it wants to be called again."""
    if is_busy() or tasks.is_busy():
        collector.hold()
    again_s = _tick()
    if not (is_busy() or tasks.is_busy()):
        collector.release()
    return again_s


def _tick() -> float | None:
    """Tasks, transfers and the import take turns where one of them needs long: together they would hold Blender up."""
    global _is_behind
    for changed in (installation.tick(), checking.tick()):
        if changed:
            _redraw()
    began_s, was_behind = time.perf_counter(), _is_behind
    if not was_behind and not _user_is_in_the_middle() and tasks.tick():
        _redraw()
    _is_behind = False
    aside = installation.is_busy() or checking.is_busy() or tasks.is_busy()
    current = _session
    if current is None:
        return BUSY_INTERVAL_S if aside else None
    if _is_long(began_s) and not was_behind:
        _is_behind = True
    else:
        current.tick()
        _collect()
    done = _undelivered()
    if done is not None and not _user_is_in_the_middle():
        if _is_long(began_s):
            _is_behind = True
        else:
            _delivery.tick(done, _job_scene_uid)
    sync()
    at_work = is_busy() or aside or sequences.is_writing()
    if not current.needs_ticks and not at_work:
        return None
    if _is_behind or (current.job is not None and current.job.state in _BRISK):
        return BRISK_INTERVAL_S
    working = at_work or current.backend.state is not BackendState.READY
    return BUSY_INTERVAL_S if working else IDLE_INTERVAL_S


def _is_long(began_s: float) -> bool:
    return time.perf_counter() - began_s > LONG_S


def begin_task(task: tasks.Task) -> None:
    """Begins what goes on by the timer. Raises AddonError, of its first step."""
    tasks.begin(task)
    keep_ticking()
    _redraw()


def run_task(task: tasks.Task, *, wait: bool = False) -> object:
    """Begins it; in background mode, or with `wait`, does all of it and returns what it returns. Raises AddonError,
    of what is done at once."""
    if wait or not _has_event_loop():
        return tasks.finish_now(task)
    begin_task(task)
    return None


def cancel_task(kind: str, of: int = 0) -> bool:
    """False when there is none of this kind on this mesh."""
    cancelled = tasks.cancel(kind, of)
    _redraw()
    return cancelled


def _user_is_in_the_middle() -> bool:
    """Whether data must be left alone: a render reads it in another thread, or the mouse holds some of it."""
    if bpy.app.is_job_running("RENDER"):
        return True
    windows = bpy.context.window_manager.windows
    return any(holds_data(operator.bl_idname) for window in windows for operator in window.modal_operators)


def is_held_up() -> bool:
    """Whether tasks wait for a render to end."""
    return not bpy.app.background and bpy.app.is_job_running("RENDER")


def holds_data(operator: str) -> bool:
    """Whether a running operator of this `bl_idname` has data in its hands that an import would change."""
    return operator.startswith(_STROKES) or _DRAGS.search(operator) is not None


def _undelivered() -> Job | None:
    """The finished job whose result is not imported yet."""
    job = _session.job if _session else None
    return job if _delivery.awaits(job) else None


def _collect(*, wait: bool = False) -> None:
    """Keeps what has come of a sequence; where that is impossible, the work is stopped."""
    job = _session.job if _session else None
    if job is None or sequences.of(job) is None:
        sequences.flush()  # what a sequence left before this job
        return
    try:
        sequences.collect(job, wait=wait)
    except (OSError, MemoryError) as error:
        job.cancel()
        job.problem = errors.local("folder_not_writable", detail=str(error))


def show_problem(problem: Problem) -> None:
    """Shows a problem that no job carries, such as a missing picture; what was shown before is over."""
    _forget_ended()
    shown = bpy.context.window_manager.portrait_relief
    shown.state = JobState.FAILED.value
    shown.status = ""
    shown.progress = 0.0
    _show(problem)
    sync()
    _redraw()


def forget_problem() -> None:
    """Takes an error off the panel; a job that is at work goes on."""
    installation.forget_problem()
    _forget_ended()
    _clear_problem()
    bpy.context.window_manager.portrait_relief.state = "IDLE"
    sync()
    _redraw()


def _forget_ended() -> None:
    """Else the next tick would show an earlier job again."""
    if _session is not None and not is_busy():
        _session.job = None
        _session.backend.acknowledge()


def _clear_problem() -> None:
    _show(errors.Problem("", "", "", Remedy.NONE))


def _show(problem: Problem) -> None:
    shown = bpy.context.window_manager.portrait_relief
    shown.error_code, shown.hint = problem.code, problem.hint
    shown.message = say_sentence(problem.message)
    shown.remedy = problem.remedy.value


def sync() -> None:
    """Copies the session's state to the window manager's properties; redraws the panels when something changed."""
    if _session is None:
        return
    shown = bpy.context.window_manager.portrait_relief
    before = _visible(shown)
    backend, job = _session.backend, _session.job
    shown.backend_state = backend.state.value
    shown.backend_message = job_texts.of_backend(backend)
    if job is not None:
        waiting = job is _undelivered()
        shown.state = (JobState.DOWNLOADING if waiting else job.state).value
        held_up = waiting and not bpy.app.background and _user_is_in_the_middle()
        shown.status = job_texts.of_waiting(held_up=held_up) if waiting else job_texts.of_job(job)
        shown.mode = "sequence" if sequences.of(job) else job.input.kind
        shown.progress = job.progress
        if job.problem is not None:
            _show(job.problem)
    elif backend.problem is not None:
        _show(backend.problem)
    if _visible(shown) != before:
        _redraw()


def _visible(shown) -> tuple:
    return (
        shown.state,
        shown.status,
        round(shown.progress, 3),
        shown.message,
        shown.backend_state,
        shown.backend_message,
    )


def why_no_driving() -> str:
    """Why the backend that runs cannot follow faces; empty where it can, or where that is not known."""
    told = _session.backend.capabilities.get("driving") if _session else None
    return str(told.get("reason") or "") if isinstance(told, dict) and not told.get("available") else ""


def _redraw() -> None:
    """Only the sidebars that show a panel of ours."""
    if bpy.app.background:
        return
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "IMAGE_EDITOR", "PREFERENCES"}:
                for region in area.regions:
                    if region.type in {"UI", "WINDOW"}:
                        region.tag_redraw()


@bpy.app.handlers.persistent
def cancel_for_other_file(_file=None, _other=None) -> None:
    """Before another file is opened: the result would land in a file that it does not belong to."""
    _untold[:] = tasks.end_all()
    cancel()


@bpy.app.handlers.persistent
def show_after_load(_file=None, _other=None) -> None:
    """A file brings its own window manager, with properties from another day; earlier jobs belong to the last file."""
    installation.show()
    _forget_ended()
    shown = bpy.context.window_manager.portrait_relief
    shown.state, shown.backend_state, shown.backend_message, shown.status = "IDLE", "STOPPED", "", ""
    shown.progress = 0.0
    _clear_problem()
    sync()
    if _untold:  # of what should have been written before
        show_problem(_untold.pop())


def start_backend(*, restart: bool) -> None:
    """Starts or restarts by hand; failures so far are forgotten. Raises AddonError."""
    current = session()
    choice = requests.backend_choice()
    if restart:
        current.stop_backend()
        current.backend.end_now()
    _forget_ended()
    _clear_problem()
    bpy.context.window_manager.portrait_relief.state = "IDLE"
    current.ensure_backend(choice, by_hand=True)
    keep_ticking()


def wait_for_backend(timeout_s: float) -> Problem | None:
    """For background mode: until the backend is ready; None, or why it is not."""
    current = session()
    ready = current.wait_for_backend(BackendState.READY, timeout_s)
    sync()
    return None if ready else current.backend.problem or errors.local("backend_start_timeout")


def stop_backend() -> None:
    if _session is None:
        return
    _session.stop_backend()
    if bpy.app.background:
        _session.backend.end_now()
    keep_ticking()


def free_memory() -> None:
    """Ends our own idle backend; the next job starts it again. Raises AddonError while it works or is not ours."""
    if is_busy():
        raise AddonError(errors.local("busy"))
    if _session is not None and _session.backend.external and _session.backend.in_use:
        raise AddonError(errors.local("not_our_backend"))
    stop_backend()


def start_installation(*, remove: bool = False, fresh: bool = False) -> None:
    """Installs, updates, repairs or removes the backend's environment. Raises AddonError.

    A backend that runs is ended first: Windows does not let go of files in use.
    """
    if is_busy():
        raise AddonError(errors.local("busy"))
    installation.check(remove=remove)
    checking.forget()
    if _session is not None:
        _session.backend.end_now()
    forget_problem()
    try:
        installation.start(remove=remove, fresh=fresh)
    finally:
        keep_ticking()


def start_check() -> None:
    """Has the backend's doctor examine the installation. Raises AddonError."""
    checking.start()
    keep_ticking()
    _redraw()


def end_check() -> None:
    """Ends a check that runs, and takes away what the last one found."""
    checking.forget()
    _redraw()


def cancel_installation() -> bool:
    cancelled = installation.cancel()
    _redraw()
    return cancelled


def set_deadlines(**seconds: float) -> None:
    """For scripts and tests: shorter or longer deadlines for everything that starts from now on."""
    current = session()
    current.deadlines = replace(current.deadlines, **seconds)
    current.backend.deadlines = current.deadlines
