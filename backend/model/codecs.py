# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs between encoded images and latents, and the packing of all modalities into one latent.

Both codecs have the same interface, so the pipeline and the training loop do not know which one they use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from .modalities import GROUPS, MODALITIES


class Codec(Protocol):
    """Encoded image [B, c, H, W] in [-1, 1] <-> latent [B, latent_channels(c), H/downscale, W/downscale]."""

    @property
    def downscale(self) -> int: ...

    def latent_channels(self, channels: int) -> int: ...

    def encode(self, image: Tensor) -> Tensor: ...

    def decode(self, latent: Tensor, channels: int) -> Tensor: ...


class PixelUnshuffleCodec:
    """Lossless: moves each ``patch`` x ``patch`` block of pixels into channels; nothing to download."""

    def __init__(self, patch: int) -> None:
        if patch < 1:
            raise ValueError(f"patch must be at least 1, got {patch}")
        self.patch = patch

    @property
    def downscale(self) -> int:
        return self.patch

    def latent_channels(self, channels: int) -> int:
        return channels * self.patch**2

    def encode(self, image: Tensor) -> Tensor:
        return F.pixel_unshuffle(image, self.patch)

    def decode(self, latent: Tensor, channels: int) -> Tensor:
        image = F.pixel_shuffle(latent, self.patch)
        if image.shape[1] != channels:
            raise ValueError(f"latent decodes to {image.shape[1]} channels, expected {channels}")
        return image


class AutoencoderKLCodec:
    """Stable Diffusion latents. One-channel modalities are repeated to 3 and decoded as the mean of the 3.

    The autoencoder stays frozen; gradients pass through ``decode`` (losses are on decoded images) and
    ``encode`` takes the distribution's mode, so that a given image is noise-free and the result
    deterministic.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        self.vae = vae.requires_grad_(False).eval()

    @property
    def downscale(self) -> int:
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    def latent_channels(self, channels: int) -> int:
        if channels not in (1, 3):
            raise ValueError(f"an image autoencoder takes 1 or 3 channels, got {channels}")
        return int(self.vae.config["latent_channels"])

    def encode(self, image: Tensor) -> Tensor:
        channels = image.shape[1]
        self.latent_channels(channels)
        rgb = image if channels == 3 else image.expand(-1, 3, -1, -1)
        (posterior,) = self.vae.encode(rgb.to(self.vae.dtype), return_dict=False)
        return posterior.mode().to(image.dtype) * float(self.vae.config["scaling_factor"])

    def decode(self, latent: Tensor, channels: int) -> Tensor:
        scaled = latent.to(self.vae.dtype) / float(self.vae.config["scaling_factor"])
        rgb = self.vae.decode(scaled, return_dict=False)[0].to(latent.dtype)  # pyright: ignore[reportArgumentType]
        return rgb if channels == 3 else rgb.mean(dim=1, keepdim=True)


class LatentLayout:
    """Packs a set of modalities into one latent, channels in table order.

    Attributes:
        names: the modalities, in order.
        slices: modality name -> its slice of the latent's channels.
        channels: latent channels in all.
    """

    def __init__(self, codec: Codec, names: Iterable[str]) -> None:
        self.codec = codec
        wanted = set(names)
        unknown = wanted - set(MODALITIES)
        if unknown:
            raise ValueError(f"unknown modalities {sorted(unknown)}; known: {list(MODALITIES)}")
        self.names = tuple(name for name in MODALITIES if name in wanted)
        self.slices: dict[str, slice] = {}
        start = 0
        for name in self.names:
            stop = start + codec.latent_channels(MODALITIES[name].channels)
            self.slices[name] = slice(start, stop)
            start = stop
        self.channels = start

    def encode(self, images: Mapping[str, Tensor]) -> Tensor:
        """Natural-unit images [B, c, H, W], at least one -> latent [B, channels, h, w]; absent ones are 0."""
        first = next((images[name] for name in self.names if name in images), None)
        if first is None:
            raise ValueError(f"none of {self.names} among {sorted(images)}")
        batch, _, height, width = first.shape
        scale = self.codec.downscale
        parts = []
        for name in self.names:
            modality = MODALITIES[name]
            if name in images:
                parts.append(self.codec.encode(modality.encode(images[name])))
            else:
                shape = (
                    batch,
                    self.codec.latent_channels(modality.channels),
                    height // scale,
                    width // scale,
                )
                parts.append(first.new_zeros(shape))
        return torch.cat(parts, dim=1)

    def decode(self, latent: Tensor) -> dict[str, Tensor]:
        """Latent -> natural-unit images in float32, unclamped (see `Modality.limit`)."""
        images = {}
        # One split: the gradient of each slice alone would be a whole latent of zeros.
        parts = latent.split([channels.stop - channels.start for channels in self.slices.values()], dim=1)
        for name, part in zip(self.slices, parts, strict=True):
            modality = MODALITIES[name]
            encoded = self.codec.decode(part, modality.channels)
            images[name] = modality.decode(encoded.float())
        return images

    def wanted_mask(self, given: Tensor) -> Tensor:
        """Which latent channels are wanted.

        Args:
            given: roles [B, 2], 1 where the group (appearance, geometry) is given.

        Returns:
            [B, channels, 1, 1], 1 = wanted. Derived modalities are always wanted.
        """
        mask = given.new_ones((given.shape[0], self.channels, 1, 1))
        for column, group in enumerate(GROUPS):
            for name in self.names:
                if MODALITIES[name].group == group:
                    mask[:, self.slices[name]] = (1 - given[:, column]).view(-1, 1, 1, 1)
        return mask
