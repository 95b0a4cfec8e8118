# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure metric functions on numpy arrays. Alignment is apart from the metrics, as in Marigold's evaluation."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.metrics import structural_similarity

GRADIENT_LEVELS = 4
UNCHANGED = 2.5 / 255  # a pixel that changes by less than this looks the same


def align_scale_shift(predicted: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`predicted` [H, W] with the least-squares scale and shift that bring it nearest to `truth` inside `mask`.

    A constant prediction has no scale; it is moved to the mean of the truth.
    """
    p, t = predicted[mask].astype(np.float64), truth[mask].astype(np.float64)
    variance = p.var()
    scale = 0.0 if variance < 1e-9 else float(((p - p.mean()) * (t - t.mean())).mean() / variance)
    return predicted * scale + (t.mean() - scale * p.mean())


def rmse(predicted: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Root mean squared error inside `mask`, in the arrays' unit."""
    return float(np.sqrt(np.mean((predicted[mask].astype(np.float64) - truth[mask]) ** 2)))


def mean_absolute_error(predicted: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute error inside `mask`, in the arrays' unit."""
    return float(np.mean(np.abs(predicted[mask].astype(np.float64) - truth[mask])))


def normals(depth_mm: np.ndarray, mm_per_px: float) -> np.ndarray:
    """Unit normals [H, W, 3] (x right, y down, z towards the viewer) by central differences."""
    dy, dx = np.gradient(depth_mm.astype(np.float64), mm_per_px)
    normal = np.stack([-dx, -dy, np.ones_like(dx)], -1)
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def normal_angle_degrees(
    predicted_mm: np.ndarray, truth_mm: np.ndarray, mask: np.ndarray, mm_per_px: float
) -> float:
    """Mean angle between the normals of two height fields, where the 3 x 3 neighbourhood lies in `mask`."""
    inner = mask.copy()
    inner[1:-1, 1:-1] &= mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    inner[[0, -1]] = False
    inner[:, [0, -1]] = False
    if not inner.any():
        return float("nan")
    a = normals(np.where(mask, predicted_mm, 0), mm_per_px)[inner]
    b = normals(np.where(mask, truth_mm, 0), mm_per_px)[inner]
    return float(np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1))).mean())


def intersection_over_union(predicted: np.ndarray, truth: np.ndarray) -> float:
    """IoU of two mattes in 0..1, cut at 0.5; 1 where both are empty."""
    a, b = predicted > 0.5, truth > 0.5
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def psnr(predicted: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB of pictures [H, W, 3] in 0..1, inside `mask` [H, W] if given; at most 99."""
    difference = (predicted.astype(np.float64) - truth) ** 2
    error = difference.mean() if mask is None else difference[mask].mean()
    return float(min(99.0, -10 * np.log10(max(error, 1e-12))))


def ssim(predicted: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Structural similarity (Wang et al. 2004) of pictures [H, W, 3] in 0..1, averaged inside `mask` if given."""
    # With full=True the second result is the map; the stubs allow a third one.
    values = np.asarray(
        structural_similarity(predicted, truth, channel_axis=-1, data_range=1.0, full=True)[1]
    ).mean(-1)
    return float(values.mean() if mask is None else values[mask].mean())


def response(predicted: np.ndarray, start: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """How much of the true change happened: projection of (predicted - start) on (truth - start); 1 is all of it."""
    wanted = (truth.astype(np.float64) - start)[mask].ravel()
    done = (predicted.astype(np.float64) - start)[mask].ravel()
    return float((wanted * done).sum() / max((wanted**2).sum(), 1e-12))


def sharpness_ratio(predicted: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Mean gradient magnitude of the picture against that of the truth inside `mask`; 1 is equally sharp."""

    def strength(picture: np.ndarray) -> float:
        dy, dx = np.gradient(picture.astype(np.float64).mean(-1))
        return float(np.hypot(dx, dy)[mask].mean())

    return strength(predicted) / max(strength(truth), 1e-9)


def multi_scale_gradient_error(
    predicted: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None, levels: int = GRADIENT_LEVELS
) -> float:
    """Mean |dx| + |dy| of the difference of pictures [H, W, 3] in 0..1 between neighbours, averaged over `levels`
    scales that halve each time (gradient matching of Li and Snavely, MegaDepth 2018); 0 is equal up to a constant.

    Both neighbours have to be in `mask`; scales at which nothing of it is left are left out.
    """
    difference = (predicted.astype(np.float64) - truth).mean(-1)
    inside = np.ones(difference.shape, bool) if mask is None else mask
    errors = []
    for _ in range(levels):
        across, down = inside[:, 1:] & inside[:, :-1], inside[1:] & inside[:-1]
        if not across.any() or not down.any():
            break
        errors.append(
            np.abs(np.diff(difference, axis=1))[across].mean()
            + np.abs(np.diff(difference, axis=0))[down].mean()
        )
        difference, inside = _halved(difference), _halved(inside.astype(np.float64)) > 0.5
    return float(np.mean(errors)) if errors else float("nan")


def _halved(values: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 cells; an odd last row or column is dropped."""
    height, width = (side // 2 for side in values.shape)
    return values[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def unchanged(reference: np.ndarray, target: np.ndarray, within: np.ndarray) -> np.ndarray:
    """[H, W] bool: pixels of `within` that have the same colour in both pictures [H, W, 3], as have all eight round
    them: what an edit should leave alone."""
    same = np.abs(target.astype(np.float64) - reference).max(-1) <= UNCHANGED
    return within & ndimage.binary_erosion(same, np.ones((3, 3)), border_value=1)


def rotation_angle_degrees(first: np.ndarray, second: np.ndarray) -> float:
    """Angle in degrees of the turn that leads from one rotation matrix [3, 3] to the other."""
    cosine = (np.trace(first.T @ second) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def sample_at(values: np.ndarray, mask: np.ndarray, places: np.ndarray) -> np.ndarray:
    """[N] values of a map [H, W] at `places` [N, 2] (x, y in shares of the map), bilinear; NaN where one of the four
    pixels round a place is outside `mask` or the map."""
    places_px = places[:, ::-1].T * np.array(values.shape)[:, None] - 0.5  # rows, columns
    picked = ndimage.map_coordinates(np.where(mask, values, 0).astype(np.float64), places_px, order=1)
    weight = ndimage.map_coordinates(mask.astype(np.float64), places_px, order=1)  # 0 beyond the edges
    return np.where(weight > 0.999, picked, np.nan)


def aligned_mean_absolute_error(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute error after the best scale and shift, over the entries that both know; NaN with fewer than 3."""
    known = np.isfinite(predicted) & np.isfinite(truth)
    if known.sum() < 3:
        return float("nan")
    return mean_absolute_error(align_scale_shift(predicted, truth, known), truth, known)
