# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions from shape keys, recordings and own presets, and portraits from where Blender has them."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from PIL import Image

from blender_addon import requests
from tests.blender_addon.core.test_addon_driving import _csv
from tests.blender_addon.inside_blender import drawing


@pytest.fixture
def rig(addon) -> bpy.types.Object:
    """A mesh with ARKit shape keys, one of them animated from 0 at frame 1 to 1 at frame 11."""
    mesh = bpy.data.meshes.new("rig")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    item = bpy.data.objects.new("rig", mesh)
    bpy.context.scene.collection.objects.link(item)
    for name in ("Basis", "jawOpen", "mouthSmile_L", "EyeBlinkRight", "earWiggle"):
        item.shape_key_add(name=name)
    keys = mesh.shape_keys.key_blocks
    keys["mouthSmile_L"].value = 0.4
    keys["EyeBlinkRight"].value, keys["EyeBlinkRight"].mute = 0.9, True
    for frame, value in ((1, 0.0), (11, 1.0)):
        keys["jawOpen"].value = value
        keys["jawOpen"].keyframe_insert("value", frame=frame)
    return item


def test_a_driving_mesh_is_followed_with_its_animation(rig):
    from blender_addon import requests

    settings = bpy.context.scene.portrait_relief
    settings.mouthPucker = 0.5  # no key of the mesh: the slider stays
    settings.mouthSmileLeft = 1.0  # a key of the mesh: overruled
    settings.driving_object = rig
    bpy.context.scene.frame_set(6)
    values = requests.expression(settings)
    assert values["jawOpen"] == pytest.approx(0.5, abs=0.01)
    assert values["mouthSmileLeft"] == pytest.approx(0.4)
    assert values["mouthPucker"] == 0.5 and "eyeBlinkRight" not in values
    bpy.context.scene.frame_set(11)
    assert requests.expression(settings)["jawOpen"] == pytest.approx(1.0)
    assert bpy.ops.portrait_relief.read_shape_keys() == {"FINISHED"}
    assert settings.jawOpen == pytest.approx(1.0) and settings.mouthPucker == 0.0


def test_a_driving_mesh_that_lost_its_keys_or_was_deleted_leaves_the_sliders(rig):
    from blender_addon import requests

    settings = bpy.context.scene.portrait_relief
    settings.driving_object, settings.jawOpen = rig, 0.3
    rig.shape_key_clear()
    assert requests.expression(settings) == {"jawOpen": pytest.approx(0.3)}
    bpy.data.objects.remove(rig)
    assert requests.expression(settings) == {"jawOpen": pytest.approx(0.3)}


def test_a_recording_becomes_keyframes_of_the_sliders_at_the_scenes_rate(addon, tmp_path):
    path = tmp_path / "take.csv"
    rows = [{"jawOpen": 0.2 + 0.5 * number / 60, "yaw": 0.1} for number in range(61)]
    path.write_text(_csv(rows, [f"00:00:{number // 60:02d}:{number % 60:02d}.0" for number in range(61)]))
    scene = bpy.context.scene
    scene.render.fps = 24
    settings = scene.portrait_relief
    settings.browInnerUp = 0.7
    for _ in range(2):  # a second time replaces the first
        assert bpy.ops.portrait_relief.import_live_link(
            filepath=str(path), start_frame=10, own="neutral"
        ) == {"FINISHED"}
    scene.frame_set(10)
    assert settings.jawOpen == pytest.approx(0.0, abs=1e-4)
    scene.frame_set(22)
    assert settings.jawOpen == pytest.approx(0.25, abs=0.01)
    scene.frame_set(34)
    assert settings.jawOpen == pytest.approx(0.5, abs=0.01)
    assert not settings.use_pose and settings.yaw == 0.0
    bpy.ops.portrait_relief.import_live_link(
        filepath=str(path), start_frame=10, relative=False, use_pose=True, strength=0.5
    )
    scene.frame_set(34)
    assert settings.jawOpen == pytest.approx(0.35, abs=0.01)
    assert settings.use_pose and settings.yaw == pytest.approx(np.degrees(0.1) / 2, abs=0.01)


