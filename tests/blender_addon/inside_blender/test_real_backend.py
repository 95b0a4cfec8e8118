# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole jobs from the add-on through the real backend with a tiny, untrained checkpoint."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.processes import tree, wait_gone

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [
    pytest.mark.timeout(500),
    pytest.mark.skipif("PORTRAIT_RELIEF_CHECKPOINT" not in os.environ, reason="no tiny checkpoint is named"),
]


@pytest.fixture
def astronaut(addon, tmp_path: Path) -> None:
    """A photograph with one face as source, from a file."""
    import skimage.data

    from blender_addon.core import arrays

    path = tmp_path / "astronaut.png"
    path.write_bytes(arrays.write_png(skimage.data.astronaut()))
    settings = bpy.context.scene.portrait_relief
    settings.source, settings.filepath, settings.jawOpen = "FILE", str(path), 0.7


def test_depth_generate_and_repaint_and_then_nothing_is_left(astronaut):
    import blender_addon
    from blender_addon import runtime

    assert bpy.ops.portrait_relief.estimate_depth(timeout=240) == {"FINISHED"}
    assert bpy.ops.portrait_relief.generate(timeout=120) == {"FINISHED"}
    assert bpy.ops.portrait_relief.repaint(timeout=120) == {"FINISHED"}
    results = bpy.context.scene.portrait_relief.results
    assert [result.mode for result in results] == ["depth", "generate", "appearance"]
    for image in (image for image in bpy.data.images if image.name.startswith("astronaut Relief")):
        assert tuple(image.size) == (512, 512) and image.packed_file
    mesh = bpy.context.view_layer.objects.active.data
    values = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes["depth_mm"].data.foreach_get("value", values)
    assert len(values) > 500 and np.isfinite(values).all()

    pid = runtime.session().backend.pid
    assert pid is not None
    processes = tree(pid)
    assert len(processes) >= 2
    blender_addon.unregister()
    try:
        assert wait_gone(processes, 10.0)
    finally:
        blender_addon.register()


def test_one_of_two_faces_is_chosen_by_its_number(astronaut, tmp_path):
    import skimage.data

    from blender_addon import crop_overlay
    from blender_addon.core import arrays, found_faces

    both = np.concatenate([skimage.data.astronaut(), skimage.data.astronaut()[:, ::-1]], 1)
    path = tmp_path / "both.png"
    path.write_bytes(arrays.write_png(np.ascontiguousarray(both)))
    settings = bpy.context.scene.portrait_relief
    settings.source, settings.image = "IMAGE", bpy.data.images.load(str(path))
    assert bpy.ops.portrait_relief.estimate_depth(timeout=240) == {"FINISHED"}
    left, right = found_faces.from_text(settings.faces)
    assert left.left + left.side < 512 < right.left  # as the list of results counts them
    assert [number for number, _face, _colour in crop_overlay.shown_faces(settings, settings.image)] == [
        "1",
        "2",
    ]
    for number, side in ((1, "left"), (2, "right")):
        assert bpy.ops.portrait_relief.choose_face(number=number) == {"FINISHED"}
        assert bpy.ops.portrait_relief.estimate_depth(timeout=120) == {"FINISHED"}
        assert settings.results[-1].details.startswith(f"face {number} of 2")
        crop_left, _top, crop_side = bpy.context.view_layer.objects.active.data.portrait_relief.crop_px
        assert (crop_left + crop_side / 2 < 512) == (side == "left")
    settings.image = settings.image  # as drawing a crop does
    assert settings.faces and settings.face == 2
    assert bpy.ops.portrait_relief.choose_face(number=2) == {"FINISHED"} and settings.face == 0
    assert bpy.ops.portrait_relief.choose_face(number=1) == {"FINISHED"}
    settings.image = bpy.data.images.new("another", 64, 64)
    assert (
        not settings.faces and settings.face == 0 and not crop_overlay.shown_faces(settings, settings.image)
    )


