# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions that follow a photo or a movie, against the fake backend."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from tests.blender_addon.core.test_addon_driving import _csv
from tests.blender_addon.inside_blender.test_jobs_in_blender import tick


@pytest.fixture
def driver(tmp_path):
    """A file to send; the fake backend does not look into it."""
    path = tmp_path / "driver.mp4"
    path.write_bytes(b"a movie")
    return str(path)


def sent() -> str:
    """The last request that the backend got, and the fields of its form."""
    from blender_addon import runtime

    lines = runtime.session().backend.log_path.read_text(encoding="utf-8").splitlines()
    return next(line for line in reversed(lines) if line.startswith("request"))


def test_a_movie_becomes_keyframes_with_its_own_times(fake, photo, driver):
    fake("ok")
    scene = bpy.context.scene
    scene.render.fps = 24
    settings = scene.portrait_relief
    settings.browInnerUp = 0.7
    assert bpy.ops.portrait_relief.drive_from_footage(filepath=driver, start_frame=5, timeout=20) == {
        "FINISHED"
    }
    for frame, jaw, yaw in ((5, 0.0, 0.0), (17, 0.4, 10.0), (29, 0.8, 45.0)):
        scene.frame_set(frame)
        assert settings.jawOpen == pytest.approx(jaw, abs=2e-4) and settings.yaw == pytest.approx(yaw)
    assert settings.browInnerUp == pytest.approx(0.7) and settings.use_pose
    assert not settings.results, "no relief is made of it"


def test_a_driven_slider_is_never_left_to_the_photo(fake, photo, driver):
    from blender_addon import requests

    fake("ok")
    bpy.ops.portrait_relief.drive_from_footage(filepath=driver, start_frame=1, timeout=20)
    bpy.context.scene.frame_set(1)
    assert "jawOpen" in requests.expression(bpy.context.scene.portrait_relief)


def test_the_file_browser_begins_in_the_files_folder_without_its_name(addon, tmp_path):
    from blender_addon.operators.drive import PORTRAIT_RELIEF_OT_expression_from_photo as operator

    asked = []
    context: Any = SimpleNamespace(window_manager=SimpleNamespace(fileselect_add=asked.append))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    for given, path in (("", f"{tmp_path}{os.sep}"), ("/a/photo.jpg", "/a/photo.jpg")):
        self: Any = SimpleNamespace(filepath=given)
        assert operator.invoke(self, context, None) == {"RUNNING_MODAL"}
        assert asked.pop() is self and self.filepath == path


def test_regions_strength_and_the_rest_are_sent(fake, photo, driver):
    fake("ok")
    settings = bpy.context.scene.portrait_relief
    settings.mouthPucker = 0.25
    assert bpy.ops.portrait_relief.drive_from_footage(
        filepath=driver,
        regions={"jaw"},
        strength=0.5,
        own="given",
        neutral_frame=3,
        smoothing=0.1,
        timeout=20,
    ) == {"FINISHED"}
    bpy.context.scene.frame_set(25)
    assert settings.jawOpen == pytest.approx(0.4) and not settings.use_pose
    log = sent()
    assert '"jaw": 0.5' in log and '"head": 0.0' in log and '"neutral_frame": 2' in log
    assert '"mouthPucker": 0.25' in log and "['driver', 'request']" in log


def test_relative_motion_sends_the_portrait_and_needs_one(fake, photo, driver):
    fake("ok")
    assert bpy.ops.portrait_relief.drive_from_footage(filepath=driver, timeout=20) == {"FINISHED"}
    assert "['driver', 'portrait', 'request']" in sent()
    bpy.context.scene.portrait_relief.image = None
    with pytest.raises(RuntimeError, match="No picture is chosen"):
        bpy.ops.portrait_relief.drive_from_footage(filepath=driver, timeout=20)
    assert bpy.ops.portrait_relief.drive_from_footage(filepath=driver, motion="absolute", timeout=20) == {
        "FINISHED"
    }


