# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of a button that takes longer than a click may: checking, delighting, rebuilding. One of a kind
at a time for each relief.

`runtime`'s timer advances it; in background mode, where timers never run, `runtime.run_task` takes all steps at once.
"""

from __future__ import annotations

import contextlib
import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import bpy

from . import status_bar
from .core import errors
from .core.errors import AddonError, Problem
from .core.steps import Steps, advance, finish
from .translations import say, say_whole

KEEPS_UNDO = not bpy.app.background  # nobody presses Ctrl+Z there
TICK_BUDGET_S = 0.001  # the last of a tick's steps may take some milliseconds more


@dataclass
class Task:
    """Attributes:
    kind: which button began it: its panel shows it.
    of: the `session_uid` of the mesh that it works on; 0 where there is one of the kind for all.
    undo: what the undo step is called that it ends with; none where it is empty.
    tell: shows the artist why it failed.
    always_ends: is finished, not dropped, when another file is opened or Blender quits.
    """

    kind: str
    steps: Steps[object]  # return a Report, (how severe, text), or None
    tell: Callable[[Problem], None]
    undo: str = ""
    of: int = 0
    always_ends: bool = False


_failed: list[Problem] = []  # since `end_all` began
_tasks: dict[tuple[str, int], Task] = {}  # by kind and mesh; the first one's turn is next


def is_busy(kind: str = "", of: int = 0) -> bool:
    """Whether a task, or one of this kind on this mesh, is at work."""
    return (kind, of) in _tasks if kind else bool(_tasks)


def begin(task: Task) -> None:
    """Takes the first step at once, which reads what is needed; an earlier one of its kind on the same mesh is dropped.
    Raises AddonError."""
    cancel(task.kind, task.of)
    task.steps = _told(task.steps, task.undo)
    if not advance(task.steps, 0.0):
        _tasks[task.kind, task.of] = task


def _told(steps: Steps[object], undo: str) -> Steps[None]:
    """The steps, with what they report in the status bar, and then their undo step: where the last one was long, in a
    tick of its own."""
    outcome = yield from steps
    if isinstance(outcome, tuple):
        status_bar.tell(str(outcome[1]))
    if undo:
        try:
            yield
        finally:
            push_undo(undo)


def finish_now(task: Task) -> object:
    """All of it, in place of an earlier one of its kind on the same mesh; what it returns. Raises AddonError."""
    cancel(task.kind, task.of)
    outcome = finish(task.steps)
    if task.undo:
        push_undo(task.undo)
    return outcome


def cancel(kind: str = "", of: int = 0) -> bool:
    """Drops the task of this kind on this mesh, or all: nothing of it is kept. False when there is none."""
    dropped = [_tasks.pop(key) for key in ([(kind, of)] if kind else list(_tasks)) if key in _tasks]
    for task in dropped:
        task.steps.close()
    return bool(dropped)


def end_all() -> list[Problem]:
    """Before another file is opened, or the extension goes: what is about to write a file does so, the rest is
    dropped. Returns why what was to be written was not."""
    _failed.clear()
    for task in [task for task in _tasks.values() if task.always_ends]:
        del _tasks[task.kind, task.of]
        _advance(task, math.inf)
    cancel()
    return _failed[:]


def tick() -> bool:
    """Some milliseconds of one task; True when it came to its end."""
    if not _tasks:
        return False
    key = next(iter(_tasks))
    task = _tasks.pop(key)
    if not _advance(task, TICK_BUDGET_S):
        _tasks[key] = task
        return False
    return True


def _advance(task: Task, budget_s: float) -> bool:
    """Takes steps of a task, all of them in an infinite budget; False where some are left. Raises nothing: a timer that
    raises is never called again."""
    try:
        if math.isinf(budget_s):
            finish(task.steps)
        elif not advance(task.steps, budget_s):
            return False
    except AddonError as error:
        _tell(task, error.problem)
    except Exception as error:
        traceback.print_exc()
        _tell(task, errors.local("task_failed", detail=str(error)))
    return True


def _tell(task: Task, problem: Problem) -> None:
    """In the task's panel, and where it is seen with any panel."""
    _failed.append(problem)
    task.tell(problem)
    status_bar.tell(say_whole(problem))


def push_undo(message: str) -> None:
    """One step for the whole work. A timer has no window in its context, so one is lent to it."""
    windows = bpy.context.window_manager.windows
    if KEEPS_UNDO and windows:
        with bpy.context.temp_override(window=windows[0]), contextlib.suppress(RuntimeError):
            bpy.ops.ed.undo_push(message=say(message))
