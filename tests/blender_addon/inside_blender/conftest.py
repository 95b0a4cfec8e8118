# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on registered in an empty file, against the fake backend; everything is undone after each test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remembers how it ended for `pytest_unconfigure`."""
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the process of `test_blender_versions` at once: bpy's own destructors, run as Python ends, can wait for a
    thread of Blender's that never ends (`GlobalState::~GlobalState` for `delayed_close_thread_run`, 4.5)."""
    if os.environ.get("PORTRAIT_RELIEF_INSIDE_BLENDER") and _STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])


_STATUS = pytest.StashKey[int]()


@pytest.fixture
def addon(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    import bpy

    import blender_addon

    monkeypatch.delenv("PORTRAIT_RELIEF_PYTHON", raising=False)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_addon.register()
    yield blender_addon
    blender_addon.unregister()


@pytest.fixture
def fake(addon, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`fake("oom")`: the add-on starts the fake backend in that mode, with short deadlines."""
    from blender_addon import runtime

    def choose(mode: str) -> None:
        monkeypatch.setenv("PORTRAIT_RELIEF_BACKEND_SOURCE", str(ROOT / "tests" / "fake_backend"))
        monkeypatch.setenv("FAKE_BACKEND_MODE", mode)
        runtime.set_deadlines(first_line_s=10.0, answer_s=1.0, no_progress_s=1.5, cancel_s=2.0)

    import sys

    monkeypatch.setenv("PORTRAIT_RELIEF_PYTHON", sys.executable)
    return choose


@pytest.fixture
def photo(addon):
    """A generated image datablock as source, with known bytes."""
    import bpy

    image = bpy.data.images.new("portrait", 40, 48)
    pixels = np.ones((48, 40, 4), np.float32)
    pixels[:, :, 0] = np.arange(40) / 255.0
    pixels[:, :, 1] = np.arange(48)[:, None] / 255.0
    pixels[:, :, 2] = 128 / 255.0
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    bpy.context.scene.portrait_relief.image = image
    return image
