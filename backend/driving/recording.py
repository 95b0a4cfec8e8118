# SPDX-License-Identifier: GPL-3.0-or-later
"""A face over time, as arrays, as JSON for the extension, and as the CSV of Epic's app Live Link Face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backend.model.expression_names import ARKIT_NAMES, EXPRESSION_NAMES, POSE_NAMES

CSV_FRAMES_PER_S = 60  # the last part of the app's timecodes counts these
_APP_SWAPS = {  # the app writes these pairs the other way round; its header names them
    "jawLeft": "jawRight",
    "jawRight": "jawLeft",
    "mouthLeft": "mouthRight",
    "mouthRight": "mouthLeft",
}
_CSV_NAMES = tuple(_APP_SWAPS.get(name, name) for name in ARKIT_NAMES)
_CSV_UNUSED = ("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll")


@dataclass(frozen=True)
class Recording:
    """What a driver's face did.

    Attributes:
        times_s: float64 [N], from 0, rising.
        values: float32 [N, 54], columns as ``EXPRESSION_NAMES``: coefficients in 0..1, then yaw, pitch and
            roll in degrees.
        found: bool [N]; False where no face was seen and the values are interpolated.
        names: the columns that are meant to move another face; the others are at rest.
    """

    times_s: np.ndarray
    values: np.ndarray
    found: np.ndarray
    names: tuple[str, ...] = EXPRESSION_NAMES

    def __post_init__(self) -> None:
        count = len(self.times_s)
        if self.values.shape != (count, len(EXPRESSION_NAMES)) or self.found.shape != (count,):
            raise ValueError(f"{self.times_s.shape}, {self.values.shape}, {self.found.shape} do not fit")

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def frames_per_s(self) -> float:
        """Of the middle interval; 0 for a single frame."""
        return 1.0 / float(np.median(np.diff(self.times_s))) if len(self) > 1 else 0.0

    def frame(self, index: int, names: Sequence[str]) -> dict[str, float]:
        """Those of ``names`` that are driven, at one frame."""
        columns = [(name, EXPRESSION_NAMES.index(name)) for name in names if name in self.names]
        return {name: round(float(self.values[index, column]), 4) for name, column in columns}

    def to_dict(self) -> dict[str, Any]:
        """``{"names", "times_s", "frames": [[value of each name]], "found"}``: driven columns only."""
        columns = [EXPRESSION_NAMES.index(name) for name in self.names]
        return {
            "names": list(self.names),
            "times_s": [round(float(time), 6) for time in self.times_s],
            "frames": [[round(float(value), 4) for value in row[columns]] for row in self.values],
            "found": [bool(seen) for seen in self.found],
        }

    def to_csv(self) -> str:
        """Columns as Live Link Face writes them. Head angles are in radians, with this project's signs; they
        are left out where the head is not driven. Coefficients that are not driven are 0.
        """
        with_pose = any(name in self.names for name in POSE_NAMES)
        header = ["Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in _CSV_NAMES)]
        header += ["TongueOut", *(("HeadYaw", "HeadPitch", "HeadRoll") if with_pose else ()), *_CSV_UNUSED]
        lines = [",".join(header)]
        columns = [EXPRESSION_NAMES.index(name) for name in _CSV_NAMES]
        driven = np.array([name in self.names for name in EXPRESSION_NAMES])
        for time_s, row in zip(self.times_s, np.where(driven, self.values, 0.0), strict=True):
            cells = [_timecode(float(time_s)), "61", *(f"{row[column]:.6f}" for column in columns), "0"]
            if with_pose:
                cells += [f"{math.radians(row[EXPRESSION_NAMES.index(name)]):.6f}" for name in POSE_NAMES]
            lines.append(",".join(cells + ["0"] * len(_CSV_UNUSED)))
        return "\n".join(lines) + "\n"


def resampled(recording: Recording, frames_per_s: float) -> Recording:
    """The same motion at an even rate, linear between frames; ``found`` follows the nearest frame."""
    count = math.floor(float(recording.times_s[-1]) * frames_per_s + 1e-6) + 1
    times_s = np.arange(count) / frames_per_s
    columns = [np.interp(times_s, recording.times_s, column) for column in recording.values.T]
    nearest = np.searchsorted((recording.times_s[1:] + recording.times_s[:-1]) / 2, times_s)
    values = np.stack(columns, 1).astype(np.float32)
    return replace(recording, times_s=times_s, values=values, found=recording.found[nearest])


def _timecode(time_s: float) -> str:
    whole = math.floor(time_s)
    frames = (time_s - whole) * CSV_FRAMES_PER_S
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{frames:06.3f}"
