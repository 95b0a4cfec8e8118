# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of eyes and mouths to learn from: kept in a pool, edited by a part's network, judged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.model.composite import composite, settle, settle_shading, warp
from backend.model.face_parts import Part, feather
from backend.model.losses import (
    RGB_UNIT,
    JointLoss,
    LossWeights,
    gradient_loss,
    masked_mean,
    probability_loss,
    relative_flow_loss,
)
from backend.model.modalities import MODALITIES
from backend.training.teaching import Pool

STILL_WEIGHT, CHANGED_SHARE = 0.1, 0.12
"""Half of the windows show no change, and few of the others as much as a closing eye or an opening mouth. They are
drawn a tenth as often as those that change in this share or more of their area."""
OPENED_WEIGHT = 200.0  # of the term "opened", which then is a tenth of the total
OPENED_BLUR_PX = 5
GAIN = 0.2  # of a window's colours, at each use (logarithm)
TRUE_MAPS = ("flow", "flow_valid", "visible", "blend_weight", "change_weight", "generated_weight", "shading")

Windows = dict[str, Tensor]
"""Of one kind: seen, rgb, what `TRUE_MAPS` names, hidden, vector, clean, and of shots with extras
opened_before and opened; [N, ...]."""


def kept_rows(windows: Windows) -> Windows:
    """What a pool keeps of windows: these, and how often each is to be drawn."""
    changed = windows["change_weight"].mean(dim=(1, 2, 3)) / CHANGED_SHARE
    return windows | {"often": STILL_WEIGHT + (1 - STILL_WEIGHT) * changed.clamp(max=1)}


def drawn_windows(pool: Pool, count: int, generator: torch.Generator) -> Windows:
    """Some of a pool's windows, in another light."""
    chosen = torch.multinomial(pool.column("often"), count, replacement=True, generator=generator)
    windows = pool.rows(chosen)
    drawn = torch.randn(count, 1, generator=generator) + 0.3 * torch.randn(count, 3, generator=generator)
    gain = torch.exp(GAIN * drawn)[:, :, None, None]
    windows["rgb"] = (windows["rgb"] * gain).clamp(0, 1)
    colours = ((windows["seen"][:, :3] + 1) / 2 * gain).clamp(0, 1) * 2 - 1
    windows["seen"] = torch.cat([colours, windows["seen"][:, 3:]], 1)
    return windows


@dataclass(frozen=True)
class Edited:
    """What a part makes of its windows, in natural units; motion in shares of the window."""

    rgb: Tensor
    drawn: Tensor
    motion: Tensor
    shading: Tensor
    settled: Tensor


def edited(part: Part, predicted: Tensor, seen: Tensor, visible: Tensor | None = None) -> Edited:
    """Decodes a part's channels and moves the photo by them.

    Args:
        visible: what the photo truly shows [B, 1, S, S], to be taken from there in place of the predicted blend: a
            network that may draw a little of everything, and blend it in, learns to move lids half the way only.
    """
    decoded, at = {}, 0
    for name in ("rgb", "motion", "shading"):
        modality = MODALITIES[name]
        decoded[name] = modality.decode(predicted[:, at : at + modality.channels])
        at += modality.channels
    settled = settle(decoded["motion"])
    in_window = torch.cat([settled[:, :2] / part.window.side, settled[:, 2:]], 1)
    reference = (seen[:, :3] + 1) / 2
    if visible is not None:
        in_window = torch.cat([in_window[:, :2], visible], 1)
    rgb = composite(decoded["rgb"], reference, in_window, settle_shading(decoded["shading"]))
    return Edited(rgb, decoded["rgb"], decoded["motion"], decoded["shading"], settled)