def test_a_picture_saved_from_the_list_tells_how_it_was_made_when_it_is_dropped(astronaut, tmp_path):
    settings = bpy.context.scene.portrait_relief
    settings.browInnerUp, settings.seed = 0.6, 21
    assert not settings.tells_settings
    assert bpy.ops.portrait_relief.generate(timeout=240) == {"FINISHED"}
    assert bpy.ops.portrait_relief.save_picture(filepath=str(tmp_path / "saved")) == {"FINISHED"}
    saved = tmp_path / "saved.png"
    settings.browInnerUp, settings.jawOpen, settings.seed = 0.0, 0.1, 0
    assert bpy.ops.portrait_relief.choose_picture(filepath=str(saved)) == {"FINISHED"}
    assert settings.tells_settings  # the panel shows the button
    assert bpy.ops.portrait_relief.restore_settings() == {"FINISHED"}
    asked = (settings.browInnerUp, settings.jawOpen, settings.seed)
    assert asked == (pytest.approx(0.6), pytest.approx(0.7), 21)
    settings.source, settings.filepath = "FILE", str(tmp_path / "astronaut.png")
    assert not settings.tells_settings
    settings.filepath = str(saved)
    assert settings.tells_settings


def test_the_script_of_the_documentation_does_what_it_says(addon, tmp_path, monkeypatch):
    import skimage.data
    from PIL import Image

    photo, folder = tmp_path / "photo.jpg", tmp_path / "results"
    Image.fromarray(skimage.data.astronaut()).save(photo)
    text = (ROOT / "docs" / "scripting.md").read_text(encoding="utf-8")
    script = text.split("```python\n")[1].split("```")[0]
    monkeypatch.setattr("sys.argv", ["blender", "--background", "--", str(photo), str(folder)])
    exec(compile(script, "relief.py", "exec"), {"__name__": "__main__"})
    assert {path.name for path in folder.iterdir()} == {
        "portrait.png", "medallion.stl", "depth.png", "portrait.blend",
    }  # fmt: skip
    settings = bpy.context.scene.portrait_relief
    assert settings.mouthSmileLeft > 0.5 and bpy.context.scene.portrait_relief_export.report
    settings.filepath = str(folder / "portrait.png")
    assert settings.tells_settings


def test_a_wrong_checkpoint_opens_the_preferences(astronaut, monkeypatch):
    monkeypatch.setenv("PORTRAIT_RELIEF_CHECKPOINT", "/nowhere")
    with pytest.raises(RuntimeError, match="nowhere"):
        bpy.ops.portrait_relief.generate(timeout=240)
    assert bpy.context.window_manager.portrait_relief.remedy == "OPEN_PREFERENCES"


def test_killing_the_front_process_fails_the_job_readably(astronaut):
    from blender_addon import requests, runtime

    settings = bpy.context.scene.portrait_relief
    job = runtime.submit(bpy.context.scene, requests.job_input(settings, "generate"))
    current = runtime.session()
    end_s = time.monotonic() + 120
    while job.state.value not in ("QUEUED", "RUNNING") and not job.state.ended and time.monotonic() < end_s:
        current.tick()
        time.sleep(0.01)
    pid = current.backend.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    current.run_job(20)
    runtime.sync()
    shown = bpy.context.window_manager.portrait_relief
    assert (shown.state, shown.error_code, shown.remedy) == ("FAILED", "backend_stopped", "RESTART_BACKEND")


