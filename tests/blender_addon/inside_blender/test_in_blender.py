# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in Blender: registration, whole jobs, what is imported, what stays after saving, and failures."""

from __future__ import annotations

import json
import os
import signal

import bpy
import mathutils
import numpy as np
import pytest

from tests.blender_addon.inside_blender.contents import coordinates, depths, image_pixels, relief


def test_registering_twice_leaves_nothing_behind():
    import blender_addon

    def traces() -> list[str]:
        names = [name for name in dir(bpy.types) if "portrait_relief" in name.lower()]
        owners = (bpy.types.Scene, bpy.types.WindowManager, bpy.types.Mesh)
        names += [owner.__name__ for owner in owners if hasattr(owner, "portrait_relief")]
        for handlers in (bpy.app.handlers.load_pre, bpy.app.handlers.load_post):
            names += [str(handler) for handler in handlers if "blender_addon" in handler.__module__]
        return names

    for _ in range(2):
        blender_addon.register()
        assert traces()
        assert hasattr(bpy.types, "PORTRAIT_RELIEF_OT_generate")
        blender_addon.unregister()
        assert traces() == []


def test_every_coefficient_is_a_slider_and_presets_reset_and_mirror_move_them(addon):
    from blender_addon.core import arkit

    settings = bpy.context.scene.portrait_relief
    assert all(getattr(settings, name) == 0.0 for name in arkit.ARKIT_NAMES)
    assert bpy.ops.portrait_relief.apply_preset(preset="WINK_LEFT") == {"FINISHED"}
    assert settings.eyeBlinkLeft == 1.0 and settings.eyeBlinkRight == 0.0
    bpy.ops.portrait_relief.mirror_expression()
    assert settings.eyeBlinkRight == 1.0 and settings.eyeBlinkLeft == 0.0
    bpy.ops.portrait_relief.reset_expression(region="EYES")
    assert settings.eyeBlinkRight == 0.0 and settings.mouthSmileRight > 0
    bpy.ops.portrait_relief.reset_expression()
    assert settings.mouthSmileRight == 0.0
    assert settings.keep_unset
    bpy.ops.portrait_relief.apply_preset(preset="NEUTRAL")
    assert not settings.keep_unset  # else a neutral face would ask for nothing


