# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference network: a second UNet that reads the identity picture once, and the bank it fills.

Every self-attention of the reference network writes its normed hidden states into a bank; the backbone's
self-attention of the same name reads them as extra keys and values, projected by its own ``to_k`` and
``to_v``. Both ends are ordinary diffusers attention processors that get the bank through
``cross_attention_kwargs``: no hooks, no state to clear, and nothing that gradient checkpointing could run
twice with another result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin, UNet2DConditionModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from .trunk import build_trunk

CONTEXT_TOKENS = 4
"""Learned context tokens of the reference network. One alone would make its softmax constant and leave
``to_q`` and ``to_k`` without a gradient."""


class BankSelfAttnProcessor(AttnProcessor2_0):
    """Self-attention that knows its layer name and can write to or read from a bank; plain without one."""

    def __init__(self, layer_name: str) -> None:
        super().__init__()
        self.layer_name = layer_name

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        write_to: MutableMapping[str, Tensor] | None = None,
        read_from: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """hidden_states [B, tokens, channels], already normed; bank entries [B or 1, tokens, channels]."""
        if write_to is not None:
            write_to[self.layer_name] = hidden_states
        if read_from is not None:
            remembered = read_from[self.layer_name].to(hidden_states.dtype)
            remembered = remembered.expand(hidden_states.shape[0], -1, -1)
            encoder_hidden_states = torch.cat([hidden_states, remembered], dim=1)
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


class QuietCrossAttnProcessor(AttnProcessor2_0):
    """Cross-attention that takes the bank arguments meant for its neighbours and leaves them alone."""

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        write_to: Any = None,
        read_from: Any = None,
    ) -> Tensor:
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


def set_bank_processors(unet: UNet2DConditionModel) -> tuple[str, ...]:
    """Gives every attention of `unet` a processor that understands banks.

    Returns:
        The layer names of the self-attentions, the keys of a bank.
    """
    processors: dict[str, Any] = {}
    names = []
    for key in unet.attn_processors:
        layer_name = key.removesuffix(".processor")
        if layer_name.endswith("attn1"):
            processors[key] = BankSelfAttnProcessor(layer_name)
            names.append(layer_name)
        else:
            processors[key] = QuietCrossAttnProcessor()
    unet.set_attn_processor(processors)
    return tuple(names)


@dataclass(frozen=True)
class ReferenceBank:
    """What the reference network remembers of a batch of pictures.

    Attributes:
        states: self-attention layer name -> normed hidden states [B, tokens, channels].
    """

    states: Mapping[str, Tensor]

    @property
    def batch_size(self) -> int:
        return next(iter(self.states.values())).shape[0]

    def detach(self) -> ReferenceBank:
        """The same bank cut from the graph, to be kept for all frames of a job."""
        return ReferenceBank({name: state.detach() for name, state in self.states.items()})

    def __getitem__(self, rows: Any) -> ReferenceBank:
        """Selects pictures of the batch: an index tensor, boolean mask or slice."""
        return ReferenceBank({name: state[rows] for name, state in self.states.items()})


class ReferenceNetwork(ModelMixin, ConfigMixin):
    """An unmodified `UNet2DConditionModel`, run at t = 0 on the latents of the identity picture.

    Args:
        trunk: configuration of the UNet. Widths must equal the backbone's wherever there is attention.
        context_tokens: number of learned tokens that stand in for a text prompt.
    """

    config_name = "config.json"
    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(self, trunk: dict[str, Any], context_tokens: int = CONTEXT_TOKENS) -> None:
        super().__init__()
        self.unet = build_trunk(trunk)
        self.layer_names = set_bank_processors(self.unet)
        self.context = nn.Parameter(
            torch.randn(1, context_tokens, int(self.unet.config["cross_attention_dim"]))
        )
        for parameter in self._parameters_after_bank():
            parameter.requires_grad_(False)

    def forward(self, latents: Tensor) -> ReferenceBank:
        """latents [B, trunk in_channels, h, w], noise-free -> the bank, one entry a self-attention."""
        batch = latents.shape[0]
        states: dict[str, Tensor] = {}
        self.unet(
            latents.to(self.dtype),
            torch.zeros(batch, dtype=torch.long, device=latents.device),
            encoder_hidden_states=self.context.expand(batch, -1, -1),
            cross_attention_kwargs={"write_to": states},
        )
        # A copy: the recomputation under gradient checkpointing writes again, into a dict nobody reads.
        return ReferenceBank(dict(states))

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters the bank depends on; all others are frozen and get no gradient."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def frozen_names(self) -> tuple[str, ...]:
        """Names of the parameters that only act after the last self-attention has written to the bank."""
        return tuple(name for name, parameter in self.named_parameters() if not parameter.requires_grad)

    def _parameters_after_bank(self) -> Iterator[nn.Parameter]:
        """Parameters used only after the last bank entry, in the order in which the UNet runs its parts."""
        unet = self.unet
        if unet.conv_norm_out is not None:
            yield from unet.conv_norm_out.parameters()
        yield from unet.conv_out.parameters()
        for block in reversed(unet.up_blocks):
            attentions = getattr(block, "attentions", None)
            if attentions is None:
                yield from block.parameters()
                continue
            if isinstance(block.upsamplers, nn.ModuleList):
                yield from block.upsamplers.parameters()
            last = attentions[-1]
            assert isinstance(last, Transformer2DModel)
            yield from last.proj_out.parameters()
            transformer = last.transformer_blocks[-1]
            for part_name, part in transformer.named_children():
                if part_name != "norm1":
                    yield from part.parameters()
            return
