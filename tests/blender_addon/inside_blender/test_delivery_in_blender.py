# SPDX-License-Identifier: GPL-3.0-or-later
"""A result is imported in small steps, and whatever happens between two of them."""

from __future__ import annotations

import time

import bpy
import numpy as np
import pytest

from blender_addon.core.jobs import Job, JobState


@pytest.fixture
def finished(fake, photo) -> Job:
    """A job whose result has come and is not imported."""
    from blender_addon import requests, runtime

    fake("ok")
    job = runtime.submit(bpy.context.scene, requests.job_input(bpy.context.scene.portrait_relief, "depth"))
    end_s = time.monotonic() + 20
    while not job.state.ended and time.monotonic() < end_s:
        runtime.session().tick()
        time.sleep(0.005)
    assert job.state is JobState.DONE, job.problem
    return job


@pytest.fixture
def delivery(monkeypatch: pytest.MonkeyPatch, addon):
    """One step a tick, however fast the machine."""
    from blender_addon import delivery

    monkeypatch.setattr(delivery, "TICK_BUDGET_S", 0.0)
    return delivery.Delivery()


def reliefs() -> list[bpy.types.Object]:
    return [item for item in bpy.data.objects if item.type == "MESH"]


def tick_until(delivery, job: Job, until) -> int:
    end_s = time.monotonic() + 20
    count = 0
    while time.monotonic() < end_s:
        count += 1
        delivery.tick(job, bpy.context.scene.session_uid)
        if until():
            return count
        time.sleep(0.001)  # part of the work is done in a thread
    raise AssertionError("it never came to that")


def test_the_lists_thumbnail_shows_the_head(finished, delivery, tmp_path):
    from blender_addon.core import thumbnail
    from blender_addon.core.png_reading import rgb_steps
    from blender_addon.core.steps import finish
    from blender_addon.scene import images

    frame = finished.results[0]
    square = thumbnail.head_square(frame.coverage)
    assert 0 < square[2] < min(frame.coverage.shape)
    delivery.finish(finished, bpy.context.scene.session_uid)
    result_id = bpy.context.scene.portrait_relief.results[0].result_id
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    image = images.find(result_id, "rgb")
    assert image is not None and image.preview is not None
    width, height = image.preview.image_size
    shown = np.reshape(image.preview.image_pixels_float[:], (height, width, 4))[::-1, :, :3] * 255
    wanted = thumbnail.shrunk(finish(rgb_steps(bytes(frame.rgb_png))), square, images.PREVIEW_PX)
    assert shown.shape == wanted.shape and np.abs(shown - wanted).max() <= 1
    assert 0 < image.preview.icon_size[0] <= images.ICON_PX
    # An own expression's picture in the library is that, too.
    kept = finish(rgb_steps(images.thumbnail_png(image, images.PREVIEW_PX)))
    assert np.abs(kept.astype(int) - wanted).max() <= 1


def positions() -> np.ndarray:
    mesh = reliefs()[-1].data
    values = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.attributes["position"].data.foreach_get("vector", values)
    return values


def test_many_ticks_make_what_one_call_makes(delivery, finished):
    assert tick_until(delivery, finished, lambda: not delivery.awaits(finished)) > 8
    assert len(reliefs()) == 1 and finished.state is JobState.DONE
    in_steps = positions()
    delivery.drop()
    delivery._delivered_id = ""
    delivery.finish(finished, bpy.context.scene.session_uid)
    assert len(reliefs()) == 2
    np.testing.assert_array_equal(positions(), in_steps)


def test_pictures_that_an_undo_took_away_are_made_again(delivery, finished):
    tick_until(delivery, finished, lambda: len(bpy.data.images) == 3)
    for image in list(bpy.data.images):
        if "portrait_relief_kind" in image:
            bpy.data.images.remove(image)
    tick_until(delivery, finished, lambda: not delivery.awaits(finished))
    kinds = sorted(image["portrait_relief_kind"] for image in bpy.data.images if len(image.keys()))
    assert kinds == ["depth", "rgb"] and len(reliefs()) == 1


