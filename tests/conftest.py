# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of several parts share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def tiny_checkpoint(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real checkpoint folder of the smallest size, with random weights."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    command = [sys.executable, "-m", "backend.model.create", "--preset", "tiny", "--out", str(folder)]
    subprocess.run(
        command, cwd=repository, check=True, timeout=400, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return folder
