# SPDX-License-Identifier: GPL-3.0-or-later
"""The square the model sees: where it lies in the photo, how it is sampled, and how its maps return to photo
pixels.

Coordinates: photo pixels with pixel centres at +0.5, x right, y down. A crop may extend past the photo.
Standard framing: the square spans 340 mm of an average-sized head and is centred on the head's centre (a
little above eye level, the middle of the skull), so that an average head fills about two thirds of its
height.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from backend.errors import InputError
from backend.imaging.face_finding import Face
from backend.imaging.matte import coverage_bounds

STANDARD_CROP_MM = 340.0
# Measured on three portraits: eye distance and head height put 340 mm at 1.9 to 2.4 face squares, and the
# eyes .12 to .15 of a square above its middle; the head's centre (mean of crown, chin, brow and back) lies
# about 10 mm higher still.
_CROP_PER_FACE = 2.1
_HEAD_CENTRE_ABOVE_FACE_CENTRE = 0.19
_CROWN_ABOVE_CENTRE_MM = 125.0  # hair of ordinary length included
_MAX_SIDE_IN_PHOTOS = 4.0  # a crop wider than this many photos is a slip of the hand
_REFINE_LIMIT = 0.5  # a refined crop may move or grow by half a side, not more
# What the detector says is kept within these; beyond, the model's own view of the head corrects it.
_SIDE_TOLERANCE = 0.04
_ACROSS_TOLERANCE_MM = 10.0
_UPRIGHT_TOLERANCE_MM = 30.0  # generous: hair and hats raise the top of the coverage, not the head's centre
_BORDER_OVERSAMPLING = 4  # pixels kept for each sample of a crop that reaches over the photo's borders
_SOFT_PADDING = 0.04  # of the side: over this distance outside the photo, replicated edges fade into blur


@dataclass(frozen=True)
class CropBox:
    """A square in photo pixels: left, top and side (floats; may extend past the photo)."""

    x: float
    y: float
    side: float

    @classmethod
    def from_sequence(cls, values: Sequence[float]) -> CropBox:
        """From ``[x, y, side]``. Raises InputError unless these are three numbers."""
        try:
            x, y, side = (float(value) for value in values)
        except (TypeError, ValueError) as error:
            raise InputError(
                "The crop must be three numbers: left, top, side.", "Draw the crop again.", code="bad_crop"
            ) from error
        return cls(x, y, side)

    @classmethod
    def from_centre(cls, centre_x: float, centre_y: float, side: float) -> CropBox:
        return cls(centre_x - side / 2, centre_y - side / 2, side)

    @classmethod
    def from_face(cls, face: Face) -> CropBox:
        """Standard framing guessed from the face square alone, before the model has looked."""
        roll = math.radians(face.roll_deg)
        up = _HEAD_CENTRE_ABOVE_FACE_CENTRE * face.side
        return cls.from_centre(
            face.x + up * math.sin(roll), face.y - up * math.cos(roll), _CROP_PER_FACE * face.side
        )

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.side / 2, self.y + self.side / 2

    def to_list(self) -> list[float]:
        """``[x, y, side]`` rounded to a thousandth of a pixel, as in reports and requests."""
        return [round(self.x, 3), round(self.y, 3), round(self.side, 3)]

    def check(self, width: int, height: int, name: str = "the photo") -> None:
        """Raise InputError unless the crop is at least 32 px wide and a tenth of it shows the photo."""
        hint = "Draw the crop around the whole head, hair and chin included."
        if not all(math.isfinite(v) for v in (self.x, self.y, self.side)) or self.side < 32:
            raise InputError(
                f"The crop {self.to_list()} of {name} is not a square of 32 px or more.",
                hint,
                code="bad_crop",
            )
        if self.side > _MAX_SIDE_IN_PHOTOS * max(width, height):
            raise InputError(f"The crop {self.to_list()} is far larger than {name}.", hint, code="bad_crop")
        shown_x = min(self.x + self.side, width) - max(self.x, 0)
        shown_y = min(self.y + self.side, height) - max(self.y, 0)
        if shown_x <= 0 or shown_y <= 0 or shown_x * shown_y < 0.1 * self.side**2:
            raise InputError(f"The crop {self.to_list()} lies outside {name}.", hint, code="bad_crop")

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """Crop units (0..1) [..., 2] to photo pixels."""
        return np.asarray(points, dtype=np.float64) * self.side + (self.x, self.y)

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Photo pixels [..., 2] to crop units (0..1)."""
        return (np.asarray(points, dtype=np.float64) - (self.x, self.y)) / self.side

    def window(self, width: int, height: int) -> Window:
        """The photo's pixels that the crop touches."""
        return Window(
            max(0, math.floor(self.x)),
            max(0, math.floor(self.y)),
            min(width, math.ceil(self.x + self.side)),
            min(height, math.ceil(self.y + self.side)),
        )


