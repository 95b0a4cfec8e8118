# SPDX-License-Identifier: GPL-3.0-or-later
"""Millimetres found again in coordinates that a transform was applied to. No bpy."""

from __future__ import annotations

import numpy as np
import pytest

from blender_addon.core.placement import as_made, measure

MADE = as_made(0.001)


@pytest.fixture
def points() -> np.ndarray:
    """[400, 3] mm on a tilted dome: depth is correlated with x and z, as a turned head's is."""
    x, z = np.random.default_rng(0).uniform(-100, 100, (2, 400))
    return np.stack([x, z, 90 - (x**2 + z**2) / 200 + 0.4 * x - 0.2 * z], 1)


def _turned(points: np.ndarray) -> np.ndarray:
    """As made, then scaled by 3, turned by 30 degrees about z and moved, all applied to the mesh."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return 3 * (points @ MADE.axes.T) @ turn.T + (0.5, -2.0, 1.0)


def test_an_untouched_or_sculpted_relief_is_as_it_was_made(points: np.ndarray):
    positions = points @ MADE.axes.T
    positions[:60] += (0.0, -0.03, 0.01)
    assert measure(points, positions, MADE) is MADE


def test_depths_scaled_by_hand_are_the_artists(points: np.ndarray):
    positions = points @ MADE.axes.T
    positions[:, 1] *= 2
    assert measure(points, positions, MADE) is MADE


def test_an_applied_transform_is_found_and_undone(points: np.ndarray):
    positions = _turned(points)
    positions[:40, 1] += 0.05  # sculpted afterwards
    found = measure(points, positions, MADE)
    np.testing.assert_allclose(found.origin, (0.5, -2.0, 1.0), atol=1e-6)
    np.testing.assert_allclose(found.depth_axis, 0.003 * np.array([0.5, -np.sqrt(0.75), 0]), atol=1e-8)
    np.testing.assert_allclose(found.millimetres(positions)[40:], points[40:], atol=1e-3)


def test_an_applied_mirroring_keeps_the_depth_towards_the_viewer(points: np.ndarray):
    positions = points @ MADE.axes.T * (-1, 1, 1)
    np.testing.assert_allclose(measure(points, positions, MADE).depth_axis, (0, -0.001, 0), atol=1e-9)


def test_a_flat_relief_has_its_depth_along_the_normal(points: np.ndarray):
    points[:, 2] = 0
    found = measure(points, _turned(points), MADE)
    np.testing.assert_allclose(found.depth_axis, 0.003 * np.array([0.5, -np.sqrt(0.75), 0]), atol=1e-8)


def test_too_few_points_tell_nothing(points: np.ndarray):
    assert measure(points[:3], _turned(points[:3]), MADE) is MADE
    assert measure(points[:0], points[:0], MADE) is MADE
