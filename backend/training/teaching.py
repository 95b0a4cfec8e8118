# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands share that teach one part of a checkpoint alone: options, shots kept apart, pools, steps."""

from __future__ import annotations

import argparse
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor, nn

from backend.errors import InputError
from backend.model.pipeline import JointPortraitPipeline
from backend.training.batches import TURNED_SHARE, BatchSampler, SomeShots
from backend.training.checkpoint import ExponentialMovingAverage
from backend.training.dataset import Shot
from backend.training.kernel_muon import KernelMuon
from backend.training.schedule import cosine_decay

WEIGHT_DECAY = 0.05
WARM_STEPS = 50  # over which the learning rate rises
_APART = 10  # every so many-th shot is kept apart
_REPORTED = 40  # losses whose means are reported


def teaching_parser(name: str, doc: str | None, taught: str) -> argparse.ArgumentParser:
    """The options that all of them have.

    Args:
        name: of the module in this package.
        doc: its docstring, whose first line describes the command.
        taught: what is taught, as the help calls it.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m backend.training.{name}", description=(doc or "").splitlines()[0]
    )
    parser.add_argument("--data", required=True, type=Path, action="append", help="folder of rendered shots")
    parser.add_argument("--assets", required=True, type=Path, help="MPFB data folder")
    parser.add_argument("--init", required=True, type=Path, help=f"checkpoint whose {taught} is taught")
    parser.add_argument(
        "--out", required=True, type=Path, help=f"folder of the checkpoint with the taught {taught}"
    )
    parser.add_argument("--minutes", required=True, type=float)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def begun(
    args: argparse.Namespace, taught: str, grown: Callable[[JointPortraitPipeline], JointPortraitPipeline]
) -> JointPortraitPipeline:
    """The checkpoint of `--init`, `grown` to have what is taught; seeds torch. Raises InputError without a face
    frame."""
    torch.manual_seed(args.seed)
    pipeline = JointPortraitPipeline.from_pretrained(args.init)
    if pipeline.backbone.face_frame is None:
        raise InputError(
            f"{args.init} has no face frame, so it can have no {taught}.", "Take another checkpoint."
        )
    return grown(pipeline)


def samplers(
    shots: list[Shot], resolution_px: int, seed: int, turned_share: float = TURNED_SHARE
) -> tuple[BatchSampler, BatchSampler]:
    """Of the shots that are taught, and of every tenth from the first on, which is kept apart. Raises InputError for
    fewer than two shots."""
    if len(shots) < 2:
        raise InputError(f"{len(shots)} of the shots can be used.", "Render some with these assets first.")
    taught = [shot for index, shot in enumerate(shots) if index % _APART]
    return (
        BatchSampler(SomeShots(taught), resolution_px, seed, turned_share=turned_share),
        BatchSampler(SomeShots(shots[::_APART]), resolution_px, seed, turned_share=turned_share),
    )


class Pool:
    """Rows of tensors that belong together, the oldest replaced first; floats are kept in half precision.

    Args:
        size: how many rows are kept.
    """

    def __init__(self, size: int):
        self.size, self.drawn = size, 0
        self.kept: dict[str, Tensor] = {}

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Takes in some rows [N, ...]."""
        rows = {name: value.half() if value.is_floating_point() else value for name, value in rows.items()}
        if not self.kept:
            self.kept = {name: value.new_zeros(self.size, *value.shape[1:]) for name, value in rows.items()}
        count = len(next(iter(rows.values())))
        at = (torch.arange(count) + self.drawn) % self.size
        for name, value in rows.items():
            self.kept[name][at] = value
        self.drawn += count

    def __len__(self) -> int:
        return min(self.drawn, self.size)

    @property
    def full(self) -> bool:
        """Whether what comes next replaces something."""
        return self.drawn >= self.size

    def rows(self, chosen: Tensor | slice = slice(None)) -> dict[str, Tensor]:
        """Those of the rows that are there, all by default; float32 or as they were added."""
        return {name: self.column(name, chosen) for name in self.kept}

    def column(self, name: str, chosen: Tensor | slice = slice(None)) -> Tensor:
        """One of the tensors of `rows`."""
        found = self.kept[name][: len(self)][chosen]
        return found.float() if found.is_floating_point() else found


@dataclass(frozen=True)
class Course:
    """How one part is taught.

    Attributes:
        pool, apart: rows to learn from, and of the shots kept apart.
        steps_a_draw: after each drawn batch, while the pools fill and then.
        learning_rate: the largest: it rises first and then falls by a cosine.
        ema_decay: of the averaged weights, a step.
        report_s, save_s: between two reports and two saves.
    """

    pool: int
    apart: int
    steps_a_draw: tuple[int, int]
    learning_rate: float
    ema_decay: float
    report_s: float
    save_s: float = math.inf


