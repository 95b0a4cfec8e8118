# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of uploaded files before they reach the worker: what they are and how large they would become."""

from __future__ import annotations

import os
import re
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from backend.driving.footage import PICTURE_ENDINGS, ZIP_ERRORS, checked_zip
from backend.errors import InputError, PortraitReliefError
from backend.server.limits import MIB, Limits

_EXIF_ORIENTATION = 0x0112
_WINDOWS_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{port}{n}" for port in ("COM", "LPT") for n in range(10)}
_BYTES_PER_PIXEL = 3 + 4 + 4  # rgb uint8, depth and coverage float32


def photo_size(file: BinaryIO, name: str, limits: Limits) -> tuple[int, int]:
    """(width, height) in px as the photo is shown, its header only being read. InputError if it is none or
    too large.
    """
    if file.seek(0, os.SEEK_END) > limits.photo_bytes:
        raise InputError(
            f"{name} is too large: at most {limits.photo_bytes // MIB} MiB can be sent.",
            "Save it as JPEG, or scale it down.",
            code="too_large",
            http_status=413,
        )
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                width, height = image.size
                # Now: Pillow decodes a PNG to look for its EXIF data.
                if max(width, height) > limits.side_px:
                    raise _too_many_pixels(name, f"{width} x {height} px", limits)
                orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Image.DecompressionBombError:
        raise _too_many_pixels(name, "it", limits) from None
    except InputError:
        raise
    except Exception:  # Pillow's readers raise whatever a broken file makes them raise
        raise InputError(
            f"{name} is not a picture that can be read.", "Save it as PNG or JPEG.", code="unreadable_photo"
        ) from None
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def safe_file_name(name: str | None) -> str:
    """The client's name for the photo without anything a file system could misread; errors quote it."""
    name = re.sub(r"[^\w. -]", "_", (name or "").replace("\\", "/").rsplit("/", 1)[-1])[-80:].strip(" .")
    if not name or name.split(".")[0].upper() in _WINDOWS_DEVICES:
        return "photo"
    return name


def check_depth(file: BinaryIO, size: tuple[int, int]) -> None:
    """The uploaded depth must be a float32 ``.npy`` of the photo's (width, height); nothing is unpickled."""
    hint = "Send depth in millimetres as a float32 .npy file, as large as the photo, NaN outside the head."
    _check_array(file, "depth", (size[1], size[0]), hint)


def check_flow(file: BinaryIO, size: tuple[int, int]) -> None:
    """As :func:`check_depth`, for the scene flow: three numbers a pixel."""
    hint = (
        "Send pixels right, pixels down and millimetres for every pixel of the photo as a float32 .npy file."
    )
    _check_array(file, "flow", (size[1], size[0], 3), hint)


def _check_array(file: BinaryIO, name: str, wanted: tuple[int, ...], hint: str) -> None:
    code = f"bad_{name}"
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        version = np.lib.format.read_magic(file)
        reader = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = reader(file)
    except ValueError:
        raise InputError(f"The {name} is not a .npy file.", hint, code=code) from None
    if dtype != np.dtype("<f4") or fortran:
        raise InputError(f"The {name} is of type {dtype}, not float32 in C order.", hint, code=code)
    if shape != wanted:
        raise InputError(f"The {name}'s shape {shape} is not that of the photo, {wanted}.", hint, code=code)
    if length - file.tell() != 4 * int(np.prod(shape)):
        raise InputError(f"The {name} file is not complete.", hint, code=code)


def check_driver(file: BinaryIO, name: str, folder: Path, limits: Limits) -> None:
    """Size and, for pictures and zips, the inside. What a movie holds shows when the worker reads it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > limits.driver_bytes:
        raise InputError(
            f"{name} is too large: at most {limits.driver_bytes // MIB} MiB can be sent.",
            "Cut it, scale it down, or use 'portrait-relief drive' and import the recording.",
            code="driver_too_large",
            http_status=413,
        )
    if size == 0:
        raise InputError(f"{name} is empty.", "Choose another driver.", code="unreadable_driver")
    ending = Path(name).suffix.lower()
    if ending in PICTURE_ENDINGS:
        try:
            photo_size(file, name, limits)
        except InputError as error:
            status = error.http_status
            raise InputError(
                error.message, error.hint, code="unreadable_driver", http_status=status
            ) from None
    elif ending == ".zip":
        try:
            with zipfile.ZipFile(file) as archive:
                checked_zip(archive, name)
        except ZIP_ERRORS:
            raise InputError(f"{name} is damaged.", "Send it again.", code="unreadable_driver") from None
    file.seek(0)
    _check_free(folder, size, limits)


def check_disk(folder: Path, size: tuple[int, int], frames: int, limits: Limits) -> None:
    """Raise if the results of a job would not fit on the disk that holds ``folder``."""
    _check_free(folder, frames * size[0] * size[1] * _BYTES_PER_PIXEL, limits)


def _check_free(folder: Path, needed: int, limits: Limits) -> None:
    free = shutil.disk_usage(folder).free - limits.free_disk_bytes
    if needed > free:
        raise PortraitReliefError(
            f"The results need {needed // MIB} MiB of space in {folder}; {max(free, 0) // MIB} MiB are free.",
            "Free some space, send fewer frames, or set another folder for temporary files.",
            code="disk_full",
            http_status=507,
        )


def _too_many_pixels(name: str, what: str, limits: Limits) -> InputError:
    return InputError(
        f"{name} is too large ({what}).",
        f"Scale it down to at most {limits.side_px} px a side.",
        code="too_many_pixels",
        http_status=413,
    )