def test_generate_imports_a_relief_with_packed_pictures(fake, photo):
    fake("ok")
    settings = bpy.context.scene.portrait_relief
    settings.jawOpen = 0.5
    assert bpy.ops.portrait_relief.generate(timeout=20) == {"FINISHED"}
    shown = bpy.context.window_manager.portrait_relief
    assert (shown.state, shown.message, shown.progress) == ("DONE", "", 1.0)

    item = relief()
    mesh = item.data
    # A half ball of radius 0.4 * 40 = 16 px: a disc of about pi * 16^2 pixels, one vertex each.
    assert abs(len(mesh.vertices) - np.pi * 16**2) < 40
    assert len(mesh.polygons) > 650
    assert not mesh.validate()
    positions, depth = coordinates(mesh), depths(mesh)
    assert depth.max() == pytest.approx(100 * np.sqrt(1 - 0.5 / 256), abs=0.01)
    np.testing.assert_allclose(positions[:, 1], -0.001 * depth, atol=1e-6)
    mm_per_px = 250 / 48
    pixel_m = mm_per_px * 0.001
    assert np.ptp(positions[:, 2]) == pytest.approx(31 * pixel_m, abs=0.2 * pixel_m)  # the rim is smoothed
    inside = depth > 60
    rows = np.unique((positions[inside, 2] / pixel_m).round(4))
    np.testing.assert_allclose(np.diff(rows), 1.0, atol=1e-3)
    assert (np.array([polygon.normal.y for polygon in mesh.polygons]) < 0).all()
    assert item.select_get() and bpy.context.view_layer.objects.active == item

    uv = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", uv)
    corner = np.empty(len(mesh.loops), np.int32)
    mesh.attributes[".corner_vert"].data.foreach_get("value", corner)
    x_px = positions[corner, 0] / (0.001 * mm_per_px) + 20
    np.testing.assert_allclose(uv.reshape(-1, 2)[:, 0], x_px / 40, atol=1e-4)

    rgb, depth_image = bpy.data.images["portrait Relief RGB"], bpy.data.images["portrait Relief Depth"]
    assert rgb.packed_file and depth_image.packed_file
    assert tuple(rgb.size) == tuple(depth_image.size) == (40, 48)
    assert depth_image.colorspace_settings.is_data and depth_image.is_float
    assert image_pixels(depth_image)[24, 20, 0] == pytest.approx(depth.max(), abs=1e-3)

    shader = next(n for n in mesh.materials[0].node_tree.nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")
    assert shader.inputs["Base Color"].links[0].from_node.image == rgb
    (result,) = settings.results
    assert result.mode == "generate" and json.loads(result.expression)["jawOpen"] == 0.5
    assert "0.50" in result.summary


def test_depth_scale_works_after_saving_and_reloading_without_a_backend(fake, photo, tmp_path):
    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    bpy.ops.portrait_relief.stop_backend()
    before = {image.name: image_pixels(image).copy() for image in bpy.data.images if "Relief" in image.name}
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert len(before) == 2
    for name, pixels in before.items():
        assert pixels[:, :, :3].max() > 0.5
        np.testing.assert_array_equal(image_pixels(bpy.data.images[name]), pixels)
    mesh = relief().data
    old, depth = coordinates(mesh), depths(mesh)
    old[7] += (0.0, 0.05, 0.02)  # sculpted
    mesh.vertices[7].co = old[7]
    mesh.portrait_relief.depth_scale = 1.5
    new = coordinates(mesh)
    np.testing.assert_allclose(new[:, 1] - old[:, 1], -0.0005 * depth, atol=1e-6)
    np.testing.assert_array_equal(new[:, [0, 2]], old[:, [0, 2]])
    mesh.portrait_relief.depth_scale = 1.0
    np.testing.assert_allclose(coordinates(mesh), old, atol=1e-6)
    assert len(bpy.context.scene.portrait_relief.results) == 1
    assert bpy.ops.portrait_relief.select_result() == {"FINISHED"}


def test_every_relief_is_as_it_was_in_a_file_opened_without_a_backend(fake, photo, tmp_path, monkeypatch):
    from blender_addon import runtime

    fake("ok")
    for operator in ("estimate_depth", "generate"):
        getattr(bpy.ops.portrait_relief, operator)(timeout=20)
    first, second = (item for item in bpy.data.objects if item.type == "MESH")
    first.data.vertices[5].co.z += 0.02  # sculpted
    built = second.data.portrait_relief_build
    built.back, built.projection, built.normal_map = "SOLID", "PERSPECTIVE", True
    bpy.context.view_layer.objects.active = second
    bpy.ops.portrait_relief.delight()
    bpy.ops.portrait_relief.apply_light_rig(rig="REMBRANDT")
    bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=1)
    first.hide_set(True)

    def kept() -> dict[str, np.ndarray]:
        bpy.context.view_layer.update()
        meshes = {item.name: coordinates(item.data) for item in bpy.data.objects if item.type == "MESH"}
        packed = [image for image in bpy.data.images if image.packed_file is not None]
        places = {f"place of {item.name}": np.array(item.matrix_world) for item in bpy.data.objects}
        seen = {f"seen {item.name}": np.array(item.visible_get()) for item in bpy.data.objects}
        wires = {
            f"wires of {material.name}": np.array(
                sorted(
                    f"{wire.from_node.name} {getattr(getattr(wire.from_node, 'image', None), 'name', '')} "
                    f"-> {wire.to_socket.name}"
                    for wire in material.node_tree.links
                )
            )
            for material in bpy.data.materials
        }
        return meshes | {image.name: image_pixels(image) for image in packed} | places | seen | wires

    before = kept()
    names = [image.name for image in bpy.data.images if image.packed_file is not None]
    # portrait and depth of each; of the second the albedo, the normals and the still, too
    assert len(names) == 4 + 3, names
    assert any(name.startswith("place of") and "Key" in name for name in before), sorted(before)
    path = str(tmp_path / "reliefs.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    runtime.close()
    monkeypatch.setenv("PORTRAIT_RELIEF_PYTHON", "/nowhere/python")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    after = kept()
    assert sorted(after) == sorted(before)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)


def test_density_limits_the_vertices(fake, photo):
    fake("ok")
    bpy.context.scene.portrait_relief.density = 16
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    mesh = relief().data
    # 32 pixels of head: every row of vertices that the rim's smoothing does not touch is two pixels below the last.
    rows = np.unique((coordinates(mesh)[depths(mesh) > 60, 2] / (250 / 48 * 0.001)).round(4))
    np.testing.assert_allclose(np.diff(rows), 2.0, atol=1e-3)
    assert len(mesh.vertices) == pytest.approx(np.pi * 8**2, abs=20)


