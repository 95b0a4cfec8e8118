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
from .core import downloads, environment, errors, face_following, installer
from .core.downloads import Downloads
from .core.environment import Bundle, EnvironmentState
from .core.errors import AddonError, Problem, Remedy
from .core.installer import InstallPlan, InstallState
from .core.launch import ENV_LANDMARKER, ENV_PYTHON
from .translations import say_sentence

PACKAGE_FOLDER = Path(__file__).resolve().parent

LOOK_S = 3.0
NVIDIA_DRIVER = Path("/proc/driver/nvidia")

_installer = installer.Installer()


@dataclass(frozen=True)
class _Outdated:
    folder: str
    looked_s: float
    answer: bool


_outdated: _Outdated | None = None
_earlier: tuple[Path, float, Path | None] | None = None  # for which folder, when, what was found


def is_busy() -> bool:
    return _installer.busy


def environment_folder() -> Path:
    """Where the environment is or will be: in the extension's own folder, or in the one that the user chose."""
    chosen = bpy.path.abspath(user_choices.get().install_folder)
    return (Path(chosen) if chosen else storage.folder()) / environment.FOLDER_NAME


def earlier_environment() -> Path | None:
    """The environment of an earlier installation that is used where the own one is not whole; None without one."""
    global _earlier
    folder, now_s = environment_folder(), time.monotonic()
    if _installer.busy or environment.is_complete(folder):
        return None
    if _earlier is None or _earlier[0] != folder or now_s - _earlier[1] > LOOK_S:
        _earlier = folder, now_s, environment.find_earlier(storage.folder(), bundle())
    return _earlier[2]


def used_environment() -> Path:
    """The environment that the backend is started from, if it is there."""
    return earlier_environment() or environment_folder()


def bundle() -> Bundle | None:
    return environment.find_bundle(PACKAGE_FOLDER)


def state() -> EnvironmentState:
    return environment.state_of(environment_folder(), bundle())


def installed_version() -> str:
    stamp = environment.read_stamp(environment_folder())
    return stamp.verified if stamp else ""


def package_index() -> str:
    """Where packages come from besides pip's own index: what the user named, else what the chosen device asks for."""
    return user_choices.get().package_index.strip() or downloads.torch_index(device())


def device() -> str:
    """The chosen device by torch's name, or "auto"."""
    chosen = user_choices.get()
    return chosen.device_name.strip() if chosen.device == "NAMED" else chosen.device.lower()


def to_download(carried: Bundle) -> Downloads:
    """What installing would bring; cheap enough for every redraw."""
    return downloads.of_bundle(carried, package_index(), faces=user_choices.get().face_following)


def without_graphics_card(carried: Bundle) -> Downloads | None:
    """What Device: Processor would bring instead, where an automatic choice downloads CUDA for a card that isn't
    there; else None."""
    if sys.platform != "linux" or device() != "auto" or package_index() or NVIDIA_DRIVER.exists():
        return None
    faces = user_choices.get().face_following
    return downloads.of_bundle(carried, downloads.torch_index("cpu"), faces=faces)


def named_python() -> str:
    """The Python that the environment or the preferences name, which goes before the installed one; empty for none."""
    return os.environ.get(ENV_PYTHON, "") or user_choices.get().backend_python


def follows_faces() -> bool:
    """Whether face following is installed."""
    return face_following.is_installed(environment_folder(), bundle())


def only_faces() -> bool:
    """Whether an installation would add face following to a backend that is whole, and nothing else."""
    wanted = user_choices.get().face_following and not follows_faces()
    return wanted and state() is EnvironmentState.INSTALLED


def face_model() -> str:
    """The face model to start the backend with: the named one, else the installed one; empty for neither."""
    named = bpy.path.abspath(user_choices.get().landmarker)
    if named or os.environ.get(ENV_LANDMARKER):
        return named
    path = face_following.model_path(used_environment())
    return str(path) if path.is_file() else ""


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
    chosen, carried = user_choices.get(), None if remove else bundle()
    plan = InstallPlan(
        folder=environment_folder(),
        storage=storage.folder(),
        base_python=_base_python("" if remove else bpy.path.abspath(chosen.install_python)),
        bundle=carried,
        fresh=fresh,
        index=package_index(),
        face_following=chosen.face_following,
        needed_bytes=to_download(carried).needed_bytes if carried else 0,
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
    global _outdated, _earlier
    _outdated = _earlier = None
    shown = bpy.context.window_manager.portrait_relief.install
    before = (shown.state, shown.status, round(shown.progress, 3), shown.message)
    shown.state = _installer.state.value
    shown.status = say_sentence(_installer.status)
    shown.progress = _installer.progress
    show_problem(_installer.problem if _installer.state is InstallState.FAILED else None)
    return before != (shown.state, shown.status, round(shown.progress, 3), shown.message)
