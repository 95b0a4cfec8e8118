# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faces the frames of a shot make, and how the head turns between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.model.expression_names import ARKIT_NAMES

FRAMES_PER_SHOT = 6
TURNED_FRAME = 5  # this frame differs from the reference by the head's turn alone
FRAME_POSE_SIGMA_DEG = (8.0, 5.0, 4.0)  # head turned again for some of the frames of a shot
FRAME_POSE_CHANCE = 0.2

# Plausible faces; strengths at 1. One-sided entries make winks and crooked smiles.
PLAUSIBLE: dict[str, dict[str, float]] = {
    "smile": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "toothy_smile": {
        "mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5,
        "mouthLowerDownLeft": 0.35, "mouthLowerDownRight": 0.35, "jawOpen": 0.1, "cheekSquintLeft": 0.5,
        "cheekSquintRight": 0.5,
    },
    "laugh": {
        "mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "jawOpen": 0.45, "cheekSquintLeft": 0.8,
        "cheekSquintRight": 0.8, "eyeSquintLeft": 0.5, "eyeSquintRight": 0.5,
    },
    "surprise": {
        "jawOpen": 0.6, "browInnerUp": 0.9, "browOuterUpLeft": 0.9, "browOuterUpRight": 0.9,
        "eyeWideLeft": 0.9, "eyeWideRight": 0.9,
    },
    "wink_left": {"eyeBlinkLeft": 1.0, "cheekSquintLeft": 0.6, "mouthSmileLeft": 0.5},
    "wink_right": {"eyeBlinkRight": 1.0, "cheekSquintRight": 0.6, "mouthSmileRight": 0.5},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "squint": {"eyeSquintLeft": 0.9, "eyeSquintRight": 0.9, "browDownLeft": 0.5, "browDownRight": 0.5},
    "angry": {"browDownLeft": 1.0, "browDownRight": 1.0, "mouthPressLeft": 0.8, "mouthPressRight": 0.8,
              "noseSneerLeft": 0.4, "noseSneerRight": 0.4},
    "disgust": {"noseSneerLeft": 1.0, "noseSneerRight": 1.0, "mouthUpperUpLeft": 0.8, "mouthUpperUpRight": 0.8,
                "browDownLeft": 0.5, "browDownRight": 0.5},
    "sad": {"mouthFrownLeft": 0.9, "mouthFrownRight": 0.9, "browInnerUp": 0.9},
    "pucker": {"mouthPucker": 1.0},
    "speech_o": {"mouthFunnel": 0.8, "jawOpen": 0.3},
    "speech_a": {"jawOpen": 0.5, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3},
    "speech_e": {"mouthStretchLeft": 0.8, "mouthStretchRight": 0.8, "jawOpen": 0.2},
    "speech_m": {"mouthRollLower": 0.7, "mouthRollUpper": 0.7, "mouthPressLeft": 0.4, "mouthPressRight": 0.4},
    "jaw_wide": {"jawOpen": 1.0},
    "brows_up": {"browInnerUp": 1.0, "browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
    "teeth": {"mouthUpperUpLeft": 0.9, "mouthUpperUpRight": 0.9, "mouthLowerDownLeft": 0.9,
              "mouthLowerDownRight": 0.9, "jawOpen": 0.12},
    "cheeks": {"cheekPuff": 1.0, "mouthPucker": 0.3},
    "crooked_left": {"mouthSmileLeft": 0.8, "mouthLeft": 0.5},
    "crooked_right": {"mouthSmileRight": 0.8, "mouthRight": 0.5},
}  # fmt: skip


@dataclass
class FrameSpec:
    """One frame: ARKit values in 0..1 and the head's own turn on the neck in degrees."""

    expression: dict[str, float]
    head_pose_deg: tuple[float, float, float]


def plausible_expression(rng: np.random.Generator, strength: tuple[float, float]) -> dict[str, float]:
    """One named face at a random strength, each coefficient varied by up to a quarter."""
    return _varied(PLAUSIBLE[str(rng.choice(list(PLAUSIBLE)))], rng, strength)


def _varied(
    face: Mapping[str, float], rng: np.random.Generator, strength: tuple[float, float]
) -> dict[str, float]:
    scale = rng.uniform(*strength)
    return {
        name: float(np.clip(value * scale * rng.uniform(0.75, 1.15), 0, 1)) for name, value in face.items()
    }


def _gaze(rng: np.random.Generator) -> dict[str, float]:
    x, y = float(rng.uniform(-1, 1)) * 0.8, float(rng.uniform(-1, 1)) * 0.6
    left = (
        {"eyeLookOutLeft": x, "eyeLookInRight": x} if x >= 0 else {"eyeLookInLeft": -x, "eyeLookOutRight": -x}
    )
    up = (
        {"eyeLookUpLeft": y, "eyeLookUpRight": y}
        if y >= 0
        else {"eyeLookDownLeft": -y, "eyeLookDownRight": -y}
    )
    return {**left, **up}


def _single(rng: np.random.Generator) -> dict[str, float]:
    """One coefficient near full strength; sided ones are drawn on both sides two times in three."""
    name = str(rng.choice([n for n in ARKIT_NAMES if not n.startswith("eyeLook")]))
    value = float(rng.uniform(0.65, 1.0))
    found = {name: value}
    if name.endswith(("Left", "Right")) and not name.startswith(("jaw", "mouthLeft", "mouthRight")):
        other = name[:-4] + "Right" if name.endswith("Left") else name[:-5] + "Left"
        if other in ARKIT_NAMES and rng.random() < 0.66:
            found[other] = value
    if name == "mouthClose":
        found["jawOpen"] = float(rng.uniform(0.4, 0.9))
    return found


def sample_frames(rng: np.random.Generator, count: int) -> list[FrameSpec]:
    """Frame 0 is how the person looks in the reference photo; the others are what it is driven to."""
    base: dict[str, float] = {}
    kind = rng.random()
    if kind > 0.8:
        base = plausible_expression(rng, (0.4, 1.0))
    elif kind > 0.55:
        base = {
            "mouthSmileLeft": float(rng.uniform(0.1, 0.7)),
            "mouthSmileRight": float(rng.uniform(0.1, 0.7)),
        }
        if kind > 0.65:  # most people smile at a camera, and many of them show their teeth
            base |= {
                name: value * float(rng.uniform(0.5, 1.0))
                for name, value in PLAUSIBLE["toothy_smile"].items()
            }
    if rng.random() < 0.25:
        base |= _gaze(rng)
    frames = [FrameSpec(base, (0.0, 0.0, 0.0))]
    for number in range(1, count):
        if number == 1:
            expression = base | _single(rng)
        elif number == 2:
            expression = plausible_expression(rng, (0.7, 1.0))
        elif number == 3:
            expression = plausible_expression(rng, (0.4, 1.0)) | (_gaze(rng) if rng.random() < 0.6 else {})
            expression |= {k: v * 0.6 for k, v in _single(rng).items()}
        elif number == TURNED_FRAME:
            expression = dict(base)
        else:
            expression = {k: v for _ in range(int(rng.integers(1, 4))) for k, v in _single(rng).items()}
        pose = (0.0, 0.0, 0.0)
        if number == TURNED_FRAME or (number >= 2 and rng.random() < FRAME_POSE_CHANCE):
            yaw, pitch, roll = (float(rng.normal(0, s)) for s in FRAME_POSE_SIGMA_DEG)
            pose = (yaw, pitch, roll)
        frames.append(FrameSpec(expression, pose))
    return frames


def driven_by(
    frames: list[FrameSpec], names: Sequence[str], seed: int, shown: Sequence[str] = ()
) -> list[FrameSpec]:
    """The reference, and in place of the others, with the head held still, these faces of `PLAUSIBLE` at half strength
    or more, each as often as the next, drawn by the shot's `seed`: material for what plain shots show too seldom.

    Args:
        shown: one of these is the face of the reference in place of its own; half of the others keep it besides, as a
            photo keeps its smile where one slider is moved.
    """
    rng = np.random.default_rng([seed, 17])
    drawn: list[str] = []
    while len(drawn) < len(frames) - 1:
        drawn += [str(name) for name in rng.permutation(list(names))]
    faces = [_varied(PLAUSIBLE[name], rng, (0.5, 1.0)) for name in drawn[: len(frames) - 1]]
    if not shown:
        return [frames[0], *(FrameSpec(face, (0.0, 0.0, 0.0)) for face in faces)]
    own = _varied(PLAUSIBLE[str(rng.choice(list(shown)))], rng, (0.6, 1.0))
    return [
        FrameSpec(face, (0.0, 0.0, 0.0))
        for face in (own, *(own | face if rng.random() < 0.5 else face for face in faces))
    ]


def chosen_frames(frames: list[FrameSpec], count: int, seed: int) -> list[FrameSpec]:
    """The reference (frame 0) and `count - 1` of the others, in their order, drawn by the shot's `seed`; the one that
    differs by the head's turn alone only where all are wanted."""
    if count >= len(frames):
        return frames
    others = [number for number in range(1, len(frames)) if number != TURNED_FRAME]
    drawn = np.random.default_rng([seed, 16]).choice(others, count - 1, replace=False)
    return [frames[number] for number in (0, *sorted(drawn))]
