# SPDX-License-Identifier: GPL-3.0-or-later
"""Losses on decoded images, in float32, in natural units.

Every term is first reduced within a picture (over its own mask, so that a small head counts as much as a
large one) and then averaged over the pictures it applies to. A term that applies to no picture of the
batch is an exact zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .composite import composite, settle, settle_shading
from .face_losses import Terms, face_terms, reading_terms
from .modalities import encode_extent

GRADIENT_SCALES = 4
"""Strides 1, 2, 4, 8 px of the multi-scale gradient terms, at up to `GRADIENT_SIDE_PX`; one more for each doubling, so
that the longest stays a sixteenth of the picture."""

GRADIENT_SIDE_PX = 128

STILL_FLOW = 0.01
"""Motion in picture sides (root mean square over the weight) under which a pair counts as still. The slope of a
relative loss grows with one over the motion: at 0.003 the nearly still pairs made nine tenths of the gradient of a
whole joint batch, and the rest learned nothing."""

RGB_UNIT = 0.1
"""Difference at which the squared rgb terms equal L1. Where an edit lands is uncertain at first; L1 is then met by
its median, the unchanged photo, and mouths never opened."""

_EPS = 1e-6


@dataclass(frozen=True)
class LossWeights:
    """Weight of each named term in the total; 0 switches the term off.

    Depth terms are in millimetres, hence their small numbers; all others are of order one.
    """

    depth: float = 0.1
    depth_gradient: float = 0.1
    depth_normal: float = 1.0
    depth_face: float = 0.1
    depth_face_normal: float = 3.0
    coverage: float = 1.0
    coverage_iou: float = 0.5
    extent: float = 1.0
    rgb: float = 8.0
    rgb_changed: float = 8.0
    rgb_gradient: float = 4.0
    rgb_generated: float = 4.0
    rgb_regions: float = 8.0
    flow: float = 10.0
    flow_relative: float = 2.0
    flow_regions: float = 2.0
    blend: float = 1.0
    shading: float = 4.0
    face_place: float = 10.0
    face_turn: float = 4.0
    face_beside: float = 1.0
    expression_read: float = 5.0
    expression_shape: float = 25.0


@dataclass(frozen=True)
class JointLoss:
    """Attributes: total, a scalar with a graph; terms, name -> unweighted scalar, detached, for the log."""

    total: Tensor
    terms: dict[str, Tensor]


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` [B, C, H, W] over `mask` [B, 1, H, W] (weights >= 0) within each picture -> [B];
    empty mask -> 0."""
    per_weight = values.shape[1] / mask.shape[1]
    total = (mask.sum(dim=(1, 2, 3)) * per_weight).clamp_min(_EPS)
    return (values * mask).sum(dim=(1, 2, 3)) / total


