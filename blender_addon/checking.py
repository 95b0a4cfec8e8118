# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of the installation as Blender sees it: the backend's doctor, started by a button of the preferences.

Driven by the timer of `runtime`, or to its end by `wait` in background mode, where timers never run.
"""

from __future__ import annotations

from . import requests, storage
from .core import errors
from .core.doctor import Doctor, Findings
from .core.errors import AddonError

_doctor = Doctor()


def is_busy() -> bool:
    return _doctor.busy


def findings() -> Findings | None:
    """Of the last check since Blender was started."""
    return _doctor.findings


def start() -> None:
    """Begins; `tick` or `wait` goes on with it. Raises AddonError."""
    choice = requests.backend_choice()
    if choice.launch is None:
        raise AddonError(errors.local("check_elsewhere"))
    _doctor.start(choice.launch, storage.folder() / "logs")


def tick() -> bool:
    """One look; True when something to be seen has changed."""
    return _doctor.poll()


def wait() -> Findings | None:
    """For background mode: drives it to its end."""
    return _doctor.run()


def cancel() -> bool:
    return _doctor.cancel()


def forget() -> None:
    """What was found is not true any more, or not wanted any more."""
    _doctor.cancel()
    _doctor.findings = None


def report() -> str:
    """For a bug report; empty where none was made."""
    found = findings()
    return f"{found.time}\n{found.text}" if found else ""
