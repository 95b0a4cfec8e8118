# SPDX-License-Identifier: GPL-3.0-or-later
"""The three networks as one module: what is trained, and what the pipeline samples from.

`JointModel.forward` runs everything (so that a distributed wrapper sees one forward); `prepare` and
`denoise` are its two halves, for callers that keep a reference over many frames or take several steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .backbone import GIVABLE, JointBackbone
from .codecs import Codec, LatentLayout
from .expression import ExpressionEncoder, ExpressionFeatures
from .modalities import GROUPS, MODALITIES
from .reference import ReferenceBank, ReferenceNetwork


@dataclass(frozen=True)
class Reference:
    """An identity picture as the backbone sees it.

    Attributes:
        rgb: [B, 3, R, R] in 0..1.
        latents: encoded rgb [B, rgb_channels, h, w].
        bank: hidden states of the reference network.
        expression: [B, 51] in 0..1, the coefficients that are read from the picture, without a graph; None where
            the checkpoint has no reader.
    """

    rgb: Tensor
    latents: Tensor
    bank: ReferenceBank
    expression: Tensor | None = None

    def detach(self) -> Reference:
        """The same reference cut from the graph."""
        return Reference(self.rgb.detach(), self.latents.detach(), self.bank.detach(), self.expression)


@dataclass(frozen=True)
class Conditions:
    """Raw conditions of a batch, in natural units.

    Attributes:
        roles: [B, 2], 1 where appearance / geometry is given.
        values: expression [B, 54], see `Expression.tensors`.
        known: [B, 54], which of them are wanted; all zero is "as in the photo".
        images: "rgb" 0..1, "depth" mm (NaN outside), "coverage" 0..1, each [B, c, R, R]; a modality that
            is given in no row may be absent. Pixels of a modality that is wanted in a row are ignored
            there.
        reference: a prepared `Reference`, a picture [B or 1, 3, R, R] to run the reference network on, or
            None.
    """

    roles: Tensor
    values: Tensor
    known: Tensor
    images: Mapping[str, Tensor] = field(default_factory=dict)
    reference: Reference | Tensor | None = None


@dataclass(frozen=True)
class Prepared:
    """Conditions in the form the backbone takes, see `JointBackbone.forward`."""

    given: Tensor | None
    roles: Tensor
    expression: ExpressionFeatures
    reference: Reference | None


class JointModel(nn.Module):
    """Backbone, reference network and expression encoder with the codec that feeds them.

    Attributes:
        layout: packing of the modalities that the backbone predicts.
        given_layout: packing of the modalities that can be given.
    """

    def __init__(
        self,
        backbone: JointBackbone,
        reference_network: ReferenceNetwork,
        expression_encoder: ExpressionEncoder,
        codec: Codec,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.reference_network = reference_network
        self.expression_encoder = expression_encoder
        self.codec = codec
        self.layout = LatentLayout(codec, backbone.config["modalities"])
        self.given_layout = LatentLayout(codec, GIVABLE)

    def forward(
        self, noisy: Tensor | None, timestep: Tensor | None, conditions: Conditions
    ) -> Tensor | dict[str, Tensor]:
        """noisy [B, C, h, w], timestep [B] -> model output [B, C, h, w] (x0 or v, see `Denoiser`).

        Without a noisy latent what looks at the reference's face runs alone: "face_field" of `FaceFrame` and, where
        there is a reader, "expression_read" [B, 51].
        """
        if noisy is None or timestep is None:
            rgb = conditions.reference
            assert isinstance(rgb, Tensor)
            seen = {"face_field": self.face_field(rgb)}
            if self.expression_encoder.reader is not None:
                seen["expression_read"] = self.expression_encoder.reader(rgb, seen["face_field"])
            return seen
        return self.denoise(noisy, timestep, self.prepare(conditions))

    def encode_reference(self, rgb: Tensor) -> Reference:
        """Picture [B, 3, R, R] in 0..1 -> what the backbone remembers of it."""
        latents = self.codec.encode(MODALITIES["rgb"].encode(rgb))
        return Reference(rgb, latents, self.reference_network(latents), self._own_expression(rgb))

    @torch.no_grad()
    def _own_expression(self, rgb: Tensor) -> Tensor | None:
        """Without a graph: the backbone has to live with what the reader says, and teaches it nothing."""
        if self.expression_encoder.reader is None or self.backbone.face_frame is None:
            return None
        return self.expression_encoder.reader(rgb, self.face_field(rgb)).clamp(0, 1)

    def face_field(self, rgb: Tensor) -> Tensor:
        """Picture [B, 3, R, R] in 0..1 -> `FaceFrame`'s field [B, 8, h, w]."""
        assert self.backbone.face_frame is not None
        latents = self.codec.encode(MODALITIES["rgb"].encode(rgb))
        return self.backbone.face_frame(latents.to(self.backbone.dtype))

    def prepare(self, conditions: Conditions) -> Prepared:
        """Runs what does not depend on the noisy latent."""
        reference = conditions.reference
        if isinstance(reference, Tensor):
            reference = self.encode_reference(reference)
        images = {name: conditions.images[name] for name in GIVABLE if name in conditions.images}
        return Prepared(
            given=self.given_layout.encode(images) if images else None,
            roles=conditions.roles,
            expression=self.expression_encoder(
                conditions.values, conditions.known, None if reference is None else reference.expression
            ),
            reference=reference,
        )

    def denoise(self, noisy: Tensor, timestep: Tensor, prepared: Prepared) -> Tensor:
        """One run of the backbone."""
        given = prepared.given
        if given is None:
            given = noisy.new_zeros(noisy.shape[0], self.given_layout.channels, *noisy.shape[-2:])
        reference = prepared.reference
        return self.backbone(
            noisy,
            timestep,
            given=given,
            roles=prepared.roles,
            expression=prepared.expression,
            reference_latents=None if reference is None else reference.latents,
            bank=None if reference is None else reference.bank,
        )

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters to hand to the optimiser; the rest is frozen by design
        (`ReferenceNetwork.frozen_names`)."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)


def roles_tensor(given: tuple[str, ...], batch: int, device: torch.device | str | None = None) -> Tensor:
    """[batch, 2] with 1 in the column of each given group ("appearance", "geometry")."""
    row = torch.tensor([1.0 if group in given else 0.0 for group in GROUPS], device=device)
    return row.expand(batch, -1).clone()
