# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief's maps on the way back: what an untouched one, a dragged one and a spoilt one say of their points."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import bpy
import numpy as np
import pytest

from blender_addon.core.steps import finish
from tests.blender_addon.inside_blender.contents import coordinates, relief
from tests.blender_addon.inside_blender.test_jobs_in_blender import tick
from tests.blender_addon.inside_blender.test_relief_in_blender import make_head
from tests.blender_addon.inside_blender.test_tasks_in_blender import made_head


@pytest.fixture
def head(addon) -> bpy.types.Object:
    return make_head(192)


def maps_of(item: bpy.types.Object) -> dict[str, np.ndarray]:
    from blender_addon.scene import sending_back

    bpy.context.view_layer.update()
    files = finish(sending_back.map_file_steps(sending_back.read_relief(item)))
    return {name: np.load(io.BytesIO(content)) for name, content in files.items()}


def move(mesh: bpy.types.Mesh, by: np.ndarray) -> None:
    mesh.attributes["position"].data.foreach_set(
        "vector", (coordinates(mesh) + by).astype(np.float32).ravel()
    )
    mesh.update()


def falloff(mesh: bpy.types.Mesh, x: float, z: float, reach: float) -> np.ndarray:
    """1 at a place of the mesh, in metres, smoothly to 0 at `reach` from it."""
    points = coordinates(mesh)
    away = np.hypot(points[:, 0] - x, points[:, 2] - z) / reach
    return (np.clip(1 - away**2, 0, 1) ** 2)[:, None]


def build_as(head: bpy.types.Object, **settings: object) -> None:
    from blender_addon.scene import relief_build

    for name, value in settings.items():
        setattr(head.data.portrait_relief_build, name, value)
    relief_build.rebuild(head)


def modified(kind: str, **settings: object) -> Callable[[bpy.types.Object], None]:
    def add(head: bpy.types.Object) -> None:
        modifier = head.modifiers.new(kind, kind)
        for name, value in settings.items():
            setattr(modifier, name, value)

    return add


def scaled(head: bpy.types.Object) -> None:
    head.scale, head.rotation_euler = (2.0,) * 3, (0.2, 0.1, 0.5)
    bpy.context.view_layer.update()
    bpy.ops.object.transform_apply()


def deeper(head: bpy.types.Object) -> None:
    head.data.portrait_relief.depth_scale = 2.0


UNTOUCHED: dict[str, Callable[[bpy.types.Object], None]] = {
    "as imported": lambda _head: None,
    "transform applied": scaled,
    "depth scale 2": deeper,
    "subdivided": modified("SUBSURF", levels=1),
    "multires": modified("MULTIRES"),
    "adaptive": lambda head: build_as(head, grid="ADAPTIVE"),
    "perspective": lambda head: build_as(head, projection="PERSPECTIVE"),
    "solid": lambda head: build_as(head, back="SOLID"),
}


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_an_untouched_relief_says_that_nothing_moved(head: bpy.types.Object, kind: str) -> None:
    UNTOUCHED[kind](head)
    maps = maps_of(head)
    known = np.isfinite(maps["depth"])
    assert known.mean() > 0.3 and maps["flow"].shape == (192, 192, 3)
    assert np.isfinite(maps["flow"][known]).all() and not np.isfinite(maps["flow"][~known]).any()
    inner = known.copy()
    for axis, by in ((0, 3), (0, -3), (1, 3), (1, -3)):  # a subdivided rim is rounded off
        inner &= np.roll(known, by, axis)
    if kind == "subdivided":  # smoothed: the ball's steep side sinks by a tenth of a millimetre
        assert np.abs(maps["flow"][inner]).max() < 0.1 and (maps["flow"][inner] == 0).mean() > 0.98
    else:
        assert not maps["flow"][known].any()


