# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made before: its settings again, side by side, deleted with its data."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.blender_addon.inside_blender.test_viewing_in_blender import seen, window_size


@pytest.fixture
def three(fake, photo) -> list[bpy.types.Object]:
    """Three results with their reliefs."""
    fake("ok")
    for _ in range(3):
        bpy.ops.portrait_relief.estimate_depth(timeout=20)
    return [item for item in bpy.data.objects if item.type == "MESH"]


def test_a_loaded_file_looks_at_its_chosen_picture_anew(addon, tmp_path):
    info = PngInfo()
    info.add_itxt("portrait_relief", json.dumps({"settings": {"mode": "generate"}}))
    path, blend = tmp_path / "portrait.png", str(tmp_path / "scene.blend")
    Image.new("RGB", (8, 8)).save(path)
    settings = bpy.context.scene.portrait_relief
    settings.source, settings.filepath = "FILE", str(path)
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    for tells in (True, False):
        Image.new("RGB", (8, 8)).save(path, pnginfo=info if tells else None)
        bpy.ops.wm.open_mainfile(filepath=blend)
        assert bpy.context.scene.portrait_relief.tells_settings == tells
        bpy.ops.wm.save_mainfile()


def test_a_dropped_picture_restores_the_settings_it_was_made_with(addon, tmp_path):
    info = PngInfo()
    asked = {
        "mode": "generate",
        "expression": {"browInnerUp": 0.8},
        "pose": {"roll": 4.0},
        "steps": 1,
        "seed": 12,
    }
    told = {"settings": asked, "face_number": 2, "faces": [{"x": 10.0}, {"x": 60.0}], "crop": [0, 0, 40]}
    info.add_itxt("portrait_relief", json.dumps(told))
    path = tmp_path / "portrait.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    settings = bpy.context.scene.portrait_relief
    settings.jawOpen = 0.3
    bpy.ops.portrait_relief.choose_picture(filepath=str(path))
    settings.image.pack()
    path.unlink()
    assert bpy.ops.portrait_relief.restore_settings() == {"FINISHED"}
    assert settings.browInnerUp == pytest.approx(0.8) and settings.jawOpen == 0.0
    assert settings.use_pose and settings.roll == pytest.approx(4.0)
    assert (settings.seed, settings.steps, settings.face, settings.use_crop) == (12, 1, 2, False)
    settings.image = bpy.data.images.new("other", 4, 4)
    assert bpy.ops.portrait_relief.restore_settings() == {"CANCELLED"}
    assert settings.seed == 12


def test_a_picture_that_cannot_be_saved_is_named(fake, photo, tmp_path):
    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    with pytest.raises(RuntimeError, match=r"none\.png cannot be written"):
        bpy.ops.portrait_relief.save_picture(filepath=str(tmp_path / "no folder" / "none.png"))
    image = next(each for each in bpy.data.images if each.get("portrait_relief_kind") == "rgb")
    bpy.data.images.remove(image)
    assert bpy.ops.portrait_relief.save_picture(filepath=str(tmp_path / "none.png")) == {"CANCELLED"}


def test_recalled_sliders_bring_seed_steps_face_and_crop_along(fake, photo):
    fake("ok")
    settings = bpy.context.scene.portrait_relief
    settings.jawOpen, settings.seed, settings.steps, settings.face = 0.5, 7, 4, 2
    bpy.ops.portrait_relief.generate(timeout=20)
    settings.use_crop, settings.crop_left, settings.crop_top, settings.crop_side = True, -3, 2, 44
    settings.seed, settings.steps, settings.face = 1, 0, 0
    bpy.ops.portrait_relief.generate(timeout=20)
    assert [result.details for result in settings.results] == [
        "seed 7, 4 steps, 0.5 s",
        "seed 1, 1 step, 0.5 s",
    ]
    settings.crop_left = settings.seed = settings.steps = 0
    assert bpy.ops.portrait_relief.recall_expression(index=0) == {"FINISHED"}
    assert (settings.seed, settings.steps, settings.face, settings.use_crop) == (7, 4, 2, False)
    assert bpy.ops.portrait_relief.recall_expression(index=1) == {"FINISHED"}
    assert (settings.seed, settings.steps, settings.face, settings.use_crop) == (1, 1, 0, True)
    assert (settings.crop_left, settings.crop_top, settings.crop_side) == (-3, 2, 44)


