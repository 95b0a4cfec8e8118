# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first job needs beside what enabling imported: with a window one module a tick, before anybody waits."""

from __future__ import annotations

import importlib
import sys

import bpy

FIRST_S, NEXT_S = 1.0, 0.1

# Some 20 ms together, and none of them more than a few when those before it are there.
MODULES = ("locale", "calendar", "email.utils", "email.feedparser", "email.message", "ssl", "http.client")

_to_import: list[str] = []


def begin() -> None:
    """In background mode a job imports them itself: nobody is held up."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_next):
        _to_import[:] = [name for name in MODULES if name not in sys.modules]
        bpy.app.timers.register(_next, first_interval=FIRST_S, persistent=True)


def end() -> None:
    if bpy.app.timers.is_registered(_next):
        bpy.app.timers.unregister(_next)


def _next() -> float | None:
    if not _to_import:
        return None
    importlib.import_module(_to_import.pop(0))
    return NEXT_S