def test_a_dragged_point_tells_where_it_lay(head: bpy.types.Object) -> None:
    before = maps_of(head)["depth"]
    move(head.data, falloff(head.data, 0.02, 0.03, 0.04) * np.array([0.010, -0.006, 0.005]))
    maps = maps_of(head)
    mm_per_px = head.data.portrait_relief.mm_per_px
    row, column = 96 - round((30 + 5) / mm_per_px), 96 + round((20 + 10) / mm_per_px)
    right, down, nearer = maps["flow"][row, column]
    assert right * mm_per_px == pytest.approx(-10, abs=0.6)
    assert down * mm_per_px == pytest.approx(5, abs=0.6)
    assert nearer == pytest.approx(-6, abs=0.4)
    # Followed back, the whole relief is what it was.
    rows, columns = np.nonzero(np.isfinite(maps["depth"]))
    flow = maps["flow"][rows, columns]
    there = np.rint([rows + flow[:, 1], columns + flow[:, 0]]).astype(int)
    old = before[tuple(np.clip(there, 0, 191))]
    error = np.abs(maps["depth"][rows, columns] + flow[:, 2] - old)
    assert np.nanmedian(error) < 0.1 and np.nanquantile(error, 0.95) < 3.0
    far = np.hypot(rows - row, columns - column) * mm_per_px > 60
    assert far.any() and not flow[far].any()


def test_a_large_drag_is_no_applied_transform(head: bpy.types.Object) -> None:
    move(head.data, np.where(coordinates(head.data)[:, :1] > -0.03, 0.012, 0.0) * np.array([1.0, 0, 0]))
    maps = maps_of(head)
    mm_per_px = head.data.portrait_relief.mm_per_px
    assert maps["flow"][96, 130, 0] * mm_per_px == pytest.approx(-12, abs=0.3)
    assert not maps["flow"][96, 50].any()


def test_in_perspective_what_comes_nearer_stays_on_its_ray(head: bpy.types.Object) -> None:
    build_as(head, projection="PERSPECTIVE", focal_mm=35.0)
    move(head.data, falloff(head.data, 0.05, 0.05, 0.04) * np.array([0.0, -0.01, 0.0]))
    flow = maps_of(head)["flow"]
    assert np.nanmin(flow[..., 2]) == pytest.approx(-10, abs=0.5)
    assert np.nanmax(np.abs(flow[..., :2])) * head.data.portrait_relief.mm_per_px < 0.2


def test_stray_vertices_cost_no_more_than_their_own_place(head: bpy.types.Object) -> None:
    before = maps_of(head)
    points = coordinates(head.data)
    stray = np.argsort(np.hypot(points[:, 0] - 0.03, points[:, 2]), kind="stable")[:3]
    points[stray] = [[9.0, 0, 0], [np.nan] * 3, [0, 1e6, 0]]
    head.data.attributes["position"].data.foreach_set("vector", points.ravel())
    after = maps_of(head)
    rows, columns = np.indices((192, 192))
    away = np.hypot(rows - 96, columns - 96 - 30 / head.data.portrait_relief.mm_per_px)
    for name in ("depth", "flow"):
        assert np.allclose(after[name][away > 16], before[name][away > 16], atol=0.01, equal_nan=True)


def test_the_relief_sends_its_own_picture_whatever_is_chosen_now(fake, photo) -> None:
    from blender_addon import requests
    from blender_addon.scene import images

    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    settings = bpy.context.scene.portrait_relief
    settings.jawOpen, settings.image = 0.8, None
    settings.results.clear()  # an entry that is taken off the list takes nothing else with it
    item = relief()
    given, rest = requests.repaint_input(bpy.context.scene, item)
    sent = finish(rest)["portrait"]
    assert given.crop == (3, -2, 61)  # of the fake's report, whole pixels
    picture = images.find(item.data.portrait_relief.result_id, "rgb")
    assert picture is not None and picture.packed_file is not None
    assert sent == bytes(picture.packed_file.data) and not given.expression
    assert bpy.ops.portrait_relief.repaint(timeout=20) == {"FINISHED"}
    assert bpy.ops.portrait_relief.repaint(timeout=20) == {"FINISHED"}  # the repainted one, again
    assert [result.mode for result in settings.results] == ["appearance", "appearance"]
    assert {result.name.partition(".")[0] for result in settings.results} == {"portrait Relief"}


