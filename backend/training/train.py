# SPDX-License-Identifier: GPL-3.0-or-later
"""`portrait-relief train`: one process, or several of this machine or of a launcher."""

from __future__ import annotations

import argparse

import numpy as np
import torch

from backend.training.devices import open_devices, processes_to_start, start_processes
from backend.training.train_options import add_arguments, config_of
from backend.training.trainer import Trainer

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Exit status 0 when the budget was used, 130 or 143 when Ctrl+C or SIGTERM ended it; it is saved either way."""
    config = config_of(args)
    if (count := processes_to_start(args)) > 1:
        return start_processes(count)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    devices = open_devices(args.device)
    trainer = Trainer(args, config, devices)
    if devices.is_main:
        parameters = sum(p.numel() for p in trainer.stepper.parameters.values()) / 1e6
        library = trainer.library
        print(
            f"{parameters:.1f} M trainable parameters, {len(library.shots)} shots, {library.frames} frames"
            + (f", {devices.count} processes" if devices.count > 1 else "")
        )
        if not library.paired:
            print("no driven pairs in the data: depth alone is trained")
    status = trainer.run()
    devices.close()
    return status
