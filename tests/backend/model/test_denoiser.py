# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameterisation: training and sampling must agree."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from backend.model.denoiser import Denoiser, make_scheduler

SHAPE = (2, 3, 4, 4)


@pytest.fixture(params=["sample", "v_prediction"])
def denoiser(request: pytest.FixtureRequest) -> Denoiser:
    return Denoiser(make_scheduler(request.param))


def true_output(denoiser: Denoiser, x0: Tensor, noisy: Tensor, timestep: Tensor) -> Tensor:
    """What a perfect network answers."""
    if denoiser.prediction_type == "sample":
        return x0
    alpha = denoiser.scheduler.alphas_cumprod[timestep].view(-1, 1, 1, 1)
    noise = (noisy - alpha.sqrt() * x0) / (1 - alpha).sqrt().clamp_min(1e-6)
    return alpha.sqrt() * noise - (1 - alpha).sqrt() * x0


def test_one_step_training_feeds_what_one_step_sampling_feeds(denoiser: Denoiser) -> None:
    fed: list[tuple[Tensor, Tensor]] = []

    def record(noisy: Tensor, timestep: Tensor) -> Tensor:
        fed.append((noisy, timestep))
        return torch.ones(SHAPE)

    denoiser.sample(record, SHAPE, steps=1)
    trained = denoiser.training_inputs(torch.randn(SHAPE), torch.ones(2, 3, 1, 1), one_step_fraction=1.0)
    ((noisy, timestep),) = fed
    assert torch.equal(noisy, trained.noisy) and noisy.abs().max() == 0
    assert torch.equal(timestep, trained.timestep) and timestep.tolist() == [999, 999]


def test_last_timestep_holds_no_signal(denoiser: Denoiser) -> None:
    assert denoiser.scheduler.alphas_cumprod[999].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_a_perfect_network_is_sampled_to_the_truth(denoiser: Denoiser, steps: int) -> None:
    x0 = torch.randn(SHAPE)
    result = denoiser.sample(
        lambda noisy, t: true_output(denoiser, x0, noisy, t),
        SHAPE,
        steps,
        generator=torch.Generator().manual_seed(0),
    )
    torch.testing.assert_close(result, x0, atol=1e-4, rtol=1e-4)


def test_noisy_training_rows_recover_the_target(denoiser: Denoiser) -> None:
    target = torch.randn(64, 3, 4, 4)
    inputs = denoiser.training_inputs(
        target, torch.ones(64, 3, 1, 1), torch.Generator().manual_seed(1), one_step_fraction=0.0
    )
    assert len(set(inputs.timestep.tolist())) > 32
    output = true_output(denoiser, target, inputs.noisy, inputs.timestep)
    early = inputs.timestep < 900  # beyond, float32 has lost the signal that v is computed from
    x0 = denoiser.to_x0(output, inputs.noisy, inputs.timestep)
    torch.testing.assert_close(x0[early], target[early], atol=1e-3, rtol=1e-3)


def test_a_fraction_of_rows_is_one_step(denoiser: Denoiser) -> None:
    inputs = denoiser.training_inputs(
        torch.randn(200, 1, 2, 2), torch.ones(200, 1, 1, 1), torch.Generator().manual_seed(1), 0.5
    )
    zero_rows = inputs.noisy.abs().amax(dim=(1, 2, 3)) == 0
    assert 60 < zero_rows.sum() < 140
    assert (inputs.timestep[zero_rows] == 999).all()


def test_given_channels_are_fed_as_zero(denoiser: Denoiser) -> None:
    wanted = torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(2, -1, -1, -1)
    inputs = denoiser.training_inputs(torch.randn(SHAPE), wanted, one_step_fraction=0.0)
    assert inputs.noisy[:, 1].abs().max() == 0 and inputs.noisy[:, 0].abs().max() > 0
    fed: list[Tensor] = []

    def model(noisy: Tensor, timestep: Tensor) -> Tensor:
        fed.append(noisy)
        return torch.ones(SHAPE)

    denoiser.sample(model, SHAPE, steps=3, wanted_mask=wanted)
    assert max(noisy[:, 1].abs().max() for noisy in fed) == 0


def test_few_steps_follow_the_generator(denoiser: Denoiser) -> None:
    def run(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return denoiser.sample(lambda noisy, t: noisy.tanh(), SHAPE, 3, generator=generator)

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_spacing_is_trailing_and_the_callback_can_cancel(denoiser: Denoiser) -> None:
    seen: list[tuple[int, int]] = []

    def cancel_after_two(index: int, timestep: int, x0: Tensor) -> None:
        seen.append((index, timestep))
        if index == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoiser.sample(lambda noisy, t: noisy, SHAPE, 4, callback=cancel_after_two)
    assert seen == [(0, 999), (1, 749)]


def test_unfit_schedulers_are_refused() -> None:
    with pytest.raises(ValueError, match="prediction_type"):
        Denoiser(DDIMScheduler(prediction_type="epsilon", timestep_spacing="trailing"))
    with pytest.raises(ValueError, match="trailing"):
        Denoiser(DDIMScheduler(prediction_type="sample", timestep_spacing="leading"))
    with pytest.raises(ValueError, match="at least 1"):
        Denoiser(make_scheduler()).sample(lambda noisy, t: noisy, SHAPE, 0)
