# SPDX-License-Identifier: GPL-3.0-or-later
"""`portrait-relief evaluate`: depth and pictures on held-out identities, beside what knows nothing or only copies."""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.model.ensemble import VIEWS
from backend.model.expression import Expression
from backend.model.expression_names import ARKIT_NAMES, POSE_NAMES
from backend.model.pipeline import JointPortraitPipeline
from backend.training import metrics
from backend.training.augment import CROP_SIDE_MM, CroppedFrames, crop_frames, standard_crop
from backend.training.dataset import Shot, ShotLibrary, gather, region_box

BACKGROUND = 0.45
FACE_CUT = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("checkpoint", nargs="?", type=Path, help="model folder; default: the embedded one")
    parser.add_argument("--data", required=True, type=Path, help="folder with the rendered test split")
    parser.add_argument(
        "--json", type=Path, help="write all numbers here; a .csv per sample is written beside it"
    )
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of some samples (PNG)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--steps", type=int, default=None, help="denoising steps; default: the checkpoint's own"
    )
    parser.add_argument(
        "--ensemble",
        type=int,
        default=len(VIEWS),
        help=f"views that the depth of a picture is averaged over, 1 to {len(VIEWS)}; default: %(default)s, as in use",
    )


def evaluation_crop(shot: Shot, frame: int, resolution: int) -> CroppedFrames:
    """One frame in the standard framing on grey, averaged over 2 x 2 samples a pixel."""
    crop = standard_crop(torch.tensor([shot.span_mm]), torch.tensor([shot.centre]))
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


def wanted_expression(shot: Shot, frame: int) -> Expression:
    """Everything known: coefficients of the frame and, where it differs from the reference's, the pose."""
    row, before = shot.values[frame], shot.values[0]
    values = dict(zip(ARKIT_NAMES, row.tolist(), strict=False))
    if np.abs(row[-3:] - before[-3:]).max() > 1e-3:
        values |= {name: float(angle) * 30 for name, angle in zip(POSE_NAMES, row[-3:], strict=True)}
    return Expression(values)


def _picture(tensor: torch.Tensor) -> np.ndarray:
    return tensor[0].permute(1, 2, 0).float().clamp(0, 1).numpy()


def _depth_rows(
    predicted: np.ndarray, truth: np.ndarray, head: np.ndarray, face: np.ndarray, mean_head: np.ndarray
) -> dict[str, float]:
    row: dict[str, float] = {}
    pitch = CROP_SIDE_MM / truth.shape[0]
    for name, guess in (("model", predicted), ("flat", np.zeros_like(truth)), ("mean_head", mean_head)):
        for part, mask in (("head", head), ("face", face)):
            aligned = metrics.align_scale_shift(guess, truth, mask)
            row[f"{name}_{part}_rmse_mm"] = metrics.rmse(aligned, truth, mask)
            row[f"{name}_{part}_mae_mm"] = metrics.mean_absolute_error(aligned, truth, mask)
            row[f"{name}_{part}_normal_deg"] = metrics.normal_angle_degrees(guess, truth, mask, pitch)
    for part, mask in (("head", head), ("face", face)):
        row[f"model_{part}_metric_mae_mm"] = metrics.mean_absolute_error(predicted, truth, mask)
    return row


