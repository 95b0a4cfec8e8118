# SPDX-License-Identifier: GPL-3.0-or-later
"""A sequence from keyframes to a relief that plays, resumed after a crash and saved with the file."""

from __future__ import annotations

import time
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender_addon.inside_blender.contents import coordinates


@pytest.fixture
def animated(photo, tmp_path) -> bpy.types.Scene:
    """Frames 11 to 16 in which the jaw opens from 0 to 0.5; frames are kept beside the .blend."""
    scene = bpy.context.scene
    settings = scene.portrait_relief
    for frame, value in ((11, 0.0), (16, 0.5)):
        settings.jawOpen = value
        settings.keyframe_insert("jawOpen", frame=frame)
    path = "portrait_relief.jawOpen"
    action = scene.animation_data.action
    curve = (
        action.fcurve_ensure_for_datablock(scene, path)
        if hasattr(action, "fcurve_ensure_for_datablock")
        else action.fcurves.find(path)
    )
    for point in curve.keyframe_points:
        point.interpolation = "LINEAR"
    scene.frame_start, scene.frame_end = 11, 16
    scene.frame_set(3)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    return bpy.context.scene


def _playing() -> bpy.types.Object:
    return next(item for item in bpy.data.objects if item.modifiers)


def _deepest(item: bpy.types.Object, frame: int) -> float:
    bpy.context.scene.frame_set(frame)
    shown = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return -float(coordinates(shown.data)[:, 1].min())


def _listed(image: bpy.types.Image) -> np.ndarray:
    """What the list of results shows of it, top row first."""
    width, height = image.preview.image_size
    return np.reshape(image.preview.image_pixels_float[:], (height, width, 4))[::-1, :, :3] * 255


def _head(folder: Path, number: int) -> np.ndarray:
    from blender_addon.core import thumbnail
    from blender_addon.core.png_reading import rgb_steps
    from blender_addon.core.steps import finish

    rgb = finish(rgb_steps((folder / f"rgb_{number:04d}.png").read_bytes()))
    square = thumbnail.head_square(np.load(folder / f"coverage_{number:04d}.npy") / 255)
    return thumbnail.shrunk(rgb, square, 128).astype(int)


def test_keyframes_become_a_relief_that_plays_and_is_saved(fake, animated, tmp_path):
    fake("ok")
    animated.portrait_relief.seed, animated.portrait_relief.steps = 5, 3
    assert bpy.ops.portrait_relief.generate_sequence(timeout=30) == {"FINISHED"}
    assert bpy.context.scene.frame_current == 3
    item = _playing()
    for frame in (11, 13, 16):
        assert _deepest(item, frame) == pytest.approx(0.1 * (1 - (frame - 11) / 10), rel=0.01)
    # The depth scale of a sequence is its object's scale, so that the cache need not be written anew.
    files = sorted(path.name for path in next((tmp_path / "portrait sequences").iterdir()).glob("rgb_*.png"))
    assert files == [f"rgb_{number:04d}.png" for number in range(11, 17)]
    node = next(
        n
        for n in item.active_material.node_tree.nodes
        if getattr(n, "image", None) and n.image.source == "SEQUENCE"
    )
    assert (
        node.image_user.frame_start,
        node.image_user.frame_duration,
        node.image_user.use_auto_refresh,
    ) == (11, 6, True)
    (entry,) = bpy.context.scene.portrait_relief.results
    assert (entry.mode, entry.summary) == ("sequence", "Frames 11 to 16")
    assert entry.details == "seed 5, 3 steps, 3.0 s"
    folder = next((tmp_path / "portrait sequences").iterdir())
    assert np.abs(_listed(node.image) - _head(folder, 14)).max() <= 1
    settings = bpy.context.scene.portrait_relief
    settings.seed, settings.steps = 0, 0
    assert bpy.ops.portrait_relief.recall_expression() == {"FINISHED"}
    assert (settings.seed, settings.steps) == (5, 3)

    bpy.ops.portrait_relief.stop_backend()
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert _deepest(_playing(), 14) == pytest.approx(0.07, rel=0.01)


