# SPDX-License-Identifier: GPL-3.0-or-later
"""Ready expressions as ARKit coefficients. A preset names what it moves; everything else is 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .arkit import ARKIT_NAMES


@dataclass(frozen=True)
class Preset:
    """An expression: `values` maps ARKit names to 0..1."""

    identifier: str
    label: str
    values: Mapping[str, float] = field(default_factory=dict)


def _both(**values: float) -> dict[str, float]:
    """Writes a value to the left and the right coefficient."""
    return {f"{name}{side}": value for name, value in values.items() for side in ("Left", "Right")}


PRESETS: tuple[Preset, ...] = (
    Preset("NEUTRAL", "Neutral"),
    Preset("SMILE", "Smile", _both(mouthSmile=0.6, mouthDimple=0.15, cheekSquint=0.3, eyeSquint=0.15)),
    Preset(
        "BIG_SMILE",
        "Big Smile",
        {
            **_both(mouthSmile=1.0, mouthUpperUp=0.35, mouthLowerDown=0.3, cheekSquint=0.7, eyeSquint=0.45),
            "jawOpen": 0.2,
        },
    ),
    Preset(
        "SURPRISE", "Surprise", {**_both(eyeWide=0.9, browOuterUp=0.9), "browInnerUp": 0.9, "jawOpen": 0.45}
    ),
    Preset("BLINK", "Blink", _both(eyeBlink=1.0)),
    Preset("WINK_LEFT", "Wink Left", {"eyeBlinkLeft": 1.0, "cheekSquintLeft": 0.6, "mouthSmileLeft": 0.4}),
    Preset(
        "WINK_RIGHT", "Wink Right", {"eyeBlinkRight": 1.0, "cheekSquintRight": 0.6, "mouthSmileRight": 0.4}
    ),
    Preset(
        "FROWN",
        "Frown",
        {
            **_both(mouthFrown=0.8, browDown=0.6),
            "mouthShrugLower": 0.35,
            "mouthPressLeft": 0.2,
            "mouthPressRight": 0.2,
        },
    ),
    Preset(
        "SAD", "Sad", {**_both(mouthFrown=0.6, eyeSquint=0.2), "browInnerUp": 0.85, "mouthShrugLower": 0.3}
    ),
    Preset(
        "ANGRY", "Angry", _both(browDown=1.0, eyeSquint=0.5, noseSneer=0.4, mouthPress=0.6, mouthFrown=0.3)
    ),
    Preset(
        "DISGUST",
        "Disgust",
        _both(noseSneer=0.9, mouthUpperUp=0.6, browDown=0.5, eyeSquint=0.4, mouthFrown=0.3),
    ),
    Preset("PUCKER", "Pucker", {"mouthPucker": 1.0}),
    Preset("FUNNEL", "Funnel", {"mouthFunnel": 0.9, "jawOpen": 0.2}),
    Preset("JAW_OPEN", "Jaw Open", {"jawOpen": 0.8}),
    Preset("BROW_RAISE", "Brow Raise", {**_both(browOuterUp=1.0), "browInnerUp": 1.0}),
    Preset("PUFF", "Puff", {"cheekPuff": 1.0, **_both(mouthPress=0.3)}),
    Preset("LOOK_LEFT", "Look Left", {"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8}),
    Preset("LOOK_RIGHT", "Look Right", {"eyeLookInLeft": 0.8, "eyeLookOutRight": 0.8}),
)

BY_IDENTIFIER: dict[str, Preset] = {preset.identifier: preset for preset in PRESETS}


def coefficients(identifier: str, strength: float = 1.0) -> dict[str, float]:
    """All 51 coefficients of a preset scaled by `strength`, clamped to 0..1. Raises KeyError for an unknown one."""
    values = BY_IDENTIFIER[identifier].values
    return {name: min(1.0, max(0.0, values.get(name, 0.0) * strength)) for name in ARKIT_NAMES}
