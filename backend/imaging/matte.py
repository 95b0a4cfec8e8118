# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers over the head's coverage (matte): where it is, its main piece, soft steps, filling around it."""

from __future__ import annotations

import cv2
import numpy as np


def smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def coverage_bounds(coverage: np.ndarray, threshold: float = 0.5) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the covered part in crop units (0..1), or None where nothing is covered.

    One percent of the covered pixels is left out at each side, so that stray pixels do not stretch the box.
    """
    covered = main_piece(coverage > threshold)
    if not covered.any():
        return None
    height, width = covered.shape
    ends = []
    for counts, size in ((covered.sum(axis=0), width), (covered.sum(axis=1), height)):
        share = np.cumsum(counts) / counts.sum()
        ends.append(
            (float(np.searchsorted(share, 0.01)) / size, float(np.searchsorted(share, 0.99) + 1) / size)
        )
    (left, right), (top, bottom) = ends
    return left, top, right, bottom


def main_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece of a bool mask [H, W]."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask.astype(bool)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def clean_coverage(coverage: np.ndarray) -> np.ndarray:
    """Coverage [H, W] without islands and without holes: a relief must have neither."""
    solid = coverage > 0.5
    if not solid.any():
        return coverage
    piece = main_piece(solid)
    background = ~piece
    count, labels = cv2.connectedComponents(background.astype(np.uint8), connectivity=4)
    at_border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    holes = background & ~np.isin(labels, at_border) if count > 1 else np.zeros_like(background)
    # Soft pixels next to the main piece belong to it; those around islands go with the island.
    near = cv2.dilate(piece.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    cleaned = np.where(near, coverage, 0.0)
    return np.where(holes, np.maximum(cleaned, 1.0 - cleaned), cleaned).astype(np.float32)


def fill_outside(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values [H, W(, C)] continued smoothly to where ``weight`` [H, W] is 0 (pyramid of normalised averages).

    Where weight is 1 the values stay as they are. All zero weights give zeros.
    """
    weight = np.clip(weight, 0.0, 1.0).astype(np.float32)
    channels = values.ndim == 3
    data = np.nan_to_num(values.astype(np.float32), nan=0.0).reshape(*weight.shape, -1)
    filled = _pull(data * weight[..., None], weight)
    out = data * weight[..., None] + filled * (1.0 - weight[..., None])
    return out if channels else out[..., 0]


def nearest_outside(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Values [H, W(, C)] with each place that is not `inside` (bool [H, W]) given the nearest inner one's; zeros where
    nothing is inside."""
    if not inside.any():
        return np.zeros_like(values)
    outside = (~inside).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    rows, columns = np.nonzero(inside)
    found = np.zeros(labels.max() + 1, np.intp)
    found[labels[rows, columns]] = rows * inside.shape[1] + columns
    return values.reshape(inside.size, -1)[found[labels]].reshape(values.shape)


def _pull(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    height, width = weight.shape
    if min(height, width) <= 2:
        total = float(weight.sum())
        mean = weighted.sum(axis=(0, 1)) / total if total > 0 else np.zeros(weighted.shape[2], np.float32)
        return np.broadcast_to(mean, weighted.shape).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(cv2.GaussianBlur(weight, (5, 5), 1.0), half, interpolation=cv2.INTER_LINEAR)
    small = cv2.resize(cv2.GaussianBlur(weighted, (5, 5), 1.0), half, interpolation=cv2.INTER_LINEAR)
    small = small.reshape(half[1], half[0], -1)
    scale = np.minimum(1.0, 1.0 / np.maximum(small_weight, 1e-6))  # saturate: enough evidence is enough
    below = _pull(small * scale[..., None], small_weight * scale)
    known = np.minimum(small_weight, 1.0)[..., None]
    level = small / np.maximum(small_weight, 1e-6)[..., None] * known + below * (1.0 - known)
    return cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, -1)