@dataclass(frozen=True)
class Window:
    """Whole photo pixels x0 <= x < x1, y0 <= y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing a photo-sized array [H, W, ...]."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def shape(self) -> tuple[int, int]:
        return self.y1 - self.y0, self.x1 - self.x0

    def strips(self, max_pixels: int = 4_000_000) -> list[Window]:
        """The window cut into bands of rows, so that work at native resolution needs bounded memory."""
        rows = max(16, max_pixels // max(1, self.x1 - self.x0))
        return [Window(self.x0, y, self.x1, min(y + rows, self.y1)) for y in range(self.y0, self.y1, rows)]


def extract_crop(photo: np.ndarray, crop: CropBox, size_px: int) -> np.ndarray:
    """Sample the crop antialiased (Lanczos over the exact, fractional box).

    Args:
        photo: uint8 [H, W, 3].
        crop: may extend past the photo: there the edge is replicated and fades into blur.
        size_px: R.

    Returns:
        float32 [R, R, 3] in 0..1.
    """
    height, width = photo.shape[:2]
    x0, y0 = math.floor(crop.x), math.floor(crop.y)
    x1, y1 = math.ceil(crop.x + crop.side), math.ceil(crop.y + crop.side)
    inside = photo[max(y0, 0) : max(min(y1, height), 1), max(x0, 0) : max(min(x1, width), 1)]
    border = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
    surrounded, box = _surrounded(inside, border, crop, size_px, cv2.BORDER_REPLICATE)
    # A huge crop is first reduced by a whole factor with a box filter (reducing_gap); 3 keeps that invisible.
    image = surrounded.resize((size_px, size_px), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    values = np.asarray(image, dtype=np.float32) / 255.0
    return _soften_padding(values, crop, width, height)


def crop_to_window(values: np.ndarray, crop: CropBox, window: Window, *, smooth: bool = False) -> np.ndarray:
    """Crop-sized maps at the photo's pixels.

    Args:
        values: float32 [R, R] or [R, R, C] covering the crop.
        window: the photo pixels wanted; outside the crop the crop's edge is replicated.
        smooth: bilinear instead of bicubic: never overshoots (masks, motion).

    Returns:
        float32 [h, w(, C)] for the window.
    """
    resolution = values.shape[0]
    step = resolution / crop.side  # crop pixels per photo pixel
    values = np.ascontiguousarray(values, dtype=np.float32)
    if step > 1.0:  # the photo is coarser than the model: low-pass before sampling
        values = cv2.GaussianBlur(
            values, (0, 0), 0.5 * math.sqrt(step**2 - 1.0) + 1e-3, borderType=cv2.BORDER_REPLICATE
        )
    map_x = ((np.arange(window.x0, window.x1) + 0.5 - crop.x) * step - 0.5).astype(np.float64)
    map_y = ((np.arange(window.y0, window.y1) + 0.5 - crop.y) * step - 0.5).astype(np.float64)
    return resample_separable(values, map_x, map_y, cubic=not smooth)


def resample_separable(
    values: np.ndarray, map_x: np.ndarray, map_y: np.ndarray, *, cubic: bool
) -> np.ndarray:
    """``values`` [H, W(, C)] at rows ``map_y`` and columns ``map_x`` (pixel positions, edges replicated).

    cv2.remap and warpAffine quantise positions to 1/32 px, which terraces enlarged depth; exact weights do
    not.
    """
    rows = _resample_axis(values, map_y, 0, cubic)
    return _resample_axis(rows, map_x, 1, cubic)


def extract_map(
    values: np.ndarray, weight: np.ndarray, crop: CropBox, size_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """A photo-sized map with holes sampled over the crop: area averages of what is there, never across the
    holes.

    Args:
        values: float [H, W]; ignored where weight is 0 (NaN allowed there).
        weight: float [H, W] 0..1; 0 outside the photo.
        crop: where to sample.
        size_px: R.

    Returns:
        values float32 [R, R], NaN where no weight is, and weight float32 [R, R] 0..1.
    """
    height, width = values.shape
    weight = np.where(np.isfinite(values), weight, 0.0).astype(np.float32)
    known = _box_sample(weight, crop, size_px, height, width)
    total = _box_sample(np.nan_to_num(values).astype(np.float32) * weight, crop, size_px, height, width)
    return np.where(known > 1e-3, total / np.maximum(known, 1e-3), np.nan).astype(np.float32), known


def refine_crop(crop: CropBox, coverage: np.ndarray, crop_side_mm: float) -> CropBox:
    """Standard framing from what the model saw in ``crop``; ``crop`` itself where it is good or the answer
    is not.

    Args:
        coverage: float [R, R] 0..1, the predicted head (with neck and hair).
        crop_side_mm: predicted mm of an average-sized head across the crop.
    """
    bounds = coverage_bounds(coverage)
    area = float(np.mean(coverage > 0.5))
    if bounds is None or not 0.05 < area < 0.9 or not math.isfinite(crop_side_mm) or crop_side_mm <= 0:
        return crop
    crown = bounds[1]
    # The neck and what hangs on it say nothing about where the head is: look above the mouth only.
    rows = coverage.shape[0]
    mouth = min(rows, max(2, round((crown + 170.0 / crop_side_mm) * rows)))
    upper = coverage_bounds(coverage[:mouth])
    if upper is None:
        return crop
    across_mm = ((upper[0] + upper[2]) / 2 - 0.5) * crop_side_mm
    down_mm = (crown - 0.5) * crop_side_mm + _CROWN_ABOVE_CENTRE_MM
    growth = STANDARD_CROP_MM / crop_side_mm
    across_mm = _beyond(across_mm, _ACROSS_TOLERANCE_MM)
    down_mm = _beyond(down_mm, _UPRIGHT_TOLERANCE_MM)
    if abs(growth - 1.0) <= _SIDE_TOLERANCE:
        growth = 1.0
    if max(abs(across_mm), abs(down_mm)) > _REFINE_LIMIT * crop_side_mm or abs(growth - 1.0) > _REFINE_LIMIT:
        return crop
    px_per_mm = crop.side / crop_side_mm
    centre_x, centre_y = crop.centre
    return CropBox.from_centre(
        centre_x + across_mm * px_per_mm, centre_y + down_mm * px_per_mm, crop.side * growth
    )


def _beyond(value: float, tolerance: float) -> float:
    """What of ``value`` exceeds the tolerance, with its sign."""
    return math.copysign(max(0.0, abs(value) - tolerance), value)


def _box_sample(values: np.ndarray, crop: CropBox, size_px: int, height: int, width: int) -> np.ndarray:
    """Area average of the crop [R, R]; zero outside the photo."""
    x0, y0 = math.floor(crop.x), math.floor(crop.y)
    x1, y1 = math.ceil(crop.x + crop.side), math.ceil(crop.y + crop.side)
    inside = values[max(y0, 0) : max(min(y1, height), 1), max(x0, 0) : max(min(x1, width), 1)]
    border = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
    surrounded, box = _surrounded(inside, border, crop, size_px, cv2.BORDER_CONSTANT)
    return np.asarray(surrounded.resize((size_px, size_px), Image.Resampling.BOX, box=box))


def _surrounded(
    inside: np.ndarray, border: tuple[int, int, int, int], crop: CropBox, size_px: int, kind: int
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """The photo's part ``inside`` a crop with a border (top, bottom, left, right) around it, and the crop's box in it.

    A crop that is far wider than the samples that are taken is reduced by a whole factor first: bordered at its full
    size, one of 25,000 px would need gigabytes.
    """
    factor = max(1, int(crop.side / (_BORDER_OVERSAMPLING * size_px))) if any(border) else 1
    image = Image.fromarray(np.ascontiguousarray(inside))
    if factor > 1:
        image = image.reduce(factor)
    if any(border):
        above, below, before, behind = (math.ceil(width / factor) for width in border)
        values = np.asarray(image)
        values = cv2.copyMakeBorder(values, above, below, before, behind, kind, value=(0.0, 0.0, 0.0))
        image = Image.fromarray(values)
        top, left = above - border[0] / factor, before - border[2] / factor
    else:
        top = left = 0.0
    x = left + (crop.x - math.floor(crop.x)) / factor
    y = top + (crop.y - math.floor(crop.y)) / factor
    return image, (x, y, x + crop.side / factor, y + crop.side / factor)


def _resample_axis(values: np.ndarray, positions: np.ndarray, axis: int, cubic: bool) -> np.ndarray:
    base = np.floor(positions).astype(np.int64)
    t = (positions - base).astype(np.float32)
    if cubic:  # Catmull-Rom
        taps = (
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        )
        first = -1
    else:
        taps, first = (1.0 - t, t), 0
    shape = [1] * values.ndim
    shape[axis] = len(positions)
    out = None
    for offset, tap in enumerate(taps, start=first):
        index = np.clip(base + offset, 0, values.shape[axis] - 1)
        part = np.take(values, index, axis=axis)
        part *= tap.reshape(shape)
        out = part if out is None else np.add(out, part, out=out)
    assert out is not None
    return out


def _soften_padding(values: np.ndarray, crop: CropBox, width: int, height: int) -> np.ndarray:
    """Blur what lies outside the photo, the more the further out: replicated edges alone are streaks."""
    size = values.shape[0]
    positions = (np.arange(size) + 0.5) / size * crop.side
    outside_x = np.maximum(-(crop.x + positions), crop.x + positions - width).clip(0)
    outside_y = np.maximum(-(crop.y + positions), crop.y + positions - height).clip(0)
    outside = np.hypot(outside_x[None, :], outside_y[:, None]) / (_SOFT_PADDING * crop.side)
    if not outside.any():
        return values
    weight = outside.clip(0, 1).astype(np.float32)[..., None]
    blurred = cv2.GaussianBlur(values, (0, 0), _SOFT_PADDING * size, borderType=cv2.BORDER_REPLICATE)
    return values * (1.0 - weight) + blurred * weight
