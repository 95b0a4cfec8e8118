# SPDX-License-Identifier: GPL-3.0-or-later
"""One training step in its four phases: data, forward, backward, optimiser."""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn

from backend.errors import InputError
from backend.model.losses import JointLoss
from backend.model.pipeline import JointPortraitPipeline
from backend.training import checkpoint as files
from backend.training.adversary import Adversary
from backend.training.batches import BatchSampler
from backend.training.devices import Devices
from backend.training.objective import (
    drop_expression,
    drop_reference,
    face_training_loss,
    trained_networks,
    training_loss,
)
from backend.training.train_options import TrainConfig


class Stepper:
    """Networks, optimiser and moving average of one process.

    Args:
        pipeline: put on the device, into training mode and channels-last memory.
        sampler: where batches come from.
        gradient_checkpointing: of the residual blocks of both trunks; less memory, about a third more time.
        compile_backend: torch.compile's backend for both trunks ("inductor"), in place: their parameters keep their
            names. None runs them as they are.

    Raises:
        InputError: an adversary in more than one process.
    """

    def __init__(
        self,
        pipeline: JointPortraitPipeline,
        sampler: BatchSampler,
        config: TrainConfig,
        devices: Devices,
        gradient_checkpointing: bool = False,
        compile_backend: str | None = None,
    ):
        self.pipeline, self.sampler, self.config, self.devices = pipeline, sampler, config, devices
        pipeline.to(devices.device)
        pipeline.train()
        pipeline.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        trunks: tuple[nn.Module, ...] = (pipeline.backbone.unet, pipeline.reference_network.unet)
        if gradient_checkpointing:
            pipeline.backbone.enable_gradient_checkpointing()
            pipeline.reference_network.enable_gradient_checkpointing()
        if compile_backend is not None:
            for trunk in trunks:
                trunk.compile(backend=compile_backend)
        self.parameters = files.named_trainable(trained_networks(pipeline))
        self.network = devices.wrap(pipeline.model)
        self.optimiser = torch.optim.AdamW(
            list(self.parameters.values()),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.ema = files.ExponentialMovingAverage(self.parameters, config.ema_decay)
        self.adversary: Adversary | None = None
        if config.adversarial_share > 0:
            if devices.count > 1:
                raise InputError(
                    "--adversarial-share works in one process.",
                    "Train in one process, or without the adversary.",
                    code="adversary_processes",
                )
            self.adversary = Adversary(config.adversarial_share, devices.device, config.seed)
        # The same in every process, so that all draw the same roles.
        self.random = random.Random(config.seed)

    @property
    def knows_faces(self) -> bool:
        """Whether any shot has face points."""
        return any(shot.points is not None for shot in self.sampler.library.shots)

    def mode(self) -> str:
        """Draws the role of the next batch; pictures without pairs train depth only."""
        draw = self.random.random()
        if self.config.face_share > 0 and self.random.random() < self.config.face_share and self.knows_faces:
            return "face"
        if draw < self.config.depth_share or not self.sampler.library.paired:
            return "depth"
        return "joint" if draw < self.config.depth_share + self.config.joint_share else "appearance"

    def draw(self, mode: str) -> dict[str, Tensor]:
        """An augmented batch for a role, with conditions dropped as configured."""
        count, config = self.config.batch, self.config
        if mode == "depth":
            return self.sampler.depth(count)
        if mode == "face":
            return self.sampler.face(count)
        batch = self.sampler.joint(count)
        if config.expression_dropout > 0:
            drawn = torch.rand(count, generator=self.sampler.generator, device=self.sampler.device)
            batch = drop_expression(batch, drawn < config.expression_dropout)
        if config.reference_dropout > 0 and self.random.random() < config.reference_dropout:
            batch = drop_reference(batch)
        return batch

    def forward(self, batch: dict[str, Tensor], mode: str) -> JointLoss:
        """Networks and losses.

        Raises:
            InputError: the loss is not finite.
        """
        if mode == "face":
            loss = face_training_loss(self.pipeline, batch, self.network)
        else:
            loss = training_loss(
                self.pipeline,
                batch,
                mode,
                self.sampler.generator,
                self.config,
                network=self.network,
                adversary=self.adversary,
            )
        if not torch.isfinite(loss.total):
            raise InputError(
                f"The loss became {loss.total.item()} at step {self.ema.steps}.",
                "Start again from the last checkpoint with a lower --learning-rate.",
                code="training_diverged",
            )
        return loss

    def backward(self, loss: JointLoss) -> None:
        """Gradients of this batch."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()

    def update(self, learning_rate: float) -> None:
        """Clip, step, and take the result into the average."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        # Parameters the role does not reach (the reference network in depth mode) have no gradient and stay.
        torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.config.clip_norm)
        self.optimiser.step()
        self.ema.update(self.parameters)