def test_what_is_sent_is_what_was_chosen(fake, photo):
    fake("ok")
    settings = bpy.context.scene.portrait_relief
    settings.mouthPucker, settings.keep_unset, settings.use_pose, settings.yaw = 0.25, True, True, -12.0
    settings.seed, settings.face = 7, 2
    bpy.ops.portrait_relief.generate(timeout=20)
    from blender_addon import runtime

    lines = runtime.session().backend.log_path.read_text().splitlines()
    line = next(line for line in lines if line.startswith("request"))
    request = json.loads(line[len("request ") : line.rindex("}") + 1])
    assert request["expression"] == {"mouthPucker": 0.25}
    assert request["pose"] == {"yaw": -12.0, "pitch": 0.0, "roll": 0.0}
    assert (request["seed"], request["face"], request["steps"], request["mode"]) == (7, 1, None, "generate")


def test_the_panel_counts_faces_in_the_words_of_the_command_line(addon):
    from backend.photo_commands import FACE_HELP

    described = bpy.context.scene.portrait_relief.bl_rna.properties["face"].description
    assert described.lower() == FACE_HELP.lower() and "from 1" in described


def test_pixels_are_sent_as_stored(photo):
    import io

    from PIL import Image

    from blender_addon.scene import images

    sent = np.asarray(Image.open(io.BytesIO(images.png_of_image(photo))))
    assert sent.shape == (48, 40, 3)
    np.testing.assert_array_equal(sent[0, :, 0], np.arange(40))
    np.testing.assert_array_equal(sent[:, 0, 1], np.arange(48)[::-1])
    assert (sent[:, :, 2] == 128).all()


def test_float_pictures_are_encoded_as_srgb(addon):
    import io

    from PIL import Image

    from blender_addon.scene import images

    image = bpy.data.images.new("float", 4, 4, float_buffer=True)
    image.pixels.foreach_set(np.tile(np.array([0.5, 0.2, 0.0, 1.0], np.float32), 16))
    sent = np.asarray(Image.open(io.BytesIO(images.png_of_image(image))))
    assert sent[2, 2].tolist() == [188, 124, 0]


def test_a_file_is_a_source_too(fake, tmp_path):
    from blender_addon.core import arrays

    fake("ok")
    path = tmp_path / "anna.png"
    path.write_bytes(arrays.write_png(np.full((32, 32, 3), 50, np.uint8)))
    settings = bpy.context.scene.portrait_relief
    settings.source, settings.filepath = "FILE", str(path)
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    assert relief().name == "anna Relief"


def test_unregistering_ends_the_backend(photo, fake):
    import blender_addon
    from blender_addon import runtime

    fake("slow")
    bpy.ops.portrait_relief.start_backend()
    pid = runtime.session().backend.pid
    assert pid is not None
    blender_addon.unregister()
    try:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    finally:
        blender_addon.register()


def test_a_sculpted_relief_becomes_a_depth_map_again_and_is_sent(fake, photo):
    from blender_addon.scene import sending_back

    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    item = relief()
    item.data.portrait_relief.depth_scale = 0.5
    depth = sending_back.depth_map(item)
    y, x = np.mgrid[:48, :40] + 0.5
    r = np.hypot(x - 20, y - 24) / 16
    known = np.isfinite(depth) & (r < 0.8)
    assert known.sum() > 0.95 * (r < 0.8).sum()
    assert np.abs(depth - 100 * np.sqrt(np.clip(1 - r * r, 0, 1)))[known].mean() < 3.0
    assert bpy.ops.portrait_relief.check_relief() == {"FINISHED"}
    assert bpy.ops.portrait_relief.repaint(timeout=20) == {"FINISHED"}
    results = bpy.context.scene.portrait_relief.results
    assert [(result.mode, result.summary) for result in results] == [
        ("depth", "Depth of the photo"),
        ("appearance", "Repainted from a relief"),
    ]


def test_an_applied_transform_leaves_the_depth_slider_and_the_way_back_working(fake, photo):
    from blender_addon.scene import sending_back

    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    item = relief()
    before = sending_back.depth_map(item)
    item.scale, item.rotation_euler, item.location = (2.5,) * 3, (0.3, 0.0, 0.7), (1.0, 2.0, 3.0)
    bpy.context.view_layer.update()
    placed = item.matrix_world.copy()
    bpy.ops.object.transform_apply()
    depth, old = depths(item.data), coordinates(item.data)
    item.data.portrait_relief.depth_scale = 0.4
    towards = np.array(placed.to_3x3() @ mathutils.Vector((0, -0.001, 0)))
    np.testing.assert_allclose(coordinates(item.data) - old, -0.6 * depth[:, None] * towards, atol=1e-4)
    after = sending_back.depth_map(item)
    both = np.isfinite(before) & np.isfinite(after)
    assert both.sum() > 0.95 * np.isfinite(before).sum()
    assert np.abs(after - before)[both].mean() < 0.5


