# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads turned by their depth, as the editor does it, on rendered pairs that show the truth."""

from __future__ import annotations

import cv2
import numpy as np

from backend.imaging.rotation import rotation
from backend.imaging.turning import drawing_of, turn_head
from backend.training.augment import CROP_SIDE_MM
from backend.training.dataset import POSE_UNIT_DEG, Shot

GRID = 3  # the turned head's grid is this much finer than the picture, as in the editor


def same_expression(shot: Shot, frame: int) -> bool:
    """Whether a frame's expression is the reference's: the pair then differs by the head's turn alone."""
    return bool(np.array_equal(shot.values[frame, :-3], shot.values[0, :-3]))


def turn_between(shot: Shot, frame: int) -> np.ndarray:
    """Rotation [3, 3] that takes the reference's head to the frame's, in the camera's axes."""
    first, then = (rotation(*(shot.values[k, -3:] * POSE_UNIT_DEG)) for k in (0, frame))
    return then @ first.T


def turned_picture(
    picture: np.ndarray, depth_mm: np.ndarray, coverage: np.ndarray, turn: np.ndarray
) -> np.ndarray:
    """The standard crop [R, R, 3] in 0..1 with its head turned by `turn`, over the surroundings continued.

    Args:
        depth_mm: float [R, R]; coverage: float [R, R] 0..1, as read from the picture.
    """
    size = picture.shape[0]

    def enlarged(values: np.ndarray) -> np.ndarray:
        return cv2.resize(
            values.astype(np.float32), (GRID * size, GRID * size), interpolation=cv2.INTER_CUBIC
        )

    matte = enlarged(coverage).clip(0, 1)
    head = turn_head(enlarged(depth_mm), matte, CROP_SIDE_MM, turn)
    drawn = drawing_of(enlarged(picture).clip(0, 1), head)
    return cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)
