# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver in, recording out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from backend.driving.footage import Footage, open_footage
from backend.driving.landmarker import FaceTracker
from backend.driving.motion import filled
from backend.driving.recording import Recording
from backend.errors import NoFaceError
from backend.imaging.load import load_photo
from backend.model.expression_names import ARKIT_NAMES, EXPRESSION_NAMES

Progress = Callable[[str, int, int], None]
PHASE = "following the face"


def record(
    driver: Path | Sequence[Path],
    *,
    model: str | Path | None = None,
    frames_per_s: float | None = None,
    progress: Progress | None = None,
) -> Recording:
    """What the driver's face does, as measured; frames without a face are marked and interpolated.

    Args:
        driver, frames_per_s: see :func:`backend.driving.footage.open_footage`.
        model: the landmarker's file, see :func:`backend.driving.landmarker.model_path`.
        progress: called before every frame; may raise to cancel.

    Raises:
        InputError: the driver cannot be read, or package or model are missing. NoFaceError: no face in it.
    """
    footage = open_footage(driver, frames_per_s=frames_per_s)
    if not footage.moving:
        try:
            return record_photo(_only_picture(footage), footage.name, model=model, progress=progress)
        except NoFaceError as error:
            raise _no_face(footage.name, error) from None
    times, rows = [], []
    with FaceTracker(model) as tracker:
        for index, picture in enumerate(footage.pictures()):
            if progress is not None:
                progress(PHASE, index, max(footage.count, index + 1))
            face = tracker.read(picture.rgb)
            times.append(picture.time_s)
            rows.append(None if face is None else face.values)
    times_s = np.array(times, np.float64)
    found = np.array([row is not None for row in rows])
    blank = np.zeros(len(EXPRESSION_NAMES), np.float32)
    values = np.stack([blank if row is None else row for row in rows])
    try:
        values = filled(times_s, values, found)
    except NoFaceError as error:
        raise _no_face(footage.name, error) from None
    return Recording(times_s, values, found)


def record_photo(
    rgb: np.ndarray,
    name: str = "the photo",
    *,
    model: str | Path | None = None,
    progress: Progress | None = None,
) -> Recording:
    """The face of one picture (uint8 [H, W, 3]): the largest one.

    Raises as :func:`record`.
    """
    if progress is not None:
        progress(PHASE, 0, 1)
    with FaceTracker(model, photo=True) as tracker:
        face = tracker.read(rgb)
    if face is None:
        raise NoFaceError(
            f"No face was found in {name}.", "Choose one in which a face is well visible and large enough."
        )
    return Recording(np.zeros(1), face.values[None], np.ones(1, bool))


def portrait_values(
    photo: str | Path | bytes | np.ndarray, *, model: str | Path | None = None, name: str = "the portrait"
) -> np.ndarray:
    """The portrait's own expression, float32 [54]: what relative motion is added to.

    Its pose is 0: a portrait is turned from how its photo holds the head (`backend.editor.PortraitEditor.generate`).
    """
    loaded = load_photo(photo, name=None if isinstance(photo, str | Path) else name)
    values = record_photo(loaded.rgb, loaded.name, model=model).values[0].copy()
    values[len(ARKIT_NAMES) :] = 0.0
    return values


def _no_face(name: str, error: NoFaceError) -> NoFaceError:
    """Another code than for the portrait: what mends it is another driver."""
    return NoFaceError(f"No face was found in {name}.", error.hint, code="no_face_in_driver")


def _only_picture(footage: Footage) -> np.ndarray:
    return next(footage.pictures()).rgb
