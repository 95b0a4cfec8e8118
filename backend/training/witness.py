# SPDX-License-Identifier: GPL-3.0-or-later
"""A witness that had no part in training: MediaPipe's Face Landmarker says what expression and pose a picture shows.

Its numbers are opinions with errors of their own, so the generated picture is always compared with what it says of the
target's picture, never with the parameters that were rendered.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from backend.errors import InputError
from backend.model.expression_names import ARKIT_NAMES

VARIABLE = "PORTRAIT_RELIEF_LANDMARKER"
IN_ASSETS = Path("mediapipe", "face_landmarker_v2_with_blendshapes.task")
DOWNLOAD = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/latest/"
    "face_landmarker.task"
)
DETECTION_PX = (
    512  # crops of 128 px are enlarged to this: the landmark network looks at 256 px of the face alone
)


@dataclass(frozen=True)
class Face:
    """What is seen of one face.

    Attributes:
        expression: [51] in 0..1, in the order of `ARKIT_NAMES`.
        rotation: [3, 3] of the head against the camera.
        landmarks: [478, 2] x and y in shares of the picture.
    """

    expression: np.ndarray
    rotation: np.ndarray
    landmarks: np.ndarray

    @property
    def pose_deg(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll in this project's signs; off by some degrees from the renderer's, whose zero differs."""
        turn = self.rotation
        yaw = np.arcsin(np.clip(-turn[2, 0], -1, 1))
        pitch, roll = -np.arctan2(turn[2, 1], turn[2, 2]), -np.arctan2(turn[1, 0], turn[0, 0])
        y, p, r = np.degrees([yaw, pitch, roll])
        return (float(y), float(p), float(r))


def find_landmarker(named: Path | None, assets: Path | None) -> Path | None:
    """The model file: `named`, or $PORTRAIT_RELIEF_LANDMARKER, or the one in the assets; None where there is none.

    Raises:
        InputError: the one that was named, or that the variable names, does not exist.
    """
    chosen = named or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if chosen is not None:
        _check_file(chosen)
        return chosen
    found = assets / IN_ASSETS if assets else None
    return found if found is not None and found.is_file() else None


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"There is no Face Landmarker model at {path}.",
            f"Download {DOWNLOAD} (3.8 MB, Apache-2.0) and name the file with --landmarker or ${VARIABLE}.",
            code="no_landmarker",
        )


class Witness:
    """Keeps one landmarker; a context manager, because MediaPipe complains when Python's exit closes it.

    Raises:
        InputError: mediapipe is not installed, or the file is missing or no such model.
    """

    def __init__(self, model: Path):
        _check_file(model)
        try:
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise InputError(
                "MediaPipe is not installed, which measures expression and pose of generated pictures.",
                "Run pip install --no-deps -r requirements-witness.lock, or pip install '.[driving]'.",
                code="no_mediapipe",
            ) from error
        self._mediapipe = mediapipe
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
            num_faces=1,
        )
        try:
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{model} is not a Face Landmarker model that MediaPipe can open.",
                f"Download it again from {DOWNLOAD}.",
                code="bad_landmarker",
            ) from error

    def __enter__(self) -> Witness:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._landmarker.close()

    def look(self, picture: np.ndarray) -> Face | None:
        """The face in a picture [H, W, 3] in 0..1 (sRGB), None where none is found (most side views)."""
        pixels = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
        larger = DETECTION_PX / max(pixels.shape[:2])
        if larger > 1:
            pixels = cv2.resize(pixels, None, fx=larger, fy=larger, interpolation=cv2.INTER_CUBIC)
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels)
        )
        seen = self._landmarker.detect(image)
        if not seen.face_landmarks:
            return None
        scores = {item.category_name: item.score for item in seen.face_blendshapes[0]}
        turn = np.asarray(seen.facial_transformation_matrixes[0])[:3, :3]
        return Face(
            expression=np.array([scores[name] for name in ARKIT_NAMES]),  # MediaPipe's 52nd is "_neutral"
            rotation=turn / np.linalg.norm(turn, axis=0),
            landmarks=np.array([[point.x, point.y] for point in seen.face_landmarks[0]]),
        )