def test_after_a_crash_only_the_missing_frames_are_made(fake, animated, tmp_path):
    fake("crash")
    with pytest.raises(RuntimeError):
        bpy.ops.portrait_relief.generate_sequence(timeout=30)
    (folder,) = (tmp_path / "portrait sequences").iterdir()
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("depth_*.npy")}
    assert 1 <= len(finished) < 6
    assert not any(item.modifiers for item in bpy.data.objects)
    fake("ok")
    bpy.ops.portrait_relief.restart_backend(timeout=20)
    assert bpy.ops.portrait_relief.generate_sequence(timeout=30) == {"FINISHED"}
    assert len(list(folder.glob("depth_*.npy"))) == 6
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert _deepest(_playing(), 16) == pytest.approx(0.05, rel=0.01)


def test_what_is_there_is_imported_without_a_backend_and_a_changed_key_is_made_again(
    fake, animated, tmp_path
):
    fake("ok")
    settings = bpy.context.scene.portrait_relief
    settings.keyframe_insert("browInnerUp", frame=15)  # animated, it is the photo's in no frame
    bpy.ops.portrait_relief.generate_sequence(timeout=30)
    bpy.ops.portrait_relief.stop_backend()
    assert bpy.ops.portrait_relief.generate_sequence(timeout=30) == {"FINISHED"}
    assert bpy.context.window_manager.portrait_relief.backend_state == "STOPPED"
    assert len(bpy.context.scene.portrait_relief.results) == 2
    (folder,) = (tmp_path / "portrait sequences").iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("rgb_*.png")}
    settings.browInnerUp = 1.0
    settings.keyframe_insert("browInnerUp", frame=16)
    bpy.ops.portrait_relief.generate_sequence(timeout=30)
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("rgb_*.png")}
    assert [name for name in before if before[name] != after[name]] == ["rgb_0016.png"]


def test_too_long_a_range_or_a_folder_that_is_a_file_is_refused_with_a_sentence(fake, animated, tmp_path):
    fake("ok")
    scene = bpy.context.scene
    scene.frame_end = 11 + 512
    with pytest.raises(RuntimeError, match="up to 512 frames"):
        bpy.ops.portrait_relief.generate_sequence(timeout=30)
    scene.frame_end = 12
    Path(tmp_path / "taken").write_text("")
    scene.portrait_relief.sequence_folder = str(tmp_path / "taken")
    with pytest.raises(RuntimeError, match="cannot write"):
        bpy.ops.portrait_relief.generate_sequence(timeout=30)
    assert np.all([not item.modifiers for item in bpy.data.objects])


def test_the_next_sequence_of_a_photo_leaves_the_first_relief_as_it_is(fake, animated, tmp_path):
    fake("ok")
    bpy.ops.portrait_relief.generate_sequence(timeout=30)
    first = _playing()
    image = next(image for image in bpy.data.images if image.source == "SEQUENCE")
    assert first.modifiers[0].cache_format == "PC2"
    # Below the .blend's folder files are named relative to it, so that both can be moved together.
    paths = first.modifiers[0].filepath, image.filepath
    assert all(path.startswith("//") for path in paths)
    cache, picture = (Path(bpy.path.abspath(path)) for path in paths)
    before = cache.read_bytes(), picture.read_bytes(), _deepest(first, 16)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 11, 13
    settings = scene.portrait_relief
    settings.jawOpen = 1.0
    settings.keyframe_insert("jawOpen", frame=11)
    bpy.ops.portrait_relief.generate_sequence(timeout=30)
    assert len([item for item in bpy.data.objects if item.modifiers]) == 2
    assert (cache.read_bytes(), picture.read_bytes(), _deepest(first, 16)) == before
    shared = cache.parent.parent / picture.name
    assert shared.stat().st_ino != picture.stat().st_ino  # made anew beside the first relief's


def _relief_folders(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "portrait sequences").glob("*/relief *"))


