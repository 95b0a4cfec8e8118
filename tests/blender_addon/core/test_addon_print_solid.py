# SPDX-License-Identifier: GPL-3.0-or-later
"""Solids of a small relief, measured: closed, of the wanted size, with the volume worked out by hand. No bpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from blender_addon.core import print_checks, print_solid
from blender_addon.core.base_shapes import BaseShape, ExportError, SolidSettings
from blender_addon.core.height_grid import ReliefSurface
from blender_addon.core.print_checks import Limits, Severity

SETTINGS = SolidSettings(
    shape=BaseShape.RECTANGLE,
    size_mm=50.0,
    relief_height_mm=5.0,
    base_mm=3.0,
    border_mm=5.0,
    rim_mm=2.0,
    hollow_wall_mm=0.0,
    target_faces=20_000,
)


@pytest.fixture
def cone() -> ReliefSurface:
    """A cone 2 m wide and 1 m high on a grid of 41 x 41, cut out round."""
    x, y = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    radius = np.hypot(x, y)
    points = np.stack([x, y, 1 - radius], -1).reshape(-1, 3)
    index = np.arange(41 * 41).reshape(41, 41)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    inside = (radius.ravel() <= 1.0)[triangles].all(1)
    uv = (points[:, :2] + 1) / 2
    return ReliefSurface(points.astype(np.float32), triangles[inside].astype(np.int32), uv.astype(np.float32))


@pytest.mark.parametrize("shape", [BaseShape.OUTLINE, BaseShape.RECTANGLE, BaseShape.MEDALLION])
def test_a_closed_mesh_has_no_outline_and_says_so(cone: ReliefSurface, shape: BaseShape) -> None:
    count = len(cone.points)
    behind = cone.points * [1, 1, 0] - [0, 0, 0.5]  # lies behind, and shares the rim's points
    used = np.zeros(count, bool)
    used[np.unique(cone.outline())] = True
    back = np.where(used, np.arange(count), np.arange(count) + count)[cone.triangles][:, ::-1]
    closed = ReliefSurface(
        np.concatenate([cone.points, behind]).astype(np.float32),
        np.concatenate([cone.triangles, back]).astype(np.int32),
        np.concatenate([cone.uv, cone.uv]),
    )
    assert len(closed.outline()) == 0
    with pytest.raises(ExportError, match="no outline"):
        print_solid.build(closed, replace(SETTINGS, shape=shape))


def solid(piece: print_solid.Piece) -> trimesh.Trimesh:
    return trimesh.Trimesh(piece.points, piece.triangles, process=False)


@pytest.mark.parametrize(
    "shape", [BaseShape.OUTLINE, BaseShape.RECTANGLE, BaseShape.OVAL, BaseShape.MEDALLION]
)
@pytest.mark.parametrize("wall", [0.0, 1.5])
def test_every_base_is_one_closed_body_of_the_wanted_size(
    cone: ReliefSurface, shape: BaseShape, wall: float
) -> None:
    piece = print_solid.build(cone, replace(SETTINGS, shape=shape, hollow_wall_mm=wall))
    mesh = solid(piece)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0 and mesh.body_count == 1
    assert max(piece.size_mm[:2]) == pytest.approx(50.0, abs=0.01)
    assert piece.size_mm[2] == pytest.approx(8.0, abs=0.2)
    assert len(piece.triangles) <= 1.1 * SETTINGS.target_faces
    assert piece.points[:, 2].min() == 0.0
    full = solid(print_solid.build(cone, replace(SETTINGS, shape=shape)))
    assert mesh.volume < 0.8 * full.volume if wall else mesh.volume == pytest.approx(full.volume)


def test_the_volume_is_that_of_plate_and_cone(cone: ReliefSurface) -> None:
    # A plate of 50 x 50 x 3 and a cone of radius 20 (less the grid's stairs round it) and height 5.
    mesh = solid(print_solid.build(cone, SETTINGS))
    assert mesh.volume == pytest.approx(50 * 50 * 3 + np.pi * 20**2 * 5 / 3, rel=0.02)


def test_a_solid_without_thickness_is_refused(cone: ReliefSurface) -> None:
    with pytest.raises(ExportError, match="base thickness"):
        print_solid.build(cone, replace(SETTINGS, base_mm=0.0))


def test_a_piece_that_is_too_large_and_too_thin_is_named_with_what_mends_it(cone: ReliefSurface) -> None:
    settings = replace(SETTINGS, size_mm=300.0, base_mm=0.5)
    limits = Limits(bed_mm=(220.0, 220.0, 250.0), thinnest_mm=1.2, overhang_deg=45.0)
    findings = print_checks.check_piece(print_solid.build(cone, settings), cone, settings, limits)
    bad = [finding for finding in findings if finding.severity is not Severity.OK]
    assert any("220" in finding.sentence for finding in bad)
    changes = print_checks.changes(findings)
    assert changes
    mended = replace(settings, **changes)  # pyright: ignore[reportArgumentType]
    assert mended.size_mm <= 220.0 and mended.base_mm >= 1.2
    piece = print_solid.build(cone, mended)
    left = print_checks.check_piece(piece, cone, mended, limits)
    assert not [finding for finding in left if finding.severity is Severity.ERROR]
