# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line and the worker call: a photo in, the edited photo and its depth out, at full size."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.errors import CheckpointError, InputError
from backend.full_size import (
    as_map,
    as_picture,
    depth_of,
    edited_picture,
    moved_coverage,
    sculpted_picture,
    sculpting_of,
    turned,
)
from backend.imaging.crop import CropBox, extract_crop, extract_map, refine_crop
from backend.imaging.face_finding import Face, choose_face, find_faces
from backend.imaging.load import Photo, load_photo
from backend.imaging.matting import follow_picture
from backend.imaging.portrait_result import PortraitResult
from backend.imaging.scene_flow import checked_flow
from backend.imaging.sculpting import Sculpting, checked_depth
from backend.model.checkpoint import checkpoint_fingerprint
from backend.model.ensemble import VIEWS
from backend.model.expression import Expression
from backend.model.expression_names import POSE_NAMES
from backend.model.pipeline import JointPortraitOutput, JointPortraitPipeline
from backend.model.precision import precision_name, resolve_device, resolve_precision
from backend.portrait import Portrait
from backend.version import VERSION

DEFAULT_CHECKPOINT = Path(__file__).parent / "weights" / "portrait-relief-256"
_FRAMING_PASSES = 2
_PHASES = {"joint": "generating", "depth": "estimating the depth", "appearance": "repainting"}
# On 62 pairs of 19 rendered heads: generated alone 6.04 mm and 16.7 degrees in the face, mixed so 5.83 and 16.1.
_READ_SHARE = 2 / 3
_TURN_GOOD_DEG = 20.0  # what a larger turn brings to view was not in the photo

Progress = Callable[[str, int, int], None]
"""progress(phase, step, total); may raise JobCancelled."""


