# SPDX-License-Identifier: GPL-3.0-or-later
"""Relief -> solid, its checks and its files, against hand-computed bodies."""

from __future__ import annotations

import io
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image

from blender_addon.core import export_texture, print_checks, print_solid
from blender_addon.core.base_shapes import BaseShape, ExportError, SolidSettings
from blender_addon.core.grid_cut import cut
from blender_addon.core.height_grid import Grid, ReliefSurface, sample, spread
from blender_addon.core.print_checks import Limits, Severity
from blender_addon.core.write_depth_map import heights_to_grey, write_grey_png

CLOSED = [BaseShape.OUTLINE, BaseShape.RECTANGLE, BaseShape.OVAL, BaseShape.MEDALLION]


def sheet(columns: int, rows: int, height) -> ReliefSurface:
    """A grid of unit cells with z = height(x, y)."""
    y, x = np.mgrid[: rows + 1, : columns + 1].astype(float)
    points = np.stack([x, y, height(x, y) * np.ones_like(x)], -1).reshape(-1, 3)
    number = np.arange(len(points)).reshape(rows + 1, columns + 1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    triangles = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )
    return ReliefSurface(points, triangles, points[:, :2] / (columns, rows))


def half_ball(cells: int = 60) -> ReliefSurface:
    full = sheet(cells, cells, lambda x, y: np.sqrt(np.maximum(0, 900 - (x - 30) ** 2 - (y - 30) ** 2)))
    middle = full.points[full.triangles].mean(1)
    kept = np.hypot(middle[:, 0] - 30, middle[:, 1] - 30) < 29
    return ReliefSurface(full.points, full.triangles[kept], full.uv)


def mesh_of(piece: print_solid.Piece) -> trimesh.Trimesh:
    return trimesh.Trimesh(piece.points, piece.triangles, process=False)


