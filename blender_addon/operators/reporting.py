# SPDX-License-Identifier: GPL-3.0-or-later
"""How operators end: what they report, and what they return."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from ..core.errors import Problem
from ..translations import say, say_whole


class ReportingMixin:
    """For operators whose work can end with a Problem."""

    report: Callable[[set[str], str], None]  # Blender fills it in

    def ended(self, problem: Problem | None) -> set[str]:
        """What `execute` returns; with a problem scripts get its sentences as RuntimeError."""
        if problem is None:
            return {"FINISHED"}
        self.report({"ERROR"}, say_whole(problem))
        return {"CANCELLED"}

    def opened(self, path: Path, missing: str) -> set[str]:
        """Opens a text file in the system's program for it, or prints its name in background mode."""
        if not path.is_file():
            self.report({"WARNING"}, say(missing))
            return {"CANCELLED"}
        if bpy.app.background:
            print(path)
            return {"FINISHED"}
        return bpy.ops.wm.path_open(filepath=str(path))
