# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads in a photo, found with what ships inside the OpenCV package: no download, no network.

Haar cascades are old but light, and their weakness (single false hits) is cured by evidence: several
cascades look at several in-plane rotations of the photo, and a face is only what enough of them agree on. Of
several faces the one that is large and close to the middle is taken (:func:`choose_face`); all are reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backend.errors import NoFaceError

_PAD_FRACTION = 0.12  # of the long side: a head cut by the picture's edge is still seen whole by the cascade
_ACCEPT_SCORE = 12.0  # evidence, see _Cascade.weight: heads in the test photos have 27 to 90, texture up to 8


@dataclass(frozen=True)
class Face:
    """One face: a square from brows to chin, in photo pixels (floats), turned by ``roll_deg``.

    Attributes:
        x, y: centre of the square.
        side: side of the square; about 157 mm on an average head.
        roll_deg: tilt of the head as seen in the picture, clockwise positive.
        score: evidence, about 12 (weak) to 100.
        view: "frontal", "left profile" or "right profile" (the side of the picture the nose points to).
    """

    x: float
    y: float
    side: float
    roll_deg: float
    score: float
    view: str

    def to_dict(self) -> dict[str, Any]:
        """The values rounded for reports and JSON."""
        return {
            key: round(value, 2) if isinstance(value, float) else value for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class _Look:
    """One search; its cost grows with the square of ``side_px`` over the smallest face."""

    side_px: int  # long side of the picture the cascades see
    min_face: float  # of the long side
    rolls_deg: tuple[float, ...]


# The second look is for heads that are small in a large photo, and only taken if the first finds nothing.
_LOOKS = (_Look(640, 0.045, (0.0, -20.0, 20.0, -40.0, 40.0)), _Look(1280, 0.025, (0.0, -20.0, 20.0)))


@dataclass(frozen=True)
class _Cascade:
    """One detector. ``weight``: evidence per raw window."""

    file: str
    view: str
    weight: float
    mirrored: bool = False  # looks at the mirrored photo
    upright_only: bool = True


# alt2 hardly ever fires on texture; "default" and the profile cascade do, so that one of their windows
# counts less.
_CASCADES = (
    _Cascade("haarcascade_frontalface_alt2.xml", "frontal", 1.0, upright_only=False),
    _Cascade("haarcascade_frontalface_default.xml", "frontal", 0.3),
    _Cascade("haarcascade_profileface.xml", "left profile", 0.4),
    _Cascade("haarcascade_profileface.xml", "right profile", 0.4, mirrored=True),
)


@lru_cache(maxsize=8)
def _load(file: str) -> cv2.CascadeClassifier:
    # Read here: on Windows OpenCV opens no file below a folder with letters beyond ASCII.
    text = Path(cv2.data.haarcascades, file).read_text(encoding="utf-8")  # pyright: ignore[reportAttributeAccessIssue]
    storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    cascade = cv2.CascadeClassifier()
    if not cascade.read(storage.getFirstTopLevelNode()):
        raise RuntimeError(f"OpenCV cannot use its file {file}.")
    return cascade


def find_faces(rgb: np.ndarray, *, progress: Callable[[str, int, int], None] | None = None) -> list[Face]:
    """All faces of a photo from left to right, as people count them; empty if none.

    Args:
        rgb: uint8 [H, W, 3].
        progress: called as ``progress("finding the head", step, total)``; may raise to cancel.
    """
    for look in _LOOKS:
        if look.side_px > max(_LOOKS[0].side_px, 1.3 * max(rgb.shape[:2])):
            break
        faces = _find(rgb, look, progress)
        if faces:
            return faces
    return []


def choose_face(
    faces: Sequence[Face], width: int, height: int, index: int | None = None, name: str = "photo"
) -> Face:
    """The face to work on: ``faces[index]``, or else the largest one, less so the further it is from the
    middle.

    Raises:
        NoFaceError: no face at all, or no such index; the hint says to give the crop by hand. The message
            counts faces from 1 on the left, as the command line and Blender's panel do.
    """
    if not faces:
        raise NoFaceError(
            f"No head was found in {name}.",
            "Choose a photo with a well visible, upright face, or give the crop around the head by hand.",
        )
    if index is not None:
        if not 0 <= index < len(faces):
            choice = "face 1" if len(faces) == 1 else f"a face from 1 (left) to {len(faces)} (right)"
            raise NoFaceError(
                f"There is no face {index + 1} in {name}, which has {len(faces)}.",
                f"Choose {choice}, or give the crop around the head by hand.",
            )
        return faces[index]

    def prominence(face: Face) -> float:
        distance = math.hypot(face.x - width / 2, face.y - height / 2) / (math.hypot(width, height) / 2)
        return face.side * (1.0 - 0.5 * distance) * min(1.0, face.score / (2 * _ACCEPT_SCORE))

    return max(faces, key=prominence)


def _find(rgb: np.ndarray, look: _Look, progress: Callable[[str, int, int], None] | None) -> list[Face]:
    height, width = rgb.shape[:2]
    scale = look.side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    # Stretch what is there: a flat or dark photo has the same edges, only weaker than the cascades' noise
    # guard.
    low, high = np.percentile(gray, (1, 99))
    gray = np.clip((gray.astype(np.float32) - low) * (255.0 / max(high - low, 8.0)), 0, 255).astype(np.uint8)
    pad = round(_PAD_FRACTION * look.side_px)
    gray = cv2.copyMakeBorder(gray, pad, pad, pad, pad, cv2.BORDER_REPLICATE)

    hits: list[Face] = []
    for step, roll in enumerate(look.rolls_deg):
        if progress:
            progress("finding the head", step, len(look.rolls_deg))
        for x, y, side, score, view in _hits_at_roll(gray, roll, round(look.min_face * look.side_px)):
            hits.append(Face((x - pad) / scale, (y - pad) / scale, side / scale, roll, score, view))
    return sorted(
        (face for face in _merge(hits) if face.score >= _ACCEPT_SCORE), key=lambda face: (face.x, face.y)
    )


def _hits_at_roll(
    gray: np.ndarray, roll_deg: float, min_side: int
) -> list[tuple[float, float, float, float, str]]:
    """Hits of all cascades with the picture turned so that a head of this roll is upright; turned back."""
    height, width = gray.shape
    # cv2 angles are counter-clockwise: turning by +roll counter-clockwise sets a clockwise-tilted head
    # upright.
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), roll_deg, 1.0)
    turned = (
        gray
        if roll_deg == 0
        else cv2.warpAffine(gray, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    )
    back = cv2.invertAffineTransform(matrix)
    found = []
    for cascade in _CASCADES:
        if roll_deg and cascade.upright_only:
            continue
        view = turned[:, ::-1].copy() if cascade.mirrored else turned
        boxes, counts = _load(cascade.file).detectMultiScale2(view, 1.1, 2, minSize=(min_side, min_side))
        for (x, y, w, h), count in zip(boxes, counts, strict=True):
            cx, cy = x + w / 2, y + h / 2
            if cascade.mirrored:
                cx = width - cx
            px, py = back @ np.array([cx, cy, 1.0])
            found.append((float(px), float(py), float(w), cascade.weight * int(count), cascade.view))
    return found


def _merge(hits: Sequence[Face]) -> list[Face]:
    """Hits about one place and size become one face: scores are summed, the strongest names the view."""
    faces: list[Face] = []
    rest = sorted(hits, key=lambda hit: -hit.score)
    while rest:
        seed = rest[0]
        group = [hit for hit in rest if _same(seed, hit)]
        rest = [hit for hit in rest if not _same(seed, hit)]
        weights = np.array([hit.score for hit in group])
        values = np.array([[hit.x, hit.y, hit.side, hit.roll_deg] for hit in group])
        x, y, side, roll = (float(v) for v in weights @ values / weights.sum())
        faces.append(Face(x, y, side, roll, float(weights.sum()), seed.view))
    faces.sort(key=lambda face: -face.score)
    return faces


def _same(a: Face, b: Face) -> bool:
    ratio = a.side / b.side
    return math.hypot(a.x - b.x, a.y - b.y) < 0.35 * max(a.side, b.side) and 0.5 < ratio < 2.0
