# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's MediaPipe Face Landmarker: 51 coefficients and the head's pose from a picture.

It is optional: neither the package nor the model (Apache 2.0, 3.6 MB) comes with this one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import InputError
from backend.model.expression_names import ARKIT_NAMES

MODEL_VARIABLE = "PORTRAIT_RELIEF_LANDMARKER"
ASSETS_VARIABLE = "PORTRAIT_RELIEF_ASSETS"
MODEL_FILE = "face_landmarker_v2_with_blendshapes.task"
_NETWORKS = ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite")
MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task"
)
MAX_FACES = 4
LOST_FRAMES = 15  # the face that was followed may be hidden for so long before another one is taken
CROP_SIDES = 2.0  # side of the square that is looked at, in sides of the face
TILES = (1.0, 0.5)  # sides of the squares searched where the whole picture shows no face, in short sides
TILES_OF_PHOTO = (1.0, 0.5, 0.25)
MIN_TILE_PX = 64
REACH = 0.75  # a face moves by less than this share of its size between two frames

# Asked for by --no-deps: mediapipe names opencv-contrib-python, which overwrites opencv-python-headless.
_IN_BLENDER = "In Blender tick Face Following in the extension's preferences and install it."
_PACKAGE_HINT = (
    f"{_IN_BLENDER} Elsewhere: pip install --no-deps mediapipe, then pip install absl-py certifi flatbuffers "
    "matplotlib."
)
_LIBRARY_HINT = (
    "Install the system's OpenGL ES libraries; on Debian and Ubuntu: apt install libegl1 libgles2."
)

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class FaceReading:
    """One face. ``values`` as ``EXPRESSION_NAMES``."""

    values: np.ndarray
    box: Box


def model_path(chosen: str | Path | None = None) -> Path:
    """The model's file: chosen, from $PORTRAIT_RELIEF_LANDMARKER, or in the assets' folder ``mediapipe``.

    Raises InputError when it is not there.
    """
    named = str(chosen or os.environ.get(MODEL_VARIABLE, ""))
    if named:
        path = Path(named)
    else:
        path = Path(os.environ.get(ASSETS_VARIABLE) or "assets") / "mediapipe" / MODEL_FILE
    if path.is_file():
        return path
    what = f"is not there: {path}" if named else "is not installed"
    raise InputError(
        f"The face landmarker's model {what}.",
        f"{_IN_BLENDER} Elsewhere: download {MODEL_URL} and name the file with --landmarker or ${MODEL_VARIABLE}.",
        code="no_landmarker",
    )


def check_package() -> None:
    """Raises InputError when mediapipe is missing."""
    if importlib.util.find_spec("mediapipe") is None:
        raise InputError("The package mediapipe is not installed.", _PACKAGE_HINT, code="no_landmarker")


def availability(chosen: str | Path | None = None) -> dict[str, Any]:
    """``{"available", "reason", "hint"}`` for capabilities; cheap, loads nothing."""
    try:
        check_package()
        model_path(chosen)
    except InputError as error:
        return {"available": False, "reason": error.message, "hint": error.hint}
    return {"available": True, "reason": "", "hint": ""}


class FaceTracker:
    """Reads pictures one after the other and keeps to one face; a context manager.

    Every picture is measured in a square round the face: the landmarker's detector sees 128 pixels a side, and
    in a wide picture its guess of a small face's tilt is off by up to 13 degrees. MediaPipe's own tracking
    (its video mode) lags behind turns by 1 to 2 degrees and is not used.

    Raises InputError on entering when package, model or what MediaPipe needs of the system are missing or broken.
    """

    def __init__(self, model: str | Path | None = None, *, photo: bool = False) -> None:
        check_package()
        self._tiles = TILES_OF_PHOTO if photo else TILES
        self._model = model_path(model)
        self._landmarker: Any = None
        self._last: Box | None = None
        self._lost = 0

    def __enter__(self) -> FaceTracker:
        try:
            content = self._model.read_bytes()
        except OSError as error:
            raise InputError(
                f"{self._model.name} cannot be read: {error.strerror or error}.",
                "Look who may read the file.",
                code="no_landmarker",
            ) from error
        try:
            from mediapipe.tasks.python import BaseOptions, vision

            # As bytes: file names with letters beyond ASCII fail on Windows.
            options = vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=content),
                num_faces=MAX_FACES,
                output_face_blendshapes=True,
                output_facial_transformation_matrixes=True,
            )
            with _quiet():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
                # The network itself is only made with the first picture.
                self._detect(np.zeros((8, 8, 3), np.uint8), (0, 0))
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            raise _refusal(error, self._model.name, content) from error
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._landmarker is not None:
            self._landmarker.close()

    def read(self, rgb: np.ndarray) -> FaceReading | None:
        """The face that is followed, or None where it is not seen. ``rgb`` is uint8 [H, W, 3]."""
        if self._last is not None:
            face = self._nearby(rgb, self._last)
            if face is not None:
                return self._follow(face)
        boxes = [face.box for face in self._search(rgb)]
        index = choose_face(boxes, self._last)
        if index is None and self._last is not None:
            self._lost += 1
            if self._lost > LOST_FRAMES:
                index = choose_face(boxes, None)
        if index is None:
            return None
        face = self._nearby(rgb, boxes[index])
        return None if face is None else self._follow(face)

    def _follow(self, face: FaceReading) -> FaceReading:
        self._lost, self._last = 0, face.box
        return face

    def _nearby(self, rgb: np.ndarray, box: Box) -> FaceReading | None:
        """The face at ``box``, seen in a square round it."""
        half = max(box[2] - box[0], box[3] - box[1]) * CROP_SIDES / 2
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        left, top = max(0, round(x - half)), max(0, round(y - half))
        crop = rgb[top : max(0, round(y + half)), left : max(0, round(x + half))]
        if min(crop.shape[:2]) < 2:
            return None
        faces = self._detect(crop, (left, top))
        index = choose_face([face.box for face in faces], box)
        return None if index is None else faces[index]

    def _search(self, rgb: np.ndarray) -> list[FaceReading]:
        """Faces in the whole picture, else in overlapping squares: the detector wants a face that fills an eighth
        of what it sees.
        """
        faces = self._detect(rgb, (0, 0))
        for share in self._tiles:
            if faces:
                break
            side = round(min(rgb.shape[:2]) * share)
            if side < MIN_TILE_PX:
                break
            for top in _starts(rgb.shape[0], side):
                for left in _starts(rgb.shape[1], side):
                    faces += self._detect(rgb[top : top + side, left : left + side], (left, top))
        return faces

    def _detect(self, rgb: np.ndarray, corner: tuple[int, int]) -> list[FaceReading]:
        import mediapipe

        image = mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb, dtype=np.uint8)
        )
        result = self._landmarker.detect(image)
        parts = zip(
            result.face_landmarks,
            result.face_blendshapes,
            result.facial_transformation_matrixes,
            strict=True,
        )
        size = rgb.shape[1], rgb.shape[0]
        return [
            FaceReading(_values(shapes, np.asarray(matrix)), _box(marks, size, corner))
            for marks, shapes, matrix in parts
        ]


