# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads are found upright, tilted, mirrored, small, large, dark and flat, and not where there is none."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from backend.errors import NoFaceError
from backend.imaging.crop import CropBox
from backend.imaging.face_finding import Face, choose_face, find_faces
from backend.imaging.load import load_photo

HEAD = (228.0, 100.0, 157.0)  # astronaut: centre of the head with its hair, and its height


def turned(rgb: np.ndarray, clockwise_deg: float) -> tuple[np.ndarray, np.ndarray]:
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -clockwise_deg, 1.0)
    picture = cv2.warpAffine(rgb, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return picture, matrix @ np.array([HEAD[0], HEAD[1], 1.0])


def assert_on_head(face: Face, centre, scale: float = 1.0) -> None:
    height = HEAD[2] * scale
    assert math.hypot(face.x - centre[0], face.y - centre[1]) < 0.25 * height
    assert 0.5 < face.side / height < 0.75


@pytest.mark.parametrize("roll", [0, -40, 30])
def test_a_tilted_head_is_found_with_its_tilt(astronaut: np.ndarray, roll: float) -> None:
    picture, centre = turned(astronaut, roll)
    face = find_faces(picture)[0]
    assert_on_head(face, centre)
    assert abs(face.roll_deg - roll) < 12


@pytest.mark.parametrize(
    "change",
    [
        lambda rgb: (rgb * 0.2 + 100).astype(np.uint8),
        lambda rgb: (rgb * 0.12).astype(np.uint8),
        lambda rgb: np.clip(rgb + np.random.default_rng(0).normal(0, 25, rgb.shape), 0, 255).astype(np.uint8),
        lambda rgb: np.repeat(rgb.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8),
    ],
    ids=["low contrast", "dark", "noisy", "grey"],
)
def test_a_bad_photo_is_no_obstacle(astronaut: np.ndarray, change) -> None:
    assert_on_head(find_faces(change(astronaut))[0], HEAD)


def test_size_does_not_matter(astronaut: np.ndarray) -> None:
    small = cv2.resize(astronaut, (200, 200), interpolation=cv2.INTER_AREA)
    assert_on_head(find_faces(small)[0], (HEAD[0] * 200 / 512, HEAD[1] * 200 / 512), 200 / 512)
    large = cv2.resize(astronaut, (4096, 4096), interpolation=cv2.INTER_LINEAR)
    assert_on_head(find_faces(large)[0], (HEAD[0] * 8, HEAD[1] * 8), 8)


def test_a_tight_crop_and_a_head_cut_by_the_edge_are_found(astronaut: np.ndarray) -> None:
    tight = np.ascontiguousarray(astronaut[30:180, 150:306])
    assert_on_head(find_faces(tight)[0], (HEAD[0] - 150, HEAD[1] - 30))


def test_a_small_head_in_a_large_picture_is_found_in_the_second_look(astronaut: np.ndarray) -> None:
    scene = np.full((1400, 2000, 3), 140, np.uint8)
    scene[800:1312, 1300:1812] = astronaut
    scene = cv2.resize(scene, (2800, 1960))
    assert_on_head(find_faces(scene)[0], ((1300 + HEAD[0]) * 1.4, (800 + HEAD[1]) * 1.4), 1.4)


@pytest.mark.parametrize("name", ["coffee", "rocket", "brick", "chelsea", "page"])
def test_no_head_is_seen_where_there_is_none(name: str) -> None:
    picture = getattr(skimage.data, name)()
    picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    faces = find_faces(np.ascontiguousarray(picture[..., :3]))
    assert faces == []
    with pytest.raises(NoFaceError) as caught:
        choose_face(faces, 100, 100, name="cup.jpg")
    assert "cup.jpg" in caught.value.message and "crop" in caught.value.hint


def test_of_several_faces_the_large_central_one_is_taken_and_any_can_be_chosen(astronaut: np.ndarray) -> None:
    group = np.full((560, 1400, 3), 150, np.uint8)
    group[24:536, 450:962] = astronaut
    small = cv2.resize(astronaut, (430, 430), interpolation=cv2.INTER_AREA)
    group[100:530, 10:440] = small
    group[100:530, 965:1395] = small[:, ::-1]
    faces = find_faces(group)
    assert len(faces) == 3
    chosen = choose_face(faces, 1400, 560)
    assert abs(chosen.x - (450 + HEAD[0])) < 30
    for index, face in enumerate(faces):
        assert choose_face(faces, 1400, 560, index) is face
    with pytest.raises(NoFaceError, match="no face 4 in group.jpg, which has 3") as caught:
        choose_face(faces, 1400, 560, 3, "group.jpg")
    assert "from 1 (left) to 3 (right)" in caught.value.hint


def test_faces_are_counted_from_the_left_however_surely_they_are_found(astronaut: np.ndarray) -> None:
    dark = (astronaut * 0.25 + 60).astype(np.uint8)
    scores = []
    for left, right in ((astronaut, dark), (astronaut, astronaut)):
        faces = find_faces(np.concatenate([left, right], 1))
        assert [round((face.x - HEAD[0]) / 512) for face in faces] == [0, 1]
        scores.append(faces[0].score - faces[1].score)
        for index, centre in enumerate((HEAD[0], HEAD[0] + 512)):
            assert abs(choose_face(faces, 1024, 512, index).x - centre) < 30
    assert min(scores) < 0, "the right one is found more surely in some of them"
    # Chosen by itself it is still the largest one.
    small = np.full_like(astronaut, 140)
    small[:400, :400] = cv2.resize(astronaut, (400, 400), interpolation=cv2.INTER_AREA)
    faces = find_faces(np.concatenate([small, astronaut], 1))
    assert len(faces) == 2 and choose_face(faces, 1024, 512) is faces[1]


def test_both_official_portraits_are_found_and_framed(portraits: list[Path]) -> None:
    heads = [(492, 230, 426), (570, 346, 503)]  # centre and height with hair, measured by eye
    for path, (x, y, height) in zip(portraits, heads, strict=True):
        photo = load_photo(path)
        face = choose_face(find_faces(photo.rgb), photo.width, photo.height)
        crop = CropBox.from_face(face)
        assert math.hypot(crop.centre[0] - x, crop.centre[1] - y) < 0.15 * height
        assert 0.6 < height / crop.side < 0.8