def test_a_half_filled_mesh_that_an_undo_took_away_is_made_again(delivery, finished):
    tick_until(delivery, finished, lambda: any("portrait_relief_filled" in mesh for mesh in bpy.data.meshes))
    delivery.tick(finished, bpy.context.scene.session_uid)
    (half,) = bpy.data.meshes
    assert len(half.vertices) and not len(half.polygons)
    bpy.data.meshes.remove(half)
    tick_until(delivery, finished, lambda: not delivery.awaits(finished))
    (mesh,) = bpy.data.meshes
    assert len(mesh.polygons) and not mesh.validate() and "portrait_relief_filled" not in mesh


def test_a_dropped_import_leaves_nothing(delivery, finished):
    before = {image.name for image in bpy.data.images}
    tick_until(delivery, finished, lambda: len(bpy.data.images) == len(before) + 2)
    delivery.drop()
    assert {image.name for image in bpy.data.images} == before and not reliefs()
    assert not bpy.context.scene.portrait_relief.results


def test_a_scene_deleted_meanwhile_is_a_readable_error(delivery, finished):
    scene = bpy.data.scenes.new("other")
    uid = scene.session_uid
    delivery.tick(finished, uid)
    bpy.data.scenes.remove(scene)
    end_s = time.monotonic() + 20
    while finished.state is not JobState.FAILED and time.monotonic() < end_s:
        delivery.tick(finished, uid)
        time.sleep(0.001)
    assert finished.problem is not None and finished.problem.code == "scene_removed"
    assert not [image for image in bpy.data.images if "portrait_relief_kind" in image]


def test_the_next_job_of_a_script_does_not_lose_the_one_before(finished):
    from blender_addon import requests, runtime

    runtime.submit(bpy.context.scene, requests.job_input(bpy.context.scene.portrait_relief, "depth"))
    assert len(reliefs()) == 1


def test_edges_are_those_that_blender_would_find(addon):
    from blender_addon.core.relief import ReliefOptions, build
    from blender_addon.core.steps import finish
    from blender_addon.scene import relief_object

    y, x = np.mgrid[-1:1:40j, -1:1:40j].astype(np.float32)
    relief = build(60 - 30 * (x**2 + y**2), (x**2 + y**2 < 0.8) * np.float32(1), 1.0, ReliefOptions())
    assert (np.diff(relief.face_start) == 3).any() and (np.diff(relief.face_start) == 4).any()
    arrays = finish(relief_object.array_steps(relief, relief_object.new_place(1.0), 1.0))
    ours = relief_object.make_mesh("ours", relief, size=1.0, depth_scale=1.0, arrays=arrays)
    theirs = relief_object.make_mesh("theirs", relief, size=1.0, depth_scale=1.0)
    assert {edge.key for edge in ours.edges} == {edge.key for edge in theirs.edges}
    for face in ours.polygons:
        assert {ours.edges[ours.loops[at].edge_index].key for at in face.loop_indices} == set(face.edge_keys)
    assert not ours.validate()


def test_no_step_of_importing_a_large_photo_is_long(addon):
    """By this thread's own computing. In one go each of the five largest steps took 70 to 200 ms."""
    from blender_addon.core import arrays
    from blender_addon.core.jobs import FrameResult
    from blender_addon.scene import importing

    side = 2000
    y, x = np.mgrid[-1.25 : 1.25 : side * 1j, -1.25 : 1.25 : side * 1j].astype(np.float32)
    depth = 60 * np.cos(x) * np.cos(y)
    depth[x**2 + y**2 > 1] = np.nan
    png = arrays.write_png(np.zeros((side, side, 3), np.uint8))
    given = FrameResult(png, depth, np.isfinite(depth).astype(np.float32), 0.1, {})
    steps = importing.import_steps(
        bpy.context.scene, given, importing.Description("large", "large", "depth", "", {})
    )
    own_ms = []
    while True:
        started_s = time.thread_time()
        try:
            awaited = next(steps)
        except StopIteration:
            break
        own_ms.append(1000 * (time.thread_time() - started_s))
        if awaited is not None:
            awaited.wait()
    assert len(own_ms) > 8 and max(own_ms) < 25, own_ms