def _mean_heads(crops: dict[tuple[int, int], CroppedFrames]) -> dict[int, np.ndarray]:
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
    """Runs a checkpoint over a library and collects one row per sample."""

    def __init__(
        self,
        pipeline: JointPortraitPipeline,
        library: ShotLibrary,
        steps: int | None = None,
        ensemble_size: int = len(VIEWS),
    ):
        self.pipeline, self.library, self.steps, self.ensemble_size = pipeline, library, steps, ensemble_size
        self.resolution = pipeline.settings.resolution_px
        self.device = next(pipeline.backbone.parameters()).device
        self.crops = {
            (i, k): evaluation_crop(shot, k, self.resolution)
            for i, shot in enumerate(library.shots)
            for k in range(shot.frames)
        }
        self.mean_heads = _mean_heads(self.crops)
        self.rows: list[dict[str, Any]] = []
        self.sheets: list[list[np.ndarray]] = []
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def run(self) -> None:
        """All frames in depth mode, all driven frames in joint mode."""
        for index, shot in enumerate(self.library.shots):
            for frame in range(shot.frames):
                self.rows.append(self._depth(index, shot, frame))
            reference = self.pipeline.encode_reference(self.crops[index, 0].rgb.to(self.device))
            for frame in range(1, shot.frames):
                self.rows.append(self._joint(index, shot, frame, reference))

    def _masks(self, index: int, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        cut = self.crops[index, frame]
        truth = cut.depth[0, 0].numpy()
        head = (cut.coverage[0, 0].numpy() > 0.9) & np.isfinite(truth)
        face = head & (cut.face[0, 0].numpy() > FACE_CUT)
        return np.where(head, truth, 0), head, face

    def _depth(self, index: int, shot: Shot, frame: int) -> dict[str, Any]:
        truth, head, face = self._masks(index, frame)
        cut = self.crops[index, frame]
        start = time.perf_counter()
        output = self.pipeline(
            mode="depth",
            rgb=cut.rgb.to(self.device),
            num_inference_steps=self.steps,
            ensemble_size=self.ensemble_size,
        )
        self.seconds["depth"].append(time.perf_counter() - start)
        predicted = output.depth_mm[0, 0].float().cpu().numpy()
        row: dict[str, Any] = {"mode": "depth", "seed": shot.seed, "frame": frame}
        row |= _depth_rows(predicted, truth, head, face, self.mean_heads[index])
        row["coverage_iou"] = metrics.intersection_over_union(
            output.coverage[0, 0].float().cpu().numpy(), cut.coverage[0, 0].numpy()
        )
        row["extent_error_percent"] = 100 * abs(float(output.crop_side_mm[0]) / CROP_SIDE_MM - 1)
        return row

    def _joint(self, index: int, shot: Shot, frame: int, reference: Any) -> dict[str, Any]:
        truth, head, face = self._masks(index, frame)
        cut = self.crops[index, frame]
        start = time.perf_counter()
        output = self.pipeline(
            mode="joint",
            reference=reference,
            expression=wanted_expression(shot, frame),
            num_inference_steps=self.steps,
            generator=torch.Generator().manual_seed(0),
        )
        self.seconds["joint"].append(time.perf_counter() - start)
        made, wanted = _picture(output.rgb.cpu()), _picture(cut.rgb)
        copy = _picture(self.crops[index, 0].rgb)
        row: dict[str, Any] = {"mode": "joint", "seed": shot.seed, "frame": frame}
        row |= _depth_rows(
            output.depth_mm[0, 0].float().cpu().numpy(), truth, head, face, self.mean_heads[index]
        )
        moved = bool(np.abs(shot.values[frame][-3:] - shot.values[0][-3:]).max() > 1e-3)
        row["pose_changes"] = moved
        regions = {
            "whole": np.ones_like(head),
            "mouth": region_mask(shot, (0, frame), ("mouth",), self.resolution),
            "eyes": region_mask(shot, (0, frame), ("left_eye", "right_eye"), self.resolution),
        }
        for name, mask in regions.items():
            if not mask.any():
                continue
            for source, picture in (("model", made), ("copy", copy)):
                row[f"{source}_{name}_psnr_db"] = metrics.psnr(picture, wanted, mask)
                row[f"{source}_{name}_ssim"] = metrics.ssim(picture, wanted, mask)
            row[f"{name}_response"] = metrics.response(made, copy, wanted, mask)
            row[f"{name}_change_mse"] = float(np.mean((wanted - copy)[mask] ** 2))
            row[f"{name}_sharpness"] = metrics.sharpness_ratio(made, wanted, mask)
        if len(self.sheets) < 12 and frame in (2, 3):
            self.sheets.append(
                [copy, wanted, made, _shade(truth, head), _shade(output.depth_mm[0, 0].numpy(), head)]
            )
        return row

    def summary(self) -> dict[str, float | int | str]:
        """Means over samples of every number by mode; "joint_still" leaves out frames that turn the head,
        "joint_turned" holds only these.

        PSNR of a region is also given as the PSNR of the mean squared error over samples ("pooled"), which single
        perfect or hopeless samples do not dominate; the response also as its mean weighted by how much should change,
        which pairs with next to no change do not dominate.
        """
        result: dict[str, float | int | str] = {}
        groups = {
            "depth": [r for r in self.rows if r["mode"] == "depth"],
            "joint": [r for r in self.rows if r["mode"] == "joint"],
            "joint_still": [r for r in self.rows if r["mode"] == "joint" and not r["pose_changes"]],
            "joint_turned": [r for r in self.rows if r["mode"] == "joint" and r["pose_changes"]],
        }
        for group, rows in groups.items():
            result[f"{group}_samples"] = len(rows)
            for key in sorted({k for r in rows for k, v in r.items() if isinstance(v, float)}):
                values = np.array([r[key] for r in rows if key in r])
                result[f"{group}_{key}"] = float(np.nanmean(values))
                if key.endswith("psnr_db"):
                    pooled = -10 * np.log10(np.mean(10 ** (-values / 10)))
                    result[f"{group}_{key.replace('psnr', 'pooled_psnr')}"] = float(pooled)
            for region in ("whole", "mouth", "eyes"):
                shown = [r for r in rows if np.isfinite(r.get(f"{region}_response", np.nan))]
                if shown:
                    weights = [r[f"{region}_change_mse"] for r in shown]
                    responses = [r[f"{region}_response"] for r in shown]
                    result[f"{group}_{region}_pooled_response"] = float(
                        np.average(responses, weights=weights)
                    )
        for mode, seconds in self.seconds.items():
            result[f"{mode}_seconds_a_frame"] = float(np.median(seconds))
        return result


def _shade(depth_mm: np.ndarray, mask: np.ndarray) -> np.ndarray:
    normal = metrics.normals(np.where(mask, depth_mm, 0), CROP_SIDE_MM / depth_mm.shape[0])
    light = np.array([-0.5, -0.5, 0.7]) / np.linalg.norm([-0.5, -0.5, 0.7])
    shade = np.clip(normal @ light, 0, 1) * mask
    return np.repeat(shade[..., None], 3, -1)


def table(summary: dict[str, Any]) -> str:
    """The numbers as Markdown tables, as they stand in the model card."""
    lines = [
        "| depth from a picture | head RMSE mm | head MAE mm | face RMSE mm | face MAE mm | normals head / face |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in ("model", "mean_head", "flat"):
        numbers = [
            summary[f"depth_{name}_{part}_{kind}_mm"] for part in ("head", "face") for kind in ("rmse", "mae")
        ]
        angles = [summary[f"depth_{name}_{part}_normal_deg"] for part in ("head", "face")]
        lines.append(
            f"| {name.replace('_', ' ')} | " + " | ".join(f"{n:.2f}" for n in numbers)
            + f" | {angles[0]:.1f}° / {angles[1]:.1f}° |"
        )  # fmt: skip
    lines += [
        "",
        f"Coverage IoU {summary['depth_coverage_iou']:.3f}; scale of the head off by "
        f"{summary['depth_extent_error_percent']:.1f} %; {summary['depth_samples']} pictures.",
        "",
        "| expression edit (head still) | whole PSNR / SSIM | mouth PSNR / SSIM | eyes PSNR / SSIM |",
        "| --- | --- | --- | --- |",
    ]
    for name in ("model", "copy"):
        keys = [f"joint_still_{name}_{region}" for region in ("whole", "mouth", "eyes")]
        cells = [f"{summary[k + '_pooled_psnr_db']:.2f} dB / {summary[k + '_ssim']:.3f}" for k in keys]
        lines.append(
            f"| {'model' if name == 'model' else 'copy the reference'} | " + " | ".join(cells) + " |"
        )
    lines += [
        "",
        f"Response to the expression: mouth {summary['joint_still_mouth_pooled_response']:.2f}, eyes "
        f"{summary['joint_still_eyes_pooled_response']:.2f} (1 is the whole true change; a plain mean over pairs gives "
        f"{summary['joint_still_mouth_response']:.2f} and {summary['joint_still_eyes_response']:.2f}); "
        f"{summary['joint_still_samples']} pairs. "
        f"Depth of the generated picture: face RMSE {summary['joint_model_face_rmse_mm']:.2f} mm.",
    ]
    if summary["joint_turned_samples"]:
        model, copy = (summary[f"joint_turned_{name}_whole_pooled_psnr_db"] for name in ("model", "copy"))
        lines += [
            "",
            f"Head turned: response of the whole picture {summary['joint_turned_whole_pooled_response']:.2f}, PSNR "
            f"{model:.2f} dB, of copying {copy:.2f} dB; {summary['joint_turned_samples']} pairs.",
        ]
    return "\n".join(lines)


def training_line(training: Mapping[str, Any]) -> str:
    """One sentence of what a checkpoint says it was trained on and for how long."""
    if not training:
        return "The checkpoint does not say how it was trained."
    line = (
        f"Trained {training['steps']} steps in {training['minutes']:.0f} min ({training['device']}) on "
        f"{training['frames']} frames of {training['shots']} identities"
    )
    if training.get("earlier_steps"):
        line += f", after {training['earlier_steps']} steps in {training['earlier_minutes']:.0f} min before"
    return line + "."


def run(args: argparse.Namespace) -> int:
    """Print the tables; write JSON, CSV and sheet where asked."""
    from backend.editor import DEFAULT_CHECKPOINT

    checkpoint = args.checkpoint or os.environ.get("PORTRAIT_RELIEF_CHECKPOINT") or DEFAULT_CHECKPOINT
    pipeline = JointPortraitPipeline.from_pretrained(checkpoint, autocast_dtype=torch.bfloat16)
    pipeline.to(args.device)
    evaluation = Evaluation(pipeline, ShotLibrary(args.data), args.steps, args.ensemble)
    with torch.inference_mode():
        evaluation.run()
    summary = evaluation.summary()
    print(table(summary))
    print(f"\n{training_line(pipeline.settings.training)}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        record = {"summary": summary, "training": dict(pipeline.settings.training)}
        args.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
        keys = sorted({key for row in evaluation.rows for key in row})
        with open(args.json.with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, keys)
            writer.writeheader()
            writer.writerows(evaluation.rows)
    if args.sheet:
        from PIL import Image

        sheet = np.concatenate([np.concatenate(row, 1) for row in evaluation.sheets], 0)
        Image.fromarray((sheet * 255).astype(np.uint8)).save(args.sheet)
    return 0
