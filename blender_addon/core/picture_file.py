# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture file says of itself before anything is decoded: its kind, and how the camera was held."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .arrays import PNG_SIGNATURE, png_chunks
from .crop import Crop

_ORIENTATION = 0x0112  # of the EXIF standard (CIPA DC-008), 4.6.4
_JPEG_END_OF_HEADERS = (0xD9, 0xDA)


def kind(data: bytes) -> str | None:
    """ "JPEG", "PNG" or "WEBP" by the file's first bytes; None for every other one."""
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[: len(PNG_SIGNATURE)] == PNG_SIGNATURE:
        return "PNG"
    return "WEBP" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def orientation(data: bytes) -> int:
    """EXIF orientation 1..8 of a JPEG, PNG or WebP; 1 (upright) where it says none or says it wrongly."""
    blocks = {"JPEG": _jpeg_blocks, "PNG": _png_blocks, "WEBP": _webp_blocks}.get(kind(data) or "")
    for block in blocks(data) if blocks else ():
        return _orientation_of(block)
    return 1


def upright(crop: Crop, size_px: tuple[int, int], turned: int) -> Crop:
    """A crop drawn on the picture as it is stored (width, height), on the picture turned by its EXIF `orientation`."""
    width, height = size_px
    left, top, side = crop
    right, bottom = width - left - side, height - top - side
    places = {
        1: (left, top), 2: (right, top), 3: (right, bottom), 4: (left, bottom),
        5: (top, left), 6: (bottom, left), 7: (bottom, right), 8: (top, right),
    }  # fmt: skip
    return Crop(*places[turned], side)


def stored(crop: Crop, size_px: tuple[int, int], turned: int) -> Crop:
    """The way back: a crop of the upright picture (width, height), on the picture as it is stored."""
    return upright(crop, size_px, {6: 8, 8: 6}.get(turned, turned))


def _jpeg_blocks(data: bytes) -> Iterator[bytes]:
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] not in _JPEG_END_OF_HEADERS:
        (length,) = struct.unpack_from(">H", data, place + 2)
        body = data[place + 4 : place + 2 + length]
        if data[place + 1] == 0xE1 and body[:6] == b"Exif\0\0":
            yield body[6:]
        place += 2 + length


def _png_blocks(data: bytes) -> Iterator[bytes]:
    for name, content in png_chunks(data):
        if name == b"eXIf":
            yield bytes(content)


def _webp_blocks(data: bytes) -> Iterator[bytes]:
    place = 12
    while place + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        if data[place : place + 4] == b"EXIF":
            yield data[place + 8 : place + 8 + length].removeprefix(b"Exif\0\0")
        place += 8 + length + length % 2


def _orientation_of(block: bytes) -> int:
    """The orientation in an EXIF block (a TIFF file's header and its first directory)."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (place,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, place)
        for number in range(count):
            tag, field_type, _, value = struct.unpack_from(order + "HHIH", block, place + 2 + 12 * number)
            if tag == _ORIENTATION and field_type == 3 and 1 <= value <= 8:
                return value
    except struct.error:
        pass
    return 1
