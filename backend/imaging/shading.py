# SPDX-License-Identifier: GPL-3.0-or-later
"""Normals, shaded previews and a plain relight of a depth map, in numpy.

Directions are in the viewer's frame: x right, y up, z towards the viewer; the camera is orthographic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.imaging.matte import fill_outside

KEY_LIGHT = (-0.5, 0.6, 0.62)  # from the upper left, as in a portrait studio
_FILL = 0.28  # of the light of a preview


def normals_from_depth(depth_mm: np.ndarray, mm_per_px: float) -> np.ndarray:
    """Unit normals float32 [H, W, 3] of depth [H, W] in mm; NaN where depth is NaN.

    At the silhouette one-sided differences are used, so that the rim has normals too.
    """
    inside = np.isfinite(depth_mm)
    slope_x = _slope(depth_mm, inside, 1) / mm_per_px
    slope_down = _slope(depth_mm, inside, 0) / mm_per_px
    normals = np.stack([-slope_x, slope_down, np.ones_like(slope_x)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[~inside] = np.nan
    return normals.astype(np.float32)


def shade(normals: np.ndarray, light: Sequence[float] = KEY_LIGHT, ambient: float = 0.25) -> np.ndarray:
    """Lambert shading 0..1 [H, W] (linear light): ambient + (1 - ambient) * max(0, n . l); NaN outside."""
    direction = np.asarray(light, np.float32)
    direction = direction / np.linalg.norm(direction)
    return (ambient + (1.0 - ambient) * np.maximum(normals @ direction, 0.0)).astype(np.float32)


def depth_preview(
    depth_mm: np.ndarray, mm_per_px: float, light: Sequence[float] = KEY_LIGHT, background: float = 0.12
) -> np.ndarray:
    """Depth as grey clay lit from ``light``, and a little from the other side to show the shadow's form too: uint8
    [H, W, 3]."""
    normals = normals_from_depth(depth_mm, mm_per_px)
    fill = (-light[0], 0.2 * light[1], light[2])
    shading = (1 - _FILL) * shade(normals, light, ambient=0.06) + _FILL * shade(normals, fill, ambient=0.0)
    grey = np.where(np.isfinite(shading), linear_to_srgb(0.75 * np.nan_to_num(shading)), background)
    return np.repeat(np.rint(grey * 255).astype(np.uint8)[..., None], 3, axis=2)


def normal_preview(normals: np.ndarray) -> np.ndarray:
    """Normals in the usual colours (x red, y green, z blue): uint8 [H, W, 3], black outside."""
    return np.rint(np.nan_to_num(normals * 0.5 + 0.5) * 255).astype(np.uint8)


def relight(
    rgb: np.ndarray,
    normals: np.ndarray,
    coverage: np.ndarray,
    light: Sequence[float] = KEY_LIGHT,
    *,
    ambient: float = 0.25,
    shading: np.ndarray | None = None,
) -> np.ndarray:
    """The picture under another light.

    Args:
        rgb: uint8 [H, W, 3].
        normals: float [H, W, 3], NaN outside the head.
        coverage: float [H, W] 0..1, blends the relit head over the unchanged background.
        light: direction to the light.
        ambient: share of light from everywhere.
        shading: float [H, W] or [H, W, 3], the photo's own shading (mean 1) from ``delighting``; divided out
        first.

    Returns:
        uint8 [H, W, 3].
    """
    linear = srgb_to_linear(rgb.astype(np.float32) / 255.0)
    if shading is not None:
        linear = linear / (shading if shading.ndim == 3 else shading[..., None])
    new = shade(normals, light, ambient)
    inside = np.isfinite(new)
    if not inside.any():
        return rgb.copy()
    new = fill_outside(np.nan_to_num(new), inside.astype(np.float32)) / max(float(np.nanmean(new)), 1e-3)
    lit = linear_to_srgb(np.clip(linear * new[..., None], 0, 1))
    alpha = np.clip(coverage, 0, 1)[..., None]
    return np.rint((rgb / 255.0 * (1 - alpha) + lit * alpha) * 255).astype(np.uint8)


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """sRGB transfer function inverted, 0..1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    """sRGB transfer function, 0..1."""
    values = np.maximum(values, 0.0)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055).astype(
        np.float32
    )


def _slope(depth: np.ndarray, inside: np.ndarray, axis: int) -> np.ndarray:
    """Difference per pixel along an axis from whichever neighbours exist; 0 where none does."""
    depth = np.where(inside, depth, 0.0).astype(np.float32)
    step = np.diff(depth, axis=axis)
    both = np.take(inside, range(1, inside.shape[axis]), axis) & np.take(
        inside, range(inside.shape[axis] - 1), axis
    )
    step *= both
    pad = [(0, 0), (0, 0)]
    pad[axis] = (1, 0)
    before, before_known = np.pad(step, pad), np.pad(both, pad)
    pad[axis] = (0, 1)
    after, after_known = np.pad(step, pad), np.pad(both, pad)
    count = before_known.astype(np.float32) + after_known
    return (before + after) / np.maximum(count, 1.0)
