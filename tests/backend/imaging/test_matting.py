# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's outline after the picture's own colours."""

from __future__ import annotations

import numpy as np
import pytest

from backend.imaging.matting import follow_picture
from backend.training import metrics

SIDE = 128
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)
SKIN, HAIR, WALL, WINDOW = (0.75, 0.55, 0.45), (0.15, 0.1, 0.08), (0.35, 0.4, 0.5), (0.1, 0.3, 0.25)


def _disc(x: float, y: float, radius: float) -> np.ndarray:
    return np.hypot(X - x, Y - y) < radius


HEAD = _disc(64, 60, 34) | ((np.abs(X - 64) < 16) & (Y > 60))


def _picture(wall: tuple[float, ...] = WALL, window: tuple[float, ...] = WINDOW) -> np.ndarray:
    """A face with hair above it before a wall with a window beside the head."""
    picture = np.empty((SIDE, SIDE, 3), np.float32)
    picture[:] = wall
    picture[10:80, 90:126] = window
    picture[HEAD] = SKIN
    picture[_disc(64, 60, 34) & (Y < 45)] = HAIR
    return (picture + np.random.default_rng(0).normal(0, 0.02, picture.shape)).clip(0, 1).astype(np.float32)


def _overlap(coverage: np.ndarray) -> float:
    return metrics.intersection_over_union(coverage, HEAD.astype(np.float32))


def test_a_window_that_was_taken_for_hair_is_cut_off() -> None:
    taken = (HEAD | ((X > 84) & (X < 106) & (Y > 30) & (Y < 70))).astype(np.float32)
    followed = follow_picture(taken, _picture())
    assert _overlap(taken) < 0.92
    assert _overlap(followed) > 0.97
    assert followed.dtype == np.float32 and followed.min() >= 0 and followed.max() <= 1


def test_hair_that_was_cut_away_is_found_again_near_the_outline() -> None:
    taken = (HEAD & (np.hypot(X - 64, Y - 60) < 32.5)).astype(np.float32)
    assert _overlap(follow_picture(taken, _picture())) > _overlap(taken) + 0.02


def test_hair_of_the_walls_own_colour_stays_as_the_model_saw_it() -> None:
    seen = HEAD.astype(np.float32)
    assert _overlap(follow_picture(seen, _picture(wall=HAIR, window=HAIR))) > 0.97


@pytest.mark.parametrize("coverage", [np.zeros((64, 64)), np.ones((64, 64)), np.eye(64)])
def test_nothing_to_cut_is_left_alone(coverage: np.ndarray) -> None:
    picture = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32)
    assert np.array_equal(follow_picture(coverage.astype(np.float32), picture), coverage)


def test_a_head_that_fills_all_but_a_few_pixels_is_left_alone() -> None:
    for few in range(2, 8):
        from_corner = X + Y
        coverage = (from_corner > few).astype(np.float32)
        picture = np.where(coverage[..., None] > 0, np.float32(0.7), np.float32(0.1)) * np.ones(3, np.float32)
        assert np.array_equal(follow_picture(coverage, picture), coverage)


def test_a_neck_ends_where_the_model_says_in_the_middle_of_skin() -> None:
    picture = _picture()
    picture[100:, :] = SKIN  # bare shoulders
    seen = (HEAD & (Y < 112)).astype(np.float32)
    followed = follow_picture(seen, picture)
    assert np.array_equal(followed[108:] > 0.5, seen[108:] > 0.5)


def test_black_and_white_and_one_colour_do_no_harm() -> None:
    grey = np.repeat(_picture().mean(axis=-1, keepdims=True), 3, axis=-1)
    assert _overlap(follow_picture(HEAD.astype(np.float32), grey)) > 0.95
    plain = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    assert _overlap(follow_picture(HEAD.astype(np.float32), plain)) > 0.9


def test_the_same_picture_gives_the_same_outline() -> None:
    seen = HEAD.astype(np.float32)
    assert np.array_equal(follow_picture(seen, _picture()), follow_picture(seen, _picture()))
