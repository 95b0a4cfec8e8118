# SPDX-License-Identifier: GPL-3.0-or-later
"""Float pictures as OpenEXR files in memory.

Blender packs a generated float picture by writing an uncompressed file, in ten times the time: too long for one tick.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from .steps import Steps

_MAGIC, _VERSION = 20000630, 2
_FLOAT = 2
_CHANNELS = "AY"  # a file has them in this order
_ZIP, _LINES_PER_BLOCK = 3, 16
_LEVEL = 1  # of zlib: higher ones take three times as long for a hundredth less


def grey_alpha_steps(grey: np.ndarray, alpha: np.ndarray) -> Steps[bytes]:
    """Two float32 [H, W], top row first -> a scan-line file of luminance and alpha, exact to the bit.

    Blender reads it with the luminance in R, G and B. Packing copies the file within one tick, so it has to be small:
    one channel instead of three, compressed (OpenEXR's ZIP: interleaved bytes, differences, zlib). A step a block.
    """
    height, width = grey.shape
    header = _header(width, height)
    starts = range(0, height, _LINES_PER_BLOCK)
    blocks, offsets, offset = [], [], len(header) + 8 * len(starts)
    for start in starts:
        rows = np.s_[start : start + _LINES_PER_BLOCK]
        content = _zipped(np.stack([alpha[rows], grey[rows]], 1).astype("<f4", copy=False))
        blocks += [struct.pack("<2i", start, len(content)), content]
        offsets.append(offset)
        offset += 8 + len(content)
        yield
    return b"".join((header, struct.pack(f"<{len(offsets)}q", *offsets), *blocks))


def is_grey_alpha(data: bytes) -> bool:
    """Whether `grey_alpha_of_steps` reads it: only what `grey_alpha_steps` wrote; a file that Blender wrote differs."""
    try:
        width, height = size_px(data)
    except ValueError:
        return False
    return data.startswith(_header(width, height))


def grey_alpha_of_steps(data: bytes) -> Steps[tuple[np.ndarray, np.ndarray]]:
    """The way back: luminance and alpha, float32 [H, W], top row first. A step a block. Raises ValueError for files of
    others."""
    if not is_grey_alpha(data):
        raise ValueError("no picture of luminance and alpha")
    width, height = size_px(data)
    values = np.empty((height, 2, width), "<f4")
    starts = range(0, height, _LINES_PER_BLOCK)
    offsets = struct.unpack_from(f"<{len(starts)}q", data, len(_header(width, height)))
    for start, offset in zip(starts, offsets, strict=True):
        lines = values[start : start + _LINES_PER_BLOCK]
        _first, length = struct.unpack_from("<2i", data, offset)
        content = memoryview(data)[offset + 8 : offset + 8 + length]
        lines[:] = np.frombuffer(_unzipped(content, lines.nbytes), "<f4").reshape(lines.shape)
        yield
    return values[:, 1], values[:, 0]


def _header(width: int, height: int) -> bytes:
    channels = b"".join(name.encode() + b"\0" + struct.pack("<iB3xii", _FLOAT, 0, 1, 1) for name in _CHANNELS)
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    return struct.pack("<2i", _MAGIC, _VERSION) + b"".join(
        (
            _attribute("channels", "chlist", channels + b"\0"),
            _attribute("compression", "compression", bytes([_ZIP])),
            _attribute("dataWindow", "box2i", window),
            _attribute("displayWindow", "box2i", window),
            _attribute("lineOrder", "lineOrder", b"\0"),
            _attribute("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
            _attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
            _attribute("screenWindowWidth", "float", struct.pack("<f", 1.0)),
            b"\0",
        )
    )


def size_px(data: bytes) -> tuple[int, int]:
    """(width, height) of the data window. Raises ValueError where there is none where we write it."""
    place = data.find(b"dataWindow\0box2i\0", 0, 400)
    if place < 0 or len(data) < place + 37:
        raise ValueError("no EXR file of ours")
    _left, _top, right, bottom = struct.unpack_from("<4i", data, place + 21)
    return right + 1, bottom + 1


def _zipped(lines: np.ndarray) -> bytes:
    """A block's values as a file holds them; as they are where compressing gains nothing."""
    plain = np.ascontiguousarray(lines).view(np.uint8).ravel()
    mixed = np.concatenate([plain[0::2], plain[1::2]])
    mixed[1:] -= mixed[:-1] - np.uint8(128)  # the right side is whole before anything is written
    content = zlib.compress(mixed.data, _LEVEL)
    return content if len(content) < len(plain) else plain.tobytes()


def _unzipped(content: memoryview, size: int) -> np.ndarray:
    """What `_zipped` was given, as bytes. Raises ValueError for a file that is cut off."""
    if len(content) == size:
        return np.frombuffer(content, np.uint8)
    try:
        mixed = np.frombuffer(zlib.decompress(content), np.uint8)
    except zlib.error as error:
        raise ValueError(f"EXR cannot be read: {error}") from error
    if len(mixed) != size:
        raise ValueError("EXR is cut off")
    steps = mixed - np.uint8(128)
    steps[:1] = mixed[:1]
    summed = np.cumsum(steps, dtype=np.uint8)
    return np.stack([summed[: size // 2], summed[size // 2 :]], 1).ravel()


def _attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