@pytest.mark.parametrize("reached", ["WAITING", "RUNNING"])
@pytest.mark.parametrize("ending", ["cancel", "crash", "stop", "close"])
def test_however_a_job_ends_nothing_of_the_real_backend_is_left(
    astronaut, tmp_path, monkeypatch, ending, reached
):
    """As the hundred cycles with the fake, with what takes memory: a worker that loads torch or is at work."""
    from blender_addon import requests, runtime, storage

    runtime.close()
    monkeypatch.setattr(storage, "folder", lambda: tmp_path / "storage")
    settings = bpy.context.scene.portrait_relief
    job = runtime.submit(bpy.context.scene, requests.job_input(settings, "generate"))
    current, end_s = runtime.session(), time.monotonic() + 120
    while job.state.value != reached and not job.state.ended and time.monotonic() < end_s:
        current.tick()
        time.sleep(0.01)
    assert job.state.value == reached
    pid = current.backend.pid
    assert pid is not None
    processes = tree(pid)
    assert len(processes) >= (2 if reached == "RUNNING" else 1)
    if ending == "cancel":
        assert runtime.cancel()
        while not job.state.ended and time.monotonic() < end_s:
            current.tick()
            time.sleep(0.01)
        assert job.state.value == "CANCELLED"
    elif ending == "crash":
        os.kill(pid, signal.SIGKILL)
    elif ending == "stop":
        runtime.stop_backend()
    processes = list({*processes, *tree(pid)})
    runtime.close()
    assert wait_gone(processes, 15.0)
    temporary = tmp_path / "storage" / "temporary"
    assert not temporary.exists() or not list(temporary.iterdir())


def test_a_photo_and_a_movie_drive_the_sliders_through_the_real_landmarker(astronaut, monkeypatch, tmp_path):
    """The driver is the portrait itself: absolute gives its smile, relative motion leaves it where it is."""
    from tests.backend.driving.footage_of_astronaut import landmarker_model, rolls_deg, swinging, write_movie

    monkeypatch.setenv("PORTRAIT_RELIEF_LANDMARKER", str(landmarker_model()))
    scene = bpy.context.scene
    settings = scene.portrait_relief
    assert bpy.ops.portrait_relief.expression_from_photo(filepath=settings.filepath, timeout=240) == {
        "FINISHED"
    }
    assert settings.mouthSmileLeft > 0.7 and settings.jawOpen < 0.2 and settings.use_pose
    movie = write_movie(tmp_path / "swing.mp4", swinging(25))
    scene.render.fps = 25
    assert bpy.ops.portrait_relief.drive_from_footage(
        filepath=str(movie), smoothing=0.0, start_frame=1, timeout=120
    ) == {"FINISHED"}
    rolls, smiles = [], []
    for frame in range(1, 26):
        scene.frame_set(frame)
        rolls.append(settings.roll)
        smiles.append(settings.mouthSmileLeft)
    assert np.abs(np.array(rolls) - rolls[0] - rolls_deg(25)).max() < 3
    assert min(smiles) > 0.6
    # A photo with nobody in it: one sentence that names it, and nothing changes.
    from blender_addon.core import arrays

    (tmp_path / "wall.png").write_bytes(arrays.write_png(np.full((256, 256, 3), 90, np.uint8)))
    with pytest.raises(RuntimeError, match=r"No face was found in wall\.png"):
        bpy.ops.portrait_relief.expression_from_photo(filepath=str(tmp_path / "wall.png"), timeout=60)
    assert settings.mouthSmileLeft == pytest.approx(smiles[-1])


def test_without_the_landmarkers_model_its_address_and_the_preferences_are_offered(astronaut, monkeypatch):
    monkeypatch.setenv("PORTRAIT_RELIEF_LANDMARKER", "/nowhere/face.task")
    from blender_addon import runtime

    with pytest.raises(RuntimeError, match=r"(mediapipe|face\.task)"):
        bpy.ops.portrait_relief.expression_from_photo(
            filepath=bpy.context.scene.portrait_relief.filepath, timeout=240
        )
    shown = bpy.context.window_manager.portrait_relief
    assert (shown.error_code, shown.remedy) == ("no_landmarker", "OPEN_PREFERENCES")
    assert "tick Face Following" in shown.hint
    end_s = time.monotonic() + 20
    while not runtime.why_no_driving() and time.monotonic() < end_s:
        runtime.session().tick()
        time.sleep(0.02)
    assert "face.task" in runtime.why_no_driving() or "mediapipe" in runtime.why_no_driving()
