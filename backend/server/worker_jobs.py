# SPDX-License-Identifier: GPL-3.0-or-later
"""How the worker does a job: the editor, its portraits, and what becomes of errors. No pipes, no threads
here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backend.driving.landmarker import availability
from backend.errors import JobCancelled, OutOfMemoryError_, PortraitReliefError
from backend.server import devices
from backend.server.failures import internal_error, readable
from backend.server.request import FrameRequest, JobRequest

LOGGER = logging.getLogger("portrait_relief.worker")
PORTRAITS_KEPT = 2  # each holds its photo: 192 MB at 8000 x 8000 px


class JobContext:
    """What a job needs of its surroundings: its files, a way to report, and whether it was cancelled."""

    def __init__(
        self, job_id: str, folder: str, send: Callable[..., None], is_cancelled: Callable[[str], bool]
    ) -> None:
        self.job_id = job_id
        self.folder = Path(folder)
        self._send = send
        self._is_cancelled = is_cancelled

    def progress(self, phase: str, step: int, total: int) -> None:
        """Report, or raise JobCancelled: called by the editor between the steps of every phase."""
        self.check_cancelled()
        self._send("progress", job_id=self.job_id, phase=phase, step=int(step), total=int(total))

    def check_cancelled(self) -> None:
        if self._is_cancelled(self.job_id):
            raise JobCancelled()

    def frame(self, index: int, info: dict[str, Any], size_bytes: int) -> None:
        self._send("frame", job_id=self.job_id, index=index, info=info, bytes=size_bytes)


class Studio:
    """The editor (loaded with the first job, dropped when idle) and the portraits opened with it."""

    def __init__(self, *, checkpoint: str | None, device: str, precision: str = "auto") -> None:
        # Imports torch and all the rest now: a broken installation shows at once, not with the first job. So does a
        # device that is not there (InputError).
        from backend.editor import PortraitEditor
        from backend.model.precision import precision_name, resolve_device, resolve_precision

        self._editor_class = PortraitEditor
        self._checkpoint = checkpoint
        self._device = device
        self._precision = precision_name(resolve_precision(precision, resolve_device(device)))
        self._editor: PortraitEditor | None = None
        self._portraits: OrderedDict[str, Any] = OrderedDict()

    @property
    def loaded(self) -> bool:
        return self._editor is not None

    def memory(self) -> dict[str, Any]:
        return {"worker_memory_bytes": devices.process_memory()}

    def capabilities(self) -> dict[str, Any]:
        return {
            "device": devices.describe_device(self._device),
            "precision": self._precision,
            "checkpoint": checkpoint_facts(self._checkpoint or os.environ.get("PORTRAIT_RELIEF_CHECKPOINT")),
            "driving": availability(),
        }

    def run(self, context: JobContext) -> PortraitReliefError | None:
        """Do the job in ``context.folder``; None when it is done, else what ended it. Never raises."""
        error = self._attempt(context)
        if isinstance(error, OutOfMemoryError_):
            # Only now: as long as the exception was handled, its traceback kept the tensors alive.
            self._portraits.clear()
            devices.give_memory_back()
        return error

    def _attempt(self, context: JobContext) -> PortraitReliefError | None:
        try:
            self._run(context)
        except Exception as error:
            if not isinstance(error, PortraitReliefError):
                LOGGER.warning("job %s", context.job_id, exc_info=error)
            return readable(error)
        return None

    def release(self) -> bool:
        """Drop model and portraits; False if there was nothing to drop."""
        if self._editor is None:
            return False
        self._editor = None
        self._portraits.clear()
        devices.give_memory_back()
        return True

    def _run(self, context: JobContext) -> None:
        request = JobRequest.from_json((context.folder / "request.json").read_text(encoding="utf-8"))
        if request.mode == "drive":
            from backend.server.drive_job import run_drive

            context.frame(0, *run_drive(context.folder, request, context.progress))
            return
        if self._editor is None:
            context.progress("loading", 0, 1)
            self._editor = self._editor_class(
                self._checkpoint, device=self._device, precision=self._precision
            )
        portrait = self._portrait(context, request)
        for index, frame in enumerate(request.frames):
            context.check_cancelled()
            result = self._frame(context, request, frame, portrait)
            context.frame(index, *_write_frame(context.folder / f"frame-{index}", result, portrait))

    def _portrait(self, context: JobContext, request: JobRequest) -> Any:
        """The opened portrait, from the few kept ones if this photo, crop and face were asked for before."""
        assert self._editor is not None
        photo = context.folder / request.photo_file
        key = hashlib.sha256(photo.read_bytes()).hexdigest() + repr((request.crop, request.face))
        if key in self._portraits:
            self._portraits.move_to_end(key)
            return self._portraits[key]
        portrait = self._editor.open(
            photo, crop=_crop_box(request.crop), face=request.face, progress=context.progress
        )
        self._portraits[key] = portrait
        while len(self._portraits) > PORTRAITS_KEPT:
            self._portraits.popitem(last=False)
        return portrait

    def _frame(self, context: JobContext, request: JobRequest, frame: FrameRequest, portrait: Any) -> Any:
        assert self._editor is not None
        if request.mode == "depth":
            return self._editor.depth(portrait, progress=context.progress)
        if request.mode == "appearance":
            flow_file = context.folder / "flow.npy"
            return self._editor.appearance(
                portrait,
                np.load(context.folder / "depth.npy", allow_pickle=False),
                scene_flow=np.load(flow_file, allow_pickle=False) if flow_file.exists() else None,
                expression=frame.expression or None,
                pose=frame.pose or None,
                progress=context.progress,
            )
        return self._editor.generate(
            portrait,
            frame.expression,
            pose=frame.pose or None,
            steps=request.steps,
            seed=request.seed,
            progress=context.progress,
        )


def checkpoint_facts(folder: str | None) -> dict[str, Any] | None:
    """What a checkpoint says of itself, without loading it; None if there is no readable one (jobs then say
    why).
    """
    from backend.editor import DEFAULT_CHECKPOINT

    path = Path(folder or DEFAULT_CHECKPOINT)
    try:
        index = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    names = ("resolution_px", "num_inference_steps", "depth_range_mm", "training")
    return {"name": path.name, "path": str(path), **{name: index.get(name) for name in names}}


def _crop_box(crop: tuple[float, float, float] | None) -> Any:
    if crop is None:
        return None
    from backend.imaging.crop import CropBox

    return CropBox(*crop)


def _write_frame(folder: Path, result: Any, portrait: Any) -> tuple[dict[str, Any], int]:
    """Write the arrays; returns the frame's entry in the job's JSON and the bytes written."""
    folder.mkdir(exist_ok=True)
    arrays = {
        "rgb": np.asarray(result.rgb, dtype=np.uint8),
        "depth": np.asarray(result.depth_mm, dtype=np.float32),
        "coverage": np.asarray(result.coverage, dtype=np.float32),
    }
    height, width = arrays["depth"].shape
    if arrays["rgb"].shape != (height, width, 3) or arrays["coverage"].shape != (height, width):
        shapes = {name: array.shape for name, array in arrays.items()}
        raise internal_error(f"the arrays do not fit together: {shapes}")
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    inside = arrays["depth"][np.isfinite(arrays["depth"])]
    crop = portrait.crop
    info = {
        "width": width,
        "height": height,
        "mm_per_px": float(result.mm_per_px),
        "depth_min_mm": float(inside.min()) if inside.size else None,
        "depth_max_mm": float(inside.max()) if inside.size else None,
        "crop": [float(crop.x), float(crop.y), float(crop.side)],
        "report": result.report,
    }
    return info, sum(path.stat().st_size for path in folder.iterdir())
