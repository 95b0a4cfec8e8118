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
    for count in range(1, 60):
        delivery.tick(job, bpy.context.scene.session_uid)
        if until():
            return count
    raise AssertionError("it never came to that")


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
    for _ in range(60):
        delivery.tick(finished, uid)
        if finished.state is JobState.FAILED:
            break
    assert finished.problem is not None and finished.problem.code == "scene_removed"
    assert not [image for image in bpy.data.images if "portrait_relief_kind" in image]


def test_the_next_job_of_a_script_does_not_lose_the_one_before(finished):
    from blender_addon import requests, runtime

    runtime.submit(bpy.context.scene, requests.job_input(bpy.context.scene.portrait_relief, "depth"))
    assert len(reliefs()) == 1
