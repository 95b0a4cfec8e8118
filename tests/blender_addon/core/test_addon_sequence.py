# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences: frames that come while others are made, what is kept of them, and the relief that plays them. No bpy."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace

import numpy as np
import pytest

from blender_addon.core import animated_relief, arrays, sequence
from blender_addon.core.jobs import FrameInput, FrameResult, JobInput, JobState
from blender_addon.core.session import BackendChoice
from blender_addon.core.steps import finish

PHOTO = arrays.write_png(np.full((48, 40, 3), 90, np.uint8))
FRAMES = tuple(FrameInput({"jawOpen": share / 10}, {}) for share in range(4))
GIVEN = JobInput("generate", PHOTO, "portrait.png", frames=FRAMES)


def result(depth_mm: np.ndarray, mm_per_px: float = 2.0) -> FrameResult:
    height, width = depth_mm.shape
    picture = arrays.write_png(np.full((height, width, 3), 40, np.uint8))
    return FrameResult(picture, depth_mm, np.isfinite(depth_mm).astype(np.float32), mm_per_px, {})


def disc(radius_px: float, height_mm: float, size: int = 40) -> np.ndarray:
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    inside = np.hypot(x, y) < radius_px
    return np.where(inside, height_mm + x + 2 * y, np.nan).astype(np.float32)


def test_frames_come_in_order_while_others_are_made(fast_session, fake_launch):
    job = fast_session.submit(GIVEN, BackendChoice(fake_launch("slow")))
    came: list[tuple[JobState, float, FrameResult]] = []

    def look() -> None:
        came.extend((job.state, job.progress, frame) for frame in job.take_results())

    assert fast_session.run_job(60.0, look) is None
    look()
    assert job.state is JobState.DONE and len(came) == len(FRAMES) and job.frames_fetched == len(FRAMES)
    assert came[0][0] is JobState.RUNNING  # the first is here long before the last is made
    assert [progress for _, progress, _ in came] == sorted(progress for _, progress, _ in came)
    for number, (_, _, frame) in enumerate(came):
        assert np.nanmax(frame.depth_mm) == pytest.approx((1 - number / 10) * 100, rel=0.01)


def test_frames_that_came_before_a_crash_are_not_lost(fast_session, fake_launch):
    job = fast_session.submit(GIVEN, BackendChoice(fake_launch("crash")))
    came: list[FrameResult] = []
    problem = fast_session.run_job(30.0, lambda: came.extend(job.take_results()))
    came.extend(job.take_results())
    assert problem is not None and job.state is JobState.FAILED
    assert 1 <= len(came) < len(FRAMES)


def test_a_cancelled_sequence_is_cancelled_at_the_backend_too(fast_session, fake_launch):
    job = fast_session.submit(GIVEN, BackendChoice(fake_launch("slow")))
    fast_session.run_job(30.0, lambda: job.frames_fetched and fast_session.cancel())
    assert job.state is JobState.CANCELLED and 1 <= job.frames_fetched < len(FRAMES)


def test_only_what_is_missing_or_made_from_something_else_is_made(tmp_path):
    keys = {number: sequence.frame_key(GIVEN, frame, "") for number, frame in enumerate(FRAMES, start=10)}
    folder = sequence.SequenceFolder(tmp_path / "anna")
    assert folder.missing(keys) == [10, 11, 12, 13]
    for number in (10, 11, 13):
        folder.add(number, keys[number], result(disc(12, 5.0)))
    again = sequence.SequenceFolder(tmp_path / "anna")
    assert again.missing(keys) == [12]
    assert again.finished(list(keys)) == [10, 11, 13]
    keys[11] = sequence.frame_key(GIVEN, replace(FRAMES[1], pose={"yaw": 5.0}), "")
    again.file("depth", 13).unlink()
    assert again.missing(keys) == [11, 12, 13]


@pytest.mark.parametrize(
    "other",
    [
        replace(GIVEN, portrait=PHOTO + b"!"),
        replace(GIVEN, seed=1),
        replace(GIVEN, steps=3),
        replace(GIVEN, face=1),
        replace(GIVEN, crop=(0, 0, 40)),
    ],
)
def test_another_photo_or_setting_is_another_frame(other: JobInput):
    assert sequence.frame_key(other, FRAMES[0], "") != sequence.frame_key(GIVEN, FRAMES[0], "")
    assert sequence.frame_key(GIVEN, FRAMES[0], "mine") != sequence.frame_key(GIVEN, FRAMES[0], "")


