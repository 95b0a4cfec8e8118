# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth -> mesh and back."""

from __future__ import annotations

import time

import numpy as np
import pytest

from blender_addon.core.depth_from_mesh import depth_from_mesh
from blender_addon.core.export_checks import check_mesh
from blender_addon.core.placement import as_made
from blender_addon.core.relief import ReliefError, ReliefMesh, build, open_grid


def make_relief(depth: np.ndarray, coverage: np.ndarray, mm_per_px: float, density: int = 512) -> ReliefMesh:
    return build(depth, coverage, mm_per_px, open_grid(density))


def positions(relief: ReliefMesh) -> np.ndarray:
    """float32 [V, 3], a unit a millimetre."""
    return as_made(1.0).positions(np.stack([relief.x_mm, relief.z_mm, relief.depth_mm], 1))


def half_ball(size: int, radius: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:size, :size].astype(np.float32) + 0.5
    r = np.hypot(x - size / 2, y - size / 2) / (radius * size)
    depth = np.where(r < 1, 100 * np.sqrt(np.maximum(0, 1 - r * r)), np.nan).astype(np.float32)
    return depth, (r < 1).astype(np.float32)


def triangulated(relief) -> np.ndarray:
    ends = np.append(relief.face_start[1:], len(relief.corner_vertex))
    out = []
    for start, end in zip(relief.face_start, ends, strict=True):
        ring = relief.corner_vertex[start:end]
        out += [[ring[0], ring[k], ring[k + 1]] for k in range(1, len(ring) - 1)]
    return np.array(out)


def test_a_sloped_plane_keeps_its_depth_position_and_uv_at_every_density():
    height, width = 60, 90
    y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
    depth = (0.5 * x - 0.25 * y).astype(np.float32)
    for density in (16, 37, 512):
        relief = make_relief(depth, np.ones_like(depth), 2.0, density)
        px, py = relief.uv[:, 0] * width, (1 - relief.uv[:, 1]) * height
        np.testing.assert_allclose(relief.depth_mm, 0.5 * px - 0.25 * py, atol=1e-3)
        np.testing.assert_allclose(relief.x_mm, (px - 45) * 2.0, atol=1e-3)
        np.testing.assert_allclose(relief.z_mm, (30 - py) * 2.0, atol=1e-3)
        assert max(len(np.unique(relief.x_mm)), len(np.unique(relief.z_mm))) == min(density, 90)


def test_faces_look_towards_the_viewer():
    relief = make_relief(*half_ball(40), 1.0)
    corners = positions(relief)[triangulated(relief)]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 1] < 0).all()


