# SPDX-License-Identifier: GPL-3.0-or-later
"""Height maps for milling: a 16-bit greyscale PNG that knows its size in millimetres."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np

from .arrays import png_file

FULL = 65535


def heights_to_grey(height_mm: np.ndarray, low_mm: float, high_mm: float) -> np.ndarray:
    """float [H, W] -> uint16 [H, W]: low_mm becomes 0 (black), high_mm 65535 (white), linear between."""
    span = high_mm - low_mm
    if span <= 0:
        return np.zeros(height_mm.shape, np.uint16)
    return np.round(np.clip((height_mm - low_mm) / span, 0, 1) * FULL).astype(np.uint16)


def write_grey_png(grey: np.ndarray, mm_per_px: tuple[float, float], texts: Mapping[str, str]) -> bytes:
    """A 16-bit greyscale PNG's content.

    Args:
        grey: uint16 [H, W], top row first. No gamma is written: values are heights and no light.
        mm_per_px: size of a pixel in x and y, kept as pixels per metre, so that programs show the right size.
        texts: Latin-1 keywords and sentences kept in the file.
    """
    if grey.dtype != np.uint16 or grey.ndim != 2:
        raise ValueError("only 16-bit greyscale can be written")
    height, width = grey.shape
    rows = np.zeros((height, 1 + 2 * width), np.uint8)
    big = grey.astype(">u2").view(np.uint8).reshape(height, 2 * width)
    rows[:, 0] = 1  # filter "Sub"
    rows[:, 1:3] = big[:, :2]
    rows[:, 3:] = big[:, 2:] - big[:, :-2]
    per_metre = [round(1000 / size) for size in mm_per_px]
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)),
        (b"pHYs", struct.pack(">IIB", *per_metre, 1)),
        *((b"tEXt", f"{key}\0{text}".encode("latin-1", "replace")) for key, text in texts.items()),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    ]
    return png_file(parts)
