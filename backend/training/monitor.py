# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves to be watched: log.jsonl, TensorBoard, sheets of fixed samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from backend.errors import InputError
from backend.model.pipeline import JointPortraitPipeline
from backend.training import checkpoint as files
from backend.training.sheets import SampleSheet

FACTS = ("step", "samples", "seconds", "shots")  # of a record; the others are losses and speeds


def tensorboard_writer(folder: Path, purge_step: int) -> Any:
    """A SummaryWriter; what an earlier, killed call wrote from `purge_step` on is hidden.

    Raises:
        InputError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            "--tensorboard needs the package tensorboard.",
            "Install it: pip install 'portrait-relief[train]'.",
            code="missing_package",
        ) from error
    return SummaryWriter(str(folder), purge_step=purge_step)


class Monitor:
    """Writes into a run's folder.

    Args:
        tensorboard: whether scalars and sheets also go to `folder`/tensorboard.
        first_step: step at which this call starts.
        sheet: the samples that are drawn; None for no sheets.
    """

    def __init__(self, folder: Path, tensorboard: bool, first_step: int, sheet: SampleSheet | None):
        self.folder, self.sheet = folder, sheet
        self.writer = tensorboard_writer(folder / "tensorboard", first_step) if tensorboard else None

    def record(self, record: Mapping[str, Any]) -> None:
        """One line of the log; its losses as scalars."""
        files.append_log(self.folder, dict(record))
        if self.writer is None:
            return
        for name, value in record.items():
            if name not in FACTS:
                self.writer.add_scalar(name, value, record["step"])

    def draw_sheet(self, pipeline: JointPortraitPipeline, step: int) -> None:
        """sheets/step_NNNNNNNN.png, and the same picture in TensorBoard; nothing without samples."""
        if self.sheet is None:
            return
        pixels = self.sheet.draw(pipeline)
        target = self.folder / "sheets" / f"step_{step:08d}.png"
        target.parent.mkdir(exist_ok=True)
        part = target.with_suffix(".part")
        Image.fromarray(pixels).save(part, format="PNG")
        part.replace(target)
        if self.writer is not None:
            self.writer.add_image("samples", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Flush what TensorBoard still holds."""
        if self.writer is not None:
            self.writer.close()
