# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation downloads: the packages with their versions and sizes, before anything is asked for.

The sizes come from requirements-sizes.json beside the lock (`python build.py sizes` renews it). Where it knows nothing
of a machine, the lock's versions are told and a round figure stands for the sizes.
"""

from __future__ import annotations

import functools
import json
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from . import face_following
from .environment import Bundle

RECORD_NAME = "requirements-sizes.json"
TORCH_INDEX = "https://download.pytorch.org/whl"
CUDA_FOLDER = "cu130"  # the CUDA that the lock's torch is built for on pypi.org, too
GB = 10**9
MB = 10**6
CPU_SPACE_BYTES = 3 * GB
CUDA_SPACE_BYTES = 8 * GB
ENVIRONMENT_BYTES = 100 * MB  # Python's links, pip, byte code
LARGE_BYTES = 10 * MB


@dataclass(frozen=True)
class Package:
    """Sizes are 0 where they are not known."""

    name: str
    version: str
    download_bytes: int = 0
    disk_bytes: int = 0


@dataclass(frozen=True)
class Downloads:
    """All that one installation brings, the largest first."""

    packages: tuple[Package, ...]
    recorded: str  # the day the sizes are of; empty where they are not known
    download_bytes: int
    disk_bytes: int  # of the finished environment, the backend with its model included
    needed_bytes: int  # free while it installs: pip keeps what it downloaded until all is unpacked

    @property
    def large(self) -> tuple[Package, ...]:
        return tuple(package for package in self.packages if package.download_bytes >= LARGE_BYTES)

    @property
    def small(self) -> tuple[Package, ...]:
        return tuple(package for package in self.packages if package.download_bytes < LARGE_BYTES)


def torch_index(device: str, system: str = sys.platform) -> str:
    """PyTorch's own index where pypi.org has another torch than the device asks for, else nothing.

    `device` is a name of torch's, or "auto". pypi.org has torch with CUDA for Linux, and without for Windows.
    """
    if system == "linux" and device == "cpu":
        return f"{TORCH_INDEX}/cpu"
    if system == "win32" and device.startswith("cuda"):
        return f"{TORCH_INDEX}/{CUDA_FOLDER}"
    return ""


def space_bytes(index: str, system: str) -> int:
    """A round figure for what is needed: on Linux pip picks torch with CUDA unless an index says otherwise."""
    return CUDA_SPACE_BYTES if _with_cuda(index, system) else CPU_SPACE_BYTES


def machine_name(index: str, system: str, processor: str) -> str:
    """The record's name for a machine, empty for one that it does not know."""
    kind = processor.lower()
    if system == "darwin":
        return "macos" if kind == "arm64" else ""
    name = {"linux": "linux", "win32": "windows"}.get(system, "")
    if not name or kind not in ("x86_64", "amd64"):
        return ""
    return f"{name}-cuda" if _with_cuda(index, system) else f"{name}-cpu"


def of_bundle(
    bundle: Bundle,
    index: str,
    *,
    faces: bool = False,
    system: str = sys.platform,
    processor: str = platform.machine(),
) -> Downloads:
    """What installing this bundle brings with packages from `index` on top of pip's own, and with face following."""
    extra = of_faces(bundle, system=system, processor=processor) if faces else ()
    record = bundle.lock.with_name(RECORD_NAME)
    recorded, rows = _recorded(record, _changed_ns(record), machine_name(index, system, processor))
    if not rows:
        needed_bytes = space_bytes(index, system)
        locked = _locked(bundle.lock, _changed_ns(bundle.lock))
        packages = tuple(Package(*pin) for pin in locked)
        return Downloads((*packages, *extra), "", 0, needed_bytes, needed_bytes)
    packages = (*(Package(*row) for row in rows), *extra)
    packages = tuple(sorted(packages, key=lambda package: -package.download_bytes))
    download_bytes = sum(package.download_bytes for package in packages)
    disk_bytes = sum(package.disk_bytes for package in packages)
    disk_bytes += bundle.wheel.stat().st_size + ENVIRONMENT_BYTES
    return Downloads(packages, recorded, download_bytes, disk_bytes, disk_bytes + download_bytes)


def of_faces(
    bundle: Bundle, *, system: str = sys.platform, processor: str = platform.machine()
) -> tuple[Package, ...]:
    """What face following brings on top: MediaPipe, what it needs, and its model."""
    record, lock = bundle.lock.with_name(RECORD_NAME), face_following.lock_of(bundle)
    machine = machine_name("", system, processor).partition("-")[0]
    _day, rows = _recorded(record, _changed_ns(record), f"{machine}-faces")
    pins: tuple[tuple, ...] = rows or _locked(lock, _changed_ns(lock))
    size = face_following.MODEL_BYTES
    model = Package(face_following.MODEL_NAME, face_following.MODEL_VERSION, size, size)
    return (*(Package(*pin) for pin in pins), model)


def size_text(size_bytes: int) -> str:
    """In the unit people count downloads in: 2.9 GB, 330 MB, 0.4 MB."""
    if size_bytes >= GB:
        return f"{size_bytes / GB:.1f} GB"
    return f"{size_bytes / MB:.0f} MB" if size_bytes >= LARGE_BYTES else f"{size_bytes / MB:.1f} MB"


def _with_cuda(index: str, system: str) -> bool:
    return bool(re.search(r"/cu\d+", index)) or (system == "linux" and "/cpu" not in index)


def _changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


@functools.lru_cache(maxsize=8)
def _recorded(record: Path, _changed_ns: int, machine: str) -> tuple[str, tuple[tuple, ...]]:
    """The record's day and rows. Kept, because the preferences ask in every redraw; empty where it is unreadable."""
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        return str(told["recorded"]), tuple(tuple(row) for row in told["machines"].get(machine, ()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return "", ()


@functools.lru_cache(maxsize=4)
def _locked(lock: Path, _changed_ns: int) -> tuple[tuple[str, str], ...]:
    """(name, version) of the lock's packages for this machine; empty where there is no lock."""
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    pins = [re.match(r"\s*([\w.-]+)\s*==\s*([^\s;]+)\s*(;.*)?$", line) for line in lines]
    return tuple((pin[1], pin[2]) for pin in pins if pin and (not pin[3] or sys.platform == "win32"))
