# SPDX-License-Identifier: GPL-3.0-or-later
"""Each loss against a case worked out by hand, and what switches terms on and off."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from backend.model.losses import (
    RGB_UNIT,
    STILL_FLOW,
    LossWeights,
    align_scale_and_shift,
    aligned_l1,
    gradient_loss,
    iou_loss,
    joint_losses,
    masked_mean,
    normal_loss,
    probability_loss,
    relative_flow_loss,
    scale_and_shift_invariant_l1,
)


def image(*rows: list[float]) -> Tensor:
    return torch.tensor([[list(rows)]])


def perfect_prediction(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    blend = batch["visible"]
    return {
        "rgb": batch["rgb"].clone(),
        "depth": torch.nan_to_num(batch["depth"], nan=-77.0),
        "coverage": batch["coverage"].clone(),
        "extent": batch["crop_side_mm"].view(-1, 1, 1, 1).expand_as(batch["coverage"]).clone(),
        "motion": torch.cat([batch["flow"], blend], dim=1),
    }


def test_masked_mean_counts_only_the_mask() -> None:
    assert masked_mean(image([1.0, 5.0]), image([1.0, 0.0])).item() == 1
    assert masked_mean(image([1.0, 5.0]), image([1.0, 3.0])).item() == 4
    assert masked_mean(image([1.0, 5.0]), image([0.0, 0.0])).item() == 0


def test_gradient_loss_by_hand() -> None:
    error = image([0.0, 1.0, 3.0], [0.0, 1.0, 3.0], [0.0, 1.0, 3.0])
    zero, mask = torch.zeros_like(error), torch.ones_like(error)
    # distance 1: x differences 1 and 2, mean 1.5, y differences 0; distance 2: x 3, y 0
    assert gradient_loss(error, zero, mask, scales=1).item() == pytest.approx(0.75)
    assert gradient_loss(error, zero, mask, scales=2).item() == pytest.approx((0.75 + 1.5) / 2)
    assert gradient_loss(error + 9, zero, mask).item() == gradient_loss(error, zero, mask).item()
    mask[..., 2] = 0
    assert gradient_loss(error, zero, mask, scales=1).item() == pytest.approx(0.5)


def test_normal_loss_is_one_minus_the_cosine_of_the_slope() -> None:
    flat = torch.zeros(1, 1, 4, 4)
    ramp = torch.arange(4.0).view(1, 1, 1, 4).expand(1, 1, 4, 4) * 2  # 2 mm a pixel of 2 mm: 45 degrees
    pitch, mask = torch.tensor([2.0]), torch.ones(1, 1, 4, 4)
    expected = 1 - math.cos(math.pi / 4)
    assert normal_loss(ramp, flat, mask, pitch).item() == pytest.approx(expected, abs=1e-6)
    assert normal_loss(ramp, ramp, mask, pitch).item() == pytest.approx(0, abs=1e-6)


def test_relative_depth_ignores_scale_and_shift() -> None:
    target, mask = torch.randn(2, 1, 8, 8) * 30, (torch.rand(2, 1, 8, 8) > 0.3).float()
    scale, shift = align_scale_and_shift(target * 4 - 7, target, mask)
    torch.testing.assert_close(scale, torch.full((2,), 0.25))
    torch.testing.assert_close(shift, torch.full((2,), 1.75))
    assert scale_and_shift_invariant_l1(target * 4 - 7, target, mask).max() < 1e-5
    # a flat prediction aligns to the mean: its error is the target's own deviation
    flat = scale_and_shift_invariant_l1(torch.zeros_like(target), target, mask)
    torch.testing.assert_close(flat, torch.ones(2))


def test_iou_by_hand() -> None:
    assert iou_loss(image([1.0, 1.0, 0.0]), image([0.0, 1.0, 1.0])).item() == pytest.approx(2 / 3)


def test_probability_loss_pulls_back_from_outside_its_range() -> None:
    target, mask = image([0.0]), image([1.0])
    for start in (2.0, 0.5):
        pred = image([start]).requires_grad_()
        probability_loss(pred, target, mask).sum().backward()
        assert pred.grad is not None and pred.grad.item() > 0
    # the clamped probability is drawn to 0.01..0.99: at 0.5 the entropy is ln 2
    assert probability_loss(image([0.5]), target, mask).item() == pytest.approx(math.log(2), abs=1e-6)
    assert probability_loss(image([2.0]), image([1.0]), mask).item() == pytest.approx(
        1 - math.log(0.99), abs=1e-6
    )


def test_a_perfect_prediction_costs_nothing_but_the_blend_of_warp_and_truth(batch: dict[str, Tensor]) -> None:
    del batch["reference_rgb"]  # without it the picture is not composited, and truth is reached exactly
    terms = joint_losses(perfect_prediction(batch), batch, torch.zeros(2, 2)).terms
    assert terms["blend"].item() == pytest.approx(-math.log(0.99), abs=1e-5)
    for name in terms.keys() - {"blend"}:
        assert terms[name].abs().item() < 1e-5, name


def test_terms_are_in_natural_units(batch: dict[str, Tensor]) -> None:
    predicted = perfect_prediction(batch)
    predicted["depth"] += 5
    predicted["extent"] *= math.e
    predicted["motion"][:, :2] += 0.01
    terms = joint_losses(predicted, batch, torch.zeros(2, 2)).terms
    assert terms["depth"].item() == pytest.approx(5, rel=1e-5)
    assert terms["depth_gradient"].item() == pytest.approx(0, abs=1e-4)
    assert terms["extent"].item() == pytest.approx(1, rel=1e-5)
    assert terms["flow"].item() == pytest.approx(0.01, rel=1e-3)


def test_depth_outside_the_head_does_not_count(batch: dict[str, Tensor]) -> None:
    predicted = perfect_prediction(batch)
    before = joint_losses(predicted, batch, torch.zeros(2, 2)).terms
    predicted["depth"] = predicted["depth"] + 1000 * (1 - batch["coverage"])
    after = joint_losses(predicted, batch, torch.zeros(2, 2)).terms
    for name in ("depth", "depth_gradient", "depth_normal"):
        assert torch.equal(before[name], after[name])


def test_changed_pixels_are_normalised_by_their_own_area(batch: dict[str, Tensor]) -> None:
    del batch["reference_rgb"]
    predicted = perfect_prediction(batch)
    few = torch.zeros_like(batch["change_weight"])
    few[..., 3, 3] = 2.0
    predicted["rgb"][..., 3, 3] += 0.5
    terms = joint_losses(predicted, batch | {"change_weight": few}, torch.zeros(2, 2)).terms
    assert terms["rgb_changed"].item() == pytest.approx(0.5**2 / RGB_UNIT, rel=1e-5)
    assert terms["rgb"].item() == pytest.approx(0.5 / 32**2, rel=1e-3)


def test_each_region_counts_alike_and_only_where_it_is_shown(batch: dict[str, Tensor]) -> None:
    regions = torch.zeros(*batch["coverage"].shape[:1], 2, *batch["coverage"].shape[2:])
    regions[:, 0, 4:12, 4:12] = 1
    regions[0, 1, 0, 0] = 1  # the second region is one pixel of the first picture and not seen in the others
    prediction = perfect_prediction(batch)
    prediction["motion"][:, 2] = 0  # the network's own pixels
    prediction["rgb"][0, :, 0, 0] += 0.3
    batch = {**batch, "regions": regions}
    wanted = torch.zeros(len(regions), 2)
    terms = joint_losses(prediction, batch, wanted).terms
    assert terms["rgb_regions"].item() == pytest.approx(0.3**2 / RGB_UNIT / 2 / len(regions), rel=1e-3)
    still = {**prediction, "motion": torch.zeros_like(prediction["motion"])}
    batch["flow"], batch["flow_valid"] = (
        torch.full_like(batch["flow"], 0.1),
        torch.ones_like(batch["coverage"]),
    )
    assert joint_losses(still, batch, wanted).terms["flow_regions"].item() == pytest.approx(
        0.1**2 / (0.1**2 + STILL_FLOW**2), rel=1e-3
    )


def test_given_groups_are_left_out(batch: dict[str, Tensor]) -> None:
    predicted = {name: torch.zeros_like(value) for name, value in perfect_prediction(batch).items()}
    predicted["extent"] += 340
    depth_mode = joint_losses(predicted, batch, torch.tensor([[1.0, 0.0]] * 2)).terms
    assert not {"rgb", "flow", "blend"} & set(depth_mode)
    assert depth_mode["depth"] > 0
    appearance_mode = joint_losses(predicted, batch, torch.tensor([[0.0, 1.0]] * 2)).terms
    assert appearance_mode["depth"] == appearance_mode["coverage"] == 0
    assert appearance_mode["rgb"] > 0


def test_rows_of_mixed_roles_are_averaged_over_the_rows_that_apply(batch: dict[str, Tensor]) -> None:
    predicted = perfect_prediction(batch)
    predicted["depth"] += torch.tensor([3.0, 7.0]).view(2, 1, 1, 1)
    mixed = joint_losses(predicted, batch, torch.tensor([[0.0, 1.0], [0.0, 0.0]])).terms
    assert mixed["depth"].item() == pytest.approx(7, rel=1e-5)


def test_total_is_the_weighted_sum_and_a_zero_weight_switches_a_term_off(batch: dict[str, Tensor]) -> None:
    predicted = {name: value * 0.9 for name, value in perfect_prediction(batch).items()}
    weights = LossWeights(depth=2.0, rgb=0.0)
    loss = joint_losses(predicted, batch, torch.zeros(2, 2), weights)
    expected = sum(getattr(weights, name) * value.item() for name, value in loss.terms.items())
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)


def test_relative_depth_has_no_metric_terms(batch: dict[str, Tensor]) -> None:
    predicted = perfect_prediction(batch)
    predicted["depth"] = predicted["depth"] * 3 + 10
    terms = joint_losses(predicted, batch, torch.zeros(2, 2), depth_kind="relative").terms
    assert terms["depth"].item() < 1e-5
    assert "depth_gradient" not in terms
    with pytest.raises(ValueError, match="depth_kind"):
        joint_losses(predicted, batch, torch.zeros(2, 2), depth_kind="median")


def test_every_prediction_gets_a_finite_gradient(batch: dict[str, Tensor]) -> None:
    predicted = {
        name: (value + 0.05 * torch.randn_like(value)).requires_grad_()
        for name, value in perfect_prediction(batch).items()
    }
    joint_losses(predicted, batch, torch.zeros(2, 2)).total.backward()
    for name, value in predicted.items():
        assert value.grad is not None and torch.isfinite(value.grad).all(), name
        assert (value.grad.abs().amax(dim=(0, 2, 3)) > 0).all(), name


def test_relative_flow_is_one_for_standing_still_however_far_the_truth_moves() -> None:
    for size in (0.05, 0.2):
        flow = torch.zeros(1, 2, 2, 2)
        flow[:, 0, 0, 0] = size
        weight = torch.ones(1, 1, 2, 2)
        still = relative_flow_loss(torch.zeros_like(flow), flow, weight)
        energy = size**2 / 8  # one of eight numbers differs from zero
        assert still.item() == pytest.approx(energy / (energy + STILL_FLOW**2), rel=1e-4)
        half = relative_flow_loss(flow * 0.5, flow, weight)
        assert half.item() == pytest.approx(0.25 * still.item(), rel=1e-4)
        assert relative_flow_loss(flow, flow, weight).item() == 0


def test_the_longest_gradient_stays_a_sixteenth_of_the_picture() -> None:
    generator = torch.Generator().manual_seed(0)
    for side, scales in ((64, 4), (128, 4), (256, 5), (512, 6)):
        error = torch.rand(1, 1, side, side, generator=generator)
        zero, mask = torch.zeros_like(error), torch.ones_like(error)
        assert gradient_loss(error, zero, mask) == gradient_loss(error, zero, mask, scales=scales)


def test_the_face_counts_up_to_scale_and_shift(batch: dict[str, Tensor]) -> None:
    face = torch.zeros_like(batch["coverage"])
    face[..., 8:24, 8:24] = batch["coverage"][..., 8:24, 8:24]
    batch["face"] = face
    predicted = perfect_prediction(batch)
    predicted["depth"] = predicted["depth"] * 0.5 + 40
    terms = joint_losses(predicted, batch, torch.zeros(2, 2)).terms
    assert terms["depth"].item() > 1
    assert terms["depth_face"].item() == pytest.approx(0, abs=1e-3)
    predicted["depth"] = predicted["depth"] + 1000 * (1 - face)
    again = joint_losses(predicted, batch, torch.zeros(2, 2)).terms
    for name in ("depth_face", "depth_face_normal"):
        torch.testing.assert_close(again[name], terms[name], atol=1e-4, rtol=1e-4)
    given = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert joint_losses(predicted, batch, given).terms["depth_face"] == 0


def test_aligned_l1_by_hand() -> None:
    mask = image([1.0, 1.0, 1.0, 0.0])
    # The best fit of 0, 0, 3 by scale and shift of 0, 1, 2 is -0.5, 1, 2.5.
    error = aligned_l1(image([0.0, 1.0, 2.0, 99.0]), image([0.0, 0.0, 3.0, 7.0]), mask)
    assert error.item() == pytest.approx((0.5 + 1 + 0.5) / 3)


def test_shading_is_taught_by_its_ratio_and_through_the_picture(batch: dict[str, Tensor]) -> None:
    batch["shading"] = torch.full_like(batch["coverage"], 1.2)
    predicted = perfect_prediction(batch)
    assert "shading" not in joint_losses(predicted, batch, torch.zeros(2, 2)).terms  # an older checkpoint
    predicted["shading"] = torch.full_like(batch["coverage"], 1.2 * 1.1).requires_grad_()
    loss = joint_losses(predicted, batch, torch.zeros(2, 2))
    assert loss.terms["shading"].item() == pytest.approx(math.log(1.1) ** 2 / RGB_UNIT, rel=1e-4)
    loss.total.backward()
    assert predicted["shading"].grad is not None and (predicted["shading"].grad != 0).any()
    half = joint_losses(
        predicted, batch, torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    )  # a row whose picture is given
    torch.testing.assert_close(half.terms["shading"], loss.terms["shading"])
