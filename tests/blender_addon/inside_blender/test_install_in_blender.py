# SPDX-License-Identifier: GPL-3.0-or-later
"""The install operators in background mode: a real environment, a real pip, a tiny wheel, no network."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def bundle(addon, tmp_path, monkeypatch):
    """The add-on with a tiny backend's wheel in it and a user folder of its own, allowed to go online."""
    from blender_addon import installation, storage
    from tests.blender_addon.tiny_wheels import write_bundle

    links = write_bundle(tmp_path / "extension")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(installation, "PACKAGE_FOLDER", tmp_path / "extension")
    monkeypatch.setattr(storage, "folder", lambda: tmp_path / "user")
    monkeypatch.setattr(installation.downloads, "space_bytes", lambda _index, _system: 1)
    (tmp_path / "user").mkdir()
    bpy.context.preferences.system.use_online_access = True
    yield installation
    bpy.context.preferences.system.use_online_access = False


def test_install_check_and_remove_with_the_operators(bundle, monkeypatch):
    from blender_addon import checking, requests
    from blender_addon.core.environment import EnvironmentState

    monkeypatch.setattr(
        requests, "__file__", str(bundle.PACKAGE_FOLDER / "requests.py")
    )  # not in the checkout
    monkeypatch.delenv("PORTRAIT_RELIEF_BACKEND_SOURCE", raising=False)
    shown = bpy.context.window_manager.portrait_relief.install
    assert bpy.ops.portrait_relief.install_backend(timeout=400) == {"FINISHED"}
    assert (shown.state, shown.status, shown.progress, shown.message) == ("DONE", "Installed", 1.0, "")
    assert bundle.state() is EnvironmentState.INSTALLED and bundle.installed_version() == "0.1.0"
    assert bundle.environment_folder().is_relative_to(bundle.log_path().parent.parent)
    assert not bundle.needs_update()
    check_what_was_installed()
    use_it_from_another_folder(bundle, monkeypatch)
    assert bpy.ops.portrait_relief.remove_backend(timeout=60) == {"FINISHED"}
    assert bundle.state() is EnvironmentState.ABSENT
    assert checking.findings() is None  # what was found was of the old environment
    assert bpy.ops.portrait_relief.remove_backend() == {"CANCELLED"}


def check_what_was_installed() -> None:
    """Check Installation asks the environment that was just made; its answer is in the report."""
    from blender_addon import checking, runtime
    from blender_addon.panels.check_section import draw_section
    from tests.blender_addon.drawn import Drawn, context_in_preferences

    # The tiny doctor says that little memory is free.
    with pytest.raises(RuntimeError, match="found something wrong"):
        bpy.ops.portrait_relief.check_installation()
    found = checking.findings()
    assert found is not None and found.version == "0.1.0" and not found.ok
    drawn: Any = Drawn()
    draw_section(drawn, context_in_preferences())
    assert {"Something is not in order", "Memory: little", "Packages: torch"} <= set(drawn.labels)
    assert {"portrait_relief.check_installation", "portrait_relief.copy_report"} <= set(drawn.buttons)
    runtime.start_check()
    drawn = Drawn()
    draw_section(drawn, context_in_preferences())
    assert drawn.labels == ["Checking the installation..."]
    runtime.end_check()
    assert not checking.is_busy() and checking.findings() is None
    runtime.start_check()
    ticks, begin_s = 0, time.monotonic()
    while (
        checking.is_busy() and time.monotonic() - begin_s < 60
    ):  # as with a window, where the timer drives it
        tick_s = time.monotonic()
        assert runtime._on_timer() is not None or not checking.is_busy()
        assert time.monotonic() - tick_s < 2.5  # killing what is left of a child is bounded
        ticks += 1
        time.sleep(0.01)
    found = checking.findings()
    assert ticks > 1 and found is not None and "FAIL  memory       little" in checking.report()


def use_it_from_another_folder(bundle, monkeypatch) -> None:
    """After another folder was chosen, and before anything is installed there."""
    from blender_addon import requests, user_choices
    from blender_addon.panels.install_section import draw_section
    from tests.blender_addon.drawn import Drawn, context_in_preferences

    first = bundle.environment_folder()
    chosen = user_choices.get()
    drawn: Any = Drawn()
    draw_section(drawn, context_in_preferences(), chosen)
    assert "An environment of its own: nothing is installed into Blender" in drawn.labels
    assert str(first) not in drawn.labels
    with monkeypatch.context() as patch:
        patch.setattr(chosen, "install_folder", str(first.parent / "elsewhere"))
        drawn = Drawn()
        draw_section(drawn, context_in_preferences(), chosen)
        assert str(first) in drawn.labels and "The backend is not installed yet" in drawn.labels
        launch = requests.backend_choice().launch
        assert launch is not None and Path(launch.command[0]).is_relative_to(first)
        # Remove is about the chosen folder, where nothing is.
        assert bpy.ops.portrait_relief.remove_backend() == {"CANCELLED"} and first.exists()


