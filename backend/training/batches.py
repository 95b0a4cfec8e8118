# SPDX-License-Identifier: GPL-3.0-or-later
"""Training batches: joint (reference + expression), depth (picture given), appearance (depth given)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from backend.model.composite import lengths, warp
from backend.model.expression_names import ARKIT_NAMES
from backend.training.augment import (
    FACE_CROPS,
    FRAMED_CROPS,
    WIDE_CROPS,
    CroppedFrames,
    CropRange,
    CropTransform,
    crop_frames,
    crop_points,
    random_crop,
)
from backend.training.backgrounds import random_background
from backend.training.dataset import EXPRESSION_SIZE, MIRROR_ORDER, MIRROR_SIGN, Shot, gather
from backend.training.face_points import FacePoints
from backend.training.photometric import photometric, random_cameras
from backend.training.ratio_image import smooth_ratio
from backend.training.relight import random_light
from backend.training.render.encoding import FACE_REGIONS
from backend.training.render.lighting import LIGHT_GROUPS

POSE_COLUMNS = slice(EXPRESSION_SIZE - 3, EXPRESSION_SIZE)
UNCHANGED = 1e-3
TURNED_SHARE = 0.1
"""Of the driven pairs that may differ in the head's pose too. The editor turns heads by their depth, so that the
network need not."""


class Shots(Protocol):
    """What batches are drawn from: `ShotLibrary` or `TrainingLibrary`."""

    @property
    def shots(self) -> list[Shot]:
        """All, each with a picture and its depth."""
        ...

    @property
    def paired(self) -> list[Shot]:
        """Those with driven frames."""
        ...


class SomeShots:
    """A part of a library's shots, all of which have driven frames or are not asked for them."""

    def __init__(self, shots: list[Shot]):
        self.shots = self.paired = shots


@dataclass
class SamplerState:
    """Random state that survives resuming."""

    numpy: Mapping[str, Any]
    torch: Tensor


