# SPDX-License-Identifier: GPL-3.0-or-later
"""The joint backbone: one UNet over the latents of all modalities, in and out.

Input channels of the trunk, in this order, all at latent resolution:
    noisy latents      every modality (zero where given, and all zero in one-step mode)
    given latents      modalities that can be given (rgb, depth, coverage), noise-free, zero where wanted
    role maps          2: appearance given, geometry given (1 or 0)
    reference latents  rgb of the reference picture (only with ``concat_reference``), zero without a
    expression maps    `expression_map_channels`, carried to the face in the reference; zero without an expression
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from .expression import MAP_CHANNELS, ExpressionFeatures
from .face_frame import FaceFrame, arrive, carry
from .face_parts import DRAWN, FaceParts
from .modalities import FIRST_MODALITIES, GROUPS, MODALITIES
from .reference import ReferenceBank, set_bank_processors
from .trunk import build_trunk

GIVABLE = tuple(name for name, modality in MODALITIES.items() if modality.group in GROUPS)
"""Modalities that can be given; the layout of the ``given`` latents."""


def trunk_in_channels(
    latent_channels: int,
    given_channels: int,
    rgb_channels: int,
    concat_reference: bool,
    expression_map_channels: int = MAP_CHANNELS,
) -> int:
    """Width of the trunk's conv_in for the given latent widths."""
    reference = rgb_channels if concat_reference else 0
    return latent_channels + given_channels + len(GROUPS) + reference + expression_map_channels


class PixelHead(nn.Module):
    """Refines the unshuffled output at full resolution: three 3x3 convolutions, and a linear way for the maps.

    Without convolutions after the shuffle each pixel of a patch comes from its own output channel, which
    imprints a grid of the patch size in the normals. The last convolution and `map_skip` start at zero; a
    preset may set `map_skip` to the displacement that the expression maps already hold, so that the trunk
    learns motion as a correction of it. Eyelids are two patches high: only here are they resolved.

    The trunk's last level has a tenth of the channels that its patches have values. What it cannot say, the same head
    at half the resolution adds from the photo ("pixels" then are 2 x 2 of them).
    """

    def __init__(self, pixel_channels: int, context_channels: int, map_channels: int, width: int) -> None:
        super().__init__()
        inputs = pixel_channels + context_channels + map_channels
        self.conv_in = nn.Conv2d(inputs, width, 3, padding=1)
        self.conv_mid = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, pixel_channels, 3, padding=1)
        self.map_skip = nn.Conv2d(map_channels, pixel_channels, 1)
        for layer in (self.conv_out, self.map_skip):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, pixels: Tensor, context: Tensor, maps: Tensor) -> Tensor:
        """pixels [B, pixel_channels, H, W], context [B, context_channels, H, W], maps [B, map_channels, H,
        W] -> refined pixels."""
        x = F.silu(self.conv_in(torch.cat([pixels, context, maps], dim=1)))
        x = F.silu(self.conv_mid(x))
        return pixels + self.map_skip(maps) + self.conv_out(x)


