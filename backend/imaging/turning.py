# SPDX-License-Identifier: GPL-3.0-or-later
"""The head turned on its neck, by its own depth.

The model predicts depth well and head turns badly, and a turn is geometry: each covered pixel is lifted to its
depth, rotated about the neck, and seen again. What the turn brings to view of the head is stretched or mirrored from
what lies beside it; where the head was, the surroundings are continued. The light stays as it was on the skin: the
shading turns with the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.imaging.matte import clean_coverage, fill_outside, smoothstep
from backend.imaging.transfer import warp_crop

_OVERSAMPLING = 2  # points a grid cell and side that are thrown at the turned grid
_OUTLINE_PX = 2.0  # of the grid: takes the teeth off the outline
_SMOOTH_PX = 1.2  # of the grid: takes out the half pixel by which thrown points miss a cell's centre
_ON_HEAD = 0.4  # coverage from which a pixel is a point of the head
_SIDE_DEPTH_MM, _SIDE_BEND_MM = (
    80.0,
    10.0,
)  # how far the hidden sides go back, and by how much they close there
_SKULL_MM = (-110.0, -60.0)  # heights between which there come to be hidden sides: the neck has none
_EAR_MM = 40.0  # an outline more tightly curved than this stands off the head
_COARSE = 4  # the ears are looked for on a grid this much coarser
# Their content: from this far inside the rim, and so much further a mm of depth. More would mirror ears and foreheads.
_RIM_MM, _SIDE_STRETCH = 4.0, 0.08
_BACKGROUND_GAP = (
    0.035  # of the side: pixels this near to the head are mixed with it and do not count as background
)

# Heads turn about a point 57 mm behind their centre (the renderer's do), which moves the whole outline aside; nearer
# to the outline's own plane less surroundings have to be made up.
NECK_PIVOT_MM = np.array([0.0, -86.0, -15.0])
_NECK_STILL_MM, _NECK_FULL_MM = (
    -220.0,
    -130.0,
)  # height plus 0.55 times depth: below still, above turned wholly
_FRAME_STILL_MM, _FRAME_FULL_MM = -166.0, -125.0  # the same by height alone: the crop's lower edge stays


@dataclass(frozen=True)
class TurnedHead:
    """A turned head in the crop, on the grid [W, W] of what was given.

    Attributes:
        motion: float32 [W, W, 2], where in the picture this pixel's content was, minus this pixel, in crop sides.
        coverage: float32 [W, W] 0..1 after the turn.
        depth_mm: float32 [W, W] after the turn, finite everywhere, right where covered.
        uncovered: float32 [W, W] 0..1, where the head was and is no more: background to make up.
        before: float32 [W, W] 0..1, coverage before the turn.
    """

    motion: np.ndarray
    coverage: np.ndarray
    depth_mm: np.ndarray
    uncovered: np.ndarray
    before: np.ndarray


def neck_weight(points_mm: np.ndarray) -> np.ndarray:
    """Share of the turn that points [..., 3] (mm about the head's centre, Y up, Z nearer) follow, 0..1."""
    along = points_mm[..., 1] + 0.55 * points_mm[..., 2]
    return smoothstep(along, _NECK_STILL_MM, _NECK_FULL_MM) * smoothstep(
        points_mm[..., 1], _FRAME_STILL_MM, _FRAME_FULL_MM
    )


def turn_head(
    depth_mm: np.ndarray, coverage: np.ndarray, crop_side_mm: float, turn: np.ndarray
) -> TurnedHead:
    """Turn the head of a crop.

    Args:
        depth_mm: float [W, W], 0 at the head's centre plane, nearer = larger; NaN or anything outside the head.
        coverage: float [W, W] 0..1.
        crop_side_mm: mm of an average-sized head across the crop; the head's centre is the crop's.
        turn: [3, 3], see `rotation.rotation`.

    Returns:
        The turned head; without a head in the crop nothing moves and nothing is uncovered.
    """
    before = clean_coverage(np.asarray(coverage, np.float32))
    side = before.shape[0]
    head = (before >= 0.5) & np.isfinite(depth_mm)
    if not head.any():
        nothing = np.zeros((side, side), np.float32)
        return TurnedHead(np.zeros((side, side, 2), np.float32), nothing, nothing, nothing, nothing)
    surface = fill_outside(np.where(head, depth_mm, 0.0), head.astype(np.float32))
    surface = cv2.GaussianBlur(surface, (0, 0), _SMOOTH_PX)
    places, points = _surface_points(surface, before, crop_side_mm)
    rim_places, rim_points = _hidden_sides(surface, before, crop_side_mm)
    places, points = np.concatenate([places, rim_places]), np.concatenate([points, rim_points])
    seen, hit = _thrown(places, _turned(points, turn), side, crop_side_mm)
    outline = cv2.GaussianBlur(_closed(hit).astype(np.float32), (0, 0), _OUTLINE_PX) > 0.5
    seen = fill_outside(seen, (hit & outline).astype(np.float32))
    seen = cv2.GaussianBlur(seen, (0, 0), _SMOOTH_PX, borderType=cv2.BORDER_REPLICATE)
    inside = cv2.GaussianBlur(outline.astype(np.float32), (0, 0), _SMOOTH_PX)
    motion = seen[..., :2] * smoothstep(inside, 0.1, 0.6)[..., None].astype(np.float32)
    # Soft where the picture's own matte was soft, solid inside, and nothing beyond the turned outline.
    core = cv2.erode(outline.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
    after = np.maximum(np.minimum(inside, warp_crop(before, motion)).clip(0, 1), core)
    grid = np.concatenate([_grid_mm(side, crop_side_mm), surface[..., None]], axis=-1)
    leaves = np.linalg.norm((_turned(grid, turn) - grid)[..., :2], axis=-1) * side / crop_side_mm
    uncovered = (_mixed_with_head(before, leaves.astype(np.float32) * (before > _ON_HEAD)) - after).clip(0, 1)
    return TurnedHead(motion, after, np.ascontiguousarray(seen[..., 2]), uncovered, before)


def drawing_of(picture: np.ndarray, head: TurnedHead) -> np.ndarray:
    """The crop with its head turned, over the surroundings continued to where the head was.

    Args:
        picture: float [W, W, 3] 0..1, the crop on the turned head's grid.
        head: what `turn_head` made of it.

    Returns:
        float32 [W, W, 3] 0..1.
    """
    background = picture.copy()
    if (head.uncovered > 0).any():
        background += (_behind(picture, head.before) - picture) * (head.uncovered > 0)[..., None]
    moved = warp_crop(picture, head.motion)
    drawn = background + (moved - background) * head.coverage[..., None]
    return np.clip(drawn, 0, 1).astype(np.float32)


def _enlarged(values: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(np.asarray(values, np.float32), (side, side), interpolation=cv2.INTER_CUBIC)


def _grid_mm(side: int, crop_side_mm: float) -> np.ndarray:
    """[side, side, 2] x right, y up of the pixels' centres, mm about the crop's centre."""
    axis = ((np.arange(side) + 0.5) / side - 0.5) * crop_side_mm
    x, y = np.meshgrid(axis, -axis)
    return np.stack([x, y], axis=-1).astype(np.float32)


def _turned(points_mm: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Points [..., 3] rotated about the neck by the share that they follow."""
    moved = (points_mm - NECK_PIVOT_MM) @ turn.T + NECK_PIVOT_MM
    return points_mm + neck_weight(points_mm)[..., None] * (moved - points_mm)


def _surface_points(
    surface: np.ndarray, coverage: np.ndarray, crop_side_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """The visible head finer than the grid: where each point's content is [N, 2] and the point [N, 3], mm."""
    fine = surface.shape[0] * _OVERSAMPLING
    depth, cover = _enlarged(surface, fine), cv2.resize(coverage, (fine, fine))
    on = cover > _ON_HEAD
    places = _grid_mm(fine, crop_side_mm)[on]
    return places, np.concatenate([places, depth[on][:, None]], axis=1)


def _hidden_sides(
    surface: np.ndarray, coverage: np.ndarray, crop_side_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """What a turn brings to view behind the rim: the head goes on backwards, with the rim's content mirrored.

    Returns:
        where each point's content is [N, 2] and the point [N, 3], mm.
    """
    side = surface.shape[0]
    mm = crop_side_mm / side
    on = _without_ears(coverage > _ON_HEAD, mm)
    rim = (on - cv2.erode(on, np.ones((3, 3), np.uint8), borderValue=(1,))) > 0
    depth_in = cv2.GaussianBlur(cv2.distanceTransform(on, cv2.DIST_L2, 5), (0, 0), 4.0)
    inwards = np.stack(
        [cv2.Sobel(depth_in, cv2.CV_32F, 1, 0), -cv2.Sobel(depth_in, cv2.CV_32F, 0, 1)], axis=-1
    )
    inwards /= np.maximum(np.linalg.norm(inwards, axis=-1, keepdims=True), 1e-6)
    place, inwards = _grid_mm(side, crop_side_mm)[rim], inwards[rim]
    start = surface[rim][smoothstep(place[:, 1], *_SKULL_MM) > 0][:, None]
    back = np.arange(0.0, _SIDE_DEPTH_MM, mm)[:, None, None]  # [K, 1, 1]
    skull = smoothstep(place[:, 1], *_SKULL_MM)
    place, inwards, skull = place[skull > 0], inwards[skull > 0], skull[skull > 0][:, None]
    bend = _SIDE_BEND_MM * (back / _SIDE_DEPTH_MM) ** 4
    points = np.concatenate(
        [place + inwards * bend, np.broadcast_to(start - back * skull, (len(back), len(place), 1))],
        axis=-1,
    )
    content = place + inwards * (_RIM_MM + _SIDE_STRETCH * back)
    return content.reshape(-1, 2), points.reshape(-1, 3)


def _without_ears(on: np.ndarray, mm_per_px: float) -> np.ndarray:
    """The head's mask [W, W] as uint8 without what stands off it: going on behind ears would double them."""
    reach = max(1, round(_EAR_MM / (_COARSE * mm_per_px)))
    small = cv2.resize(
        on.astype(np.float32), None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=cv2.INTER_AREA
    )
    padded = cv2.copyMakeBorder(small, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[reach:-reach, reach:-reach]
    whole = cv2.resize(opened, on.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return ((whole > 0.5) & on).astype(np.uint8)


def _mixed_with_head(before: np.ndarray, leaves_px: np.ndarray) -> np.ndarray:
    """What moves of the head before the turn, and the ring round it whose pixels hold some of it [W, W], 0..1."""
    gap = max(1, round(_BACKGROUND_GAP * before.shape[0]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * gap + 1, 2 * gap + 1))
    moves = smoothstep(cv2.dilate(leaves_px, disc), 1.0, 4.0)
    ring = cv2.GaussianBlur(
        cv2.dilate(smoothstep(before, 0.02, 0.3).astype(np.float32), disc), (0, 0), gap / 3
    )
    return ring * moves


def _behind(picture: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The picture [W, W, 3] with the surroundings grown over the head from its outline inwards (Telea, 2004)."""
    half = (picture.shape[1] // 2, picture.shape[0] // 2)
    gap = max(1, round(_BACKGROUND_GAP * half[0]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * gap + 1, 2 * gap + 1))
    hidden = cv2.dilate(
        (cv2.resize(before, half, interpolation=cv2.INTER_AREA) > 0.02).astype(np.uint8), disc
    )
    small = cv2.resize(picture, half, interpolation=cv2.INTER_AREA)
    grown = cv2.inpaint((small * 255).clip(0, 255).astype(np.uint8), hidden, 4, cv2.INPAINT_TELEA)
    return cv2.resize(grown.astype(np.float32) / 255, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def _thrown(
    places: np.ndarray, turned: np.ndarray, side: int, crop_side_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Motion and depth [side, side, 3], and where there are any: each cell keeps its nearest point."""
    columns = np.floor((turned[:, 0] / crop_side_mm + 0.5) * side).astype(int)
    rows = np.floor((0.5 - turned[:, 1] / crop_side_mm) * side).astype(int)
    order = np.argsort(turned[:, 2], kind="stable")  # later ones overwrite: nearest last
    order = order[(columns[order] >= 0) & (columns[order] < side) & (rows[order] >= 0) & (rows[order] < side)]
    seen, hit = np.zeros((side, side, 3), np.float32), np.zeros((side, side), bool)
    back = (places - turned[:, :2]) / crop_side_mm * np.array([1.0, -1.0])
    seen[rows[order], columns[order], :2] = back[order]
    seen[rows[order], columns[order], 2] = turned[order, 2]
    hit[rows[order], columns[order]] = True
    return seen, hit


def _closed(hit: np.ndarray) -> np.ndarray:
    """The outline of the turned head, filled: a stretched surface leaves holes between its points."""
    joined = cv2.morphologyEx(hit.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(joined)
    if contours:
        cv2.drawContours(filled, [max(contours, key=cv2.contourArea)], -1, (1,), cv2.FILLED)
    return filled > 0
