# SPDX-License-Identifier: GPL-3.0-or-later
"""Sculpted depth sent back for a real photo, with the embedded weights."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from backend.editor import PortraitEditor
from backend.errors import InputError
from backend.imaging import sculpting
from backend.imaging.portrait_result import PortraitResult
from backend.imaging.shading import normals_from_depth
from backend.portrait import Portrait

NOSE_REACH_MM = 25.0


@pytest.fixture(scope="module")
def editor() -> PortraitEditor:
    return PortraitEditor(device="cpu")


@pytest.fixture(scope="module")
def portrait(editor: PortraitEditor) -> Portrait:
    return editor.open(skimage.data.astronaut())


@pytest.fixture(scope="module")
def read(editor: PortraitEditor, portrait: Portrait) -> PortraitResult:
    return editor.depth(portrait)


def from_the_nose(read: PortraitResult) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """x right and y up of every pixel in mm from the nearest point of the face, and that point's row and column."""
    row, column = np.unravel_index(np.nanargmax(read.depth_mm), read.depth_mm.shape)
    rows, columns = np.indices(read.depth_mm.shape)
    return (columns - column) * read.mm_per_px, (row - rows) * read.mm_per_px, (int(row), int(column))


def longer_nose(read: PortraitResult, height_mm: float) -> np.ndarray:
    x, y, _ = from_the_nose(read)
    return read.depth_mm + height_mm * np.exp(-0.5 * ((x / 9) ** 2 + (y / 12) ** 2)).astype(np.float32)


def grey(rgb: np.ndarray) -> np.ndarray:
    return rgb.astype(np.float32).mean(axis=-1)


def test_the_depth_as_it_was_read_returns_the_photo(
    editor: PortraitEditor, portrait: Portrait, read: PortraitResult
) -> None:
    phases: list[str] = []
    result = editor.appearance(portrait, read.depth_mm, progress=lambda phase, *_count: phases.append(phase))
    assert phases[-1] == "repainting" and "generating" not in phases
    assert np.array_equal(result.rgb, portrait.photo.rgb)
    assert np.array_equal(result.depth_mm, read.depth_mm, equal_nan=True)
    assert result.report["changed_pixels"] == 0 and result.report["sculpted"]["share"] == 0


def test_a_longer_nose_is_larger_and_leaves_the_rest_alone(
    editor: PortraitEditor, portrait: Portrait, read: PortraitResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Motion alone: the shading that changes is taken for motion of as much (1.003 with it or 1.0028, by the weights).
    monkeypatch.setattr(sculpting, "shading_gain", lambda given, _light: np.zeros_like(given.change_mm))
    result = editor.appearance(portrait, longer_nose(read, 15))
    x, y, (row, column) = from_the_nose(read)
    changed = (result.rgb != portrait.photo.rgb).any(axis=-1)
    assert changed.any() and np.hypot(x, y)[changed].max() < 60
    reach = round(NOSE_REACH_MM / read.mm_per_px)
    nose = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
    before, after = (
        cv2.Laplacian(cv2.GaussianBlur(grey(p)[nose], (0, 0), 1.0), cv2.CV_32F)
        for p in (portrait.photo.rgb, result.rgb)
    )
    weight = np.zeros(before.shape, np.uint8)
    weight[np.hypot(x, y)[nose] < 18] = 255
    warp = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 300, 1e-7)
    _, warp = cv2.findTransformECC(before, after, warp, cv2.MOTION_AFFINE, stop, weight, 3)
    growth = np.sqrt(np.linalg.det(warp[:, :2]))
    assert (
        1.003 < growth < 1.04
    )  # 15 mm nearer to a camera 0.91 m before the nose: 1.7 % where it is all of it


def test_the_longer_nose_is_shaded_by_the_photos_light(
    editor: PortraitEditor, portrait: Portrait, read: PortraitResult
) -> None:
    """From which side the light comes is seen on the photo's face, without the fit."""
    x, y, _ = from_the_nose(read)
    photo = grey(portrait.photo.rgb)
    slant = np.nan_to_num(normals_from_depth(read.depth_mm, read.mm_per_px)[..., 0])
    face = np.nan_to_num(read.depth_mm, nan=-99) > np.nanmax(read.depth_mm) - 60
    left, right = (
        float(np.median(photo[face & (slant * side > 0.2) & (slant * side < 0.6)])) for side in (-1, 1)
    )
    assert left > right + 10  # the astronaut's lamp stands at the picture's left
    change = grey(editor.appearance(portrait, longer_nose(read, 15)).rgb) - photo
    left, right = (float(change[(np.abs(x - at) < 4) & (np.abs(y) < 8)].mean()) for at in (-10, 10))
    assert right < -5 and left > right + 4


def test_a_sculpted_edit_keeps_its_expression(editor: PortraitEditor, portrait: Portrait) -> None:
    expression = {"jawOpen": 0.7}
    edit = editor.generate(portrait, expression)
    same = editor.appearance(portrait, edit.depth_mm, expression=expression)
    assert np.array_equal(same.rgb, edit.rgb) and not np.array_equal(edit.rgb, portrait.photo.rgb)
    sculpted = editor.appearance(portrait, longer_nose(edit, 12), expression=expression)
    x, y, _ = from_the_nose(edit)
    changed = (sculpted.rgb != edit.rgb).any(axis=-1)
    assert changed.any() and np.hypot(x, y)[changed].max() < 60
    assert sculpted.report["settings"]["expression"] == expression


def test_depth_of_something_else_is_painted_and_said_to_be(
    editor: PortraitEditor, portrait: Portrait
) -> None:
    rows, columns = np.indices((512, 512))
    elsewhere = np.where(np.hypot(rows - 120, columns - 200) < 40, -60.0, np.nan)
    result = editor.appearance(portrait, elsewhere)
    assert "not a sculpted form" in " ".join(result.report["warnings"]) and "sculpted" not in result.report


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda depth: depth[:300], "depth_size"),
        (lambda depth: np.where(depth > 60, np.inf, depth), "bad_depth"),
        (lambda depth: np.full_like(depth, np.nan), "empty_depth"),
    ],
)
def test_depth_that_cannot_be_used_is_refused(
    editor: PortraitEditor, portrait: Portrait, read: PortraitResult, spoil, code: str
) -> None:
    with pytest.raises(InputError) as caught:
        editor.appearance(portrait, spoil(read.depth_mm))
    assert caught.value.code == code and caught.value.message and caught.value.hint
