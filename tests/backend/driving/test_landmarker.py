# SPDX-License-Identifier: GPL-3.0-or-later
"""The real landmarker on the astronaut: signs, sides, sequences, movies, and what is said where it is missing."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.driving import landmarker
from backend.driving.drive import portrait_values, record, record_photo
from backend.driving.footage import natural_order, open_footage
from backend.driving.landmarker import FaceTracker, availability, choose_face, pose_deg
from backend.errors import InputError, JobCancelled, NoFaceError
from backend.model.expression_names import EXPRESSION_NAMES
from tests.backend.driving.footage_of_astronaut import (
    FRAMES_PER_S,
    astronaut,
    landmarker_model,
    moved,
    rolls_deg,
    swinging,
    write_movie,
)


@pytest.fixture(scope="module")
def model() -> Path:
    return landmarker_model()


def measured(rgb: np.ndarray, model: Path) -> dict[str, float]:
    return dict(zip(EXPRESSION_NAMES, record_photo(rgb, model=model).values[0].tolist(), strict=True))


def test_the_astronaut_smiles_into_the_camera(model: Path) -> None:
    face = measured(astronaut(), model)
    assert face["mouthSmileLeft"] > 0.7 and face["mouthSmileRight"] > 0.7
    assert face["jawOpen"] < 0.2 and face["eyeBlinkLeft"] < 0.3
    assert all(0 <= face[name] <= 1 for name in EXPRESSION_NAMES[:51])
    assert abs(face["yaw"]) < 12 and abs(face["pitch"]) < 12 and abs(face["roll"]) < 8


def test_a_clockwise_turn_of_the_picture_is_positive_roll(model: Path) -> None:
    upright = measured(astronaut(), model)
    for turn in (-15.0, 15.0):
        turned = measured(moved(astronaut(), roll_deg=turn), model)
        assert turned["roll"] - upright["roll"] == pytest.approx(turn, abs=2.5)
        assert abs(turned["pitch"] - upright["pitch"]) < 5


def test_a_mirrored_picture_swaps_the_sides(model: Path) -> None:
    face, other = measured(astronaut(), model), measured(astronaut()[:, ::-1], model)
    assert other["yaw"] == pytest.approx(-face["yaw"], abs=3) and other["roll"] == pytest.approx(
        -face["roll"], abs=3
    )
    assert other["pitch"] == pytest.approx(face["pitch"], abs=3)


def test_left_is_the_subjects_own_left(model: Path) -> None:
    """The eye at the picture's right is drawn shut: skin over it, and a dark line where the lids meet."""
    picture = astronaut().copy()
    picture[97:108, 236:256] = picture[110:112, 238:254].mean((0, 1))
    picture[105:107, 237:255] = (60, 40, 35)
    face = measured(picture, model)
    assert face["eyeBlinkLeft"] > face["eyeBlinkRight"] + 0.15


def test_a_head_that_only_moves_through_the_picture_does_not_turn(model: Path) -> None:
    wide = np.full((512, 1024, 3), 90, np.uint8)
    poses = []
    for x_px in (0, 256, 512):
        picture = wide.copy()
        picture[:, x_px : x_px + 512] = astronaut()
        face = measured(picture, model)
        poses.append([face["yaw"], face["pitch"], face["roll"]])
    assert np.ptp(poses, axis=0).max() < 3.0


