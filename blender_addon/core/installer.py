# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs, updates, repairs and removes the backend's environment: one child process after the other.

`poll` is called every tick and never waits. Nothing is installed into Blender's own Python: it only serves as the base
of a separate environment. The stamp comes after the backend's test, so whatever was interrupted is recognised and made
anew. Face following, which is optional, comes after that: without it the backend works all the same.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from . import doctor, environment, errors, face_following, pip_output
from .downloads import GB
from .environment import Bundle, EnvironmentState, Stamp
from .errors import AddonError, Problem
from .launch import ENV_CHECKPOINT, ENV_LANDMARKER, clean_environment
from .logged_child import LoggedChild
from .wording import worded

UPDATE_SPACE_BYTES = GB
CACHE_SPACE_BYTES = 4 * GB  # free on top of what is needed: downloads are kept for another try
OLDEST_PYTHON = (3, 11)
LOCK_PYTHON = (3, 11)  # requirements.lock was frozen under it; other Pythons get the wheel's own ranges
DOWNLOAD_FOLDER_NAME = "backend-download"
LOCK_FILE_NAME = "backend-install.lock"
LOOK_INTERVAL_S = 0.25
HEARTBEAT_S = 5.0
HEARTBEAT_LOST_S = 30.0

_PROBE = "import sys; print('python', '.'.join(map(str, sys.version_info[:3])), flush=True); import venv, ensurepip"
_REMOVE = "import os, shutil, sys; [shutil.rmtree(path) for path in sys.argv[1:] if os.path.lexists(path)]"
_FOREIGN_PIP_SETTINGS = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "VIRTUAL_ENV")
_HARMLESS_CHECKS = ("memory", "driving")  # other programs may be open just now; the other is tested by itself
_FETCH = Path(__file__).resolve().with_name("fetch.py")


class InstallState(Enum):
    IDLE = "IDLE"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class _Step:
    """`end` is where the bar stands after it; `quiet_s` how long it may show no sign of life."""

    name: str
    label: str
    end: float
    quiet_s: float
    failure: str = "install_failed"


_CHECK = _Step("check", "Looking at Python", 0.01, 120)
_CLEAR = _Step("remove", "Removing the old environment", 0.04, 900, "install_not_removed")
_MAKE = _Step("make", "Making the environment", 0.08, 600)
_PACKAGES = _Step("packages", "Downloading packages", 0.88, 1800)
_WHEEL = _Step("wheel", "Installing the backend", 0.92, 600)
_VERIFY = _Step("verify", "Testing the backend", 0.96, 900, "install_not_working")
_FACE_PACKAGES = _Step("face packages", "Downloading face following", 0.97, 1800, "face_failed")
_FACE_MODEL = _Step("face model", "Downloading the face model", 0.98, 300, "face_no_model")
_FACE_CHECK = _Step("face check", "Testing face following", 0.99, 300, "face_failed")
_TIDY = _Step("tidy", "Tidying up", 1.0, 900, "install_not_removed")


@dataclass(frozen=True)
class InstallPlan:
    """What to do. Without a `bundle` the environment is removed."""

    folder: Path  # the environment; named environment.FOLDER_NAME, so that nothing else can be deleted
    storage: Path  # for the log
    base_python: Path
    bundle: Bundle | None
    fresh: bool = False  # make it anew even where it is whole
    index: str = ""  # an extra package index, as pip's --extra-index-url
    needed_bytes: int = 0
    face_following: bool = False  # MediaPipe and its model, too


def log_path(storage: Path) -> Path:
    return storage / "logs" / "install.log"


