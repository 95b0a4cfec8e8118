# SPDX-License-Identifier: GPL-3.0-or-later
"""Light rigs against directions and colours known beforehand, and shading that is divided out again. No bpy."""

from __future__ import annotations

import numpy as np
import pytest

from blender_addon.core import delight, light_rigs


def test_directions_are_as_the_camera_sees_them() -> None:
    np.testing.assert_allclose(light_rigs.towards(0, 0), (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(light_rigs.towards(90, 0), (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(light_rigs.towards(0, 90), (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(light_rigs.towards(180, 0), (0, 0, -1), atol=1e-12)


def test_the_six_rigs_of_portrait_photography_have_their_key_where_it_belongs() -> None:
    rigs = {rig.identifier: rig.key for rig in light_rigs.RIGS}
    assert len(rigs) == 6
    assert rigs["BUTTERFLY"].azimuth_deg == 0 and rigs["BUTTERFLY"].elevation_deg > 25
    assert abs(rigs["SPLIT"].azimuth_deg) == pytest.approx(90, abs=5)
    assert 35 <= abs(rigs["REMBRANDT"].azimuth_deg) <= 60 and rigs["REMBRANDT"].elevation_deg >= 30
    assert abs(rigs["RIM"].azimuth_deg) > 110
    assert rigs["WINDOW"].size > 1.0  # a window is larger than the head


def test_moving_the_key_moves_what_follows_it() -> None:
    for rig in light_rigs.RIGS:
        at_home = rig.directions_deg(rig.key.azimuth_deg, rig.key.elevation_deg)
        assert at_home == [(light.azimuth_deg, light.elevation_deg) for light in rig.lights]
        assert rig.directions_deg(12.0, 34.0)[0] == (12.0, 34.0)


def test_warm_light_is_redder_than_cool_light_and_daylight_is_white() -> None:
    assert light_rigs.kelvin_rgb(5500) == pytest.approx((1, 1, 1), abs=1e-6)
    warm, cool = light_rigs.kelvin_rgb(3000), light_rigs.kelvin_rgb(9000)
    assert warm[0] > 1 > warm[2] and cool[0] < 1 < cool[2]
    assert light_rigs.warmed_kelvin(5000, 1) == pytest.approx(3333, abs=1)


@pytest.fixture
def ball() -> tuple[np.ndarray, np.ndarray]:
    """Depth in mm of half a ball [96, 96], NaN around it, and its true normals."""
    y, x = (np.mgrid[:96, :96] + 0.5 - 48) / 40
    square = 1 - x**2 - y**2
    depth = np.where(square > 0, 100 * np.sqrt(np.maximum(square, 0)), np.nan)
    normals = np.stack([x, -y, np.sqrt(np.maximum(square, 0))], -1)
    normals[square <= 0] = np.nan
    return depth.astype(np.float32), normals


def test_normals_are_those_of_a_ball(ball: tuple[np.ndarray, np.ndarray]) -> None:
    depth, true = ball
    found = delight.normals_from_depth(depth, 100 / 40)
    inner = true[..., 2] > 0.5
    cosine = np.clip((found * true).sum(-1)[inner], -1, 1)
    assert np.degrees(np.arccos(cosine)).mean() < 2.0


def test_a_known_light_is_divided_out_and_the_background_stays(ball: tuple[np.ndarray, np.ndarray]) -> None:
    depth, true = ball
    inside = np.isfinite(depth)
    light = np.array([0.6, 0.3, 0.74]) / np.linalg.norm([0.6, 0.3, 0.74])
    shading = 0.35 + 0.8 * np.clip(np.nan_to_num(true) @ light, 0, None)
    checks = 0.25 + 0.1 * ((np.add.outer(np.arange(96) // 8, np.arange(96) // 8) % 2)[..., None])
    albedo = np.repeat(checks, 3, -1)
    photo = delight.linear_to_srgb(np.where(inside[..., None], albedo * shading[..., None], 0.1)).astype(
        np.float32
    )
    result = delight.delight(photo, delight.normals_from_depth(depth, 100 / 40))
    core = true[..., 2] > 0.4
    found = delight.srgb_to_linear(result.albedo)[core]
    ratio = found / albedo[core]
    before = delight.srgb_to_linear(photo)[core] / albedo[core]
    assert ratio.std() / ratio.mean() < 0.25 * before.std() / before.mean()
    far = np.hypot(*(np.mgrid[:96, :96] - 47.5)) > 46
    np.testing.assert_array_equal(result.albedo[far], photo[far])


def test_a_picture_without_a_head_is_refused() -> None:
    with pytest.raises(delight.DelightError):
        delight.delight(np.zeros((8, 8, 3), np.float32), np.full((8, 8, 3), np.nan, np.float32))