def _refusal(error: Exception, name: str, content: bytes) -> InputError:
    """What keeps the landmarker from starting: the model's file, else what MediaPipe says itself."""
    said = " ".join(str(error).split()).rstrip(".")
    if re.search(r"\.so\b.*cannot open shared object", said):
        message, hint = f"The package mediapipe lacks a library of the system ({said}).", _LIBRARY_HINT
    elif isinstance(error, ImportError) or _is_model(content):
        message, hint = f"The package mediapipe does not work here ({said}).", _PACKAGE_HINT
    else:
        message = f"{name} is not a face landmarker's model."
        hint = f"{_IN_BLENDER} Elsewhere: download it again from {MODEL_URL}."
    return InputError(message, hint, code="no_landmarker")


def _is_model(content: bytes) -> bool:
    """Whether this is a whole bundle of a face landmarker: a zip archive of TensorFlow Lite networks."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            networks = [bundle.read(name) for name in _NETWORKS]
    except (KeyError, zipfile.BadZipFile, zlib.error):
        return False
    return all(network[4:8] == b"TFL3" for network in networks)


def _starts(length: int, side: int) -> list[int]:
    """Where squares begin along a border so that each overlaps the next by at least half."""
    count = max(1, math.ceil(2 * (length - side) / side) + 1)
    return [round(value) for value in np.linspace(0, length - side, count)]


def choose_face(boxes: Sequence[Box], last: Box | None) -> int | None:
    """The largest face, or the one nearest to where the followed one was; None where none is near enough."""
    if not boxes:
        return None
    if last is None:
        return max(range(len(boxes)), key=lambda i: _size(boxes[i]))

    def distance(box: Box) -> float:
        return math.hypot(box[0] + box[2] - last[0] - last[2], box[1] + box[3] - last[1] - last[3]) / 2

    nearest = min(range(len(boxes)), key=lambda i: distance(boxes[i]))
    reach = REACH * max(_size(last), _size(boxes[nearest]))
    return nearest if distance(boxes[nearest]) <= reach else None


def pose_deg(matrix: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees from MediaPipe's 4 x 4 matrix (camera: x right, y up, z towards it).

    The matrix says how the head stands to the camera's axis; a portrait's crop shows how it stands to the line
    of sight. They differ where the head is off the picture's middle: a head that moves through the picture
    would seem to turn.
    """
    rotation, position = matrix[:3, :3], matrix[:3, 3]
    sight = position / np.linalg.norm(position)
    axis, cosine = np.cross(sight, (0.0, 0.0, -1.0)), -sight[2]
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = (np.eye(3) + cross + cross @ cross / (1.0 + cosine)) @ rotation
    yaw = math.atan2(rotation[0, 2], rotation[2, 2])
    pitch = math.asin(float(np.clip(rotation[1, 2], -1, 1)))
    roll = math.atan2(-rotation[1, 0], rotation[1, 1])
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """While the landmarker starts, its C++ parts write notes for developers to the process's stderr."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _values(shapes: Sequence[Any], matrix: np.ndarray) -> np.ndarray:
    scores = {shape.category_name: float(shape.score) for shape in shapes}
    return np.array([*(scores.get(name, 0.0) for name in ARKIT_NAMES), *pose_deg(matrix)], np.float32)


def _box(marks: Sequence[Any], size: tuple[int, int], corner: tuple[int, int]) -> Box:
    xs = [corner[0] + mark.x * size[0] for mark in marks]
    ys = [corner[1] + mark.y * size[1] for mark in marks]
    return min(xs), min(ys), max(xs), max(ys)


def _size(box: Box) -> float:
    return math.sqrt(max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0))
