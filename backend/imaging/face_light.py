# SPDX-License-Identifier: GPL-3.0-or-later
"""The light on a face, from its skin alone.

`delighting` divides shading out of a whole head and may take some of the hair's or a hood's colour for light. What a
sculpted nose should look like hangs on the light itself, so that here it is fitted to pixels of one colour.
"""

from __future__ import annotations

import numpy as np

from backend.imaging.delighting import harmonics
from backend.imaging.shading import srgb_to_linear

_FRONT_MM, _FACE_MM = 45.0, 70.0  # behind the nose's tip: certainly face; where skin is looked for
_SKIN_HUE, _SKIN_DARKER, _SKIN_BRIGHTER = (
    0.35,
    4.0,
    3.0,
)  # log ratio of channels; factors of the median luminance
_ROUNDS = 6
# A face seen from the front tells the constant, the frontal and the second-order terms hardly apart: without a prior
# they cancel each other in the thousands. Of 0.001 to 0.3 this came nearest to sculpted heads that were rendered.
_PRIOR = 0.02 * np.array([0, 1, 1, 1, 2, 2, 2, 2, 2])
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def fit_face_light(
    rgb: np.ndarray, normals: np.ndarray, depth_mm: np.ndarray, coverage: np.ndarray
) -> np.ndarray:
    """Spherical harmonics [9] of the normals (`delighting.harmonics`), mean 1 on the face's skin.

    Args:
        rgb: float [H, W, 3] 0..1, sRGB.
        normals: float [H, W, 3], unit, NaN outside the head.
        depth_mm: float [H, W], NaN outside the head.
        coverage: float [H, W] 0..1.

    Returns:
        [9]; constant light where there is too little skin to say more.
    """
    constant = np.eye(9)[0]
    linear = srgb_to_linear(np.asarray(rgb, np.float32))
    luminance = linear @ _LUMINANCE
    inside = (coverage > 0.5) & np.isfinite(normals).all(axis=-1) & np.isfinite(depth_mm)
    seen = (
        inside & (linear.max(axis=-1) < 0.98) & (luminance > 0.003) & (np.nan_to_num(normals[..., 2]) > 0.25)
    )
    if not seen.any():
        return constant
    behind = depth_mm[inside].max() - np.nan_to_num(depth_mm, nan=-1e3)
    hue = np.log(linear + 0.004)
    hue -= hue.mean(axis=-1, keepdims=True)
    front = seen & (behind < _FRONT_MM)
    if front.sum() < 100:
        return constant
    middle = float(np.median(luminance[front]))
    skin = seen & (behind < _FACE_MM) & (np.abs(hue - np.median(hue[front], axis=0)).max(axis=-1) < _SKIN_HUE)
    skin &= (luminance > middle / _SKIN_DARKER) & (luminance < middle * _SKIN_BRIGHTER)
    if skin.sum() < 100:
        return constant
    basis, values = harmonics(normals[skin]).astype(np.float64), luminance[skin].astype(np.float64) / middle
    weights, found = np.ones(len(values)), constant
    for _ in range(_ROUNDS):  # Geman-McClure: brows, lips and highlights lose weight
        weighted = basis * weights[:, None] / weights.sum()
        found = np.linalg.solve(weighted.T @ basis + np.diag(_PRIOR), weighted.T @ values)
        residual = values - basis @ found
        spread = max(1.4826 * float(np.median(np.abs(residual))), 1e-3)
        weights = 1.0 / (1.0 + (residual / (2.0 * spread)) ** 2) ** 2
    return found / max(float((basis @ found).mean()), 1e-3)
