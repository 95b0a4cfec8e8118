# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bug report should hold, as plain text: versions, the machine, what went wrong, the end of the log."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOG_LINES = 60
_TOLD = (
    "version",
    "protocol",
    "device",
    "precision",
    "checkpoint",
)  # of the capabilities; the rest is the same everywhere


def compose(
    *,
    blender: str,
    addon: str,
    backend_state: str,
    capabilities: Mapping[str, Any],
    problems: Mapping[str, str],
    log: str,
    check: str = "",
    home: Path | None = None,
) -> str:
    """The report's text. `problems` maps a heading to the message shown under it; empty ones are left out.
    `check` is what the backend's doctor found.

    The user's folder is written as ~: reports end up in public places.
    """
    told = {name: capabilities[name] for name in _TOLD if name in capabilities}
    lines = [
        f"Portrait Relief {addon}, Blender {blender}, {platform.platform()}",
        f"Backend: {backend_state}",
        *([json.dumps(told)] if told else []),
        *(f"{heading}: {message}" for heading, message in problems.items() if message),
        "",
        "Check of the installation:",
        *(check.splitlines() or ["(not made)"]),
        "",
        f"Last {LOG_LINES} lines of the backend's log:",
        *(log.splitlines()[-LOG_LINES:] or ["(none)"]),
    ]
    folder = re.escape(str(home or Path.home()))
    return re.sub(rf"{folder}(?=[/\\\\\s\"']|$)", "~", "\n".join(lines)) + "\n"
