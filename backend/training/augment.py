# SPDX-License-Identifier: GPL-3.0-or-later
"""Crops of whole batches on the training device.

What carried a depth model from bald renders to photographs in an earlier probe: random backgrounds
(`backgrounds.py`), scale .75-1.3, rotation, shift, flip, and what `photometric.py` does to the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.model.modalities import AVERAGE_CROP_SIDE_MM
from backend.training.dataset import REGIONS, RawFrames
from backend.training.face_points import COUNT, FacePoints

CROP_SIDE_MM = AVERAGE_CROP_SIDE_MM  # the standard framing


@dataclass(frozen=True)
class CropRange:
    """How far a random crop may be from the standard framing: scale, rotation, shift in shares of the crop, and a
    stretch in any direction that keeps the area (logarithm of its larger factor): heads get other proportions than
    those that were rendered; depth stays."""

    scale: tuple[float, float]
    rotation_deg: float
    shift: float
    stretch: float = 0.0


WIDE_CROPS = CropRange(scale=(0.72, 1.3), rotation_deg=16.0, shift=0.07, stretch=0.06)
# Driven pairs stay near the framing that the editor finds: the expression maps are drawn in that frame, and under
# wide crops the network never learned to use them.
FRAMED_CROPS = CropRange(scale=(0.9, 1.12), rotation_deg=6.0, shift=0.025, stretch=0.04)
# What finds the face has to bear with worse framing than the editor's own.
FACE_CROPS = CropRange(scale=(0.8, 1.25), rotation_deg=14.0, shift=0.06, stretch=0.1)


@dataclass
class CropTransform:
    """Per sample: output pixel (share of the crop, centred) -> share of the rendered picture, by `matrix` [B, 2, 2]
    and `centre` [B, 2]; `flip` [B] bool tells the mirrored ones, `side_mm` [B] what the crop spans."""

    matrix: Tensor
    centre: Tensor
    flip: Tensor
    side_mm: Tensor

    def grid(self, resolution: int) -> Tensor:
        """Sampling grid [B, R, R, 2] for F.grid_sample (align_corners=False)."""
        axis = (torch.arange(resolution, device=self.matrix.device) + 0.5) / resolution - 0.5
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        points = torch.stack([x, y], -1)  # [R, R, 2]
        places = torch.einsum("bij,hwj->bhwi", self.matrix, points) + self.centre[:, None, None]
        return places * 2 - 1


def standard_crop(span_mm: Tensor, centre: Tensor, side_mm: float = CROP_SIDE_MM) -> CropTransform:
    """The crop that the evaluation uses: centred on the head, upright, 340 mm wide."""
    share = side_mm / span_mm
    matrix = torch.eye(2, device=span_mm.device).expand(len(share), 2, 2) * share[:, None, None]
    flip = torch.zeros(len(share), dtype=torch.bool, device=span_mm.device)
    return CropTransform(matrix, centre, flip, torch.full_like(share, side_mm))


def random_crop(
    span_mm: Tensor, centre: Tensor, limits: CropRange, generator: torch.Generator
) -> CropTransform:
    """Random scale, rotation, stretch, shift and mirroring within `limits`."""
    count, device = len(span_mm), span_mm.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator, device=device) * (high - low) + low

    side_mm = CROP_SIDE_MM * uniform(*limits.scale)
    angle = uniform(-1, 1) * limits.rotation_deg * torch.pi / 180
    flip = uniform(0, 1) < 0.5
    share = side_mm / span_mm
    mirror = torch.where(flip, -1.0, 1.0)
    cos, sin = torch.cos(angle) * share, torch.sin(angle) * share
    matrix = torch.stack([torch.stack([cos * mirror, -sin], -1), torch.stack([sin * mirror, cos], -1)], 1)
    if limits.stretch:
        matrix = matrix @ _stretch(uniform(-1, 1) * limits.stretch, uniform(0, 1) * torch.pi)
    shift = torch.stack([uniform(-1, 1), uniform(-1, 1)], -1) * limits.shift * share[:, None]
    return CropTransform(matrix, centre + shift, flip, side_mm)


def _stretch(amount: Tensor, direction: Tensor) -> Tensor:
    """[B, 2, 2] symmetric, determinant 1: factors exp(amount) along `direction` (radians) and exp(-amount) across."""
    cos, sin = torch.cos(2 * direction) * torch.sinh(amount), torch.sin(2 * direction) * torch.sinh(amount)
    even = torch.cosh(amount)
    return torch.stack([torch.stack([even + cos, sin], -1), torch.stack([sin, even - cos], -1)], 1)


@dataclass
class CroppedFrames:
    """Frames of a batch in the crop [B, c, R, R]."""

    rgb: Tensor  # over the background, 0..1
    alpha: Tensor
    depth: Tensor  # mm, NaN where unknown
    coverage: Tensor
    face: Tensor
    motion: Tensor  # crop units
    visible: Tensor
    regions: Tensor  # [B, 2, R, R] mouth and eyes
    normal: Tensor | None = (
        None  # [B, 3, R, R] x right, y up, z towards the camera; NaN off the head or unknown
    )
    masks: Tensor | None = (
        None  # [B, 8, R, R] the regions of `encoding.FACE_REGIONS`, 0..1; NaN where unknown
    )


def crop_frames(
    raw: RawFrames, crop: CropTransform, background: Tensor, resolution: int, oversampling: int = 1
) -> CroppedFrames:
    """Resample all maps of a batch into the crop.

    Depth and motion are interpolated among known pixels only. `oversampling` averages that many samples a side for
    the colour and the mattes: 2 for exact comparisons, 1 is enough for training (crops are reduced by under 1.9).
    """
    fine = crop.grid(resolution * oversampling)
    plain = crop.grid(resolution)

    def sample(image: Tensor, grid: Tensor) -> Tensor:
        return F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    alpha = raw.rgba[:, 3:]
    soft = torch.cat([raw.rgba[:, :3] * alpha, alpha, raw.coverage, raw.face], 1)
    soft = sample(soft, fine)
    if oversampling > 1:
        soft = F.avg_pool2d(soft, oversampling)
    known = torch.cat([raw.depth * raw.solid, raw.solid, raw.motion * raw.visible, raw.visible], 1)
    known = sample(known, plain)
    weight = known[:, 1:2]
    on_head = (weight > 0.4) & (soft[:, 4:5] > 0.5)
    # Shoulders and clothes have no depth in what artists give and get: it must not leak in from the renders.
    depth = torch.where(on_head, known[:, :1] / weight.clamp_min(1e-3), torch.nan)
    seen = known[:, 4:5]
    motion = known[:, 2:4] / seen.clamp_min(1e-3)
    # The same shift in crop units: undo rotation, scale and mirroring.
    motion = torch.einsum("bij,bjhw->bihw", torch.linalg.inv(crop.matrix), motion)
    visible = (seen > 0.6).float()
    rgb = soft[:, :3] + (1 - soft[:, 3:4]) * background
    regions = _regions(raw.boxes, (plain + 1) / 2)
    normal = masks = None
    if raw.normal is not None:
        # Interpolated among solid pixels only, then turned and mirrored like the picture.
        solid = raw.solid * torch.isfinite(raw.normal[:, :1])
        normal = crop_normals(sample(torch.nan_to_num(raw.normal) * solid, plain), crop)
        normal = torch.where(on_head & (sample(solid, plain) > 0.4), normal, torch.nan)
    if raw.masks is not None:
        masks = sample(raw.masks, plain)
    return CroppedFrames(
        rgb,
        soft[:, 3:4],
        depth,
        soft[:, 4:5],
        soft[:, 5:6],
        motion * visible,
        visible,
        regions,
        normal,
        masks,
    )


def crop_normals(normal: Tensor, crop: CropTransform) -> Tensor:
    """Normals [B, 3, R, R] of the picture (y up) in the crop's own axes, unit length."""
    turn = crop.matrix / torch.linalg.det(crop.matrix).abs().sqrt()[:, None, None]
    down = torch.tensor([1.0, -1.0], device=normal.device).view(1, 2, 1, 1)
    across = torch.einsum("bji,bjhw->bihw", turn, normal[:, :2] * down) * down
    return F.normalize(torch.cat([across, normal[:, 2:]], 1), dim=1)


