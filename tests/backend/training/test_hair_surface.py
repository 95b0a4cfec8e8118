# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair in the depth that the network is taught: volumes where it is dense, the skin behind where it is not."""

from __future__ import annotations

import numpy as np

from backend.training.hair_surface import face_hair_area, hair_volume, head_surface
from backend.training.render.encoding import FACE_REGIONS, encode_regions


def _before(width: int, every: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A slanted face 80 px wide, and strands of `width` px 60 mm before its right half."""
    skin = np.broadcast_to(np.linspace(0, 20, 80), (1, 80, 80))
    hair = np.zeros((1, 80, 80), bool)
    for column in range(40, 80, every):
        hair[0, :, column : column + width] = True
    depth = np.where(hair, 80.0, skin).astype(np.float16)
    return depth, np.ones_like(hair), hair, skin


def test_a_few_strands_before_a_face_leave_the_face() -> None:
    depth, known, hair, skin = _before(width=1, every=6)
    surface, face = head_surface(depth, known, hair.astype(float), (~hair).astype(float), 10.0)
    assert np.abs(surface[0, :, :76].astype(float) - skin[0, :, :76]).max() < 0.6
    assert face.min() > 0.98
    assert np.array_equal(surface[:, :, :40], depth[:, :, :40]) and surface.dtype == np.float16


def test_a_curtain_of_hair_is_whole_and_no_face() -> None:
    depth, known, hair, skin = _before(width=4, every=6)
    surface, face = head_surface(depth, known, hair.astype(float), (~hair).astype(float), 10.0)
    assert np.abs(surface[0, 5:-5, 46:74].astype(float) - 80).max() < 0.1
    assert face[0, :, 46:74].max() == 0
    assert np.array_equal(surface[0, :, :36], depth[0, :, :36]) and face[0, :, :36].min() == 1


def test_half_covered_pixels_count_as_strands_but_not_as_dense_hair() -> None:
    depth, known, hair, skin = _before(width=1, every=6)
    surface, face = head_surface(depth, known, hair * 0.4, 1 - hair * 0.4, 10.0)
    assert np.abs(surface[0, :, :76].astype(float) - skin[0, :, :76]).max() < 0.6 and face.min() > 0.98


def test_a_loose_strand_before_the_background_stays() -> None:
    depth = np.zeros((1, 60, 60), np.float16)
    hair = np.zeros((1, 60, 60), bool)
    hair[0, 10:50, 30] = True
    depth[hair] = 25.0
    surface, face = head_surface(depth, hair, hair.astype(float), np.zeros((1, 60, 60)), 10.0)
    assert (
        np.abs(surface[hair].astype(float) - 25).max() < 0.1 and not surface[~hair].any() and not face.any()
    )


def test_a_head_without_hair_is_left_alone() -> None:
    depth, known, _, _ = _before(width=1, every=6)
    face = np.full((1, 80, 80), 0.7)
    surface, left = head_surface(depth, known, np.zeros((1, 80, 80)), face, 10.0)
    assert np.array_equal(surface, depth) and np.allclose(left, face)


def test_a_beard_is_its_hairs_and_what_lies_between_them_but_no_lips() -> None:
    masks = {name: np.zeros((1, 40, 40), bool) for name in FACE_REGIONS}
    masks["face_hair"][0, 10:30, 5:25:3] = True  # two pixels of skin between hairs
    masks["face_hair"][0, 35, 35] = True  # one hair alone
    masks["mouth"][0, 15:20, 10:15] = True
    lips = masks["mouth"] & ~masks["face_hair"]
    area = face_hair_area(encode_regions(masks), 4.0)
    whole = np.zeros_like(area)
    whole[0, 12:28, 7:21] = True  # discs leave the corners of what they close
    assert (area | lips)[whole].all() and area[masks["face_hair"]].all() and not area[lips].any()
    assert area.sum() <= 20 * 19 + 1  # no wider than its hairs, and nothing round the one alone
    assert not face_hair_area(np.zeros((1, 40, 40), np.uint8), 4.0).any()


def test_hair_becomes_the_volume_that_its_strands_span() -> None:
    depth = np.full((1, 40, 40), 10.0, np.float16)
    hair = np.zeros((1, 40, 40), bool)
    hair[0, :, 20:] = True
    depth[0, :, 20::4] = 30.0  # strands three pixels apart, the scalp between them
    known = np.ones_like(hair)
    known[0, 0] = False
    smooth = hair_volume(depth, known, hair, 7.0)
    assert np.array_equal(smooth[:, :, :20], depth[:, :, :20]) and smooth.dtype == np.float16
    assert np.abs(smooth[0, 5:-5, 25:-5].astype(float) - 30).max() < 0.1
    assert np.array_equal(smooth[0, 0], depth[0, 0])