def test_a_photo_sets_the_sliders(fake, addon, tmp_path):
    fake("ok")
    path = tmp_path / "friend.jpg"
    path.write_bytes(b"a photo")
    settings = bpy.context.scene.portrait_relief
    settings.jawOpen, settings.noseSneerLeft = 0.9, 0.3
    assert bpy.ops.portrait_relief.expression_from_photo(filepath=str(path), timeout=20) == {"FINISHED"}
    assert settings.jawOpen == pytest.approx(1e-4) and settings.noseSneerLeft == pytest.approx(0.3)
    assert bpy.context.scene.animation_data is None


def test_pictures_go_as_one_zip_at_the_scenes_rate(fake, photo, tmp_path):
    fake("ok")
    bpy.context.scene.render.fps = 30
    for number in (1, 2):
        (tmp_path / f"shot{number}.jpg").write_bytes(b"a picture")
    assert bpy.ops.portrait_relief.drive_from_footage(filepath=str(tmp_path / "shot1.jpg"), timeout=20) == {
        "FINISHED"
    }
    assert '"frames_per_s": 30.0' in sent()
    assert bpy.ops.portrait_relief.drive_from_footage(
        directory=str(tmp_path),
        filepath=str(tmp_path / "shot2.jpg"),
        files=[{"name": "shot2.jpg"}, {"name": "shot1.jpg"}],
        timeout=20,
    ) == {"FINISHED"}


def test_with_a_window_the_operator_returns_at_once_and_the_timer_goes_on(fake, photo, driver):
    from pathlib import Path

    from blender_addon import runtime
    from blender_addon.core.drive_job import DriveInput, read_driver, strengths

    fake("slow")
    name, content = read_driver([Path(driver)])
    given = DriveInput(
        "drive", b"", "", driver=content, driver_name=name, drive={"strength": strengths({"jaw"}, 1.0)},
        start_frame=1,
    )  # fmt: skip
    job = runtime.submit(bpy.context.scene, given)
    shown = bpy.context.window_manager.portrait_relief
    tick(lambda: job.state.value == "RUNNING")
    assert shown.mode == "drive"
    assert bpy.ops.portrait_relief.cancel() == {"FINISHED"}
    tick(lambda: job.state.ended)
    assert job.state.value == "CANCELLED" and bpy.context.scene.animation_data is None
    job = runtime.submit(bpy.context.scene, given)
    tick(lambda: bpy.context.scene.animation_data is not None)
    assert job.state.value == "DONE"


def test_failures_are_one_readable_sentence_and_change_nothing(fake, photo, driver, tmp_path):
    fake("damaged")
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.portrait_relief.drive_from_footage(filepath=driver, timeout=20)
    assert bpy.context.scene.animation_data is None
    with pytest.raises(RuntimeError, match=r"cannot be read.*gone\.mp4"):
        bpy.ops.portrait_relief.drive_from_footage(filepath=str(tmp_path / "gone.mp4"), timeout=20)
    assert bpy.context.window_manager.portrait_relief.error_code == "driver_unreadable"


def test_nothing_of_mediapipe_or_opencv_is_imported_into_blender(fake, photo, driver):
    import sys

    fake("ok")
    bpy.ops.portrait_relief.drive_from_footage(filepath=driver, timeout=20)
    assert not {"mediapipe", "cv2", "torch"} & set(sys.modules)


@pytest.fixture
def smiling(monkeypatch):
    """The fake backend measures a smile of 0.6 and eyes that look a little to one side in every driver."""
    measured = {"mouthSmileLeft": 0.6, "jawOpen": 0.0, "eyeLookOutLeft": 0.3, "eyeLookInLeft": 0.0}
    monkeypatch.setenv("FAKE_BACKEND_MEASURED", json.dumps(measured))
    return measured


