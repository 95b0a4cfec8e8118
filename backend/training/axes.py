# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bin of each axis a frame of a rendered shot belongs to, from the parameters stored with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from backend.model.expression_names import ARKIT_NAMES
from backend.training.dataset import POSE_UNIT_DEG, Shot

FILM_HEIGHT_MM = 24.0
STRAND_GROUPS: Mapping[str, str] = {
    "crop": "short",
    "side_part": "short",
    "swept_back": "short",
    "tousled": "short",
    "pulled_back": "short",
    "curly": "curled",
    "afro": "curled",
    "bob": "long",
    "long": "long",
    "wavy": "long",
}
"""Styles of `render.distributions.STRAND_STYLES`, grouped by what they cover."""


@dataclass(frozen=True)
class Axis:
    """One way to sort frames.

    Attributes:
        text: what it is, for tables.
        bin_of: shot and number of the frame -> name of the bin.
        bins: names in the order in which they are listed; others follow by name.
    """

    text: str
    bin_of: Callable[[Shot, int], str]
    bins: tuple[str, ...] = ()


def off_camera_degrees(pose_deg: tuple[float, float, float]) -> float:
    """Angle between where a face looks and the camera, from yaw and pitch (roll turns it within the picture)."""
    yaw, pitch, _ = np.radians(pose_deg)
    return float(np.degrees(np.arccos(np.clip(np.cos(yaw) * np.cos(pitch), -1, 1))))


def lens_mm(distance_mm: float, span_mm: float) -> float:
    """Focal length on 36 x 24 mm film that shows `span_mm` from top to bottom at `distance_mm`."""
    return FILM_HEIGHT_MM * distance_mm / span_mm


def _binned(value: float, edges: tuple[float, ...], names: tuple[str, ...]) -> str:
    """The name of the interval that `value` lies in; an edge belongs to the interval above it."""
    return names[int(np.searchsorted(edges, value, side="right"))]


POSE_EDGES_DEG, POSE_BINS = (15.0, 35.0, 55.0), ("front <15°", "15-35°", "35-55°", "side >55°")
TURN_EDGES_DEG, TURN_BINS = (0.05, 7.5, 15.0), ("still", "<7.5°", "7.5-15°", ">15°")
STRENGTH_EDGES = (0.05, 1.0, 2.5)  # sum of coefficients; a full smile with both cheeks has 3
STRENGTH_BINS = ("none", "<1", "1-2.5", ">2.5")
LENS_EDGES_MM, LENS_BINS = (35.0, 70.0), ("wide <35 mm", "35-70 mm", "long >70 mm")
TONE_EDGES, TONE_BINS = (0.12, 0.3), ("dark", "medium", "light")  # linear luminance of the skin's albedo


def _pose(shot: Shot, frame: int) -> str:
    yaw, pitch, roll = shot.values[frame, -3:] * POSE_UNIT_DEG
    return _binned(off_camera_degrees((yaw, pitch, roll)), POSE_EDGES_DEG, POSE_BINS)


def _turn(shot: Shot, frame: int) -> str:
    turned = np.abs(shot.values[frame, -3:] - shot.values[0, -3:]).max() * POSE_UNIT_DEG
    return _binned(float(turned), TURN_EDGES_DEG, TURN_BINS)


def _strength(values: np.ndarray) -> str:
    return _binned(float(np.abs(values[: len(ARKIT_NAMES)]).sum()), STRENGTH_EDGES, STRENGTH_BINS)


def _hair(shot: Shot, frame: int) -> str:
    looks = shot.parameters["shot"]
    if looks.get("headwear", "none") != "none":
        return looks["headwear"]
    style = looks.get("strand_style")
    return STRAND_GROUPS.get(style, style) if style else looks["hair_style"]


def _glasses(shot: Shot, frame: int) -> str:
    glasses = shot.parameters["shot"].get("glasses")
    return "none" if glasses is None else "tinted" if glasses["tinted"] else "clear"


def _lens(shot: Shot, frame: int) -> str:
    looks = shot.parameters["shot"]
    return _binned(lens_mm(looks["distance_mm"], looks["span_mm"]), LENS_EDGES_MM, LENS_BINS)


def _tone(shot: Shot, frame: int) -> str:
    luminance = np.dot(shot.parameters["shot"]["skin"], (0.2126, 0.7152, 0.0722))
    return _binned(float(luminance), TONE_EDGES, TONE_BINS)


AXES: Mapping[str, Axis] = {
    "pose": Axis("face off the camera", _pose, POSE_BINS),
    "turn": Axis("turned against the photo", _turn, TURN_BINS),
    "light": Axis("light", lambda shot, frame: shot.parameters["shot"].get("light_kind", "unknown")),
    "hair": Axis("hair", _hair, ("bald", "buzz", "short", "curled", "long", "shell", "mesh")),
    "glasses": Axis("glasses", _glasses, ("none", "clear", "tinted")),
    "expression": Axis(
        "expression strength", lambda shot, frame: _strength(shot.values[frame]), STRENGTH_BINS
    ),
    "change": Axis(
        "change of expression",
        lambda shot, frame: _strength(shot.values[frame] - shot.values[0]),
        STRENGTH_BINS,
    ),
    "lens": Axis("focal length", _lens, LENS_BINS),
    "skin": Axis("skin", _tone, TONE_BINS),
}


def axis_bins(shot: Shot, frame: int) -> dict[str, str]:
    """Name of the axis -> name of the bin that this frame falls in."""
    return {name: axis.bin_of(shot, frame) for name, axis in AXES.items()}


def in_order(axis: str, found: set[str]) -> list[str]:
    """The bins that were found, in the axis's order."""
    order = AXES[axis].bins
    return [name for name in order if name in found] + sorted(found - set(order))
