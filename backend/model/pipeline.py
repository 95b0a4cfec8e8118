# SPDX-License-Identifier: GPL-3.0-or-later
"""The diffusers pipeline: one network, three modes by channel-wise inpainting."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline
from diffusers.utils import BaseOutput
from torch import Tensor, nn

from ..errors import CheckpointError, InputError
from .backbone import JointBackbone
from .checkpoint import check_complete, check_folder, first_line, forget_origin, quiet_loading
from .codecs import AutoencoderKLCodec, Codec, PixelUnshuffleCodec
from .composite import composite, settle, settle_shading, without_colour
from .denoiser import Denoiser
from .ensemble import VIEWS, Geometry, gather, spread
from .expression import Expression, ExpressionEncoder
from .joint_model import Conditions, JointModel, Reference, roles_tensor
from .modalities import MODALITIES, crop_side_mm
from .modes import INPUT_MODALITY, check_call, check_image
from .reference import ReferenceNetwork

DEPTH_RANGE_MM = (-150.0, 150.0)
"""Far and near limit of a head's depth, where training data say nothing else."""

StepEndCallback = Callable[[Any, int, int, dict[str, Any]], Any]
"""diffusers' convention: (pipeline, step index from 0, timestep, {"x0": latent}); may raise to cancel."""


@dataclass(frozen=True)
class PipelineSettings:
    """Good defaults that travel in the checkpoint's model_index.json.

    Attributes:
        resolution_px: side of the head crop the networks were trained at.
        num_inference_steps: default number of denoising steps.
        depth_range_mm: (far, near) limits of depth that training data had.
        training: free-form facts about the training (data, steps, metrics).
    """

    resolution_px: int
    num_inference_steps: int
    depth_range_mm: tuple[float, float]
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class JointPortraitOutput(BaseOutput):
    """Images of the crop, float32.

    Attributes:
        rgb: [B, 3, R, R] 0..1, the composite of warped reference and generated pixels (the given picture
            in depth mode).
        generated_rgb: [B, 3, R, R] 0..1, the network's own pixels alone.
        depth_mm: [B, 1, R, R], everywhere finite; meaningful where covered.
        coverage: [B, 1, R, R] 0..1.
        crop_side_mm: [B].
        motion: [B, 2, R, R] in crop sides, settled, or None without a reference.
        blend: [B, 1, R, R] 0..1, or None without a reference.
        shading: [B, 1, R, R] > 0, what the moved reference is multiplied by, settled; None without a reference, or
            where the checkpoint predicts none.
    """

    rgb: Tensor
    generated_rgb: Tensor
    depth_mm: Tensor
    coverage: Tensor
    crop_side_mm: Tensor
    motion: Tensor | None = None
    blend: Tensor | None = None
    shading: Tensor | None = None


