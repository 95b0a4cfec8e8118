# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth and coverage of the crop brought to the photo's own pixels.

Coverage follows the photo's edges (guided filter: He, Sun, Tang, "Guided Image Filtering", TPAMI 2013, and
its fast form, arXiv 1505.00996). Depth does not: inside the head it is only smoothed, because a filter
guided by colour would carve brows, moles and shirt patterns into the relief. The silhouette comes from
coverage, and depth is continued outwards before enlarging, so that no pixel of the rim is a mixture of head
and background ("flying pixels").
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from backend.imaging.crop import CropBox, Window, crop_to_window, resample_separable
from backend.imaging.matte import clean_coverage, smoothstep

_WORK_SIDE_PX = 1024  # largest fit of the guided filter; its smooth coefficients are enlarged further
_GUIDE_RADIUS_MODEL_PX = 1.5  # how far the predicted matte may be off
_GUIDE_EPSILON = 4e-4  # variance of colour (0..1) that counts as an edge: (2 %)^2
_BAND_MODEL_PX = 2.0  # the photo's edges may only speak this near to the predicted silhouette
_RIM_SIGMA_PX, _RIM_BASE_PX, _RIM_REACH_PX = 1.2, 3.0, 4.0  # model px: how depth is continued past the rim
_KNIT_MODEL_PX = 0.6  # Gaussian after enlarging: takes out the knots of the cubic at each model pixel


def coverage_at_photo(coverage: np.ndarray, crop: CropBox, photo: np.ndarray) -> np.ndarray:
    """Coverage of the whole photo, 0 outside the crop.

    Args:
        coverage: float [R, R] 0..1 as predicted.
        crop: where it lies.
        photo: uint8 [H, W, 3], the picture whose silhouette is meant (the edited one after an edit).

    Returns:
        float32 [H, W] 0..1.
    """
    height, width = photo.shape[:2]
    window = crop.window(width, height)
    out = np.zeros((height, width), np.float32)
    coverage = clean_coverage(np.asarray(coverage, dtype=np.float32))
    if not (coverage > 0.5).any():
        return out
    slope, offset, guide_scale = _fit_guided(coverage, crop, photo, window)
    # 1 within a few model pixels of the predicted silhouette, 0 in the sure inside and outside.
    soft = cv2.GaussianBlur(coverage, (0, 0), _BAND_MODEL_PX)
    band = smoothstep(np.minimum(soft, 1.0 - soft), 0.02, 0.12).astype(np.float32)
    for strip in window.strips():
        map_y = (np.arange(strip.y0, strip.y1) + 0.5 - window.y0) * guide_scale[0] - 0.5
        map_x = (np.arange(strip.x0, strip.x1) + 0.5 - window.x0) * guide_scale[1] - 0.5
        guided = resample_separable(offset, map_x, map_y, cubic=False)
        guide = photo[strip.slices].astype(np.float32) / 255.0
        for channel in range(3):
            guided += resample_separable(slope[..., channel], map_x, map_y, cubic=False) * guide[..., channel]
        plain = crop_to_window(coverage, crop, strip)
        weight = crop_to_window(band, crop, strip, smooth=True)
        # The fit explains edges only partly, which leaves them greyer than they are: stretch about one half.
        guided = 0.5 + (guided - 0.5) * 1.25
        out[strip.slices] = (plain * (1.0 - weight) + guided * weight).clip(0.0, 1.0)
    return out


