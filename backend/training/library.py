# SPDX-License-Identifier: GPL-3.0-or-later
"""Several folders of training data as one: rendered shots and a user's own pictures with depth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.errors import InputError
from backend.training.dataset import Shot, ShotLibrary
from backend.training.render.assets import HeadAssets
from backend.training.rgbd_folder import RgbdFolder, is_rgbd_folder

DEFAULT_SIZE_PX = 256


class TrainingLibrary:
    """Everything that `--data` names.

    Args:
        folders: each of rendered shots or of RGB-D pictures (`rgbd_folder.py`).
        assets: MPFB data of the rendered shots; with it the face frame is taught exactly (`face_points.py`).
        extras: as in `load_shot`.

    Raises:
        InputError: a folder is empty or damaged, or renders of different sizes are mixed.
    """

    def __init__(
        self,
        folders: Sequence[str | Path],
        assets: HeadAssets | None = None,
        extras: Sequence[str] = (),
    ):
        own = [Path(folder) for folder in folders if is_rgbd_folder(Path(folder))]
        renders = [
            ShotLibrary(folder, assets=assets, extras=extras) for folder in folders if Path(folder) not in own
        ]
        sizes = sorted({shot.arrays["depth_mm"].shape[-1] for library in renders for shot in library.shots})
        if len(sizes) > 1:
            raise InputError(
                f"Rendered shots of {' and '.join(map(str, sizes))} px cannot be mixed.",
                "Render all with one --resolution.",
                code="mixed_sizes",
            )
        size_px = sizes[0] if sizes else DEFAULT_SIZE_PX
        self.sources = [*renders, *(RgbdFolder(folder, size_px) for folder in own)]
        self.shots: list[Shot] = []
        self.paired: list[Shot] = []
        self._collect()

    def refresh(self) -> int:
        """Take in shots rendered since; returns how many."""
        new = sum(source.refresh() for source in self.sources)
        if new:
            self._collect()
        return new

    def _collect(self) -> None:
        self.shots = [shot for source in self.sources for shot in source.shots]
        self.paired = [shot for shot in self.shots if shot.frames > 1]

    @property
    def frames(self) -> int:
        """Number of frames in memory."""
        return sum(shot.frames for shot in self.shots)
