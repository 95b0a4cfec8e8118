# SPDX-License-Identifier: GPL-3.0-or-later
"""Light on a relief: rigs that follow it, stills that lie over the photo, and nothing of the artist's that changes."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time

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


@pytest.mark.parametrize("depth_scale", [1.0, 0.6])
@pytest.mark.parametrize(
    ("projection", "variant"),
    [("ORTHOGRAPHIC", "MESH"), ("PERSPECTIVE", "MESH"), ("PERSPECTIVE", "DISPLACE")],
)
def test_a_still_lies_on_its_photo_pixel_on_pixel(head, projection, variant, depth_scale):
    built = head.data.portrait_relief_build
    built.focal_mm, built.projection, built.variant = 60.0, projection, variant
    if variant == "DISPLACE":  # as an artist animates it
        head.modifiers["Relief Depth"].strength *= depth_scale
    else:
        head.data.portrait_relief.depth_scale = depth_scale
    head.rotation_euler, head.location, head.scale = (0.2, 0.1, 0.4), (0.3, -0.2, 0.1), (1.5, 1.5, 1.5)
    world = bpy.data.worlds.new("white")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    bpy.context.scene.world = world
    assert bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=32) == {"FINISHED"}
    still, photo = (
        image_pixels(next(image for image in bpy.data.images if image.name == name))[:, :, 0]
        for name in ("Ball Relit", "Ball RGB")
    )
    y, x = np.mgrid[:96, :120] + 0.5
    inside = np.hypot(x - 60, y - 48) < 30  # its light falls off slowly, the squares' edges do not

    def edges(values: np.ndarray) -> np.ndarray:
        return np.stack([values - np.roll(values, 2, axis) for axis in (0, 1)])[:, inside].ravel()

    def likeness(up: int, right: int) -> float:
        return float(np.corrcoef(edges(np.roll(still, (up, right), (0, 1))), edges(photo))[0, 1])

    beside = [likeness(*step) for step in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    assert likeness(0, 0) > 0.9 and likeness(0, 0) > max(beside) + 0.1, (likeness(0, 0), beside)


def test_a_relief_that_leans_is_named(head):
    turned = bpy.data.objects.new("turned", None)
    bpy.context.scene.collection.objects.link(turned)
    turned.scale = (1.0, 2.0, 1.0)
    head.parent, head.rotation_euler = turned, (0.0, 0.0, 0.5)
    with pytest.raises(RuntimeError, match="skewed"):
        bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=1)


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


def test_an_earlier_picture_of_another_size_shows_the_new_one(head):
    from blender_addon.scene import albedo

    assert bpy.ops.portrait_relief.delight() == {"FINISHED"}
    (earlier,) = [image for image in bpy.data.images if image.name.startswith("Ball Albedo")]
    before = image_pixels(earlier)
    earlier.scale(30, 24)
    assert bpy.ops.portrait_relief.delight() == {"FINISHED"}
    assert [image for image in bpy.data.images if image.name.startswith("Ball Albedo")] == [earlier]
    assert earlier.size[:] == (120, 96) and albedo.shown(head) == albedo.ALBEDO
    np.testing.assert_array_equal(image_pixels(earlier), before)


def test_a_picture_whose_file_is_gone_is_none_and_a_packed_one_is_seen_without_a_copy(head):
    from blender_addon.core import arrays
    from blender_addon.core.errors import AddonError
    from blender_addon.scene import albedo, images

    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)  # 12 MB
    photo = images.add_rgb("Noise", arrays.write_png(noise), "ball", into=albedo.photo_of(head))
    own_ms = []
    for _ in range(5):
        started_s = time.thread_time()
        assert albedo.photo_of(head) == photo
        own_ms.append(1000 * (time.thread_time() - started_s))
    assert not photo.has_data and min(own_ms) < 0.7, own_ms  # copied, 16
    photo.unpack(method="REMOVE")
    photo.filepath = "//gone.png"
    with pytest.raises(AddonError, match="not in this file"):
        albedo.photo_of(head)


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


def test_the_hdris_sliders_turn_and_dim_it_and_it_turns_with_its_relief(head, tmp_path):
    image = bpy.data.images.new("sky", 16, 8, float_buffer=True)
    image.filepath_raw, image.file_format = str(tmp_path / "sky.exr"), "OPEN_EXR"
    image.save()
    assert bpy.ops.portrait_relief.load_hdri(filepath=str(tmp_path / "sky.exr")) == {"FINISHED"}
    world = bpy.context.scene.world

    def seen() -> tuple[float, float]:
        """Strength, and the turn of the sphere's lookup in degrees, as a render reads them."""
        bpy.context.view_layer.update()
        nodes = world.evaluated_get(bpy.context.evaluated_depsgraph_get()).node_tree.nodes
        strength = next(node for node in nodes if node.bl_idname == "ShaderNodeBackground").inputs["Strength"]
        mapping = next(node for node in nodes if node.bl_idname == "ShaderNodeMapping")
        return strength.default_value, math.degrees(mapping.inputs["Rotation"].default_value[2])

    settings = head.portrait_relief_light
    assert seen() == (pytest.approx(settings.hdri_strength), pytest.approx(-settings.hdri_turn))
    settings.hdri_strength, settings.hdri_turn = 0.25, 30.0
    assert seen() == (pytest.approx(0.25), pytest.approx(-30.0, abs=1e-3))
    head.rotation_euler[2] = math.radians(20)
    assert seen()[1] == pytest.approx(-50.0, abs=1e-3)
    # In a file opened later it still turns: without the driver's approval by nothing but Blender's simple expressions.
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sky.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sky.blend"), use_scripts=False)
    world = bpy.context.scene.world
    item = bpy.data.objects["Ball"]
    item.rotation_euler[2] = 0.0
    assert seen()[1] == pytest.approx(-30.0, abs=1e-3)


