# SPDX-License-Identifier: GPL-3.0-or-later
"""Mends a depth grid before it becomes a mesh: trims its rim, takes spikes off, fills holes, smooths noise away.

All functions take `depth` float32 [R, C] in mm and `valid` bool [R, C]; what lies in `depth` where it is not valid is
of no meaning. `spacing_mm` is the distance of two neighbouring points of the grid.
"""

from __future__ import annotations

import numpy as np

from .grid_labels import label_touching

# A spike stands this much above (or below) everything in the ring of points two steps around it.
SPIKE_MM = 2.0
SPIKE_STEEPNESS = 2.0  # or this many spacings, where the grid is coarse
MOST_SMOOTHING_STEPS = 30
_RING = tuple((r, c) for r in range(-2, 3) for c in range(-2, 3) if max(abs(r), abs(c)) == 2)


def trim(
    valid: np.ndarray,
    width_mm: float,
    spacing_mm: float,
    cut_off: tuple[bool, bool, bool, bool] = (False, False, False, False),
) -> np.ndarray:
    """Without a strip of `width_mm` along the rim.

    cut_off: whether the grid's upper, lower, left and right border is the picture's, where the head goes on unseen:
    there nothing is trimmed.
    """
    upper, lower, left, right = cut_off
    steps = round(width_mm / spacing_mm)
    out = valid
    for number in range(steps):
        padded = np.pad(out, 1, mode="edge")
        padded[0] &= upper
        padded[-1] &= lower
        padded[:, 0] &= left
        padded[:, -1] &= right
        smaller = out & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        if number % 2:  # squares and diamonds in turn are nearly a circle
            smaller &= padded[:-2, :-2] & padded[2:, 2:] & padded[:-2, 2:] & padded[2:, :-2]
        out = smaller
    return out


def without_spikes(depth: np.ndarray, valid: np.ndarray, spacing_mm: float) -> np.ndarray:
    """A copy in which spikes and pits of up to three points across lie in their surroundings."""
    limit_mm = max(SPIKE_MM, SPIKE_STEEPNESS * spacing_mm)
    low, high = np.where(valid, depth, np.inf), np.where(valid, depth, -np.inf)
    low, high = np.pad(low, 2, constant_values=np.inf), np.pad(high, 2, constant_values=-np.inf)
    rows, columns = depth.shape
    least, most = np.full_like(depth, np.inf), np.full_like(depth, -np.inf)
    for row, column in _RING:
        part = np.s_[2 + row : 2 + row + rows, 2 + column : 2 + column + columns]
        np.minimum(least, low[part], out=least)
        np.maximum(most, high[part], out=most)
    spike = valid & np.isfinite(least) & ((depth > most + limit_mm) | (depth < least - limit_mm))
    return fill(depth, valid & ~spike, spike) if spike.any() else depth


def holes(valid: np.ndarray, widest_mm: float, spacing_mm: float) -> np.ndarray:
    """bool [R, C]: the points of holes that the surface encloses and whose area is at most that of a circle of
    `widest_mm`."""
    if widest_mm <= 0:
        return np.zeros_like(valid)
    return enclosed(valid, np.pi / 4 * (widest_mm / spacing_mm) ** 2)


def enclosed(full: np.ndarray, largest: float = np.inf) -> np.ndarray:
    """bool [R, C]: the empty pieces, of at most so many cells, that `full` encloses."""
    if full.all():
        return np.zeros_like(full)
    empty = np.pad(~full, 1, constant_values=True)  # what lies outside is one piece
    numbers = label_touching(empty)
    sizes = np.bincount(numbers[empty], minlength=int(numbers.max()) + 1)
    closed = sizes <= largest
    closed[numbers[0, 0]] = False
    return (empty & closed[numbers])[1:-1, 1:-1]


def fill(depth: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A copy whose `wanted` points continue the `known` ones smoothly (pull-push pyramid, then relaxed)."""
    out = np.where(known, depth, 0.0).astype(np.float32)
    spread = _pull_push(out, known.astype(np.float32))
    out = np.where(known, depth, spread).astype(np.float32)
    row, column = np.nonzero(wanted & ~known)
    usable = known | wanted
    for _ in range(24 if len(row) < 200_000 else 0):
        total, count = np.zeros(len(row), np.float32), np.zeros(len(row), np.float32)
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            at = (
                np.clip(row + down, 0, depth.shape[0] - 1),
                np.clip(column + right, 0, depth.shape[1] - 1),
            )
            total += np.where(usable[at], out[at], 0.0)
            count += usable[at]
        out[row, column] = np.where(count > 0, total / np.maximum(count, 1), out[row, column])
    return np.where(known | wanted, out, depth).astype(np.float32)


def extended(depth: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """A copy that is continued everywhere: for textures, whose filter looks beyond the rim."""
    return np.where(valid, depth, _pull_push(np.where(valid, depth, 0.0).astype(np.float32), valid * 1.0))


def _pull_push(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values [R, C] (0 where the weight is 0) -> values everywhere, from coarser and coarser means."""
    rows, columns = values.shape
    if rows <= 1 and columns <= 1 or weight.min() > 0:
        return (values / np.maximum(weight, 1e-6)).astype(np.float32)
    padding = ((0, rows % 2), (0, columns % 2))
    pairs = [np.pad(part, padding) for part in (values, weight)]
    sums = [part[::2, ::2] + part[1::2, ::2] + part[::2, 1::2] + part[1::2, 1::2] for part in pairs]
    share = np.minimum(1.0, 1.0 / np.maximum(sums[1], 1e-6))
    coarse = _pull_push(sums[0] * share, sums[1] * share)
    finer = np.repeat(np.repeat(coarse, 2, 0), 2, 1)[:rows, :columns]
    padded = np.pad(finer, 1, mode="edge")
    finer = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + 2 * finer) / 6
    part = np.minimum(weight, 1.0)
    return np.where(weight > 0, values / np.maximum(weight, 1e-6) * part + finer * (1 - part), finer).astype(
        np.float32
    )


def smooth(depth: np.ndarray, valid: np.ndarray, amount: float, keep_mm: float) -> np.ndarray:
    """A copy without noise. Bumps well above `keep_mm` (eyelids, lips, the edge of a nostril) stay.

    Diffusion with the conductance of Perona and Malik (1990), of the second difference instead of the slope: the side
    of a nose is steep and still to be smoothed, and a slope as such is left alone.

    Args:
        amount: 0..1, share of MOST_SMOOTHING_STEPS.
        keep_mm: the height of a bump over its neighbours that is smoothed a third as much as a small one.
    """
    steps = round(amount * MOST_SMOOTHING_STEPS)
    if steps == 0:
        return depth
    out = np.where(valid, depth, 0.0).astype(np.float32)
    level = (valid[:, :-2] & valid[:, 1:-1] & valid[:, 2:]).astype(np.float32) * 0.25
    upright = (valid[:-2] & valid[1:-1] & valid[2:]).astype(np.float32) * 0.25
    for _ in range(steps):
        bump = np.zeros_like(out)
        bump[:, 1:-1] += (out[:, :-2] + out[:, 2:] - 2 * out[:, 1:-1]) * level
        bump[1:-1] += (out[:-2] + out[2:] - 2 * out[1:-1]) * upright
        bump *= 0.8 * np.exp(-np.square(bump / max(keep_mm, 1e-3)))
        out += bump
    return np.where(valid, out, depth).astype(np.float32)