def test_a_python_that_is_named_makes_an_installation_unnecessary(addon, monkeypatch):
    from blender_addon import user_choices
    from blender_addon.panels.install_section import draw_section
    from tests.blender_addon.drawn import Drawn, context_in_preferences

    def labels() -> str:
        drawn: Any = Drawn()
        draw_section(drawn, context_in_preferences(), user_choices.get())
        return drawn.text

    assert "The backend is not installed yet" in labels() and "This copy carries none" in labels()
    monkeypatch.setattr(user_choices.get(), "backend_python", "/opt/a")
    assert "not installed yet" not in labels() and "Named below: /opt/a" in labels()
    monkeypatch.setenv("PORTRAIT_RELIEF_PYTHON", "/opt/b")
    assert "Named by PORTRAIT_RELIEF_PYTHON: /opt/b" in labels() and "This copy carries" not in labels()


def backend_variables() -> Mapping[str, str]:
    """What the backend's process would get in its environment."""
    from blender_addon import requests

    launch = requests.backend_choice().launch
    assert launch is not None
    return launch.variables


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the figures are Linux's"
)
def test_what_is_downloaded_and_how_large_is_shown_before_it_is_asked_for(bundle, tmp_path, monkeypatch):
    from blender_addon import user_choices
    from blender_addon.operators.install import PORTRAIT_RELIEF_OT_install_backend as Install
    from blender_addon.panels.install_section import draw_section
    from tests.blender_addon.drawn import Drawn, context_in_preferences

    for name in ("requirements.lock", "requirements-sizes.json"):
        shutil.copyfile(ROOT / name, tmp_path / "extension" / "backend_wheel" / name)
    monkeypatch.setattr(bundle, "NVIDIA_DRIVER", tmp_path / "no driver")
    chosen, context = user_choices.get(), context_in_preferences()
    shown = context.window_manager.portrait_relief.install
    drawn: Any = Drawn()
    draw_section(drawn, context, chosen)
    assert "66 packages: downloads 2.9 GB, takes 5.3 GB on disk" in drawn.labels
    assert "With Device set to Processor: 333 MB" in drawn.text and "torch 2.13.0" not in drawn.labels
    shown.show_packages = True
    monkeypatch.setattr(chosen, "device", "CPU")
    drawn = Drawn()
    draw_section(drawn, context, chosen)
    assert "47 packages: downloads 333 MB, takes 1.3 GB on disk" in drawn.labels
    assert "torch 2.13.0" in drawn.labels and "uvicorn 0.54.0" in drawn.text.replace("\n", " ")
    assert any(label.startswith("Sizes as of 20") for label in drawn.labels)

    dialog: Any = SimpleNamespace(layout=Drawn(), fresh=False)
    dialog.draw_lines = lambda *lines: Install.draw_lines(dialog, *lines)
    Install.draw(dialog, context)
    assert {"47 packages: downloads 333 MB, takes 1.3 GB on disk", "torch 2.13.0"} <= {*dialog.layout.labels}
    assert "https://download.pytorch.org/whl/cpu" in dialog.layout.text


