# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's installation as Blender sees it: preferences in, what the panels show out.

Driven by the timer of `runtime`, or to its end by `wait` in background mode, where timers never run.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import bpy

from . import storage, user_choices
from .core import environment, errors, installer
from .core.environment import Bundle, EnvironmentState
from .core.errors import AddonError, Problem, Remedy
from .core.installer import InstallPlan, InstallState
from .core.launch import ENV_PYTHON
from .translations import say_sentence

PACKAGE_FOLDER = Path(__file__).resolve().parent

LOOK_S = 3.0

_installer = installer.Installer()


@dataclass(frozen=True)
class _Outdated:
    folder: str
    looked_s: float
    answer: bool


_outdated: _Outdated | None = None


def is_busy() -> bool:
    return _installer.busy


def environment_folder() -> Path:
    """Where the environment is or will be: in the extension's own folder, or in the one that the user chose."""
    chosen = bpy.path.abspath(user_choices.get().install_folder)
    return (Path(chosen) if chosen else storage.folder()) / environment.FOLDER_NAME


def bundle() -> Bundle | None:
    return environment.find_bundle(PACKAGE_FOLDER)


def state() -> EnvironmentState:
    return environment.state_of(environment_folder(), bundle())


def installed_version() -> str:
    stamp = environment.read_stamp(environment_folder())
    return stamp.verified if stamp else ""


def needed_gb() -> int:
    index = user_choices.get().package_index
    return round(installer.needed_space_bytes(index, sys.platform) / installer.GB)


def log_path() -> Path:
    return installer.log_path(storage.folder())


def check(*, remove: bool) -> None:
    """Raises AddonError when Blender may not download, or nothing is there to install."""
    if _installer.busy:
        raise AddonError(errors.local("installing"))
    if remove:
        return
    if bundle() is None:
        raise AddonError(errors.local("install_no_wheel"))
    if not bpy.app.online_access:
        raise AddonError(errors.local("install_offline"))


def start(*, remove: bool, fresh: bool) -> None:
    """Begins; `tick` or `wait` goes on with it. Raises AddonError."""
    chosen = user_choices.get()
    plan = InstallPlan(
        folder=environment_folder(),
        storage=storage.folder(),
        base_python=_base_python("" if remove else bpy.path.abspath(chosen.install_python)),
        bundle=None if remove else bundle(),
        fresh=fresh,
        index=chosen.package_index.strip(),
        needed_bytes=installer.needed_space_bytes(chosen.package_index, sys.platform),
    )
    try:
        _installer.start(plan)
    finally:
        show()


def _base_python(chosen: str) -> Path:
    """The named Python or environment, or the one that came with Blender. Raises AddonError."""
    path = Path(chosen or sys.executable or "missing")
    if path.is_dir():
        path = environment.python_in_environment(path)
    if not path.is_file():
        raise AddonError(errors.local("install_no_python", detail=str(path)))
    return path


def tick() -> bool:
    """One small step; True when something to be seen has changed."""
    if not _installer.busy:
        return False
    _installer.poll()
    return show()


def wait(timeout_s: float) -> Problem | None:
    """For background mode: drives it to its end; None, or why it failed."""
    problem = _installer.run(timeout_s)
    show()
    return problem


def cancel() -> bool:
    cancelled = _installer.cancel()
    show()
    return cancelled


def close() -> None:
    """For unregister: nothing goes on without Blender."""
    _installer.cancel()


def forget_problem() -> None:
    _installer.acknowledge()
    show()


def needs_update() -> bool:
    """Whether the backend that would be started is of another version than the one that came with this add-on.

    The panel asks at every redraw: the disk is looked at every few seconds, and after an installation.
    """
    global _outdated
    chosen = user_choices.get()
    named = chosen.connection == "ATTACH" or chosen.backend_python or os.environ.get(ENV_PYTHON)
    if named or _installer.busy:
        return False
    folder, now_s = chosen.install_folder, time.monotonic()
    if _outdated is None or _outdated.folder != folder or now_s - _outdated.looked_s > LOOK_S:
        _outdated = _Outdated(folder, now_s, state() is EnvironmentState.OUTDATED)
    return _outdated.answer


def show_problem(problem: Problem | None) -> None:
    """Shows a problem, or none any more."""
    shown = bpy.context.window_manager.portrait_relief.install
    shown.message = say_sentence(problem.message) if problem else ""
    shown.hint = problem.hint if problem else ""
    shown.remedy = (problem.remedy if problem else Remedy.NONE).value


def show() -> bool:
    """Copies the installer's state to the window manager's properties; True when that changed them."""
    global _outdated
    _outdated = None
    shown = bpy.context.window_manager.portrait_relief.install
    before = (shown.state, shown.status, round(shown.progress, 3), shown.message)
    shown.state = _installer.state.value
    shown.status = say_sentence(_installer.status)
    shown.progress = _installer.progress
    show_problem(_installer.problem if _installer.state is InstallState.FAILED else None)
    return before != (shown.state, shown.status, round(shown.progress, 3), shown.message)
