# SPDX-License-Identifier: GPL-3.0-or-later
"""The three ways to use the one network, and what a call of each has to hand over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from ..errors import InputError
from .ensemble import VIEWS
from .modalities import MODALITIES


@dataclass(frozen=True)
class Mode:
    """One way to use the network.

    Attributes:
        given: groups that are given; the other is wanted.
        images: images the caller has to hand over.
        needs_reference: whether an identity picture is required.
    """

    given: tuple[str, ...]
    images: tuple[str, ...]
    needs_reference: bool


MODES: Mapping[str, Mode] = MappingProxyType(
    {
        "joint": Mode(given=(), images=(), needs_reference=True),
        "depth": Mode(given=("appearance",), images=("rgb",), needs_reference=False),
        "appearance": Mode(given=("geometry",), images=("depth_mm", "coverage"), needs_reference=True),
    }
)

INPUT_MODALITY: Mapping[str, str] = MappingProxyType(
    {"rgb": "rgb", "depth_mm": "depth", "coverage": "coverage"}
)
"""Argument of a call -> the modality it is."""


def check_call(
    mode: str,
    has_reference: bool,
    images: Mapping[str, Tensor | None],
    num_inference_steps: int | None,
    ensemble_size: int = 1,
) -> Mode:
    """The mode of a call.

    Raises:
        InputError: there is no such mode, something it needs is missing, or steps or views are not possible.
    """
    if mode not in MODES:
        raise InputError(
            f"There is no mode “{mode}”.", f"Use one of {', '.join(MODES)}.", code="unknown_mode"
        )
    needs = MODES[mode]
    if needs.needs_reference and not has_reference:
        raise InputError(f"Mode {mode} needs a reference picture.", "Hand over the portrait as reference.")
    for name in needs.images:
        if images[name] is None:
            raise InputError(f"Mode {mode} needs {name}.", "Hand it over, cropped like the portrait.")
    if num_inference_steps is not None and not 1 <= num_inference_steps <= 1000:
        raise InputError(f"{num_inference_steps} steps are not possible.", "Use 1 to 1000 steps.")
    if not 1 <= ensemble_size <= len(VIEWS) or (ensemble_size > 1 and mode != "depth"):
        raise InputError(
            f"An ensemble of {ensemble_size} is not possible in mode {mode}.",
            f"Use 1 to {len(VIEWS)} views in mode depth, and 1 in the others.",
        )
    return needs


def check_image(name: str, image: Tensor, multiple: int, resolution_px: int) -> None:
    """Whether a network takes this picture.

    Args:
        name: "reference" (an rgb picture) or a key of `INPUT_MODALITY`.
        image: should be [B, channels, side, side].
        multiple: what the side has to be a multiple of.
        resolution_px: the side the networks were trained at.

    Raises:
        InputError: wrong shape, or not finite (depth may be NaN outside the head).
    """
    channels = MODALITIES[INPUT_MODALITY.get(name, "rgb")].channels
    if image.ndim != 4 or image.shape[1] != channels or image.shape[2] != image.shape[3]:
        raise InputError(
            f"{name} has shape {tuple(image.shape)}.", f"It must be [batch, {channels}, side, side]."
        )
    if image.shape[-1] % multiple:
        raise InputError(
            f"{name} is {image.shape[-1]} px wide.",
            f"Resize it to {resolution_px} px, or another multiple of {multiple}.",
        )
    if name != "depth_mm" and not torch.isfinite(image).all():
        raise InputError(f"{name} holds values that are not finite numbers.", "Save the picture again.")