class Teacher(ABC):
    """Draws rows into pools, one of each kind of what is taught, and teaches the networks by them.

    Args:
        networks: by kind.
        samplers: see `samplers`.
        course: see there.
        seed: of what is drawn.
        kernels: by kind, those of the networks' parameters that Muon teaches; AdamW does the others.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        samplers: tuple[BatchSampler, BatchSampler],
        course: Course,
        seed: int,
        kernels: Mapping[str, list[nn.Parameter]] | None = None,
    ):
        self.course, (self.sampler, self.apart) = course, samplers
        self.pools = {kind: Pool(course.pool) for kind in networks}
        self.kept_apart = {kind: Pool(course.apart) for kind in networks}
        self.generator = torch.Generator().manual_seed(seed)
        self.parameters = {kind: dict(network.named_parameters()) for kind, network in networks.items()}
        self.optimisers = {
            kind: optimisers(list(parameters.values()), (kernels or {}).get(kind, []), course.learning_rate)
            for kind, parameters in self.parameters.items()
        }
        self.averages = {
            kind: ExponentialMovingAverage(parameters, course.ema_decay)
            for kind, parameters in self.parameters.items()
        }

    @abstractmethod
    def draw(self, sampler: BatchSampler, pools: Mapping[str, Pool]) -> None:
        """One batch into the pools."""

    @abstractmethod
    def losses(self, kind: str) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(what is made smaller, its terms by name) of some rows of a kind's pool."""

    @abstractmethod
    def report(self) -> str:
        """What the averaged weights make of the rows kept apart, which are there."""

    def step(self, kind: str, learning_rate: float) -> Mapping[str, Tensor]:
        """One step of one kind's network; returns the loss's terms."""
        parameters = self.parameters[kind]
        loss, terms = self.losses(kind)
        for parameter in parameters.values():
            parameter.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
        for optimiser in self.optimisers[kind]:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate
            optimiser.step()
        self.averages[kind].update(parameters)
        return terms

    def swap(self) -> None:
        """Averaged weights and those of the last step change places."""
        for kind, average in self.averages.items():
            average.swap(self.parameters[kind])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The networks have their averaged weights meanwhile."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def reported(self) -> str:
        """`report`, of full pools."""
        while not all(pool.full for pool in self.kept_apart.values()):
            self.draw(self.apart, self.kept_apart)
        with self.averaged():
            return self.report()

    def teach(self, minutes: float, save: Callable[[int, float], None] | None = None) -> int:
        """For so long; returns the number of steps. The networks then have their averaged weights.

        Args:
            save: called now and then with steps and minutes so far.
        """
        begun_s = reported_s = saved_s = time.monotonic()
        steps, terms = 0, deque[Mapping[str, Tensor]](maxlen=_REPORTED)
        while (elapsed_s := time.monotonic() - begun_s) < 60 * minutes:
            filling = not all(pool.full for pool in self.pools.values())
            self.draw(self.sampler, self.pools)
            rate = self.course.learning_rate * cosine_decay(elapsed_s / (60 * minutes))
            for _ in range(self.course.steps_a_draw[0 if filling else 1]):
                terms += [self.step(kind, rate * min(1.0, (steps + 1) / WARM_STEPS)) for kind in self.pools]
                steps += 1
            now_s = time.monotonic()
            if now_s - reported_s > self.course.report_s:
                reported_s = now_s
                words = f"{elapsed_s / 60:.1f} min, {steps} steps, kept apart: {self.reported()}"
                print(f"{words}\n  {_means(terms)}", flush=True)
            if save is not None and now_s - saved_s > self.course.save_s:
                saved_s = now_s
                with self.averaged():
                    save(steps, elapsed_s / 60)
        self.swap()
        return steps


def optimisers(
    parameters: list[nn.Parameter], kernels: list[nn.Parameter], learning_rate: float
) -> list[torch.optim.Optimizer]:
    """AdamW for the parameters, Muon for those of them that are named as `kernels`."""
    by_muon = {id(kernel) for kernel in kernels}
    others = [parameter for parameter in parameters if id(parameter) not in by_muon]
    found: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, lr=learning_rate, weight_decay=WEIGHT_DECAY)
    ]
    if kernels:
        found.append(KernelMuon(kernels, learning_rate, WEIGHT_DECAY))
    return found


def _means(terms: Iterable[Mapping[str, Tensor]]) -> str:
    values: dict[str, list[float]] = {}
    for each in terms:
        for name, value in each.items():
            values.setdefault(name, []).append(float(value))
    return ", ".join(f"{name} {mean(values[name]):.4f}" for name in sorted(values))
