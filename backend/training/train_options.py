# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run is made of, and the options of `portrait-relief train`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from backend.errors import InputError
from backend.model.presets import PRESETS


@dataclass
class TrainConfig:
    """What a run is made of; saved beside the weights.

    Attributes:
        batch: samples a step and process.
        joint_share: the rest after `depth_share` and this trains appearance from depth.
        one_step_fraction: share of rows that start from zeros; the others learn to denoise.
        expression_dropout: share of driven samples that are told nothing of the expression.
        reference_dropout: share of driven batches that have no reference picture.
        face_share: share of all steps that teach the face frame alone.
        adversarial_share: gradient of the adversary in what is drawn, in shares of the other losses' there.
    """

    preset: str = "embedded"
    batch: int = 16
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup_steps: int = 100
    ema_decay: float = 0.999
    depth_share: float = 0.45
    joint_share: float = 0.50
    clip_norm: float = 1.0
    one_step_fraction: float = 1.0
    seed: int = 0
    expression_dropout: float = 0.0
    reference_dropout: float = 0.0
    face_share: float = 0.0
    adversarial_share: float = 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        action="append",
        help="folder of rendered shots, or of pictures with depth (rgbd.json); may be given several times",
    )
    parser.add_argument(
        "--assets",
        type=Path,
        help="MPFB data folder: new networks need it for the expression basis; with it rendered shots also teach "
        "where the face is (advised with --init too)",
    )
    parser.add_argument("--out", required=True, type=Path, help="run folder: checkpoint/, ema/, log.jsonl")
    parser.add_argument("--minutes", type=float, required=True, help="wall-clock budget of this call")
    parser.add_argument(
        "--total-minutes", type=float, help="length the learning-rate decay is planned for (all calls)"
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), default="embedded")
    parser.add_argument(
        "--batch", type=int, default=16, help="samples a step and process; default: %(default)s"
    )
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--depth-share", type=float, default=TrainConfig.depth_share)
    parser.add_argument("--joint-share", type=float, default=TrainConfig.joint_share)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-minutes", type=float, default=4.0, help="interval between checkpoints")
    parser.add_argument("--init", type=Path, help="start from these weights instead of random ones")
    parser.add_argument(
        "--expression-dropout",
        type=float,
        default=TrainConfig.expression_dropout,
        metavar="SHARE",
        help="driven samples that are told nothing of the expression; default: %(default)s",
    )
    parser.add_argument(
        "--reference-dropout",
        type=float,
        default=TrainConfig.reference_dropout,
        metavar="SHARE",
        help="driven batches without a reference picture; default: %(default)s",
    )
    parser.add_argument(
        "--face-share",
        type=float,
        default=TrainConfig.face_share,
        metavar="SHARE",
        help="short steps that teach the face frame and the reader alone (needs --assets); default: %(default)s",
    )
    parser.add_argument(
        "--adversarial-share",
        type=float,
        default=TrainConfig.adversarial_share,
        metavar="SHARE",
        help="pull of an adversary on teeth and lids that the photo does not show, in shares of the other losses' "
        "(one process); default: %(default)s",
    )
    parser.add_argument(
        "--processes", type=int, help="processes of this machine, one a GPU (or on the CPU); default: 1"
    )
    add_speed_arguments(parser)
    parser.add_argument(
        "--tensorboard", action="store_true", help="write scalars and sheets to OUT/tensorboard"
    )
    parser.add_argument(
        "--sheet-minutes",
        type=float,
        help="interval between sheets of fixed samples in OUT/sheets; default: none",
    )


def add_speed_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that change the speed and memory of a step and nothing else."""
    parser.add_argument(
        "--gradient-checkpointing", action="store_true", help="less memory: activations are computed again"
    )
    parser.add_argument("--compile", action="store_true", help="compile the networks (torch.compile)")


def speed_options(args: argparse.Namespace) -> dict[str, Any]:
    """What `add_speed_arguments` asks of the `Stepper`."""
    return {
        "gradient_checkpointing": args.gradient_checkpointing,
        "compile_backend": "inductor" if args.compile else None,
    }


def config_of(args: argparse.Namespace) -> TrainConfig:
    """The configuration that the options ask for.

    Raises:
        InputError: a share outside of 0..1, or nothing to train.
    """
    names = {field.name for field in fields(TrainConfig)}
    config = TrainConfig(**{name: value for name, value in vars(args).items() if name in names})
    shares = (
        "depth_share", "joint_share", "expression_dropout", "reference_dropout", "face_share", "adversarial_share",
    )  # fmt: skip
    for name in shares:
        if not 0 <= getattr(config, name) <= 1:
            raise InputError(
                f"--{name.replace('_', '-')} is {getattr(config, name)}.", "It is a share from 0 to 1."
            )
    if config.batch < 1:
        raise InputError(f"--batch is {config.batch}.", "Use at least 1.")
    return config
