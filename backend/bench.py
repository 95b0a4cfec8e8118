# SPDX-License-Identifier: GPL-3.0-or-later
"""``portrait-relief bench``: how long each phase of a job takes on this machine, on a real photo."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from backend.editor import PortraitEditor
from backend.photo_commands import add_model_arguments

SMILE = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "photo",
        nargs="?",
        type=Path,
        help="a portrait photo (default: scikit-image's 512 px portrait of an astronaut)",
    )
    parser.add_argument("--repeats", type=int, default=7, help="measurements of each phase (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_model_arguments(parser)


def measure(editor: PortraitEditor, photo: Path | np.ndarray, repeats: int) -> dict[str, float]:
    """Seconds of each phase: the first open as it comes, the rest as the median of `repeats` after a warm-up."""
    portrait = editor.open(photo)
    seconds = {f"open: {name}": value for name, value in portrait.seconds.items()}
    pipeline = editor.pipeline

    def repeated(run: Callable[[], Any]) -> float:
        run()
        times = []
        for _ in range(repeats):
            begun = time.perf_counter()
            run()
            times.append(time.perf_counter() - begun)
        return median(times)

    seconds["reference bank"] = repeated(lambda: pipeline.encode_reference(portrait.crop_rgb))
    seconds["frame, reference reused"] = repeated(lambda: editor.generate(portrait, SMILE))
    result = editor.generate(portrait, SMILE).report["seconds"]
    seconds["of this: model"] = result["model"]
    seconds["of this: transfer to full size"] = result["transfer"] + result["full size"]
    seconds["depth of the photo"] = repeated(lambda: editor.depth(portrait))
    return seconds


def run(args: argparse.Namespace) -> int:
    """Print a table, or JSON."""
    editor = PortraitEditor(args.checkpoint, args.device, args.precision)
    if args.photo is None:
        from skimage.data import astronaut

        args.photo = astronaut()
    record = {
        "checkpoint": editor.checkpoint.name,
        "sha256": editor.fingerprint,
        "resolution_px": editor.resolution_px,
        "device": str(editor.device),
        "precision": editor.precision,
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "seconds": {"load": editor.load_seconds, **measure(editor, args.photo, args.repeats)},
        "peak_memory_mb": _peak_memory_mb(editor.device),
    }
    if args.json:
        print(json.dumps(record, indent=2))
        return 0
    print(
        f"{record['checkpoint']} ({record['resolution_px']} px) on {record['device']} in {record['precision']}, "
        f"{record['threads']} threads of {record['cpus']} CPUs, torch {record['torch']}"
    )
    for name, value in record["seconds"].items():
        print(f"  {name:32} {value:8.3f} s")
    if record["peak_memory_mb"] is not None:
        print(f"  {'peak memory':32} {record['peak_memory_mb']:8.0f} MB")
    return 0


def _peak_memory_mb(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows has no such count
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
