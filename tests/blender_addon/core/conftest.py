# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation from tiny wheels that lie on this disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from blender_addon.core import environment
from blender_addon.core.installer import InstallPlan
from tests.blender_addon.tiny_wheels import write_bundle


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallPlan:
    """With a real pip that has no network, and nothing named by the surroundings."""
    links = write_bundle(tmp_path / "extension")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for variable in ("PORTRAIT_RELIEF_PYTHON", "PORTRAIT_RELIEF_LANDMARKER"):
        monkeypatch.delenv(variable, raising=False)
    return InstallPlan(
        folder=tmp_path / "user" / environment.FOLDER_NAME,
        storage=tmp_path / "user",
        base_python=Path(sys.executable),
        bundle=environment.find_bundle(tmp_path / "extension"),
    )
