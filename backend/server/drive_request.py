# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``drive`` part of a request in mode ``drive``: how a driver's motion becomes the portrait's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.errors import InputError

OWN_FACES = ("portrait", "neutral", "given")
_KEYS = frozenset(
    {"motion", "smoothing", "neutral_frame", "strength", "mirror", "frames_per_s", "own", "own_values"}
)


@dataclass(frozen=True)
class DriveRequest:
    """Checked. The fields up to ``mirror`` are those of ``backend.driving.motion.MotionOptions``.

    ``own`` says what relative motion is added to: the uploaded portrait's own expression as it is measured, a
    neutral face, or ``own_values`` (coefficients in 0..1, angles in degrees, absent ones 0).
    """

    motion: str = "relative"
    smoothing: float = 0.3
    neutral_frame: int | None = None
    strength: dict[str, float] = field(default_factory=dict)
    mirror: bool = False
    frames_per_s: float | None = None
    own: str = "neutral"
    own_values: dict[str, float] = field(default_factory=dict)


def parse_drive(data: Any, expression_names: tuple[str, ...]) -> DriveRequest:
    """Raises InputError naming the field at fault."""
    # Not above: request.py imports this file.
    from backend.driving.motion import MotionOptions
    from backend.server.request import check_expression, check_pose

    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InputError("'drive' must be a JSON object.")
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise InputError(
            f"'drive' has an unknown field '{unknown[0]}'.", f"Known: {', '.join(sorted(_KEYS))}."
        )
    strength = data.get("strength") or {}
    if not isinstance(strength, dict):
        raise InputError("'drive.strength' must be an object of regions and factors.")
    neutral_frame, mirror = data.get("neutral_frame"), data.get("mirror", False)
    if neutral_frame is not None and (isinstance(neutral_frame, bool) or not isinstance(neutral_frame, int)):
        raise InputError("'drive.neutral_frame' must be a whole number.")
    if not isinstance(mirror, bool):
        raise InputError("'drive.mirror' must be true or false.")
    own = data.get("own", "neutral")
    if own not in OWN_FACES:
        raise InputError(f"'drive.own' is {own!r}.", f"Use one of: {', '.join(OWN_FACES)}.")
    given = data.get("own_values") or {}
    if not isinstance(given, dict):
        raise InputError("'drive.own_values' must be an object of names and numbers.")
    pose = check_pose({name: given[name] for name in given if name in ("yaw", "pitch", "roll")})
    rest = {name: given[name] for name in given if name not in pose}
    options = MotionOptions(
        motion=data.get("motion", "relative"),
        smoothing=_number(data, "smoothing", 0.3, 0.0, 1.0),
        neutral_frame=neutral_frame,
        strength={str(name): _number(strength, name, 1.0, 0.0, 2.0) for name in strength},
        mirror=mirror,
    )
    rate = _number(data, "frames_per_s", 0.0, 0.0, 1000.0)
    return DriveRequest(
        motion=options.motion,
        smoothing=options.smoothing,
        neutral_frame=options.neutral_frame,
        strength=dict(options.strength),
        mirror=options.mirror,
        frames_per_s=rate or None,
        own=own,
        own_values=check_expression(rest, expression_names) | pose,
    )


def _number(data: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = data.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"'drive.{name}' must be a number.")
    if not low <= value <= high:
        raise InputError(
            f"'drive.{name}' is {value:g}; it must lie between {low:g} and {high:g}.", code="out_of_range"
        )
    return float(value)
