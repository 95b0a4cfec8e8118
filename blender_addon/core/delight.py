# SPDX-License-Identifier: GPL-3.0-or-later
"""The light of a photo, found from the relief's own normals and divided out: what is left is the albedo. No bpy.

A matt head under distant light is shaded by nine spherical harmonics of its normals (Ramamoorthi and Hanrahan, "An
Efficient Representation for Irradiance Environment Maps", SIGGRAPH 2001). Their coefficients are a least-squares
problem with a closed solution; brows, lips, hair and highlights are outliers and lose weight over a few rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLOOR, CEILING = 0.25, 3.0  # of the mean shading: dividing by less makes noise out of black
SHOULDER, WHITEST = (
    0.7,
    0.95,
)  # linear albedo: brighter values are bent below the whitest, so that none is cut off
FADE_PX = 3  # how far the shading is continued past the relief's edge, as a share of 512 px of picture
_FIT_SAMPLES = 20_000
_ROUNDS = 8
_RIDGE = 1e-3  # of the diagonal: a head seen from the front says little about light from behind
_FACING = 0.25  # the rim's normals are the least certain
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


class DelightError(ValueError):
    """Too little of the head is in the picture."""


@dataclass(frozen=True)
class Delit:
    """A picture whose head has no light of its own.

    Attributes:
        albedo: float32 [H, W, 3], display-encoded sRGB 0..1; the photo outside the head.
        shading: float32 [H, W, 1 or 3], what was divided out of linear light; its mean on the head is 1, 1 outside.
    """

    albedo: np.ndarray
    shading: np.ndarray


def normals_from_depth(depth_mm: np.ndarray, mm_per_px: float) -> np.ndarray:
    """Unit normals float32 [H, W, 3] (x right, y up, z to the viewer) of depth [H, W] in mm, NaN where it is NaN.

    Slopes are taken from whichever neighbours exist, so that the rim has normals too.
    """
    inside = np.isfinite(depth_mm)
    right, down = (_slope(depth_mm, inside, axis) / mm_per_px for axis in (1, 0))
    normals = np.stack([-right, down, np.ones_like(right)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[~inside] = np.nan
    return normals.astype(np.float32)


def delight(rgb: np.ndarray, normals: np.ndarray, *, coloured: bool = False, strength: float = 1.0) -> Delit:
    """Finds the light of a photo and divides it out.

    Args:
        rgb: float32 [H, W, 3], display-encoded sRGB 0..1.
        normals: float32 [h, w, 3] of the same picture, possibly smaller, NaN outside the head.
        coloured: fit each channel (coloured lamps) instead of the luminance alone.
        strength: 0..1, how much of the shading is divided out.

    Raises DelightError where fewer than 100 normals are on the head.
    """
    linear = srgb_to_linear(rgb)
    inside = np.isfinite(normals).all(-1)
    if inside.sum() < 100:
        raise DelightError("Too little of the head lies in the picture.")
    seen = _resized(
        linear, inside.shape
    )  # the shading is smooth: the relief's own resolution is enough to find it
    luminance = seen @ _LUMINANCE
    targets = seen if coloured else luminance[..., None]
    coefficients = np.stack(
        [
            _robust_fit(*_samples(normals, inside, seen, luminance, targets[..., channel]))
            for channel in range(targets.shape[-1])
        ],
        axis=1,
    )  # [9, channels]
    on_head = np.maximum(harmonics(normals[inside]) @ coefficients, 0.0)
    on_head /= np.maximum(on_head.mean(0), 1e-6)
    shading = np.ones((*inside.shape, on_head.shape[1]), np.float32)
    shading[inside] = np.clip(on_head, FLOOR, CEILING) ** strength
    shading = _faded(shading, inside, max(1, round(FADE_PX * max(inside.shape) / 512)))
    shading = _resized(shading, rgb.shape[:2])
    # Where nothing is divided out the photo's own bytes stay, outside the head above all.
    touched = np.abs(shading - 1.0).max(-1, keepdims=True) > 1e-4
    albedo = linear_to_srgb(_below_white(linear / shading, linear))
    return Delit(np.where(touched, albedo, rgb).astype(np.float32), shading)


def harmonics(normals: np.ndarray) -> np.ndarray:
    """Nine real spherical harmonics up to order 2, without their constants: [..., 3] -> [..., 9]."""
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    return np.stack([np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=-1)


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """sRGB transfer function inverted, 0..1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    """sRGB transfer function, 0..1."""
    values = np.maximum(values, 0.0)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055).astype(
        np.float32
    )