class JointBackbone(ModelMixin, ConfigMixin):
    """An unmodified `UNet2DConditionModel` between packed inputs and packed outputs.

    Args:
        trunk: configuration of the UNet; its in_channels must equal `trunk_in_channels(...)` and its
            out_channels `latent_channels`.
        latent_channels: channels of the packed latent of all modalities.
        given_channels: channels of the packed latent of rgb, depth and coverage.
        rgb_channels: channels of the rgb latent.
        concat_reference: whether the reference picture's latents join the input.
        expression_map_channels: channels of the dense expression maps.
        pixel_head_width: width of the full-resolution head, 0 for none.
        half_head_width: width of the same at half the resolution, which sees twice as far, 0 for none; needs an even
            patch and the pixel head.
        patch: side of the pixel-unshuffle patch; needed by the pixel head, 0 with an autoencoder.
        face_frame_width: width of the network that carries the expression maps to the face, 0 for none; needs
            ``concat_reference`` and a patch.
        face_frame_side: pixels across of the picture that this network looks at.
        modalities: names of what the packed latent holds.
        maps_arrive: whether the expression maps are told where what they move arrives (`face_frame.arrive`), not
            where it leaves.
        parts_width: width of the networks of eyes and mouth (`face_parts`), 0 for none; needs the face frame and maps
            that arrive.
    """

    config_name = "config.json"
    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        trunk: dict[str, Any],
        latent_channels: int,
        given_channels: int,
        rgb_channels: int,
        concat_reference: bool = False,
        expression_map_channels: int = MAP_CHANNELS,
        pixel_head_width: int = 0,
        patch: int = 0,
        face_frame_width: int = 0,
        face_frame_side: int = 128,
        modalities: Sequence[str] = FIRST_MODALITIES,
        half_head_width: int = 0,
        maps_arrive: bool = False,
        parts_width: int = 0,
    ) -> None:
        super().__init__()
        self.unet = build_trunk(trunk)
        expected = trunk_in_channels(
            latent_channels, given_channels, rgb_channels, concat_reference, expression_map_channels
        )
        if self.unet.config["in_channels"] != expected:
            raise ValueError(
                f"trunk has {self.unet.config['in_channels']} input channels, the inputs need {expected}"
            )
        if self.unet.config["out_channels"] != latent_channels:
            raise ValueError(
                f"trunk has {self.unet.config['out_channels']} output channels, latents {latent_channels}"
            )
        if pixel_head_width and patch < 2:
            raise ValueError("the pixel head needs the pixel-unshuffle codec (patch of at least 2)")
        if face_frame_width and not concat_reference:
            raise ValueError("the face frame is read from the reference's latents: set concat_reference")
        if face_frame_width and patch < 2:
            raise ValueError("the face frame needs the pixel-unshuffle codec (patch of at least 2)")
        self.face_frame: FaceFrame | None = None
        if face_frame_width:
            self.face_frame = FaceFrame(rgb_channels // patch**2, face_frame_width, patch, face_frame_side)
        self.layer_names = set_bank_processors(self.unet)
        self.uses_vector = self.unet.config["class_embed_type"] == "projection"
        self.ablated: frozenset[str] = frozenset()
        """Inputs that the trunk is kept from, for ablations: "bank", "concat" (reference latents), "roles"."""
        self.patch = patch
        self.pixel_head: PixelHead | None = None
        if pixel_head_width:
            out_pixels = latent_channels // patch**2
            rgb_pixels = rgb_channels // patch**2
            context = rgb_pixels * (2 if concat_reference else 1)
            self.pixel_head = PixelHead(out_pixels, context, expression_map_channels, pixel_head_width)
        self.half_head: PixelHead | None = None
        if half_head_width:
            if self.pixel_head is None or patch % 2:
                raise ValueError("the head at half the resolution needs the pixel head and an even patch")
            self.half_head = PixelHead(4 * out_pixels, 4 * context, expression_map_channels, half_head_width)
        self.parts: FaceParts | None = None
        if parts_width:
            if self.pixel_head is None or self.face_frame is None or not maps_arrive:
                raise ValueError("the parts need the pixel head, the face frame and maps that arrive")
            self.parts = FaceParts(parts_width)

    def forward(
        self,
        noisy: Tensor,
        timestep: Tensor | int,
        *,
        given: Tensor,
        roles: Tensor,
        expression: ExpressionFeatures,
        reference_latents: Tensor | None = None,
        bank: ReferenceBank | None = None,
    ) -> Tensor:
        """Predicts the packed latent (x0 or v, as the `Denoiser` says).

        Args:
            noisy: [B, latent_channels, h, w].
            timestep: int or [B].
            given: [B, given_channels, h, w], zero where wanted. Masked here by the roles once more, so
                that a wanted modality can never leak in.
            roles: [B, 2], 1 where appearance / geometry is given.
            expression: from `ExpressionEncoder`, batch B.
            reference_latents: [B or 1, rgb_channels, h, w], or None.
            bank: of batch B or 1, or None for plain self-attention.

        Returns:
            [B, latent_channels, h, w].
        """
        batch, _, height, width = noisy.shape
        given = given * self._given_mask(roles, given)
        field = self.face_field(reference_latents)
        maps = self.maps_in_picture(expression, field, height, width)
        if self.config["concat_reference"] and reference_latents is None:
            reference_latents = noisy.new_zeros(1, self.config["rgb_channels"], height, width)
        shown_roles = torch.zeros_like(roles) if "roles" in self.ablated else roles
        parts = [noisy, given, shown_roles.to(noisy.dtype)[:, :, None, None].expand(-1, -1, height, width)]
        if self.config["concat_reference"]:
            assert reference_latents is not None
            shown = torch.zeros_like(reference_latents) if "concat" in self.ablated else reference_latents
            parts.append(shown.to(noisy.dtype).expand(batch, -1, -1, -1))
        parts.append(F.adaptive_avg_pool2d(maps, (height, width)).to(noisy.dtype))
        if "bank" in self.ablated:
            bank = None
        output = self.unet(
            torch.cat(parts, dim=1).to(self.dtype),
            timestep,
            encoder_hidden_states=expression.tokens.to(self.dtype),
            class_labels=expression.vector.to(self.dtype) if self.uses_vector else None,
            cross_attention_kwargs=None if bank is None else {"read_from": bank.states},
        ).sample
        if self.pixel_head is not None:
            output = self._refine(output, given, reference_latents, maps)
        if self.parts is not None and reference_latents is not None and field is not None:
            output = self._with_parts(output, reference_latents, field, maps, roles, expression.vector)
        return output

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that get a gradient: all of them."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def face_field(self, reference_latents: Tensor | None) -> Tensor | None:
        """`FaceFrame`'s field [B or 1, 8, h, w] of the reference; None without one or without a face frame."""
        if self.face_frame is None or reference_latents is None:
            return None
        return self.face_frame(reference_latents.to(self.dtype))

    def maps_in_picture(
        self, expression: ExpressionFeatures, field: Tensor | None, height: int, width: int
    ) -> Tensor:
        """The expression maps in the picture's frame, where there is a pixel head at full resolution, else at the
        latents' `height` x `width`."""
        scale = self.patch if self.pixel_head is not None else 1
        maps = carry(expression.maps, field, height * scale, width * scale)
        return arrive(maps) if self.config["maps_arrive"] else maps

    def _given_mask(self, roles: Tensor, given: Tensor) -> Tensor:
        """[B, given_channels, 1, 1]: 1 where the modality's group is given."""
        columns: list[Tensor] = []
        for name, channels in zip(GIVABLE, self._given_widths(), strict=True):
            role = roles[:, GROUPS.index(MODALITIES[name].group)].to(given.dtype)
            columns.append(role[:, None].expand(-1, channels))
        return torch.cat(columns, dim=1)[:, :, None, None]

    def _given_widths(self) -> Sequence[int]:
        rgb = int(self.config["rgb_channels"])
        rest = (int(self.config["given_channels"]) - rgb) // (len(GIVABLE) - 1)
        return [rgb] + [rest] * (len(GIVABLE) - 1)

    def _refine(
        self, output: Tensor, given: Tensor, reference_latents: Tensor | None, maps: Tensor
    ) -> Tensor:
        assert self.pixel_head is not None
        batch, _, height, width = output.shape
        rgb_channels = int(self.config["rgb_channels"])
        context = [given[:, :rgb_channels]]
        if self.config["concat_reference"]:
            assert reference_latents is not None
            context.append(reference_latents.to(given.dtype).expand(batch, -1, height, width))
        maps = maps.to(output.dtype)
        seen = torch.cat(context, dim=1).to(output.dtype)
        pixels = F.pixel_shuffle(output, self.patch)
        context_pixels = F.pixel_shuffle(seen, self.patch)
        if self.half_head is not None:
            half = self.half_head(
                F.pixel_unshuffle(pixels, 2), F.pixel_unshuffle(context_pixels, 2), F.avg_pool2d(maps, 2)
            )
            pixels = F.pixel_shuffle(half, 2)
        refined = self.pixel_head(pixels, context_pixels, maps)
        return F.pixel_unshuffle(refined, self.patch)

    def _with_parts(
        self,
        output: Tensor,
        reference_latents: Tensor,
        field: Tensor,
        maps: Tensor,
        roles: Tensor,
        vector: Tensor,
    ) -> Tensor:
        """Eyes and mouth by their own networks, where an expression is wanted and the geometry not given."""
        assert self.parts is not None
        batch = output.shape[0]
        pixels = F.pixel_shuffle(output, self.patch)
        reference = F.pixel_shuffle(reference_latents, self.patch).expand(batch, -1, -1, -1)
        drawn = [
            channel for name in DRAWN for channel in range(*_pixel_channels(self.config["modalities"], name))
        ]
        told = (vector[:, vector.shape[1] // 2 :].sum(dim=1) > 0).to(pixels.dtype)
        shown = told * (1 - roles[:, GROUPS.index("geometry")])
        parts = self.parts(pixels[:, drawn], reference, field, maps, vector, shown)
        pixels = pixels.float().index_copy(1, torch.tensor(drawn, device=pixels.device), parts)
        return F.pixel_unshuffle(pixels, self.patch)


def _pixel_channels(modalities: Sequence[str], name: str) -> tuple[int, int]:
    """First channel of a modality in the unshuffled output, and the one after its last."""
    before = modalities[: list(modalities).index(name)]
    start = sum(MODALITIES[other].channels for other in before)
    return start, start + MODALITIES[name].channels
