# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's landmarker on a real portrait, with the real model file; and what is said where it is missing."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from backend.errors import InputError
from backend.model.expression_names import ARKIT_NAMES
from backend.training.witness import IN_ASSETS, VARIABLE, Witness, find_landmarker

from .conftest import ASSETS

MODEL = Path(os.environ.get(VARIABLE, ASSETS / IN_ASSETS))


@pytest.fixture(scope="module")
def witness() -> Iterator[Witness]:
    if not MODEL.is_file():
        pytest.skip(f"no Face Landmarker model: set {VARIABLE} to its file")
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip("mediapipe is not installed: pip install --no-deps -r requirements-witness.lock")
    with Witness(MODEL) as opened:
        yield opened


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """The astronaut's head, 128 px wide as the model's crops are."""
    head = astronaut()[20:240, 110:330]
    return cv2.resize(head, (128, 128), interpolation=cv2.INTER_AREA) / 255.0


def test_a_smile_is_seen_in_a_small_crop(witness: Witness, portrait: np.ndarray) -> None:
    face = witness.look(portrait)
    assert face is not None and face.expression.shape == (len(ARKIT_NAMES),)
    seen = dict(zip(ARKIT_NAMES, face.expression, strict=True))
    assert seen["mouthSmileLeft"] > 0.6 and seen["mouthSmileRight"] > 0.6
    assert seen["jawOpen"] < 0.3 and seen["mouthPucker"] < 0.3
    assert face.landmarks.shape == (478, 2) and 0 < face.landmarks.min() < face.landmarks.max() < 1


def test_a_rotated_picture_is_a_roll_of_the_head(witness: Witness, portrait: np.ndarray) -> None:
    turn = cv2.getRotationMatrix2D((63.5, 63.5), -20, 1)  # clockwise as seen
    rolled = cv2.warpAffine(portrait, turn, (128, 128), borderMode=cv2.BORDER_REPLICATE)
    before, after = witness.look(portrait), witness.look(rolled)
    assert before is not None and after is not None
    assert after.pose_deg[2] - before.pose_deg[2] == pytest.approx(20, abs=4)


def test_a_mirrored_picture_turns_the_other_way(witness: Witness, portrait: np.ndarray) -> None:
    before, after = witness.look(portrait), witness.look(portrait[:, ::-1])
    assert before is not None and after is not None
    assert before.rotation @ before.rotation.T == pytest.approx(np.eye(3), abs=1e-3)
    assert after.pose_deg[0] == pytest.approx(-before.pose_deg[0], abs=3)
    assert after.pose_deg[2] == pytest.approx(-before.pose_deg[2], abs=3)


def test_a_picture_without_a_face_has_none(witness: Witness) -> None:
    assert witness.look(np.full((128, 128, 3), 0.4)) is None


def test_a_named_model_that_is_missing_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for named in (tmp_path / "absent.task", None):
        monkeypatch.setenv(VARIABLE, str(tmp_path / "absent.task"))
        with pytest.raises(InputError, match=r"absent\.task") as caught:
            find_landmarker(named, None)
        assert "https://" in caught.value.hint and "--landmarker" in caught.value.hint


def test_the_model_is_found_in_the_assets_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_landmarker(None, None) is None and find_landmarker(None, tmp_path) is None
    model = tmp_path / IN_ASSETS
    model.parent.mkdir()
    model.write_bytes(b"model")
    assert find_landmarker(None, tmp_path) == model
    other = tmp_path / "other.task"
    other.write_bytes(b"other")
    monkeypatch.setenv(VARIABLE, str(other))
    assert find_landmarker(None, tmp_path) == other and find_landmarker(model, None) == model


def test_a_missing_mediapipe_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model.task"
    model.write_bytes(b"model")
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(InputError) as caught:
        Witness(model)
    assert caught.value.code == "no_mediapipe" and "pip install" in caught.value.hint


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    model = tmp_path / "model.task"
    model.write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"model\.task"):
        Witness(model)
