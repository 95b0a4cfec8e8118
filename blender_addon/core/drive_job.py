# SPDX-License-Identifier: GPL-3.0-or-later
"""A job in mode "drive": a photo, movie or pictures of a driver go to the backend, a recording comes back."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import arkit, errors
from .errors import AddonError
from .exchange import BadAnswerError
from .jobs import JobInput, Part, Parts
from .live_link import Recording

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
MAX_BYTES = 256 * 2**20  # the backend's limit
REGIONS = ("brows", "eyes", "gaze", "jaw", "mouth", "cheeks", "nose", "head")


@dataclass(frozen=True)
class DriveInput(JobInput):
    """What is sent. `portrait` is only sent when relative motion is added to its own expression.

    `drive` is the request's part of that name. `start_frame` is where the keyframes begin in the scene; None sets the
    sliders instead.
    """

    mode: str = "drive"
    portrait: bytes = b""
    portrait_name: str = ""
    driver: bytes = b""
    driver_name: str = "driver"
    drive: Mapping[str, object] = field(default_factory=dict)
    start_frame: float | None = None

    @property
    def kind(self) -> str:
        return "drive" if self.start_frame is not None else "drive_photo"

    @property
    def parts(self) -> Parts:
        return (("recording", "json"),)

    def files(self) -> dict[str, tuple[str, bytes]]:
        files = {"driver": (self.driver_name, self.driver)}
        return {**files, "portrait": (self.portrait_name, self.portrait)} if self.portrait else files

    def request(self, client_job_id: str) -> dict[str, object]:
        return {"mode": self.mode, "drive": dict(self.drive), "client_job_id": client_job_id}

    def result(self, parts: Mapping[str, Part], info: dict) -> Recording:
        content = parts["recording"]
        assert isinstance(content, bytes)
        try:
            return read_recording(content)
        except ValueError as error:
            raise BadAnswerError(f"recording: {error}") from error


@dataclass(frozen=True)
class MeasureInput(DriveInput):
    """The portrait measured as if it were the driver: its own expression, for motion that is added to it.

    `photo` is `photo_key` of it. `take`, if there is one, is then added to it, `take_strength` times as strong, and
    becomes keyframes of the sliders `wanted` from `start_frame` on.
    """

    photo: str = ""
    take: Recording | None = None
    take_strength: float = 1.0
    wanted: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "measure" if self.take is None else "live_link"


def measure_input(portrait: bytes, name: str) -> MeasureInput:
    """What measures the expression of a portrait (an image file's content)."""
    drive = {"motion": "absolute", "smoothing": 0.0, "strength": {**strengths(REGIONS, 1.0), "head": 0.0}}
    return MeasureInput(
        driver=portrait,
        driver_name=name,
        drive=drive,
        photo=photo_key(portrait),
    )


def photo_key(portrait: bytes) -> str:
    """By which a portrait (an image file's content) is known again."""
    return hashlib.sha256(portrait).hexdigest()[:16]


def read_recording(content: bytes) -> Recording:
    """The backend's JSON as a Recording. Raises ValueError when it is none."""
    try:
        value = json.loads(content)
        names = [str(name) for name in value["names"]]
        times_s = tuple(float(time) for time in value["times_s"])
        rows = np.asarray(value["frames"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"it cannot be read: {error!r}") from error
    if rows.shape != (len(times_s), len(names)) or not rows.size or not np.isfinite(rows).all():
        raise ValueError(f"{len(times_s)} times, {len(names)} names and values {rows.shape} do not fit")
    if not set(names) <= {*arkit.ARKIT_NAMES, *arkit.POSE_NAMES}:
        raise ValueError("it names what is no coefficient")
    limits = np.array([arkit.POSE_LIMIT_DEG if name in arkit.POSE_NAMES else 1.0 for name in names])
    low = np.array([-arkit.POSE_LIMIT_DEG if name in arkit.POSE_NAMES else 0.0 for name in names])
    rows = np.clip(rows, low, limits).tolist()
    return Recording(times_s, tuple(dict(zip(names, row, strict=True)) for row in rows))


def strengths(regions: Collection[str], strength: float) -> dict[str, float]:
    """The request's factor of every region: `strength` for the chosen ones, 0 leaves the others out."""
    return {name: strength if name in regions else 0.0 for name in REGIONS}


def read_driver(paths: Sequence[Path]) -> tuple[str, bytes]:
    """A photo or movie as it is, several pictures or a folder's as one zip -> (file name, content).

    Raises AddonError when it cannot be read or is too large to be sent.
    """
    try:
        if len(paths) == 1 and paths[0].is_dir():
            paths = sorted(
                (path for path in paths[0].iterdir() if path.suffix.lower() in PICTURE_ENDINGS),
                key=lambda path: natural_order(path.name),
            )
        if not paths:
            raise AddonError(errors.local("driver_unreadable", detail="no picture or movie is chosen"))
        if sum(path.stat().st_size for path in paths) > MAX_BYTES:
            raise AddonError(errors.local("driver_too_large"))
        if len(paths) == 1:
            return paths[0].name, paths[0].read_bytes()
        if any(path.suffix.lower() not in PICTURE_ENDINGS for path in paths):
            raise AddonError(
                errors.local("driver_unreadable", detail="several files must be JPEG, PNG or WebP pictures")
            )
        import zipfile  # imported when it is needed: enabling the add-on is quick

        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
            for number, path in enumerate(paths):
                archive.writestr(f"{number:06d}{path.suffix.lower()}", path.read_bytes())
        return f"{paths[0].stem}.zip", content.getvalue()
    except OSError as error:
        raise AddonError(errors.local("driver_unreadable", detail=str(error))) from error


def sequence_of(path: Path) -> list[Path]:
    """All pictures of the numbered sequence that `path` belongs to, in order; `path` alone where it has no number."""
    match = re.fullmatch(r"(.*?)(\d+)", path.stem)
    if match is None or path.suffix.lower() not in PICTURE_ENDINGS:
        return [path]
    numbered = re.compile(re.escape(match[1]) + r"\d+" + re.escape(path.suffix), re.IGNORECASE)
    found = [other for other in path.parent.iterdir() if numbered.fullmatch(other.name)]
    return sorted(found, key=lambda other: natural_order(other.name)) or [path]


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A key that puts `frame9` before `frame10`."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