@pytest.fixture
def view(head):
    """The 3D View of the default file's window, which is there in background mode as well."""
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    with bpy.context.temp_override(window=window, screen=window.screen, area=area):
        yield area.spaces.active


@pytest.mark.parametrize("engine", ["EEVEE", "CYCLES"])
def test_the_preview_shows_the_relief_lit_anew_and_the_view_comes_back(head, view, engine):
    from blender_addon.scene import albedo, lighting

    scene, shading = bpy.context.scene, view.shading
    scene.render.engine = "BLENDER_WORKBENCH"
    shading.type = "WIREFRAME"
    before = shading.use_scene_lights, shading.use_scene_lights_render
    assert bpy.ops.portrait_relief.relight_preview(engine=engine) == {"FINISHED"}
    assert lighting.find_rig(head) is not None and albedo.shown(head) == albedo.ALBEDO
    if engine == "EEVEE":
        assert shading.type == "MATERIAL" and shading.use_scene_lights and shading.use_scene_world
        assert scene.render.engine != "BLENDER_WORKBENCH", "with it a view has no Material Preview"
    else:
        assert shading.type == "RENDERED" and shading.use_scene_lights_render
        assert scene.render.engine == "CYCLES"
    # A second one, with the other engine, is still ended to what was there before the first.
    other = "CYCLES" if engine == "EEVEE" else "EEVEE"
    assert bpy.ops.portrait_relief.relight_preview(engine=other) == {"FINISHED"}
    assert bpy.ops.portrait_relief.end_preview() == {"FINISHED"}
    assert shading.type == "WIREFRAME" and scene.render.engine == "BLENDER_WORKBENCH"
    assert (shading.use_scene_lights, shading.use_scene_lights_render) == before
    assert lighting.find_rig(head) is not None
    assert bpy.ops.portrait_relief.end_preview() == {"CANCELLED"}


_EEVEE_PROBE = """
import bpy, os, sys
scene = bpy.context.scene
scene.render.engine = sys.argv[1]
scene.eevee.taa_render_samples = 1
scene.render.resolution_x = scene.render.resolution_y = 8
scene.render.filepath = sys.argv[2]
bpy.ops.render.render(write_still=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def eevee(tmp_path_factory) -> str:
    """EEVEE's name; skips where it ends the process it is tried in, as without any OpenGL, or takes minutes."""
    from blender_addon.scene.relit_still import cycles_or_eevee

    name, path = cycles_or_eevee("EEVEE"), tmp_path_factory.mktemp("eevee") / "probe.png"
    command = [sys.executable, "-c", _EEVEE_PROBE, name, str(path)]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("EEVEE does not render a sample of 8 x 8 px in two minutes here")
    if tried.returncode < 0:
        pytest.skip("EEVEE ends a Blender in background mode here: there is no OpenGL")
    assert path.is_file(), tried.stdout + tried.stderr
    return name


def test_a_still_by_eevee_is_the_photo_where_no_relief_is(eevee, head):
    bpy.ops.portrait_relief.apply_light_rig(rig="SPLIT")
    assert bpy.ops.portrait_relief.relit_still(engine="EEVEE", samples=8) == {"FINISHED"}
    still = image_pixels(next(image for image in bpy.data.images if image.name == "Ball Relit"))[:, :, :3]
    photo = image_pixels(next(image for image in bpy.data.images if image.name == "Ball RGB"))[:, :, :3]
    y, x = np.mgrid[:96, :120] + 0.5
    outside = np.hypot(x - 60, y - 48) > 43
    np.testing.assert_allclose(still[outside], photo[outside], atol=1.5 / 255)
    assert np.abs(still - photo)[~outside].mean() > 0.03


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


@pytest.mark.parametrize("opened", [False, True], ids=["same file", "another file"])
def test_a_render_in_a_thread_waits_until_blenders_loop_went_round(addon, opened):
    from blender_addon.scene import relit_still

    before = list(bpy.app.handlers.render_init)
    with relit_still.held_until_blender_went_round():
        (hold,) = (each for each in bpy.app.handlers.render_init if each not in before)
        hold()  # in the main thread, where the loop stands still meanwhile: at once
        render = threading.Thread(target=hold)
        render.start()
        render.join(0.2)
        assert render.is_alive()  # without a window the loop never goes round
        if opened:
            bpy.ops.wm.read_homefile(use_factory_startup=True)
            assert hold not in bpy.app.handlers.render_init
    render.join(10)
    assert not render.is_alive() and hold not in bpy.app.handlers.render_init
