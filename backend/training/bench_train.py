# SPDX-License-Identifier: GPL-3.0-or-later
"""``portrait-relief bench train``: samples a second, seconds of each phase of a step, and model FLOP utilisation."""

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
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from backend.errors import InputError
from backend.model.growth import grown
from backend.model.pipeline import JointPortraitPipeline
from backend.model.precision import fast_dtype, precision_name
from backend.model.presets import PRESETS, create_pipeline
from backend.training.batches import BatchSampler, Shots
from backend.training.dataset import EXPRESSION_SIZE, REGIONS, Shot
from backend.training.devices import Devices
from backend.training.library import TrainingLibrary
from backend.training.stepper import Stepper
from backend.training.train_options import TrainConfig, add_speed_arguments, speed_options

PHASES = ("data", "forward", "backward", "optimiser")
PEAK_SIDE = {"cuda": 8192, "cpu": 2048}  # of the matrices whose product gives the peak
MADE_SHOTS, MADE_SIZE_PX, MADE_FRAMES = 4, 256, 2


class MadeShots:
    """Noise in the form of rendered shots: what a step costs does not depend on what the pictures show."""

    def __init__(self) -> None:
        self.shots = [_made_shot(seed) for seed in range(MADE_SHOTS)]
        self.paired = self.shots


def _made_shot(seed: int) -> Shot:
    rng, shape = np.random.default_rng(seed), (MADE_FRAMES, MADE_SIZE_PX, MADE_SIZE_PX)
    full = np.full(shape, 255, np.uint8)
    arrays = {
        "rgba": rng.integers(0, 256, (*shape, 4), dtype=np.uint8),
        "depth_mm": rng.normal(0, 50, shape).astype(np.float16),
        "solid": np.ones(shape, np.uint8),
        "coverage": full,
        "face": full,
        "motion": np.zeros((*shape, 2), np.float16),
        "visible": np.ones(shape, np.uint8),
    }
    boxes = {name: (0.4, 0.4, 0.6, 0.6) for region in REGIONS for name in region}
    values = rng.random((MADE_FRAMES, EXPRESSION_SIZE), dtype=np.float32)
    return Shot(seed, arrays, values, 450.0, (0.5, 0.5), {"frames": [{"regions": boxes}] * MADE_FRAMES})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--data", type=Path, action="append", help="training data (default: made of noise)")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="embedded")
    parser.add_argument("--init", type=Path, help="a checkpoint's networks instead of a preset's")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--repeats", type=int, default=7, help="steps of each role that are timed (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_speed_arguments(parser)


def time_step(stepper: Stepper, mode: str, synchronise: Callable[[], None]) -> dict[str, float]:
    """Seconds of each phase of one training step in one role."""
    seconds, begun = {}, time.perf_counter()

    def done(phase: str) -> None:
        nonlocal begun
        synchronise()
        now = time.perf_counter()
        seconds[phase], begun = now - begun, now

    batch = stepper.draw(mode)
    done("data")
    loss = stepper.forward(batch, mode)
    done("forward")
    stepper.backward(loss)
    done("backward")
    stepper.update(stepper.config.learning_rate)
    done("optimiser")
    return seconds


def count_flops(stepper: Stepper, mode: str) -> int:
    """Floating-point operations of forward and backward of one step: convolutions and matrix products, a multiply
    and an add as two. Recomputation under gradient checkpointing is not counted as useful work."""
    batch = stepper.draw(mode)
    trunks = (stepper.pipeline.backbone, stepper.pipeline.reference_network)
    was = [trunk.is_gradient_checkpointing for trunk in trunks]
    for trunk in trunks:
        trunk.disable_gradient_checkpointing()
    # Fused attention kernels of some devices are unknown to the counter; the plain one is matrix products. A graph
    # that was compiled would be one operation that counts nothing.
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), torch.compiler.set_stance("force_eager"), counter:
        stepper.backward(stepper.forward(batch, mode))
    for trunk, on in zip(trunks, was, strict=True):
        if on:
            trunk.enable_gradient_checkpointing()
    return counter.get_total_flops()


