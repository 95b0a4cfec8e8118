# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of coefficients as others write them, face recordings, and the user's own expressions. No bpy."""

from __future__ import annotations

import math

import pytest

from blender_addon.core import arkit, live_link, own_presets, retarget


def _csv(rows: list[dict[str, float]], codes: list[str] | None = None) -> str:
    names = [name[0].upper() + name[1:] for name in arkit.ARKIT_NAMES]
    lines = [
        ",".join(["Timecode", "BlendshapeCount", *names, "TongueOut", "HeadYaw", "HeadPitch", "HeadRoll"])
    ]
    for number, row in enumerate(rows):
        code = codes[number] if codes else f"10:20:30:{number:02d}.000"
        numbers = [row.get(name, 0.0) for name in arkit.ARKIT_NAMES]
        pose = [row.get(name, 0.0) for name in arkit.POSE_NAMES]
        lines.append(",".join([code, "61", *(str(value) for value in [*numbers, 0.9, *pose])]))
    return "\n".join(lines) + "\n"


def test_opposite_coefficients_are_those_of_the_backend():
    motion = pytest.importorskip("backend.driving.motion")
    assert retarget._PAIRS == motion._OPPOSITES


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EyeBlinkLeft", "eyeBlinkLeft"),
        ("eyeBlink_L", "eyeBlinkLeft"),
        ("eye_blink_right", "eyeBlinkRight"),
        ("ARKit.mouthSmile_R", "mouthSmileRight"),
        ("jawLeft", "jawLeft"),
        ("jawopen", "jawOpen"),
        ("tongueOut", None),
        ("Basis", None),
        ("smile", None),
    ],
)
def test_coefficients_are_known_by_the_names_that_rigs_and_recordings_give_them(text: str, name: str | None):
    assert arkit.named(text) == name


def test_every_coefficient_is_known_by_its_own_name():
    assert [arkit.named(name) for name in arkit.ARKIT_NAMES] == list(arkit.ARKIT_NAMES)


def test_a_recording_gives_coefficients_degrees_and_times():
    recording = live_link.read(_csv([{"jawOpen": 0.25, "yaw": 0.1}, {"jawOpen": 1.7, "roll": -2.0}]))
    assert recording.times_s == pytest.approx((0.0, 1 / 60))
    assert set(recording.names) == {*arkit.ARKIT_NAMES, *arkit.POSE_NAMES}
    assert recording.frames[0]["jawOpen"] == 0.25
    assert recording.frames[0]["yaw"] == pytest.approx(math.degrees(0.1))
    assert recording.frames[1]["jawOpen"] == 1.0  # the app overshoots
    assert recording.frames[1]["roll"] == -arkit.POSE_LIMIT_DEG


def test_times_come_from_the_timecode_also_over_a_dropped_frame():
    codes = ["10:20:30:58.5", "10:20:31:00.5", "10:20:31:01.5"]
    assert live_link.read(_csv([{}, {}, {}], codes)).times_s == pytest.approx((0, 2 / 60, 3 / 60))
    unknown = live_link.read(_csv([{}, {}, {}], ["a", "b", "c"])).times_s
    assert unknown == pytest.approx((0, 1 / 60, 2 / 60))


def test_relative_to_the_first_frame_leaves_the_actors_neutral_out():
    recording = live_link.read(
        _csv([{"browInnerUp": 0.3, "pitch": 0.2}, {"browInnerUp": 0.8, "pitch": 0.1}, {}])
    )
    relative = retarget.relative_to_first(recording)
    assert [frame["browInnerUp"] for frame in relative.frames] == pytest.approx([0.0, 0.5, 0.0])
    assert [frame["pitch"] for frame in relative.frames] == pytest.approx(
        [0.0, -math.degrees(0.1), -math.degrees(0.2)]
    )
    # A smile of the portrait's own stays under the actor's change.
    smiling = retarget.relative_to_first(recording, {"mouthSmileLeft": 0.6, "browInnerUp": 0.2}, 0.5)
    assert [frame["mouthSmileLeft"] for frame in smiling.frames] == [0.6, 0.6, 0.6]
    assert [frame["browInnerUp"] for frame in smiling.frames] == pytest.approx([0.2, 0.45, 0.05])


def test_an_eye_comes_back_from_where_the_portrait_looks_before_it_goes_the_other_way():
    own = {"eyeLookOutLeft": 0.3}
    change = {"eyeLookOutLeft": 0.0, "eyeLookInLeft": 0.2}
    assert retarget.added(own, change) == pytest.approx({"eyeLookOutLeft": 0.1, "eyeLookInLeft": 0.0})
    far = retarget.added(own, change | {"eyeLookInLeft": 0.5})
    assert far == pytest.approx({"eyeLookOutLeft": 0.0, "eyeLookInLeft": 0.2})


def test_mirroring_swaps_sides_and_turns():
    recording = live_link.mirrored(live_link.read(_csv([{"mouthSmileLeft": 0.6, "yaw": 0.2}])))
    assert recording.frames[0]["mouthSmileRight"] == 0.6 and recording.frames[0]["mouthSmileLeft"] == 0.0
    assert recording.frames[0]["yaw"] == pytest.approx(-math.degrees(0.2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no frames"),
        ("a,b\n1,2\n", "does not name ARKit"),
        (_csv([{}]).rsplit(",", 10)[0], "line 2 is not complete"),
        (_csv([{"jawOpen": float("nan")}]), "line 2 is not complete"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_reason(text: str, said: str):
    with pytest.raises(ValueError, match=said):
        live_link.read(text)


def test_own_expressions_are_saved_renamed_and_deleted(tmp_path):
    folder = tmp_path / "expressions"
    assert own_presets.names(folder) == []
    own_presets.save(folder, "Smirk", {"mouthSmileLeft": 0.7, "jawOpen": 0.0})
    own_presets.save(folder, "anger", {"browDownLeft": 1.0})
    assert own_presets.names(folder) == ["anger", "Smirk"]
    loaded = own_presets.load(own_presets.path_of(folder, "Smirk"))
    assert loaded["mouthSmileLeft"] == 0.7 and sum(map(bool, loaded.values())) == 1
    own_presets.save(folder, "Smirk", {"mouthSmileLeft": 0.2})
    assert own_presets.load(own_presets.path_of(folder, "Smirk"))["mouthSmileLeft"] == 0.2
    with pytest.raises(ValueError, match="already"):
        own_presets.rename(folder, "Smirk", "anger")
    own_presets.rename(folder, "Smirk", "Grin")
    own_presets.delete(folder, "anger")
    assert own_presets.names(folder) == ["Grin"]
    assert [path.name for path in folder.iterdir()] == ["Grin.json"]


@pytest.mark.parametrize("name", ["", "  ", "../up", "a/b", "a:b", "x" * 61, ".hidden", "dot."])
def test_names_that_are_no_file_names_are_refused(tmp_path, name: str):
    with pytest.raises(ValueError, match="letters"):
        own_presets.save(tmp_path, name, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "[]", '{"values": 3}', '{"values": {"jawOpen": "wide"}}', '{"values": {"jawOpen": NaN}}']
)
def test_a_damaged_expression_is_named(tmp_path, content: str):
    path = tmp_path / "Broken.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="Broken.json is damaged"):
        own_presets.load(path)
