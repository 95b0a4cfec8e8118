# SPDX-License-Identifier: GPL-3.0-or-later
"""`portrait-relief evaluate`: a checkpoint on held-out identities; prints tables, writes JSON, CSV and sheets."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from backend.errors import InputError
from backend.model.ensemble import VIEWS
from backend.model.pipeline import JointPortraitPipeline
from backend.model.precision import fast_dtype
from backend.training.aggregate import by_axis, summarise
from backend.training.dataset import ShotLibrary
from backend.training.evaluation import Evaluation
from backend.training.evaluation_sheets import write_axis_sheets, write_evaluation_sheet
from backend.training.render.assets import HeadAssets
from backend.training.tables import tables
from backend.training.witness import DOWNLOAD, VARIABLE, Witness, find_landmarker

FIRST_COLUMNS = ("mode", "seed", "frame", "pose_changes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("checkpoint", nargs="?", type=Path, help="model folder; default: the embedded one")
    parser.add_argument("--data", required=True, type=Path, help="folder with the rendered test split")
    parser.add_argument("--limit", type=int, help="only the first N shots; default: all")
    parser.add_argument("--json", type=Path, help="write all numbers here, whole and by axis")
    parser.add_argument(
        "--csv", type=Path, help="write one line a sample here; default: beside --json, ending .csv"
    )
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of some samples (PNG)")
    parser.add_argument("--sheets", type=Path, help="write a contact sheet an axis into this folder (PNG)")
    parser.add_argument(
        "--landmarker",
        type=Path,
        help=f"model file of MediaPipe's Face Landmarker; default: ${VARIABLE}, or the one in --assets",
    )
    parser.add_argument("--assets", type=Path, help="assets folder; may hold mediapipe/ and mpfb/data")
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


def training_line(training: Mapping[str, Any]) -> str:
    """One sentence of what a checkpoint says it was trained on and for how long, where it says all of it."""
    if not {"steps", "minutes", "device", "frames", "shots"} <= set(training):
        return "The checkpoint does not say how it was trained."
    line = (
        f"Trained {training['steps']} steps in {training['minutes']:.0f} min ({training['device']}) on "
        f"{training['frames']} frames of {training['shots']} identities"
    )
    if training.get("earlier_steps"):
        line += f", after {training['earlier_steps']} steps in {training['earlier_minutes']:.0f} min before"
    return line + "."


def open_witness(named: Path | None, assets: Path | None) -> tuple[Witness | None, str]:
    """The witness, or None and one sentence that says why and what to do.

    Raises:
        InputError: one was asked for (by option or variable) and cannot be had.
    """
    path = find_landmarker(named, assets)
    if path is None:
        return None, (
            "Expression, head pose and landmarks of the generated pictures were not measured: there is no Face "
            f"Landmarker model; download {DOWNLOAD} and name it with --landmarker."
        )
    try:
        return Witness(path), ""
    except InputError as error:
        if named is not None or os.environ.get(VARIABLE):
            raise
        return None, f"{error.message} {error.hint}"


def head_assets(folder: Path | None) -> HeadAssets | None:
    """The heads that were rendered, which tell where faces are; None where the folder holds no MPFB data."""
    try:
        return None if folder is None else HeadAssets(folder)
    except InputError:
        return None


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One line a sample; what a sample has no number for stays empty."""
    found = {key for row in rows for key in row}
    axes = sorted(key for key in found if key.startswith("axis_"))
    keys = [*FIRST_COLUMNS, *axes, *sorted(found - set(axes) - set(FIRST_COLUMNS))]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows(rows)


def run(args: argparse.Namespace) -> int:
    """Write JSON, CSV and sheets where asked; print the tables."""
    from backend.editor import DEFAULT_CHECKPOINT

    if args.limit is not None and args.limit < 1:
        raise InputError("--limit must be at least 1.", "Leave it out to measure all shots.")
    checkpoint = args.checkpoint or os.environ.get("PORTRAIT_RELIEF_CHECKPOINT") or DEFAULT_CHECKPOINT
    witness, remark = open_witness(args.landmarker, args.assets)
    with witness or contextlib.nullcontext():
        dtype = fast_dtype(torch.device(args.device))
        pipeline = JointPortraitPipeline.from_pretrained(checkpoint, autocast_dtype=dtype)
        pipeline.to(args.device)
        evaluation = Evaluation(
            pipeline,
            ShotLibrary(args.data, args.limit, head_assets(args.assets)),
            args.steps,
            args.ensemble,
            witness=witness,
            still_input=True,
        )
        with torch.inference_mode():
            evaluation.run()
    summary, axes = summarise(evaluation.rows, evaluation.seconds), by_axis(evaluation.rows)
    try:
        _write_files(args, evaluation, summary, axes)
    finally:
        print(tables(summary, axes))
        if remark:
            print(f"\n{remark}")
        print(f"\n{training_line(pipeline.settings.training)}")
    return 0


def _write_files(
    args: argparse.Namespace, evaluation: Evaluation, summary: Mapping[str, Any], axes: Any
) -> None:
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        training = dict(evaluation.pipeline.settings.training)
        record = {"summary": summary, "axes": axes, "training": training}
        args.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
    table_file = args.csv or (args.json.with_suffix(".csv") if args.json else None)
    if table_file:
        write_csv(evaluation.rows, table_file)
    if args.sheet:
        write_evaluation_sheet(evaluation.strips, args.sheet)
    if args.sheets:
        write_axis_sheets(evaluation.strips, args.sheets)
