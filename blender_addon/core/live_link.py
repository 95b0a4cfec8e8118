# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of Epic's Live Link Face app: a CSV with one row a frame."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import arkit
from .arkit import ARKIT_NAMES, POSE_LIMIT_DEG
from .wording import worded

DEFAULT_FRAMES_PER_S = 60.0  # what the app records at
_TIME_COLUMN = "timecode"
_POSE_COLUMNS = {"headyaw": "yaw", "headpitch": "pitch", "headroll": "roll"}  # radians


@dataclass(frozen=True)
class Recording:
    """Attributes:
    times_s: time of each frame from the first one, rising.
    frames: coefficients in 0..1 by ARKit name, and yaw, pitch, roll in degrees where recorded.
    """

    times_s: tuple[float, ...]
    frames: tuple[Mapping[str, float], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What was recorded."""
        return tuple(self.frames[0])


def read(text: str) -> Recording:
    """Reads a CSV's content. Columns that are no ARKit coefficient (tongueOut, eye angles) are left out.

    Raises ValueError with a sentence when it is no such file.
    """
    rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise ValueError("it holds no frames")
    header = [cell.strip() for cell in rows[0]]
    columns = {name: number for number, cell in enumerate(header) if (name := arkit.named(cell)) is not None}
    missing = [name for name in ARKIT_NAMES if name not in columns]
    if len(missing) > len(ARKIT_NAMES) // 2:
        raise ValueError("its first line does not name ARKit coefficients such as EyeBlinkLeft")
    poses = {
        number: _POSE_COLUMNS[cell.lower()]
        for number, cell in enumerate(header)
        if cell.lower() in _POSE_COLUMNS
    }
    frames = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            frame = {name: min(1.0, max(0.0, _finite(row[column]))) for name, column in columns.items()}
            for column, name in poses.items():
                degrees = math.degrees(_finite(row[column]))
                frame[name] = min(POSE_LIMIT_DEG, max(-POSE_LIMIT_DEG, degrees))
        except (IndexError, ValueError) as error:
            raise ValueError(worded("line {number} is not complete", number=number)) from error
        frames.append(frame)
    lowered = [cell.lower() for cell in header]
    codes = [row[lowered.index(_TIME_COLUMN)] for row in rows[1:]] if _TIME_COLUMN in lowered else []
    return Recording(_times(codes, len(frames)), tuple(frames))


def mirrored(recording: Recording) -> Recording:
    """Left and right swapped, as for a recording that was made or is wanted as in a mirror."""
    return Recording(recording.times_s, tuple(arkit.mirrored(frame) for frame in recording.frames))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _times(codes: Sequence[str], count: int) -> tuple[float, ...]:
    """Seconds from timecodes HH:MM:SS:FF.fff, whose last part counts frames; evenly spaced where they do not rise."""
    even = tuple(number / DEFAULT_FRAMES_PER_S for number in range(count))
    try:
        parts = [[float(part) for part in code.split(":")] for code in codes]
    except ValueError:
        return even
    if len(parts) != count or any(len(part) != 4 for part in parts):
        return even
    seconds = [h * 3600 + m * 60 + s + f / DEFAULT_FRAMES_PER_S for h, m, s, f in parts]
    if any(b <= a for a, b in zip(seconds, seconds[1:], strict=False)):
        return even
    return tuple(value - seconds[0] for value in seconds)
