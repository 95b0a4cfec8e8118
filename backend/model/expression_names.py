# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the expression coefficients, in the one order every tensor of this package uses.

The 51 ARKit blendshapes are Apple's 52 without ``tongueOut``. "Left" is the subject's own left. Values run
from 0 (rest) to 1 (full). The pose is in degrees: yaw + turns the head to the subject's own left (nose
towards the image's right), pitch + looks up, roll + tilts clockwise as seen in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_EYES_LEFT = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
)
_EYES = _EYES_LEFT + tuple(name.replace("Left", "Right") for name in _EYES_LEFT)
_JAW = ("jawForward", "jawLeft", "jawRight", "jawOpen")
_MOUTH = (
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
)
_BROWS = ("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight")
_CHEEKS = ("cheekPuff", "cheekSquintLeft", "cheekSquintRight")
_NOSE = ("noseSneerLeft", "noseSneerRight")

REGIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"eyes": _EYES, "jaw": _JAW, "mouth": _MOUTH, "brows": _BROWS, "cheeks": _CHEEKS, "nose": _NOSE}
)
"""Region of the face -> its coefficient names, in Apple's order of regions."""

ARKIT_NAMES: tuple[str, ...] = tuple(name for names in REGIONS.values() for name in names)
"""The 51 blendshape names; column ``i`` of an expression tensor is ``ARKIT_NAMES[i]``."""

POSE_NAMES: tuple[str, ...] = ("yaw", "pitch", "roll")
"""Columns 51..53 of an expression tensor, in degrees before scaling."""

POSE_UNIT_DEG = 30.0
"""Degrees that the network sees as 1."""

POSE_LIMIT_DEG = 90.0
"""Largest head angle the interface accepts, either way."""

EXPRESSION_NAMES: tuple[str, ...] = ARKIT_NAMES + POSE_NAMES
"""All 54 columns of an expression tensor."""
