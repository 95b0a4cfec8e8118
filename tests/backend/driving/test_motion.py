# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing, neutral faces, relative and absolute motion, regions, and the CSV, against cases by hand."""

from __future__ import annotations

import numpy as np
import pytest

from backend.driving import motion
from backend.driving.motion import DRIVING_REGIONS, MotionOptions, retarget
from backend.driving.recording import Recording, resampled
from backend.errors import InputError, NoFaceError
from backend.model.expression_names import EXPRESSION_NAMES
from blender_addon.core import live_link

C = {name: column for column, name in enumerate(EXPRESSION_NAMES)}


def recording(count: int = 1, frames_per_s: float = 30.0, **columns: object) -> Recording:
    values = np.zeros((count, 54), np.float32)
    for name, column in columns.items():
        values[:, C[name]] = column
    return Recording(np.arange(count) / frames_per_s, values, np.ones(count, bool))


def own(**values: float) -> np.ndarray:
    return recording(1, **values).values[0]


def test_the_regions_hold_every_column_once() -> None:
    names = [name for region in DRIVING_REGIONS.values() for name in region]
    assert sorted(names) == sorted(EXPRESSION_NAMES)


def test_gaps_are_bridged_over_time_and_ends_hold() -> None:
    values = np.zeros((6, 54), np.float32)
    values[[1, 4], 0] = 0.2, 0.8
    times_s = np.array([0.0, 0.1, 0.2, 0.35, 0.4, 0.5])
    found = np.array([False, True, False, False, True, False])
    filled = motion.filled(times_s, values, found)
    assert filled[:, 0] == pytest.approx([0.2, 0.2, 0.4, 0.7, 0.8, 0.8])
    with pytest.raises(NoFaceError):
        motion.filled(times_s, values, np.zeros(6, bool))


def test_smoothing_calms_noise_delays_nothing_and_leaves_a_blink() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 300)
    swing = 0.5 + 0.3 * np.sin(np.arange(300) / 20)
    blink = np.zeros(300)
    blink[100:104] = 1.0  # 0.13 s at 30 frames a second
    values = recording(300, jawOpen=swing + noise, eyeBlinkLeft=blink).values
    calm = motion.smoothed(values, 30.0, 0.5)
    assert np.std(calm[:, C["jawOpen"]] - swing) < 0.5 * np.std(noise)
    lags = [np.corrcoef(np.roll(swing, lag), calm[:, C["jawOpen"]])[0, 1] for lag in (-3, 0, 3)]
    assert max(lags) == lags[1]
    assert calm[100:104, C["eyeBlinkLeft"]].max() > 0.9
    assert np.array_equal(motion.smoothed(values, 30.0, 0.0), values)


def test_relative_motion_adds_the_change_to_the_portraits_own_face() -> None:
    driver = recording(20, browInnerUp=0.3, jawOpen=[0.1] * 15 + [0.5] * 5, yaw=[10.0] * 15 + [30.0] * 5)
    moved = retarget(driver, MotionOptions(smoothing=0), own(mouthSmileLeft=0.4, jawOpen=0.2, yaw=-5.0))
    frame = dict(zip(EXPRESSION_NAMES, moved.values[-1].tolist(), strict=True))
    assert frame["jawOpen"] == pytest.approx(0.6) and frame["yaw"] == pytest.approx(15.0)
    assert frame["browInnerUp"] == pytest.approx(0.0), "the driver's raised brows are how it looks at rest"
    assert frame["mouthSmileLeft"] == pytest.approx(0.4)


def test_absolute_motion_takes_the_drivers_own_values() -> None:
    driver = recording(2, browInnerUp=0.3, yaw=[10.0, 30.0])
    moved = retarget(
        driver, MotionOptions("absolute", smoothing=0, strength={"brows": 2.0, "head": 0.5}), own(jawOpen=1.0)
    )
    assert moved.values[:, C["browInnerUp"]] == pytest.approx([0.6, 0.6])
    assert moved.values[:, C["yaw"]] == pytest.approx([5.0, 15.0])
    assert not moved.values[:, C["jawOpen"]].any()


def test_eyes_that_come_back_from_one_side_move_to_the_other() -> None:
    driver = recording(9, eyeLookOutLeft=[0.4] * 8 + [0.1])
    moved = retarget(driver, MotionOptions(smoothing=0))
    assert moved.values[-1, C["eyeLookInLeft"]] == pytest.approx(0.3)
    assert not moved.values[:, C["eyeLookOutLeft"]].any()


