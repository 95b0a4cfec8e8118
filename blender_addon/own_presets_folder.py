# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the user's own expressions lie, and their names as last seen: panels must not read folders at every redraw."""

from __future__ import annotations

from pathlib import Path

from . import storage
from .core import own_presets

_seen: list[str] | None = None


def path() -> Path:
    return storage.folder() / "expressions"


def names() -> list[str]:
    """Read once, and again after `refresh`."""
    global _seen
    if _seen is None:
        _seen = own_presets.names(path())
    return _seen


def refresh() -> None:
    global _seen
    _seen = None
