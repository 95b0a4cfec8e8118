# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads as numbers, before Blender: identities, expressions, pose, projection."""

from __future__ import annotations

import numpy as np
import pytest

from backend.model.expression import BASIS_SIZE
from backend.model.expression_names import ARKIT_NAMES
from backend.training.canonical import canonical_basis
from backend.training.render.arkit_units import expression_basis, gaze_degrees
from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import sample_shot
from backend.training.render.geometry import head_topology, project
from backend.training.render.identity import head_marks, head_size_dm, sample_identity
from backend.training.render.posing import pose_vertices, rotation
from backend.training.render.shot import euler_degrees, pose_frame
from backend.training.render.subdivision import catmull_clark


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, -10, 7), (-60, 20, -15)])
def test_euler_angles_are_the_inverse_of_rotation(angles: tuple[float, float, float]) -> None:
    assert euler_degrees(rotation(*angles)) == pytest.approx(angles, abs=1e-9)


def test_positive_pose_turns_to_the_subjects_left_looks_up_and_tilts_right_in_the_picture() -> None:
    forward, up = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    assert (rotation(20, 0, 0) @ forward)[0] > 0.3
    assert (rotation(0, 20, 0) @ forward)[1] > 0.3
    assert (rotation(0, 0, 20) @ up)[0] > 0.3


def test_subdivision_of_a_cube_gives_the_known_corner() -> None:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    faces = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    operator, quads = catmull_clark(faces, 8)
    refined = operator @ corners
    assert refined.shape == (8 + 6 + 12, 3) and quads.shape == (24, 4)
    assert refined[7] == pytest.approx(np.full(3, 5 / 9))  # Catmull and Clark 1978, valence 3
    assert refined[8:14].max() == pytest.approx(1.0)


def test_subdivision_keeps_a_flat_sheet_and_its_border() -> None:
    points = np.array([[x, y, 0] for y in range(3) for x in range(3)], float)
    faces = np.array([[0, 1, 4, 3], [1, 2, 5, 4], [3, 4, 7, 6], [4, 5, 8, 7]])
    refined = catmull_clark(faces, 9)[0] @ points
    assert np.abs(refined[:, 2]).max() == 0
    assert refined[1] == pytest.approx([1.0, 0.0, 0.0])
    assert refined[4] == pytest.approx([1.0, 1.0, 0.0])


def test_same_seed_same_head_other_seed_other_head(assets: HeadAssets) -> None:
    first, again, other = (sample_identity(assets, seed).vertices for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.05


def test_all_heads_have_the_average_size(assets: HeadAssets) -> None:
    marks = head_marks(assets)
    sizes = [head_size_dm(sample_identity(assets, seed).vertices, marks) for seed in range(6)]
    assert sizes == pytest.approx([head_size_dm(assets.vertices, marks)] * 6)


def test_every_coefficient_but_gaze_moves_the_skin(assets: HeadAssets) -> None:
    size = np.linalg.norm(expression_basis(assets).displacements, axis=-1).max(1)
    still = [name for name, s in zip(ARKIT_NAMES, size, strict=True) if s < 0.01]
    assert all(name.startswith("eyeLook") for name in still)


def test_left_coefficients_move_the_subjects_left_side(assets: HeadAssets) -> None:
    basis = expression_basis(assets).displacements
    x = assets.vertices[:, 0]
    for name in ("mouthSmileLeft", "eyeBlinkLeft", "browDownLeft", "noseSneerLeft"):
        size = np.linalg.norm(basis[ARKIT_NAMES.index(name)], axis=-1)
        assert (size * x).sum() > 0, name


def test_looking_out_with_the_left_eye_turns_it_to_the_subjects_left() -> None:
    assert gaze_degrees({"eyeLookOutLeft": 1.0})["left"][0] > 20
    assert gaze_degrees({"eyeLookOutRight": 1.0})["right"][0] < -20


def test_jaw_open_lowers_the_chin_and_leaves_the_crown(assets: HeadAssets) -> None:
    identity, marks = sample_identity(assets, 3), head_marks(assets)
    still = pose_vertices(assets, identity, {}, (0, 0, 0))
    moved = pose_vertices(assets, identity, {"jawOpen": 1.0}, (0, 0, 0))
    assert (moved - still)[marks.chin, 1] < -0.1
    assert np.abs((moved - still)[marks.crown]).max() < 1e-9


def test_head_turn_is_measured_in_the_camera_frame(assets: HeadAssets) -> None:
    identity = sample_identity(assets, 1)
    shot = sample_shot(1, identity.gender, identity.age, [])
    shot.body_yaw_deg, shot.camera_pitch_deg, shot.camera_roll_deg = 15.0, 0.0, 0.0
    frame = shot.frames[0]
    frame.head_pose_deg = (10.0, 0.0, 0.0)
    assert pose_frame(assets, identity, shot, frame).pose_deg == pytest.approx((25.0, 0.0, 0.0))


def test_projection_puts_the_origin_in_the_middle_and_nearer_points_farther_out(assets: HeadAssets) -> None:
    shot = sample_shot(1, 0.5, 0.5, [])
    shot.offset, shot.span_mm, shot.distance_mm = (0.0, 0.0), 400.0, 1000.0
    places = project(np.array([[0, 0, 0], [2.0, 0, 0], [2.0, 0, 1.0], [0, 1.0, 0]]), shot)
    assert places[0, :2] == pytest.approx([0.5, 0.5])
    assert places[1, 0] == pytest.approx(1.0)
    assert places[2, 0] > places[1, 0]
    assert places[3, 1] == pytest.approx(0.25)  # v runs down


def test_mouth_interior_is_found_and_small(assets: HeadAssets) -> None:
    topology = head_topology(assets)
    inside = topology.rest[np.unique(topology.quads[topology.material == 1])]
    assert len(inside) > 50
    assert np.abs(inside[:, 0]).max() < 0.5 and inside[:, 2].max() < 1.6


def test_canonical_basis_shows_the_smile_at_the_mouth(assets: HeadAssets) -> None:
    basis = canonical_basis(assets)
    assert basis.shape == (51, 3, BASIS_SIZE, BASIS_SIZE) and np.isfinite(basis).all()
    smile = np.abs(basis[ARKIT_NAMES.index("mouthSmileLeft")]).sum(0)
    row, column = np.unravel_index(smile.argmax(), smile.shape)
    # Below the middle, on the picture's right: the subject's left.
    assert 0.5 < row / BASIS_SIZE < 0.81 and column / BASIS_SIZE > 0.47
    assert basis[ARKIT_NAMES.index("mouthSmileLeft"), 1, row, column] < 0  # corners go up
