# SPDX-License-Identifier: GPL-3.0-or-later
"""``portrait-relief doctor``: does this installation work, and if not, what mends it?"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from backend.errors import PortraitReliefError
from backend.version import PROTOCOL_VERSION, VERSION

_NEEDED = (
    "torch",
    "diffusers",
    "numpy",
    "pillow",
    "OpenEXR",
    "opencv-python-headless",
    "safetensors",
    "fastapi",
)
_OPTIONAL = ("accelerate", "mediapipe", "bpy", "ray")
CHECK_NAMES = ("python", "packages", "device", "memory", "checkpoint", "driving", "folders", "network")
_GIB = 2**30


@dataclass(frozen=True)
class Check:
    """One finding: ``value`` is for reading, ``details`` for programs."""

    name: str
    ok: bool
    value: str
    hint: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    def failed(self, name: str) -> bool:
        return any(check.name == name and not check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "protocol": PROTOCOL_VERSION,
            "ok": self.ok,
            "checks": [asdict(check) for check in self.checks],
        }

    def to_text(self) -> str:
        """One line a check, its remedy below it."""
        lines = [f"Portrait Relief {VERSION} (protocol {PROTOCOL_VERSION})"]
        for check in self.checks:
            lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<12} {check.value}")
            if check.hint and not check.ok:
                lines.append(f"      {'':<12} {check.hint}")
        return "\n".join(lines)


def examine(
    *,
    checkpoint: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    only: str | None = None,
) -> Report:
    """Run every check, or only the one of this name; a check that breaks is a failed check, so this never raises."""
    checks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("device", lambda: _device(device)),
        ("memory", _memory),
        ("checkpoint", lambda: _checkpoint(checkpoint, device, precision)),
        ("driving", _driving),
        ("folders", _folders),
        ("network", _loopback),
    )
    return Report(tuple(_guarded(name, check) for name, check in checks if only in (None, name)))


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except PortraitReliefError as error:
        return Check(name, False, error.message, error.hint, {"code": error.code})
    except Exception as error:
        return Check(
            name, False, f"{type(error).__name__}: {error}", "Reinstall the backend.", {"code": "broken"}
        )


def _python() -> Check:
    ok = sys.version_info >= (3, 11)
    value = f"{platform.python_version()} on {platform.system()} {platform.machine()} ({sys.executable})"
    return Check("python", ok, value, "" if ok else "Python 3.11 or newer is needed.")


def _packages() -> Check:
    versions = {name: _version(name) for name in (*_NEEDED, *_OPTIONAL)}
    missing = [name for name in _NEEDED if versions[name] is None]
    value = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if missing:
        return Check("packages", False, f"missing: {', '.join(missing)}", "Reinstall the backend.", versions)
    return Check("packages", True, value, details=versions)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device(name: str) -> Check:
    from backend.server.devices import describe_device

    details = describe_device(name)
    value = f"{details['type']} ({details['name']}), torch {details['torch']}, {details['threads']} threads"
    return Check("device", True, value, details=details)


def _memory() -> Check:
    from backend.server.devices import system_memory

    free, total = system_memory()
    if free is None or total is None:
        return Check("memory", True, "unknown", details={"free_bytes": free, "total_bytes": total})
    ok = free >= _GIB
    return Check(
        "memory",
        ok,
        f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free",
        "" if ok else "Close other programs: less than 1 GiB is free.",
        {"free_bytes": free, "total_bytes": total},
    )


def _checkpoint(checkpoint: str | None, device: str, precision: str) -> Check:
    """Load it and estimate the depth of one random picture of its own size in one step."""
    import torch

    from backend.editor import PortraitEditor

    started = time.perf_counter()
    editor = PortraitEditor(checkpoint, device=device, precision=precision)
    loaded_s = time.perf_counter() - started
    side = editor.pipeline.settings.resolution_px
    started = time.perf_counter()
    output = editor.pipeline(mode="depth", rgb=torch.rand(1, 3, side, side), num_inference_steps=1)
    forward_s = time.perf_counter() - started
    ok = bool(torch.isfinite(output.depth_mm).all())
    details = {
        "path": str(editor.checkpoint),
        "resolution_px": side,
        "precision": editor.precision,
        "load_s": loaded_s,
        "forward_s": forward_s,
    }
    value = f"{editor.checkpoint}: {side} px, {editor.precision}, loaded in {loaded_s:.1f} s, "
    value += f"one step in {forward_s:.2f} s"
    hint = "" if ok else "The network returns no numbers: install the checkpoint again."
    return Check("checkpoint", ok, value, hint, details)


def _driving() -> Check:
    """Optional, so a failure only where it is there and does not work."""
    from backend.driving.landmarker import FaceTracker, availability

    told = availability()
    if told["available"]:
        with FaceTracker():  # loads the model and looks at an empty picture; raises InputError
            return Check("driving", True, "the face landmarker works", details=told)
    return Check("driving", True, f"not available: {told['reason']} {told['hint']}", details=told)


def _folders() -> Check:
    """The folder for temporary files takes a file; the results' folder is the user's choice and checked when
    used.
    """
    folder = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="portrait-relief-doctor-") as probe:
        (Path(probe) / "probe").write_bytes(os.urandom(1024))
    return Check("folders", True, f"{folder} is writable", details={"temp": folder})


def _loopback() -> Check:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname(), timeout=5):
            pass
    return Check("network", True, "127.0.0.1 accepts connections (nothing else is used)")