def gradient_loss(
    pred: Tensor,
    target: Tensor,
    mask: Tensor,
    scales: int | None = None,
    penalty: Callable[[Tensor], Tensor] = torch.abs,
) -> Tensor:
    """Multi-scale gradient-matching loss (Li and Snavely, MegaDepth, CVPR 2018, sec. 4) -> [B].

    L1 of the differences of the error between neighbours at distances 1, 2, 4, ..., where both are in the
    mask, averaged over directions and scales (`GRADIENT_SCALES` by default).
    """
    error = pred - target
    if scales is None:
        finer = max(1, min(error.shape[-2:]) // GRADIENT_SIDE_PX)
        scales = GRADIENT_SCALES + finer.bit_length() - 1
    total = error.new_zeros(error.shape[0])
    used = 0
    e, m = error, mask
    for scale in range(scales):
        if scale:
            # Of the last ones, not of the whole: a slice's gradient is as large as what it was cut from.
            e, m = e[:, :, ::2, ::2], m[:, :, ::2, ::2]
        if min(e.shape[-2:]) < 2:
            break
        dx, mx = e[..., :, 1:] - e[..., :, :-1], m[..., :, 1:] * m[..., :, :-1]
        dy, my = e[..., 1:, :] - e[..., :-1, :], m[..., 1:, :] * m[..., :-1, :]
        total = total + 0.5 * (masked_mean(penalty(dx), mx) + masked_mean(penalty(dy), my))
        used += 1
    return total / max(used, 1)


def slopes(depth_mm: Tensor, mm_per_px: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences (dz/dx, dz/dy), each [B, 1, H-1, W-1], of depth [B, 1, H, W] in mm at mm_per_px
    [B]."""
    pitch = mm_per_px.view(-1, 1, 1, 1)
    corner = depth_mm[..., :-1, :-1]
    return (depth_mm[..., :-1, 1:] - corner) / pitch, (depth_mm[..., 1:, :-1] - corner) / pitch


def normal_loss(pred_mm: Tensor, target_mm: Tensor, mask: Tensor, mm_per_px: Tensor) -> Tensor:
    """1 - cosine between the normals (-dz/dx, -dz/dy, 1) of two height fields -> [B].

    Counted where a pixel and its right and lower neighbours are in the mask. The cosine is written out:
    normalising three-channel images costs more than all the rest of the losses.
    """
    inside = mask[..., :-1, :-1] * mask[..., :-1, 1:] * mask[..., 1:, :-1]
    px, py = slopes(pred_mm, mm_per_px)
    tx, ty = slopes(target_mm, mm_per_px)
    dot = px * tx + py * ty + 1
    cosine = dot * torch.rsqrt((px * px + py * py + 1) * (tx * tx + ty * ty + 1))
    return masked_mean(1 - cosine, inside)


def scale_and_shift_invariant_l1(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """L1 after the least-squares scale and shift of `pred`, in units of the target's mean absolute
    deviation -> [B].

    For training on depth of unknown scale (Ranftl et al., MiDaS, TPAMI 2022, eq. 3-5, with a mean-based
    scale).
    """
    centre = masked_mean(target, mask).view(-1, 1, 1, 1)
    spread = masked_mean((target - centre).abs(), mask).clamp_min(_EPS)
    return aligned_l1(pred, target, mask) / spread


def aligned_l1(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """L1 after the least-squares scale and shift of `pred`, in the target's unit -> [B].

    Over the face this is what its depth is judged by; the plain L1 of a head is mostly that of hair and neck.
    """
    s, t = align_scale_and_shift(pred, target, mask)
    return masked_mean((pred * s.view(-1, 1, 1, 1) + t.view(-1, 1, 1, 1) - target).abs(), mask)


def align_scale_and_shift(pred: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Closed-form (scale [B], shift [B]) that minimise the squared error of ``scale * pred + shift`` in
    the mask."""
    mean_p, mean_t = masked_mean(pred, mask), masked_mean(target, mask)
    p, t = pred - mean_p.view(-1, 1, 1, 1), target - mean_t.view(-1, 1, 1, 1)
    scale = masked_mean(p * t, mask) / masked_mean(p * p, mask).clamp_min(_EPS)
    return scale, mean_t - scale * mean_p


def iou_loss(pred: Tensor, target: Tensor) -> Tensor:
    """1 - soft intersection over union of mattes in 0..1, [B, 1, H, W] -> [B]."""
    intersection = torch.minimum(pred, target).sum(dim=(1, 2, 3))
    union = torch.maximum(pred, target).sum(dim=(1, 2, 3)).clamp_min(_EPS)
    return 1 - intersection / union


def relative_flow_loss(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Squared error of the flow against the flow's own energy, [B, 2, H, W] over `weight` [B, 1, H, W] -> [B].

    1 for a network that stands still, whether a brow or the whole head should move. An L1 loss alone was met by
    its median: no motion at all (1,000 steps without any).
    """
    target = torch.nan_to_num(target)
    energy = masked_mean(target**2, weight) + STILL_FLOW**2
    return masked_mean((pred - target) ** 2, weight) / energy


def probability_loss(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of a linear prediction that should be in 0..1 -> [B].

    Outside of 0..1 the cross-entropy of the clamped value has no slope, so the overshoot is penalised by
    itself.
    """
    clamped = pred.clamp(0, 1)
    inner = clamped * 0.98 + 0.01
    entropy = -(target * inner.log() + (1 - target) * (1 - inner).log())
    return masked_mean(entropy + (pred - clamped).abs(), mask)


def joint_losses(
    predicted: Mapping[str, Tensor],
    batch: Mapping[str, Tensor],
    given: Tensor,
    weights: LossWeights | None = None,
    depth_kind: str = "metric",
) -> JointLoss:
    """All terms that the batch's content allows.

    Args:
        predicted: `LatentLayout.decode` of the x0 estimate: rgb, depth (mm), coverage, extent (mm), motion, and
            shading where the network predicts it; and optionally "face_field" [B, 8, h, w] of `FaceFrame`, for the
            terms of the points below.
        batch: true images in natural units. "coverage" [B, 1, H, W] always; each of the others switches its
            terms on:
            "rgb" [B, 3, H, W] in 0..1;
            "depth" mm [B, 1, H, W], NaN allowed outside the head, inside it NaN means unknown;
            "face" [B, 1, H, W] in 0..1, with depth: where shape counts once more, up to scale and shift;
            "crop_side_mm" [B], for the extent and the pitch of the normals;
            "flow" [B, 2, H, W] with "flow_valid" [B, 1, H, W];
            "visible" [B, 1, H, W], 1 where the pixel's content is seen in the reference (target of blend),
            with optional "blend_weight" [B, 1, H, W];
            "shading" [B, 1, H, W], the smooth ratio of the target to the moved reference, with "flow_valid": weights
            that grew with the ratio would teach more of it than there is;
            "reference_rgb" [B or 1, 3, H, W]: rgb terms are then measured on the composite, and
            "rgb_generated" on the network's own pixels, weighted by optional "generated_weight" [B, 1, H, W];
            "change_weight" [B, 1, H, W], how much a pixel counts in "rgb_changed";
            "regions" [B, K, H, W], masks that get terms of their own (mouth, eyes): eyes are one pixel in a
            hundred and would drown in the means over the picture;
            "face_place" [B, N, 2] in shares of the picture with "face_canonical" [B, N, 2], "face_turn"
            [B, N, 2, 3] and "face_valid" [B, N]: which canonical places points of the reference's face show.
        given: roles [B, 2]; terms of a given group are left out for that picture.
        weights: defaults to `LossWeights()`.
        depth_kind: "metric" (mm) or "relative" (scale- and shift-invariant L1 alone).
    """
    weights = weights or LossWeights()
    pred = {name: image.float() for name, image in predicted.items()}
    true = {name: tensor.float() for name, tensor in batch.items() if torch.is_tensor(tensor)}
    wanted = 1 - given.float()
    appearance, geometry, always = wanted[:, 0], wanted[:, 1], torch.ones_like(wanted[:, 0])
    terms: dict[str, tuple[Tensor, Tensor]] = {}  # name -> (value a picture [B], applies to picture [B])
    terms |= _geometry_terms(pred, true, geometry, depth_kind)
    if "crop_side_mm" in true:
        error = encode_extent(pred["extent"]) - encode_extent(true["crop_side_mm"].view(-1, 1, 1, 1))
        terms["extent"] = (masked_mean(error.abs(), true["coverage"]), always)
    if "rgb" in true and bool(appearance.any()):
        terms |= _appearance_terms(pred, true, appearance)
    if bool(appearance.any()):
        terms |= _motion_terms(pred, true, appearance)
    if "face_field" in pred and "face_place" in true:
        terms |= face_terms(pred["face_field"], true)

    return _weighted(terms, weights)


def face_loss(
    predicted: Mapping[str, Tensor], batch: Mapping[str, Tensor], weights: LossWeights | None = None
) -> JointLoss:
    """The terms of the face frame and, where "expression_read" is predicted, of the reader.

    Args:
        predicted: "face_field" [B, 8, h, w] of `FaceFrame`; "expression_read" [B, 51] and "expression_astray"
            [B, 3, S, S], what its error moves on the canonical face.
        batch: "face_place", "face_canonical", "face_turn" and "face_valid", see `joint_losses`; "expression" [B, 51].
    """
    terms = face_terms(predicted["face_field"].float(), batch)
    if "expression_read" in predicted:
        terms |= reading_terms(predicted, batch)
    return _weighted(terms, weights or LossWeights())


def _weighted(terms: Terms, weights: LossWeights) -> JointLoss:
    enabled = {field.name: float(getattr(weights, field.name)) for field in fields(weights)}
    means = {name: _mean_over(value, applies) for name, (value, applies) in terms.items()}
    total = torch.stack([enabled[name] * mean for name, mean in means.items()]).sum()
    return JointLoss(total, {name: mean.detach() for name, mean in means.items()})


def _mean_over(value: Tensor, applies: Tensor) -> Tensor:
    return (value * applies).sum() / applies.sum().clamp_min(1.0)


def _has_any(mask: Tensor) -> Tensor:
    """[B]: 1 where the picture's mask is not empty."""
    return (mask.sum(dim=(1, 2, 3)) > 0).to(mask.dtype)


def _geometry_terms(
    pred: Mapping[str, Tensor], true: Mapping[str, Tensor], geometry: Tensor, depth_kind: str
) -> Terms:
    coverage = true["coverage"]
    everywhere = torch.ones_like(coverage)
    terms: Terms = {
        "coverage": (masked_mean((pred["coverage"] - coverage).abs(), everywhere), geometry),
        "coverage_iou": (iou_loss(pred["coverage"].clamp(0, 1), coverage), geometry * _has_any(coverage)),
    }
    if "depth" not in true:
        return terms
    head = (coverage > 0.5).float() * torch.isfinite(true["depth"]).float()
    depth = torch.nan_to_num(true["depth"], nan=0.0)
    applies = geometry * _has_any(head)
    if depth_kind == "relative":
        terms["depth"] = (scale_and_shift_invariant_l1(pred["depth"], depth, head), applies)
        return terms
    if depth_kind != "metric":
        raise ValueError(f"depth_kind must be metric or relative, not {depth_kind}")
    terms["depth"] = (masked_mean((pred["depth"] - depth).abs(), head), applies)
    terms["depth_gradient"] = (gradient_loss(pred["depth"], depth, head), applies)
    face = head * true["face"] if "face" in true else None
    if face is not None:
        on_face = applies * _has_any(face)
        terms["depth_face"] = (aligned_l1(pred["depth"], depth, face), on_face)
    if "crop_side_mm" in true:
        pitch = true["crop_side_mm"] / depth.shape[-1]
        terms["depth_normal"] = (normal_loss(pred["depth"], depth, head, pitch), applies)
        if face is not None:
            terms["depth_face_normal"] = (normal_loss(pred["depth"], depth, face, pitch), on_face)
    return terms


def _appearance_terms(pred: Mapping[str, Tensor], true: Mapping[str, Tensor], appearance: Tensor) -> Terms:
    rgb = true["rgb"]
    everywhere = torch.ones_like(rgb[:, :1])
    final = pred["rgb"]
    terms: Terms = {}
    if "reference_rgb" in true:
        shading = settle_shading(pred["shading"]) if "shading" in pred else None
        final = composite(pred["rgb"], true["reference_rgb"], settle(pred["motion"]), shading)
        terms["rgb_generated"] = (
            _weighted_l2(pred["rgb"], rgb, true.get("generated_weight", everywhere)),
            appearance,
        )
    terms["rgb"] = (_weighted_l1(final, rgb, everywhere), appearance)
    terms["rgb_gradient"] = (gradient_loss(final, rgb, everywhere), appearance)
    if "change_weight" in true:
        changed = true["change_weight"]
        terms["rgb_changed"] = (_weighted_l2(final, rgb, changed), appearance * _has_any(changed))
    if "regions" in true:
        terms["rgb_regions"] = _region_term(
            true["regions"], appearance, lambda mask: _weighted_l2(final, rgb, mask)
        )
    return terms


def _region_term(regions: Tensor, applies: Tensor, loss: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """`loss` of each region's mask [B, 1, H, W] -> [B], averaged over the regions that a picture shows."""
    masks = [mask.unsqueeze(1) for mask in regions.unbind(1)]
    shown = torch.stack([_has_any(mask) for mask in masks])
    total = (torch.stack([loss(mask) for mask in masks]) * shown).sum(0)
    return total / shown.sum(0).clamp_min(1), applies * (shown.sum(0) > 0)


def _weighted_l1(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return masked_mean((pred - target).abs(), weight)


def _weighted_l2(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Squared error in units of `RGB_UNIT`, equal to L1 at that difference."""
    return masked_mean((pred - target) ** 2, weight) / RGB_UNIT


def _motion_terms(pred: Mapping[str, Tensor], true: Mapping[str, Tensor], appearance: Tensor) -> Terms:
    terms: Terms = {}
    motion = pred["motion"]
    if "flow" in true:
        valid = true["flow_valid"]
        error = (motion[:, :2] - torch.nan_to_num(true["flow"])).abs()
        applies = appearance * _has_any(valid)
        terms["flow"] = (masked_mean(error, valid), applies)
        terms["flow_relative"] = (relative_flow_loss(motion[:, :2], true["flow"], valid), applies)
        if "regions" in true:
            seen = true["regions"] * valid
            terms["flow_regions"] = _region_term(
                seen, appearance, lambda mask: relative_flow_loss(motion[:, :2], true["flow"], mask)
            )
    if "shading" in true and "shading" in pred:
        error = _weighted_l2(pred["shading"].log(), true["shading"].log(), true["flow_valid"])
        terms["shading"] = (error, appearance * _has_any(true["flow_valid"]))
    if "visible" in true:
        weight = true.get("blend_weight", torch.ones_like(true["visible"]))
        terms["blend"] = (
            probability_loss(motion[:, 2:], true["visible"], weight),
            appearance * _has_any(weight),
        )
    return terms
