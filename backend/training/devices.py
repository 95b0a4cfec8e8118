# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a training run: one alone, or several that `accelerate` joins (DDP over NCCL or gloo)."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backend.errors import InputError
from backend.training.stopping import stop_requests

_LOOK_S = 0.2
# What `Devices.agree` sends, by device and length. It lives as long as the process: if gloo's thread dropped the last
# reference it would wait for Python's lock, which the main thread holds while it waits for that thread at the end.
_SHARED: dict[tuple[torch.device, int], torch.Tensor] = {}


@dataclass(frozen=True)
class Devices:
    """This process's place among all.

    Attributes:
        device: what this process computes on.
        rank: 0 keeps the clock, writes checkpoints and prints.
        count: processes in all.
        accelerator: accelerate's, None for a process alone.
    """

    device: torch.device
    rank: int = 0
    count: int = 1
    accelerator: Any = None

    @property
    def is_main(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """`network` with gradients averaged over all processes; itself in a process alone."""
        return network if self.accelerator is None else self.accelerator.prepare_model(network)

    def agree(self, values: Sequence[float]) -> list[float]:
        """Rank 0's values, in every process: clocks differ, and a learning rate or a last step must not."""
        if self.accelerator is None:
            return list(values)
        key = (self.device, len(values))
        if key not in _SHARED:
            _SHARED[key] = torch.empty(len(values), dtype=torch.float64, device=self.device)
        shared = _SHARED[key]
        shared.copy_(torch.tensor(values, dtype=torch.float64))
        torch.distributed.broadcast(shared, src=0)
        return shared.tolist()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the group, all together: rank 0 may still be saving."""
        if self.accelerator is not None:
            self.wait()
            self.accelerator.end_training()


def open_devices(device: str) -> Devices:
    """Join the other processes that a launcher (`accelerate launch`, torchrun, `--processes`) has started.

    Raises:
        InputError: accelerate is needed and absent.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Devices(torch.device(device))
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
    except ImportError as error:
        raise InputError(
            "Training with several processes needs accelerate.",
            "Install it: pip install 'portrait-relief[train]'.",
            code="missing_package",
        ) from error
    # A role reaches only a part of the parameters (depth mode never the reference network). Every process draws
    # the same role, so those without a gradient stay without one, as in a single process.
    options = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    accelerator = Accelerator(cpu=torch.device(device).type == "cpu", kwargs_handlers=[options])
    return Devices(accelerator.device, accelerator.process_index, accelerator.num_processes, accelerator)


def processes_to_start(args: argparse.Namespace) -> int:
    """How many processes this one has to start in its place; 1 where it is to train itself.

    `accelerate launch --cpu --num_processes N` starts a single process unless it has MPI, and tells it of the others
    only by a MASTER_ADDR: they are started here. N itself stands in the launcher's command line alone.

    Raises:
        InputError: N cannot be found out.
    """
    if "WORLD_SIZE" in os.environ:
        return 1
    if args.processes is not None:
        if args.processes < 1:
            raise InputError(f"--processes is {args.processes}.", "Use at least 1.")
        return args.processes
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() != "true" or "MASTER_ADDR" not in os.environ:
        return 1
    count = _launcher_processes(Path(f"/proc/{os.getppid()}/cmdline"))
    if count is None:
        raise InputError(
            "accelerate launch --cpu starts only one process here.",
            "Give the number to train: --processes N.",
        )
    return count


def start_processes(count: int) -> int:
    """Run this command again in `count` processes of this machine; their exit status, or that of the signal which
    ended them all.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MASTER_")}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    running = subprocess.Popen([*launcher, "-m", "backend", *sys.argv[1:]], env=environment)
    with stop_requests(insist=False) as stop:
        passed_on = False
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = running.wait(timeout=_LOOK_S)
                return stop.exit_status or status
            # The terminal sends Ctrl+C to all; SIGTERM reaches this process alone. They save and end.
            if stop.signal == signal.SIGTERM and not passed_on:
                running.send_signal(signal.SIGTERM)
                passed_on = True


def _launcher_processes(command_line: Path) -> int | None:
    """N of `--num_processes N` in a process's command line (Linux), or None."""
    try:
        words = command_line.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, _, value = word.partition("=")
        if name.replace("-", "_") == "__num_processes" and (value or following).isdigit():
            return int(value or following)
    return None
