# SPDX-License-Identifier: GPL-3.0-or-later
"""How portraits are lit: the kinds of light a shot may have, and what is drawn within each."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LIGHT_KINDS: dict[str, float] = {  # share of the training shots
    "studio": 0.20,
    "window": 0.16,
    "hard_side": 0.10,
    "top": 0.08,
    "coloured": 0.08,
    "low": 0.06,
    "overcast": 0.14,
    "mixed": 0.18,
}

LIGHT_GROUPS = ("key", "fill", "world")
"""Light that a shot keeps apart: its first lamp, its other lamps (or the spare one), the sky."""


@dataclass
class Light:
    """An area light on a sphere round the head: angles in degrees (0, 0 is the camera), size and power relative."""

    azimuth_deg: float
    elevation_deg: float
    size_dm: float
    power: float
    colour: tuple[float, float, float]


def warmth(rng: np.random.Generator, spread: float) -> tuple[float, float, float]:
    """White, warmer or cooler by a factor of about e^spread in red against blue."""
    shift = rng.normal(0, spread)
    return (float(np.exp(shift)), 1.0, float(np.exp(-shift)))


def _saturated(rng: np.random.Generator) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(float(rng.random()), float(rng.uniform(0.5, 0.95)), 1.0)


def sample_lights(rng: np.random.Generator, kind: str) -> tuple[list[Light], float]:
    """Lamps of one kind of light and the strength of the sky round them."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def normal(mean: float, sigma: float) -> float:
        return float(rng.normal(mean, sigma))

    side = float(rng.choice([-1.0, 1.0]))
    if kind == "studio":
        lights = [
            Light(side * normal(40, 14), normal(32, 10), between(4, 12), 1.0, warmth(rng, 0.06)),
            Light(
                -side * normal(45, 15), normal(10, 10), between(8, 16), between(0.1, 0.5), warmth(rng, 0.06)
            ),
        ]
        if rng.random() < 0.5:
            rim = Light(
                -side * between(125, 165), between(15, 50), between(3, 8), between(0.5, 1.4), warmth(rng, 0.1)
            )
            lights.append(rim)
        return lights, float(np.exp(normal(-1.9, 0.5)))
    if kind == "window":
        window = Light(side * between(35, 95), normal(8, 8), between(13, 22), 1.0, warmth(rng, 0.12))
        return [window], float(np.exp(normal(-1.3, 0.5)))
    if kind == "hard_side":
        lamp = Light(side * between(45, 105), normal(15, 14), between(0.6, 2.0), 1.0, warmth(rng, 0.15))
        return [lamp], float(np.exp(normal(-2.2, 0.6)))
    if kind == "top":
        lamp = Light(normal(0, 30), between(52, 86), between(1.5, 10), 1.0, warmth(rng, 0.1))
        return [lamp], float(np.exp(normal(-1.6, 0.5)))
    if kind == "coloured":
        lights = [
            Light(s * between(25, 115), normal(10, 15), between(2, 10), between(0.5, 1.2), _saturated(rng))
            for s in (side, -side)
        ]
        return lights, float(np.exp(normal(-1.7, 0.6)))
    if kind == "low":
        lamp = Light(normal(0, 40), between(-38, -8), between(1.5, 10), 1.0, warmth(rng, 0.16))
        return [lamp], float(np.exp(normal(-1.6, 0.6)))
    if kind == "overcast":
        lamp = Light(normal(0, 70), between(20, 80), between(14, 22), between(0.1, 0.5), warmth(rng, 0.08))
        return [lamp], float(np.exp(normal(0.1, 0.4)))
    if kind != "mixed":
        raise ValueError(f"unknown kind of light {kind}; known: {list(LIGHT_KINDS)}")
    lights = [
        Light(
            normal(0, 58),
            float(np.clip(normal(25, 25), -35, 85)),
            float(np.exp(between(np.log(1.5), np.log(16)))),
            float(np.exp(normal(0 if index == 0 else -1.0, 0.5))),
            warmth(rng, 0.14),
        )
        for index in range(int(rng.integers(1, 4)))
    ]
    return lights, float(np.exp(normal(-1.3, 0.8)))


def sample_spare(rng: np.random.Generator, lights: Sequence[Light]) -> Light | None:
    """A lamp for the group "fill" of shots with one lamp: off in the shot's own light, there for new mixes. None where
    the kind of light has a second lamp."""
    if len(lights) != 1:
        return None
    side = -1.0 if lights[0].azimuth_deg > 0 else 1.0
    return Light(
        side * float(rng.uniform(20, 160)),
        float(rng.normal(18, 20)),
        float(np.exp(rng.uniform(np.log(2), np.log(16)))),
        float(rng.uniform(0.4, 1.1)),
        warmth(rng, 0.1),
    )


def grouped_lamps(lights: Sequence[Light], spare: Light | None) -> list[tuple[str, Light]]:
    """Each lamp of a shot with the name of its group."""
    lamps = [("key" if index == 0 else "fill", light) for index, light in enumerate(lights)]
    return lamps if spare is None else [*lamps, ("fill", spare)]


def own_gains(spare: Light | None) -> list[float]:
    """Gains of the groups [G] that make the shot's own light: a spare lamp is off there."""
    return [0.0 if name == "fill" and spare is not None else 1.0 for name in LIGHT_GROUPS]
