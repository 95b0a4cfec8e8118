# SPDX-License-Identifier: GPL-3.0-or-later
"""The 51 ARKit blendshape coefficients (without tongueOut), their regions and the head pose.

"Left" is the subject's own left. Coefficients run from 0 to 1, pose is in degrees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_EYE = ("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")

REGIONS: dict[str, tuple[str, ...]] = {
    "Eyes": tuple(f"{name}Left" for name in _EYE) + tuple(f"{name}Right" for name in _EYE),
    "Jaw": ("jawForward", "jawLeft", "jawRight", "jawOpen"),
    "Mouth": (
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
    ),
    "Brows": ("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    "Cheeks": ("cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    "Nose": ("noseSneerLeft", "noseSneerRight"),
}
ARKIT_NAMES: tuple[str, ...] = tuple(name for names in REGIONS.values() for name in names)

POSE_NAMES: tuple[str, ...] = ("yaw", "pitch", "roll")
POSE_LIMIT_DEG = 45.0
POSE_HELP: dict[str, str] = {
    "yaw": "Turn the head from how it is in the photo; positive turns towards the subject's own left (picture right)",
    "pitch": "Nod from how the head is in the photo; positive looks up",
    "roll": "Tilt from how the head is in the photo; positive tilts clockwise as seen in the picture",
}


def label(name: str) -> str:
    """`mouthSmileLeft` -> `Smile L`: what fits beside a slider under its region's heading."""
    words = re.findall(r"[A-Z]?[a-z]+", name)
    if words[-1] in ("Left", "Right") and len(words) > 2:
        words[-1] = words[-1][0]
    return " ".join(word.capitalize() for word in words[1:])


_BY_LETTERS = {name.lower(): name for name in ARKIT_NAMES}


def named(text: str) -> str | None:
    """The coefficient that a column or shape key means: `EyeBlinkLeft`, `eye_blink_l`, `ARKit.eyeBlink_L`; or None."""
    letters = re.sub(r"[^a-z]", "", re.sub(r"^.*[.:]", "", text.strip().lower()))
    if letters not in _BY_LETTERS and re.search(r"[^a-zA-Z][lrLR]$", text.strip()):
        letters = letters[:-1] + ("left" if letters[-1] == "l" else "right")
    return _BY_LETTERS.get(letters)


def mirrored_name(name: str) -> str:
    """The same movement on the other side of the face; names without a side answer themselves."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    if name.endswith("Right"):
        return name.removesuffix("Right") + "Left"
    return name


# These move to one side of the face; the others move one side of it.
_SIDEWAYS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")


def counterpart(name: str) -> str | None:
    """The coefficient that has the same value in a symmetric face; None where there is none."""
    other = mirrored_name(name)
    return None if other == name or name in _SIDEWAYS else other


def mirrored(values: Mapping[str, float]) -> dict[str, float]:
    """Swaps left and right in a mapping of coefficients and pose (yaw and roll change their sign)."""
    return {
        mirrored_name(name): (-value if name in ("yaw", "roll") else value) for name, value in values.items()
    }
