# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker does in mode ``drive``: follow the driver's face and write the portrait's motion. Needs no
model of ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.driving.drive import portrait_values, record
from backend.driving.motion import MotionOptions, retarget
from backend.errors import InputError
from backend.model.expression_names import EXPRESSION_NAMES
from backend.server.request import JobRequest


def run_drive(
    folder: Path, request: JobRequest, progress: Callable[[str, int, int], None]
) -> tuple[dict[str, Any], int]:
    """Writes ``frame-0/recording.json`` and ``.csv``; returns the frame's entry in the job's JSON, and bytes.

    A driver of one picture is taken as "absolute": it has no neutral face to start from.

    Raises InputError, NoFaceError, and what ``progress`` raises.
    """
    wanted = request.drive
    if wanted is None:
        raise InputError("The request's part 'drive' is missing.")
    measured = record(folder / request.driver_file, frames_per_s=wanted.frames_per_s, progress=progress)
    options = MotionOptions(
        wanted.motion, wanted.smoothing, wanted.neutral_frame, wanted.strength, wanted.mirror
    )
    if len(measured) == 1:
        options = replace(options, motion="absolute")
    own = None
    if options.motion == "relative" and wanted.own == "portrait":
        own = portrait_values(folder / request.photo_file)
    elif options.motion == "relative" and wanted.own == "given":
        own = np.array([wanted.own_values.get(name, 0.0) for name in EXPRESSION_NAMES], np.float32)
    moved = retarget(measured, options, own)
    target = folder / "frame-0"
    target.mkdir(exist_ok=True)
    (target / "recording.json").write_text(json.dumps(moved.to_dict()), encoding="utf-8")
    (target / "recording.csv").write_text(moved.to_csv(), encoding="utf-8")
    info = {
        "frames": len(moved),
        "frames_with_face": int(moved.found.sum()),
        "frames_per_s": round(moved.frames_per_s, 4),
        "motion": options.motion,
        "report": {},
    }
    return info, sum(path.stat().st_size for path in target.iterdir())