class BatchSampler:
    """Draws augmented batches from a library; all randomness comes from one seed.

    Args:
        turned_share: of the driven pairs that may differ in the head's pose too.
    """

    def __init__(
        self,
        library: Shots,
        resolution_px: int,
        seed: int,
        device: torch.device | str = "cpu",
        turned_share: float = TURNED_SHARE,
    ):
        self.library, self.resolution_px, self.turned_share = library, resolution_px, turned_share
        self.device = torch.device(device)
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator(device=self.device).manual_seed(seed)

    def state(self) -> SamplerState:
        """For checkpoints."""
        return SamplerState(self.rng.bit_generator.state, self.generator.get_state())

    def restore(self, state: SamplerState) -> None:
        """Go on where `state` was taken."""
        self.rng.bit_generator.state = state.numpy
        self.generator.set_state(state.torch)

    def reseed(self, seed: int) -> None:
        """Start the random numbers anew."""
        self.rng = np.random.default_rng(seed)
        self.generator.manual_seed(seed)

    def _pick(self, shots: list[Shot], count: int) -> list[Shot]:
        return [shots[i] for i in self.rng.integers(0, len(shots), count)]

    def _crop(self, shots: list[Shot], limits: CropRange) -> CropTransform:
        span = torch.tensor([s.span_mm for s in shots], device=self.device)
        centre = torch.tensor([s.centre for s in shots], device=self.device)
        return random_crop(span, centre, limits, self.generator)

    def _light(self, shots: list[Shot]) -> Tensor | None:
        """New light [B, G, 3] for the shots with light groups (1 for others), None where none has them."""
        lit = [i for i, shot in enumerate(shots) if shot.light is not None]
        if not lit:
            return None
        gains = torch.ones(len(shots), len(LIGHT_GROUPS), 3, device=self.device)
        lights = [light for shot in shots if (light := shot.light) is not None]
        gains[lit] = random_light(lights, self.generator, self.device)
        return gains

    def depth(self, count: int) -> dict[str, Tensor]:
        """Any frame, picture given: keys rgb, depth (NaN unknown), coverage, crop_side_mm, values, known (both 0)."""
        shots = self._pick(self.library.shots, count)
        frames = [int(self.rng.integers(0, s.frames)) for s in shots]
        crop = self._crop(shots, WIDE_CROPS)
        background = random_background(count, self.resolution_px, self.generator, self.device)
        raw = gather(shots, frames, self.device, self._light(shots))
        cut = crop_frames(raw, crop, background, self.resolution_px)
        (rgb,) = photometric([cut.rgb], self.generator)
        zeros = torch.zeros(count, EXPRESSION_SIZE, device=self.device)
        return {
            "rgb": rgb,
            "depth": cut.depth,
            "coverage": cut.coverage,
            "face": cut.face,
            "crop_side_mm": crop.side_mm,
            "values": zeros,
            "known": zeros.clone(),
        }

    def joint(self, count: int) -> dict[str, Tensor]:
        """Reference (frame 0) and target of one shot. Adds reference_rgb, flow, flow_valid, visible, change_weight,
        generated_weight, regions, shading, opened_before and opened (see `OPENED`, where shots have region masks),
        values, known, clean (1 for pictures without noise and compression) and what `crop_points` returns."""
        shots = self._pick(self.library.paired, count)
        # One sample in ten asks for the photo itself: what "as in the photo" and a fully known neutral mean.
        same = self.rng.random(count) < 0.1
        turned = self.rng.random(count) < self.turned_share
        targets = [0 if same[i] else self._target(s, bool(turned[i])) for i, s in enumerate(shots)]
        crop = self._crop(shots, FRAMED_CROPS)
        background = random_background(count, self.resolution_px, self.generator, self.device)
        light = self._light(shots)  # one for both: an edit keeps its light
        reference, target = (
            crop_frames(gather(shots, frames, self.device, light), crop, background, self.resolution_px)
            for frames in ([0] * count, targets)
        )
        camera = random_cameras(count, self.resolution_px, self.generator, self.device)
        reference_rgb, rgb = photometric([reference.rgb, target.rgb], self.generator, camera)
        values, known = self._expressions(shots, targets, same, crop.flip)
        motion = motion_targets(reference, target)
        return {
            "rgb": rgb,
            "reference_rgb": reference_rgb,
            "depth": target.depth,
            "coverage": target.coverage,
            "face": target.face,
            "crop_side_mm": crop.side_mm,
            "values": values,
            "known": known,
            "clean": camera.clean.float(),
            **motion,
            **_opened(reference, target),
            # Of the pictures as the network sees them: their light is what it can know.
            "shading": smooth_ratio(warp(reference_rgb, motion["flow"]), rgb, motion["visible"]),
            **crop_points(_points(shots, [0] * count), crop),
        }

    def face(self, count: int) -> dict[str, Tensor]:
        """Any frames as references alone, for the face frame and the reader: reference_rgb, values, known (both 0),
        expression [B, 51] (the frames' own coefficients), what `crop_points` returns."""
        shots = self._pick([s for s in self.library.shots if s.points], count)
        frames = [int(self.rng.integers(0, s.frames)) for s in shots]
        crop = self._crop(shots, FACE_CROPS)
        background = random_background(count, self.resolution_px, self.generator, self.device)
        raw = gather(shots, frames, self.device, self._light(shots))
        cut = crop_frames(raw, crop, background, self.resolution_px)
        (rgb,) = photometric([cut.rgb], self.generator)
        zeros = torch.zeros(count, EXPRESSION_SIZE, device=self.device)
        points = crop_points(_points(shots, frames), crop)
        own = np.stack([s.values[k] for s, k in zip(shots, frames, strict=True)])
        expression = self._mirrored(torch.from_numpy(own).to(self.device), crop.flip)[:, : len(ARKIT_NAMES)]
        return {
            "reference_rgb": rgb, "values": zeros, "known": zeros.clone(), "expression": expression, **points
        }  # fmt: skip

    def _target(self, shot: Shot, turned: bool) -> int:
        """A frame other than the reference; unless `turned`, one that holds the head as the reference does."""
        pose = shot.values[:, POSE_COLUMNS]
        still = np.abs(pose[1:] - pose[0]).max(axis=1) < UNCHANGED
        choice = 1 + np.flatnonzero(still)
        if turned or not len(choice):
            choice = np.arange(1, shot.frames)
        return int(self.rng.choice(choice))

    def _expressions(
        self, shots: list[Shot], targets: list[int], same: np.ndarray, flip: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Wanted values [B, 54] and which of them are told; what does not change may be left unknown."""
        wanted = np.stack([s.values[k] for s, k in zip(shots, targets, strict=True)])
        before = np.stack([s.values[0] for s in shots])
        unchanged = np.abs(wanted - before) < UNCHANGED
        hide_share = self.rng.choice([0.0, 0.5, 1.0], len(shots), p=[0.35, 0.3, 0.35])[:, None]
        hidden = unchanged & (self.rng.random(wanted.shape) < hide_share)
        # The pose is one thing: known or unknown as a whole.
        still = unchanged[:, POSE_COLUMNS].all(1, keepdims=True)
        hidden[:, POSE_COLUMNS] = still & (self.rng.random((len(shots), 1)) < 0.6)
        known = torch.from_numpy((~hidden).astype(np.float32)).to(self.device)
        values = torch.from_numpy(wanted).to(self.device)
        known = torch.where(flip[:, None], known[:, MIRROR_ORDER], known)
        return self._mirrored(values, flip) * known, known

    def _mirrored(self, values: Tensor, flip: Tensor) -> Tensor:
        """Values [B, 54] with those of the mirrored pictures mirrored."""
        sign = torch.tensor(MIRROR_SIGN, device=self.device)
        return torch.where(flip[:, None], values[:, MIRROR_ORDER] * sign, values)


def _points(shots: list[Shot], frames: list[int]) -> list[FacePoints | None]:
    return [None if s.points is None else s.points[k] for s, k in zip(shots, frames, strict=True)]


OPENED = ("eyeball", "mouth_inside")
"""Regions that open and close."""


def _opened(reference: CroppedFrames, target: CroppedFrames) -> dict[str, Tensor]:
    """Where they are seen [B, 2, R, R] in the reference and in the target, of shots with region masks; nowhere in
    others of the same batch."""
    if reference.masks is None or target.masks is None:
        return {}
    channels = [FACE_REGIONS.index(name) for name in OPENED]
    before, after = (torch.nan_to_num(masks[:, channels]) for masks in (reference.masks, target.masks))
    return {"opened_before": before, "opened": after}


def motion_targets(reference: CroppedFrames, target: CroppedFrames) -> dict[str, Tensor]:
    """Supervision of warp and blend, and the weights of what changed.

    The background stands still, so it is found in place wherever both pictures show it. Moving surface counts more
    than still surface: most of a portrait does not move, and an unweighted mean would be met by standing still.
    """
    empty = ((target.alpha < 0.02) & (reference.alpha < 0.02)).float()
    surface = target.visible
    moving = (lengths(target.motion) / 0.01).clamp(0, 1)
    difference = (target.rgb - reference.rgb).abs().mean(1, keepdim=True)
    changed = (difference / 0.08).clamp(0, 1)
    visible = torch.maximum(surface, empty)
    return {
        "flow": target.motion * surface,
        "flow_valid": surface * (0.15 + moving) + empty * 0.05,
        "visible": visible,
        "blend_weight": 0.2 + changed + (1 - visible),
        "change_weight": changed * target.alpha,
        "generated_weight": 0.1 + changed + 2 * (1 - visible),
        "regions": torch.maximum(target.regions, reference.regions),
    }