def _regions(boxes: Tensor, places: Tensor) -> Tensor:
    """Masks [B, regions, R, R] of the pixels whose place [B, R, R, 2] in the picture lies in a region's boxes."""
    corners = boxes[:, :, None, None]  # [B, boxes, 1, 1, 4]
    place = places[:, None]
    inside = ((place >= corners[..., :2]) & (place <= corners[..., 2:])).all(-1).float()
    parts = inside.split([len(region) for region in REGIONS], dim=1)
    return torch.cat([part.amax(1, keepdim=True) for part in parts], 1)


def crop_points(points: list[FacePoints | None], crop: CropTransform) -> dict[str, Tensor]:
    """The points of a batch in its crops.

    Returns:
        "face_canonical" and "face_place" [B, N, 2] in shares of the crop, "face_turn" [B, N, 2, 3], and
        "face_valid" [B, N]: 1 for facing points inside the crop; 0 throughout for shots without points.
    """
    device, count = crop.matrix.device, len(points)
    canonical, place = np.zeros((count, COUNT, 2), np.float32), np.zeros((count, COUNT, 2), np.float32)
    turn, valid = np.zeros((count, COUNT, 2, 3), np.float32), np.zeros((count, COUNT), np.float32)
    for row, found in enumerate(points):
        if found is not None:
            canonical[row], place[row], turn[row], valid[row] = (
                found.canonical, found.place, found.turn, found.facing,
            )  # fmt: skip
    to_crop = torch.linalg.inv(crop.matrix)
    shown = torch.from_numpy(place).to(device) - crop.centre[:, None]
    shown = torch.einsum("bij,bnj->bni", to_crop, shown) + 0.5
    turned = torch.einsum("bij,bnjk->bnik", to_crop, torch.from_numpy(turn).to(device))
    known = torch.from_numpy(canonical).to(device)
    # A mirrored face is the canonical face mirrored: left and right change places and directions.
    mirrored = torch.stack([1 - known[..., 0], known[..., 1]], -1)
    known = torch.where(crop.flip[:, None, None], mirrored, known)
    across = torch.where(crop.flip, -1.0, 1.0)
    turned = (
        turned * torch.stack([across, torch.ones_like(across), torch.ones_like(across)], -1)[:, None, None]
    )
    inside = ((shown > 0) & (shown < 1)).all(-1).float()
    return {
        "face_canonical": known,
        "face_place": shown,
        "face_turn": turned,
        "face_valid": torch.from_numpy(valid).to(device) * inside,
    }
