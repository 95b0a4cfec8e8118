# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a checkpoint over held-out shots: one row of numbers a sample, beside what knows nothing or only copies."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from backend.imaging.matting import follow_picture
from backend.model.ensemble import VIEWS, Geometry
from backend.model.expression import Expression
from backend.model.expression_names import ARKIT_NAMES, POSE_NAMES
from backend.model.pipeline import JointPortraitOutput, JointPortraitPipeline
from backend.training import metrics
from backend.training.augment import (
    CROP_SIDE_MM,
    CroppedFrames,
    CropTransform,
    crop_frames,
    crop_points,
    standard_crop,
)
from backend.training.axes import axis_bins
from backend.training.backgrounds import random_background
from backend.training.dataset import POSE_UNIT_DEG, Shot, ShotLibrary, gather, region_box
from backend.training.evaluation_sheets import strip
from backend.training.jitter import depth_jitter
from backend.training.sample_numbers import (
    MarkedDepth,
    Row,
    depth_numbers,
    face_place_numbers,
    landmark_depth_numbers,
    motion_numbers,
    picture_numbers,
    reading_numbers,
    witness_numbers,
)
from backend.training.turned import same_expression, turn_between, turned_picture
from backend.training.witness import Face, Witness

BACKGROUND = 0.45
FACE_CUT = 0.5
STILL_POSE = 1e-3  # a smaller change in units of the pose is none


def evaluation_framing(shot: Shot) -> CropTransform:
    """The standard framing of a shot, for a batch of one."""
    return standard_crop(torch.tensor([shot.span_mm]), torch.tensor([shot.centre]))


def evaluation_crop(
    shot: Shot, frame: int, resolution: int, background: Tensor | None = None
) -> CroppedFrames:
    """One frame in the standard framing on grey (or a background [1, 3, R, R]), averaged over 2 x 2 samples a pixel."""
    crop = evaluation_framing(shot)
    if background is None:
        background = torch.full((1, 3, resolution, resolution), BACKGROUND)
    return crop_frames(gather([shot], [frame]), crop, background, resolution, oversampling=2)


def region_mask(shot: Shot, frames: Iterable[int], names: tuple[str, ...], resolution: int) -> np.ndarray:
    """[R, R] bool: the named boxes (mouth, left_eye, right_eye) of all `frames`, in the standard crop."""
    mask = np.zeros((resolution, resolution), bool)
    share = CROP_SIDE_MM / shot.span_mm
    for frame in frames:
        for name in names:
            u0, v0, u1, v1 = region_box(shot, frame, name)
            x0, x1 = (((u - shot.centre[0]) / share + 0.5) * resolution for u in (u0, u1))
            y0, y1 = (((v - shot.centre[1]) / share + 0.5) * resolution for v in (v0, v1))
            rows = slice(max(0, int(y0)), max(0, int(np.ceil(y1))))
            mask[rows, max(0, int(x0)) : max(0, int(np.ceil(x1)))] = True
    return mask


def head_turns(shot: Shot, frame: int) -> bool:
    """Whether a frame's head is turned against the reference's."""
    return bool(np.abs(shot.values[frame, -3:] - shot.values[0, -3:]).max() > STILL_POSE)


def wanted_expression(shot: Shot, frame: int) -> Expression:
    """Everything known: coefficients of the frame and, where it differs from the reference's, the pose."""
    row = shot.values[frame]
    values = dict(zip(ARKIT_NAMES, row.tolist(), strict=False))
    if head_turns(shot, frame):
        angles = (row[-3:] * POSE_UNIT_DEG).tolist()
        values |= dict(zip(POSE_NAMES, angles, strict=True))
    return Expression(values)


def picture_of(tensor: Tensor) -> np.ndarray:
    """[1, 3, H, W] -> [H, W, 3] in 0..1."""
    return tensor[0].permute(1, 2, 0).float().clamp(0, 1).cpu().numpy()


def _map_of(tensor: Tensor) -> np.ndarray:
    return tensor[0, 0].float().cpu().numpy()


