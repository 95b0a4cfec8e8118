# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in the status bar, for a while, how work ended whose operator returned long before: a report of a timer's
would only reach the console."""

from __future__ import annotations

import bpy

SHOWN_S = 8.0

_shown: list[str] = []  # workspaces that show a text of ours


def tell(text: str) -> None:
    """In every window; the last one counts."""
    if bpy.app.background or _is_taken():
        return
    for window in bpy.context.window_manager.windows:
        _set(window, window.workspace, text)
        if window.workspace.name not in _shown:
            _shown.append(window.workspace.name)
    if bpy.app.timers.is_registered(_clear_later):
        bpy.app.timers.unregister(_clear_later)
    bpy.app.timers.register(_clear_later, first_interval=SHOWN_S, persistent=True)


def _is_taken() -> bool:
    """Whether a tool that is in use tells its keys there."""
    return any(window.modal_operators for window in bpy.context.window_manager.windows)


def _clear_later() -> float | None:
    if _is_taken():
        return 1.0
    clear()
    return None


def clear() -> None:
    """Gives it back to Blender."""
    if not _shown:
        return
    names, windows = _shown[:], bpy.context.window_manager.windows
    _shown.clear()
    if bpy.app.timers.is_registered(_clear_later):
        bpy.app.timers.unregister(_clear_later)
    for name in names if windows else ():
        workspace = bpy.data.workspaces.get(name)
        if workspace is not None:
            _set(windows[0], workspace, None)


def _set(window: bpy.types.Window, workspace: bpy.types.WorkSpace, text: str | None) -> None:
    """`status_text_set` goes by the context, whichever workspace it is called on."""
    with bpy.context.temp_override(window=window), bpy.context.temp_override(workspace=workspace):
        workspace.status_text_set(text)
