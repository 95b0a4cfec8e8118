# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each point of a sculpted relief lay in the photo, and how deep: what brushes that drag need beside the depth.

A depth map alone cannot tell a jaw that was made slimmer from one that was cut off. The relief's mesh can: its UVs say
which pixel a point showed before. With that the sculpting is known exactly, whatever the model reads from the photo.
"""

from __future__ import annotations

import cv2
import numpy as np

from backend.errors import InputError
from backend.imaging.crop import CropBox, extract_map
from backend.imaging.load import Photo

_INVERSION_ROUNDS = 20
_LEAST_AREA = 0.05  # of itself: surface squeezed further has no slopes that can be told


def checked_flow(flow: np.ndarray, photo: Photo) -> np.ndarray:
    """A given scene flow as float32 [H, W, 3].

    Raises:
        InputError: of another size than the photo, or infinite.
    """
    flow = np.asarray(flow, dtype=np.float32)
    wanted = (photo.height, photo.width, 3)
    if flow.shape != wanted:
        raise InputError(
            f"The scene flow has the shape {flow.shape}; {photo.name} needs {wanted}.",
            "Give pixels to the right, pixels down and millimetres for every pixel of the photo.",
            code="flow_size",
        )
    if np.isinf(flow).any():
        raise InputError(
            "The scene flow holds values that are not finite.",
            "Give numbers where the relief is and NaN outside it.",
            code="bad_flow",
        )
    return flow


def flow_on_grid(
    given_mm: np.ndarray, flow: np.ndarray, crop: CropBox, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sculpted depth and its flow on a square grid over `crop`.

    Args:
        given_mm: float [H, W], NaN outside the sculpted head.
        flow: float [H, W, 3], see `Sculpting.flow`: photo pixels right and down, mm nearer; NaN where it is not known.

    Returns:
        depth float32 [side, side] in mm, NaN outside; its coverage 0..1; flow float32 [side, side, 2] in crop sides and
        mm [side, side]; both 0 where they are not known.
    """
    far = np.abs(flow[..., :2]).max(axis=-1) > crop.side / 2  # stray vertices; NaN compares as not far
    known = np.isfinite(flow).all(axis=-1) & ~far
    depth, coverage = extract_map(given_mm, np.isfinite(given_mm), crop, side)
    maps = [extract_map(flow[..., channel], known, crop, side)[0] for channel in range(3)]
    right, down, nearer = (np.nan_to_num(values) for values in maps)
    return depth, coverage, np.stack([right, down], axis=-1) / np.float32(crop.side), nearer


def undragged(normals: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Normals of a surface before its points were moved sideways.

    Args:
        normals: float [W, W, 3] of the old depths at the points' new places (x right, y up, z to the viewer).
        flow: float [W, W, 2], old place minus new, in sides of the grid (x right, y down).

    Returns:
        float32 [W, W, 3], unit length; exactly `normals` where the flow is even.
    """
    side = flow.shape[0]
    # Columns of the Jacobian of the old place by the new one, in the axes of the picture.
    along = [np.gradient(flow * side, axis=axis) for axis in (1, 0)]
    a, b = 1.0 + along[0][..., 0], along[1][..., 0]  # x by x, x by y
    c, d = along[0][..., 1], 1.0 + along[1][..., 1]
    area = a * d - b * c
    steep = np.maximum(normals[..., 2], 1e-3)
    across, down = -normals[..., 0] / steep, normals[..., 1] / steep
    safe = np.where(area > _LEAST_AREA, area, 1.0)
    old = np.stack([-(d * across - c * down) / safe, (a * down - b * across) / safe, np.ones_like(safe)], -1)
    old /= np.linalg.norm(old, axis=-1, keepdims=True)
    even = (a == 1.0) & (d == 1.0) & (b == 0.0) & (c == 0.0)
    return np.where((even | (area <= _LEAST_AREA))[..., None], normals, old).astype(np.float32)


def drag(depth_mm: np.ndarray, push: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A depth map whose points were moved, as a mesh of it would be, and its scene flow.

    Args:
        depth_mm: float [H, W], NaN outside the head.
        push: float [H, W, 3], where each pixel's point goes: px right, px down, mm nearer. Smooth, and nowhere so
            strong that the surface folds.

    Returns:
        depth float32 [H, W], NaN outside, and flow float32 [H, W, 3], see `PortraitEditor.appearance`; exactly the old
        depth and 0 where nothing arrives.
    """
    push = push.astype(np.float32)
    columns, rows = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in depth_mm.shape[::-1]))
    flow = np.zeros_like(push)
    for _ in range(_INVERSION_ROUNDS):  # new place + flow = old place; flow = -push there
        flow = -_at(push, columns + flow[..., 0], rows + flow[..., 1])
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    inside = np.isfinite(depth_mm)
    share = _at(inside.astype(np.float32), x, y)
    old = _at(np.where(inside, depth_mm, 0), x, y) / np.maximum(share, 1e-3)
    still = (flow == 0).all(axis=-1)
    moved = np.where(share > 0.5, old - flow[..., 2], np.nan)
    depth = np.where(still, depth_mm, moved).astype(np.float32)
    return depth, np.where(np.isfinite(depth)[..., None], flow, np.nan).astype(np.float32)


def _at(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    values = np.ascontiguousarray(values, np.float32)
    return cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def sampled(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """float32 [W, W(, C)]: values at `places` [W, W, 2] in sides of the grid, (0, 0) its upper left corner."""
    at = (places * values.shape[0] - 0.5).astype(np.float32)
    return _at(values, at[..., 0], at[..., 1])


def grid_places(side: int) -> np.ndarray:
    """Middles of a grid's cells [side, side, 2] in sides of it, x and y."""
    axis = ((np.arange(side) + 0.5) / side).astype(np.float32)
    return np.stack(np.meshgrid(axis, axis), axis=-1)
