# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made is seen: the relief framed from its front, the still in an Image Editor, never over other pictures."""

from __future__ import annotations

import bpy
import mathutils
import numpy as np
import pytest

from tests.blender_addon.inside_blender.test_light_in_blender import head  # noqa: F401


@pytest.fixture
def view(addon) -> bpy.types.SpaceView3D:
    return next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D").spaces.active


@pytest.fixture
def editor(addon) -> bpy.types.SpaceImageEditor:
    area = next(area for area in bpy.context.screen.areas if area.type == "DOPESHEET_EDITOR")
    area.type = "IMAGE_EDITOR"
    return area.spaces.active


@pytest.fixture
def still(head) -> bpy.types.Image:  # noqa: F811
    assert bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=1) == {"FINISHED"}
    return next(image for image in bpy.data.images if image.name == "Ball Relit")


def window_size(view: bpy.types.SpaceView3D) -> tuple[int, int]:
    area = next(area for area in bpy.context.screen.areas if area.spaces.active == view)
    return next((region.width, region.height) for region in area.regions if region.type == "WINDOW")


def seen(view: bpy.types.SpaceView3D, item: bpy.types.Object) -> np.ndarray:
    """Where the object's vertices lie in the view: right, up, towards the viewer, in pixels."""
    region, to_world = view.region_3d, item.matrix_world
    place = mathutils.Matrix.LocRotScale(region.view_location, region.view_rotation, None).inverted()
    points = np.array([(place @ to_world @ vertex.co)[:] for vertex in item.data.vertices])
    return points / (region.view_distance * 72.0 / view.lens) * max(window_size(view))


@pytest.mark.parametrize("applied", [False, True])
def test_a_turned_relief_fills_the_view_with_its_front_towards_it(head, view, applied):  # noqa: F811
    head.location, head.scale, head.rotation_euler = (3.0, -1.0, 2.0), (0.4,) * 3, (0.5, 0.2, 2.0)
    bpy.context.view_layer.update()
    if applied:
        bpy.ops.object.transform_apply()
        bpy.context.view_layer.update()
    assert bpy.ops.portrait_relief.view_relief() == {"FINISHED"}
    points = seen(view, head)
    # An applied rotation leaves the bounding box along the axes, looser than the head.
    assert (0.5 if applied else 0.7) < (2 * np.abs(points[:, :2]) / window_size(view)).max() < 1.0
    depth = np.array([value.value for value in head.data.attributes["depth_mm"].data])
    assert np.corrcoef(points[:, 2], depth)[0, 1] > 0.999
    uv = np.empty((len(head.data.loops), 2), np.float32)
    head.data.uv_layers.active.uv.foreach_get("vector", uv.ravel())
    corners = np.array([loop.vertex_index for loop in head.data.loops])
    assert np.corrcoef(points[corners, 0], uv[:, 0])[0, 1] > 0.999  # the photo's right is the view's right
    assert np.corrcoef(points[corners, 1], uv[:, 1])[0, 1] > 0.999
    assert view.region_3d.view_perspective == "ORTHO" and view.shading.color_type == "TEXTURE"


def test_a_still_is_shown_in_an_empty_image_editor_and_again_by_its_button(still, editor):
    assert bpy.ops.portrait_relief.show_still() == {"FINISHED"}
    assert editor.image == still


def test_a_new_still_takes_the_place_of_our_pictures_but_never_of_the_artists(head, editor):  # noqa: F811
    mine = bpy.data.images.new("mine", 8, 8)
    editor.image = mine
    bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=1)
    assert editor.image == mine
    editor.image = next(image for image in bpy.data.images if image.name == "Ball RGB")
    bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=1)
    assert editor.image.name == "Ball Relit"


def test_the_uv_editor_is_left_alone(still, editor):
    area = next(area for area in bpy.context.screen.areas if area.type == "IMAGE_EDITOR")
    area.ui_type = "UV"
    assert bpy.ops.portrait_relief.show_still() == {"CANCELLED"}  # in background there is no window to open
    assert area.spaces.active.image is None


def test_the_button_beside_it_saves_it(still, tmp_path):
    path = tmp_path / "relit.png"
    with bpy.context.temp_override(edit_image=still):
        assert bpy.ops.image.save_as(filepath=str(path), copy=True) == {"FINISHED"}
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_a_still_there_is_nothing_to_show(head):  # noqa: F811
    assert not bpy.ops.portrait_relief.show_still.poll()


def test_a_photo_on_disk_becomes_a_relief_in_one_step(fake, tmp_path):
    from blender_addon.core import arrays

    path = tmp_path / "anna.png"
    path.write_bytes(arrays.write_png(np.full((48, 40, 3), 90, np.uint8)))
    fake("ok")
    assert bpy.ops.portrait_relief.relief_from_photo(filepath=str(path), timeout=20) == {"FINISHED"}
    assert [item.name for item in bpy.data.objects] == ["anna Relief"]
    settings = bpy.context.scene.portrait_relief
    assert (settings.source, settings.filepath) == ("FILE", str(path))
