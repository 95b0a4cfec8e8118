# SPDX-License-Identifier: GPL-3.0-or-later
"""The wanted expression: its values with unknowns masked, and the encoder that turns it into network
inputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from ..errors import InputError
from .expression_names import ARKIT_NAMES, EXPRESSION_NAMES, POSE_LIMIT_DEG, POSE_NAMES, POSE_UNIT_DEG
from .expression_reader import ExpressionReader

BASIS_SIZE = 64
"""Side of the canonical displacement basis, in cells."""

MAP_CHANNELS = 6
"""Channels of the dense expression maps, see `ExpressionEncoder.expression_maps`."""

VECTOR_CHANNELS = 2 * len(EXPRESSION_NAMES)
"""Width of the plain expression vector: masked values, then the known mask."""


@dataclass(frozen=True)
class Expression:
    """A wanted expression and pose. What is absent is unknown ("as in the photo"), not zero.

    Attributes:
        values: ARKit name -> 0..1, pose name -> degrees.
    """

    values: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, values: Mapping[str, float], pose: Mapping[str, float] | None = None) -> Expression:
        """Validates names and ranges.

        Args:
            values: ARKit name -> 0..1; pose names are accepted here too.
            pose: pose name -> degrees, within +-90.

        Raises:
            InputError: unknown name, not a finite number, or out of range.
        """
        merged: dict[str, float] = {}
        for name, value in [*values.items(), *(pose or {}).items()]:
            if name not in EXPRESSION_NAMES:
                raise InputError(
                    f"“{name}” is not an expression coefficient.",
                    "Use ARKit names such as jawOpen or mouthSmileLeft, and yaw, pitch, roll for the head.",
                    code="unknown_expression",
                )
            merged[name] = _checked_value(name, value)
        return cls(merged)

    @classmethod
    def neutral(cls) -> Expression:
        """All coefficients known and zero; the pose stays as in the photo."""
        return cls(dict.fromkeys(ARKIT_NAMES, 0.0))

    def tensors(self, batch: int = 1, device: torch.device | str | None = None) -> tuple[Tensor, Tensor]:
        """(values [batch, 54], known [batch, 54]): coefficients 0..1, pose in units of 30 degrees, known
        0 or 1."""
        row = torch.zeros(len(EXPRESSION_NAMES))
        known = torch.zeros(len(EXPRESSION_NAMES))
        for name, value in self.values.items():
            column = EXPRESSION_NAMES.index(name)
            row[column] = value / POSE_UNIT_DEG if name in POSE_NAMES else value
            known[column] = 1.0
        return row.expand(batch, -1).clone().to(device), known.expand(batch, -1).clone().to(device)

    @staticmethod
    def stack(
        expressions: Iterable[Expression], device: torch.device | str | None = None
    ) -> tuple[Tensor, Tensor]:
        """Several expressions as one batch (values [B, 54], known [B, 54])."""
        rows = [expression.tensors() for expression in expressions]
        return torch.cat([v for v, _ in rows]).to(device), torch.cat([k for _, k in rows]).to(device)


def _checked_value(name: str, value: float) -> float:
    low, high = (-POSE_LIMIT_DEG, POSE_LIMIT_DEG) if name in POSE_NAMES else (0.0, 1.0)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:
        unit = " degrees" if name in POSE_NAMES else ""
        raise InputError(
            f"{name} = {value} is out of range.",
            f"It runs from {low:g} to {high:g}{unit}.",
            code="expression_out_of_range",
        )
    return number


@dataclass(frozen=True)
class ExpressionFeatures:
    """What the backbone gets of an expression.

    Attributes:
        tokens: [B, T + 1, D] for cross-attention.
        maps: [B, 6, S, S] dense maps in the canonical face's frame (`face_frame.carry` moves them).
        vector: [B, 108], masked values then mask; enters the time embedding and so every residual block.
    """

    tokens: Tensor
    maps: Tensor
    vector: Tensor


class ExpressionEncoder(ModelMixin, ConfigMixin):
    """54 values and their known mask -> tokens, dense maps and a plain vector.

    Args:
        token_dim: width of a token = the backbone's cross_attention_dim.
        tokens: expression tokens; one always-on token follows them.
        hidden: width of the MLP.
        basis_size: side of the canonical displacement basis.
        reader_width: width of the network that reads the expression of the reference, 0 for none.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        token_dim: int = 128,
        tokens: int = 4,
        hidden: int = 256,
        basis_size: int = BASIS_SIZE,
        reader_width: int = 0,
    ) -> None:
        super().__init__()
        self.token_count = tokens
        self.mlp = nn.Sequential(
            nn.Linear(VECTOR_CHANNELS, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, tokens * token_dim),
        )
        self.null_tokens = nn.Parameter(torch.randn(1, tokens, token_dim) * 0.02)
        self.always_token = nn.Parameter(torch.randn(1, 1, token_dim) * 0.02)
        self.register_buffer("canonical_basis", torch.zeros(len(ARKIT_NAMES), 3, basis_size, basis_size))
        self.canonical_basis: Tensor
        self.reader = ExpressionReader(reader_width) if reader_width else None

    def set_canonical_basis(self, basis: Tensor) -> None:
        """Sets the displacement field of each coefficient at 1, in the order of `ARKIT_NAMES`.

        Args:
            basis: [51, 3, S, S]: dx (right), dy (down), dz (nearer) of the canonical face seen from the
                front, scaled so that strong coefficients reach about 1. Saved with the checkpoint.
        """
        if basis.shape != self.canonical_basis.shape:
            raise ValueError(f"basis must be {tuple(self.canonical_basis.shape)}, got {tuple(basis.shape)}")
        self.canonical_basis.copy_(basis)

    def forward(self, values: Tensor, known: Tensor, before: Tensor | None = None) -> ExpressionFeatures:
        """Encodes a batch.

        Args:
            values: [B, 54], coefficients 0..1 and pose / 30 degrees.
            known: [B, 54], 1 where the value is wanted, 0 where it is unknown (the value there is ignored).
            before: [B or 1, 51], the reference's own coefficients; None takes a neutral face.
        """
        masked = values * known
        vector = torch.cat([masked, known], dim=1)  # [B, 108]
        tokens = self.mlp(vector.to(self.dtype)).unflatten(1, (self.token_count, -1))  # [B, T, D]
        anything_known = (known.sum(dim=1) > 0).view(-1, 1, 1)
        tokens = torch.where(anything_known, tokens, self.null_tokens.to(tokens.dtype))
        always = self.always_token.to(tokens.dtype).expand(tokens.shape[0], -1, -1)
        return ExpressionFeatures(
            tokens=torch.cat([tokens, always], dim=1),
            maps=self.expression_maps(values, known, before),
            vector=vector,
        )

    def expression_maps(self, values: Tensor, known: Tensor, before: Tensor | None = None) -> Tensor:
        """Dense maps [B, 6, S, S] of the wanted expression in the canonical face's frame.

        With d_i what coefficient i changes by, from `before` to `values`: channels 0-2 displacement ``sum_i d_i
        basis_i`` (dx, dy, dz); 3 energy ``sum_i |d_i| |basis_i|``, which stays where displacements cancel; 4 share of
        a cell's possible motion whose coefficients are known, 0..1; 5 one where any coefficient or the pose is known,
        else zero. Unknown coefficients add 0 to all.
        """
        count = len(ARKIT_NAMES)
        strength = self.canonical_basis.to(values.dtype).norm(dim=1)  # [51, S, S]
        wanted, mask = values[:, :count], known[:, :count]
        change = (wanted if before is None else wanted - before.to(wanted.dtype)) * mask
        energy = torch.einsum("bi,ihw->bhw", change.abs(), strength).unsqueeze(1)
        share = torch.einsum("bi,ihw->bhw", mask, strength) / strength.sum(dim=0).clamp_min(1e-6)
        anything = (known.sum(dim=1) > 0).to(values.dtype).view(-1, 1, 1, 1).expand_as(energy)
        return torch.cat([self.displacement(change), energy, share.unsqueeze(1), anything], dim=1)

    def displacement(self, change: Tensor) -> Tensor:
        """What a change of the coefficients [B, 51] moves on the canonical face: [B, 3, S, S], see
        `set_canonical_basis`."""
        return torch.einsum("bi,ichw->bchw", change, self.canonical_basis.to(change.dtype))