def test_a_deleted_sequences_files_go_with_the_save_and_its_frames_stay(fake, animated, tmp_path):
    fake("ok")
    for _ in range(2):  # the second one is imported from the same frames
        bpy.ops.portrait_relief.generate_sequence(timeout=30)
    first, second = sorted(
        _relief_folders(tmp_path),
        key=lambda path: path.name != f"relief {bpy.context.scene.portrait_relief.results[0].result_id[:8]}",
    )
    bpy.ops.wm.save_mainfile()
    assert bpy.ops.portrait_relief.delete_result(index=0) == {"FINISHED"}
    assert first.is_dir(), "the .blend on disk shows it still"
    (first / "notes.txt").write_text("the artist's")
    bpy.ops.wm.save_mainfile()
    assert [path.name for path in first.iterdir()] == ["notes.txt"]
    assert len(list(second.iterdir())) == 8 and len(list(first.parent.glob("rgb_*.png"))) == 6
    assert _deepest(_playing(), 16) == pytest.approx(0.05, rel=0.01)


def test_files_that_a_copy_or_another_blend_uses_stay(fake, animated, tmp_path):
    fake("ok")
    bpy.ops.portrait_relief.generate_sequence(timeout=30)
    (folder,) = _relief_folders(tmp_path)
    copy = _playing().copy()
    bpy.context.scene.collection.objects.link(copy)
    bpy.ops.portrait_relief.delete_result()
    bpy.ops.wm.save_mainfile()
    assert len(list(folder.iterdir())) == 8 and copy.modifiers
    mesh, material = copy.data, copy.active_material
    for data, kind in ((copy, "objects"), (mesh, "meshes"), (material, "materials")):
        getattr(bpy.data, kind).remove(data)
    for image in [image for image in bpy.data.images if image.source == "SEQUENCE"]:
        bpy.data.images.remove(image)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "next.blend"))
    assert len(list(folder.iterdir())) == 8, "scene.blend shows them"
    (tmp_path / "scene.blend").unlink()
    bpy.ops.wm.save_mainfile()
    assert not folder.exists()


def test_a_moved_project_still_knows_who_uses_a_sequence(tmp_path):
    from blender_addon.core import sequence

    project = tmp_path / "project"
    folder = project / "Anna" / "relief 0123abcd"
    folder.mkdir(parents=True)
    (project / "a.blend").write_bytes(b"")
    sequence.write_users(folder, {str(project / "a.blend")})
    project.rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    assert sequence.users_of(moved / "Anna" / "relief 0123abcd") == {str(moved / "a.blend")}


def test_a_cache_given_up_leaves_nothing(tmp_path):
    from blender_addon.core.animated_relief import point_cache_steps

    steps = point_cache_steps(tmp_path / "relief.pc2", 2, [1, 2], lambda _number: np.zeros((2, 3)), 1)
    next(steps)
    assert [path.name for path in tmp_path.iterdir()] == ["relief.part"]
    steps.close()
    assert not list(tmp_path.iterdir())


def test_an_undone_deletion_keeps_the_files_and_one_that_comes_too_late_says_so(fake, animated, tmp_path):
    from blender_addon import sequence_files

    fake("ok")
    bpy.ops.portrait_relief.generate_sequence(timeout=30)
    bpy.ops.wm.save_mainfile()
    (folder,) = _relief_folders(tmp_path)
    item, result_id = _playing(), bpy.context.scene.portrait_relief.results[0].result_id
    sequence_files.forget(folder)  # deleted, and brought back by undo
    bpy.ops.wm.save_mainfile()
    assert len(list(folder.iterdir())) == 8
    shown = bpy.context.window_manager.portrait_relief
    path = item.modifiers[0].filepath
    bpy.ops.portrait_relief.delete_result()
    bpy.ops.wm.save_mainfile()
    assert not folder.exists() and sequence_files.folder_of(result_id) is None
    sequence_files.after_undo()
    assert shown.message == ""
    back = bpy.data.objects.new("back", bpy.data.meshes.new("back"))  # as undo brings it back
    back.modifiers.new("Sequence", "MESH_CACHE").filepath = path
    sequence_files.after_undo()
    assert "deleted when the .blend was saved" in shown.message