def test_face_following_is_a_tick_that_the_backend_then_starts_with(bundle, tmp_path, monkeypatch):
    from blender_addon import requests, user_choices
    from blender_addon.core import face_following
    from blender_addon.core.launch import ENV_LANDMARKER
    from blender_addon.operators.install import PORTRAIT_RELIEF_OT_install_backend as Install
    from blender_addon.panels.install_section import draw_section
    from tests.blender_addon.drawn import Drawn, context_in_preferences

    model = tmp_path / "served.task"
    model.write_bytes(b"a model of faces")
    monkeypatch.setenv(face_following.ENV_MODEL_URL, model.as_uri())
    monkeypatch.setattr(face_following, "MODEL_SHA256", hashlib.sha256(model.read_bytes()).hexdigest())
    monkeypatch.delenv(ENV_LANDMARKER, raising=False)
    monkeypatch.setattr(
        requests, "__file__", str(bundle.PACKAGE_FOLDER / "requests.py")
    )  # not in the checkout
    monkeypatch.delenv("PORTRAIT_RELIEF_BACKEND_SOURCE", raising=False)
    chosen, context = user_choices.get(), context_in_preferences()
    assert bpy.ops.portrait_relief.install_backend(timeout=400) == {"FINISHED"}
    drawn: Any = Drawn()
    draw_section(drawn, context, chosen)
    assert "face_following" in drawn.settings and "MediaPipe and its model, 3.8 MB" in drawn.labels
    assert drawn.buttons["portrait_relief.install_backend"] == "Reinstall"
    assert backend_variables().get(ENV_LANDMARKER) is None

    monkeypatch.setattr(chosen, "face_following", True)
    drawn = Drawn()
    draw_section(drawn, context, chosen)
    assert "Install Face Following" in drawn.pressed and bundle.only_faces()
    dialog: Any = SimpleNamespace(layout=Drawn(), fresh=False)
    dialog.draw_lines = lambda *lines: Install.draw_lines(dialog, *lines)
    Install.draw(dialog, context)
    assert "Only face following is installed now, 3.8 MB." in dialog.layout.labels
    assert bpy.ops.portrait_relief.install_backend(timeout=400) == {"FINISHED"}
    assert bundle.follows_faces() and not bundle.only_faces()
    drawn = Drawn()
    draw_section(drawn, context, chosen)
    assert "MediaPipe and its model: installed" in drawn.labels
    installed = backend_variables()[ENV_LANDMARKER]
    assert Path(installed).read_bytes() == model.read_bytes()

    monkeypatch.setattr(chosen, "landmarker", str(model))  # one's own goes before it
    assert backend_variables()[ENV_LANDMARKER] == str(model)
    monkeypatch.setattr(chosen, "landmarker", "")
    monkeypatch.setenv(ENV_LANDMARKER, str(model))  # the backend inherits it
    assert ENV_LANDMARKER not in backend_variables()
    assert bpy.ops.portrait_relief.remove_backend(timeout=60) == {"FINISHED"}
    assert not Path(installed).exists()


def test_the_panel_does_not_look_at_the_disk_at_every_redraw(bundle, monkeypatch):
    from blender_addon.core.environment import EnvironmentState

    looks, answers = [], [EnvironmentState.OUTDATED, EnvironmentState.INSTALLED]
    monkeypatch.setattr(bundle, "state", lambda: looks.append(1) or answers[len(looks) - 1])
    monkeypatch.delenv("PORTRAIT_RELIEF_PYTHON", raising=False)
    bundle.show()
    assert all(bundle.needs_update() for _ in range(50)) and len(looks) == 1
    bundle.show()  # as after an installation
    assert not any(bundle.needs_update() for _ in range(50)) and len(looks) == 2


def test_without_online_access_it_refuses_and_says_where_to_switch_it_on(bundle):
    bpy.context.preferences.system.use_online_access = False
    with pytest.raises(RuntimeError, match="Allow Online Access"):
        bpy.ops.portrait_relief.install_backend()
    shown = bpy.context.window_manager.portrait_relief.install
    assert "not allowed to download" in shown.message and shown.remedy == "OPEN_PREFERENCES"
    assert not bundle.environment_folder().exists()
    bpy.ops.portrait_relief.dismiss()
    assert shown.message == ""


def test_a_checkout_carries_no_backend_to_install(addon):
    bpy.context.preferences.system.use_online_access = True
    with pytest.raises(RuntimeError, match="carries no backend"):
        bpy.ops.portrait_relief.install_backend()


def test_a_job_without_any_backend_offers_to_install_it(addon, photo, tmp_path, monkeypatch):
    from blender_addon import requests
    from blender_addon.core import errors
    from blender_addon.core.errors import AddonError

    def nothing_found(**_pieces):
        raise AddonError(errors.local("backend_not_found"))

    monkeypatch.setattr(requests.launch, "make_launch", nothing_found)  # a checkout always finds one
    with pytest.raises(RuntimeError, match="not installed yet"):
        bpy.ops.portrait_relief.generate(timeout=5)
    assert bpy.context.window_manager.portrait_relief.remedy == "INSTALL_BACKEND"


def test_a_running_installation_keeps_jobs_away_and_ends_with_the_add_on(bundle, photo):
    import blender_addon
    from blender_addon import runtime

    runtime.start_installation()
    assert bundle.is_busy()
    with pytest.raises(RuntimeError, match="being installed"):
        bpy.ops.portrait_relief.generate(timeout=5)
    assert bpy.ops.portrait_relief.cancel_install() == {"FINISHED"}
    assert not bundle.is_busy()
    runtime.start_installation()
    blender_addon.unregister()
    try:
        assert not bundle.is_busy()
    finally:
        blender_addon.register()
