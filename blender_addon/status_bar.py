# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in the status bar, for a while, how work ended whose operator returned long before: a report of a timer's
would only reach the console."""

from __future__ import annotations

import bpy

SHOWN_S = 8.0

_shown: list[str] = []  # since it was last given back


def tell(text: str) -> None:
    """In every window; the last one counts."""
    if bpy.app.background:
        return
    _shown.append(text)
    for window in bpy.context.window_manager.windows:
        window.workspace.status_text_set(text)
    if bpy.app.timers.is_registered(clear):
        bpy.app.timers.unregister(clear)
    bpy.app.timers.register(clear, first_interval=SHOWN_S, persistent=True)


def clear() -> None:
    """Gives it back to Blender."""
    if not _shown:
        return
    _shown.clear()
    if bpy.app.timers.is_registered(clear):
        bpy.app.timers.unregister(clear)
    for workspace in bpy.data.workspaces:
        workspace.status_text_set(None)
