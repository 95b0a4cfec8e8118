# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief built again from what the .blend keeps: every option, and nothing of the artist's lost."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from tests.blender_addon.inside_blender.contents import coordinates, depths, image_pixels


def make_head(side: int = 96) -> bpy.types.Object:
    """A ball of radius 40/96 of the picture with a hole, a spike and a picture; 2.5 mm a pixel at 96."""
    from blender_addon.core import arrays
    from blender_addon.core.jobs import FrameResult
    from blender_addon.scene import importing

    y, x = (np.mgrid[:side, :side] + 0.5) * (96 / side)
    radius = np.hypot(x - 48, y - 48) / 40
    depth = np.where(radius < 1, 100 * np.sqrt(np.maximum(0, 1 - radius**2)), np.nan).astype(np.float32)
    depth[side // 2 - 1 : side // 2 + 1, side // 4 : side // 4 + 2] = np.nan
    depth[side // 2, side * 3 // 5] += 40.0
    result = FrameResult(
        arrays.write_png(np.full((side, side, 3), 120, np.uint8)),
        depth,
        (radius < 1).astype(np.float32),
        2.5 * 96 / side,
        {},
    )
    return importing.import_result(
        bpy.context.scene, result, importing.Description("ball", "Ball", "import", "", {})
    )


@pytest.fixture
def head(addon) -> bpy.types.Object:
    return make_head()


def open_edges(mesh: bpy.types.Mesh) -> int:
    counts: dict[tuple[int, int], int] = {}
    for polygon in mesh.polygons:
        for key in polygon.edge_keys:
            counts[key] = counts.get(key, 0) + 1
    assert max(counts.values()) <= 2
    return sum(1 for count in counts.values() if count == 1)


def evaluated(item: bpy.types.Object) -> np.ndarray:
    bpy.context.view_layer.update()
    shown = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return coordinates(shown.data)


def test_density_and_grid_change_the_mesh_and_nothing_else(head):
    from blender_addon.scene import built_shape

    material, before = head.data.materials[0], len(head.data.vertices)
    head.location, head.rotation_euler, head.scale = (1, 2, 3), (0.1, 0.2, 0.3), (2, 2, 2)
    head.modifiers.new("Mine", "SUBSURF")
    head.data.portrait_relief_build.density = 32
    assert len(head.data.vertices) < before / 4
    assert head.data.materials[0] == material and head.modifiers[0].name == "Mine"
    np.testing.assert_allclose([*head.location, *head.scale], [1, 2, 3, 2, 2, 2])
    head.data.portrait_relief_build.density = 512
    assert len(head.data.vertices) == before and not built_shape.is_edited(head.data)
    head.data.portrait_relief_build.grid = "ADAPTIVE"
    head.data.portrait_relief_build.tolerance_mm = 2.0
    assert len(head.data.vertices) < before * 0.7
    assert not head.data.validate()
    head.data.shade_flat()
    head.data.portrait_relief_build.grid = "UNIFORM"
    assert not head.data.polygons[0].use_smooth, "the artist's shading was lost"


def test_it_works_in_a_file_opened_later_and_keeps_its_depth_scale(head, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "later.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "later.blend"))
    mesh = bpy.data.objects["Ball"].data
    mesh.portrait_relief.depth_scale = 0.5
    mesh.portrait_relief_build.density = 40
    np.testing.assert_allclose(coordinates(mesh)[:, 1], -0.0005 * depths(mesh), atol=1e-6)


def test_holes_spikes_and_the_edge_are_as_the_settings_say(head):
    built, mesh = head.data.portrait_relief_build, head.data
    filled = len(mesh.vertices)
    assert depths(mesh).max() < 101.0
    built.repair_spikes = False
    assert depths(mesh).max() > 130.0
    built.fill_holes_mm = 0.0
    assert len(mesh.vertices) == filled - 4
    built.trim_mm = 10.0  # four pixels
    assert np.ptp(coordinates(mesh)[:, 0]) == pytest.approx((79 - 8) * 2.5e-3, abs=4e-3)


def test_smoothing_takes_noise_off_and_leaves_an_edge(addon):
    from blender_addon.core.depth_repair import smooth

    random = np.random.default_rng(1)
    depth = np.where(np.arange(80) < 40, 0.0, 10.0) + random.normal(0, 0.2, (80, 80))
    out = smooth(depth.astype(np.float32), np.ones((80, 80), bool), 1.0, 0.6)
    assert out[:, 5:30].std() < 0.25 * depth[:, 5:30].std()
    assert (out[:, 42] - out[:, 37]).mean() > 9.0


def test_a_sculpted_relief_is_only_overwritten_when_asked(head):
    mesh = head.data
    mesh.vertices[100].co.y -= 0.01
    sculpted = coordinates(mesh).copy()
    mesh.portrait_relief_build.density = 24
    np.testing.assert_array_equal(coordinates(mesh), sculpted)
    with pytest.raises(RuntimeError, match="sculpted"):
        bpy.ops.portrait_relief.rebuild_relief()
    np.testing.assert_array_equal(coordinates(mesh), sculpted)
    assert bpy.ops.portrait_relief.rebuild_relief(overwrite=True) == {"FINISHED"}
    assert len(mesh.vertices) < 600
    head.shape_key_add(name="Basis")
    with pytest.raises(RuntimeError, match="sculpted"):
        bpy.ops.portrait_relief.rebuild_relief()
    assert bpy.ops.portrait_relief.rebuild_relief(overwrite=True) == {"FINISHED"}
    assert mesh.shape_keys is None


def test_an_applied_transform_is_kept(head):
    from blender_addon.scene import built_shape

    head.rotation_euler, head.scale = (0.0, 0.0, 1.0), (2, 2, 2)
    bpy.context.view_layer.update()
    before = [head.matrix_world @ vertex.co for vertex in head.data.vertices]
    bpy.ops.object.transform_apply(location=False, rotation=True, scale=True)
    assert not built_shape.is_edited(head.data)
    assert bpy.ops.portrait_relief.rebuild_relief() == {"FINISHED"}
    after = [head.matrix_world @ vertex.co for vertex in head.data.vertices]
    np.testing.assert_allclose(after, before, atol=1e-4)


@pytest.mark.parametrize("grid", ["UNIFORM", "ADAPTIVE"])
@pytest.mark.parametrize("back", ["SOLID", "PLATE"])
def test_backs_are_closed_and_do_not_reach_the_depth_that_is_sent(head, back, grid):
    from blender_addon.scene import sending_back

    built = head.data.portrait_relief_build
    before = sending_back.depth_map(head)
    built.grid, built.tolerance_mm, built.thickness_mm = grid, 0.5, 10.0
    built.back = back
    assert open_edges(head.data) == 0 and not head.data.validate()
    import bmesh

    solid = bmesh.new()
    solid.from_mesh(head.data)
    assert solid.calc_volume(signed=True) > 0, "its faces look inwards"
    solid.free()
    after = sending_back.depth_map(head)
    assert (np.isfinite(after) != np.isfinite(before)).mean() < 0.03
    inner = np.s_[20:76, 20:76]
    np.testing.assert_allclose(after[inner], before[inner], atol=2.5)
    head.data.portrait_relief.depth_scale = 1.5
    assert not np.isnan(coordinates(head.data)).any()
    if back == "PLATE":
        assert np.ptp(coordinates(head.data)[:, 0]) == pytest.approx(0.24, abs=1e-4)


def test_perspective_lies_on_the_cameras_rays_and_comes_back_as_the_same_depth(head):
    from blender_addon.scene import built_shape, sending_back

    before, width = sending_back.depth_map(head), np.ptp(coordinates(head.data)[:, 0])
    built = head.data.portrait_relief_build
    built.focal_mm = 72.0
    built.projection = "PERSPECTIVE"
    mesh = head.data
    assert mesh.portrait_relief.camera_distance_mm == pytest.approx(480.0)  # 72 / 36 * 240 mm
    points, depth = coordinates(mesh), depths(mesh)
    uv = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", uv)
    corner = np.array([loop.vertex_index for loop in mesh.loops])
    flat = (uv.reshape(-1, 2)[:, 0] - 0.5) * 0.24
    seen = points[corner, 0] / (1 - depth[corner] / 480.0)
    np.testing.assert_allclose(seen, flat, atol=1e-5)
    assert np.ptp(points[:, 0]) < width and not built_shape.is_edited(mesh)
    after = sending_back.depth_map(head)
    np.testing.assert_allclose(after[20:76, 20:76], before[20:76, 20:76], atol=2.0)
    mesh.portrait_relief.depth_scale = 0.6
    np.testing.assert_allclose(sending_back.depth_map(head)[20:76, 20:76], before[20:76, 20:76], atol=3.0)
    mesh.portrait_relief.depth_scale = -1.0
    with pytest.raises(RuntimeError, match="inside the relief"):
        bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=1)


def test_the_displace_modifier_gives_the_same_shape_and_the_slider_moves_it(head, tmp_path):
    from blender_addon.scene import built_shape, sending_back

    before, sent = evaluated(head), sending_back.depth_map(head)
    head.modifiers.new("Mine", "SUBSURF").show_viewport = False
    head.data.portrait_relief_build.variant = "DISPLACE"
    assert np.ptp(coordinates(head.data)[:, 1]) == 0.0
    assert [modifier.name for modifier in head.modifiers] == ["Relief Depth", "Mine"]
    inner = np.hypot(before[:, 0], before[:, 2]) < 0.085
    np.testing.assert_allclose(evaluated(head)[inner], before[inner], atol=5e-4)
    assert not built_shape.is_edited(head.data)
    head.data.portrait_relief.depth_scale = 0.5
    np.testing.assert_allclose(evaluated(head)[inner, 1], 0.5 * before[inner, 1], atol=5e-4)
    np.testing.assert_allclose(sending_back.depth_map(head)[30:60, 30:60], sent[30:60, 30:60], atol=1.5)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "displaced.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "displaced.blend"))
    again = bpy.data.objects["Ball"]
    np.testing.assert_allclose(evaluated(again)[inner, 1], 0.5 * before[inner, 1], atol=5e-4)
    again.data.portrait_relief_build.variant = "MESH"
    assert [modifier.name for modifier in again.modifiers] == ["Mine"]
    np.testing.assert_allclose(coordinates(again.data)[inner, 1], 0.5 * before[inner, 1], atol=1e-5)


def test_the_normal_map_holds_what_the_mesh_is_too_coarse_for(addon):
    from blender_addon.core.detail_map import detail_normals
    from tests.blender_addon.inside_blender.contents import image_pixels

    x = np.mgrid[:64, :64][1].astype(np.float32)
    ramp = detail_normals(0.7 * x, np.ones((64, 64), bool), 1.0, 4.0)
    np.testing.assert_allclose(ramp[8:-8, 8:-8], np.broadcast_to((0.5, 0.5, 1.0), (48, 48, 3)), atol=1e-3)
    waves = detail_normals(0.5 * np.sin(x * np.pi), np.ones((64, 64), bool), 1.0, 8.0)
    assert waves.shape == (64, 64, 3) and np.isfinite(waves).all()
    steps = np.where(x % 8 < 4, 0.0, 1.0).astype(np.float32)
    bumpy = detail_normals(steps, np.ones((64, 64), bool), 1.0, 8.0)
    assert bumpy[32, 28, 0] < 0.4 and bumpy[32, 32, 0] > 0.6  # a rise to the right faces left

    head = make_head()
    head.data.portrait_relief_build.density = 24
    head.data.portrait_relief_build.normal_map = True
    shader = next(
        node
        for node in head.data.materials[0].node_tree.nodes
        if node.bl_idname == "ShaderNodeBsdfPrincipled"
    )
    mapped = shader.inputs["Normal"].links[0].from_node
    image = mapped.inputs["Color"].links[0].from_node.image
    assert image.packed_file and image.colorspace_settings.is_data and image_pixels(image)[48, 48, 2] > 0.9
    head.data.portrait_relief_build.normal_map = False
    assert not shader.inputs["Normal"].links


def test_settings_of_a_relief_in_another_mode_wait(head):
    bpy.ops.object.mode_set(mode="SCULPT")
    before = len(head.data.vertices)
    head.data.portrait_relief_build.density = 24
    assert len(head.data.vertices) == before
    assert not bpy.ops.portrait_relief.rebuild_relief.poll()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert bpy.ops.portrait_relief.rebuild_relief() == {"FINISHED"} and len(head.data.vertices) < before


def test_without_its_depth_picture_it_says_so(head):
    from blender_addon.scene import images

    bpy.data.images.remove(images.find("ball", "depth"))
    with pytest.raises(RuntimeError, match="depth picture"):
        bpy.ops.portrait_relief.rebuild_relief()
    assert len(head.data.vertices) > 1000


def test_another_uv_map_does_not_mislead_depth_scale(head):
    from blender_addon.scene import relief_object

    before = relief_object.placement_of(head.data).axes.copy()
    other = head.data.uv_layers.new(name="Bake")
    uv = np.empty(len(head.data.loops) * 2, np.float32)
    head.data.uv_layers["UVMap"].uv.foreach_get("vector", uv)
    other.uv.foreach_set("vector", uv[::-1] * 0.6)
    head.data.uv_layers.active = other
    assert np.array_equal(relief_object.placement_of(head.data).axes, before)


@pytest.mark.parametrize("work", ["colours", "weights", "uv", "material"])
def test_what_an_artist_put_on_a_relief_is_not_rebuilt_away_unasked(head, work):
    from blender_addon.scene import built_shape

    assert not built_shape.is_edited(head.data)
    if work == "colours":
        head.data.color_attributes.new("Col", "FLOAT_COLOR", "POINT")
    elif work == "weights":
        head.vertex_groups.new(name="Lips").add([0], 1.0, "REPLACE")
    elif work == "uv":
        head.data.uv_layers.new(name="Bake")
    else:
        head.data.materials.append(bpy.data.materials.new("Gold"))
        assert not built_shape.is_edited(head.data)
        head.data.polygons[3].material_index = 1
    assert built_shape.is_edited(head.data)


def test_in_edit_mode_the_buttons_say_what_to_do(head):
    bpy.ops.portrait_relief.apply_light_rig(rig="THREE_POINT")
    lights = len(bpy.data.lights)
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        for name in (
            "apply_light_rig",
            "view_relief",
            "check_relief",
            "export_relief",
            "relit_still",
            "repaint",
        ):
            assert not getattr(bpy.ops.portrait_relief, name).poll(), name
        with pytest.raises(RuntimeError, match="poll"):
            bpy.ops.portrait_relief.apply_light_rig(rig="REMBRANDT")
        head.portrait_relief_light.azimuth = 70.0  # no error; the rig stays where it is
        assert bpy.ops.portrait_relief.remove_light_rig.poll()  # that needs no shape
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
    assert len(bpy.data.lights) == lights


def test_a_normal_map_knows_the_depth_scale_it_was_made_for(head):
    from blender_addon.scene import images, relief_build

    mesh = head.data
    mesh.portrait_relief_build.density = 24
    mesh.portrait_relief_build.normal_map = True
    assert relief_build.is_up_to_date(mesh)
    image = images.find(mesh.portrait_relief.result_id, relief_build.NORMALS_KIND)
    assert image is not None
    before = image_pixels(image)
    mesh.vertices[5].co.y -= 0.02  # sculpted
    mesh.portrait_relief.depth_scale = 0.25
    assert not relief_build.is_up_to_date(mesh) and (image_pixels(image) == before).all()
    sculpted = coordinates(mesh)
    assert bpy.ops.portrait_relief.rebuild_relief() == {"FINISHED"}
    assert relief_build.is_up_to_date(mesh) and (coordinates(mesh) == sculpted).all()
    slope_before, slope = (
        np.abs((pixels[:, :, 0] - 0.5) / (pixels[:, :, 2] - 0.5)) for pixels in (before, image_pixels(image))
    )
    steep = (slope_before > 0.3) & (slope_before < 3)
    assert steep.sum() > 20
    np.testing.assert_allclose(slope[steep], 0.25 * slope_before[steep], atol=0.03)
    mesh.portrait_relief_build.normal_map = False
    mesh.portrait_relief.depth_scale = 1.0
    assert not relief_build.has_stale_normal_map(mesh)
