# SPDX-License-Identifier: GPL-3.0-or-later
"""The astronaut as drivers: a photo, a movie in which she moves and tilts her head, pictures of it."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from ..conftest import ASSETS, REPOSITORY

FRAMES_PER_S = 25.0
FACE_XY = (224, 110)


def landmarker_model() -> Path:
    """The model's file; skips the test where it is absent."""
    from backend.driving.landmarker import MODEL_FILE, MODEL_VARIABLE, check_package
    from backend.errors import InputError

    try:
        check_package()
    except InputError as error:
        pytest.skip(error.message)
    named = os.environ.get(MODEL_VARIABLE)
    # A worktree lies one folder deeper than the main checkout.
    places = [Path(named)] if named else [ASSETS, REPOSITORY.parents[1] / "shared" / "assets"]
    for place in places:
        path = place if named else place / "mediapipe" / MODEL_FILE
        if path.is_file():
            return path
    pytest.skip(
        f"no face landmarker model: set {MODEL_VARIABLE}, or put {MODEL_FILE} into {ASSETS}/mediapipe"
    )


def astronaut() -> np.ndarray:
    from skimage import data

    return data.astronaut()


def moved(rgb: np.ndarray, *, roll_deg: float = 0.0, x_px: float = 0.0, y_px: float = 0.0) -> np.ndarray:
    """Turned clockwise about the face's middle, then shifted; the border is mirrored."""
    matrix = cv2.getRotationMatrix2D(FACE_XY, -roll_deg, 1.0)
    matrix[:, 2] += (x_px, y_px)
    return cv2.warpAffine(rgb, matrix, rgb.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def write_movie(path: Path, frames: list[np.ndarray], frames_per_s: float = FRAMES_PER_S) -> Path:
    height, width = frames[0].shape[:2]
    code = cv2.VideoWriter_fourcc(*"mp4v")  # pyright: ignore[reportAttributeAccessIssue]
    writer = cv2.VideoWriter(str(path), code, frames_per_s, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def rolls_deg(count: int) -> np.ndarray:
    """One swing to either side, starting upright."""
    return 15.0 * np.sin(np.linspace(0, 2 * np.pi, count))


def swinging(count: int = 24, hidden: range = range(0)) -> list[np.ndarray]:
    """She swings her head and drifts to the right; in ``hidden`` frames nobody is there."""
    picture = astronaut()
    frames = [moved(picture, roll_deg=roll, x_px=2.0 * i) for i, roll in enumerate(rolls_deg(count))]
    return [np.full_like(frame, 90) if i in hidden else frame for i, frame in enumerate(frames)]
