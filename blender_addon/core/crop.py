# SPDX-License-Identifier: GPL-3.0-or-later
"""The square round the head, in pixels of the photo from its upper left corner."""

from __future__ import annotations

from typing import NamedTuple

SMALLEST_PX = 32  # the backend takes none that is smaller
MAX_SIDE_IN_PHOTOS = 4  # and none that is this many times the photo's longer side
LARGEST_PX = MAX_SIDE_IN_PHOTOS * 8000  # of the largest photo


class Crop(NamedTuple):
    """Upper left corner and side in pixels; it may reach over the photo's borders."""

    left: int
    top: int
    side: int


def from_drag(start: tuple[float, float], end: tuple[float, float]) -> Crop | None:
    """The square that a drag spans from corner to corner (x right, y down, pixels); None for one that is too small."""
    across, down = end[0] - start[0], end[1] - start[1]
    side = max(abs(across), abs(down))
    if side < SMALLEST_PX:
        return None
    left = start[0] if across >= 0 else start[0] - side
    top = start[1] if down >= 0 else start[1] - side
    return Crop(round(left), round(top), round(side))


def largest_side(size_px: tuple[int, int] | None) -> int:
    """The widest crop that the backend takes of a photo of this size (width, height); None where it is not known."""
    return MAX_SIDE_IN_PHOTOS * max(size_px) if size_px and max(size_px) > 0 else LARGEST_PX


def corners_uv(crop: Crop, size_px: tuple[int, int]) -> list[tuple[float, float]]:
    """Its four corners in units of the picture (width, height), v upwards, one after another round the square."""
    width, height = size_px
    u0, u1 = crop.left / width, (crop.left + crop.side) / width
    v0, v1 = 1 - crop.top / height, 1 - (crop.top + crop.side) / height
    return [(u0, v0), (u1, v0), (u1, v1), (u0, v1)]
