# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs while the artist goes on: other files, deleted things, renders, strokes, failures one after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import bpy
import pytest

from tests.blender_addon.inside_blender.contents import relief


def start(mode: str = "generate") -> Any:
    """A job as the operators start it with a window: they return at once."""
    from blender_addon import requests, runtime

    return runtime.submit(bpy.context.scene, requests.job_input(bpy.context.scene.portrait_relief, mode))


def tick(until: Callable[[], bool], seconds: float = 15.0) -> float | None:
    """Calls the timer as a Blender with a window does; when it wants to be called again, None for never."""
    from blender_addon import runtime

    again: float | None = 0.0
    end_s = time.monotonic() + seconds
    while again is not None and not until():
        assert time.monotonic() < end_s, "the timer goes on and on"
        time.sleep(0.005)
        again = runtime._on_timer()
    return again


@pytest.fixture
def shown(addon):
    """What the panels show, as long as no other file is opened."""
    return bpy.context.window_manager.portrait_relief


def test_another_file_opens_with_a_clean_panel(fake, photo):
    fake("no_start")
    with pytest.raises(RuntimeError):
        bpy.ops.portrait_relief.generate(timeout=20)
    bpy.ops.wm.read_homefile(use_empty=True)
    shown = bpy.context.window_manager.portrait_relief
    assert (shown.state, shown.message) == ("IDLE", "")


def test_a_job_that_ended_is_not_shown_in_the_next_file(fake, photo):
    fake("oom")
    with pytest.raises(RuntimeError):
        bpy.ops.portrait_relief.generate(timeout=20)
    bpy.ops.wm.read_homefile(use_empty=True)
    from blender_addon import runtime

    runtime._on_timer()
    shown = bpy.context.window_manager.portrait_relief
    assert (shown.state, shown.message, shown.backend_state) == ("IDLE", "", "READY")


def test_a_painted_picture_s_file_is_made_after_the_click(fake, photo, shown):
    from blender_addon import requests, runtime
    from blender_addon.scene import images

    fake("ok")
    photo.pixels[0] = 0.0
    wanted = images.png_of_image(photo)
    given, rest = requests.begun_input(bpy.context.scene.portrait_relief, "depth")
    assert rest is not None and not given.portrait
    job = runtime.submit(bpy.context.scene, given, rest)
    assert (job.state.value, shown.status) == ("PREPARING", "Preparing what is sent")
    bpy.data.images.remove(photo)  # nothing of Blender's is held
    tick(lambda: not runtime.is_busy())
    assert shown.state == "DONE" and job.input.portrait == wanted


def test_a_backend_that_runs_already_does_the_work_and_goes_on(fake, photo, shown, tmp_path, monkeypatch):
    from blender_addon import requests, runtime, user_choices
    from blender_addon.core.backend_process import BackendProcess, BackendState

    fake("ok")
    launch = requests.backend_choice().launch
    assert launch is not None
    owner = BackendProcess(tmp_path / "other")
    owner.start(launch, by_hand=True)
    end_s = time.monotonic() + 30
    while owner.state is not BackendState.READY and time.monotonic() < end_s:
        owner.poll()
        time.sleep(0.01)
    try:
        assert owner.address is not None
        there = user_choices.DefaultPreferences(
            connection="ATTACH", address=f"127.0.0.1:{owner.address.port}", token=owner.address.token
        )
        monkeypatch.setattr(user_choices, "get", lambda: there)
        assert bpy.ops.portrait_relief.estimate_depth(timeout=20) == {"FINISHED"}
        assert relief() and shown.backend_state == "READY"
        runtime.close()
        owner.poll()
        assert owner.state is BackendState.READY and owner.pid is not None
        there.token = "another"
        with pytest.raises(RuntimeError, match="token"):
            bpy.ops.portrait_relief.estimate_depth(timeout=20)
        assert shown.remedy == "OPEN_PREFERENCES"
    finally:
        owner.end_now()


def test_opening_another_file_cancels_the_job_and_imports_nothing(fake, photo):
    fake("slow")
    job = start()
    tick(lambda: job.state.value == "RUNNING")
    bpy.ops.wm.read_homefile(use_empty=True)
    tick(lambda: job.state.ended)
    assert job.state.value == "CANCELLED" and not bpy.data.objects


def test_a_scene_that_is_renamed_keeps_its_job_and_one_that_is_deleted_is_named(fake, photo, shown):
    fake("slow")
    scene = bpy.data.scenes.new("mine")
    scene.portrait_relief.image = photo
    from blender_addon import requests, runtime

    job = runtime.submit(scene, requests.job_input(scene.portrait_relief, "generate"))
    scene.name = "renamed"
    tick(lambda: shown.state == "DONE")
    assert len(scene.portrait_relief.results) == 1 and len(scene.objects) == 1
    assert not bpy.context.scene.objects

    job = runtime.submit(scene, requests.job_input(scene.portrait_relief, "generate"))
    bpy.data.scenes.remove(scene)
    tick(lambda: job.state.ended and not runtime.is_busy())
    assert (shown.state, shown.error_code, shown.remedy) == ("FAILED", "scene_removed", "RETRY")


