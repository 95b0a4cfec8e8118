# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the model sees in its crop to the photo's own size: edits, turned heads, sculpting, depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from backend.imaging.crop import extract_crop, extract_map
from backend.imaging.portrait_result import PortraitResult
from backend.imaging.rotation import rotation
from backend.imaging.sculpting import (
    Sculpting,
    camera_distance_mm,
    carry_sculpting,
    find_sculpting,
    follow_flow,
)
from backend.imaging.transfer import transfer_edit, warp_crop
from backend.imaging.turning import drawing_of, turn_head
from backend.imaging.upsampling import coverage_at_photo, depth_at_photo
from backend.model.pipeline import JointPortraitOutput
from backend.portrait import Portrait

_TURN_GRID = 3  # the turned head's grid is this much finer than the model's crop


def as_map(tensor: torch.Tensor) -> np.ndarray:
    """[1, 1, R, R] to float32 [R, R]."""
    return tensor[0, 0].detach().float().cpu().numpy()


def as_picture(tensor: torch.Tensor) -> np.ndarray:
    """[1, C, R, R] to float32 [R, R, C]."""
    return np.ascontiguousarray(tensor[0].detach().float().cpu().numpy().transpose(1, 2, 0))


def moved_coverage(portrait: Portrait, output: JointPortraitOutput) -> np.ndarray:
    """The photo's coverage, float32 [R, R] 0..1, as the edit's motion moves it."""
    if output.motion is None:
        return portrait.coverage
    return np.clip(warp_crop(portrait.coverage, as_picture(output.motion)), 0, 1).astype(np.float32)


def edited_picture(
    portrait: Portrait, output: JointPortraitOutput, coverage: np.ndarray
) -> tuple[np.ndarray, float]:
    """The photo with the model's edit, uint8 [H, W, 3], whose head is `coverage` [R, R], and the share of its pixels
    that changed."""
    rgb, changed = transfer_edit(
        portrait.photo.rgb,
        portrait.crop,
        as_picture(output.generated_rgb),
        None if output.motion is None else as_picture(output.motion),
        None if output.blend is None else as_map(output.blend),
        np.maximum(portrait.coverage, coverage),
        None if output.shading is None else as_map(output.shading),
    )
    return rgb, float(changed.mean())


def depth_of(
    portrait: Portrait, output: JointPortraitOutput, coverage: np.ndarray, rgb: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Depth in mm (NaN outside the head) and `coverage` [R, R], float32 [H, W], guided by their picture."""
    large = coverage_at_photo(coverage, portrait.crop, rgb)
    # The model's depth means nothing where the model saw no head.
    trusted = np.minimum(coverage, as_map(output.coverage))
    trusted = trusted if (trusted > 0.5).any() else coverage
    return depth_at_photo(as_map(output.depth_mm), trusted, portrait.crop, large), large


def turned(
    portrait: Portrait, result: PortraitResult, pose_deg: Sequence[float], resolution_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture, depth and coverage of a result whose head is turned by yaw, pitch, roll in degrees."""
    crop, side = portrait.crop, _TURN_GRID * resolution_px
    depth, coverage = extract_map(result.depth_mm, result.coverage, crop, side)
    head = turn_head(depth, coverage, portrait.crop_side_mm, rotation(*pose_deg))
    near = np.maximum(head.before, head.coverage)
    drawing = drawing_of(extract_crop(result.rgb, crop, side), head)
    rgb, _ = transfer_edit(result.rgb, crop, drawing, head.motion, 1 - head.uncovered, near)
    coverage = coverage_at_photo(head.coverage, crop, rgb)
    return rgb, depth_at_photo(head.depth_mm, head.coverage, crop, coverage), coverage


def sculpting_of(
    portrait: Portrait, original: PortraitResult, depth_mm: np.ndarray, scene_flow: np.ndarray | None
) -> Sculpting:
    """What was sculpted: depth [H, W] in mm against the original's, or followed by its scene flow [H, W, 3]."""
    head, framing = (original.depth_mm, original.coverage), (portrait.crop, portrait.crop_side_mm)
    if scene_flow is None:
        return find_sculpting(*head, depth_mm, *framing)
    return follow_flow(*head, depth_mm, scene_flow, *framing)


def sculpted_picture(
    portrait: Portrait, original: PortraitResult, sculpting: Sculpting
) -> tuple[np.ndarray, dict[str, Any]]:
    """The original's picture with the sculpting carried onto it, and what the report says of it."""
    photo = portrait.photo
    focal_mm = photo.metadata.get("focal_length_35mm")
    distance_mm = camera_distance_mm(focal_mm, photo.width, photo.height, portrait.mm_per_px)
    return carry_sculpting(original.rgb, sculpting, distance_mm), {
        "most_mm": round(float(np.abs(sculpting.change_mm).max()), 2),
        "share": round(float(sculpting.touched.mean()), 4),
        "dragged_mm": round(sculpting.longest_drag_mm, 2),
        "camera_distance_mm": round(distance_mm),
    }