def mean_heads(crops: dict[tuple[int, int], CroppedFrames]) -> dict[int, np.ndarray]:
    """For every shot the mean depth map of all *other* shots' frames (0 where none is known)."""
    sums: dict[int, np.ndarray] = {}
    counts: dict[int, np.ndarray] = {}
    for (shot, _), cut in crops.items():
        depth = cut.depth[0, 0].numpy()
        known = np.isfinite(depth) & (cut.coverage[0, 0].numpy() > 0.5)
        sums[shot] = sums.get(shot, 0) + np.where(known, depth, 0)
        counts[shot] = counts.get(shot, 0) + known
    total, number = sum(sums.values()), sum(counts.values())
    return {shot: (total - sums[shot]) / np.maximum(number - counts[shot], 1) for shot in sums}


class Evaluation:
    """Collects one row a sample.

    Args:
        steps: denoising steps; None takes the checkpoint's own.
        ensemble_size: views that the depth of a picture is averaged over.
        witness: looks at generated pictures; without it its numbers are left out.
        still_input: also disturb each shot's first picture and measure what its depth does.
    """

    def __init__(
        self,
        pipeline: JointPortraitPipeline,
        library: ShotLibrary,
        steps: int | None = None,
        ensemble_size: int = len(VIEWS),
        *,
        witness: Witness | None = None,
        still_input: bool = False,
    ):
        self.pipeline, self.library, self.steps, self.ensemble_size = pipeline, library, steps, ensemble_size
        self.witness, self.still_input = witness, still_input
        self.resolution = pipeline.settings.resolution_px
        self.device = next(pipeline.backbone.parameters()).device
        self.crops = {
            (i, k): evaluation_crop(shot, k, self.resolution)
            for i, shot in enumerate(library.shots)
            for k in range(shot.frames)
        }
        self.mean_heads = mean_heads(self.crops)
        self.rows: list[Row] = []
        self.strips: list[tuple[Row, np.ndarray]] = []  # of the joint samples, for contact sheets
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def _turn(self, index: int, shot: Shot, frame: int, copy: Face | None, target: Face | None) -> Row:
        """How near the reference comes to a frame that differs by the head's turn alone, turned by the depth that is
        read from it."""
        read = self._read_depth(self.crops[index, 0].rgb)
        before, wanted = picture_of(self.crops[index, 0].rgb), picture_of(self.crops[index, frame].rgb)
        made = turned_picture(
            before, _map_of(read.depth_mm), _map_of(read.coverage), turn_between(shot, frame)
        )
        _, head, face = self._masks(index, frame)
        row: Row = {}
        for part, mask in (("whole", np.ones_like(head)), ("face", face)):
            if mask.any():
                row[f"turn_model_{part}_psnr_db"] = metrics.psnr(made, wanted, mask)
                row[f"turn_copy_{part}_psnr_db"] = metrics.psnr(before, wanted, mask)
        after = self.witness.look(made) if self.witness else None
        if after is not None and copy is not None and target is not None:
            for source, seen in (("model", after), ("copy", copy)):
                row[f"turn_{source}_pose_error_deg"] = metrics.rotation_angle_degrees(
                    seen.rotation, target.rotation
                )
        return row

    def run(self) -> None:
        """All frames in depth mode, all driven frames in joint mode, those with the head still in appearance mode."""
        for index, shot in enumerate(tqdm(self.library.shots, unit="shot", disable=None)):
            read = {frame: self._depth(index, shot, frame) for frame in range(shot.frames)}
            reference = self.pipeline.encode_reference(self.crops[index, 0].rgb.to(self.device))
            before = self._seen(self.crops[index, 0].rgb)
            for frame in range(1, shot.frames):
                self._joint(index, shot, frame, reference, before, read[frame])
                if not head_turns(shot, frame):
                    self._appearance(index, shot, frame, reference)

    def _row(self, mode: str, shot: Shot, frame: int) -> Row:
        bins = {f"axis_{name}": found for name, found in axis_bins(shot, frame).items()}
        return {
            "mode": mode, "seed": shot.seed, "frame": frame, "pose_changes": head_turns(shot, frame), **bins,
        }  # fmt: skip

    def _seen(self, rgb: Tensor) -> Face | None:
        return self.witness.look(picture_of(rgb)) if self.witness else None

    def _masks(self, index: int, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True depth (0 outside the head), head and face [R, R]."""
        cut = self.crops[index, frame]
        truth = cut.depth[0, 0].numpy()
        head = (cut.coverage[0, 0].numpy() > 0.9) & np.isfinite(truth)
        face = head & (cut.face[0, 0].numpy() > FACE_CUT)
        return np.where(head, truth, 0), head, face

    def _read_depth(self, rgb: Tensor) -> JointPortraitOutput:
        return self.pipeline(
            mode="depth",
            rgb=rgb.to(self.device),
            num_inference_steps=self.steps,
            ensemble_size=self.ensemble_size,
        )

    def _geometry(self, rgb: Tensor) -> Geometry:
        output = self._read_depth(rgb)
        return Geometry(output.depth_mm, output.coverage, output.crop_side_mm)

    def _depth(self, index: int, shot: Shot, frame: int) -> np.ndarray:
        """Adds the row of one picture whose depth is read; returns that depth [R, R] in mm."""
        truth, head, face = self._masks(index, frame)
        cut = self.crops[index, frame]
        start = time.perf_counter()
        output = self._read_depth(cut.rgb)
        predicted = _map_of(output.depth_mm)
        self.seconds["depth"].append(time.perf_counter() - start)
        row = self._row("depth", shot, frame)
        row |= depth_numbers(predicted, truth, head, face, self.mean_heads[index])
        row["coverage_iou"] = metrics.intersection_over_union(_map_of(output.coverage), _map_of(cut.coverage))
        row["extent_error_percent"] = 100 * abs(float(output.crop_side_mm[0]) / CROP_SIDE_MM - 1)
        if self.pipeline.backbone.face_frame is not None:
            row |= self._face(shot, frame, cut.rgb.to(self.device))
        if frame == 0:
            row |= self._first_picture(shot, output, truth, face)
        if self.still_input and frame == 0:
            changes = depth_jitter(self._geometry, cut.rgb.to(self.device), output.depth_mm, head)
            row |= {f"jitter_{name}_mm": change for name, change in changes.items()}
        self.rows.append(row)
        return predicted

    def _face(self, shot: Shot, frame: int, rgb: Tensor) -> Row:
        """What the face frame and the reader see in a picture [1, 3, R, R]."""
        row: Row = {}
        field, encoder = self.pipeline.model.face_field(rgb), self.pipeline.expression_encoder
        if shot.points is not None:
            row |= face_place_numbers(field, crop_points([shot.points[frame]], evaluation_framing(shot)))
        if encoder.reader is not None:
            read = encoder.reader(rgb, field).clamp(0, 1)
            row |= reading_numbers(read, shot.values[frame, : len(ARKIT_NAMES)], encoder)
        return row

    def _first_picture(
        self, shot: Shot, on_grey: JointPortraitOutput, truth: np.ndarray, face: np.ndarray
    ) -> Row:
        """Depth and outline of the first frame on grey ("first") and before a background, the same for every checkpoint
        ("background"); the outline also after the picture's colours, as in the editor ("followed")."""
        chance = torch.Generator().manual_seed(shot.seed)
        behind = random_background(1, self.resolution, chance, torch.device("cpu"))
        before = evaluation_crop(shot, 0, self.resolution, behind)
        grey = evaluation_crop(shot, 0, self.resolution)
        row: Row = {}
        for name, cut, output in (
            ("first", grey, on_grey),
            ("background", before, self._read_depth(before.rgb)),
        ):
            seen, wanted = _map_of(output.coverage), _map_of(cut.coverage)
            row[f"{name}_coverage_iou"] = metrics.intersection_over_union(seen, wanted)
            followed = follow_picture(seen, picture_of(cut.rgb))
            row[f"{name}_followed_iou"] = metrics.intersection_over_union(followed, wanted)
            if face.any():
                aligned = metrics.align_scale_shift(_map_of(output.depth_mm), truth, face)
                row[f"{name}_face_rmse_mm"] = metrics.rmse(aligned, truth, face)
        return row

    def _compared(self, index: int, shot: Shot, frame: int, made: np.ndarray) -> Row:
        """`made` against the frame's picture, beside the copied reference."""
        copy, wanted = (picture_of(self.crops[index, k].rgb) for k in (0, frame))
        head = self._masks(index, frame)[1]
        regions = {
            "whole": np.ones_like(head),
            "mouth": region_mask(shot, (0, frame), ("mouth",), self.resolution),
            "eyes": region_mask(shot, (0, frame), ("left_eye", "right_eye"), self.resolution),
        }
        row = picture_numbers(made, copy, wanted, regions)
        if not head_turns(shot, frame):
            alike = metrics.unchanged(copy, wanted, head & self._masks(index, 0)[1])
            if alike.any():
                row["model_identity_psnr_db"] = metrics.psnr(made, wanted, alike)
                row["copy_identity_psnr_db"] = metrics.psnr(copy, wanted, alike)
        return row

    def _appearance(self, index: int, shot: Shot, frame: int, reference: Any) -> None:
        """Adds the row of one frame whose true depth and coverage are given with the reference picture."""
        cut = self.crops[index, frame]
        start = time.perf_counter()
        output = self.pipeline(
            mode="appearance",
            reference=reference,
            depth_mm=cut.depth.to(self.device),
            coverage=cut.coverage.to(self.device),
            num_inference_steps=self.steps,
            generator=torch.Generator().manual_seed(0),
        )
        made = picture_of(output.rgb)
        self.seconds["appearance"].append(time.perf_counter() - start)
        self.rows.append(self._row("appearance", shot, frame) | self._compared(index, shot, frame, made))

    def _joint(
        self, index: int, shot: Shot, frame: int, reference: Any, before: Face | None, read_mm: np.ndarray
    ) -> None:
        """Adds the row of one driven frame."""
        truth, head, face = self._masks(index, frame)
        first, cut = self.crops[index, 0], self.crops[index, frame]
        start = time.perf_counter()
        output = self.pipeline(
            mode="joint",
            reference=reference,
            expression=wanted_expression(shot, frame),
            num_inference_steps=self.steps,
            generator=torch.Generator().manual_seed(0),
        )
        made, depth_mm = picture_of(output.rgb), _map_of(output.depth_mm)
        self.seconds["joint"].append(time.perf_counter() - start)
        wanted, copy = picture_of(cut.rgb), picture_of(first.rgb)
        row = self._row("joint", shot, frame)
        row |= depth_numbers(depth_mm, truth, head, face, self.mean_heads[index])
        row["coverage_iou"] = metrics.intersection_over_union(_map_of(output.coverage), _map_of(cut.coverage))
        row |= self._compared(index, shot, frame, made)
        if output.motion is not None and not row["pose_changes"]:
            row |= motion_numbers(output.motion, cut, first)
        if self.witness:
            after, target = self.witness.look(made), self._seen(cut.rgb)
            row["witnessed_percent"] = 100.0 * (before is not None and target is not None)
            if before is not None and target is not None:
                row["found_percent"] = 100.0 * (after is not None)
                if after is not None:
                    row |= witness_numbers(after, before, target)
                    everywhere = np.ones_like(head)
                    row |= landmark_depth_numbers(
                        {
                            "model": MarkedDepth(depth_mm, everywhere, after.landmarks),
                            "read": MarkedDepth(read_mm, everywhere, target.landmarks),
                            "copy": MarkedDepth(*self._masks(index, 0)[:2], before.landmarks),
                        },
                        MarkedDepth(truth, head, target.landmarks),
                    )
        if row["pose_changes"] and same_expression(shot, frame):
            row |= self._turn(index, shot, frame, before, self._seen(cut.rgb))
        self.rows.append(row)
        self.strips.append((row, strip(copy, wanted, made, (truth, depth_mm), head)))