def test_a_file_that_is_no_recording_changes_nothing_and_is_named(addon, tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text("hello,world\n1,2\n")
    with pytest.raises(RuntimeError, match=r"notes\.csv is no Live Link Face recording"):
        bpy.ops.portrait_relief.import_live_link(filepath=str(path))
    assert bpy.context.scene.animation_data is None


def test_own_expressions_come_back_in_another_file(addon, tmp_path, monkeypatch):
    from blender_addon import own_presets_folder

    monkeypatch.setattr(own_presets_folder.storage, "folder", lambda: tmp_path)
    own_presets_folder.refresh()
    bpy.context.scene.portrait_relief.noseSneerLeft = 0.6
    assert bpy.ops.portrait_relief.save_own_preset(name="Sniff") == {"FINISHED"}
    assert own_presets_folder.names() == ["Sniff"]
    bpy.ops.portrait_relief.reset_expression()
    bpy.context.scene.portrait_relief.preset_strength = 0.5
    assert bpy.ops.portrait_relief.apply_own_preset(name="Sniff") == {"FINISHED"}
    assert bpy.context.scene.portrait_relief.noseSneerLeft == pytest.approx(0.3)
    assert bpy.ops.portrait_relief.rename_own_preset(name="Sniff", new_name="Sneer") == {"FINISHED"}
    with pytest.raises(RuntimeError, match="Sniff"):
        bpy.ops.portrait_relief.apply_own_preset(name="Sniff")
    assert bpy.ops.portrait_relief.delete_own_preset(name="Sneer") == {"FINISHED"}
    assert own_presets_folder.names() == []


def stored_photo(tmp_path, name: str, **options) -> tuple[bpy.types.Image, bytes]:
    """A file of 60 x 40 px as Blender opens it, and its content."""
    path = tmp_path / name
    Image.new("RGB", (60, 40), (200, 120, 60)).save(path, **options)
    bpy.ops.portrait_relief.choose_picture(filepath=str(path))
    return bpy.context.scene.portrait_relief.image, path.read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_a_file_that_nobody_painted_on_is_sent_as_it_is(addon, tmp_path, name):
    settings = bpy.context.scene.portrait_relief
    image, content = stored_photo(tmp_path, name)
    assert requests.job_input(settings, "depth").portrait == content
    image.pack()
    (tmp_path / name).unlink()
    assert requests.job_input(settings, "depth").portrait == content
    image.pixels[0] = 0.0
    sent = requests.job_input(settings, "depth").portrait
    assert sent != content and np.asarray(Image.open(io.BytesIO(sent)))[-1, 0, 0] == 0


def test_a_picture_that_can_be_seen_through_is_sent_over_white(addon, tmp_path):
    path = tmp_path / "clear.png"
    Image.new("RGBA", (40, 40), (10, 20, 30, 0)).save(path)
    bpy.ops.portrait_relief.choose_picture(filepath=str(path))
    sent = requests.job_input(bpy.context.scene.portrait_relief, "depth").portrait
    assert np.asarray(Image.open(io.BytesIO(sent)))[5, 5].tolist() == [255, 255, 255]


def test_a_phone_held_upright_sends_an_upright_picture_and_crop(addon, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    settings = bpy.context.scene.portrait_relief
    image, content = stored_photo(tmp_path, "phone.jpg", exif=exif)
    assert tuple(image.size) == (60, 40)  # as Blender shows it
    settings.crop_left, settings.crop_top, settings.crop_side, settings.use_crop = 10, 3, 32, True
    sent = requests.job_input(settings, "depth")
    assert sent.portrait == content and sent.crop == (40 - 3 - 32, 10, 32)
    assert requests.asked(sent)["crop"] == (10, 3, 32)  # what the panel recalls
    settings.source, settings.filepath = "FILE", str(tmp_path / "phone.jpg")
    assert requests.job_input(settings, "depth").crop == (10, 3, 32)


def test_a_crop_by_hand_is_sent_and_nothing_else(photo):
    from blender_addon import requests

    settings = bpy.context.scene.portrait_relief
    assert requests.job_input(settings, "depth").request("id")["crop"] is None
    settings.crop_left, settings.crop_top, settings.crop_side, settings.use_crop = -5, 3, 64, True
    assert requests.job_input(settings, "depth").request("id")["crop"] == [-5, 3, 64]


def test_a_crop_typed_far_too_wide_becomes_the_widest_that_the_photo_allows(photo):
    settings = bpy.context.scene.portrait_relief
    settings.crop_side = 25000
    assert settings.crop_side == 4 * 48
    settings.source = "FILE"
    settings.crop_side = 100000
    assert settings.crop_side == 4 * 8000
    settings.crop_side = 600
    assert settings.crop_side == 600


def test_a_crop_that_is_given_up_leaves_source_and_picture_as_they_were(photo):
    from blender_addon import crop_overlay
    from blender_addon.core.crop import Crop
    from blender_addon.operators import crop as drawing_crops
    from blender_addon.operators.crop import take

    class Standing:
        """Window, workspace and area of a Blender without a window."""

        def __getattr__(self, _name):
            return lambda *_arguments: None

    other = bpy.data.images.new("other", 64, 64)
    settings = bpy.context.scene.portrait_relief
    settings.source = "FILE"
    space = SimpleNamespace(image=other)
    context = SimpleNamespace(
        scene=bpy.context.scene,
        space_data=space,
        window=Standing(),
        workspace=Standing(),
        window_manager=Standing(),
        area=Standing(),
    )
    operator: Any = drawing_crops.PORTRAIT_RELIEF_OT_draw_crop  # Blender alone makes instances
    drawing = SimpleNamespace(_end=lambda context, crop: operator._end(drawing, context, crop))
    assert operator.invoke(drawing, context, None) == {"RUNNING_MODAL"}
    crop_overlay.dragged = Crop(1, 2, 40)
    assert (
        crop_overlay.shown(settings, other) == Crop(1, 2, 40) and crop_overlay.shown(settings, photo) is None
    )
    assert operator.modal(drawing, context, SimpleNamespace(type="ESC", value="PRESS")) == {"CANCELLED"}
    assert (settings.source, settings.image, settings.use_crop) == ("FILE", photo, False)
    assert crop_overlay.shown(settings, other) is None
    take(settings, other, Crop(1, 2, 40))
    assert (settings.source, settings.image, settings.crop_side) == ("IMAGE", other, 40)
    assert crop_overlay.shown(settings, other) == Crop(1, 2, 40)


def test_a_crop_shows_over_the_picture_opened_from_the_chosen_file(addon, tmp_path):
    from blender_addon import crop_overlay
    from blender_addon.core.crop import Crop

    made = bpy.data.images.new("made", 64, 64)
    for name in ("chosen.png", "another.png"):
        made.filepath_raw, made.file_format = str(tmp_path / name), "PNG"
        made.save()
    chosen, another = (bpy.data.images.load(str(tmp_path / name)) for name in ("chosen.png", "another.png"))
    settings = bpy.context.scene.portrait_relief
    settings.source, settings.filepath = "FILE", str(tmp_path / "folder" / ".." / "chosen.png")
    settings.crop_left, settings.crop_top, settings.crop_side, settings.use_crop = 4, 5, 40, True
    assert crop_overlay.shown(settings, chosen) == Crop(4, 5, 40)
    assert crop_overlay.shown(settings, another) is None
    settings.filepath = ""
    assert crop_overlay.shown(settings, chosen) is None


def test_a_dropped_file_and_the_cameras_background_become_the_source(addon, tmp_path):
    from blender_addon.operators import portrait

    image = bpy.data.images.new("drawn", 8, 8)
    image.filepath_raw, image.file_format = str(tmp_path / "dropped.png"), "PNG"
    image.save()
    settings = bpy.context.scene.portrait_relief
    assert bpy.ops.portrait_relief.choose_picture(
        "INVOKE_DEFAULT", filepath=str(tmp_path / "dropped.png")
    ) == {"FINISHED"}
    assert settings.image.filepath.endswith("dropped.png") and settings.source == "IMAGE"
    handler = bpy.types.PORTRAIT_RELIEF_FH_portrait
    assert handler.bl_import_operator == "portrait_relief.choose_picture"
    assert set(portrait.PICTURE_ENDINGS) == set(handler.bl_file_extensions.split(";"))
    for kind, takes in (("VIEW_3D", True), ("IMAGE_EDITOR", True), ("TEXT_EDITOR", False)):
        with drawing.editor(kind) as context:
            assert handler.poll_drop(context) is takes

    assert not bpy.ops.portrait_relief.use_camera_background.poll()
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.background_images.new().image = image
    bpy.context.scene.camera = camera
    assert bpy.ops.portrait_relief.use_camera_background() == {"FINISHED"}
    assert settings.image == image


def test_symmetric_editing_moves_the_other_side_and_presets_stay_as_they_are(addon):
    settings = bpy.context.scene.portrait_relief
    settings.mouthSmileLeft = 0.4
    assert settings.mouthSmileRight == 0.0
    settings.symmetric = True
    settings.mouthSmileRight = 0.7
    settings.jawLeft = 0.5
    assert settings.mouthSmileLeft == pytest.approx(0.7) and settings.jawRight == 0.0
    bpy.ops.portrait_relief.apply_preset(preset="WINK_LEFT")
    assert (settings.eyeBlinkLeft, settings.eyeBlinkRight) == (1.0, 0.0)


def test_one_strength_scales_what_is_sent_and_is_animated_like_the_sliders(addon):
    from blender_addon import requests

    scene = bpy.context.scene
    settings = scene.portrait_relief
    settings.jawOpen, settings.browInnerUp, settings.expression_strength = 0.8, 0.4, 0.5
    assert requests.expression(settings) == {"jawOpen": pytest.approx(0.4), "browInnerUp": pytest.approx(0.2)}
    settings.expression_strength = 2.0
    assert requests.expression(settings)["jawOpen"] == 1.0
    for frame, value in ((1, 0.0), (11, 1.0)):
        settings.expression_strength = value
        settings.eyeWideLeft = value
        assert settings.keyframe_insert("expression_strength", frame=frame)
        assert settings.keyframe_insert("eyeWideLeft", frame=frame)
    scene.frame_set(6)
    assert settings.expression_strength == pytest.approx(0.5) == settings.eyeWideLeft


def test_the_library_has_a_picture_of_every_preset_and_of_own_ones_that_were_generated(
    fake, photo, tmp_path, monkeypatch
):
    from blender_addon import own_presets_folder, thumbnails
    from blender_addon.core import own_presets
    from blender_addon.core.presets import PRESETS

    monkeypatch.setattr(own_presets_folder, "path", lambda: tmp_path)

    def read(key: str) -> bool:  # icons have no numbers without a window
        icons = thumbnails._icons
        return icons is not None and key in icons and tuple(icons[key].image_size) > (0, 0)

    for preset in PRESETS:
        thumbnails.icon_of_preset(preset.identifier)
        assert read(f"preset/{preset.identifier}")
    assert len(PRESETS) >= 16
    files = list(thumbnails._FOLDER.glob("*.jpg"))
    assert len(files) == len(PRESETS) and sum(file.stat().st_size for file in files) < 400_000

    fake("ok")
    settings = bpy.context.scene.portrait_relief
    settings.jawOpen = 0.5
    bpy.ops.portrait_relief.generate(timeout=20)
    bpy.ops.portrait_relief.save_own_preset(name="Mine")
    thumbnails.icon_of_own("Mine")
    assert read("own/Mine")
    settings.jawOpen = 0.1  # no result shows this
    bpy.ops.portrait_relief.save_own_preset(name="Unseen")
    assert thumbnails.icon_of_own("Unseen") == 0 and not read("own/Unseen")
    bpy.ops.portrait_relief.rename_own_preset(name="Mine", new_name="Yours")
    thumbnails.icon_of_own("Yours")
    assert (
        read("own/Yours") and not read("own/Mine") and not own_presets.thumbnail_of(tmp_path, "Mine").exists()
    )
    bpy.ops.portrait_relief.delete_own_preset(name="Yours")
    assert [path.name for path in tmp_path.iterdir()] == ["Unseen.json"]


def test_a_second_take_leaves_the_first_one_on_the_timeline(addon, tmp_path):
    path = tmp_path / "take.csv"
    path.write_text(_csv([{"jawOpen": 0.5}, {"jawOpen": 0.5}], ["00:00:00:00.0", "00:00:01:00.0"]))
    settings = bpy.context.scene.portrait_relief
    for frame in (1, 200):
        bpy.ops.portrait_relief.import_live_link(filepath=str(path), start_frame=frame, own="neutral")
    settings.jawOpen = 0.9
    settings.keyframe_insert("jawOpen", frame=100)
    bpy.ops.portrait_relief.import_live_link(filepath=str(path), start_frame=200, own="neutral")
    values = []
    for frame in (1, 25, 100, 200, 224):
        bpy.context.scene.frame_set(frame)
        values.append(settings.jawOpen)
    assert values[2] == pytest.approx(0.9) and values[0] != pytest.approx(0.9)
    assert values[0] == pytest.approx(values[3], abs=1e-4) and values[1] == pytest.approx(values[4], abs=1e-4)


def test_a_wink_from_a_photo_stays_one_with_symmetric_editing(addon):
    from blender_addon.core.live_link import Recording
    from blender_addon.scene import driving

    settings = bpy.context.scene.portrait_relief
    settings.symmetric = True
    wink = Recording(times_s=(0.0,), frames=({"eyeBlinkLeft": 0.9, "eyeBlinkRight": 0.1},))
    driving.apply(bpy.context.scene, wink, None)
    assert (settings.eyeBlinkLeft, settings.eyeBlinkRight) == (pytest.approx(0.9), pytest.approx(0.1))


def test_what_is_animated_never_falls_back_to_the_photo_at_zero(rig, photo):
    """Left out at 0, a face would jump there to the photo's own smile and back."""
    from blender_addon import requests
    from blender_addon.scene.driving import LEAST_DRIVEN

    scene = bpy.context.scene
    settings = scene.portrait_relief
    settings.driving_object = rig
    keys = rig.data.shape_keys.key_blocks
    keys["mouthSmile_L"].value = 0.0  # nothing moves this one: it is left to the photo
    for frame, value in ((1, 0.0), (11, 0.6)):
        settings.browInnerUp = value
        settings.keyframe_insert("browInnerUp", frame=frame)
    driver = settings.id_data.driver_add("portrait_relief.cheekPuff").driver
    driver.expression = "(frame - 1) / 20"
    _given, frames = requests.sequence_input(scene, (1, 2, 11))
    assert frames[1].expression == dict.fromkeys(("jawOpen", "browInnerUp", "cheekPuff"), LEAST_DRIVEN)
    assert all(frame.expression.keys() == frames[1].expression.keys() for frame in frames.values())
    assert frames[11].expression["cheekPuff"] == pytest.approx(0.5)
    keys["jawOpen"].mute = True
    scene.frame_set(1)
    assert "jawOpen" not in requests.expression(settings)
    settings.keep_unset = False
    assert requests.expression(settings)["browInnerUp"] == 0.0


def test_a_strength_that_fades_to_zero_takes_the_expression_along_and_not_away(addon):
    from blender_addon import requests
    from blender_addon.scene.driving import LEAST_DRIVEN

    scene = bpy.context.scene
    settings = scene.portrait_relief
    settings.jawOpen, settings.expression_strength = 0.8, 0.0
    assert requests.expression(settings) == {}
    for frame, value in ((1, 0.0), (11, 1.0)):
        settings.expression_strength = value
        settings.keyframe_insert("expression_strength", frame=frame)
    scene.frame_set(1)
    assert requests.expression(settings) == {"jawOpen": LEAST_DRIVEN}


def test_keyframes_in_a_strip_of_the_nla_count_as_well(addon):
    from blender_addon.scene import animated

    scene = bpy.context.scene
    settings = scene.portrait_relief
    settings.keyframe_insert("jawOpen", frame=1)
    animation = scene.animation_data
    strip = animation.nla_tracks.new().strips.new("Talk", 1, animation.action)
    animation.action = None
    assert strip.action is not None and animated.moved_sliders(settings) == {"jawOpen"}