def test_one_relief_is_seen_in_one_place(three):
    def seen() -> list[bool]:
        return [item.visible_get() and not item.hide_render for item in three]

    assert seen() == [False, False, True]
    assert bpy.ops.portrait_relief.select_result(index=0) == {"FINISHED"}
    assert seen() == [True, False, False] and bpy.context.view_layer.objects.active == three[0]
    assert bpy.context.scene.portrait_relief.active_result == 0
    three[0].location.x += 1.0  # moved away: no longer in anybody's place
    assert bpy.ops.portrait_relief.select_result(index=1) == {"FINISHED"}
    assert seen() == [True, True, False]
    assert bpy.ops.portrait_relief.compare_results() == {"FINISHED"}
    assert seen() == [True, True, True]


def test_a_relief_that_is_being_sculpted_is_not_hidden(three):
    assert bpy.ops.portrait_relief.select_result(index=0) == {"FINISHED"}
    bpy.ops.object.mode_set(mode="SCULPT")
    try:
        bpy.ops.portrait_relief.estimate_depth(timeout=20)
        assert three[0].visible_get() and len(bpy.context.scene.portrait_relief.results) == 4
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")


def test_results_are_laid_out_side_by_side(three):
    first = three[0].matrix_world.translation.copy()
    assert bpy.ops.portrait_relief.compare_results() == {"FINISHED"}
    bpy.context.view_layer.update()
    places = [item.matrix_world.translation.x for item in three]
    width = three[0].dimensions.x
    assert [x - first.x for x in places] == pytest.approx([0, 1.1 * width, 2.2 * width], abs=1e-5)
    space = next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D").spaces.active
    points = np.concatenate([seen(space, item)[:, :2] for item in three])  # all of them fill the 3D View
    assert 0.5 < (2 * np.abs(points) / window_size(space)).max() < 1
    bpy.data.objects.remove(three[0])
    bpy.data.objects.remove(three[1])
    assert bpy.ops.portrait_relief.compare_results() == {"CANCELLED"}


def test_a_deleted_result_takes_its_data_along_and_nothing_else(three):
    settings = bpy.context.scene.portrait_relief
    settings.active_result = 1
    counts = len(bpy.data.meshes), len(bpy.data.materials), len(bpy.data.images), len(bpy.data.objects)
    assert bpy.ops.portrait_relief.delete_result() == {"FINISHED"}
    after = len(bpy.data.meshes), len(bpy.data.materials), len(bpy.data.images), len(bpy.data.objects)
    assert [a - b for a, b in zip(counts, after, strict=True)] == [1, 1, 2, 1]
    assert len(settings.results) == 2
    kept = {mesh.portrait_relief.result_id for mesh in bpy.data.meshes}
    assert {result.result_id for result in settings.results} == kept
    # A picture that is the next source is in use and stays.
    bpy.ops.portrait_relief.use_result(index=0)
    image = settings.image
    bpy.ops.portrait_relief.delete_result(index=0)
    assert settings.image == image and len(settings.results) == 1


def test_the_pictures_made_of_a_relief_go_with_it(three):
    from blender_addon.scene import albedo, relit_still

    result_id = three[0].data.portrait_relief.result_id
    before = {image.name for image in bpy.data.images}
    albedo.make_albedo(three[0], coloured=False, strength=1.0)
    relit = albedo.write_picture("Relit", np.zeros((48, 40, 3), np.float32), result_id, relit_still.KIND)
    kept = albedo.write_picture(
        "Relit", np.zeros((48, 40, 3), np.float32), three[1].data.portrait_relief.result_id, relit_still.KIND
    )
    relit.use_fake_user = kept.use_fake_user = True  # as stills have
    assert relit != kept and len({image.name for image in bpy.data.images} - before) == 3
    bpy.ops.portrait_relief.delete_result(index=0)
    assert {image.name for image in bpy.data.images} - before == {kept.name}


def test_a_sculpted_copy_outlives_its_result_and_the_lights_do_not(three):
    item = three[0]
    bpy.context.view_layer.objects.active = item
    bpy.ops.portrait_relief.apply_light_rig(rig="REMBRANDT")
    copy = item.copy()
    copy.data = item.data.copy()
    bpy.context.scene.collection.objects.link(copy)
    name = item.name
    assert bpy.ops.portrait_relief.delete_result(index=0) == {"FINISHED"}
    assert name not in bpy.data.objects and copy.name in bpy.data.objects
    assert copy.active_material.node_tree is not None and not bpy.data.lights
    pictures = {image.get("portrait_relief_kind") for image in bpy.data.images}
    assert {"rgb", "depth"} <= pictures and len(bpy.context.scene.portrait_relief.results) == 2