def test_picture_and_relief_may_be_deleted_while_the_job_runs(fake, photo, shown):
    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    fake("slow")
    bpy.ops.portrait_relief.restart_backend()
    from blender_addon import requests, runtime

    settings = bpy.context.scene.portrait_relief
    runtime.submit(bpy.context.scene, *requests.repaint_input(bpy.context.scene, relief()))
    tick(lambda: shown.state == "RUNNING")
    bpy.data.objects.remove(relief())
    for image in list(bpy.data.images):
        bpy.data.images.remove(image)
    tick(lambda: not runtime.is_busy())
    assert shown.state == "DONE" and len(settings.results) == 2 and len(bpy.data.objects) == 1
    assert bpy.ops.portrait_relief.select_result(index=1) == {"FINISHED"}
    assert bpy.ops.portrait_relief.select_result(index=0) == {"CANCELLED"}


def test_a_second_job_is_refused_while_one_is_at_work(fake, photo, shown):
    fake("slow")
    job = start()
    assert not bpy.ops.portrait_relief.generate.poll()
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.portrait_relief.generate()
    assert bpy.ops.portrait_relief.cancel() == {"FINISHED"}
    tick(lambda: job.state.ended)
    assert shown.state == "CANCELLED" and bpy.ops.portrait_relief.generate.poll()


def test_nothing_is_imported_during_a_render_or_a_stroke(fake, photo, shown, monkeypatch):
    from blender_addon import runtime

    fake("ok")
    monkeypatch.setattr(runtime, "_user_is_in_the_middle", lambda: True)
    job = start()
    tick(lambda: job.state.value == "DONE")
    bpy.ops.portrait_relief.stop_backend()
    assert runtime._on_timer() is not None  # it is called again although the backend has ended
    assert not bpy.data.objects and shown.state == "DOWNLOADING" and not shown.message
    assert not bpy.ops.portrait_relief.generate.poll()
    monkeypatch.setattr(runtime, "_user_is_in_the_middle", lambda: False)
    tick(lambda: False)
    assert shown.state == "DONE" and len(bpy.data.objects) == 1


def test_a_result_that_waits_can_be_cancelled(fake, photo, shown, monkeypatch):
    from blender_addon import runtime

    fake("ok")
    monkeypatch.setattr(runtime, "_user_is_in_the_middle", lambda: True)
    job = start()
    tick(lambda: job.state.value == "DONE")
    assert bpy.ops.portrait_relief.cancel() == {"FINISHED"}
    monkeypatch.undo()
    runtime._on_timer()
    assert shown.state == "CANCELLED" and not bpy.data.objects


def test_an_import_that_breaks_is_shown_and_the_timer_lives_on(fake, photo, shown, monkeypatch):
    from blender_addon.scene import importing

    def broken(*_arguments):
        raise KeyError("Base Color")

    fake("ok")
    monkeypatch.setattr(importing.material, "make", broken)
    job = start()
    assert tick(lambda: job.state.ended and shown.state == "FAILED") is not None
    assert shown.error_code == "import_failed" and "Base Color" in shown.message


def test_an_earlier_failure_does_not_come_back_over_a_newer_one(fake, photo, shown):
    from blender_addon import runtime

    fake("oom")
    with pytest.raises(RuntimeError):
        bpy.ops.portrait_relief.generate(timeout=20)
    bpy.context.scene.portrait_relief.image = None
    with pytest.raises(RuntimeError, match="No picture"):
        bpy.ops.portrait_relief.generate(timeout=20)
    runtime._on_timer()
    assert (shown.state, shown.error_code) == ("FAILED", "no_picture")


def test_a_job_that_the_backend_cancels_is_no_success(fake, photo):
    from blender_addon import runtime
    from blender_addon.core.jobs import JobState

    fake("ok")
    job = start()
    job.state = JobState.CANCELLED
    problem = runtime.run_job_blocking(5.0)
    assert problem is not None and problem.code == "cancelled"


def test_a_folder_that_cannot_be_written_is_named(addon, photo, shown, tmp_path, monkeypatch):
    from blender_addon import runtime, storage

    monkeypatch.setattr(storage, "folder", lambda: tmp_path / "file" / "folder")
    monkeypatch.setattr(runtime, "_session", None)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError, match="cannot write"):
        bpy.ops.portrait_relief.generate(timeout=5)
    assert (shown.state, shown.error_code, shown.remedy) == ("FAILED", "folder_not_writable", "RETRY")
    assert str(tmp_path / "file") in shown.message
    assert bpy.ops.portrait_relief.open_log() == {"CANCELLED"}


def test_results_wait_for_strokes_and_for_macros_that_end_in_a_drag(addon) -> None:
    from blender_addon import runtime

    held = (
        "TRANSFORM_OT_translate",
        "SCULPT_OT_brush_stroke",
        "OBJECT_OT_duplicate_move",
        "MESH_OT_loopcut_slide",
    )
    held += ("MESH_OT_extrude_region_move", "OBJECT_OT_duplicate_move_linked")
    assert all(runtime.holds_data(name) for name in held)
    assert not any(runtime.holds_data(name) for name in ("VIEW3D_OT_rotate", "SCREEN_OT_animation_step"))
