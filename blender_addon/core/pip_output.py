# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads pip's output: how far it is, and why it failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from . import errors
from .errors import Problem
from .wording import worded

_COLLECTED = re.compile(r"^(?:Collecting|Requirement already satisfied:|Processing)\s+(\S+)", re.MULTILINE)
_LAST_DOWNLOAD = re.compile(r"^\s*Downloading\s+(\S+)\s+\(([\d.]+)\s*([kMG]?B)\)", re.MULTILINE)
_INSTALLING = re.compile(r"^Installing collected packages: (.+)$", re.MULTILINE)
_NO_MATCH = re.compile(r"No matching distribution found for (\S+)")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_INSTALLING_SHARE = 0.15  # of the bar; the rest is downloading

# First match wins. A mirror that is out of reach also ends in "No matching distribution".
_CAUSES = (
    ("install_no_space", r"No space left on device|Errno 28\b|WinError 112|not enough space"),
    ("install_long_paths", r"Long Path support"),
    (
        "install_no_venv",
        r"No module named '?(?:venv|ensurepip)|ensurepip is not available|venvlauncher|No module named '?pip\b",
    ),
    (
        "install_no_network",
        r"NewConnectionError|NameResolutionError|Failed to establish a new connection|ConnectTimeout|ReadTimeout"
        r"|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED|RemoteDisconnected|ConnectionResetError"
        r"|IncompleteRead|Connection broken|Max retries exceeded|Network is unreachable",
    ),
    ("install_no_package", _NO_MATCH.pattern),
)


@dataclass(frozen=True)
class PipProgress:
    """How far pip is: `text` for people, `fraction` from 0 to 1."""

    text: str
    fraction: float


def progress(output: str, expected_packages: int, downloaded_bytes: int = 0) -> PipProgress:
    """From pip's output so far. `downloaded_bytes` of the file being fetched; pip itself tells no more in a log."""
    installing = _INSTALLING.search(output)
    if installing:
        text = worded("Unpacking {count} packages", count=len(installing[1].split(",")))
        return PipProgress(text, 1 - _INSTALLING_SHARE / 2)
    names = list(dict.fromkeys(_plain_name(name) for name in _COLLECTED.findall(output)))
    if not names:
        return PipProgress("Asking which packages are needed", 0.0)
    total = max(expected_packages, len(names))
    fraction = (len(names) - 1) / total
    text = worded("Package {number} of {total}: {name}", number=len(names), total=total, name=names[-1])
    downloads = list(_LAST_DOWNLOAD.finditer(output))
    if downloads:
        size_bytes = float(downloads[-1][2]) * _UNITS[downloads[-1][3]]
        part = min(1.0, downloaded_bytes / size_bytes) if size_bytes else 0.0
        if size_bytes >= 10**7 and 0 < part < 1:
            name = downloads[-1][1].rsplit("/", 1)[-1].split("-")[0]
            text = worded(
                "{name}: {here:.0f} of {all:.0f} MB",
                name=name,
                here=downloaded_bytes / 1e6,
                all=size_bytes / 1e6,
            )
    return PipProgress(text, fraction * (1 - _INSTALLING_SHARE))


def _plain_name(requirement: str) -> str:
    """`torch==2.6.0`, `torch<3,>=2.6` or a wheel's path -> the package's name."""
    name = re.split(r"[<>=!~;\[]", requirement)[0]
    if name.endswith(".whl"):
        name = re.split(r"[/\\]", name)[-1].split("-")[0]
    return name


def packages_in(lock: Path) -> int:
    """How many packages a lock file names."""
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(1 for line in lines if line.strip() and line.lstrip()[0] not in "#-")


def explain_failure(output: str, fallback_code: str) -> Problem:
    """Why a step ended with an error, as one sentence; pip's own last words where the cause is not known."""
    for code, pattern in _CAUSES:
        if re.search(pattern, output):
            package = _NO_MATCH.search(output)
            named = code == "install_no_package" and package is not None
            return errors.local(code, detail=package[1] if named and package else "")
    said = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in said if re.match(r"ERROR:|\w*(?:Error|Exception): ", line)] or said
    return errors.local(fallback_code, detail=told[-1][:200] if told else "")
