# SPDX-License-Identifier: GPL-3.0-or-later
"""One surface of skin and hair out of a depth map in which every strand is seen by itself.

A relief has one depth a pixel. Where strands lie close together they are a volume; a few that hang before a face are
not: there the skin behind them is the surface, as an artist would sculpt it.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from backend.training.render.encoding import decode_region

FAR_MM = -1e4
BARE = 0.1  # a pixel with less hair than this shows the depth of what is behind it
DENSITY_SHARE = 0.4  # the window in which strands are counted: standard deviation in shares of the widest gap
# Pixels of the render: windows that fill the skin behind strands, of which the narrowest that sees any counts.
BEHIND_PX = (1.0, 2.5, 6.0)


def head_surface(
    depth_mm: np.ndarray, known: np.ndarray, hair: np.ndarray, face: np.ndarray, reach_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Depth with dense hair as the volume that its outer strands span, and without the strands of sparse hair.

    Hair is dense where it covers half of what is known about it (a Gaussian window of `DENSITY_SHARE`), so
    that loose strands before the background stay.

    Args:
        depth_mm: float16 [K, S, S], nearer = larger.
        known: bool [K, S, S], where there is depth.
        hair, face: share of a pixel that shows hair and face, 0 to 1 [K, S, S].
        reach_px: widest gap between strands that a volume closes.

    Returns:
        Depth like `depth_mm`, and what of the face is the surface there, float32 [K, S, S].
    """
    depth, skin = depth_mm.copy(), face.astype(np.float32)
    for frame in range(len(depth_mm)):
        strands = known[frame] & (hair[frame] >= BARE)
        if not strands.any():
            continue
        dense = known[frame] & (_density(hair[frame], known[frame], DENSITY_SHARE * reach_px) > 0.5)
        sparse = strands & ~dense
        values = depth_mm[frame].astype(np.float32)
        bare = known[frame] & ~strands
        behind, seen = _filled(np.stack([values, skin[frame]]), bare)
        volume = _volume(values, known[frame], strands & dense, reach_px)
        skin[frame] = np.where(dense, 0, np.where(sparse & seen, behind[1], skin[frame]))
        depth[frame] = np.where(dense, volume, np.where(sparse & seen, behind[0], values))
    return depth, skin


def hair_volume(depth_mm: np.ndarray, known: np.ndarray, hair: np.ndarray, reach_px: float) -> np.ndarray:
    """Depth with hair as the volume that its outer strands span: gaps up to `reach_px` are closed, then smoothed.

    Single strands, and the skin seen between them, are no shape that a relief should have.

    Args:
        depth_mm: float16 [K, S, S], nearer = larger.
        known, hair: bool [K, S, S]; only hair is changed.
    """
    result = depth_mm.copy()
    for frame in range(len(depth_mm)):
        here = hair[frame] & known[frame]
        if here.any():
            volume = _volume(depth_mm[frame].astype(np.float32), known[frame], here, reach_px)
            result[frame] = np.where(here, volume, depth_mm[frame])
    return result


def face_hair_area(regions: np.ndarray, reach_px: float) -> np.ndarray:
    """Where brows and beards grow, the skin between their hairs included, but no lips and eyes.

    Args:
        regions: uint8 [K, S, S], bits of `encoding.FACE_REGIONS`; shots of before format 5 mark none.
        reach_px: the widest gap between two hairs.

    Returns:
        bool [K, S, S].
    """
    strands = decode_region(regions, "face_hair")
    if not strands.any():
        return strands
    between = np.zeros_like(strands)
    radius = max(1, round(reach_px / 2))
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    for frame, marked in enumerate(strands):
        between[frame] = ndimage.binary_closing(np.pad(marked, radius), y**2 + x**2 <= radius**2)[
            radius:-radius, radius:-radius
        ]
    for name in ("mouth", "eyeball", "glasses"):
        between &= ~decode_region(regions, name)
    return (strands | between) & ~decode_region(regions, "hair")


def _density(hair: np.ndarray, known: np.ndarray, sigma: float) -> np.ndarray:
    """Share of hair [S, S] in what is known round each pixel."""
    total = ndimage.gaussian_filter(known.astype(np.float32), sigma)
    covered = ndimage.gaussian_filter(np.where(known, hair, 0).astype(np.float32), sigma)
    return covered / np.maximum(total, 1e-3)


def _filled(layers: np.ndarray, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Layers [C, S, S] continued from `source` [S, S] into what lies near; and where that is, bool [S, S]."""
    result, seen = np.zeros_like(layers), np.zeros(source.shape, bool)
    for sigma in BEHIND_PX:
        weight = ndimage.gaussian_filter(source.astype(np.float32), sigma)
        new = ~seen & (weight > 0.05)
        for layer, values in zip(result, layers, strict=True):
            mean = ndimage.gaussian_filter(np.where(source, values, 0), sigma) / np.maximum(weight, 1e-3)
            layer[new] = mean[new]
        seen |= new
    return result, seen


def _volume(depth_mm: np.ndarray, known: np.ndarray, strands: np.ndarray, reach_px: float) -> np.ndarray:
    """What the strands [S, S] span, float32 [S, S]; of use on them and between them."""
    side = 2 * max(1, round(reach_px / 2)) + 1
    closed = ndimage.grey_closing(np.where(known, depth_mm, FAR_MM), size=(side, side))
    weight = ndimage.gaussian_filter(strands.astype(np.float32), side / 4)
    return ndimage.gaussian_filter(np.where(strands, closed, 0), side / 4) / np.maximum(weight, 1e-3)
