# SPDX-License-Identifier: GPL-3.0-or-later
"""One face's change added to another face's own expression; as `backend/driving/motion.py` does it for movies."""

from __future__ import annotations

from collections.abc import Mapping

from .arkit import ARKIT_NAMES, POSE_LIMIT_DEG
from .live_link import Recording

_PAIRS = (
    ("eyeLookOutLeft", "eyeLookInLeft"),
    ("eyeLookInRight", "eyeLookOutRight"),
    ("eyeLookUpLeft", "eyeLookDownLeft"),
    ("eyeLookUpRight", "eyeLookDownRight"),
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
)
OPPOSITES: dict[str, str] = {**dict(_PAIRS), **{other: one for one, other in _PAIRS}}
"""Two coefficients that are the two directions of one movement."""


def added(own: Mapping[str, float], change: Mapping[str, float]) -> dict[str, float]:
    """`own` plus `change` for every name of `change`: coefficients in 0..1, angles within their limit.

    Opposite coefficients count as one movement: an eye that moves inwards first comes back from where it looked
    outwards. Absent values are 0.
    """
    moved = {name: own.get(name, 0.0) + value for name, value in change.items()}
    for one, other in _PAIRS:
        if one in moved and other in moved:
            signed = moved[one] - moved[other]
            moved[one], moved[other] = max(0.0, signed), max(0.0, -signed)
    return {
        name: min(1.0, max(0.0, value))
        if name in ARKIT_NAMES
        else min(POSE_LIMIT_DEG, max(-POSE_LIMIT_DEG, value))
        for name, value in moved.items()
    }


def relative_to_first(
    recording: Recording, own: Mapping[str, float] | None = None, strength: float = 1.0
) -> Recording:
    """`own` (None: a neutral face) plus the recording's changes from its first frame, `strength` times as large."""
    first = recording.frames[0]
    frames = tuple(
        added(own or {}, {name: strength * (value - first[name]) for name, value in frame.items()})
        for frame in recording.frames
    )
    return Recording(recording.times_s, frames)