def test_without_uvs_the_chosen_portrait_and_its_sliders_go_with_the_depth(fake, photo) -> None:
    from blender_addon import requests

    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    settings, item = bpy.context.scene.portrait_relief, relief()
    settings.jawOpen = 0.8
    item.data.uv_layers.remove(item.data.uv_layers[0])
    item.data.update()
    bpy.context.view_layer.update()
    given, maps = requests.repaint_input(bpy.context.scene, item)

    assert given.expression["jawOpen"] == pytest.approx(0.8) and set(finish(maps)["maps"]) == {"depth"}


def test_undo_takes_the_new_picture_back_and_keeps_what_was_sculpted(fake, photo, monkeypatch) -> None:
    from blender_addon import tasks

    monkeypatch.setattr(tasks, "KEEPS_UNDO", True)
    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    name = relief().name
    relief().data.vertices[0].co.y -= 0.01
    bpy.ops.ed.undo_push(message="Sculpt")
    sculpted = coordinates(relief().data)
    assert bpy.ops.portrait_relief.repaint(timeout=20) == {"FINISHED"}

    def listed() -> list[str]:
        return [result.mode for result in bpy.context.scene.portrait_relief.results]

    assert listed() == ["depth", "appearance"]
    bpy.ops.ed.undo()
    assert listed() == ["depth"] and [item.name for item in bpy.data.objects if item.type == "MESH"] == [name]
    np.testing.assert_array_equal(coordinates(bpy.data.objects[name].data), sculpted)
    assert bpy.data.objects[name].visible_get() and bpy.context.view_layer.objects.active.name == name
    bpy.ops.ed.redo()
    assert listed() == ["depth", "appearance"]
    np.testing.assert_array_equal(coordinates(bpy.data.objects[name].data), sculpted)


def test_the_operator_returns_before_the_maps_are_drawn(fake, photo) -> None:
    from blender_addon import requests, runtime

    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    shown = bpy.context.window_manager.portrait_relief
    job = runtime.submit(bpy.context.scene, *requests.repaint_input(bpy.context.scene, relief()))
    assert (job.state.value, shown.status) == ("PREPARING", "Preparing what is sent")
    bpy.data.objects.remove(relief())  # nothing of Blender's is held
    tick(lambda: not runtime.is_busy())
    assert shown.state == "DONE" and set(job.input.maps) == {"depth", "flow"}


def test_the_call_reads_the_relief_and_computes_nothing(addon) -> None:
    """By this thread's own computing, at 768 x 768 vertices; with room for busy machines: 50 ms are wanted."""
    from blender_addon import requests

    item, own_ms = made_head(768), []
    for _ in range(3):
        started_s = time.thread_time()
        _given, rest = requests.repaint_input(bpy.context.scene, item)
        own_ms.append(1000 * (time.thread_time() - started_s))
        rest.close()
    assert min(own_ms) < 100, own_ms  # with what a thread computes now 258


def test_preparing_can_be_cancelled_and_failing_says_what_to_do(fake, photo) -> None:
    from blender_addon import requests, runtime

    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    shown = bpy.context.window_manager.portrait_relief
    job = runtime.submit(bpy.context.scene, *requests.repaint_input(bpy.context.scene, relief()))
    assert bpy.ops.portrait_relief.cancel() == {"FINISHED"}
    tick(lambda: not runtime.is_busy())
    assert job.state.value == "CANCELLED" and len(bpy.context.scene.portrait_relief.results) == 1

    def broken():
        yield
        raise ValueError("no such axis")

    given, maps = requests.repaint_input(bpy.context.scene, relief())
    maps.close()
    runtime.submit(bpy.context.scene, given, broken())
    tick(lambda: not runtime.is_busy())
    assert (shown.state, shown.error_code, shown.remedy) == ("FAILED", "preparing_failed", "RETRY")
    assert "no such axis" in shown.message


def test_edit_mode_has_to_be_left_first(fake, photo) -> None:
    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    bpy.ops.object.mode_set(mode="EDIT")
    assert not bpy.ops.portrait_relief.repaint.poll()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert bpy.ops.portrait_relief.repaint.poll()
