# SPDX-License-Identifier: GPL-3.0-or-later
"""Light on a relief: rigs that follow it, stills that lie over the photo, and nothing of the artist's that changes."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from tests.blender_addon.inside_blender.contents import image_pixels


@pytest.fixture
def head(addon) -> bpy.types.Object:
    """A ball of radius 40 px in a chequered picture of 120 x 96."""
    from blender_addon.core import arrays
    from blender_addon.core.jobs import FrameResult
    from blender_addon.scene import importing

    y, x = np.mgrid[:96, :120] + 0.5
    radius = np.hypot(x - 60, y - 48) / 40
    depth = np.where(radius < 1, 100 * np.sqrt(np.maximum(0, 1 - radius**2)), np.nan).astype(np.float32)
    rgb = np.full((96, 120, 3), 120, np.uint8)
    rgb[(x // 10 + y // 10) % 2 == 1] = (170, 140, 120)
    result = FrameResult(arrays.write_png(rgb), depth, (radius < 1).astype(np.float32), 2.5, {})
    described = importing.Description("ball", "Ball", "import", "", {})
    return importing.import_result(bpy.context.scene, result, described)


def _places(item: bpy.types.Object) -> np.ndarray:
    from blender_addon.scene import lighting

    bpy.context.view_layer.update()
    return np.array([light.matrix_world.translation[:] for light in lighting.rig_lights(item)])


def test_a_rig_follows_its_relief_and_a_second_one_takes_its_place(head):
    from blender_addon.core.light_rigs import RIGS

    before = len(bpy.data.objects), len(bpy.data.collections)
    for rig in RIGS:
        assert bpy.ops.portrait_relief.apply_light_rig(rig=rig.identifier) == {"FINISHED"}
        assert len(bpy.data.lights) == len(rig.lights) == len(_places(head))
    places = _places(head)
    head.location = (1.0, 2.0, 3.0)
    head.scale = (2.0, 2.0, 2.0)
    moved = _places(head)
    np.testing.assert_allclose(moved, 2 * places + (1.0, 2.0, 3.0), atol=1e-4)
    assert bpy.ops.portrait_relief.remove_light_rig() == {"FINISHED"}
    assert (len(bpy.data.objects), len(bpy.data.collections)) == before and not bpy.data.lights


def test_the_direction_sliders_move_the_key(head):
    bpy.ops.portrait_relief.apply_light_rig(rig="THREE_POINT")
    head.portrait_relief_light.azimuth, head.portrait_relief_light.elevation = 90.0, 0.0
    key = _places(head)[0]
    centre = np.array(head.matrix_world.translation[:])
    towards = (key - centre) / np.linalg.norm(key - centre)
    assert towards[0] > 0.97  # to the picture's right


def test_a_still_is_the_photo_where_no_relief_is_and_lit_anew_where_it_is(head):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.engine = 333, "BLENDER_WORKBENCH"
    assert bpy.ops.portrait_relief.delight() == {"FINISHED"}
    stills = {}
    for azimuth in (-80.0, 80.0):
        bpy.ops.portrait_relief.apply_light_rig(rig="SPLIT")
        head.portrait_relief_light.azimuth = azimuth
        assert bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=8) == {"FINISHED"}
        image = next(image for image in bpy.data.images if image.name == "Ball Relit")
        assert tuple(image.size) == (120, 96) and image.packed_file is not None
        stills[azimuth] = image_pixels(image)[:, :, :3].copy()
    photo = image_pixels(next(image for image in bpy.data.images if image.name == "Ball RGB"))[:, :, :3]
    y, x = np.mgrid[:96, :120] + 0.5
    outside = np.hypot(x - 60, y - 48) > 43
    for still in stills.values():
        np.testing.assert_allclose(still[outside], photo[outside], atol=1.5 / 255)
    left, right = (np.hypot(x - 60 - side, y - 48) < 8 for side in (-25, 25))
    assert stills[-80.0][left].mean() > 1.5 * stills[-80.0][right].mean()
    assert stills[80.0][right].mean() > 1.5 * stills[80.0][left].mean()
    assert (scene.render.resolution_x, scene.render.engine, scene.camera) == (333, "BLENDER_WORKBENCH", None)
    assert len(bpy.data.scenes) == 1 and not bpy.data.cameras


def test_a_relief_hidden_from_renders_is_named(head):
    head.hide_render = True
    with pytest.raises(RuntimeError, match="hidden"):
        bpy.ops.portrait_relief.relit_still(samples=1)
    assert len(bpy.data.scenes) == 1


def test_photo_and_albedo_are_switched_and_kept_in_the_file(head, tmp_path):
    from blender_addon.scene import albedo

    assert bpy.ops.portrait_relief.delight() == {"FINISHED"}
    assert albedo.shown(head) == albedo.ALBEDO
    path = str(tmp_path / "light.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    item = bpy.data.objects["Ball"]
    assert albedo.shown(item) == albedo.ALBEDO and albedo.has_albedo(item)
    albedo.show(item, albedo.PHOTO)
    assert albedo.shown(item) == albedo.PHOTO


def test_an_hdri_lights_the_scene_and_the_old_world_comes_back(head, tmp_path):
    world = bpy.data.worlds.new("mine")
    bpy.context.scene.world = world
    image = bpy.data.images.new("sky", 16, 8, float_buffer=True)
    image.filepath_raw, image.file_format = str(tmp_path / "sky.exr"), "OPEN_EXR"
    image.save()
    assert bpy.ops.portrait_relief.load_hdri(filepath=str(tmp_path / "sky.exr")) == {"FINISHED"}
    assert bpy.context.scene.world != world
    assert bpy.ops.portrait_relief.restore_world() == {"FINISHED"}
    assert bpy.context.scene.world == world
    with pytest.raises(RuntimeError, match="missing"):
        bpy.ops.portrait_relief.load_hdri(filepath=str(tmp_path / "missing.exr"))
    assert bpy.context.scene.world == world


def test_the_same_hdri_can_be_loaded_again(head, tmp_path):
    image = bpy.data.images.new("sky", 16, 8, float_buffer=True)
    image.filepath_raw, image.file_format = str(tmp_path / "sky.exr"), "OPEN_EXR"
    image.save()
    bpy.data.images.remove(image)
    for _ in range(2):
        assert bpy.ops.portrait_relief.load_hdri(filepath=str(tmp_path / "sky.exr")) == {"FINISHED"}
    nodes = bpy.context.scene.world.node_tree.nodes
    assert any(node.bl_idname == "ShaderNodeTexEnvironment" and node.image is not None for node in nodes)


def test_a_preview_kept_by_a_blender_with_another_engine_can_be_ended(head):
    from types import SimpleNamespace

    from blender_addon.scene import preview

    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    for engine in ("NO_SUCH_ENGINE", "BLENDER_EEVEE_NEXT", "BLENDER_EEVEE"):
        shading = SimpleNamespace(type="RENDERED")
        preview.end(
            scene,
            SimpleNamespace(shading=shading),
            f'{{"shading": {{"type": "SOLID"}}, "engine": "{engine}"}}',
        )
        assert shading.type == "SOLID"
        assert (scene.render.engine == "CYCLES") == (engine == "NO_SUCH_ENGINE")