def test_a_recording_moves_the_portraits_own_face(fake, photo, smiling, tmp_path):
    fake("ok")
    path = tmp_path / "take.csv"
    path.write_text(
        _csv([{"jawOpen": 0.2, "mouthSmileLeft": 0.1}, {"jawOpen": 0.6, "mouthSmileLeft": 0.2}] * 2)
    )
    scene = bpy.context.scene
    scene.render.fps = 60
    settings = scene.portrait_relief
    assert bpy.ops.portrait_relief.import_live_link(filepath=str(path), start_frame=1, timeout=20) == {
        "FINISHED"
    }
    for frame, jaw, smile in ((1, 0.0, 0.6), (2, 0.4, 0.7), (3, 0.0, 0.6)):
        scene.frame_set(frame)
        assert settings.jawOpen == pytest.approx(jaw, abs=2e-4)
        assert settings.mouthSmileLeft == pytest.approx(smile, abs=2e-4)
    assert "['driver', 'request']" in sent() and not settings.use_pose
    # Known once, it is not measured again; another portrait is.
    bpy.ops.portrait_relief.stop_backend()
    assert bpy.ops.portrait_relief.import_live_link(filepath=str(path), start_frame=11, strength=0.5) == {
        "FINISHED"
    }
    scene.frame_set(12)
    assert settings.mouthSmileLeft == pytest.approx(0.65) and settings.jawOpen == pytest.approx(0.2)
    assert bpy.context.window_manager.portrait_relief.backend_state == "STOPPED"
    settings.image = None
    with pytest.raises(RuntimeError, match="No picture is chosen"):
        bpy.ops.portrait_relief.import_live_link(filepath=str(path))
    settings.mouthSmileLeft = 0.3
    assert bpy.ops.portrait_relief.import_live_link(filepath=str(path), own="given", start_frame=21) == {
        "FINISHED"
    }
    scene.frame_set(22)
    assert settings.mouthSmileLeft == pytest.approx(0.4)


def test_what_is_refused_beside_a_job_is_not_shown_at_its_end(fake, photo, tmp_path):
    from blender_addon import requests, runtime

    fake("slow")
    path = tmp_path / "take.csv"
    path.write_text(_csv([{"jawOpen": 0.2}, {"jawOpen": 0.5}]))
    scene = bpy.context.scene
    runtime.submit(scene, requests.job_input(scene.portrait_relief, "generate"))
    with pytest.raises(RuntimeError, match="at work"):
        bpy.ops.portrait_relief.import_live_link(filepath=str(path))
    assert runtime.run_job_blocking(30) is None
    shown = bpy.context.window_manager.portrait_relief
    assert shown.state == "DONE" and not shown.message and not shown.error_code


def test_a_mesh_moves_the_portraits_own_face(fake, photo, smiling):
    from blender_addon import requests

    fake("ok")
    mesh = bpy.data.meshes.new("rig")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    rig = bpy.data.objects.new("rig", mesh)
    bpy.context.scene.collection.objects.link(rig)
    for name in ("Basis", "jawOpen", "mouthSmileLeft", "eyeLookInLeft", "eyeLookOutLeft"):
        rig.shape_key_add(name=name).value = 0.0  # Blender 5.0 makes them with 1
    keys = mesh.shape_keys.key_blocks
    for frame, value in ((1, 0.0), (11, 0.5)):
        for name in ("mouthSmileLeft", "eyeLookInLeft"):
            keys[name].value = value
            keys[name].keyframe_insert("value", frame=frame)
    scene = bpy.context.scene
    settings = scene.portrait_relief
    settings.driving_object, settings.driving_motion = rig, "relative"
    with pytest.raises(RuntimeError, match="has not been measured"):
        bpy.ops.portrait_relief.generate(timeout=20)
    assert bpy.ops.portrait_relief.measure_portrait(timeout=20) == {"FINISHED"}
    assert settings.mouthSmileLeft == 0.0, "the sliders stay"
    _given, frames = requests.sequence_input(scene, (1, 11))
    first, last = frames[1].expression, frames[11].expression
    assert first["mouthSmileLeft"] == pytest.approx(0.6) and last["mouthSmileLeft"] == 1.0
    assert first["eyeLookOutLeft"] == pytest.approx(0.3) and last["eyeLookInLeft"] == pytest.approx(0.2)
    assert first.keys() == last.keys() == {"mouthSmileLeft", "eyeLookInLeft", "eyeLookOutLeft"}
    settings.driving_motion = "absolute"
    scene.frame_set(11)
    assert requests.expression(settings)["mouthSmileLeft"] == pytest.approx(0.5)
    settings.driving_motion = "relative"
    photo.pixels[0] = 0.5  # another photo
    photo.update()
    with pytest.raises(RuntimeError, match="has not been measured"):
        bpy.ops.portrait_relief.generate(timeout=20)