def test_a_chosen_neutral_frame_counts_and_must_exist() -> None:
    driver = recording(30, jawOpen=[0.4] * 20 + [0.9] * 10)
    options = MotionOptions(smoothing=0, neutral_frame=5)
    assert retarget(driver, options).values[-1, C["jawOpen"]] == pytest.approx(0.5)
    with pytest.raises(InputError, match="no frame 31"):
        retarget(driver, MotionOptions(neutral_frame=30))


def test_the_estimated_neutral_withstands_a_few_wrong_frames() -> None:
    driver = recording(100, jawOpen=[0.0] * 3 + [0.3] * 60 + [0.9] * 37)
    assert retarget(driver, MotionOptions(smoothing=0)).values[-1, C["jawOpen"]] == pytest.approx(0.6)


def test_frames_without_a_face_do_not_count_for_the_neutral() -> None:
    values = recording(10, jawOpen=[0.0] * 6 + [0.5] * 4).values
    found = np.array([False] * 6 + [True] * 4)
    assert motion.driver_neutral(values, found)[C["jawOpen"]] == pytest.approx(0.5)


def test_a_region_at_0_is_left_out() -> None:
    moved = retarget(recording(3, jawOpen=0.5), MotionOptions("absolute", strength={"head": 0, "gaze": 0}))
    assert "yaw" not in moved.names and "eyeLookInLeft" not in moved.names and "jawOpen" in moved.names
    assert set(moved.to_dict()["names"]) == set(moved.names)
    assert len(moved.to_dict()["frames"][0]) == len(moved.names) == 51 - 8
    assert moved.frame(0, ("jawOpen", "yaw")) == {"jawOpen": 0.5}


def test_mirroring_swaps_the_sides_and_turns_yaw_and_roll() -> None:
    moved = motion.mirrored(recording(1, mouthSmileLeft=0.7, jawLeft=0.2, yaw=5.0, pitch=3.0).values)
    assert moved[0, C["mouthSmileRight"]] == pytest.approx(0.7) and not moved[0, C["mouthSmileLeft"]]
    assert moved[0, C["jawRight"]] == pytest.approx(0.2)
    assert moved[0, C["yaw"]] == -5 and moved[0, C["pitch"]] == 3


@pytest.mark.parametrize(
    "wrong", [{"motion": "both"}, {"smoothing": 2.0}, {"strength": {"ears": 1.0}}, {"strength": {"jaw": 3.0}}]
)
def test_wrong_options_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError):
        MotionOptions(**wrong)


def test_the_csv_is_one_that_the_extensions_import_reads() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.random((9, 51)), rng.uniform(-40, 40, (9, 3))], 1).astype(np.float32)
    given = Recording(np.arange(9) / 24 + 3599.9, values, np.ones(9, bool))
    read = live_link.read(given.to_csv())
    assert read.times_s == pytest.approx(np.arange(9) / 24, abs=1e-4)
    for row, frame in zip(values, read.frames, strict=True):
        assert [frame[name] for name in EXPRESSION_NAMES] == pytest.approx(row.tolist(), abs=1e-3)


def test_a_head_that_is_not_driven_is_not_in_the_csv() -> None:
    moved = retarget(recording(2, yaw=9.0), MotionOptions("absolute", strength={"head": 0.0}))
    assert "HeadYaw" not in moved.to_csv() and "yaw" not in live_link.read(moved.to_csv()).names


def test_resampling_keeps_the_motion() -> None:
    slow = resampled(recording(31, jawOpen=np.linspace(0, 1, 31)), 12.0)
    assert len(slow) == 13 and slow.values[6, C["jawOpen"]] == pytest.approx(0.5, abs=1e-6)
    assert len(resampled(recording(1), 25.0)) == 1


def test_resampling_follows_the_nearest_frame_of_an_uneven_recording() -> None:
    times_s = np.array([0.0, 0.1, 0.35, 0.4, 1.0])
    values = np.zeros((5, len(EXPRESSION_NAMES)), np.float32)
    found = np.array([True, False, True, False, True])
    for count in (5, 1):
        short = Recording(times_s[:count], values[:count], found[:count])
        even = resampled(short, 20.0)
        nearest = np.abs(even.times_s[:, None] - short.times_s).argmin(1)
        assert np.array_equal(even.found, short.found[nearest])