def measure_peak(device: torch.device, repeats: int = 5) -> float:
    """FLOP/s that the device reaches in one large matrix product of the training type: the best of `repeats`."""
    side = PEAK_SIDE.get(device.type, 2048)
    a, b = (torch.randn(side, side, device=device, dtype=fast_dtype(device)) for _ in range(2))
    synchronise, best = _synchroniser(device), 0.0
    for _ in range(repeats + 1):
        synchronise()
        begun = time.perf_counter()
        torch.mm(a, b)
        synchronise()
        best = max(best, 2 * side**3 / (time.perf_counter() - begun))
    return best


def measure(stepper: Stepper, repeats: int) -> dict[str, Any]:
    """Each role (medians of `repeats` after a warm-up), and all in the shares in which training draws them."""
    synchronise, config = _synchroniser(stepper.devices.device), stepper.config
    shares = {"depth": config.depth_share, "joint": config.joint_share}
    shares["appearance"] = max(0.0, 1 - sum(shares.values()))
    if not stepper.sampler.library.paired:
        shares = {"depth": 1.0}
    peak = measure_peak(stepper.devices.device)
    roles: dict[str, Any] = {}
    for mode, share in shares.items():
        flops = count_flops(stepper, mode)
        time_step(stepper, mode, synchronise)
        steps = [time_step(stepper, mode, synchronise) for _ in range(repeats)]
        roles[mode] = {
            "share": share,
            "seconds": {phase: median(step[phase] for step in steps) for phase in PHASES},
            "gflop_per_sample": flops / config.batch / 1e9,
        }
    mean = {phase: sum(r["share"] * r["seconds"][phase] for r in roles.values()) for phase in PHASES}
    gflop = sum(r["share"] * r["gflop_per_sample"] for r in roles.values())
    roles["all"] = {"share": 1.0, "seconds": mean, "gflop_per_sample": gflop}
    for role in roles.values():
        step_s = sum(role["seconds"].values())
        role["samples_per_s"] = config.batch / step_s
        role["mfu"] = role["gflop_per_sample"] * 1e9 * role["samples_per_s"] / peak
    return {"peak_tflops": peak / 1e12, "roles": roles}


def run(args: argparse.Namespace) -> int:
    """Print a table, or JSON."""
    if args.batch < 1 or args.repeats < 1:
        raise InputError("--batch and --repeats must be at least 1.", "Leave them out for the defaults.")
    pipeline = (
        grown(JointPortraitPipeline.from_pretrained(args.init)) if args.init else create_pipeline(args.preset)
    )
    library: Shots = TrainingLibrary(args.data) if args.data else MadeShots()
    devices = Devices(torch.device(args.device))
    sampler = BatchSampler(library, pipeline.settings.resolution_px, 0, devices.device)
    config = TrainConfig(preset=args.preset, batch=args.batch)
    stepper = Stepper(pipeline, sampler, config, devices, **speed_options(args))
    record = {
        "networks": str(args.init or args.preset),
        "resolution_px": pipeline.settings.resolution_px,
        "batch": args.batch,
        "gradient_checkpointing": args.gradient_checkpointing,
        "compile": args.compile,
        "dtype": precision_name(fast_dtype(devices.device)),
        "device": _device_name(devices.device),
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "torch": torch.__version__,
        **measure(stepper, args.repeats),
    }
    print(json.dumps(record, indent=2) if args.json else table(record))
    return 0


def table(record: dict[str, Any]) -> str:
    """The record for a reader: a line a role, seconds a step."""
    lines = [
        f"{record['networks']} ({record['resolution_px']} px), batch {record['batch']}, {record['dtype']} on "
        f"{record['device']} ({record['threads']} threads), torch {record['torch']}, "
        f"matrix product {record['peak_tflops']:.3g} TFLOP/s",
        f"{'role':12}{'share':>7}" + "".join(f"{phase + ' s':>13}" for phase in PHASES)
        + f"{'samples/s':>12}{'GFLOP/sample':>14}{'MFU':>8}",
    ]  # fmt: skip
    for name, role in record["roles"].items():
        lines.append(
            f"{name:12}{role['share']:7.0%}"
            + "".join(f"{role['seconds'][phase]:13.4f}" for phase in PHASES)
            + f"{role['samples_per_s']:12.2f}{role['gflop_per_sample']:14.2f}{role['mfu']:8.1%}"
        )
    return "\n".join(lines)


def _synchroniser(device: torch.device) -> Callable[[], None]:
    """Waits for what was started on the device."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return torch.mps.synchronize if device.type == "mps" else lambda: None


def _device_name(device: torch.device) -> str:
    return (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{device.type} ({platform.machine()})"
    )