class PortraitEditor:
    """Photo -> picture and depth, over one loaded checkpoint.

    Args:
        checkpoint: folder; None takes $PORTRAIT_RELIEF_CHECKPOINT, or the embedded one.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        precision: "auto", "float32", "bfloat16", "float16" (see `backend.model.precision`); the last two move depth.

    Raises:
        CheckpointError: missing or unusable checkpoint.
        InputError: no such device, or a precision that it cannot use.
    """

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.checkpoint = Path(
            checkpoint or os.environ.get("PORTRAIT_RELIEF_CHECKPOINT") or DEFAULT_CHECKPOINT
        )
        self.device = resolve_device(device)
        dtype = resolve_precision(precision, self.device)
        self.precision = precision_name(dtype)
        begun = time.perf_counter()
        self.pipeline = JointPortraitPipeline.from_pretrained(self.checkpoint, autocast_dtype=dtype)
        self.pipeline.to(self.device)
        if self.device.type in ("cpu", "cuda"):  # a third less time a frame
            self.pipeline.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.pipeline.set_progress_bar_config(disable=True)
        self.load_seconds = time.perf_counter() - begun
        self._fingerprint: str | None = None

    @property
    def resolution_px(self) -> int:
        """Side of the crop the model works on."""
        return self.pipeline.settings.resolution_px

    @property
    def fingerprint(self) -> str:
        """First 12 digits of the SHA-256 over the checkpoint's weights."""
        if self._fingerprint is None:
            self._fingerprint = checkpoint_fingerprint(self.checkpoint)
        return self._fingerprint

    def open(
        self,
        photo: str | Path | bytes | np.ndarray,
        *,
        crop: CropBox | None = None,
        face: int | None = None,
        progress: Progress | None = None,
    ) -> Portrait:
        """Read a photo, find and frame the head, encode the identity.

        Args:
            photo: file, its bytes, or an array (see :func:`backend.imaging.load.load_photo`).
            crop: taken as it is; without it the head is found and framed.
            face: index in ``report["faces"]``, from 0; None takes the most prominent.
            progress: called between phases.

        Raises:
            InputError: unusable photo or crop. NoFaceError: no head, or not that many.
        """
        report = progress or _silent
        seconds: dict[str, float] = {}
        report("reading the photo", 0, 1)
        with _timed(seconds, "reading"):
            loaded = load_photo(photo)
        faces: list[Face] = []
        chosen: Face | None = None
        if crop is None:
            with _timed(seconds, "finding"):
                faces = find_faces(loaded.rgb, progress=progress)
                chosen = choose_face(faces, loaded.width, loaded.height, face, loaded.name)
            crop = CropBox.from_face(chosen)
        crop.check(loaded.width, loaded.height, loaded.name)
        with _timed(seconds, "framing"):
            crop, crop_rgb, seen = self._frame(loaded, crop, chosen is not None, report)
        with _timed(seconds, "model"):
            read = self._run(report, mode="depth", rgb=crop_rgb, ensemble_size=len(VIEWS))
        with _timed(seconds, "outline"):
            head = follow_picture(as_map(read.coverage), as_picture(crop_rgb))
        report("reading the identity", 0, 1)
        with _timed(seconds, "identity"):
            reference = self.pipeline.encode_reference(crop_rgb)
        side_mm = float(seen.crop_side_mm[0])
        return Portrait(loaded, crop, side_mm, faces, chosen, crop_rgb, reference, read, seen, head, seconds)

    def depth(self, portrait: Portrait, *, progress: Progress | None = None) -> PortraitResult:
        """Depth and coverage of the photo as it is, averaged over several views of it when it was opened."""
        rgb, coverage = portrait.photo.rgb, portrait.coverage
        result = self._finish(portrait, rgb, portrait.read, coverage, {}, progress or _silent)
        result.rgb = portrait.photo.rgb.copy()
        result.report["settings"] = {"mode": "depth"}
        return result

    def generate(
        self,
        portrait: Portrait,
        expression: Mapping[str, float],
        *,
        pose: Mapping[str, float] | None = None,
        steps: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> PortraitResult:
        """The portrait with another expression, and its depth, from one pass of the model; then its head turned.

        The turn is geometry over the edit's own depth (`backend.imaging.turning`). Without an expression the picture
        is the photo's own, turned by the depth that the model reads from it.

        Args:
            portrait: from :meth:`open`.
            expression: ARKit name -> 0..1; what is not named is left to the model. Empty: as in the photo.
            pose: yaw, pitch, roll in degrees from how the head is held in the photo; good within some 20 degrees.
            steps: denoising steps; None takes the checkpoint's default.
            seed: of the noise, used with more than one step.
            progress: called with every step.

        Raises:
            InputError: unknown name or value out of range.
        """
        Expression.from_mapping({}, pose)
        wanted = Expression.from_mapping(expression)
        settings = {"mode": "generate", "expression": dict(expression), "pose": dict(pose or {})}
        settings |= {"steps": steps or self.pipeline.settings.num_inference_steps, "seed": seed}
        report = progress or _silent
        seconds: dict[str, float] = {}
        angles = [float((pose or {}).get(name, 0.0)) for name in POSE_NAMES]
        if any(angles) and not expression:
            result = self.depth(portrait, progress=progress)
            result.report["settings"] = settings
            return self._turned(portrait, result, angles, report)
        with _timed(seconds, "model"):
            output = self._run(
                report,
                mode="joint",
                reference=portrait.reference,
                expression=wanted,
                num_inference_steps=steps,
                generator=torch.Generator().manual_seed(seed),
            )
            output = self._read_again(portrait, output)
        result = self._edited(portrait, output, moved_coverage(portrait, output), seconds, settings, report)
        return self._turned(portrait, result, angles, report) if any(angles) else result

    def appearance(
        self,
        portrait: Portrait,
        depth_mm: np.ndarray,
        coverage: np.ndarray | None = None,
        *,
        scene_flow: np.ndarray | None = None,
        expression: Mapping[str, float] | None = None,
        pose: Mapping[str, float] | None = None,
        progress: Progress | None = None,
    ) -> PortraitResult:
        """The portrait as it looks with a given depth (a sculpted relief, for instance).

        Where the depth is the head's own with changes, these are carried onto the picture's own pixels
        (`backend.imaging.sculpting`), and what was not sculpted keeps its bytes. Depth of another head is painted by
        the model, which follows it weakly.

        Args:
            portrait: from :meth:`open`.
            depth_mm: float [H, W] of the photo's size, NaN outside the head.
            coverage: float [H, W] 0..1; None takes where depth is a number.
            scene_flow: float [H, W, 3], where each pixel's surface was in the photo before it was sculpted, minus the
                pixel (px right and down), and by how many mm it was nearer; 0 where nothing was sculpted, NaN where it
                is not known. With it pixels follow sideways drags, and the depth need not be what the model reads now.
            expression, pose: of the edit that the depth came from, if it came from one.
            progress: called between phases.

        Raises:
            InputError: depth or flow of another size, infinite, or no depth inside the crop; as in :meth:`generate`.
        """
        depth_mm, coverage = checked_depth(depth_mm, coverage, portrait.photo)
        if scene_flow is not None:
            scene_flow = checked_flow(scene_flow, portrait.photo)
        report = progress or _silent
        report("reading the depth", 0, 1)
        small_depth, small_coverage = extract_map(depth_mm, coverage, portrait.crop, self.resolution_px)
        if not (small_coverage > 0.5).any():
            raise InputError(
                "The depth has no head inside the crop.",
                "Give depth of this photo with the head inside the crop.",
                code="empty_depth",
            )
        settings = {"mode": "appearance", "expression": dict(expression or {}), "pose": dict(pose or {})}
        originals = [self.depth(portrait, progress=progress)]
        if expression or pose:
            originals.append(self.generate(portrait, expression or {}, pose=pose, progress=progress))
        found = [sculpting_of(portrait, original, depth_mm, scene_flow) for original in originals]
        original, sculpting = min(
            zip(originals, found, strict=True), key=lambda pair: (not pair[1].of_this_head, pair[1].offset_mm)
        )
        if sculpting.of_this_head:
            result = self._sculpted(portrait, original, sculpting, report)
        else:
            seconds: dict[str, float] = {}
            with _timed(seconds, "model"):
                output = self._run(
                    report,
                    mode="appearance",
                    reference=portrait.reference,
                    depth_mm=self._to_device(small_depth),
                    coverage=self._to_device(small_coverage),
                    expression=Expression.from_mapping(expression) if expression else None,
                )
            result = self._edited(portrait, output, small_coverage, seconds, settings, report)
            result.report["warnings"].append(
                "The depth is not a sculpted form of this photo's head; the model painted it anew, which follows depth "
                "weakly."
            )
        result.report["settings"] = settings
        # What was given comes back as it was, not as the model saw it at its own resolution.
        result.depth_mm = np.where(coverage > 0, depth_mm, np.float32(np.nan))
        result.coverage = coverage.copy()
        return result

    def _sculpted(
        self, portrait: Portrait, original: PortraitResult, sculpting: Sculpting, report: Progress
    ) -> PortraitResult:
        """The original with the sculpting carried onto its picture."""
        report("repainting", 0, 1)
        seconds: dict[str, float] = {}
        about = dict(original.report)
        with _timed(seconds, "sculpting"):
            rgb, about["sculpted"] = sculpted_picture(portrait, original, sculpting)
        about["seconds"] = {**about["seconds"], **{name: round(value, 4) for name, value in seconds.items()}}
        about["changed_pixels"] = float((rgb != portrait.photo.rgb).any(axis=-1).mean())
        report("repainting", 1, 1)
        return replace(original, rgb=rgb, report=about)

    def _frame(
        self, photo: Photo, crop: CropBox, refine: bool, report: Progress
    ) -> tuple[CropBox, torch.Tensor, JointPortraitOutput]:
        """The crop, its pixels and what the model sees there; a guessed crop is refined by that."""
        first = crop
        for attempt in range(_FRAMING_PASSES + 1):
            report("framing the head", attempt, _FRAMING_PASSES + 1)
            crop_rgb = self._to_device(extract_crop(photo.rgb, crop, self.resolution_px))
            seen = self._run(_silent, mode="depth", rgb=crop_rgb)
            if not refine or attempt == _FRAMING_PASSES:
                break
            better = refine_crop(crop, as_map(seen.coverage), float(seen.crop_side_mm[0]))
            # Steps in one direction may leave the head altogether: what the detector saw is the anchor.
            shift = max(abs(a - b) for a, b in zip(better.centre, first.centre, strict=True)) / first.side
            if better == crop or shift > 0.5 or not 0.5 < better.side / first.side < 2.0:
                break
            crop = better
        return crop, crop_rgb, seen

    def _run(self, report: Progress, **inputs: Any) -> JointPortraitOutput:
        """One call of the pipeline with progress per step; raises CheckpointError for a broken answer."""
        total = int(inputs.get("num_inference_steps") or self.pipeline.settings.num_inference_steps)
        mode = inputs["mode"]
        report(_PHASES[mode], 0, total)

        def step_end(_pipeline: Any, step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            report(_PHASES[mode], step + 1, total)
            return values

        output = self.pipeline(**inputs, callback_on_step_end=step_end)
        for name in ("rgb", "depth_mm", "coverage", "crop_side_mm"):
            if not torch.isfinite(getattr(output, name)).all():
                raise CheckpointError(
                    f"The checkpoint {self.checkpoint.name} answers with broken values ({name}).",
                    "Compute in float32 if another precision was chosen; else install the checkpoint again.",
                    code="checkpoint_broken",
                )
        return output

    def _read_again(self, portrait: Portrait, output: JointPortraitOutput) -> JointPortraitOutput:
        """An edit's depth as the mean of what was generated with the picture and what is read from the picture: nearer
        to the truth than either.

        Six views of each frame would take most of its time. How the photo's mean over its views differs from its first
        view, the patch grid above all, is the same for all frames.
        """
        again = self._run(_silent, mode="depth", rgb=output.rgb)
        depth_mm = again.depth_mm + portrait.read.depth_mm - portrait.seen.depth_mm
        coverage = again.coverage + portrait.read.coverage - portrait.seen.coverage
        return replace(
            output,
            depth_mm=torch.lerp(output.depth_mm, depth_mm, _READ_SHARE),
            coverage=torch.lerp(output.coverage, coverage.clamp(0, 1), _READ_SHARE),
        )

    def _edited(
        self,
        portrait: Portrait,
        output: JointPortraitOutput,
        coverage: np.ndarray,
        seconds: dict[str, float],
        settings: dict[str, Any],
        report: Progress,
    ) -> PortraitResult:
        """The photo with the model's edit, whose head is `coverage` [R, R], and its depth."""
        report("full size", 0, 2)
        with _timed(seconds, "transfer"):
            rgb, changed_share = edited_picture(portrait, output, coverage)
        result = self._finish(portrait, rgb, output, coverage, seconds, report)
        result.report["settings"] = settings
        result.report["changed_pixels"] = changed_share
        return result

    def _turned(
        self, portrait: Portrait, result: PortraitResult, pose_deg: list[float], report: Progress
    ) -> PortraitResult:
        """The result with its head turned by yaw, pitch, roll, in the photo's own size."""
        report("turning the head", 0, 1)
        seconds: dict[str, float] = {}
        with _timed(seconds, "turning"):
            rgb, depth_mm, coverage = turned(portrait, result, pose_deg, self.resolution_px)
        again = self._report(portrait, depth_mm, seconds)
        again["seconds"] = {**result.report["seconds"], **again["seconds"]}
        if max(map(abs, pose_deg)) > _TURN_GOOD_DEG:
            again["warnings"].append(
                f"The head is turned by more than {_TURN_GOOD_DEG:.0f} degrees: "
                "what comes to view was not in the photo."
            )
        again["changed_pixels"] = float((rgb != portrait.photo.rgb).any(axis=-1).mean())
        report("turning the head", 1, 1)
        return PortraitResult(rgb, depth_mm, coverage, portrait.mm_per_px, {**result.report, **again})

    def _finish(
        self,
        portrait: Portrait,
        rgb: np.ndarray,
        output: JointPortraitOutput,
        coverage: np.ndarray,
        seconds: dict[str, float],
        report: Progress,
    ) -> PortraitResult:
        """Depth and `coverage` [R, R] at the photo's size, guided by the picture they belong to."""
        report("full size", 1, 2)
        with _timed(seconds, "full size"):
            depth_mm, coverage = depth_of(portrait, output, coverage, rgb)
        report("full size", 2, 2)
        return PortraitResult(
            rgb, depth_mm, coverage, portrait.mm_per_px, self._report(portrait, depth_mm, seconds)
        )

    def _report(self, portrait: Portrait, depth_mm: np.ndarray, seconds: dict[str, float]) -> dict[str, Any]:
        return {
            "tool": f"Portrait Relief {VERSION}",
            "versions": {"portrait_relief": VERSION, "torch": torch.__version__, "numpy": np.__version__},
            "checkpoint": {"name": self.checkpoint.name, "sha256": self.fingerprint},
            "device": str(self.device),
            "precision": self.precision,
            "model_resolution_px": self.resolution_px,
            **portrait.report(depth_mm, seconds),
        }

    def _to_device(self, values: np.ndarray) -> torch.Tensor:
        """[R, R] or [R, R, C] to [1, C, R, R] float32 on the device."""
        values = values[..., None] if values.ndim == 2 else values
        tensor = torch.from_numpy(np.array(values.transpose(2, 0, 1), dtype=np.float32, order="C"))
        return tensor[None].to(self.device)


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[phase] = time.perf_counter() - begun


def _silent(_phase: str, _step: int, _total: int) -> None:
    return None
