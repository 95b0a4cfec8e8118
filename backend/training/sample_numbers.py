# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of one sample of an evaluation, beside what knows nothing or only copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.model.composite import lengths
from backend.model.expression import ExpressionEncoder
from backend.model.face_frame import CANONICAL_UNIT_MM, OFFSET_SIDES
from backend.model.modalities import AVERAGE_CROP_SIDE_MM
from backend.training import metrics
from backend.training.augment import CROP_SIDE_MM, CroppedFrames
from backend.training.batches import motion_targets
from backend.training.witness import Face

MOVES_MM, MOVES_PX = 1.4, 50  # what counts as moving surface, and how many pixels of it there must be
Row = dict[str, Any]


def depth_numbers(
    predicted: np.ndarray, truth: np.ndarray, head: np.ndarray, face: np.ndarray, mean_head: np.ndarray
) -> Row:
    """RMSE and MAE in mm after the best scale and shift and the angle of normals, of the prediction, a flat plane and
    the mean head, in head and face; and the prediction's MAE as it is."""
    row: Row = {}
    pitch = CROP_SIDE_MM / truth.shape[0]
    guesses = {"model": predicted, "flat": np.zeros_like(truth), "mean_head": mean_head}
    for part, mask in (("head", head), ("face", face)):
        if not mask.any():
            continue
        for name, guess in guesses.items():
            aligned = metrics.align_scale_shift(guess, truth, mask)
            row[f"{name}_{part}_rmse_mm"] = metrics.rmse(aligned, truth, mask)
            row[f"{name}_{part}_mae_mm"] = metrics.mean_absolute_error(aligned, truth, mask)
            row[f"{name}_{part}_normal_deg"] = metrics.normal_angle_degrees(guess, truth, mask, pitch)
        row[f"model_{part}_metric_mae_mm"] = metrics.mean_absolute_error(predicted, truth, mask)
    return row


def picture_numbers(
    made: np.ndarray, copy: np.ndarray, wanted: np.ndarray, regions: dict[str, np.ndarray]
) -> Row:
    """How near the generated picture and the copied reference come to the target in each region (masks [H, W])."""
    row: Row = {}
    for name, mask in regions.items():
        if not mask.any():
            continue
        for source, picture in (("model", made), ("copy", copy)):
            row[f"{source}_{name}_psnr_db"] = metrics.psnr(picture, wanted, mask)
            row[f"{source}_{name}_ssim"] = metrics.ssim(picture, wanted, mask)
            row[f"{source}_{name}_gradient_error"] = metrics.multi_scale_gradient_error(picture, wanted, mask)
        row[f"{name}_response"] = metrics.response(made, copy, wanted, mask)
        row[f"{name}_change_mse"] = float(np.mean((wanted - copy)[mask] ** 2))
        row[f"{name}_sharpness"] = metrics.sharpness_ratio(made, wanted, mask)
    return row


def face_place_numbers(field: Tensor, points: Mapping[str, Tensor]) -> Row:
    """Mean distance in mm on the canonical face between what the face frame takes points of the face for and what they
    are, beside a frame that finds every face in the middle, upright and average.

    Args:
        field: [1, 8, h, w], see `face_frame.carry`; points: of `crop_points`, one picture.
    """
    valid = points["face_valid"][0] > 0
    if not valid.any():
        return {}
    place, canonical = points["face_place"], points["face_canonical"][0]
    shift = F.grid_sample(
        field[:, :2].float().cpu(), place[:, None] * 2 - 1, padding_mode="border", align_corners=False
    )[0, :, 0].T
    row: Row = {}
    for name, found in (("model", place[0] + shift * OFFSET_SIDES), ("identity", place[0])):
        away = (found - canonical).norm(dim=1)[valid]
        row[f"{name}_face_place_mm"] = float(away.mean() * AVERAGE_CROP_SIDE_MM)
    return row


def reading_numbers(read: Tensor, own: np.ndarray, encoder: ExpressionEncoder) -> Row:
    """Error of the coefficients read from a picture, and of what they move on the canonical face, root mean square in
    mm over all that expressions move there; beside taking the face for neutral.

    Args:
        read: [1, 51]; own: the true ones [51].
    """
    true = torch.from_numpy(own)[None]
    moving = (encoder.canonical_basis.float() != 0).any(dim=1).any(dim=0).cpu()
    row: Row = {}
    for name, guess in (("model", read.float().cpu()), ("neutral", torch.zeros_like(true))):
        astray = encoder.displacement((guess - true).to(encoder.canonical_basis.device)).float().cpu()
        row[f"{name}_read_error"] = float((guess - true).abs().mean())
        row[f"{name}_read_mm"] = float((astray**2).sum(1)[:, moving].mean().sqrt()) * CANONICAL_UNIT_MM
    return row


def motion_numbers(flow: Tensor, cut: CroppedFrames, first: CroppedFrames) -> Row:
    """Squared error of the motion against the motion itself (1: standing still) and its response (1: the whole), where
    surface that both pictures show moves by more than `MOVES_MM`; nothing where none does.

    Args:
        flow: [1, 2, R, R] in sides; cut, first: target and reference.
    """
    true = motion_targets(first, cut)["flow"]
    weight = cut.visible * (lengths(true) * CROP_SIDE_MM > MOVES_MM)
    energy = float((weight * true**2).sum())
    if weight.sum() < MOVES_PX:
        return {}
    flow = flow.float().cpu()
    return {
        "motion_error": float((weight * (flow - true) ** 2).sum()) / energy,
        "motion_response": float((weight * flow * true).sum()) / energy,
    }


def witness_numbers(made: Face, copy: Face, wanted: Face) -> Row:
    """What the witness sees of the generated and of the copied picture, against what it sees of the target's."""
    row: Row = {}
    for source, face in (("model", made), ("copy", copy)):
        row[f"{source}_expression_error"] = float(np.abs(face.expression - wanted.expression).mean())
        row[f"{source}_pose_error_deg"] = metrics.rotation_angle_degrees(face.rotation, wanted.rotation)
        away = np.linalg.norm(face.landmarks - wanted.landmarks, axis=1)
        row[f"{source}_landmark_error_mm"] = float(away.mean() * CROP_SIDE_MM)
    all_of_it = np.ones(len(wanted.expression), bool)
    row["expression_response"] = metrics.response(
        made.expression, copy.expression, wanted.expression, all_of_it
    )
    row["expression_change_mse"] = float(np.mean((wanted.expression - copy.expression) ** 2))
    return row


@dataclass(frozen=True)
class MarkedDepth:
    """A depth map [R, R] in mm, where it is known (bool) and the landmarks [N, 2] of the picture beside it."""

    depth_mm: np.ndarray
    known: np.ndarray
    landmarks: np.ndarray

    def at_landmarks(self) -> np.ndarray:
        """[N] in mm, NaN where it is not known."""
        return metrics.sample_at(self.depth_mm, self.known, self.landmarks)


def landmark_depth_numbers(guesses: Mapping[str, MarkedDepth], wanted: MarkedDepth) -> Row:
    """How far each guess's depth at its own landmarks is from the true depth at the target's, after the best scale and
    shift: small only where depth and picture agree with each other."""
    truth = wanted.at_landmarks()
    return {
        f"{name}_landmark_depth_mae_mm": metrics.aligned_mean_absolute_error(guess.at_landmarks(), truth)
        for name, guess in guesses.items()
    }
