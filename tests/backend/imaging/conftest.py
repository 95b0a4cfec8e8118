# SPDX-License-Identifier: GPL-3.0-or-later
"""Real pictures for the imaging tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """uint8 [512, 512, 3], one woman facing the camera, head centre near (228, 100), public domain."""
    return skimage.data.astronaut()


@pytest.fixture(scope="session")
def portraits(repository: Path) -> list[Path]:
    """Two official portraits that lie beside the checkout on the development machine."""
    folder = repository.parent / "shared" / "assets" / "photos"
    photos = sorted(folder.glob("official_portrait_*.jpg"))
    if not photos:
        pytest.skip(f"no portraits in {folder}: they are not part of the repository")
    return photos