def outline_turns(relief, triangles: np.ndarray) -> np.ndarray:
    """Angles in degrees by which the outline turns from edge to edge."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, index, count = np.unique(np.sort(edges, 1), axis=0, return_index=True, return_counts=True)
    after = dict(edges[index[count == 1]].tolist())
    place = np.stack([relief.x_mm, relief.z_mm], 1)
    steps = np.array([place[end] - place[start] for start, end in after.items()])
    following = np.array([place[after[end]] - place[end] for end in after.values()])
    across = steps[:, 0] * following[:, 1] - steps[:, 1] * following[:, 0]
    return np.degrees(np.abs(np.arctan2(across, (steps * following).sum(1))))


@pytest.mark.parametrize(("frayed", "mean_turn"), [(False, 15.0), (True, 34.0)])
def test_the_rim_is_a_smooth_line_and_no_face_turns_over(frayed: bool, mean_turn: float):
    depth, coverage = half_ball(120)
    if frayed:  # teeth and notches of two pixels, as an uncertain coverage has
        rim = (depth > 0) & (depth < 45)
        blocks = np.kron(np.random.default_rng(3).random((60, 60)) < 0.3, np.ones((2, 2), bool))
        coverage[rim & blocks] = 0.0
    relief = make_relief(depth, coverage, 1.5, 120)
    triangles = triangulated(relief)
    # The grid's own outline: 38 and 45 degrees. Measured after smoothing: 11 and 29.
    assert outline_turns(relief, triangles).mean() < mean_turn
    corners = positions(relief)[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 1] < 0).all()
    if not frayed:
        px, py = relief.uv[:, 0] * 120, (1 - relief.uv[:, 1]) * 120
        assert np.hypot(px - 60, py - 60).max() < 48.5
        assert np.ptp(px) == pytest.approx(95, abs=0.5), "the outline shrank"


def test_nothing_spans_a_jump_and_only_the_largest_piece_stays():
    depth = np.zeros((40, 60), np.float32)
    depth[:, 40:] = -500.0  # something far behind
    coverage = np.ones_like(depth)
    coverage[0:3, 0:3] = 0.2
    relief = make_relief(depth, coverage, 1.0)
    assert relief.depth_mm.min() == 0.0
    assert relief.uv[:, 0].max() < 40 / 60
    report = check_mesh(positions(relief), triangulated(relief), relief.uv)
    assert report.faults == ()


def test_a_jaw_before_its_own_neck_is_a_wall_and_what_hangs_behind_the_outline_is_cut():
    plain = make_relief(np.zeros((60, 60), np.float32), np.ones((60, 60), np.float32), 1.0)
    neck = np.zeros((60, 60), np.float32)
    neck[30:] -= 30.0 * np.clip(1 - np.arange(60) / 20, 0, 1)  # deepest at the outline, nothing further in
    walled = make_relief(neck, np.ones_like(neck), 1.0)
    assert len(walled.face_start) == len(plain.face_start) - 1  # the one at the outline itself
    patch = np.zeros((60, 60), np.float32)
    patch[20:24, 2:4] = -30.0  # not far from the outline, enclosed by the surface
    assert len(make_relief(patch, np.ones_like(patch), 1.0).face_start) == len(plain.face_start)
    strip = np.zeros((60, 60), np.float32)
    strip[:, :2] = -30.0
    trimmed = make_relief(strip, np.ones_like(strip), 1.0)
    assert trimmed.depth_mm.min() == 0.0
    assert trimmed.uv[:, 0].min() > 2 / 60


def test_an_open_mouth_is_a_fold_and_no_hole():
    depth, coverage = half_ball(80)
    closed = make_relief(depth, coverage, 2.0)
    depth[44:50, 32:48] -= 40.0
    opened = make_relief(depth, coverage, 2.0)
    assert len(opened.face_start) == len(closed.face_start)
    report = check_mesh(positions(opened), triangulated(opened), opened.uv)
    assert report.faults == ()


def test_nan_inside_the_coverage_becomes_a_hole():
    depth, coverage = half_ball(60)
    depth[28:32, 28:32] = np.nan
    relief = make_relief(depth, coverage, 1.0)
    assert np.isfinite(relief.depth_mm).all()
    assert relief.depth_mm.max() < 100.0


def test_no_head_is_an_error():
    with pytest.raises(ReliefError):
        make_relief(np.full((32, 32), np.nan, np.float32), np.zeros((32, 32), np.float32), 1.0)


def test_768_by_768_takes_about_half_a_second():
    depth, coverage = half_ball(768, radius=0.5)
    start = time.process_time()
    relief = make_relief(depth, coverage, 0.4, 768)
    assert len(relief.x_mm) > 400_000
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize("density", [64, 512])
def test_mesh_to_depth_gives_the_depth_back(density: int):
    depth, coverage = half_ball(200)
    relief = make_relief(depth, coverage, 1.3, density)
    back = depth_from_mesh(
        relief.x_mm,
        relief.z_mm,
        relief.depth_mm,
        triangulated(relief),
        size_px=(200, 200),
        origin_px=(100.0, 100.0),
        mm_per_px=1.3,
    )
    both = np.isfinite(back) & np.isfinite(depth)
    assert both.sum() > 0.93 * np.isfinite(depth).sum()
    inner = both & (depth > 40)
    assert np.abs(back - depth)[inner].mean() < 0.8
    assert abs(float(np.median((back - depth)[inner]))) < 0.05
    assert not np.isfinite(back[:15]).any()


def test_a_slope_comes_back_from_the_mesh_where_it_was():
    """Too near by half a cell's rise, a relief that nobody touched would count as sculpted."""
    height, width = 240, 320
    y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
    depth = (1.5 * x - 0.8 * y).astype(np.float32)
    relief = make_relief(depth, np.ones_like(depth), 1.0, 64)
    back = depth_from_mesh(
        relief.x_mm,
        relief.z_mm,
        relief.depth_mm,
        triangulated(relief),
        size_px=(width, height),
        origin_px=(width / 2, height / 2),
        mm_per_px=1.0,
    )
    inner = (slice(10, -10), slice(10, -10))
    assert np.abs(back - depth)[inner].max() < 0.05


def test_export_check_counts_planted_faults():
    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 1], [np.nan, 0, 0]], float)
    triangles = np.array([[0, 1, 2], [1, 3, 2], [1, 2, 0], [1, 1, 2]])
    report = check_mesh(positions, triangles, np.array([[0.5, 0.5], [1.5, 0.0]]))
    assert report.not_finite == 1
    assert report.degenerate_faces == 1
    assert report.uv_outside == 1
    assert report.non_manifold_edges == 1  # 1-2 carries four faces
