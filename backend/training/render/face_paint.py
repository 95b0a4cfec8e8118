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
HAIR_GLOSS = 0.25  # of the skin's gloss: hair lies in all directions and shades itself


@dataclass(frozen=True)
class Paint:
    """`rgba` [SIZE, SIZE, 4] float, first row at the top (largest y): linear colour, and how much of it is skin that
    shines (`HAIR_GLOSS` where hair is painted)."""

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


def brows_of(shot: ShotSpec) -> np.ndarray:
    """The shot's eyebrows [SIZE, SIZE], as they are painted and as their hairs are rooted."""
    return brow_mask(np.random.default_rng([shot.seed, 18]), shot.brow_weight)


BEARD_SHAPES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    # (x, y, rx, ry) in dm; mirrored blobs given once each side
    "stubble": ((0, 6.45, 0.55, 0.3), (0.5, 6.6, 0.25, 0.4), (-0.5, 6.6, 0.25, 0.4), (0, 6.78, 0.3, 0.1)),
    "moustache": ((0.13, 6.77, 0.2, 0.07), (-0.13, 6.77, 0.2, 0.07)),
    "goatee": ((0, 6.38, 0.26, 0.2), (0.13, 6.77, 0.2, 0.07), (-0.13, 6.77, 0.2, 0.07), (0.28, 6.55, 0.07, 0.2),
               (-0.28, 6.55, 0.07, 0.2)),
    "full": ((0, 6.4, 0.55, 0.27), (0.56, 6.6, 0.2, 0.36), (-0.56, 6.6, 0.2, 0.36), (0.15, 6.77, 0.22, 0.08),
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
    lip_colour = lip_colour * (1 - shot.makeup) + np.array(shot.lipstick) * shot.makeup
    soft = _blur(lips, 2.5)[..., None] * max(0.35 + 0.65 * shot.lip_tint, shot.makeup)
    if shot.makeup > 0:
        lids = np.clip(_ellipse(0.31, 7.35, 0.19, 0.055) + _ellipse(-0.31, 7.35, 0.19, 0.055), 0, 1)
        colour = colour * (1 - 0.7 * shot.makeup * lids[..., None]) + (
            0.7 * shot.makeup * lids[..., None] * np.minimum(np.array(shot.eye_shadow), skin)
        )
        cheeks = _ellipse(0.5, 6.98, 0.2, 0.16) + _ellipse(-0.5, 6.98, 0.2, 0.16)
        colour *= np.exp(shot.makeup * cheeks[..., None] * np.array([0.03, -0.14, -0.1]))
    colour = colour * (1 - soft) + lip_colour * soft
    hair = np.array(shot.hair_colour)
    beard = beard_mask(shot.beard, lips)
    hairy = np.zeros_like(beard)
    if shot.beard != "none":
        grain = np.clip(0.8 + 0.3 * _noise(rng, 300), 0, 1)
        share = (0.6 if shot.beard == "stubble" else 0.8) * (beard * grain)[..., None]
        colour = colour * (1 - share) + hair * share
        hairy = share[..., 0]
    brows = brows_of(shot)[..., None]
    dark = np.minimum(hair * 0.6, skin * 0.35)
    colour = colour * (1 - brows) + dark * brows
    shine = 1 - (1 - HAIR_GLOSS) * np.maximum(hairy[..., None], brows)
    return Paint(np.concatenate([np.clip(colour, 0.002, 0.95), shine], -1).astype(np.float32))


WRINKLE_GROUPS = ("forehead", "eyes", "mouth", "frown")


def wrinkle_heights(seed: int) -> np.ndarray:
    """Grooves [SIZE, SIZE, 4], 0 smooth .. 1 deepest; channels `WRINKLE_GROUPS`."""
    rng = np.random.default_rng([seed, 15])

    def groove(points: list[tuple[float, float]], wobble: float) -> list[tuple[float, float, float, float]]:
        """A wavering line through points (dm) as short pieces."""
        t = np.linspace(0, len(points) - 1, 24)
        x, y = (np.interp(t, range(len(points)), [p[axis] for p in points]) for axis in (0, 1))
        y = y + wobble * np.convolve(rng.normal(0, 1, len(t) + 6), np.ones(7) / 7, "valid")
        return [(x[i], y[i], x[i + 1], y[i + 1]) for i in range(len(t) - 1)]

    def drawn(lines: list[tuple[float, float, float, float]]) -> np.ndarray:
        return _blur(np.clip(1.6 * _strokes(rng, lines, 5), 0, 1), 1.6)

    forehead, eyes, mouth, frown = [], [], [], []
    for height in np.arange(7.60, 7.95, rng.uniform(0.075, 0.11)):
        reach = rng.uniform(0.25, 0.5)
        forehead += groove([(-reach, height - 0.02), (0, height + 0.015), (reach, height - 0.02)], 0.012)
    for side in (-1, 1):
        for angle in np.radians(np.linspace(-32, 28, int(rng.integers(3, 6))) + rng.normal(0, 4)):
            length = rng.uniform(0.10, 0.2)
            start = (side * 0.49, EYE_Y_DM + 0.07 * np.sin(angle))
            end = (start[0] + side * length * np.cos(angle), start[1] + length * np.sin(angle))
            eyes += groove([start, end], 0.006)
        for drop in (0.13, 0.18):
            eyes += groove([(side * 0.17, EYE_Y_DM - drop), (side * 0.3, EYE_Y_DM - drop - 0.05),
                            (side * 0.43, EYE_Y_DM - drop + 0.01)], 0.006)  # fmt: skip
        mouth += groove([(side * 0.2, 6.93), (side * 0.3, 6.8), (side * 0.36, 6.62)], 0.008)
        frown += groove([(side * 0.05, 7.41), (side * 0.06, 7.58)], 0.004)
    return np.stack([drawn(lines) for lines in (forehead, eyes, mouth, frown)], -1)


def wrinkle_depths(wrinkles: float, expression: dict[str, float]) -> tuple[float, float, float, float]:
    """How deep each group of `WRINKLE_GROUPS` is pressed (0..1) on a skin with these lines at rest."""

    def drive(*names: str) -> float:
        return max(expression.get(f"{name}{side}", 0.0) for name in names for side in ("Left", "Right", ""))

    at_rest, pressed = 0.55 * wrinkles, 0.3 + 0.6 * wrinkles
    return (
        min(1.0, at_rest + pressed * drive("browInnerUp", "browOuterUp")),
        min(1.0, at_rest + pressed * drive("eyeSquint", "cheekSquint", "mouthSmile")),
        min(1.0, 0.15 + at_rest + pressed * drive("mouthSmile", "mouthUpperUp", "noseSneer")),
        min(1.0, at_rest + pressed * drive("browDown", "noseSneer")),
    )
