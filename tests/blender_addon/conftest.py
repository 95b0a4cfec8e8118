# SPDX-License-Identifier: GPL-3.0-or-later
"""A session against the fake backend, and the switch for the tests that need bpy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "fake_backend"
sys.path.insert(0, str(ROOT))

# bpy and torch do not share a process well: test_blender_versions.py runs that folder in processes of its own.
collect_ignore = [] if os.environ.get("PORTRAIT_RELIEF_INSIDE_BLENDER") else ["inside_blender"]


@pytest.fixture
def fake_launch(monkeypatch: pytest.MonkeyPatch) -> Callable:
    """`fake_launch("crash")` -> how to start the fake backend in that mode."""
    from blender_addon.core.launch import Launch

    def make(mode: str) -> Launch:
        return Launch((sys.executable, "-m", "backend", "serve"), FAKE, {"FAKE_BACKEND_MODE": mode})

    return make


@pytest.fixture
def fast_session(tmp_path: Path) -> Iterator:
    """A session with deadlines that a test can wait for; ended afterwards."""
    from blender_addon.core.backend_process import Deadlines
    from blender_addon.core.session import Session

    deadlines = Deadlines(
        first_line_s=10.0, greeting_s=5.0, stop_s=0.5, answer_s=1.0, no_progress_s=1.5, cancel_s=2.0
    )
    session = Session(tmp_path / "logs", deadlines)
    yield session
    session.close()
