# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that knows the parameterisation: x0 or v, one step from zeros, few-step DDIM with
trailing spacing.

One-step training and one-step sampling feed the network exactly the same: zeros at t = 999 (Garcia et
al., "Fine-Tuning Image-Conditional Diffusion Models is Easier than You Think", WACV 2025).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from diffusers import DDIMScheduler
from torch import Tensor

TRAIN_TIMESTEPS = 1000
LAST_TIMESTEP = TRAIN_TIMESTEPS - 1

PredictionType = Literal["sample", "v_prediction"]

ModelFn = Callable[[Tensor, Tensor], Tensor]
"""(noisy [B, C, h, w], timestep [B]) -> model output [B, C, h, w]."""

StepCallback = Callable[[int, int, Tensor], None]
"""(step index from 0, timestep, x0 estimate), after each step; may raise to cancel."""


@dataclass(frozen=True)
class NoisyInput:
    """What the network is fed in one training step.

    Attributes:
        noisy: [B, C, h, w].
        timestep: [B], long.
    """

    noisy: Tensor
    timestep: Tensor


def make_scheduler(prediction_type: PredictionType = "sample") -> DDIMScheduler:
    """The scheduler that a checkpoint carries: zero terminal SNR, so that t = 999 holds no signal, and
    trailing spacing.

    Args:
        prediction_type: "sample" (x0) or "v_prediction".
    """
    return DDIMScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        prediction_type=prediction_type,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


class Denoiser:
    """Owns loss inputs and sampling for one scheduler configuration.

    Args:
        scheduler: a DDIM scheduler with prediction_type "sample" or "v_prediction" and trailing spacing.
    """

    def __init__(self, scheduler: DDIMScheduler) -> None:
        self.prediction_type: str = scheduler.config["prediction_type"]
        if self.prediction_type not in get_args(PredictionType):
            raise ValueError(f"prediction_type must be sample or v_prediction, not {self.prediction_type}")
        if scheduler.config["timestep_spacing"] != "trailing":
            raise ValueError("timestep_spacing must be trailing: other spacings never reach t = 999")
        self.scheduler = scheduler

    def one_step_input(self, target: Tensor) -> NoisyInput:
        """Zeros at t = 999, in the shape, type and place of `target` [B, C, h, w]."""
        timestep = torch.full((target.shape[0],), LAST_TIMESTEP, dtype=torch.long, device=target.device)
        return NoisyInput(torch.zeros_like(target), timestep)

    def training_inputs(
        self,
        target_latents: Tensor,
        wanted_mask: Tensor,
        generator: torch.Generator | None = None,
        one_step_fraction: float = 1.0,
    ) -> NoisyInput:
        """Draws the network's input for one training step.

        Args:
            target_latents: packed true latents [B, C, h, w] (zero where unknown).
            wanted_mask: [B, C, 1, 1], 1 where wanted; given channels are fed as zero.
            generator: on the CPU; draws rows, times and noise.
            one_step_fraction: share of rows that get zeros at t = 999; the others a random t with noise.
        """
        one_step = self.one_step_input(target_latents)
        if one_step_fraction >= 1.0:
            return one_step
        batch, device = target_latents.shape[0], target_latents.device
        noisy_rows = torch.rand(batch, generator=generator) >= one_step_fraction
        timestep = torch.randint(0, TRAIN_TIMESTEPS, (batch,), generator=generator)
        noise = torch.randn(target_latents.shape, generator=generator).to(target_latents)
        rows = noisy_rows.to(device)
        noised = self.scheduler.add_noise(target_latents, noise, timestep.to(device))  # pyright: ignore[reportArgumentType]
        noised = noised * wanted_mask.to(noised.dtype)
        return NoisyInput(
            torch.where(rows.view(-1, 1, 1, 1), noised, one_step.noisy),
            torch.where(rows, timestep.to(device), one_step.timestep),
        )

    def to_x0(self, model_output: Tensor, noisy: Tensor, timestep: Tensor) -> Tensor:
        """The clean latent that `model_output` stands for, float32 [B, C, h, w]."""
        output = model_output.float()
        if self.prediction_type == "sample":
            return output
        alpha = self.scheduler.alphas_cumprod.to(output.device)[timestep].view(-1, 1, 1, 1)
        return alpha.sqrt() * noisy.float() - (1 - alpha).sqrt() * output

    def sample(
        self,
        model: ModelFn,
        shape: tuple[int, int, int, int],
        steps: int = 1,
        *,
        wanted_mask: Tensor | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
        callback: StepCallback | None = None,
    ) -> Tensor:
        """Runs the network `steps` times.

        Args:
            model: the conditioned network.
            shape: of the packed latent (B, C, h, w).
            steps: 1 starts from zeros and is deterministic; more start from noise drawn on the CPU.
            wanted_mask: [B, C, 1, 1]; given channels are fed as zero, as in training.
            callback: called after each step.

        Returns:
            x0, float32 [B, C, h, w].
        """
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        mask = 1.0 if wanted_mask is None else wanted_mask.to(device=device, dtype=torch.float32)
        scheduler = DDIMScheduler.from_config(self.scheduler.config)
        assert isinstance(scheduler, DDIMScheduler)  # a tuple only with return_unused_kwargs
        scheduler.set_timesteps(steps, device=device)
        if steps == 1:
            latents = torch.zeros(shape, device=device)
        else:
            latents = torch.randn(shape, generator=generator).to(device)
        x0 = latents
        for index, t in enumerate(scheduler.timesteps):
            timestep = t.to(device=device, dtype=torch.long).expand(shape[0])
            noisy = latents * mask
            output = model(noisy, timestep)
            x0 = self.to_x0(output, noisy, timestep)
            if callback is not None:
                callback(index, int(t), x0)
            if index + 1 < steps:
                latents = scheduler.step(output.float(), int(t), noisy).prev_sample  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
        return x0