class Installer:
    """At most one installation or removal at a time. Not thread-safe; needs no thread."""

    def __init__(self):
        self.state = InstallState.IDLE
        self.problem: Problem | None = None
        self.status = ""
        self.progress = 0.0
        self.removing = False
        self.quiet_limit_s: float | None = None  # for tests: instead of each step's own
        self._plan: InstallPlan | None = None
        self._child: LoggedChild | None = None
        self._steps: list[_Step] = []
        self._base_version = ""
        self._verified = ""
        self._old_stamp: Stamp | None = None
        self._life: tuple[int, int] = (0, 0)
        self._life_s = self._looked_s = self._beat_s = 0.0
        self._begin_progress = 0.0  # of the running step

    @property
    def busy(self) -> bool:
        return self.state is InstallState.RUNNING

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self, plan: InstallPlan) -> None:
        """Begins. Raises AddonError when it is at work already, may not write there, or there is no room."""
        if self.busy:
            raise AddonError(errors.local("installing"))
        assert plan.folder.name == environment.FOLDER_NAME
        try:
            plan.folder.parent.mkdir(parents=True, exist_ok=True)
            self._claim(plan.folder.parent / LOCK_FILE_NAME)
        except OSError as error:
            raise AddonError(errors.local("install_folder_not_writable", detail=str(error))) from error
        self._plan, self._child, self.problem = plan, None, None
        self._base_version = self._verified = ""
        self._old_stamp = None
        self.removing = plan.bundle is None
        self.state, self.progress = InstallState.RUNNING, 0.0
        try:
            self._steps = self._steps_of(plan)
            log = log_path(plan.storage)
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(time.strftime("%Y-%m-%d %H:%M:%S\n"), encoding="utf-8")
            self._begin_step()
        except OSError as error:
            self._fail(errors.local("install_failed", detail=str(error)))
        except AddonError as error:
            self._fail(error.problem)
        if self.problem is not None:
            raise AddonError(self.problem)

    def poll(self) -> None:
        """One look; never waits longer than it takes to end a child."""
        if not self.busy or self._child is None:
            return
        now_s = time.monotonic()
        code = self._child.poll()
        if code is None and now_s - self._looked_s < LOOK_INTERVAL_S:
            return
        self._looked_s = now_s
        if now_s - self._beat_s > HEARTBEAT_S:
            self._beat()
        try:
            if code is None:
                self._watch(now_s)
            else:
                self._finish_step(code)
        except AddonError as error:
            self._fail(error.problem)
        except OSError as error:
            self._fail(errors.local("install_failed", detail=str(error)))

    def cancel(self) -> bool:
        """Ends the child and all it started; False when there was nothing to cancel."""
        if not self.busy:
            return False
        self._end(InstallState.CANCELLED, "Cancelled")
        return True

    def acknowledge(self) -> None:
        """The user has seen why it failed."""
        if self.state is InstallState.FAILED:
            self.state, self.problem, self.status = InstallState.IDLE, None, ""

    def run(self, timeout_s: float) -> Problem | None:
        """Drives it to its end without a timer; None, or why it failed."""
        end_s = time.monotonic() + timeout_s
        while self.busy:
            self.poll()
            if time.monotonic() > end_s:
                self._fail(errors.local("install_stuck", detail=f"{timeout_s:g} s"))
            time.sleep(0.02)
        return self.problem

    def _steps_of(self, plan: InstallPlan) -> list[_Step]:
        if plan.bundle is None:
            return [_CLEAR]
        fresh = plan.fresh or not environment.is_complete(plan.folder)
        # An environment that is there gives its room back.
        wanted = plan.needed_bytes if fresh and not plan.folder.exists() else UPDATE_SPACE_BYTES
        wanted = min(wanted, plan.needed_bytes)
        free = shutil.disk_usage(plan.folder.parent).free
        if free < wanted:
            detail = worded(
                "{wanted:.0f} GB needed, {free:.1f} GB free in {folder}",
                wanted=wanted / GB,
                free=free / GB,
                folder=plan.folder.parent,
            )
            raise AddonError(errors.local("install_no_space", detail=detail))
        faces = self._face_steps_of(plan, anew=fresh)
        if (
            faces
            and not fresh
            and environment.state_of(plan.folder, plan.bundle) is EnvironmentState.INSTALLED
        ):
            return [*faces, _TIDY]
        making = ([_CLEAR] if plan.folder.exists() else []) + [_MAKE] if fresh else []
        return [_CHECK, *making, _PACKAGES, _WHEEL, _VERIFY, *faces, _TIDY]

    def _face_steps_of(self, plan: InstallPlan, *, anew: bool) -> list[_Step]:
        if not plan.face_following or (not anew and face_following.is_installed(plan.folder, plan.bundle)):
            return []
        return [_FACE_PACKAGES, _FACE_MODEL, _FACE_CHECK]

    def _begin_step(self) -> None:
        assert self._plan is not None
        step = self._steps[0]
        self.status = step.label
        if step is _PACKAGES:
            self._old_stamp = environment.read_stamp(self._plan.folder)  # none where it was made just now
        if step in (_CLEAR, _PACKAGES):
            environment.remove_stamp(self._plan.folder)
        if step in (_CLEAR, _FACE_PACKAGES):
            face_following.remove_stamp(self._plan.folder)
        self._begin_progress = self.progress
        command, folder, variables = self._command(step, self._plan)
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: text for name, text in variables.items() if name not in _FOREIGN_PIP_SETTINGS}
        try:
            self._child = LoggedChild(command, folder, kept, log_path(self._plan.storage))
        except OSError as error:
            raise AddonError(errors.local("install_no_python", detail=str(error))) from error
        self._life_s = self._looked_s = time.monotonic()

    def _command(self, step: _Step, plan: InstallPlan) -> tuple[list[str], Path, dict[str, str]]:
        """Arguments, working folder and environment of a step's process."""
        base, python = str(plan.base_python), str(environment.python_in_environment(plan.folder))
        download = plan.folder.with_name(DOWNLOAD_FOLDER_NAME)
        temporary = download / "temporary"
        run_folder = plan.storage / "run"  # empty: nothing there can shadow the installed backend
        variables = clean_environment({"PIP_USER": "0"})
        if step is _CHECK:
            return [base, "-I", "-c", _PROBE], plan.storage, variables
        if step is _CLEAR or step is _TIDY:
            kept_cache = step is _CLEAR and plan.bundle is not None
            paths = [temporary] if kept_cache else [download]
            if step is _CLEAR:
                paths.append(plan.folder)
                if plan.bundle is None or not plan.face_following:
                    paths.append(face_following.model_folder(plan.folder))
            return [base, "-I", "-c", _REMOVE, *map(str, paths)], plan.storage, variables
        if step is _MAKE:
            return [base, "-I", "-m", "venv", str(plan.folder)], plan.storage, variables
        assert plan.bundle is not None
        if step is _VERIFY:
            variables.pop(ENV_CHECKPOINT, None)  # the checkpoint that came with it is to be tested
            return [python, "-m", "backend", "doctor", "--json"], run_folder, variables
        model = str(face_following.model_path(plan.folder))
        if step is _FACE_MODEL:
            fetch = [
                python,
                "-I",
                str(_FETCH),
                face_following.model_url(),
                model,
                face_following.MODEL_SHA256,
            ]
            return fetch, run_folder, variables
        if step is _FACE_CHECK:
            variables[ENV_LANDMARKER] = model
            return [python, "-m", "backend", "doctor", "--json", "--only", "driving"], run_folder, variables
        # The system's temporary folder is often too small for torch, or on another disk than the one looked at.
        temporary.mkdir(parents=True, exist_ok=True)
        variables |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
        pip = [python, "-m", "pip", "--no-input", "--disable-pip-version-check", "install"]
        pip += ["--progress-bar", "off", "--no-compile", "--prefer-binary"]
        if step is _WHEEL:
            return [*pip, "--no-deps", "--force-reinstall", str(plan.bundle.wheel)], run_folder, variables
        if shutil.disk_usage(plan.folder.parent).free < plan.needed_bytes + CACHE_SPACE_BYTES:
            variables["PIP_NO_CACHE_DIR"] = "1"
        else:
            variables.setdefault("PIP_CACHE_DIR", str(download / "cache"))
        pip += ["--extra-index-url", plan.index] if plan.index else []
        if step is _FACE_PACKAGES:
            return [*pip, "--no-deps", "-r", str(face_following.lock_of(plan.bundle))], run_folder, variables
        wanted = ["-r", str(plan.bundle.lock)] if self._uses_lock() else [str(plan.bundle.wheel)]
        return [*pip, *wanted], run_folder, variables

    def _uses_lock(self) -> bool:
        assert self._plan is not None and self._plan.bundle is not None
        version = tuple(int(part) for part in self._base_version.split(".")[:2])
        return version == LOCK_PYTHON and self._plan.bundle.lock.is_file()

    def _watch(self, now_s: float) -> None:
        """Progress of the running step, and its end when nothing moves any more."""
        assert self._plan is not None and self._child is not None
        step = self._steps[0]
        fetched_bytes = _fetched_bytes(self._plan.folder.with_name(DOWNLOAD_FOLDER_NAME) / "temporary")
        life = (self._child.written_bytes(), fetched_bytes)
        if life != self._life:
            self._life, self._life_s = life, now_s
        elif now_s - self._life_s > (self.quiet_limit_s or step.quiet_s):
            self._fail(errors.local("install_stuck", detail=step.label))
            return
        bundle, begin = self._plan.bundle, self._begin_progress
        if step in (_PACKAGES, _FACE_PACKAGES) and bundle is not None:
            lock = bundle.lock if step is _PACKAGES else face_following.lock_of(bundle)
            now = pip_output.progress(self._child.output(), pip_output.packages_in(lock), fetched_bytes)
            self.status = now.text
            self.progress = max(self.progress, begin + now.fraction * (step.end - begin))
        elif step is _FACE_MODEL:
            fetched = re.findall(r"^fetched (\d+) of (\d+) bytes", self._child.output(), re.MULTILINE)
            if fetched:
                part = int(fetched[-1][0]) / max(1, int(fetched[-1][1]))
                self.progress = max(self.progress, begin + part * (step.end - begin))

    def _finish_step(self, code: int) -> None:
        assert self._plan is not None and self._child is not None
        step, output = self._steps[0], self._child.output()
        if step is _CHECK:
            self._base_version = _checked_version(output)
        if step is _VERIFY:
            self._verified = _checked_report(code, output)
            self._write_stamp(self._plan)
        elif step is _FACE_CHECK:
            _check_faces(output)
            assert self._plan.bundle is not None
            face_following.write_stamp(self._plan.folder, self._plan.bundle)
        elif code != 0 and step is not _TIDY:  # what cannot be tidied up does no harm
            problem = pip_output.explain_failure(output or f"exit status {code}", step.failure)
            if step is _FACE_PACKAGES and problem.code != step.failure:
                problem = errors.local(step.failure, detail=problem.message)  # the rest is installed
            elif step is _FACE_MODEL:
                problem = errors.local(step.failure, detail=output.strip().rpartition("ERROR: ")[2][-200:])
            raise AddonError(problem)
        elif step is _MAKE and not environment.python_in_environment(self._plan.folder).is_file():
            raise AddonError(errors.local("install_no_venv"))
        self.progress = step.end
        self._steps.pop(0)
        if self._steps:
            self._begin_step()
            return
        self._end(InstallState.DONE, "Removed" if self._plan.bundle is None else "Installed")

    def _write_stamp(self, plan: InstallPlan) -> None:
        assert plan.bundle is not None
        stamp = Stamp(plan.bundle.wheel.name, plan.bundle.content(), self._base_version, self._verified)
        environment.write_stamp(plan.folder, stamp)

    def _fail(self, problem: Problem) -> None:
        self._end(InstallState.FAILED, "Failed")
        self.problem = problem

    def _end(self, state: InstallState, status: str) -> None:
        unchanged = self._child is None or "Installing collected packages" not in self._child.output()
        if self._child is not None:
            self._child.kill()
            self._child = None
        if self._plan is not None:
            step = self._steps[0] if self._steps else None
            if state is not InstallState.DONE and step is _PACKAGES and self._old_stamp and unchanged:
                # An update that could not download: pip has not touched the environment yet.
                environment.write_stamp(self._plan.folder, self._old_stamp)
            with contextlib.suppress(OSError):
                (self._plan.folder.parent / LOCK_FILE_NAME).unlink()
        self.state, self.status = state, status

    def _claim(self, lock: Path) -> None:
        """Two Blenders must not install into one folder. The file's age tells whether its owner still lives."""
        with contextlib.suppress(OSError, ValueError):
            if lock.read_text() != str(os.getpid()) and time.time() - lock.stat().st_mtime < HEARTBEAT_LOST_S:
                raise AddonError(errors.local("install_elsewhere"))
        lock.write_text(str(os.getpid()))
        self._beat_s = time.monotonic()

    def _beat(self) -> None:
        assert self._plan is not None
        self._beat_s = time.monotonic()
        with contextlib.suppress(OSError):
            os.utime(self._plan.folder.parent / LOCK_FILE_NAME)