class JointPortraitPipeline(DiffusionPipeline):
    """Joint RGB and depth of a portrait.

    Args:
        reference_network: carries the identity.
        backbone: the joint denoising network.
        expression_encoder: expression -> tokens, maps, vector.
        scheduler: parameterisation, see `Denoiser`.
        vae: image autoencoder; None for the lossless pixel-unshuffle codec.
        patch: pixel-unshuffle patch, used without a vae.
        resolution_px, num_inference_steps, depth_range_mm, training: see `PipelineSettings`.
    """

    model_cpu_offload_seq = "reference_network->expression_encoder->backbone->vae"
    _optional_components = ["vae"]

    def __init__(
        self,
        reference_network: ReferenceNetwork,
        backbone: JointBackbone,
        expression_encoder: ExpressionEncoder,
        scheduler: DDIMScheduler,
        vae: AutoencoderKL | None = None,
        patch: int = 4,
        resolution_px: int = 128,
        num_inference_steps: int = 1,
        depth_range_mm: list[float] | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            reference_network=reference_network,
            backbone=backbone,
            expression_encoder=expression_encoder,
            scheduler=scheduler,
            vae=vae,
        )
        self.register_to_config(
            patch=patch,
            resolution_px=resolution_px,
            num_inference_steps=num_inference_steps,
            depth_range_mm=list(depth_range_mm or DEPTH_RANGE_MM),
            training=dict(training or {}),
        )
        codec: Codec = PixelUnshuffleCodec(patch) if vae is None else AutoencoderKLCodec(vae)
        self.model = JointModel(backbone, reference_network, expression_encoder, codec)
        self.denoiser = Denoiser(scheduler)
        self.autocast_dtype: torch.dtype | None = None
        """Run the networks under autocast in this type (bfloat16 doubles the speed of CPUs that have
        AMX); None: off."""

    @property
    def settings(self) -> PipelineSettings:
        """The checkpoint's own defaults."""
        far, near = self.config["depth_range_mm"]
        return PipelineSettings(
            resolution_px=int(self.config["resolution_px"]),
            num_inference_steps=int(self.config["num_inference_steps"]),
            depth_range_mm=(float(far), float(near)),
            training=dict(self.config["training"]),
        )

    def update_settings(self, **changes: Any) -> None:
        """Changes what `settings` says and `save_pretrained` writes; names as in `PipelineSettings`."""
        known = set(PipelineSettings.__dataclass_fields__)
        if unknown := set(changes) - known:
            raise ValueError(f"unknown settings {sorted(unknown)}; known: {sorted(known)}")
        self.register_to_config(
            **{name: list(v) if isinstance(v, tuple) else v for name, v in changes.items()}
        )

    def networks(self) -> tuple[nn.Module, ...]:
        """The modules that hold trained weights."""
        return (self.reference_network, self.backbone, self.expression_encoder)

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """See `JointModel.trainable_parameters`."""
        return self.model.trainable_parameters()

    def train(self, mode: bool = True) -> JointPortraitPipeline:
        """Puts the networks into training or evaluation mode."""
        for network in self.networks():
            network.train(mode)
        return self

    def eval(self) -> JointPortraitPipeline:
        """Puts the networks into evaluation mode."""
        return self.train(False)

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        folder: str | os.PathLike[str],
        *,
        dtype: torch.dtype = torch.float32,
        autocast_dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> JointPortraitPipeline:
        """Loads a checkpoint folder; never from the network, safetensors only.

        Args:
            folder: what `save_pretrained` wrote. Weights stored as bfloat16 are loaded as `dtype`.
            dtype: type of the loaded weights.
            autocast_dtype: see `autocast_dtype`.

        Raises:
            CheckpointError: the folder is missing, incomplete or of another version.
        """
        path = Path(folder)
        check_folder(path)
        try:
            with quiet_loading():
                pipeline = super().from_pretrained(
                    str(path), dtype=dtype, local_files_only=True, use_safetensors=True, **kwargs
                )
        except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"The checkpoint in {path} cannot be loaded: {first_line(error)}",
                "Install the checkpoint again, or choose another folder in PORTRAIT_RELIEF_CHECKPOINT.",
            ) from error
        check_complete(
            path,
            {
                "reference_network": pipeline.reference_network,
                "backbone": pipeline.backbone,
                "expression_encoder": pipeline.expression_encoder,
            },
        )
        pipeline.autocast_dtype = autocast_dtype
        return pipeline.eval()

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """As diffusers does it, but the configurations do not name the folder this pipeline was loaded from."""
        super().save_pretrained(save_directory, *args, **kwargs)
        forget_origin(Path(save_directory))

    @torch.no_grad()
    def encode_reference(self, rgb: Tensor) -> Reference:
        """Runs the reference network once; the result serves all frames of a job.

        Args:
            rgb: [B, 3, R, R] in 0..1.

        Raises:
            InputError: wrong shape or not finite.
        """
        self._check_image("reference", rgb)
        # Its deepest sums exceed float16; once an identity, float32 costs little.
        with self._autocast(enabled=self.autocast_dtype is not torch.float16):
            return self.model.encode_reference(rgb.to(self._device, torch.float32)).detach()

    @torch.no_grad()
    def __call__(
        self,
        *,
        mode: str,
        reference: Reference | Tensor | None = None,
        rgb: Tensor | None = None,
        depth_mm: Tensor | None = None,
        coverage: Tensor | None = None,
        expression: Expression | Sequence[Expression] | None = None,
        num_inference_steps: int | None = None,
        generator: torch.Generator | None = None,
        ensemble_size: int = 1,
        callback_on_step_end: StepEndCallback | None = None,
    ) -> JointPortraitOutput:
        """Generates what the mode leaves open.

        Args:
            mode: "joint" (both wanted), "depth" (rgb given), "appearance" (depth and coverage given).
            reference: prepared by `encode_reference`, or a picture [B, 3, R, R] in 0..1.
            rgb: [B, 3, R, R] in 0..1, for mode depth.
            depth_mm: [B, 1, R, R], NaN outside the head, for mode appearance.
            coverage: [B, 1, R, R] in 0..1, for mode appearance.
            expression: one for the batch, or a sequence (one a row); None is "as in the photo".
            num_inference_steps: None takes the checkpoint's default.
            generator: on the CPU; only used with more than one step.
            ensemble_size: in mode depth, over how many views of the picture the depth is averaged (`VIEWS`).
            callback_on_step_end: diffusers' convention, see `StepEndCallback`; may raise to cancel.

        Raises:
            InputError: an input is missing or malformed.
        """
        # 1. Check
        images = {"rgb": rgb, "depth_mm": depth_mm, "coverage": coverage}
        needs = check_call(mode, reference is not None, images, num_inference_steps, ensemble_size)
        for name in needs.images:
            self._check_image(name, images[name])
        if isinstance(reference, Tensor):
            self._check_image("reference", reference)
        if ensemble_size > 1 and rgb is not None:
            views = VIEWS[:ensemble_size]
            output = self(
                mode=mode,
                rgb=spread(rgb.to(self._device, torch.float32), views),
                num_inference_steps=num_inference_steps,
                generator=generator,
                callback_on_step_end=callback_on_step_end,
            )
            mean = gather(Geometry(output.depth_mm, output.coverage, output.crop_side_mm), views)
            return replace(
                output,
                rgb=output.rgb[: len(rgb)],
                generated_rgb=output.generated_rgb[: len(rgb)],
                depth_mm=mean.depth_mm,
                coverage=mean.coverage,
                crop_side_mm=mean.crop_side_mm,
            )
        device = self._device
        given = {
            INPUT_MODALITY[name]: image.to(device, torch.float32)
            for name in needs.images
            if (image := images[name]) is not None
        }
        if isinstance(reference, Tensor):
            reference = self.encode_reference(reference)

        # 2. Conditions
        expressions = list(expression) if isinstance(expression, Sequence) else None
        batch, height, width = self._batch_shape(given, reference, expressions)
        if expressions is not None:
            values, known = Expression.stack(expressions, device)
        else:
            single = expression if isinstance(expression, Expression) else Expression()
            values, known = single.tensors(batch, device)
        conditions = Conditions(
            roles=roles_tensor(needs.given, batch, device),
            values=values,
            known=known,
            images=given,
            reference=reference,
        )
        steps = num_inference_steps or self.settings.num_inference_steps
        scale = self.model.codec.downscale

        # 3. Denoise
        with self._autocast():
            prepared = self.model.prepare(conditions)

        def run(noisy: Tensor, timestep: Tensor) -> Tensor:
            with self._autocast():
                return self.model.denoise(noisy, timestep, prepared).float()

        def report(index: int, timestep: int, x0: Tensor) -> None:
            if callback_on_step_end is not None:
                callback_on_step_end(self, index, timestep, {"x0": x0})

        latents = self.denoiser.sample(
            run,
            (batch, self.model.layout.channels, height // scale, width // scale),
            steps,
            wanted_mask=self.model.layout.wanted_mask(conditions.roles),
            generator=generator,
            device=device,
            callback=report,
        )

        # 4. Decode; what was given comes back as it was
        return self._output(self.model.layout.decode(latents), given, reference)

    def _output(
        self, decoded: Mapping[str, Tensor], given: Mapping[str, Tensor], reference: Reference | None
    ) -> JointPortraitOutput:
        images = {name: MODALITIES[name].limit(image) for name, image in decoded.items()}
        generated = images["rgb"]
        if reference is not None:
            generated = without_colour(generated, reference.rgb)
        coverage = given.get("coverage", images["coverage"])
        final = given.get("rgb", generated)
        motion = blend = shading = None
        if reference is not None:
            settled = settle(images["motion"], near_motion="depth" not in given)
            motion, blend = settled[:, :2], settled[:, 2:]
            if "shading" in images:
                shading = settle_shading(images["shading"])
            if "rgb" not in given:
                final = composite(generated, reference.rgb, settled, shading).clamp(0, 1)
        return JointPortraitOutput(
            rgb=final,
            generated_rgb=generated,
            depth_mm=torch.nan_to_num(given.get("depth", images["depth"]), nan=0.0),
            coverage=coverage,
            crop_side_mm=crop_side_mm(images["extent"], coverage),
            motion=motion,
            blend=blend,
            shading=shading,
        )

    @property
    def _device(self) -> torch.device:
        return self.backbone.device

    def _autocast(self, *, enabled: bool = True) -> torch.autocast:
        return torch.autocast(
            device_type=self._device.type,
            dtype=self.autocast_dtype or torch.bfloat16,
            enabled=enabled and self.autocast_dtype is not None,
        )

    def _batch_shape(
        self,
        given: Mapping[str, Tensor],
        reference: Reference | None,
        expressions: Sequence[Expression] | None,
    ) -> tuple[int, int, int]:
        shapes = [image.shape for image in given.values()]
        if reference is not None:
            shapes.append(reference.rgb.shape)
        batches = {shape[0] for shape in shapes}
        if expressions is not None:
            batches.add(len(expressions))
        sides = {shape[-2:] for shape in shapes}
        batch = max(batches)
        if len(sides) > 1 or batches - {1, batch}:
            raise InputError(
                "The pictures and expressions of one call do not fit together.",
                "All pictures must have one size, and batches one length (a reference of 1 serves all rows).",
            )
        if any(image.shape[0] != batch for image in given.values()):
            raise InputError("One given picture cannot serve several expressions.", "Repeat it for each row.")
        height, width = sides.pop()
        return batch, height, width

    def _check_image(self, name: str, image: Tensor | None) -> None:
        assert image is not None  # `check_call` has seen to it
        levels = len(self.backbone.unet.config["block_out_channels"])
        multiple = self.model.codec.downscale * 2 ** (levels - 1)
        check_image(name, image, multiple, self.settings.resolution_px)
