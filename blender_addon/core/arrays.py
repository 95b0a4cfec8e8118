# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes .npy and PNG in memory with the standard library and numpy."""

from __future__ import annotations

import ast
import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
Content = TypeVar("Content", bound=bytes | memoryview)
_NPY_TYPES = ("<f4", "<f2", "<f8", "|u1", "<u2")


def read_npy(data: bytes | bytearray | memoryview) -> np.ndarray:
    """A two-dimensional numeric .npy file's content -> float32 [H, W]. Raises ValueError; never unpickles."""
    if len(data) < 12 or data[:6] != b"\x93NUMPY":
        raise ValueError("no .npy file")
    length_bytes = 2 if data[6] == 1 else 4
    header_end = 8 + length_bytes + int.from_bytes(data[8 : 8 + length_bytes], "little")
    try:
        header = ast.literal_eval(bytes(data[8 + length_bytes : header_end]).decode("latin-1").strip())
        descr, shape, fortran = header["descr"], header["shape"], header["fortran_order"]
    except (SyntaxError, KeyError, TypeError) as error:
        raise ValueError(f".npy header cannot be read: {error}") from error
    if descr not in _NPY_TYPES or fortran or not isinstance(shape, tuple) or len(shape) != 2:
        raise ValueError(f".npy of type {descr} and shape {shape} is not supported")
    dtype = np.dtype(descr)
    if len(data) - header_end != shape[0] * shape[1] * dtype.itemsize:
        raise ValueError(".npy file is cut off")
    array = np.frombuffer(data, dtype, offset=header_end).reshape(shape)
    return array if array.dtype == np.float32 else array.astype(np.float32)


def write_npy(array: np.ndarray) -> bytes:
    """float32 [H, W] -> a .npy file's content."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, np.float32), allow_pickle=False)
    return buffer.getvalue()


def empty_npy(shape: tuple[int, ...]) -> tuple[bytearray, np.ndarray]:
    """A .npy file's content of float32, and the array in it, to be filled: no second copy of a large map is made."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
    )
    content = bytearray(header.tell() + 4 * int(np.prod(shape)))
    content[: header.tell()] = header.getvalue()
    return content, np.frombuffer(content, "<f4", offset=header.tell()).reshape(shape)


def png_size(data: bytes | memoryview) -> tuple[int, int]:
    """(width, height) from a PNG's header. Raises ValueError."""
    if len(data) < 33 or data[:8] != PNG_SIGNATURE or data[12:16] != b"IHDR":
        raise ValueError("no PNG file")
    width, height = struct.unpack(">II", data[16:24])
    if not (0 < width <= 65535 and 0 < height <= 65535):
        raise ValueError(f"PNG of {width} x {height} pixels")
    return width, height


def checked_png(data: Content) -> Content:
    """Passes a complete PNG on; raises ValueError for one that is cut off."""
    png_size(data)
    if data[-8:-4] != b"IEND":
        raise ValueError("PNG is cut off")
    return data


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each whole chunk of a PNG (its specification, 5.3); nothing of any other file."""
    place = len(PNG_SIGNATURE)
    if data[:place] != PNG_SIGNATURE:
        return
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield bytes(data[place + 4 : place + 8]), memoryview(data)[place + 8 : place + 8 + length]
        place += 12 + length


def png_file(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG of chunks, (kind, content) each."""
    out = bytearray(PNG_SIGNATURE)
    for kind, content in chunks:
        out += (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )
    return bytes(out)


def write_png(rgb: np.ndarray, level: int = 1) -> bytes:
    """uint8 [H, W, 3], top row first, bytes as stored (sRGB) -> a PNG file's content."""
    height, width, channels = rgb.shape
    if channels != 3 or rgb.dtype != np.uint8:
        raise ValueError("only 8-bit RGB can be written")
    rows = np.zeros((height, 1 + width * 3), np.uint8)
    rows[:, 0] = 1  # filter "Sub": smaller than none, and vectorised in one line
    flat = rgb.reshape(height, width * 3)
    rows[:, 1:4] = flat[:, :3]
    rows[:, 4:] = flat[:, 3:] - flat[:, :-3]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png_file(
        (
            (b"IHDR", header),
            (b"sRGB", b"\0"),
            (b"IDAT", zlib.compress(rows.tobytes(), level)),
            (b"IEND", b""),
        )
    )


def srgb_bytes(pixels: np.ndarray, *, scene_linear: bool) -> np.ndarray:
    """Blender's float pixels [H, W, 4], bottom row first -> uint8 [H, W, 3] sRGB, top row first.

    Byte images hold their stored values (scene_linear False); float images hold scene-linear light times its alpha.
    Transparent pixels are laid over white: the model has no alpha.
    """
    rgb = pixels[::-1, :, :3]
    alpha = pixels[::-1, :, 3:4]
    if scene_linear:
        positive = np.clip(np.where(alpha > 0, rgb / np.maximum(alpha, 1e-6), rgb), 0.0, 1.0)
        rgb = np.where(positive <= 0.0031308, positive * 12.92, 1.055 * positive ** (1 / 2.4) - 0.055)
    if float(alpha.min()) < 1.0:
        rgb = rgb * alpha + (1.0 - alpha)
    return (np.clip(np.nan_to_num(rgb), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