def depth_at_photo(
    depth_mm: np.ndarray, coverage: np.ndarray, crop: CropBox, photo_coverage: np.ndarray
) -> np.ndarray:
    """Depth of the whole photo.

    Args:
        depth_mm: float [R, R] as predicted (any value outside the head).
        coverage: float [R, R] 0..1 as predicted.
        crop: where they lie.
        photo_coverage: float [H, W] from :func:`coverage_at_photo`; depth is given where it is at least one
        half.

    Returns:
        float32 [H, W] mm, nearer = larger, NaN outside the head.
    """
    height, width = photo_coverage.shape
    window = crop.window(width, height)
    out = np.full((height, width), np.nan, np.float32)
    # Predictions at the rim average head and background; they are replaced by what lies inside.
    trusted = smoothstep(clean_coverage(np.asarray(coverage, np.float32)), 0.6, 0.95).astype(np.float32)
    if not (trusted > 0.5).any():
        return out
    whole = continue_outside(np.where(np.isfinite(depth_mm), depth_mm, 0.0).astype(np.float32), trusted)
    resolution = whole.shape[0]
    # Enlarge to the working size, knit with a Gaussian there; from there on plain cubic has nothing left to
    # imprint.
    factor = max(1, min(math.ceil(crop.side / resolution), _WORK_SIDE_PX // resolution))
    positions = (np.arange(resolution * factor) + 0.5) / factor - 0.5
    work = resample_separable(whole, positions, positions, cubic=True)
    work = cv2.GaussianBlur(work, (0, 0), _KNIT_MODEL_PX * factor, borderType=cv2.BORDER_REPLICATE)
    for strip in window.strips():
        values = crop_to_window(work, crop, strip)
        out[strip.slices] = np.where(photo_coverage[strip.slices] >= 0.5, values, np.nan)
    return out


def continue_outside(depth_mm: np.ndarray, trusted: np.ndarray) -> np.ndarray:
    """Depth continued outwards from the trusted pixels along the slope it has there.

    A mean of the neighbourhood would do for colours; depth falls towards the rim, so that a mean lies in
    front of it and turns the rim up into a lip.

    Args:
        depth_mm: float32 [R, R], finite.
        trusted: float32 [R, R] 0..1, more than one half somewhere.

    Returns:
        float32 [R, R]; unchanged where ``trusted`` is 1.
    """
    inside = trusted > 0.5
    weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _RIM_SIGMA_PX)
    smooth = cv2.GaussianBlur(depth_mm * inside, (0, 0), _RIM_SIGMA_PX) / np.maximum(weight, 1e-4)
    distance, nearest_label = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = nearest_label.astype(np.int64)
    rows, columns = np.nonzero(inside)
    nearest = np.zeros((int(labels.max()) + 1, 2), np.int64)
    nearest[labels[rows, columns]] = np.stack([rows, columns], axis=1)
    at = nearest[labels]  # [R, R, 2], the trusted pixel nearest to each
    here = np.moveaxis(np.indices(inside.shape), 0, -1)
    # The slope is measured a few pixels inwards, along the line from here to the nearest trusted pixel.
    inwards = (at - here) / np.maximum(distance, 1.0)[..., None]
    back = np.rint(at + inwards * _RIM_BASE_PX).astype(np.int64)
    back = np.clip(back, 0, np.array(inside.shape) - 1)
    known = inside[back[..., 0], back[..., 1]]
    at_rim = smooth[at[..., 0], at[..., 1]]
    slope = np.where(known, (at_rim - smooth[back[..., 0], back[..., 1]]) / _RIM_BASE_PX, 0.0)
    beyond = at_rim + np.minimum(slope, 0.0) * np.minimum(distance, _RIM_REACH_PX)
    beyond = np.where(inside, smooth, beyond).astype(np.float32)
    beyond = np.where(inside, beyond, cv2.GaussianBlur(beyond, (0, 0), 1.0))
    return depth_mm * trusted + beyond * (1.0 - trusted)


def _fit_guided(
    coverage: np.ndarray, crop: CropBox, photo: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Local models coverage = slope . rgb + offset at working size; work pixels per photo pixel (y, x)."""
    height, width = window.shape
    work_scale = min(1.0, _WORK_SIDE_PX / max(height, width))
    size = (max(1, round(width * work_scale)), max(1, round(height * work_scale)))
    guide = cv2.resize(photo[window.slices], size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    scale = (size[1] / height, size[0] / width)
    step = coverage.shape[0] / crop.side
    map_y = ((np.arange(size[1]) + 0.5) / scale[0] + window.y0 - crop.y) * step - 0.5
    map_x = ((np.arange(size[0]) + 0.5) / scale[1] + window.x0 - crop.x) * step - 0.5
    target = resample_separable(coverage, map_x, map_y, cubic=True).clip(0.0, 1.0)
    radius = max(2, round(_GUIDE_RADIUS_MODEL_PX * scale[0] / step))
    slope, offset = _guided_filter(guide, target, radius, _GUIDE_EPSILON)
    return slope, offset, scale


def _guided_filter(
    guide: np.ndarray, target: np.ndarray, radius: int, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Averaged coefficients of the colour guided filter: slope [h, w, 3] and offset [h, w]."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_target = mean(guide), mean(target)
    covariance = np.stack(
        [mean(guide[..., c] * target) - mean_guide[..., c] * mean_target for c in range(3)], axis=-1
    )
    # The six distinct entries of the colour covariance, inverted by cofactors: np.linalg.solve per pixel is
    # far slower.
    moment = {
        (i, j): mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
        for i in range(3)
        for j in range(i, 3)
    }
    rr, gg, bb = (moment[i, i] + epsilon for i in range(3))
    rg, rb, gb = moment[0, 1], moment[0, 2], moment[1, 2]
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * c00 + rg * c01 + rb * c02
    x, y, z = covariance[..., 0], covariance[..., 1], covariance[..., 2]
    slope = (
        np.stack(
            [c00 * x + c01 * y + c02 * z, c01 * x + c11 * y + c12 * z, c02 * x + c12 * y + c22 * z], axis=-1
        )
        / np.maximum(determinant, 1e-12)[..., None]
    )
    offset = mean_target - (slope * mean_guide).sum(axis=-1)
    return mean(slope.astype(np.float32)), mean(offset.astype(np.float32))
