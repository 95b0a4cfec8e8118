# SPDX-License-Identifier: GPL-3.0-or-later
"""Symmetric editing: while it is on, a slider that is moved takes the one of the face's other side along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .core import arkit

_paused = 0


@contextmanager
def paused() -> Iterator[None]:
    """Sliders that are written one by one (a wink, a recording) keep their sides apart."""
    global _paused
    _paused += 1
    try:
        yield
    finally:
        _paused -= 1


def follower(name: str) -> Callable[..., None] | None:
    """The update function of a slider; None for one without a side."""
    other = arkit.mirrored_name(name)
    if other == name or other not in arkit.ARKIT_NAMES:
        return None

    def follow(settings, _context) -> None:
        # The other slider's own update finds both equal, which ends it.
        if settings.symmetric and not _paused and getattr(settings, other) != getattr(settings, name):
            setattr(settings, other, getattr(settings, name))

    return follow