def test_finished_frames_are_imported_while_the_others_are_made_and_after_a_cancel(fake, animated, tmp_path):
    from blender_addon import delivery, requests, runtime, sequences, tasks

    fake("slow")
    with pytest.raises(RuntimeError, match="None of the frames"):
        bpy.ops.portrait_relief.import_finished_frames()
    # As the operator does with a window; in background mode it waits for the end.
    given, frames = requests.sequence_input(animated, sequences.scene_range(animated))
    sequence = sequences.plan(given, frames, animated.portrait_relief.sequence_folder, fresh=False)
    job = runtime.submit_sequence(animated, given, frames, sequence)

    def until_frames(count: int) -> None:
        end_s = time.monotonic() + 20
        while sequence.came < count:
            assert time.monotonic() < end_s and not job.state.ended
            runtime._on_timer()
            time.sleep(0.005)

    # Of six; on a busy machine several may come at once, and one more before a cancel does.
    until_frames(1)
    first = sequence.came
    assert bpy.ops.portrait_relief.import_finished_frames() == {"FINISHED"}
    results = animated.portrait_relief.results
    assert job.state.value == "RUNNING" and results[0].summary == f"Frames 11 to {10 + first}"
    assert _deepest(_playing(), 11) == pytest.approx(0.1, rel=0.01)
    until_frames(first + 1)
    second = sequence.came
    begun = sequences.import_steps(animated, sequences.finished_of(animated, job), "b" * 32)
    while not list(sequence.folder.path.glob("relief bbbbbbbb/rgb_*.png")):
        next(begun)
    begun.close()  # as when another file is opened
    assert not list(sequence.folder.path.glob("relief bbbbbbbb"))
    # With a window it comes in small steps of the timer's, beside the job.
    steps = sequences.import_steps(animated, sequences.finished_of(animated, job), "a" * 32)
    runtime.begin_task(tasks.Task("import", delivery.told_steps(steps), runtime.show_problem))
    assert len(results) == 1 and job.state.value == "RUNNING"
    end_s = time.monotonic() + 10
    while tasks.is_busy("import"):
        assert time.monotonic() < end_s
        runtime._on_timer()
    assert [result.summary for result in results][1:] == [
        f"Frames 11 to {10 + second}"
    ] and not job.state.ended
    assert runtime.cancel()
    while not job.state.ended:
        runtime._on_timer()
    assert bpy.ops.portrait_relief.import_finished_frames() == {"FINISHED"}
    came = sequence.came
    assert results[2].summary == f"Frames 11 to {10 + came}" and second <= came < 6
    assert results[2].details == f"seed 0, 1 step, {0.5 * came:.1f} s"


def test_after_a_crash_the_finished_frames_are_imported_without_a_backend(fake, animated, tmp_path):
    fake("crash")
    with pytest.raises(RuntimeError):
        bpy.ops.portrait_relief.generate_sequence(timeout=30)
    assert bpy.ops.portrait_relief.import_finished_frames() == {"FINISHED"}
    assert bpy.context.scene.portrait_relief.results[0].summary.startswith("Frames 11 to 1")
    settings = bpy.context.scene.portrait_relief
    settings.seed = 9  # what was made with another seed is none of this sequence's
    with pytest.raises(RuntimeError, match="None of the frames"):
        bpy.ops.portrait_relief.import_finished_frames()


@pytest.fixture
def written(addon, tmp_path):
    """A job of three frames, and the sequence that keeps what comes of it."""
    from blender_addon import sequences
    from blender_addon.core.backend_process import Deadlines
    from blender_addon.core.jobs import FrameInput, Job, JobInput

    frame = FrameInput({}, {})
    given = JobInput("generate", b"photo", "photo.png", frames=(frame,) * 3)
    job = Job(given, Deadlines())
    sequence = sequences.plan(given, dict.fromkeys((4, 5, 6), frame), str(tmp_path), fresh=False)
    sequences.begin(job, sequence)
    return job, sequence


