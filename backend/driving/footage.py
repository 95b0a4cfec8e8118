# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver's pictures, one after the other: a photo, a folder, list or zip of pictures, or a movie."""

from __future__ import annotations

import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import InputError
from backend.imaging.load import MAX_SIDE_PX, load_photo

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
DEFAULT_FRAMES_PER_S = 25.0
MAX_FRAMES = 20_000  # 11 minutes at 30 frames a second
MAX_PICTURE_BYTES = 64 * 2**20

# A playlist or a damaged header must not make FFmpeg open addresses; and what it prints is not for artists.
_CAPTURE_OPTIONS = "protocol_whitelist;file"


@dataclass(frozen=True)
class Picture:
    """``time_s`` from the first picture; rgb uint8 [H, W, 3]."""

    time_s: float
    rgb: np.ndarray


@dataclass(frozen=True)
class Footage:
    """Attributes:
    name: for messages. count: pictures, as far as it is known beforehand (movies may tell wrongly).
    moving: a movie's pictures, which belong together closely; a sequence's are taken so too, a photo is alone.
    pictures: reads them. Raises InputError.
    """

    name: str
    count: int
    moving: bool
    pictures: Callable[[], Iterator[Picture]]


def open_footage(driver: Path | Sequence[Path], *, frames_per_s: float | None = None) -> Footage:
    """Looks at what the driver is; pictures are read later, one at a time.

    Args:
        driver: a photo, a movie, a zip or folder of pictures (in the order of their names, numbers counted),
            or a list of pictures (in the order given).
        frames_per_s: of a sequence of pictures (default 25), or instead of a movie's own.

    Raises:
        InputError: nothing there, unreadable, or longer than ``MAX_FRAMES``.
    """
    if not isinstance(driver, Path):
        return _sequence("the sequence", [Path(path) for path in driver], frames_per_s)
    if driver.is_dir():
        found = [
            path
            for path in driver.iterdir()
            if path.suffix.lower() in PICTURE_ENDINGS
            and not path.name.startswith(".")  # "._a.jpg" of a Mac is none
        ]
        return _sequence(driver.name, sorted(found, key=lambda path: natural_order(path.name)), frames_per_s)
    if not driver.is_file():
        raise InputError(f"There is no file {driver}.", "Check the name.", code="unreadable_driver")
    if driver.suffix.lower() == ".zip":
        return _zip(driver, frames_per_s)
    if driver.suffix.lower() in PICTURE_ENDINGS:
        return Footage(driver.name, 1, False, lambda: iter([Picture(0.0, _read(driver, driver.name))]))
    return _movie(driver, frames_per_s)


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A key that puts ``frame9`` before ``frame10``."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


ZIP_ERRORS = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What Python's reader raises on damaged, encrypted and strangely packed archives, opening or reading them."""


def checked_zip(archive: zipfile.ZipFile, name: str) -> list[str]:
    """The pictures of a zip in their order. Raises InputError for none, too many, or sizes no picture has."""
    pictures = [
        item
        for item in archive.infolist()
        if not item.is_dir()
        and item.filename.lower().endswith(PICTURE_ENDINGS)
        and not item.filename.rsplit("/", 1)[-1].startswith(".")
    ]
    _check_count(name, len(pictures))
    if any(item.file_size > MAX_PICTURE_BYTES for item in pictures):
        raise InputError(
            f"{name} holds a picture of more than {MAX_PICTURE_BYTES // 2**20} MiB.",
            "Save the pictures as JPEG, or scale them down.",
            code="driver_too_large",
        )
    return sorted((item.filename for item in pictures), key=natural_order)


def _check_count(name: str, count: int) -> None:
    if count == 0:
        raise InputError(
            f"{name} holds no JPEG, PNG or WebP picture.", "Choose another.", code="unreadable_driver"
        )
    if count > MAX_FRAMES:
        raise InputError(
            f"{name} has {count} frames; at most {MAX_FRAMES} can be followed.",
            "Cut it into parts.",
            code="driver_too_long",
        )


def _read(picture: Path | bytes, name: str) -> np.ndarray:
    """Other codes than for the portrait: what mends it is another driver."""
    try:
        return load_photo(picture, name=name).rgb
    except InputError as error:
        raise InputError(error.message, error.hint, code="unreadable_driver") from error


def _sequence(name: str, paths: Sequence[Path], frames_per_s: float | None) -> Footage:
    _check_count(name, len(paths))
    rate = frames_per_s or DEFAULT_FRAMES_PER_S

    def pictures() -> Iterator[Picture]:
        for index, path in enumerate(paths):
            yield Picture(index / rate, _read(path, path.name))

    return Footage(name, len(paths), len(paths) > 1, pictures)


def _zip(path: Path, frames_per_s: float | None) -> Footage:
    rate = frames_per_s or DEFAULT_FRAMES_PER_S
    damaged = InputError(f"{path.name} is damaged.", "Send it again.", code="unreadable_driver")
    try:
        with zipfile.ZipFile(path) as archive:
            names = checked_zip(archive, path.name)
    except ZIP_ERRORS as error:
        raise damaged from error

    def pictures() -> Iterator[Picture]:
        with zipfile.ZipFile(path) as archive:
            for index, name in enumerate(names):
                try:
                    content = archive.read(name)
                except ZIP_ERRORS as error:
                    raise damaged from error
                yield Picture(index / rate, _read(content, name.rsplit("/", 1)[-1]))

    return Footage(path.name, len(names), len(names) > 1, pictures)


def _movie(path: Path, frames_per_s: float | None) -> Footage:
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = _CAPTURE_OPTIONS
    cv2.setLogLevel(0)
    unreadable = InputError(
        f"{path.name} is not a movie that can be read.",
        "Save it as MP4 (H.264), or as a sequence of JPEG or PNG pictures.",
        code="unreadable_driver",
    )
    # Other readers of OpenCV would take a name such as shot%03d.mov for a pattern.
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        opened = capture.isOpened()
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if opened else 0
        own_rate = float(capture.get(cv2.CAP_PROP_FPS)) if opened else 0.0
        sides = [capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)]
    finally:
        capture.release()
    if not opened:
        raise unreadable
    if max(sides) > MAX_SIDE_PX:
        raise InputError(
            f"{path.name} has more than {MAX_SIDE_PX} pixels a side.",
            "Scale it down.",
            code="driver_too_large",
        )
    _check_count(path.name, max(1, count))
    rate = own_rate if 1.0 <= own_rate <= 1000.0 else DEFAULT_FRAMES_PER_S

    def pictures() -> Iterator[Picture]:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1.0)  # phones film on their side and note how it was held
        last_s, first_s, index = -1.0, 0.0, 0
        try:
            while True:
                # Before the frame is taken: some versions tell the time of the next one afterwards.
                told_s = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000.0
                ok, bgr = capture.read()
                if not ok:
                    break
                _check_count(path.name, index + 1)
                after_s = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000.0
                told_s = max(told_s, after_s)
                first_s = told_s if index == 0 else first_s
                time_s = index / frames_per_s if frames_per_s else told_s - first_s
                if time_s <= last_s:  # no or broken time stamps
                    time_s = last_s + 1.0 / rate
                yield Picture(time_s, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
                last_s, index = time_s, index + 1
        finally:
            capture.release()
        if index == 0:
            raise unreadable

    return Footage(path.name, count, count != 1, pictures)
