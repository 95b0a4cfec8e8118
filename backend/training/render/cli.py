# SPDX-License-Identifier: GPL-3.0-or-later
"""`portrait-relief render-dataset`: render shots in several processes; running it again goes on where it stopped."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from backend.errors import InputError
from backend.server.lifetime import when_stdin_ends
from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import TEST_SEEDS_FROM
from backend.training.render.frames import FRAMES_PER_SHOT, PLAUSIBLE, FrameSpec, chosen_frames, driven_by
from backend.training.render.manifest import Manifest

# At the mouth, against 256 samples: 6 samples 30 dB, 12 31, 64 36; hair 20, 23, 28 (`backend.training.render_noise`).
SAMPLES = {"train": 12, "test": 64}
RESOLUTION_PX = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--assets", required=True, type=Path, help="MPFB data folder (or one that holds mpfb/data)"
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of the data set; one .npz a shot")
    parser.add_argument("--split", choices=("train", "test"), default="train")
    parser.add_argument("--count", type=int, default=300, help="shots, one identity each")
    parser.add_argument(
        "--frames",
        type=int,
        default=FRAMES_PER_SHOT,
        choices=range(1, FRAMES_PER_SHOT + 1),
        metavar=f"1..{FRAMES_PER_SHOT}",
        help="frames of each shot: the reference and as many drawn from its others; fewer give more identities an hour",
    )
    parser.add_argument(
        "--expressions",
        nargs="+",
        default=[],
        choices=sorted(PLAUSIBLE),
        metavar="NAME",
        help="drive the frames to these faces alone, the head held still: " + ", ".join(sorted(PLAUSIBLE)),
    )
    parser.add_argument(
        "--references",
        nargs="+",
        default=[],
        choices=sorted(PLAUSIBLE),
        metavar="NAME",
        help="with --expressions: the reference makes one of these faces, and half of the frames keep it besides",
    )
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first shot within the split")
    parser.add_argument(
        "--processes", type=int, default=max(1, (os.cpu_count() or 2)), help="render processes"
    )
    parser.add_argument("--resolution", type=int, default=RESOLUTION_PX, help="side in px")
    parser.add_argument(
        "--samples",
        type=int,
        default=None,
        help="Cycles samples a pixel before denoising; default: "
        + ", ".join(f"{count} for {split}" for split, count in SAMPLES.items()),
    )
    parser.add_argument(
        "--renew", action="store_true", help="render the shots of earlier formats in the folder again"
    )
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet of the data set (JPEG or PNG)")
    parser.add_argument("--worker", type=int, default=None, help=argparse.SUPPRESS)


def shot_path(folder: Path, seed: int) -> Path:
    """File of a shot."""
    return folder / f"shot_{seed:08d}.npz"


def _seeds(args: argparse.Namespace) -> list[int]:
    first = args.first_seed + (TEST_SEEDS_FROM if args.split == "test" else 0)
    if args.split == "train" and first + args.count > TEST_SEEDS_FROM:
        raise InputError(
            f"Seeds from {TEST_SEEDS_FROM} up belong to the test split.", "Use smaller seeds or --split test."
        )
    return list(range(first, first + args.count))


def _work(args: argparse.Namespace) -> int:
    # Killed with no time to say so, the parent leaves its workers an ended stdin; a half-written shot is no shot.
    when_stdin_ends(lambda: os._exit(1), force_exit_after_s=1.0)
    _keep_to_one_core(args.worker)
    from backend.training.render.shot import ShotRenderer

    renderer = ShotRenderer(HeadAssets(args.assets), args.resolution, args.samples, threads=1)
    for seed in _seeds(args)[args.worker :: args.processes]:
        path = shot_path(args.out, seed)
        if not path.exists():
            renderer.render(
                seed,
                path,
                change=lambda shot: replace(shot, frames=_frames(shot.frames, shot.seed, args)),
            )
    return 0


def _frames(frames: list[FrameSpec], seed: int, args: argparse.Namespace) -> list[FrameSpec]:
    if args.expressions:
        return driven_by(frames, args.expressions, seed, args.references)[: args.frames]
    return chosen_frames(frames, args.frames, seed)


def _keep_to_one_core(worker: int) -> None:
    """Cycles' thread pool has a thread a core whatever `threads` says; idle ones spin and took half the machine."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[worker % len(cores)]})


