# SPDX-License-Identifier: GPL-3.0-or-later
"""The photo's own shading, estimated from the predicted normals and divided out.

A Lambertian head under distant light is shaded by nine spherical harmonics of its normals (Ramamoorthi and
Hanrahan, "An Efficient Representation for Irradiance Environment Maps", SIGGRAPH 2001). Their coefficients
are a least-squares problem with a closed solution; brows, lips and highlights are outliers and lose weight
over a few rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.imaging.matte import fill_outside
from backend.imaging.shading import linear_to_srgb, srgb_to_linear

_FIT_SAMPLES = 20_000
_ROUNDS = 6
_RIDGE = 1e-3  # of the diagonal: a head seen from the front says little about light from behind
_FLOOR = 0.15  # of the mean: darker estimates are shadow borders, and dividing by them makes noise of black
_CEILING = 4.0


@dataclass(frozen=True)
class Delit:
    """A head without its light.

    Attributes:
        albedo: uint8 sRGB [H, W, 3]; the photo outside the head.
        shading: float32 [H, W, 3] (three equal channels unless coloured), mean 1 on the head, 1 outside it.
        coefficients: float [9, 3], spherical harmonics of the shading, in the order of :func:`harmonics`.
    """

    albedo: np.ndarray
    shading: np.ndarray
    coefficients: np.ndarray


def harmonics(normals: np.ndarray) -> np.ndarray:
    """Nine real spherical harmonics up to order 2, without their constants: [..., 3] -> [..., 9]."""
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    return np.stack([np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=-1)


def delight(
    rgb: np.ndarray,
    normals: np.ndarray,
    coverage: np.ndarray,
    *,
    coloured: bool = False,
    strength: float = 1.0,
) -> Delit:
    """Fit the light of a photo and divide it out.

    Args:
        rgb: uint8 [H, W, 3], sRGB.
        normals: float [H, W, 3], unit, NaN outside the head.
        coverage: float [H, W] 0..1.
        coloured: fit each channel (coloured lamps) instead of luminance alone.
        strength: 0..1, how much of the shading is divided out.
    """
    linear = srgb_to_linear(rgb.astype(np.float32) / 255.0)
    inside = (coverage > 0.5) & np.isfinite(normals).all(axis=-1)
    shape = rgb.shape[:2]
    if inside.sum() < 100:
        return Delit(rgb.copy(), np.ones((*shape, 3), np.float32), _constant())
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    targets = linear if coloured else np.repeat(luminance[..., None], 3, axis=2)
    # The rim's normals are the least certain, the clipped pixels carry no shading.
    good = (
        inside & (linear.max(axis=-1) < 0.98) & (luminance > 0.01) & (np.nan_to_num(normals[..., 2]) > 0.25)
    )
    if good.sum() < 100:
        good = inside
    picked = np.flatnonzero(good)[:: max(1, int(good.sum()) // _FIT_SAMPLES)]
    basis = harmonics(normals.reshape(-1, 3)[picked]).astype(np.float64)
    values = targets.reshape(-1, 3)[picked].astype(np.float64)
    channels = 3 if coloured else 1
    columns = [_robust_fit(basis, values[:, c]) for c in range(channels)]
    coefficients = np.stack(columns if coloured else columns * 3, axis=1)  # [9, 3]

    on_head = harmonics(normals[inside]) @ coefficients
    mean = np.maximum(on_head.mean(axis=0), 1e-6)
    coefficients = coefficients / mean
    shading = np.ones((*shape, 3), np.float32)
    shading[inside] = np.clip(on_head / mean, _FLOOR, _CEILING) ** strength
    # Soft pixels of the rim have no normal of their own; they get their neighbours' shading, then it fades
    # out.
    spread = fill_outside(shading, inside.astype(np.float32))
    alpha = np.clip(coverage, 0, 1)[..., None]
    shading = (1 - alpha + spread * alpha).astype(np.float32)
    albedo = linear_to_srgb(np.clip(linear / shading, 0, 1))
    return Delit(np.rint(albedo * 255).astype(np.uint8), shading, coefficients)


def _robust_fit(basis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Nine coefficients by iteratively reweighted least squares (Geman-McClure weights)."""
    weights = np.ones(len(values))
    solution = np.zeros(9)
    for _ in range(_ROUNDS):
        weighted = basis * weights[:, None]
        normal = weighted.T @ basis
        normal += np.eye(9) * _RIDGE * np.trace(normal) / 9
        solution = np.linalg.solve(normal, weighted.T @ values)
        residual = values - basis @ solution
        spread = max(1.4826 * float(np.median(np.abs(residual))), 1e-4)
        weights = 1.0 / (1.0 + (residual / (2.0 * spread)) ** 2) ** 2
    return solution


def _constant() -> np.ndarray:
    coefficients = np.zeros((9, 3))
    coefficients[0] = 1.0
    return coefficients
