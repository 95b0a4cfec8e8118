# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin detail painted in the base mesh's frontal projection (numpy and Pillow): lips, brows, freckles, beard, scalp.

The picture is mapped by the *base mesh's* coordinates, so it follows identity and expression as a texture would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import ShotSpec

SIZE_PX = 768
X_RANGE_DM = (-1.1, 1.1)
Y_RANGE_DM = (6.3, 8.5)
EYE_Y_DM = 7.284


@dataclass(frozen=True)
class Paint:
    """`rgba` [SIZE, SIZE, 4] float, linear colour straight alpha, first row at the top (largest y)."""

    rgba: np.ndarray


def to_px(x: np.ndarray | float, y: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Base-mesh decimetres -> pixel coordinates of the paint."""
    u = (np.asarray(x) - X_RANGE_DM[0]) / (X_RANGE_DM[1] - X_RANGE_DM[0])
    v = (Y_RANGE_DM[1] - np.asarray(y)) / (Y_RANGE_DM[1] - Y_RANGE_DM[0])
    return u * SIZE_PX, v * SIZE_PX


def _noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise [SIZE, SIZE], mean 0, about unit variance."""
    small = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(small.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC))


def _blur(mask: np.ndarray, radius_px: float) -> np.ndarray:
    picture = Image.fromarray((np.clip(mask, 0, 1) * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius_px)), dtype=np.float32) / 255


def _ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    cols, rows = np.meshgrid(np.arange(SIZE_PX), np.arange(SIZE_PX))
    px, py = to_px(x, y)
    scale = SIZE_PX / (X_RANGE_DM[1] - X_RANGE_DM[0])
    d = ((cols - px) / (rx * scale)) ** 2 + ((rows - py) / (ry * scale)) ** 2
    return np.exp(-d).astype(np.float32)


def lips_mask(assets: HeadAssets) -> np.ndarray:
    """Rasterised lip faces [SIZE, SIZE] in 0..1."""
    picture = Image.new("L", (SIZE_PX, SIZE_PX))
    draw = ImageDraw.Draw(picture)
    for face in assets.faces[assets.region_faces("lips_solid")]:
        x, y = to_px(assets.vertices[face, 0], assets.vertices[face, 1])
        draw.polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255)
    return np.asarray(picture, dtype=np.float32) / 255


def _strokes(
    rng: np.random.Generator, lines: list[tuple[float, float, float, float]], width_px: int
) -> np.ndarray:
    """Hair strokes (x0, y0, x1, y1 in dm) drawn at twice the size and averaged down."""
    big = Image.new("L", (SIZE_PX * 2, SIZE_PX * 2))
    draw = ImageDraw.Draw(big)
    for x0, y0, x1, y1 in lines:
        (ax, bx), (ay, by) = to_px(np.array([x0, x1]), np.array([y0, y1]))
        draw.line([ax * 2, ay * 2, bx * 2, by * 2], fill=int(rng.uniform(130, 255)), width=width_px)
    return np.asarray(big.resize((SIZE_PX, SIZE_PX), Image.Resampling.BOX), dtype=np.float32) / 255


def brow_mask(rng: np.random.Generator, weight: float) -> np.ndarray:
    """Eyebrows as strokes along an arch [SIZE, SIZE]."""
    arch, lift, thick = rng.uniform(0.01, 0.06), rng.uniform(-0.02, 0.05), 0.035 + 0.06 * weight
    inner, outer = rng.uniform(0.09, 0.15), rng.uniform(0.5, 0.6)
    lines = []
    for side in (-1, 1):
        for _ in range(int(120 + 420 * weight)):
            t = rng.uniform(0, 1)
            x = inner + (outer - inner) * t
            taper = np.clip(1.25 - t, 0.25, 1) * np.clip(0.45 + 4 * t, 0, 1)
            y = EYE_Y_DM + 0.215 + lift + arch * np.sin(np.pi * min(t * 1.1, 1)) - 0.07 * max(t - 0.6, 0)
            y += rng.uniform(-0.5, 0.5) * thick * taper
            length, angle = rng.uniform(0.03, 0.07), np.radians(75 - 75 * t + rng.normal(0, 12))
            lines.append(
                (side * x, y, side * (x + length * np.cos(angle)), y + 0.55 * length * np.sin(angle))
            )
    return np.clip(_strokes(rng, lines, 4) * (1.1 + weight), 0, 1)