def test_a_saved_result_folder_is_imported(addon, tmp_path):
    from blender_addon.core import arrays

    depth = np.full((32, 32), np.nan, np.float32)
    depth[4:28, 4:28] = 12.0
    (tmp_path / "portrait.png").write_bytes(arrays.write_png(np.full((32, 32, 3), 50, np.uint8)))
    (tmp_path / "depth.npy").write_bytes(arrays.write_npy(depth))
    (tmp_path / "report.json").write_text(json.dumps({"mm_per_px": 2.0}))
    assert bpy.ops.portrait_relief.import_result(directory=str(tmp_path)) == {"FINISHED"}
    assert len(relief().data.vertices) == 24 * 24
    with pytest.raises(RuntimeError, match="cannot be imported"):
        bpy.ops.portrait_relief.import_result(directory=str(tmp_path / "missing"))
    for report in ([], {"mm_per_px": [2.0]}, {"mm_per_px": float("inf")}):
        (tmp_path / "report.json").write_text(json.dumps(report))
        with pytest.raises(RuntimeError, match="no mm_per_px"):
            bpy.ops.portrait_relief.import_result(directory=str(tmp_path))
    (tmp_path / "depth.npy").unlink()
    (tmp_path / "depth.exr").write_bytes(b"cut off")
    with pytest.raises(RuntimeError, match="cannot be imported"):
        bpy.ops.portrait_relief.import_result(directory=str(tmp_path))


def test_a_full_copy_of_a_scene_has_reliefs_of_its_own(fake, photo):
    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    bpy.ops.scene.new(type="FULL_COPY")
    (copy,) = bpy.context.scene.objects
    assert bpy.ops.portrait_relief.select_result() == {"FINISHED"}
    assert bpy.context.view_layer.objects.active == copy


def test_a_linked_collection_that_is_active_does_not_stop_the_import(fake, photo, tmp_path):
    path = str(tmp_path / "library.blend")
    kit = bpy.data.collections.new("kit")
    bpy.data.libraries.write(path, {kit})
    bpy.data.collections.remove(kit)
    with bpy.data.libraries.load(path, link=True) as (_theirs, ours):
        ours.collections = ["kit"]
    (linked,) = ours.collections
    bpy.context.scene.collection.children.link(linked)
    layer = bpy.context.view_layer
    layer.active_layer_collection = layer.layer_collection.children["kit"]
    fake("ok")
    assert bpy.ops.portrait_relief.estimate_depth(timeout=20) == {"FINISHED"}
    assert relief().users_collection == (bpy.context.scene.collection,)


def test_depth_scale_waits_for_the_end_of_dyntopo(fake, photo):
    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    mesh = relief().data
    bpy.ops.object.mode_set(mode="SCULPT")
    bpy.ops.sculpt.dynamic_topology_toggle()
    mesh.portrait_relief.depth_scale = 2.0
    bpy.ops.sculpt.dynamic_topology_toggle()
    bpy.ops.object.mode_set(mode="OBJECT")
    mesh.portrait_relief.depth_scale = 3.0
    np.testing.assert_allclose(coordinates(mesh)[:, 1], -0.003 * depths(mesh), atol=1e-5)


def test_a_report_for_bug_reports_tells_the_last_error(fake, photo, capfd):
    fake("oom")
    with pytest.raises(RuntimeError):
        bpy.ops.portrait_relief.generate(timeout=20)
    assert bpy.ops.portrait_relief.copy_report() == {"FINISHED"}
    report = capfd.readouterr().out
    assert f"Blender {bpy.app.version_string}" in report and "Portrait Relief 0." in report
    assert "Job: There is not enough memory for this picture." in report and "POST /v1/jobs" in report


def test_recalled_sliders_ask_for_the_same_again(fake, photo):
    from blender_addon import requests

    fake("ok")
    settings = bpy.context.scene.portrait_relief
    settings.jawOpen, settings.use_pose, settings.yaw, settings.keep_unset = 0.5, True, 10.0, False
    bpy.ops.portrait_relief.generate(timeout=20)
    sent = requests.expression(settings), requests.pose(settings)
    settings.jawOpen, settings.use_pose, settings.yaw, settings.keep_unset = 0.0, False, 0.0, True
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    assert bpy.ops.portrait_relief.recall_expression(index=0) == {"FINISHED"}
    assert (requests.expression(settings), requests.pose(settings)) == sent
    assert bpy.ops.portrait_relief.recall_expression(index=1) == {"CANCELLED"}
    assert settings.jawOpen == 0.5


def test_no_temporary_file_is_left(fake, photo):
    from blender_addon import storage

    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    assert not list(storage.temporary().glob("*"))
