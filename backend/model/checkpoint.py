# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a checkpoint folder, said in a sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from diffusers.utils import logging as diffusers_logging
from safetensors import safe_open
from torch import nn

from ..errors import CheckpointError


@contextmanager
def quiet_loading() -> Iterator[None]:
    """diffusers draws a progress bar for five small files; progress is the caller's to report."""
    enabled = diffusers_logging.is_progress_bar_enabled()
    diffusers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            diffusers_logging.enable_progress_bar()


def check_folder(path: Path) -> None:
    """Raises CheckpointError unless `path` is a folder that holds a pipeline."""
    if not path.is_dir():
        raise CheckpointError(
            f"There is no checkpoint folder {path}.",
            "Reinstall the backend (its checkpoint comes with it) or correct PORTRAIT_RELIEF_CHECKPOINT.",
            code="checkpoint_missing",
        )
    if not (path / "model_index.json").is_file():
        raise CheckpointError(
            f"{path} is not a checkpoint: it has no model_index.json.",
            "Choose the folder that holds model_index.json, backbone and reference_network.",
            code="checkpoint_missing",
        )


def check_complete(path: Path, networks: Mapping[str, nn.Module]) -> None:
    """Raises CheckpointError unless each network's files hold exactly its tensors.

    diffusers fills tensors that a file lacks with random numbers and only warns: wrong pictures, no error.
    """
    for network_name, network in networks.items():
        stored: set[str] = set()
        for file in (path / network_name).glob("*.safetensors"):
            with safe_open(file, framework="pt") as tensors:
                stored.update(tensors.keys())
        if difference := stored ^ set(network.state_dict()):
            raise CheckpointError(
                f"The checkpoint in {path} does not fit this version: {network_name} differs in "
                f"{len(difference)} tensors, for example {min(difference)}.",
                "Install the checkpoint that belongs to this version of the backend.",
            )


def checkpoint_fingerprint(folder: Path) -> str:
    """First 12 hex digits of the SHA-256 over all weight files of a checkpoint, sorted by name."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        digest.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()[:12]


def forget_origin(path: Path) -> None:
    """Removes the folder a model was loaded from out of the configurations below `path`: a path of one machine."""
    for file in path.rglob("*.json"):
        config = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(config, dict) and config.pop("_name_or_path", None) is not None:
            file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def first_line(error: BaseException) -> str:
    """The part of a library's message that fits a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
