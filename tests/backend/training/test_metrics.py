# SPDX-License-Identifier: GPL-3.0-or-later
"""Every metric against a case computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training import metrics

ALL = np.ones((4, 4), bool)


def test_alignment_recovers_scale_and_shift() -> None:
    truth = np.arange(16.0).reshape(4, 4)
    assert metrics.align_scale_shift(truth * -3 + 7, truth, ALL) == pytest.approx(truth)


def test_a_flat_plane_is_moved_to_the_mean() -> None:
    truth = np.arange(16.0).reshape(4, 4)
    assert metrics.align_scale_shift(np.zeros((4, 4)), truth, ALL) == pytest.approx(np.full((4, 4), 7.5))


def test_rmse_and_mae_use_only_the_mask() -> None:
    truth, guess = np.zeros((4, 4)), np.zeros((4, 4))
    guess[0, 0], guess[0, 1], guess[3, 3] = 3.0, -4.0, 1000.0
    mask = np.zeros((4, 4), bool)
    mask[0, :2] = True
    assert metrics.rmse(guess, truth, mask) == pytest.approx(np.sqrt(12.5))
    assert metrics.mean_absolute_error(guess, truth, mask) == pytest.approx(3.5)


def test_normal_angle_of_a_45_degree_slope_against_a_plane() -> None:
    slope = np.tile(np.arange(8.0) * 2.0, (8, 1))  # rises 2 mm a pixel of 2 mm
    mask = np.ones((8, 8), bool)
    assert metrics.normal_angle_degrees(slope, np.zeros((8, 8)), mask, 2.0) == pytest.approx(45.0)


def test_intersection_over_union() -> None:
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[:2], b[1:3] = 1, 1
    assert metrics.intersection_over_union(a, b) == pytest.approx(4 / 12)
    assert metrics.intersection_over_union(np.zeros((4, 4)), np.zeros((4, 4))) == 1.0


def test_psnr_of_a_tenth_is_20_db() -> None:
    truth = np.full((4, 4, 3), 0.5)
    assert metrics.psnr(truth + 0.1, truth) == pytest.approx(20.0)
    assert metrics.psnr(truth, truth) == 99.0


def test_psnr_in_a_region_ignores_the_rest() -> None:
    truth = np.zeros((4, 4, 3))
    guess = truth.copy()
    guess[0, 0] = 1.0
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = mask[0, 1] = True
    assert metrics.psnr(guess, truth, mask) == pytest.approx(-10 * np.log10(0.5))


def test_response_is_the_share_of_the_true_change() -> None:
    start, truth = np.zeros((4, 4, 3)), np.full((4, 4, 3), 0.4)
    assert metrics.response(start, start, truth, ALL) == pytest.approx(0.0)
    assert metrics.response(start + 0.1, start, truth, ALL) == pytest.approx(0.25)
    assert metrics.response(truth, start, truth, ALL) == pytest.approx(1.0)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise() -> None:
    rng = np.random.default_rng(0)
    picture = rng.random((16, 16, 3))
    assert metrics.ssim(picture, picture) == pytest.approx(1.0)
    assert metrics.ssim(np.clip(picture + rng.normal(0, 0.2, picture.shape), 0, 1), picture) < 0.95


def test_sharpness_ratio_halves_with_the_contrast() -> None:
    picture = np.random.default_rng(1).random((8, 8, 3))
    assert metrics.sharpness_ratio(picture * 0.5, picture, np.ones((8, 8), bool)) == pytest.approx(0.5)


def test_gradient_error_of_a_ramp_doubles_with_every_scale() -> None:
    ramp = np.repeat(np.tile(np.arange(16.0) * 0.01, (16, 1))[..., None], 3, -1)
    flat = np.zeros_like(ramp)
    # 0.01 a pixel, so 0.02, 0.04 and 0.08 a pixel of 2, 4 and 8
    assert metrics.multi_scale_gradient_error(ramp, flat) == pytest.approx((0.01 + 0.02 + 0.04 + 0.08) / 4)
    assert metrics.multi_scale_gradient_error(ramp + 0.3, ramp) == pytest.approx(0.0)


def test_gradient_error_ignores_what_is_outside_the_mask() -> None:
    truth = np.zeros((8, 8, 3))
    guess = truth.copy()
    guess[:, 4:] = 1.0  # an edge between columns 3 and 4
    left = np.zeros((8, 8), bool)
    left[:, :4] = True
    assert metrics.multi_scale_gradient_error(guess, truth, left) == pytest.approx(0.0)
    # one of seven neighbours is the edge; of four, two and one cells it is one of three, then the only one
    assert metrics.multi_scale_gradient_error(guess, truth) == pytest.approx((1 / 7 + 1 / 3 + 1) / 3)


def test_unchanged_leaves_out_a_changed_pixel_and_those_round_it() -> None:
    before = np.full((5, 5, 3), 0.5)
    after = before.copy()
    after[2, 2, 1] += 3 / 255
    within = np.ones((5, 5), bool)
    within[0] = False
    alike = metrics.unchanged(before, after, within)
    assert not alike[1:4, 1:4].any() and not alike[0].any()
    assert alike.sum() == 5 * 5 - 9 - 5


def test_rotation_angle_is_that_of_the_turn_between() -> None:
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert metrics.rotation_angle_degrees(np.eye(3), quarter) == pytest.approx(90.0)
    assert metrics.rotation_angle_degrees(quarter, quarter @ quarter) == pytest.approx(90.0)
    assert metrics.rotation_angle_degrees(quarter, quarter) == pytest.approx(0.0)


def test_values_are_sampled_between_pixels_and_only_where_all_four_are_known() -> None:
    values = np.array([[0.0, 4.0, 100.0], [8.0, 12.0, 100.0], [100.0, 100.0, 100.0]])
    mask = values < 50
    places = np.array([[2 / 6, 2 / 6], [1 / 6, 1 / 6], [4 / 6, 2 / 6], [0.01, 0.5], [1.5, 0.5]])
    sampled = metrics.sample_at(values, mask, places)
    assert sampled[:2] == pytest.approx([6.0, 0.0])  # the middle of four pixels; the centre of the first
    assert np.isnan(sampled[2:]).all()  # beside unknown ones; past the left edge; far outside


def test_aligned_error_at_points_skips_unknown_ones() -> None:
    truth = np.array([0.0, 1.0, 2.0, np.nan])
    assert metrics.aligned_mean_absolute_error(np.array([10.0, 12.0, 14.0, 99.0]), truth) == pytest.approx(
        0.0
    )
    # [0, 3, 0] explains nothing of [0, 1, 2] by a line: the mean is left, 1 off at both ends
    assert metrics.aligned_mean_absolute_error(np.array([0.0, 3.0, 0.0, 5.0]), truth) == pytest.approx(2 / 3)
    assert np.isnan(metrics.aligned_mean_absolute_error(np.array([1.0, 2.0]), np.array([1.0, np.nan])))
