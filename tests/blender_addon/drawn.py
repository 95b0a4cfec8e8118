# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a section's drawing code where Blender has no window to draw in, and keeps what it would show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Drawn:
    """Takes a layout's place: every part of it is itself. Blender draws no panel in background mode."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.buttons: dict[str, str] = {}  # operator -> its label
        self.pressed: list[str] = []  # all labels of buttons, in their order
        self.settings: list[str] = []

    def _part(self, **_options: Any) -> Drawn:
        return self

    box = column = row = split = _part

    def label(self, *, text: str = "", **_options: Any) -> None:
        self.labels.append(text)

    def operator(self, name: str, *, text: str = "", **_options: Any) -> SimpleNamespace:
        self.buttons[name] = text
        self.pressed.append(text)
        return SimpleNamespace()

    def prop(self, owner: Any, name: str, **_options: Any) -> None:
        assert hasattr(owner, name)
        self.settings.append(name)

    def progress(self, *, text: str = "", **_options: Any) -> None:
        self.labels.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self.labels)


def context_in_preferences() -> Any:
    """Blender's context with the region that a window would give it."""
    import bpy

    return SimpleNamespace(
        region=SimpleNamespace(width=600),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0, use_online_access=False)),
        window_manager=bpy.context.window_manager,
    )