def _fetched_bytes(temporary: Path) -> int:
    """Size of the file that pip is downloading: the youngest in its temporary folders."""
    newest, size = 0.0, 0
    with contextlib.suppress(OSError):
        for folder in os.scandir(temporary):
            if folder.is_dir():
                for entry in os.scandir(folder):
                    state = entry.stat()
                    if entry.is_file() and state.st_mtime >= newest:
                        newest, size = state.st_mtime, state.st_size
    return size


def _checked_version(output: str) -> str:
    """The base Python's version. Raises AddonError when it is too old or told none."""
    told = re.search(r"^python (\d+\.\d+\.\d+)", output, re.MULTILINE)
    if told is None:
        raise AddonError(errors.local("install_no_python", detail=output.strip()[-200:]))
    if tuple(int(part) for part in told[1].split("."))[:2] < OLDEST_PYTHON:
        raise AddonError(
            errors.local("install_old_python", detail=worded("this one is {version}", version=told[1]))
        )
    return told[1]


def _checked_report(code: int, output: str) -> str:
    """`portrait-relief doctor --json`: the backend's version. Raises AddonError with the check that failed."""
    report = doctor.read_report(output)
    if report is None:
        raise AddonError(pip_output.explain_failure(output or f"exit status {code}", _VERIFY.failure))
    for check in report.get("checks", ()):
        if not check.get("ok") and check.get("name") not in _HARMLESS_CHECKS:
            detail = f"{check.get('name')}: {check.get('value')}"[:200]
            raise AddonError(errors.local("install_not_working", detail=detail))
    return str(report.get("version", ""))


def _check_faces(output: str) -> None:
    """`portrait-relief doctor --json --only driving`. Raises AddonError where faces cannot be followed."""
    report = doctor.read_report(output)
    for check in report.get("checks", ()) if report else ():
        if check.get("name") == "driving":
            if check.get("ok") and check.get("details", {}).get("available"):
                return
            raise AddonError(errors.local("face_failed", detail=str(check.get("value"))[:200]))
    raise AddonError(pip_output.explain_failure(output or "no answer", _FACE_CHECK.failure))