def _samples(
    normals: np.ndarray, inside: np.ndarray, seen: np.ndarray, luminance: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Basis [N, 9] and values [N] of the pixels that tell about the light.

    Clipped pixels carry no shading; and what is much darker than the skin (hair, brows, pupils) is dark by itself.
    """
    bright = 0.2 * float(np.quantile(luminance[inside], 0.75))
    good = inside & (np.nan_to_num(normals[..., 2]) > _FACING) & (seen.max(-1) < 0.98) & (luminance > bright)
    if good.sum() < 100:
        good = inside
    picked = np.flatnonzero(good)[:: max(1, int(good.sum()) // _FIT_SAMPLES)]
    return harmonics(normals.reshape(-1, 3)[picked]).astype(np.float64), target.ravel()[picked].astype(float)


def _robust_fit(basis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Nine coefficients by iteratively reweighted least squares (Geman-McClure weights)."""
    weights = np.ones(len(values))
    solution = np.zeros(basis.shape[1])
    for _ in range(_ROUNDS):
        weighted = basis * weights[:, None]
        normal = weighted.T @ basis
        normal += np.eye(len(normal)) * _RIDGE * np.trace(normal) / len(normal)
        solution = np.linalg.solve(normal, weighted.T @ values)
        residual = values - basis @ solution
        spread = max(1.4826 * float(np.median(np.abs(residual))), 1e-4)
        weights = 1.0 / (1.0 + (residual / (2.0 * spread)) ** 2) ** 2
    return solution


def _below_white(albedo: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Bends what the division made brighter than the shoulder; what was that bright in the photo stays so."""
    room = WHITEST - SHOULDER
    bent = SHOULDER + room * (1 - np.exp(-np.maximum(albedo - SHOULDER, 0.0) / room))
    bent = np.where(albedo > SHOULDER, np.maximum(bent, np.minimum(albedo, linear)), albedo)
    return np.clip(bent, 0.0, 1.0)


def _faded(shading: np.ndarray, inside: np.ndarray, rings: int) -> np.ndarray:
    """Continues the shading `rings` pixels past the head's edge, where it fades to 1.

    Textures are filtered across the edge: a jump there would draw a line around the relief.
    """
    total, known = np.where(inside[..., None], shading, 0.0), inside.copy()
    for ring in range(rings):
        weight, value = np.zeros(known.shape, np.float32), np.zeros_like(total)
        for axis in (0, 1):
            for step in (-1, 1):
                near = _shifted(known.astype(np.float32), step, axis)
                weight += near
                value += _shifted(total, step, axis) * near[..., None]
        fresh = (weight > 0) & ~known
        mean = value[fresh] / weight[fresh][:, None]
        left = (rings - ring) / (rings + 1)
        total[fresh] = mean
        shading = shading.copy()
        shading[fresh] = 1.0 + (mean - 1.0) * left
        known |= fresh
    return shading


def _shifted(values: np.ndarray, step: int, axis: int) -> np.ndarray:
    """Values of the neighbour `step` rows or columns before; 0 past the border."""
    out = np.zeros_like(values)
    here, there = [slice(None)] * values.ndim, [slice(None)] * values.ndim
    here[axis], there[axis] = (
        (slice(1, None), slice(None, -1)) if step > 0 else (slice(None, -1), slice(1, None))
    )
    out[tuple(here)] = values[tuple(there)]
    return out


def _slope(depth: np.ndarray, inside: np.ndarray, axis: int) -> np.ndarray:
    """Difference per pixel along an axis from whichever neighbours exist; 0 where none does."""
    depth = np.where(inside, depth, 0.0).astype(np.float32)
    total, count = np.zeros_like(depth), np.zeros_like(depth)
    for step in (1, -1):
        both = inside & (_shifted(inside.astype(np.float32), step, axis) > 0)
        total += np.where(both, (depth - _shifted(depth, step, axis)) * step, 0.0)
        count += both
    return total / np.maximum(count, 1.0)


def _resized(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """[H, W, C] -> [h, w, C]: bilinear, or the mean over each new pixel's area where that is twice as wide or more."""
    for axis in (0, 1):
        if values.shape[axis] >= 2 * shape[axis]:
            edges = np.round(np.linspace(0, values.shape[axis], shape[axis] + 1)).astype(int)
            widths = np.diff(edges).reshape([-1 if each == axis else 1 for each in range(values.ndim)])
            values = np.add.reduceat(values, edges[:-1], axis=axis) / widths.astype(np.float32)
        else:
            values = _linear_along(values, shape[axis], axis)
    return values.astype(np.float32)


def _linear_along(values: np.ndarray, length: int, axis: int) -> np.ndarray:
    old = values.shape[axis]
    if old == length:
        return values
    place = np.clip((np.arange(length) + 0.5) * old / length - 0.5, 0, old - 1)
    first = place.astype(int)
    part = (place - first).astype(np.float32)
    part = part.reshape([-1 if each == axis else 1 for each in range(values.ndim)])
    after = np.minimum(first + 1, old - 1)
    return np.take(values, first, axis) * (1 - part) + np.take(values, after, axis) * part
