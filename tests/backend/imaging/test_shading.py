# SPDX-License-Identifier: GPL-3.0-or-later
"""Normals, light and its removal on surfaces whose answer is known; previews one can look at."""

from __future__ import annotations

import numpy as np
import pytest

from backend.imaging.contact_sheet import contact_sheet
from backend.imaging.delighting import delight
from backend.imaging.shading import (
    depth_preview,
    linear_to_srgb,
    normals_from_depth,
    relight,
    shade,
    srgb_to_linear,
)
from backend.imaging.views import render_views

N = 160


def sphere(mm_per_px: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Depth of a ball of radius 120 mm [N, N] and its true normals."""
    rows, columns = np.mgrid[0:N, 0:N] - (N - 1) / 2
    x, y = columns * mm_per_px / 120, -rows * mm_per_px / 120
    z = np.sqrt(np.where(x**2 + y**2 < 0.95, 1 - x**2 - y**2, np.nan))
    return (z * 120).astype(np.float32), np.stack([x, y, z], axis=-1)


def test_normals_of_a_plane_and_a_ball() -> None:
    rows, columns = np.mgrid[0:20, 0:30].astype(np.float32)
    plane = normals_from_depth(2.0 * columns + 0.0 * rows, mm_per_px=2.0)  # 45 degrees, facing left
    assert np.allclose(plane, np.array([-(0.5**0.5), 0, 0.5**0.5]), atol=1e-6)
    slope_down = normals_from_depth(rows, mm_per_px=1.0)  # nearer further down: faces up
    assert np.allclose(slope_down, np.array([0, 0.5**0.5, 0.5**0.5]), atol=1e-6)
    depth, truth = sphere()
    found = normals_from_depth(depth, 2.0)
    assert np.array_equal(np.isnan(found[..., 0]), np.isnan(depth))
    central = truth[..., 2] > 0.5
    angle = np.degrees(np.arccos(np.clip((found * truth).sum(-1)[central], -1, 1)))
    assert angle.max() < 1.5


def test_shading_is_lambert() -> None:
    facing = np.array([[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]])
    assert np.allclose(shade(facing, (1, 0, 0), ambient=0.2), [[0.2, 1.0, 0.2]])


def test_preview_is_brighter_towards_the_light() -> None:
    picture = depth_preview(sphere()[0], 2.0)
    assert picture.dtype == np.uint8 and picture.shape == (N, N, 3)
    assert picture[50, 50, 0] > picture[110, 110, 0] + 60
    assert len(np.unique(picture[0, 0])) == 1


def test_transfer_functions_are_inverse() -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32)
    assert np.allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-5)


def lit_ball(
    albedo: np.ndarray, light=(0.7, 0.3, 0.65), ambient: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    depth, normals = sphere()
    coverage = np.isfinite(depth).astype(np.float32)
    normals = np.where(coverage[..., None] > 0, normals, np.nan).astype(np.float32)
    linear = albedo * np.nan_to_num(shade(normals, light, ambient))[..., None]
    return np.rint(linear_to_srgb(linear) * 255).astype(np.uint8), normals, coverage


def test_known_light_is_divided_out_of_a_ball() -> None:
    skin = np.array([0.55, 0.38, 0.30], np.float32)
    rows, columns = np.mgrid[0:N, 0:N]
    albedo = np.broadcast_to(skin, (N, N, 3)).copy()
    albedo[(rows // 8 + columns // 8) % 7 == 0] *= 0.4  # moles and brows must not be taken for shadow
    rgb, normals, coverage = lit_ball(albedo)
    delit = delight(rgb, normals, coverage)
    inner = np.nan_to_num(normals[..., 2]) > 0.45
    plain = inner & (albedo[..., 0] == skin[0])

    def unevenness(picture: np.ndarray) -> float:
        values = srgb_to_linear(picture[plain].astype(np.float32) / 255).mean(axis=1)
        return float(values.std() / values.mean())

    assert unevenness(delit.albedo) < 0.25 * unevenness(rgb)
    ratio = srgb_to_linear(delit.albedo / 255.0)[inner & (albedo[..., 0] < skin[0])].mean()
    whole = srgb_to_linear(delit.albedo / 255.0)[plain].mean()
    assert ratio / whole == pytest.approx(0.4, abs=0.06)
    assert delit.shading[coverage > 0].mean() == pytest.approx(1, abs=0.05)
    assert np.array_equal(delit.albedo[coverage == 0], rgb[coverage == 0])


def test_a_picture_without_a_head_is_left_alone() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    delit = delight(rgb, np.full((40, 40, 3), np.nan, np.float32), np.zeros((40, 40)))
    assert np.array_equal(delit.albedo, rgb) and np.all(delit.shading == 1)


def test_relighting_moves_the_bright_side() -> None:
    rgb, normals, coverage = lit_ball(np.full((N, N, 3), 0.4, np.float32), light=(0.8, 0, 0.6))
    delit = delight(rgb, normals, coverage)
    turned = relight(rgb, normals, coverage, (-0.8, 0, 0.6), ambient=0.2, shading=delit.shading)
    left, right = np.s_[70:90, 35:50], np.s_[70:90, 110:125]
    assert rgb[right].mean() > rgb[left].mean() + 30
    assert turned[left].mean() > turned[right].mean() + 30
    assert np.array_equal(turned[coverage == 0], rgb[coverage == 0])


def test_views_show_the_relief_from_its_sides() -> None:
    depth, _ = sphere()
    rgb = np.zeros((N, N, 3), np.uint8)
    rgb[:, : N // 2, 0], rgb[:, N // 2 :, 2] = 255, 255
    left, front, right = render_views(depth, rgb, 2.0, (-60, 0, 60), size_px=120, background=(0, 0, 0))
    assert front.shape == (120, 120, 3)
    red, blue = (lambda p: (p[..., 0] > 128).sum()), (lambda p: (p[..., 2] > 128).sum())
    assert abs(red(front) - blue(front)) < 0.05 * red(front)
    assert red(right) > 2 * blue(right) and blue(left) > 2 * red(
        left
    )  # nose to the right shows its left half
    disk = (front.max(axis=-1) > 0).sum()
    assert disk == pytest.approx(np.pi * (0.46 * 120 * np.sqrt(0.95)) ** 2, rel=0.6)
    nothing = render_views(np.full((9, 9), np.nan), np.zeros((9, 9, 3), np.uint8), 1.0, (0,), size_px=32)[0]
    assert len(np.unique(nothing.reshape(-1, 3), axis=0)) == 1


def test_a_contact_sheet_holds_every_picture() -> None:
    red, wide = np.full((50, 50, 3), (255, 0, 0), np.uint8), np.full((20, 80), 1.0)
    sheet = contact_sheet([[red, wide], [wide]], column_labels=["a", "b"], row_labels=["x"], tile_px=64)
    assert sheet.shape == (20 + 2 * 70 + 6, 2 * 70 + 6, 3)
    assert tuple(sheet[20 + 6 + 32, 6 + 32]) == (255, 0, 0)
    assert tuple(sheet[20 + 6 + 32, 6 + 70 + 32]) == (255, 255, 255)
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
