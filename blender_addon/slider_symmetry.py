# SPDX-License-Identifier: GPL-3.0-or-later
"""Symmetric editing: with the toggle on, moving a slider of one side moves the other side's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import bpy

from .core import arkit

_paused = False


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """While presets and recordings are written: what they hold need not be symmetric."""
    global _paused
    before, _paused = _paused, True
    try:
        yield
    finally:
        _paused = before


def update_of(name: str) -> Callable[[bpy.types.PropertyGroup, bpy.types.Context], None] | None:
    """The update callback of a coefficient's property; None for those that have no counterpart."""
    other = arkit.counterpart(name)
    if other is None:
        return None

    def moved(settings: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
        value = getattr(settings, name)
        # The counterpart's own callback finds them equal, and so the two do not call each other for ever.
        if settings.symmetric and not _paused and getattr(settings, other) != value:
            setattr(settings, other, value)

    return moved
