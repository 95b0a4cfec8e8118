# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering assets and a tiny data set rendered once for the tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.training.render.assets import HeadAssets

REPOSITORY = Path(__file__).parents[3]
ASSETS = Path(os.environ.get("PORTRAIT_RELIEF_ASSETS", REPOSITORY.parent / "shared" / "assets"))


@pytest.fixture(scope="session")
def assets_folder() -> Path:
    """Folder with mpfb/data; tests that need it are skipped without it."""
    if not (ASSETS / "mpfb" / "data").is_dir():
        pytest.skip("no MPFB data: set PORTRAIT_RELIEF_ASSETS to a folder that holds mpfb/data")
    return ASSETS


@pytest.fixture(scope="session")
def assets(assets_folder: Path) -> HeadAssets:
    """The base mesh and targets."""
    return HeadAssets(assets_folder)


def render(assets_folder: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the renderer as a user does (bpy in a process of its own)."""
    command = [
        sys.executable,
        "-m",
        "backend.training.render",
        "--assets",
        str(assets_folder),
        "--out",
        str(out),
    ]
    return subprocess.run(
        [*command, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=500, check=False
    )


@pytest.fixture(scope="session")
def small_data(assets_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots at 96 px."""
    folder = tmp_path_factory.mktemp("shots")
    done = render(
        assets_folder, folder, "--count", "3", "--resolution", "96", "--samples", "2", "--processes", "1"
    )
    assert done.returncode == 0, done.stderr
    return folder
