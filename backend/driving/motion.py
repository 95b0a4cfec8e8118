# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a driver's face did to what another face should do. Pure functions on arrays [N, 54], columns as
``EXPRESSION_NAMES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from backend.driving.recording import Recording
from backend.errors import InputError, NoFaceError
from backend.model.expression_names import (
    ARKIT_NAMES,
    EXPRESSION_NAMES,
    POSE_LIMIT_DEG,
    POSE_NAMES,
    REGIONS,
)

_GAZE = tuple(name for name in REGIONS["eyes"] if name.startswith("eyeLook"))

DRIVING_REGIONS: Mapping[str, tuple[str, ...]] = {
    "brows": REGIONS["brows"],
    "eyes": tuple(name for name in REGIONS["eyes"] if name not in _GAZE),
    "gaze": _GAZE,
    "jaw": REGIONS["jaw"],
    "mouth": REGIONS["mouth"],
    "cheeks": REGIONS["cheeks"],
    "nose": REGIONS["nose"],
    "head": POSE_NAMES,
}
"""What can be driven by itself: the regions of the face, the eyes' direction apart from the lids, the head."""

MOTIONS = ("relative", "absolute")
STRENGTH_MAX = 2.0
SMOOTHING_MAX_S = 0.15  # standard deviation of the Gaussian at full smoothing
BLINK_SHARE = 0.25  # a lid closes within 0.1 s: smoothed like the rest, a blink would become a squint
NEUTRAL_PERCENTILE = 10.0
NEUTRAL_WINDOW = 2  # frames on either side of a chosen neutral one

_OPPOSITES = (
    ("eyeLookOutLeft", "eyeLookInLeft"),
    ("eyeLookInRight", "eyeLookOutRight"),
    ("eyeLookUpLeft", "eyeLookDownLeft"),
    ("eyeLookUpRight", "eyeLookDownRight"),
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
)
"""Two coefficients that are the two directions of one movement."""

_OPPOSITE_COLUMNS = [
    (EXPRESSION_NAMES.index(one), EXPRESSION_NAMES.index(other)) for one, other in _OPPOSITES
]
_POSE_COLUMNS = [EXPRESSION_NAMES.index(name) for name in POSE_NAMES]
_BLINK_COLUMNS = [EXPRESSION_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]


@dataclass(frozen=True)
class MotionOptions:
    """How a recording moves another face.

    Attributes:
        motion: "relative" moves the portrait's own face as far as the driver's moved from its neutral one;
            "absolute" gives the portrait the driver's very expression.
        smoothing: 0 (none) to 1.
        neutral_frame: index of the driver's neutral frame, for "relative"; None estimates one from all.
        strength: region -> factor 0..2; 0 leaves the region out, an absent one counts as 1.
        mirror: swap left and right, for a driver filmed as in a mirror.
    """

    motion: str = "relative"
    smoothing: float = 0.3
    neutral_frame: int | None = None
    strength: Mapping[str, float] = field(default_factory=dict)
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.motion not in MOTIONS:
            raise InputError(
                f"The motion {self.motion!r} does not exist.", f"Use one of: {', '.join(MOTIONS)}."
            )
        if not 0.0 <= self.smoothing <= 1.0:
            raise InputError("The smoothing must lie between 0 and 1.", code="out_of_range")
        for region, factor in self.strength.items():
            if region not in DRIVING_REGIONS:
                raise InputError(
                    f"There is no region '{region}'.", f"Use one of: {', '.join(DRIVING_REGIONS)}."
                )
            if not 0.0 <= factor <= STRENGTH_MAX:
                raise InputError(
                    f"The strength of '{region}' must lie between 0 and {STRENGTH_MAX:g}.",
                    code="out_of_range",
                )

    def factors(self) -> np.ndarray:
        """float32 [54]."""
        by_name = {
            name: self.strength.get(region, 1.0)
            for region, names in DRIVING_REGIONS.items()
            for name in names
        }
        return np.array([by_name[name] for name in EXPRESSION_NAMES], np.float32)