def test_what_is_kept_comes_back(tmp_path):
    folder = sequence.SequenceFolder(tmp_path)
    depth = disc(12, 5.0)
    folder.add(3, "a", result(depth, 2.0))
    folder.add(4, "b", result(depth, 2.2))
    np.testing.assert_array_equal(folder.depth_mm(3), depth)
    np.testing.assert_allclose(folder.coverage(4), np.isfinite(depth))
    assert folder.mm_per_px([3, 4]) == pytest.approx(2.1)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size there")
@pytest.mark.parametrize(("part", "rows"), [("depth", 80), ("coverage", 10)])
def test_a_write_that_breaks_off_leaves_the_earlier_file_whole(tmp_path, part: str, rows: int):
    """An import may be reading it. The disk takes no file of more than 4000 bytes: of a depth with few rows, the
    coverage is the first that is larger."""
    import resource

    folder, first, other = sequence.SequenceFolder(tmp_path), result(disc(12, 5.0)), result(disc(60, 9.0, 80))
    folder.add(3, "a", first)
    before = folder.file(part, 3).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(OSError):
            folder.add(3, "b", replace(other, depth_mm=other.depth_mm[:rows]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert folder.file(part, 3).read_bytes() == before
    assert sequence.SequenceFolder(tmp_path).missing({3: "a"}) == [3]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": "portrait-relief-sequence", "frames": [1]}'])
def test_a_damaged_list_means_that_nothing_is_known(tmp_path, content: str):
    (tmp_path / sequence.MANIFEST).write_text(content)
    assert sequence.SequenceFolder(tmp_path).missing({1: "a"}) == [1]


def test_folders_are_named_after_the_photo_and_differ_by_its_content():
    first, second = sequence.folder_name("a/b: c", PHOTO), sequence.folder_name("a/b: c", PHOTO + b"!")
    assert first.startswith("a_b_ c ") and first != second


def test_the_common_relief_covers_the_head_of_every_frame(tmp_path):
    folder = sequence.SequenceFolder(tmp_path)
    folder.add(1, "a", result(disc(8, 10.0)))
    folder.add(2, "b", result(disc(14, 20.0)))
    relief, common = finish(animated_relief.common_relief_steps(folder, [1, 2], 512))
    assert len(relief.x_mm) == pytest.approx(np.pi * 14**2, rel=0.1)
    x_px, y_px = relief.uv[:, 0] * 40 - 20, (1 - relief.uv[:, 1]) * 40 - 20
    radius, slope = np.hypot(x_px, y_px), x_px + 2 * y_px
    first = animated_relief.depth_at_frame(relief, common, folder.depth_mm(1))
    np.testing.assert_allclose(first, relief.depth_mm, atol=1e-4)
    np.testing.assert_allclose(first[radius < 6], (10 + slope)[radius < 6], atol=1e-4)
    second = animated_relief.depth_at_frame(relief, common, folder.depth_mm(2))
    np.testing.assert_allclose(second[radius < 6], (20 + slope)[radius < 6], atol=1e-4)
    outer = radius > 10  # the first frame does not show it: as in the one that does, smooth rim and all
    np.testing.assert_allclose(second[outer], relief.depth_mm[outer], atol=1e-4)


def test_what_a_frame_does_not_show_is_drawn_to_what_it_shows(tmp_path):
    folder = sequence.SequenceFolder(tmp_path)
    folder.add(1, "a", result(disc(8, 10.0)))
    folder.add(2, "b", result(disc(14, 20.0)))
    relief, common = finish(animated_relief.common_relief_steps(folder, [1, 2], 512))
    for number, radius_px in ((1, 8), (2, 14)):
        points = animated_relief.points_at_frame(
            relief, common, folder.depth_mm(number), folder.coverage(number)
        )
        x_px, y_px = relief.uv[:, 0] * 40 - 20, (1 - relief.uv[:, 1]) * 40 - 20
        middle_mm = (relief.x_mm - 2 * x_px).mean(), (relief.z_mm + 2 * y_px).mean()
        radius = np.hypot(points[:, 0] - middle_mm[0], points[:, 1] - middle_mm[1]) / 2
        assert radius.max() == pytest.approx(radius_px, abs=1.0)
        still = np.hypot(x_px, y_px) < radius_px - 1
        flat = np.stack([relief.x_mm, relief.z_mm], 1)
        np.testing.assert_array_equal(points[still, :2], flat[still])
        faces = points[relief.corner_vertex.reshape(-1, 4)]
        lie = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
        lie += np.cross(faces[:, 2] - faces[:, 0], faces[:, 3] - faces[:, 0])
        assert (np.linalg.norm(lie, axis=1) > 0).all()  # each looks somewhere
        assert np.abs(points[:, 2] - 10 * number).max() < np.sqrt(5) * radius_px  # the slope of `disc`


def test_the_middle_of_a_gap_is_not_drawn_across_it(tmp_path):
    """A frame that shows the left and the right third of what the other shows."""
    whole = np.where(np.abs(np.arange(60) - 29.5) < 25, 10.0, np.nan)[None].repeat(60, 0).astype(np.float32)
    whole[:5] = whole[-5:] = np.nan
    sides = whole.copy()
    sides[:, 20:40] = np.nan
    folder = sequence.SequenceFolder(tmp_path)
    folder.add(1, "a", result(whole))
    folder.add(2, "b", result(sides))
    relief, common = finish(animated_relief.common_relief_steps(folder, [1, 2], 512))
    points = animated_relief.points_at_frame(relief, common, folder.depth_mm(2), folder.coverage(2))
    flat = np.stack([relief.x_mm, relief.z_mm], 1)
    widths = [
        np.ptp(points[relief.corner_vertex.reshape(-1, 4), 0], axis=1).max(),
        np.ptp(flat[relief.corner_vertex.reshape(-1, 4), 0], axis=1).max(),
    ]
    assert widths[0] < 12 * widths[1]
    away = np.abs(points[:, :2] - flat).max(1)
    assert away.max() < 12 * widths[1] and (away > 0).any()


def test_a_point_cache_has_a_sample_a_frame_or_is_not_replaced(tmp_path):
    path = tmp_path / "relief.pc2"
    points = {number: np.full((5, 3), number, np.float32) for number in (7, 8)}
    finish(animated_relief.point_cache_steps(path, 5, [7, 7, 8], lambda number: points[number], 7))
    data = path.read_bytes()
    assert struct.unpack("<12siiffi", data[:32]) == (b"POINTCACHE2\0", 1, 5, 7.0, 1.0, 3)
    assert np.frombuffer(data, np.float32, offset=32).reshape(3, 5, 3)[:, 0, 0].tolist() == [7, 7, 8]
    with pytest.raises(ValueError, match="instead of 4"):
        finish(animated_relief.point_cache_steps(path, 4, [7], lambda number: points[number], 7))
    assert path.read_bytes() == data


def test_the_shape_of_a_sequence_is_computed_a_frame_a_step(tmp_path):
    folder = sequence.SequenceFolder(tmp_path)
    for number in range(1, 9):
        folder.add(number, "key", result(disc(12, 30)))
    steps = animated_relief.common_relief_steps(folder, range(1, 9), 64)
    assert sum(1 for _ in steps) >= 8
    points = np.zeros((4, 3), np.float32)
    written = animated_relief.point_cache_steps(tmp_path / "a.pc2", 4, range(8), lambda _number: points, 1)
    assert sum(1 for _ in written) == 8


def test_an_imported_relief_keeps_its_pictures(tmp_path):
    folder = sequence.SequenceFolder(tmp_path)
    for number in (1, 3):
        folder.add(number, "key", result(disc(12, 30)))
    kept = finish(folder.keep_picture_steps("0123456789", {1: 1, 2: 1, 3: 3}))
    before = [(kept / f"rgb_000{number}.png").read_bytes() for number in (1, 2, 3)]
    other = result(disc(12, 30))
    folder.add(1, "another", replace(other, rgb_png=b"another picture"))
    assert [(kept / f"rgb_000{number}.png").read_bytes() for number in (1, 2, 3)] == before
    assert folder.file("rgb", 1).read_bytes() == b"another picture"