def test_pose_signs_by_hand() -> None:
    """MediaPipe's camera looks along -z, y is up; the head is in the middle, 50 cm away."""

    def matrix(rotation: list[list[float]]) -> np.ndarray:
        result = np.eye(4)
        result[:3, :3], result[:3, 3] = rotation, (0, 0, -50)
        return result

    cosine, sine = np.cos(np.radians(20)), np.sin(np.radians(20))
    nose_right = matrix([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    nose_up = matrix([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    crown_right = matrix([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    assert pose_deg(nose_right) == pytest.approx((20, 0, 0), abs=1e-6)
    assert pose_deg(nose_up) == pytest.approx((0, 20, 0), abs=1e-6)
    assert pose_deg(crown_right) == pytest.approx((0, 0, 20), abs=1e-6)


def test_a_movie_is_followed_and_gaps_are_bridged(model: Path, tmp_path: Path) -> None:
    path = write_movie(tmp_path / "swing.mp4", swinging(24, hidden=range(9, 12)))
    steps: list[tuple[str, int, int]] = []
    recording = record(path, model=model, progress=lambda *step: steps.append(step))
    assert len(recording) == 24 and recording.frames_per_s == pytest.approx(FRAMES_PER_S, rel=0.01)
    assert [bool(seen) for seen in recording.found] == [i not in range(9, 12) for i in range(24)]
    roll = recording.values[:, EXPRESSION_NAMES.index("roll")]
    assert np.abs(roll - roll[0] - rolls_deg(24)).max() < 3 and np.isfinite(recording.values).all()
    assert roll[8] > roll[10] > roll[12] or roll[8] < roll[10] < roll[12]
    assert steps[0] == ("following the face", 0, 24) and len(steps) == 24


def test_a_folder_a_list_and_a_zip_say_the_same_in_the_order_of_their_numbers(
    model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for i, frame in enumerate(swinging(11)):
        Image.fromarray(frame).save(folder / f"shot{i}.jpg", quality=92)
    (folder / "notes.txt").write_text("not a picture")
    with zipfile.ZipFile(tmp_path / "shots.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    recordings = [
        record(driver, model=model, frames_per_s=10)
        for driver in (folder, [folder / f"shot{i}.jpg" for i in range(11)], tmp_path / "shots.zip")
    ]
    for recording in recordings:
        assert np.allclose(recording.values, recordings[0].values, atol=1e-4)
        assert recording.times_s[-1] == pytest.approx(1.0)
    roll = recordings[0].values[:, EXPRESSION_NAMES.index("roll")]
    assert np.abs(roll - roll[0] - rolls_deg(11)).max() < 3


def test_the_larger_face_is_followed_also_while_it_is_hidden_shortly(model: Path, tmp_path: Path) -> None:
    frames = []
    small = np.asarray(Image.fromarray(astronaut()[:256, 96:352]).resize((200, 200)))
    for i, large in enumerate(swinging(12, hidden=range(5, 7))):
        frame = np.full((512, 800, 3), 90, np.uint8)
        frame[:, :512] = large
        frame[100:300, 580:780] = np.roll(small, i, axis=1) if i else small
        frames.append(frame)
    recording = record(write_movie(tmp_path / "two.mp4", frames), model=model)
    assert [bool(seen) for seen in recording.found] == [i not in (5, 6) for i in range(12)]
    roll = recording.values[:, EXPRESSION_NAMES.index("roll")]
    assert np.abs(roll - roll[0] - rolls_deg(12))[recording.found].max() < 3


def test_a_small_face_in_a_large_photo_is_looked_at_from_nearby(model: Path) -> None:
    picture = np.full((1800, 1800, 3), 90, np.uint8)
    picture[600:1112, 700:1212] = astronaut()
    with FaceTracker(model) as tracker:
        assert not tracker._detect(picture, (0, 0))
    assert measured(picture, model)["mouthSmileLeft"] > 0.7


def test_a_face_in_a_wide_movie_is_found_from_its_first_frame(model: Path, tmp_path: Path) -> None:
    frames = [np.pad(np.repeat(np.repeat(f, 2, 0), 2, 1), ((0, 56), (448, 448), (0, 0))) for f in swinging(6)]
    recording = record(write_movie(tmp_path / "wide.mp4", frames), model=model)
    assert recording.found.all()
    roll = recording.values[:, EXPRESSION_NAMES.index("roll")]
    assert np.abs(roll - roll[0] - rolls_deg(6)).max() < 3


def test_a_movie_filmed_on_its_side_is_set_upright(tmp_path: Path) -> None:
    lying = np.rot90(astronaut()[:, :400], 1)
    path = write_movie(tmp_path / "phone.mp4", [lying] * 3)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # of the track's header: turned by 90 degrees
    content[matrix : matrix + 20] = struct.pack(">5i", 0, 0x10000, 0, -0x10000, 0)
    path.write_bytes(content)
    rgb = next(open_footage(path).pictures()).rgb
    assert rgb.shape == (512, 400, 3)
    assert np.abs(rgb.astype(int) - astronaut()[:, :400]).mean() < 12


def test_the_portraits_own_expression_is_measured(model: Path, tmp_path: Path) -> None:
    Image.fromarray(astronaut()).rotate(12, Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    own = portrait_values(tmp_path / "a.png", model=model)
    assert own.shape == (54,) and own[EXPRESSION_NAMES.index("mouthSmileLeft")] > 0.7
    # How the photo holds the head is where its turns start from: added, it would be turned by as much once more.
    assert own[-3:].tolist() == [0.0, 0.0, 0.0]


def test_cancelling_ends_between_two_frames(model: Path, tmp_path: Path) -> None:
    path = write_movie(tmp_path / "swing.mp4", swinging(6))

    def progress(_phase: str, step: int, _total: int) -> None:
        if step == 2:
            raise JobCancelled()

    with pytest.raises(JobCancelled):
        record(path, model=model, progress=progress)


def test_nobody_there_is_said_with_the_files_name(model: Path, tmp_path: Path) -> None:
    grey = [np.full((256, 256, 3), 90, np.uint8)] * 3
    with pytest.raises(NoFaceError, match=r"empty\.mp4"):
        record(write_movie(tmp_path / "empty.mp4", grey), model=model)
    Image.fromarray(grey[0]).save(tmp_path / "empty.png")
    with pytest.raises(NoFaceError, match=r"empty\.png"):
        record(tmp_path / "empty.png", model=model)


@pytest.mark.parametrize("name", ["a.mp4", "a.jpg", "a.zip"])
def test_a_file_that_is_no_driver_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is none")
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as caught:
        list(open_footage(tmp_path / name).pictures())
    assert caught.value.hint


def test_an_empty_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no JPEG"):
        open_footage(tmp_path)
    with pytest.raises(InputError, match="There is no file"):
        open_footage(tmp_path / "gone.mp4")


def test_a_playlist_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/part.ts\n")
    with pytest.raises(InputError, match=r"list\.m3u8"):
        open_footage(path)


def test_the_missing_model_comes_with_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAIT_RELIEF_LANDMARKER", str(tmp_path / "none.task"))
    with pytest.raises(InputError) as caught:
        record_photo(np.zeros((256, 256, 3), np.uint8))
    assert caught.value.code == "no_landmarker"
    told = availability()
    assert not told["available"] and "none.task" in told["reason"]
    assert landmarker.MODEL_URL in told["hint"]


def test_a_file_that_is_no_model_is_refused(model: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(model) as whole, zipfile.ZipFile(tmp_path / "networks.task", "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, b"no network")
    (tmp_path / "text.task").write_bytes(b"not a model")
    (tmp_path / "empty.task").write_bytes(b"")
    (tmp_path / "half.task").write_bytes(model.read_bytes()[:1000000])
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(InputError, match=f"{path.stem}.task is not a face landmarker's model") as caught:
            record_photo(np.zeros((256, 256, 3), np.uint8), model=path)
        assert landmarker.MODEL_URL in caught.value.hint


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (
            OSError("libGLESv2.so.2: cannot open shared object file: No such file or directory"),
            "lacks a library of the system (libGLESv2.so.2",
            "libgles2",
        ),
        (RuntimeError("No GPU\nservice."), "does not work here (No GPU service)", "--no-deps"),
        (ImportError("No module named 'absl'"), "does not work here (No module named 'absl')", "absl-py"),
    ],
)
def test_a_whole_model_is_not_blamed_for_what_the_system_lacks(
    model: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str, hint: str
) -> None:
    from mediapipe.tasks.python import vision

    def fail(_options: object) -> None:
        raise error

    monkeypatch.setattr(vision.FaceLandmarker, "create_from_options", fail)
    with pytest.raises(InputError) as caught, FaceTracker(model):
        pass
    assert said in caught.value.message and hint in caught.value.hint
    assert caught.value.code == "no_landmarker"


def test_the_missing_package_comes_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarker.importlib.util, "find_spec", lambda _name: None)
    assert "--no-deps" in availability()["hint"]


def test_the_followed_face_is_kept() -> None:
    large, small = (0.1, 0.1, 0.5, 0.5), (0.7, 0.7, 0.8, 0.8)
    assert choose_face([small, large], None) == 1
    assert choose_face([large, small], (0.71, 0.7, 0.81, 0.8)) == 1
    assert choose_face([small], large) is None
    assert choose_face([], large) is None


def test_numbers_count() -> None:
    assert sorted(["f10.png", "f9.png", "F1.png"], key=natural_order) == ["F1.png", "f9.png", "f10.png"]


def test_a_zip_with_a_broken_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shots.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(range(256)) * 40)
    content = bytearray(path.read_bytes())
    content[35 + len("a.jpg") : 60] = b"\xff" * len(content[35 + len("a.jpg") : 60])
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(open_footage(path).pictures())
    assert caught.value.code == "unreadable_driver" and "shots.zip" in caught.value.message


def test_what_a_mac_leaves_beside_pictures_is_passed_over(tmp_path: Path) -> None:
    Image.new("RGB", (256, 256)).save(tmp_path / "a.jpg")
    (tmp_path / "._a.jpg").write_bytes(b"AppleDouble")
    assert len(list(open_footage(tmp_path).pictures())) == 1