def part_losses(part: Part, made: Edited, true: Windows, weights: LossWeights) -> JointLoss:
    """The terms of `joint_losses` that concern a window's picture and motion, weighted by `feather`; where the true
    content comes from beyond the window they do not count."""
    inside = feather(part.pixels, made.rgb.device) * _found_inside(part, true["flow"])
    rgb = true["rgb"]

    def squared(pred: Tensor, weight: Tensor) -> Tensor:
        return masked_mean((pred - rgb) ** 2, weight * inside) / RGB_UNIT

    valid = true["flow_valid"] * inside
    flow = made.motion[:, :2]
    astray = (made.shading.log() - true["shading"].clamp_min(1e-3).log()) ** 2 / RGB_UNIT
    # A window is a region: what counts in regions counts here throughout.
    terms = {
        "rgb": (weights.rgb, masked_mean((made.rgb - rgb).abs(), inside)),
        "rgb_gradient": (weights.rgb_gradient, gradient_loss(made.rgb, rgb, inside)),
        "rgb_changed": (weights.rgb_changed, squared(made.rgb, true["change_weight"])),
        "rgb_regions": (weights.rgb_regions, squared(made.rgb, torch.ones_like(inside))),
        "rgb_generated": (weights.rgb_generated, squared(made.drawn, true["generated_weight"])),
        "flow": (weights.flow, masked_mean((flow - true["flow"]).abs(), valid)),
        "flow_relative": (
            weights.flow_relative + weights.flow_regions,
            relative_flow_loss(flow, true["flow"], valid),
        ),
        "blend": (
            weights.blend,
            probability_loss(made.motion[:, 2:], true["visible"], true["blend_weight"] * inside),
        ),
        "shading": (weights.shading, masked_mean(astray, valid)),
    }
    if "opened" in true:
        terms["opened"] = (OPENED_WEIGHT, _opened_loss(part, made, true, valid))
    total = torch.stack([weight * value.mean() for weight, value in terms.values()]).sum()
    return JointLoss(total, {name: value.mean().detach() for name, (_, value) in terms.items()})


def _opened_loss(part: Part, made: Edited, true: Windows, valid: Tensor) -> Tensor:
    """How far what is open in the photo (an eyeball, the inside of a mouth), moved as predicted, differs from what is
    open in truth, where that is found in the photo -> [B]. A dark eye below a dark lash line costs next to nothing in
    colours; open or shut, it is seen."""
    before, after = (
        F.avg_pool2d(true[name], OPENED_BLUR_PX, 1, OPENED_BLUR_PX // 2, count_include_pad=False)
        for name in ("opened_before", "opened")
    )
    moved = warp(before, made.motion[:, :2] / part.window.side)
    return masked_mean((moved - after) ** 2, (valid > 0).float() * feather(part.pixels, moved.device))


def _found_inside(part: Part, flow: Tensor) -> Tensor:
    """1 where the content of a window's pixel is found inside the window [B, 1, S, S]; flow in canonical shares."""
    axis = (torch.arange(part.pixels, device=flow.device) + 0.5) / part.pixels
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    found = torch.stack([x, y]) + flow / part.window.side
    return ((found > 0) & (found < 1)).all(1, keepdim=True).float()


def seen_from_the_left(vector: Tensor, part: Part, left: Part) -> Tensor:
    """An expression vector [B, 108] whose columns of the right eye stand where those of the left one are looked for."""
    moved = vector.clone()
    half = vector.shape[1] // 2
    for start in (0, half):
        to, source = ([start + column for column in of.columns] for of in (left, part))
        moved[:, to] = vector[:, source]
    return moved


def for_the_adversary(made: Edited, true: Windows) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """False and true pictures, references and hidden masks of the windows without noise."""
    hidden, clean = true["hidden"], true["clean"] > 0.5
    if not bool(clean.any()):
        return None
    false = made.drawn * hidden + true["rgb"] * (1 - hidden)
    reference = (true["seen"][:, :3] + 1) / 2
    return false[clean], true["rgb"][clean], reference[clean], hidden[clean]


def measured(part: Part, rgb: Tensor, motion: Tensor, true: Windows) -> tuple[float, float, float, float]:
    """What a part makes of windows: decibels, those of copying the photo, share of the motion's squares that is
    predicted, and response (1: the picture changes as much as the true one does)."""
    weight = feather(part.pixels) * _found_inside(part, true["flow"])
    reference = (true["seen"][:, :3] + 1) / 2

    def decibels(error: Tensor) -> float:
        return float(-10 * torch.log10(masked_mean(error**2, weight).mean()))

    valid = true["flow_valid"] * weight
    missed = (((motion - true["flow"]) ** 2) * valid).sum() / ((true["flow"] ** 2) * valid).sum()
    change, wanted = (rgb - reference) * weight, (true["rgb"] - reference) * weight
    response = (change * wanted).sum() / (wanted**2).sum()
    return decibels(rgb - true["rgb"]), decibels(reference - true["rgb"]), 1 - float(missed), float(response)