@pytest.mark.parametrize("shape", CLOSED)
@pytest.mark.parametrize("wall", [0.0, 1.5])
def test_every_solid_has_each_edge_twice_once_in_each_direction(shape: BaseShape, wall: float):
    settings = SolidSettings(shape=shape, size_mm=50, hollow_wall_mm=wall, target_faces=9000)
    piece = print_solid.build(half_ball(), settings)
    ends = np.concatenate([piece.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    forward = {tuple(edge) for edge in ends.tolist()}
    assert len(forward) == len(ends)
    assert {(b, a) for a, b in forward} == forward
    mesh = mesh_of(piece)
    assert mesh.volume > 0 and mesh.body_count == 1 and mesh.area_faces.min() > 1e-6
    assert max(piece.size_mm[:2]) == pytest.approx(50, abs=0.05)
    assert len(piece.triangles) == pytest.approx(9000, rel=0.06)


def test_a_flat_sheet_on_a_rectangle_is_a_box_of_known_volume():
    settings = SolidSettings(size_mm=40, relief_height_mm=0, base_mm=3, border_mm=5, target_faces=4000)
    piece = print_solid.build(sheet(30, 15, lambda x, y: 0 * x), settings)
    # 30 mm of relief are 30 units; 15 units of height are 15 mm; 5 mm of border on each side.
    np.testing.assert_allclose(piece.size_mm, (40, 25, 3), atol=1e-9)
    assert mesh_of(piece).volume == pytest.approx(40 * 25 * 3)
    assert piece.thinnest_mm == pytest.approx(3)


def test_a_ramp_along_its_outline_is_a_prism_of_known_volume():
    settings = SolidSettings(
        BaseShape.OUTLINE, size_mm=60, relief_height_mm=10, base_mm=2, target_faces=20_000
    )
    piece = print_solid.build(sheet(60, 30, lambda x, y: x / 2), settings)
    np.testing.assert_allclose(piece.size_mm, (60, 30, 12), atol=0.35)
    # The lowest 2 % (1.2 mm of the length) lie in the ground; the rest rises by 10 mm over 58.8 mm.
    assert mesh_of(piece).volume == pytest.approx(60 * 30 * 2 + 30 * 58.8 * 10 / 2, rel=0.01)


def test_an_oval_plate_is_an_ellipse_without_stairs():
    settings = SolidSettings(BaseShape.OVAL, size_mm=50, relief_height_mm=0, base_mm=4, border_mm=2)
    piece = print_solid.build(sheet(20, 20, lambda x, y: 0 * x), replace(settings, target_faces=20_000))
    assert mesh_of(piece).volume == pytest.approx(math.pi * 25**2 * 4, rel=1e-3)
    walls = ~piece.smooth & (np.ptp(piece.points[piece.triangles][:, :, 2], axis=1) > 1)
    radius = np.hypot(*piece.points[np.unique(piece.triangles[walls]), :2].T)
    assert np.abs(radius - 25).max() < 0.01


def test_a_medallion_has_a_raised_rim_all_around():
    settings = SolidSettings(BaseShape.MEDALLION, size_mm=60, base_mm=3, border_mm=6, rim_mm=2.5)
    field = print_solid.heights(half_ball(), settings, 0.25)
    rim = (field.inside > 0.1) & (field.inside < 1.5)
    np.testing.assert_allclose(field.top[rim], 5.5)
    groove = (field.inside > 3.9) & (field.inside < 5.0)
    assert field.top[groove].min() == pytest.approx(3.0)


def test_beside_the_head_the_relief_falls_with_the_draft():
    settings = SolidSettings(size_mm=100, relief_height_mm=0, base_mm=3, border_mm=20)
    block = sheet(60, 60, lambda x, y: np.where((x < 12) & (y < 12), 0.0, 20.0))  # a corner is the ground
    field = print_solid.heights(block, settings, 0.5)
    beside = field.top[len(field.top) // 2, ~field.covered[len(field.top) // 2]]
    falling = beside[len(beside) // 2 :]
    assert falling[0] > 18 and falling[-1] == pytest.approx(3.0)
    assert -np.diff(falling).min() / field.grid.spacing == pytest.approx(print_solid.SLOPE, rel=0.05)


@pytest.mark.parametrize("shape", CLOSED)
def test_a_hollow_keeps_its_wall_everywhere(shape: BaseShape):
    settings = SolidSettings(shape, size_mm=50, relief_height_mm=12, hollow_wall_mm=2.0, target_faces=16_000)
    piece = print_solid.build(half_ball(), settings)
    solid = print_solid.build(half_ball(), replace(settings, hollow_wall_mm=0.0))
    assert mesh_of(piece).volume < 0.8 * mesh_of(solid).volume
    count = len(piece.points) // 2
    upper, lower = piece.points[:count], piece.points[count:]
    cavity = lower[lower[:, 2] > 0.1]
    assert len(cavity) > 500
    nearest = min(float(np.linalg.norm(upper - point, axis=1).min()) for point in cavity[::7])
    assert nearest > 0.9 * 2.0
    assert piece.thinnest_mm >= 2.0 - 1e-6


def test_rasterising_a_plane_is_exact_and_the_upper_of_two_layers_is_seen():
    plane = sheet(10, 10, lambda x, y: 2 * x - y)
    grid = Grid(np.linspace(0, 10, 41), np.linspace(0, 10, 41))
    height, uv = sample(plane, grid)
    x, y = np.meshgrid(grid.x, grid.y)
    np.testing.assert_allclose(height, 2 * x - y, atol=1e-9)
    np.testing.assert_allclose(uv[..., 0], x / 10, atol=1e-9)
    above = ReliefSurface(
        np.concatenate([plane.points, plane.points + (0, 0, 5)]),
        np.concatenate([plane.triangles, plane.triangles + len(plane.points)]),
        np.tile(plane.uv, (2, 1)),
    )
    np.testing.assert_allclose(sample(above, grid)[0], 2 * x - y + 5, atol=1e-9)


def test_spreading_finds_the_nearest_seed_as_a_search_through_all_does():
    rng = np.random.default_rng(1)
    seeds = np.concatenate([rng.uniform(2, 18, (40, 2)), rng.uniform(0, 9, (40, 1))], 1)
    grid = Grid(np.linspace(0, 20, 81), np.linspace(0, 20, 81))
    x, y = np.meshgrid(grid.x, grid.y)
    every = np.hypot(seeds[:, 0, None, None] - x, seeds[:, 1, None, None] - y)
    _, distance = spread(seeds, grid, radius_mm=50)
    assert (np.abs(distance - every.min(0)) < 1e-4).mean() > 0.99
    number, distance = spread(seeds, grid, radius_mm=50, slope=1.0)
    highest = (seeds[:, 2, None, None] - every).max(0)
    assert (np.abs(seeds[number, 2] - distance - highest) < 1e-4).mean() > 0.99


def test_cutting_leaves_no_slivers_and_no_touching_outlines():
    rng = np.random.default_rng(4)
    grid = Grid(np.arange(60.0), np.arange(60.0))
    noise = rng.normal(size=(60, 60))
    for _ in range(3):
        noise = sum(np.roll(noise, shift, axis) for shift in (-1, 0, 1) for axis in (0, 1)) / 6
    made = cut(grid, noise / np.abs(noise).max())
    flat = made.place[made.triangles]
    first, second = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    assert ((first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) > 1e-4).all()
    assert set(np.bincount(made.border.ravel(), minlength=len(made.place)).tolist()) <= {0, 2}


def findings(settings: SolidSettings, limits: Limits = Limits(), surface: ReliefSurface | None = None):  # noqa: B008
    surface = surface or half_ball()
    piece = print_solid.build(surface, settings, limits.thinnest_mm)
    return {found.name: found for found in print_checks.check_piece(piece, surface, settings, limits)}


def test_a_good_solid_has_no_fault():
    found = findings(SolidSettings(size_mm=50, target_faces=6000))
    assert {finding.severity for finding in found.values()} == {Severity.OK}
    assert found["thickness"].value == pytest.approx(3.0)


def test_each_planted_fault_is_found_with_its_number_and_its_mending():
    plain = SolidSettings(size_mm=50, target_faces=6000)
    thin = findings(replace(plain, base_mm=0.3))["thickness"]
    assert (thin.severity, thin.change) == (Severity.ERROR, {"base_mm": 0.8})
    assert thin.value == pytest.approx(0.3)
    opened = findings(replace(plain, shape=BaseShape.SURFACE))["watertight"]
    assert opened.value == len(half_ball().outline())
    assert opened.change == {"shape": BaseShape.OUTLINE}
    large = findings(plain, Limits(bed_mm=(40.0, 60.0, 250.0)))["size"]
    assert (large.severity, large.change) == (Severity.ERROR, {"size_mm": 40.0})
    many = findings(plain, Limits(most_faces=4000))["triangles"]
    assert many.change == {"target_faces": 2000}
    hollow = findings(replace(plain, relief_height_mm=6, hollow_wall_mm=1.0))["overhang"]
    assert hollow.value > 0.1 and hollow.change == {"hollow_wall_mm": 0.0}
    folded = half_ball()
    turned = ReliefSurface(folded.points, folded.triangles.copy(), folded.uv)
    turned.triangles[:200] = turned.triangles[:200, ::-1]
    assert findings(plain, surface=turned)["overlap"].value == pytest.approx(200 / len(turned.triangles))


def test_overhang_of_a_cone_is_its_half_angle():
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), np.ones(64)], 1)
    points = np.concatenate([ring, [[0, 0, 0]]])  # a cone on its tip, open at the top: leans by 45 degrees
    triangles = np.array([[(k + 1) % 64, k, 64] for k in range(64)])
    piece = print_solid.Piece(points, triangles, np.zeros((64, 3, 2)), np.ones(64, bool), 1.0)
    assert print_checks.overhang_share(piece, 40) == pytest.approx(1.0)
    assert print_checks.overhang_share(piece, 50) == 0.0


def test_what_is_narrower_than_the_nozzle_is_measured():
    grid = Grid(np.arange(0, 40, 0.25), np.arange(0, 20, 0.25))
    x, y = np.meshgrid(grid.x, grid.y)
    body = np.minimum(np.minimum(x - 1, 15 - x), np.minimum(y - 1, 19 - y))
    fin = np.minimum(
        np.minimum(x - 10, 35 - x), 0.5 - np.abs(y - 10)
    )  # 1 mm wide, 20 mm long beyond the body
    assert print_solid.narrow_area_mm2(body, grid, 2.0) == 0.0
    narrow = print_solid.narrow_area_mm2(np.maximum(body, fin), grid, 2.0)
    assert narrow == pytest.approx(20.0, rel=0.35)


def test_impossible_wishes_are_sentences():
    with pytest.raises(ExportError, match="no room for the relief"):
        print_solid.build(half_ball(), SolidSettings(size_mm=10, border_mm=5))
    with pytest.raises(ExportError, match="base thickness"):
        print_solid.build(half_ball(), SolidSettings(base_mm=0))
    with pytest.raises(ExportError, match="no faces"):
        print_solid.build(
            ReliefSurface(np.zeros((3, 3)), np.zeros((0, 3), int), np.zeros((3, 2))), SolidSettings()
        )


def test_a_depth_map_is_16_bit_linear_and_knows_its_size():
    height = np.linspace(0, 12, 30 * 20).reshape(20, 30)
    content = write_grey_png(heights_to_grey(height, 0, 12), (0.1, 0.1), {"Title": "relief"})
    image = Image.open(io.BytesIO(content))
    assert image.mode.startswith("I;16") and image.size == (30, 20)
    np.testing.assert_allclose(np.asarray(image) / 65535 * 12, height, atol=12 / 65535)
    assert image.info["dpi"][0] == pytest.approx(254, abs=0.1) and image.info["Title"] == "relief"


def test_the_texture_shows_the_head_and_plain_base_colour_around_it():
    rgb = np.full((10, 20, 3), 200, np.uint8)
    coverage = np.zeros((10, 20))
    coverage[:, 10:] = 1
    made = export_texture.with_margin(rgb, coverage, (10, 20, 30))
    assert made.shape == (18, 28, 3)
    corner = np.array([[0.75, 0.5], [0.25, 0.5], [np.nan, np.nan], [3.0, -2.0]])
    uv = export_texture.uv_with_margin(corner, 28, 18)
    colours = export_texture.colours_at(made, uv)
    assert colours.tolist() == [[200, 200, 200], [10, 20, 30], [10, 20, 30], [10, 20, 30]]


def test_two_hundred_thousand_triangles_take_about_a_second():
    start = time.process_time()
    print_solid.build(half_ball(), SolidSettings(hollow_wall_mm=2.0))
    assert time.process_time() - start < 4.0