BEARD_SHAPES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    # (x, y, rx, ry) in dm; mirrored blobs given once each side
    "stubble": ((0, 6.45, 0.55, 0.3), (0.5, 6.6, 0.25, 0.4), (-0.5, 6.6, 0.25, 0.4), (0, 6.78, 0.3, 0.1)),
    "moustache": ((0.13, 6.77, 0.2, 0.07), (-0.13, 6.77, 0.2, 0.07)),
    "goatee": ((0, 6.38, 0.26, 0.2), (0.13, 6.77, 0.2, 0.07), (-0.13, 6.77, 0.2, 0.07), (0.28, 6.55, 0.07, 0.2),
               (-0.28, 6.55, 0.07, 0.2)),
    "full": ((0, 6.4, 0.55, 0.27), (0.56, 6.62, 0.2, 0.45), (-0.56, 6.62, 0.2, 0.45), (0.15, 6.77, 0.22, 0.08),
             (-0.15, 6.77, 0.22, 0.08)),
}  # fmt: skip


def beard_mask(beard: str, lips: np.ndarray) -> np.ndarray:
    """Where the beard grows [SIZE, SIZE] in 0..1; the lips stay free."""
    mask = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    for x, y, rx, ry in BEARD_SHAPES.get(beard, ()):
        mask = np.maximum(mask, np.clip(_ellipse(x, y, rx, ry) * 2.2 - 0.5, 0, 1))
    return mask * (1 - _blur(lips, 3))


def paint_face(assets: HeadAssets, shot: ShotSpec) -> Paint:
    """Compose all layers over the skin colour."""
    rng = np.random.default_rng([shot.seed, 3])
    lips = lips_mask(assets)
    skin = np.array(shot.skin)
    colour = np.broadcast_to(skin, (SIZE_PX, SIZE_PX, 3)).astype(np.float32).copy()
    # Redder centre of the face, paler forehead; blotches at two scales.
    red = (
        0.5 * _ellipse(0, 6.98, 0.22, 0.22)
        + 0.6 * _ellipse(0.45, 6.95, 0.3, 0.25)
        + 0.6 * _ellipse(-0.45, 6.95, 0.3, 0.25)
    )
    red += shot.blotch * (0.5 * _noise(rng, 10) + 0.4 * _noise(rng, 40))
    colour *= np.exp(np.clip(red, -1, 1)[..., None] * np.array([0.05, -0.16, -0.14]))
    colour *= np.exp(0.05 * shot.blotch * 4 * _noise(rng, 160))[..., None]
    under_eye = _ellipse(0.3, 7.1, 0.2, 0.07) + _ellipse(-0.3, 7.1, 0.2, 0.07)
    colour *= np.exp(-rng.uniform(0.0, 0.35) * under_eye)[..., None]
    if shot.freckles > 0:
        spots = np.clip(_noise(rng, 200) - 1.6, 0, 1) * _ellipse(0, 7.1, 0.8, 0.5)
        colour *= np.exp(-1.5 * shot.freckles * spots)[..., None]
    lip_colour = skin * np.array([0.95, 0.55, 0.55]) * (1 - 0.25 * rng.random())
    soft = _blur(lips, 2.5)[..., None] * (0.35 + 0.65 * shot.lip_tint)
    colour = colour * (1 - soft) + lip_colour * soft
    hair = np.array(shot.hair_colour)
    beard = beard_mask(shot.beard, lips)
    if shot.beard != "none":
        grain = np.clip(0.75 + 0.35 * _noise(rng, 300), 0, 1)
        share = (0.45 if shot.beard == "stubble" else 0.93) * (beard * grain)[..., None]
        colour = colour * (1 - share) + hair * share
    brows = brow_mask(rng, shot.brow_weight)[..., None]
    dark = np.minimum(hair * 0.6, skin * 0.35)
    colour = colour * (1 - brows) + dark * brows
    alpha = np.ones((SIZE_PX, SIZE_PX, 1), np.float32)
    return Paint(np.concatenate([np.clip(colour, 0.002, 0.95), alpha], -1).astype(np.float32))
