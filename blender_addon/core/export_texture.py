# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that goes into an exported file: the head on plain base colour, with a margin for the base."""

from __future__ import annotations

import numpy as np

MARGIN_PX = 4


def with_margin(rgb: np.ndarray, coverage: np.ndarray | None, base_rgb: tuple[int, int, int]) -> np.ndarray:
    """uint8 [H, W, 3], top row first, and the head's coverage (float [H, W], 0..1) -> uint8 [H + 8, W + 8, 3].

    What the head does not cover gets the base colour; without coverage the whole picture stays.
    """
    height, width = rgb.shape[:2]
    base = np.array(base_rgb, np.float32)
    out = np.empty((height + 2 * MARGIN_PX, width + 2 * MARGIN_PX, 3), np.uint8)
    out[:] = base_rgb
    inner = out[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    if coverage is None:
        inner[:] = rgb
    else:
        share = np.clip(coverage, 0, 1).astype(np.float32)[..., None]
        inner[:] = np.round(rgb * share + base * (1 - share)).astype(np.uint8)
    return out


def uv_with_margin(corner_uv: np.ndarray, width: int, height: int) -> np.ndarray:
    """float [..., 2] over the picture without margin -> over the one of `width` x `height` px with margin.

    Places outside the picture, and NaN for plain faces, come to lie in the margin.
    """
    size = np.array([width, height], np.float64)
    inner = (corner_uv * (size - 2 * MARGIN_PX) + MARGIN_PX) / size
    plain = np.isnan(inner).any(-1, keepdims=True)
    inner = np.where(plain, MARGIN_PX / 2 / size, inner)
    return np.clip(inner, 1 / size, 1 - 1 / size)


def colours_at(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3], top row first, and uv [N, 2] -> uint8 [N, 3], bilinear."""
    height, width = picture.shape[:2]
    x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip((1 - uv[:, 1]) * height - 0.5, 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    right, down = (x - left)[:, None], (y - top)[:, None]
    upper = picture[top, left] * (1 - right) + picture[top, left + 1] * right
    lower = picture[top + 1, left] * (1 - right) + picture[top + 1, left + 1] * right
    return np.round(upper * (1 - down) + lower * down).astype(np.uint8)


def vertex_colours(
    picture: np.ndarray, triangles: np.ndarray, corner_uv: np.ndarray, smooth: np.ndarray, count: int
) -> np.ndarray:
    """uint8 [V, 3]: the picture at each vertex; where plain and modelled faces meet the modelled one decides."""
    uv = np.full((count, 2), 0.0)
    for chosen in (~smooth, smooth):
        uv[triangles[chosen].ravel()] = corner_uv[chosen].reshape(-1, 2)
    return colours_at(picture, uv)
