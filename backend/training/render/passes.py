# SPDX-License-Identifier: GPL-3.0-or-later
"""What Cycles wrote, as arrays: the passes of a frame, its light groups, exposure, motion (numpy and OpenEXR)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR

from backend.training.render.encoding import FACE_REGIONS, LUMINANCE
from backend.training.render.lighting import LIGHT_GROUPS

VIEW_LAYER = "ViewLayer"
VISIBLE_TOLERANCE_DM = 0.06  # a reference point this far behind the reference's surface is hidden there
HAIR_SHARE = 0.05  # of a pixel, from which on it counts as brow or beard


def _channels(path: Path) -> dict[str, np.ndarray]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {
            name: np.asarray(channel.pixels, dtype=np.float32)
            for part in file.parts
            for name, channel in part.channels.items()
        }


def read_passes(path: Path) -> dict[str, np.ndarray]:
    """Channels of a multilayer EXR as float32 arrays: "rgba" [H,W,4] (noisy), "depth" [H,W], "coverage", "face",
    "hair", "face_hair", "normal" [H,W,3] in the camera's frame (x right, y up, z towards the camera; averaged over
    the pixel), "reference" [H,W,3], "eyes_mouth" [H,W,3], "inner" [H,W,3]."""
    channels = _channels(path)

    def pick(*names: str) -> np.ndarray:
        # In full: "Denoising Depth.Z" ends like "Depth.Z" and is an average over the pixel.
        found = [channels[f"{VIEW_LAYER}.{name}"] for name in names]
        return np.stack(found, -1) if len(found) > 1 else found[0]

    def value(name: str) -> np.ndarray:
        return pick(f"{name}.V" if f"{VIEW_LAYER}.{name}.V" in channels else f"{name}.X")

    def colour(name: str) -> np.ndarray:
        return pick(f"{name}.R", f"{name}.G", f"{name}.B")

    world = colour("surface_normal")
    return {
        "rgba": pick("Combined.R", "Combined.G", "Combined.B", "Combined.A"),
        "depth": pick("Depth.Z"),
        "normal": np.stack([world[..., 0], world[..., 2], -world[..., 1]], -1),
        "coverage": value("coverage"),
        "face": value("face"),
        "hair": value("hair"),
        "face_hair": value("face_hair"),
        "reference": colour("reference"),
        "eyes_mouth": colour("eyes_mouth"),
        "inner": colour("inner"),
    }


def read_light(path: Path, alpha: np.ndarray) -> np.ndarray:
    """Denoised light groups [G, H, W, 3] in the order of `LIGHT_GROUPS`: linear, straight alpha, not negative.

    Args:
        path: what the compositor wrote; alpha: [H, W] 0..1.
    """
    channels = _channels(path)
    groups = np.stack([np.stack([channels[f"{g}.{c}"] for c in "RGB"], -1) for g in LIGHT_GROUPS])
    return np.maximum(groups, 0) / np.maximum(alpha, 1e-3)[..., None] * (alpha > 0)[..., None]


def region_masks(passes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Bool masks [H, W] by the names of `FACE_REGIONS`: what covers more than half of a pixel's surface.

    Of brows and beards `HAIR_SHARE` is enough: the depth pass is one ray's, and may have met that one hair.
    """
    alpha = np.maximum(passes["rgba"][..., 3], 1e-3)
    three = [*np.moveaxis(passes["eyes_mouth"], -1, 0), *np.moveaxis(passes["inner"], -1, 0)]
    shares = dict(zip(FACE_REGIONS, [*three, passes["hair"], passes["face_hair"]], strict=True))
    least = dict.fromkeys(FACE_REGIONS, 0.5) | {"face_hair": HAIR_SHARE}
    solid = passes["rgba"][..., 3] > 0.1
    return {name: (share > least[name] * alpha) & solid for name, share in shares.items()}


def exposure_gain(rgb: np.ndarray, coverage: np.ndarray, target: float) -> float:
    """Gain that brings the 60th percentile of the head's luminance to `target` (linear), or less where that would
    burn out more than 3 % of the head, as a photographer would expose."""
    on_head = (rgb[..., :3] @ np.array(LUMINANCE))[coverage > 0.9]
    if not len(on_head):
        return 1.0
    middle, bright = np.percentile(on_head, [60, 97])
    return float(min(target / max(middle, 1e-4), 0.85 / max(bright, 1e-4)))


def motion_to_reference(
    passes: dict[str, np.ndarray], depth_dm: np.ndarray, reference_depth_dm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel's surface point is found in the reference picture.

    Returns:
        motion [H, W, 2] in shares of the picture (x right, y down; 0 where invalid) and visible [H, W] bool.
    """
    size = depth_dm.shape[0]
    alpha = np.maximum(passes["rgba"][..., 3:4], 1e-3)
    # Pass values are averaged over the pixel; dividing by alpha undoes the empty part at the silhouette.
    place = passes["reference"] / alpha
    grid = (np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5) / size
    cols = np.clip((place[..., 0] * size).astype(int), 0, size - 1)
    rows = np.clip((place[..., 1] * size).astype(int), 0, size - 1)
    inside = (place[..., :2] > 0).all(-1) & (place[..., :2] < 1).all(-1)
    solid = passes["rgba"][..., 3] > 0.95
    seen = np.abs(reference_depth_dm[rows, cols] - place[..., 2]) < VISIBLE_TOLERANCE_DM
    motion = np.where(solid[..., None], place[..., :2] - grid, 0)
    return motion.astype(np.float32), solid & inside & seen