def retarget(recording: Recording, options: MotionOptions, own: np.ndarray | None = None) -> Recording:
    """What the portrait does: smoothed, mirrored, moved onto its own face, in the wanted regions only.

    Args:
        recording: as measured, gaps filled.
        own: float [54], the portrait's own expression and pose; None for a neutral face. For "relative".

    Raises:
        InputError: the neutral frame does not exist.
    """
    values = smoothed(recording.values, recording.frames_per_s, options.smoothing)
    if options.mirror:
        values = mirrored(values)
    factors = options.factors()
    if options.motion == "absolute":
        moved = absolute(values, factors)
    else:
        neutral = driver_neutral(values, recording.found, options.neutral_frame)
        moved = relative(values, neutral, np.zeros(values.shape[1]) if own is None else own, factors)
    names = tuple(name for name, factor in zip(EXPRESSION_NAMES, factors, strict=True) if factor > 0)
    return replace(recording, values=moved, names=names)


def filled(times_s: np.ndarray, values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Values [N, 54] with those of frames without a face interpolated over time; the ends hold.

    Raises NoFaceError when no frame has a face.
    """
    if not found.any():
        raise NoFaceError(
            "No face was found in the driver.", "Choose one in which a face is well visible and large enough."
        )
    columns = [np.interp(times_s, times_s[found], column[found]) for column in values.T]
    return np.stack(columns, 1).astype(np.float32)


def smoothed(values: np.ndarray, frames_per_s: float, strength: float) -> np.ndarray:
    """A Gaussian over time; it looks both ways and so delays nothing, unlike filters for live video."""
    if strength <= 0 or len(values) < 2:
        return values
    sigma = SMOOTHING_MAX_S * strength * frames_per_s
    result = gaussian_filter1d(values.astype(np.float32), sigma, axis=0, mode="nearest")
    lids = values[:, _BLINK_COLUMNS].astype(np.float32)
    result[:, _BLINK_COLUMNS] = gaussian_filter1d(lids, sigma * BLINK_SHARE, axis=0, mode="nearest")
    return result


def driver_neutral(values: np.ndarray, found: np.ndarray, frame: int | None = None) -> np.ndarray:
    """The driver's own neutral face [54]: the median around a chosen frame, or what all frames tell.

    Most coefficients only grow from rest, so a low percentile of each is the face at rest even where no frame
    shows all of it at once; gaze, sideways jaw and mouth, and pose go both ways, and there the median is.

    Raises InputError for a frame that is not there.
    """
    if frame is not None:
        if not 0 <= frame < len(values):
            raise InputError(
                f"The driver has {len(values)} frames; there is no frame {frame + 1}.",
                "Choose another neutral frame.",
                code="no_such_frame",
            )
        return np.median(values[max(0, frame - NEUTRAL_WINDOW) : frame + NEUTRAL_WINDOW + 1], axis=0)
    seen = values[found]
    neutral = np.percentile(seen, NEUTRAL_PERCENTILE, axis=0)
    both_ways = [column for pair in _OPPOSITE_COLUMNS for column in pair] + _POSE_COLUMNS
    neutral[both_ways] = np.median(seen[:, both_ways], axis=0)
    return neutral


def relative(values: np.ndarray, neutral: np.ndarray, own: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """``own`` plus the driver's change from ``neutral``; where a region's factor is 0, ``own`` stays.

    Two opposite coefficients count as one movement: eyes that come back from the driver's left move the
    portrait's to its right, also where it looked straight ahead.
    """
    moved = own + (values - neutral) * factors
    for one, other in _OPPOSITE_COLUMNS:
        if factors[one] > 0:
            signed = moved[..., one] - moved[..., other]
            moved[..., one], moved[..., other] = signed.clip(min=0), (-signed).clip(min=0)
    return _limited(moved)


def absolute(values: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The driver's own values, weaker or stronger."""
    return _limited(values * factors)


def mirrored(values: np.ndarray) -> np.ndarray:
    """Left and right swapped; yaw and roll change their sign."""

    def other(name: str) -> str:
        if name.endswith("Left"):
            return name.removesuffix("Left") + "Right"
        return name.removesuffix("Right") + "Left" if name.endswith("Right") else name

    result = values[..., [EXPRESSION_NAMES.index(other(name)) for name in EXPRESSION_NAMES]].copy()
    for name in ("yaw", "roll"):
        result[..., EXPRESSION_NAMES.index(name)] *= -1
    return result


def _limited(values: np.ndarray) -> np.ndarray:
    count = len(ARKIT_NAMES)
    coefficients = values[..., :count].clip(0.0, 1.0)
    pose = values[..., count:].clip(-POSE_LIMIT_DEG, POSE_LIMIT_DEG)
    return np.concatenate([coefficients, pose], -1).astype(np.float32)