def one_frame():
    from blender_addon.core import arrays
    from blender_addon.core.jobs import FrameResult

    png = arrays.write_png(np.zeros((1500, 1500, 3), np.uint8))
    depth = np.random.default_rng(1).random((1500, 1500), np.float32)
    return FrameResult(png, depth, np.ones_like(depth), 0.2, {})


def test_frames_are_written_beside_the_ticks_and_none_is_lost_when_the_job_ends(written):
    from blender_addon import runtime, sequences
    from blender_addon.core.sequence import SequenceFolder

    job, sequence = written
    job.results = [one_frame(), one_frame()]
    started_s = time.thread_time()
    sequences.collect(job)
    assert time.thread_time() - started_s < 0.005 and sequence.came == 2
    runtime.close()  # the extension is switched off
    folder = SequenceFolder(sequence.folder.path)
    assert folder.finished([4, 5, 6]) == [4, 5]
    np.testing.assert_array_equal(folder.depth_mm(5), one_frame().depth_mm)


def test_the_time_left_goes_by_the_frames_and_not_by_the_model_s_loading(written, monkeypatch):
    _job, sequence = written
    told = []
    for now_s in (100.0, 104.0):  # the first comes 100 s after the start
        monkeypatch.setattr(time, "monotonic", lambda now_s=now_s: now_s)
        sequence.take([one_frame()])
        told.append(sequence.text)
    monkeypatch.undo()
    assert told == ["Frame 2 of 3", "Frame 3 of 3, 0:04 left"]


def test_a_scene_that_goes_while_frames_are_written_is_named(written):
    from blender_addon import sequences
    from blender_addon.core.errors import AddonError
    from blender_addon.core.steps import finish

    job, sequence = written
    job.results = [one_frame(), one_frame()]
    sequences.collect(job)
    other = bpy.data.scenes.new("Other")
    steps = sequences.import_steps(other, sequence, "c" * 32)
    next(steps)
    bpy.data.scenes.remove(other)
    with pytest.raises(AddonError, match="scene"):
        finish(steps)
    assert not list(sequence.folder.path.glob("relief *"))


def begun_pictures(sequence, result_id: str):
    """The steps of an import that has both of its pictures and nothing else yet."""
    from blender_addon import sequences
    from blender_addon.scene import images

    steps = sequences.import_steps(bpy.context.scene, sequence, result_id)
    while images.find(result_id, "depth") is None:
        awaited = next(steps)
        if awaited is not None:
            awaited.wait()
    return steps


def test_pictures_come_before_the_relief_and_go_with_an_import_that_is_given_up(written):
    from blender_addon import sequences
    from blender_addon.core.steps import finish
    from blender_addon.scene import images, importing

    job, sequence = written
    job.results = [one_frame(), one_frame()]
    sequences.collect(job, wait=True)
    result_id = "d" * 32
    begun_pictures(sequence, result_id).close()
    assert not any(images.find(result_id, kind) for kind in ("rgb", "depth"))
    assert importing.mesh_of(result_id) is None and not list(sequence.folder.path.glob("relief *"))

    steps = begun_pictures(sequence, result_id)
    for kind in ("rgb", "depth"):  # as an undo does
        bpy.data.images.remove(images.find(result_id, kind))
    item = finish(steps)
    picture, depth = images.find(result_id, "rgb"), images.find(result_id, "depth")
    assert item is not None and picture is not None and depth is not None
    nodes = item.data.materials[0].node_tree.nodes
    assert {node.image for node in nodes if node.bl_idname == "ShaderNodeTexImage"} == {picture, depth}
    assert picture.source == "SEQUENCE" and Path(picture.filepath).name == "rgb_0004.png"


def test_a_frame_that_cannot_be_written_is_told_at_a_later_tick(written):
    from blender_addon import sequences

    job, sequence = written
    sequence.folder.path.rmdir()
    sequence.folder.path.write_text("in the way")
    job.results = [one_frame()]
    with pytest.raises(OSError):
        end_s = time.monotonic() + 10
        while time.monotonic() < end_s:
            sequences.collect(job)
            time.sleep(0.001)
    sequences.collect(job, wait=True)  # once is enough
