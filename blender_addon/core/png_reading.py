# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG files of 8-bit RGB -> pixels, with the standard library and numpy: in a thread, where Blender cannot read them.

Blender decodes a picture in one piece on its main thread: a quarter of a second for 9 megapixels.
"""

from __future__ import annotations

import zlib

import numpy as np

from . import arrays
from .steps import Steps

_PLAIN = b"\x08\x02\0\0\0"  # 8 bits, RGB, deflate, the five filters, not interlaced
_DIAGONALS_PER_STEP = 100


def is_plain(data: bytes) -> bool:
    """Whether `rgb_steps` reads it: PNGs of 8-bit RGB, without a transparent colour, as the backend and
    `arrays.write_png` make them."""
    try:
        arrays.png_size(data)
    except ValueError:
        return False
    return data[24:29] == _PLAIN and all(kind != b"tRNS" for kind, _content in arrays.png_chunks(data))


def rgb_steps(data: bytes) -> Steps[np.ndarray]:
    """uint8 [H, W, 3], top row first, the bytes as they are stored. Raises ValueError for any other file.

    The filters (PNG specification, 9) guess each byte from those to its left and above, so the pixels of a row wait for
    each other, but those of a diagonal do not: row r lies r places further right than the first one here, and all
    pixels of a column are made at once.
    """
    if not is_plain(data):
        raise ValueError("no PNG of 8-bit RGB")
    width, height = arrays.png_size(data)
    packed = b"".join(content for kind, content in arrays.png_chunks(data) if kind == b"IDAT")
    yield
    try:
        rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 3 * width)
    except zlib.error as error:
        raise ValueError(f"PNG cannot be read: {error}") from error
    yield
    filters = rows[:, :1].astype(np.int16)  # [H, 1]
    if filters.max() > 4:
        raise ValueError("PNG with an unknown filter")
    # [diagonal, row + 1, channel]: before the first row and before the first column there are zeros.
    slanted = np.zeros((width + height, height + 1, 3), np.uint8)
    far, near, byte = slanted.strides
    columns = np.lib.stride_tricks.as_strided(slanted[1:, 1:], (height, width, 3), (far + near, far, byte))
    columns[:] = rows[:, 1:].reshape(height, width, 3)
    yield
    from_left, from_above = (filters == 1).astype(np.int16), (filters == 2).astype(np.int16)
    is_mean, is_paeth = filters == 3, filters == 4
    values = np.zeros((3, height + 1, 3), np.int16)  # of the diagonals before, by their number
    for number in range(1, width + height):
        first, end = max(0, number - width), min(height, number)
        at, above_it = np.s_[first:end], np.s_[first + 1 : end + 1]
        corner, beside, here = (values[(number + step) % 3] for step in (-2, -1, 0))
        left, above, diagonal = beside[above_it], beside[at], corner[at]
        guess = left * from_left[at] + above * from_above[at]
        np.copyto(guess, (left + above) >> 1, where=is_mean[at])
        np.copyto(guess, _paeth(left, above, diagonal), where=is_paeth[at])
        pixels = slanted[number, above_it]
        pixels += guess.astype(np.uint8)
        here[above_it] = pixels
        if number % _DIAGONALS_PER_STEP == 0:
            yield
    return np.ascontiguousarray(columns)


def _paeth(left: np.ndarray, above: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Whichever is nearest to left + above - diagonal (PNG specification, 9.4)."""
    to_left, to_above = above - diagonal, left - diagonal
    to_diagonal = np.abs(to_left + to_above)
    to_left, to_above = np.abs(to_left), np.abs(to_above)
    nearer = np.where(to_above <= to_diagonal, above, diagonal)
    return np.where(to_left <= np.minimum(to_above, to_diagonal), left, nearer)