def run(args: argparse.Namespace) -> int:
    """Render what is missing. Exit status 1 if a process failed (finished shots stay)."""
    if args.samples is None:
        args.samples = SAMPLES[args.split]
    if args.worker is not None:
        return _work(args)
    if args.references and not args.expressions:
        raise InputError("--references needs --expressions.", "Name the faces that the frames are driven to.")
    HeadAssets(args.assets)  # a wrong folder is reported before any process starts
    args.out.mkdir(parents=True, exist_ok=True)
    seeds = _seeds(args)
    manifest = Manifest.read(args.out)
    for name in manifest.check():
        print(f"{args.out / name} is damaged and is rendered again.", file=sys.stderr)
        manifest.drop(name)
    wanted = {shot_path(args.out, seed).name for seed in seeds}
    earlier = [name for name in manifest.outdated() if name in wanted]
    if earlier and args.renew:
        for name in earlier:
            manifest.drop(name)
    elif earlier:
        print(
            f"{len(earlier)} shots of an earlier format are kept; --renew renders them again.",
            file=sys.stderr,
        )
    settings = {"resolution_px": args.resolution, "samples": args.samples, "frames": args.frames}
    if args.expressions:
        settings["expressions"] = args.expressions
    if args.references:
        settings["references"] = args.references
    manifest.write(**settings)  # without what was taken away
    for part in args.out.glob("*.part"):
        part.unlink()  # left by a killed process
    todo = [seed for seed in seeds if not shot_path(args.out, seed).exists()]
    command = [sys.executable, "-m", "backend.training.render", *sys_arguments(args)]
    logs = [open(args.out / f"render-{n}.log", "ab") for n in range(args.processes)]  # noqa: SIM115
    workers = [
        subprocess.Popen(
            [*command, "--worker", str(n)], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        )
        for n, log in enumerate(logs)
    ]
    start = time.monotonic()
    try:
        with tqdm(total=len(todo), unit="shot") as bar:
            while any(worker.poll() is None for worker in workers):
                time.sleep(1.0)
                bar.update(sum(shot_path(args.out, seed).exists() for seed in todo) - bar.n)
            bar.update(sum(shot_path(args.out, seed).exists() for seed in todo) - bar.n)
    finally:
        for worker in workers:
            worker.terminate()
        for log in logs:
            log.close()
        manifest.write(**settings)
    done = sum(shot_path(args.out, seed).exists() for seed in todo)
    minutes = (time.monotonic() - start) / 60
    frames = done * args.frames
    print(
        f"{done} shots, {frames} frames in {minutes:.1f} min ({frames / max(minutes, 1e-6):.0f} frames/min)"
    )
    if done < len(todo):
        print(
            f"{len(todo) - done} shots are missing; see {args.out}/render-*.log and run the same command again.",
            file=sys.stderr,
        )
        return 1
    if args.sheet:
        from backend.training.sheets import write_data_sheet

        write_data_sheet(args.out, args.sheet)
    return 0


def sys_arguments(args: argparse.Namespace) -> list[str]:
    """The command line that gives these arguments again (for the worker processes)."""
    return [
        "--assets", str(args.assets), "--out", str(args.out), "--split", args.split, "--count", str(args.count),
        "--first-seed", str(args.first_seed), "--processes", str(args.processes),
        "--resolution", str(args.resolution), "--samples", str(args.samples),
        "--frames", str(args.frames), *_named("--expressions", args.expressions),
        *_named("--references", args.references),
    ]  # fmt: skip


def _named(option: str, names: Sequence[str]) -> list[str]:
    return [option, *names] if names else []
