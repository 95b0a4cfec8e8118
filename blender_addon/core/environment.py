# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that the installer makes for the backend: where it lies, what it holds, whether it is whole.

A stamp, written last, tells a finished environment from a half-made one and says which wheel it was made from.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

FOLDER_NAME = "backend-environment"
STAMP_NAME = "portrait-relief.json"
BUNDLE_NAME = "backend_wheel"  # in the extension's zip


class EnvironmentState(Enum):
    ABSENT = "ABSENT"
    INCOMPLETE = "INCOMPLETE"  # an installation was interrupted, or the Python it stands on is gone
    OUTDATED = "OUTDATED"  # whole, but made from another wheel than the one that came with this add-on
    INSTALLED = "INSTALLED"


@dataclass(frozen=True)
class Bundle:
    """What the extension carries: the backend's wheel and the exact versions of the packages it needs."""

    wheel: Path
    lock: Path

    @property
    def version(self) -> str:
        """`portrait_relief-0.1.0-py3-none-any.whl` -> `0.1.0`."""
        return self.wheel.name.split("-")[1]

    def content(self) -> str:
        """Digest of all that the wheel holds."""
        return _content(self.wheel, self.wheel.stat().st_mtime_ns)


@dataclass(frozen=True)
class Stamp:
    wheel: str
    content: str
    python: str  # version of the base Python
    verified: str  # what the backend said of itself


@functools.lru_cache(maxsize=4)
def _content(wheel: Path, _mtime_ns: int) -> str:
    """Its RECORD lists every file's digest, so this takes no time. Kept, because panels ask in every redraw."""
    import zipfile  # imported when it is needed: enabling the add-on is quick

    with zipfile.ZipFile(wheel) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        return hashlib.sha256(archive.read(record)).hexdigest()


def find_bundle(package_folder: Path) -> Bundle | None:
    """The newest wheel that came with the add-on; None in a source checkout."""
    wheels = sorted((package_folder / BUNDLE_NAME).glob("*.whl"))
    return Bundle(wheels[-1], wheels[-1].parent / "requirements.lock") if wheels else None


def python_in_environment(folder: Path) -> Path:
    """The interpreter of a virtual environment on this system."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def read_stamp(folder: Path) -> Stamp | None:
    try:
        return Stamp(**json.loads((folder / STAMP_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """In one move, so that there is never half a stamp."""
    partial = folder / f"{STAMP_NAME}.partial"
    partial.write_text(json.dumps(asdict(stamp), indent=1), encoding="utf-8")
    partial.replace(folder / STAMP_NAME)


def remove_stamp(folder: Path) -> None:
    (folder / STAMP_NAME).unlink(missing_ok=True)


def is_complete(folder: Path) -> bool:
    """Whether the backend can be started from it. A link to a Python that was uninstalled is no file."""
    return read_stamp(folder) is not None and python_in_environment(folder).is_file()


def state_of(folder: Path, bundle: Bundle | None) -> EnvironmentState:
    if not folder.exists():
        return EnvironmentState.ABSENT
    stamp = read_stamp(folder)
    if stamp is None or not is_complete(folder):
        return EnvironmentState.INCOMPLETE
    if bundle is not None and stamp.content != bundle.content():
        return EnvironmentState.OUTDATED
    return EnvironmentState.INSTALLED


def find_earlier(storage: Path, bundle: Bundle | None) -> Path | None:
    """A whole environment that an earlier installation of the same backend left; None where there is none.

    `storage` is the extension's own folder, VERSION/extensions/.user/REPOSITORY/portrait_relief: another version of
    Blender, or another repository that the extension came from, has its own beside it, and after a change of the
    preferences' folder it is in `storage` itself. Only one made from the very wheel that `bundle` holds is taken.
    """
    if bundle is None:
        return None
    found = [storage / FOLDER_NAME]
    if len(storage.parents) > 4 and storage.parents[1].name == ".user":
        found += storage.parents[4].glob(f"*/extensions/.user/*/{storage.name}/{FOLDER_NAME}")
    fitting = [folder for folder in found if state_of(folder, bundle) is EnvironmentState.INSTALLED]
    return max(fitting, key=lambda folder: (folder / STAMP_NAME).stat().st_mtime, default=None)
