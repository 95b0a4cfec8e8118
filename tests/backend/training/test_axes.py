# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bin a frame falls in, from parameters written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.training.axes import STRAND_GROUPS, axis_bins, in_order, lens_mm, off_camera_degrees
from backend.training.dataset import Shot, expression_values
from backend.training.render.distributions import STRAND_STYLES

LOOKS: dict[str, Any] = {
    "light_kind": "window", "hair_style": "strands", "strand_style": "bob", "headwear": "none", "glasses": None,
    "distance_mm": 800.0, "span_mm": 400.0, "skin": (0.5, 0.35, 0.25),
}  # fmt: skip
SMILE = {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7}
OPEN = {"jawOpen": 1.0, "mouthLowerDownLeft": 0.5, "mouthLowerDownRight": 0.5}


def shot(*frames: tuple[dict[str, float], tuple[float, float, float]], **looks: Any) -> Shot:
    values = np.stack([expression_values(expression, pose) for expression, pose in frames])
    return Shot(0, {}, values, 400.0, (0.5, 0.5), {"shot": LOOKS | looks})


def test_a_frame_falls_in_one_bin_of_every_axis() -> None:
    frames = shot((SMILE, (40.0, 0.0, 25.0)), (SMILE | OPEN, (40.0, 10.0, 25.0)))
    assert axis_bins(frames, 0) == {
        "pose": "35-55°", "turn": "still", "light": "window", "hair": "long", "glasses": "none",
        "expression": "1-2.5", "change": "none", "lens": "35-70 mm", "skin": "light",
    }  # fmt: skip
    assert axis_bins(frames, 1) | {"turn": "7.5-15°", "expression": ">2.5", "change": "1-2.5"} == axis_bins(
        frames, 1
    )


@pytest.mark.parametrize(
    ("looks", "axis", "bin_name"),
    [
        ({"headwear": "beanie", "hair_style": "bald", "strand_style": None}, "hair", "beanie"),
        ({"hair_style": "buzz", "strand_style": None}, "hair", "buzz"),
        ({"strand_style": "afro"}, "hair", "curled"),
        ({"glasses": {"tinted": True}}, "glasses", "tinted"),
        ({"glasses": {"tinted": False}}, "glasses", "clear"),
        ({"distance_mm": 500.0}, "lens", "wide <35 mm"),
        ({"skin": (0.06, 0.03, 0.02)}, "skin", "dark"),
    ],
)
def test_looks_choose_the_bin(looks: dict[str, Any], axis: str, bin_name: str) -> None:
    assert axis_bins(shot(({}, (0.0, 0.0, 0.0)), **looks), 0)[axis] == bin_name


def test_yaw_and_pitch_add_up_and_roll_does_not_count() -> None:
    assert off_camera_degrees((0.0, 0.0, 30.0)) == pytest.approx(0.0)
    assert off_camera_degrees((0.0, -20.0, 0.0)) == pytest.approx(20.0)
    assert off_camera_degrees((60.0, 60.0, 0.0)) == pytest.approx(np.degrees(np.arccos(0.25)))


def test_lens_is_what_fills_the_film_with_the_span() -> None:
    assert lens_mm(1000.0, 400.0) == pytest.approx(60.0)


def test_every_hair_style_of_the_renderer_has_a_group() -> None:
    assert set(STRAND_GROUPS) == set(STRAND_STYLES)


def test_bins_keep_their_order_and_unknown_ones_follow() -> None:
    assert in_order("glasses", {"tinted", "none", "monocle"}) == ["none", "tinted", "monocle"]
