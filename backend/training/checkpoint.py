# SPDX-License-Identifier: GPL-3.0-or-later
"""Training checkpoints: written beside the old one and moved into place, so that a kill at any moment loses nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backend.model.pipeline import JointPortraitPipeline

STATE_FILE = "training_state.pt"
LOG_FILE = "log.jsonl"


class ExponentialMovingAverage:
    """Running mean of the trainable parameters; the first steps use a shorter memory so that it starts well."""

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float):
        self.decay, self.steps = decay, 0
        self.mean = {name: p.detach().clone() for name, p in parameters.items()}

    @torch.no_grad()
    def update(self, parameters: dict[str, nn.Parameter]) -> None:
        """Take in the current parameters."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        names = list(self.mean)
        torch._foreach_lerp_(
            [self.mean[n] for n in names], [parameters[n].detach() for n in names], 1 - decay
        )

    @torch.no_grad()
    def swap(self, parameters: dict[str, nn.Parameter]) -> None:
        """Exchange the averaged and the current parameters; call again to undo."""
        for name, parameter in parameters.items():
            current = parameter.detach().clone()
            parameter.copy_(self.mean[name])
            self.mean[name] = current


def save_folder(folder: Path, write: Any) -> None:
    """Call `write(temporary_folder)`, then put the result in `folder`'s place in one move."""
    temporary, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    _sync(temporary)
    if folder.exists():
        # Only now, when there is a complete one in its place, may an .old of an earlier kill go.
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
    os.replace(temporary, folder)
    shutil.rmtree(old, ignore_errors=True)


def save_in_bfloat16(pipeline: JointPortraitPipeline, folder: Path) -> None:
    """As `save_folder`, a usable pipeline of half the size; the one in memory stays as it is."""

    def write(target: Path) -> None:
        before = [{k: v.clone() for k, v in m.state_dict().items()} for m in pipeline.networks()]
        for module in pipeline.networks():
            nn.Module.to(module, torch.bfloat16)  # diffusers' own `to` warns of modules it has none of
        pipeline.save_pretrained(target)
        for module, state in zip(pipeline.networks(), before, strict=True):
            nn.Module.to(module, torch.float32)
            module.load_state_dict(state)

    save_folder(folder, write)


def _sync(folder: Path) -> None:
    """Onto the disk, so that a power failure after the move finds whole files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())


def recover_folder(folder: Path) -> None:
    """Undo what a kill in `save_folder` left: put the old one back if it stood aside, drop a half-written new one."""
    temporary, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)


def newest_folder(folder: Path) -> Path | None:
    """The complete checkpoint: `folder`, or what a kill between the two moves left as `.old`."""
    for candidate in (folder, folder.with_name(folder.name + ".old")):
        if (candidate / STATE_FILE).is_file():
            return candidate
    return None


def append_log(folder: Path, record: dict[str, Any]) -> None:
    """One JSON line."""
    with open(folder / LOG_FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def named_trainable(modules: dict[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Trainable parameters by full name."""
    return {
        f"{prefix}.{name}": parameter
        for prefix, module in modules.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def load_state(folder: Path) -> dict[str, Any]:
    """Optimiser, EMA and random state of our own run (tensors and plain data only)."""
    return torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)


def tensors_to_cpu(tree: Any) -> Any:
    """Copy of nested dicts and lists with all tensors on the CPU."""
    if isinstance(tree, Tensor):
        return tree.detach().cpu()
    if isinstance(tree, dict):
        return {key: tensors_to_cpu(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [tensors_to_cpu(value) for value in tree]
    return tree
