# SPDX-License-Identifier: GPL-3.0-or-later
"""Expression, gaze and head rotation applied to the vertices of an identity (numpy only)."""

from __future__ import annotations

import numpy as np

from backend.imaging.rotation import rotation
from backend.model.expression_names import ARKIT_NAMES
from backend.training.render.arkit_units import expression_basis, gaze_degrees
from backend.training.render.assets import HeadAssets
from backend.training.render.identity import Identity

NECK_PIVOT_DM = np.array([0.0, 6.55, 0.25])  # in the base mesh's frame
EYES = {"left": ("helper-l-eye", "joint-l-eye"), "right": ("helper-r-eye", "joint-r-eye")}


def neck_weights(assets: HeadAssets) -> np.ndarray:
    """Share of the head's rotation each base vertex follows [V]: 0 on the shoulders, 1 on the head."""
    base = assets.vertices
    t = np.clip((base[:, 1] + 0.55 * (base[:, 2] - 0.2) - 5.55) / 0.9, 0, 1)
    weights = t * t * (3 - 2 * t)
    weights[13380:] = 1.0
    return weights


def rotate_partly(
    vertices: np.ndarray, matrix: np.ndarray, pivot: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Turn about `pivot`, blended by `weights` [V]; lengths shrink by under 2 % for the angles used here."""
    turned = (vertices - pivot) @ matrix.T + pivot
    return vertices + weights[:, None] * (turned - vertices)


def pose_vertices(
    assets: HeadAssets,
    identity: Identity,
    expression: dict[str, float],
    head_pose_deg: tuple[float, float, float],
) -> np.ndarray:
    """Vertices [19158, 3] dm in the identity's frame (origin at the neutral head's centre), head turned on its neck."""
    basis = expression_basis(assets)
    values = np.array([expression.get(name, 0.0) for name in ARKIT_NAMES])
    # mouthClose only means something in proportion to how far the jaw is open.
    close = ARKIT_NAMES.index("mouthClose")
    values[close] = min(values[close], 1.0) * values[ARKIT_NAMES.index("jawOpen")]
    vertices = identity.vertices + basis.apply(values)
    for side, (eye, joint) in EYES.items():
        towards_left, up = gaze_degrees(expression)[side]
        ids, centre = assets.groups[eye], vertices[assets.groups[joint]].mean(0)
        vertices[ids] = (vertices[ids] - centre) @ rotation(towards_left, up, 0).T + centre
    return rotate_partly(
        vertices, rotation(*head_pose_deg), neck_pivot(assets, identity), neck_weights(assets)
    )


def neck_pivot(assets: HeadAssets, identity: Identity) -> np.ndarray:
    """Where the head turns [3], in the identity's frame: the base mesh's pivot, moved like the head's joint."""
    joint = assets.groups["joint-head"]
    return NECK_PIVOT_DM + (identity.vertices[joint].mean(0) - assets.vertices[joint].mean(0))


def turn_with_head(
    points: np.ndarray, assets: HeadAssets, identity: Identity, head_pose_deg: tuple[float, float, float]
) -> np.ndarray:
    """Points [..., 3] of the neutral head (dm, the identity's frame) as the turned head carries them."""
    pivot = neck_pivot(assets, identity)
    return (points - pivot) @ rotation(*head_pose_deg).T + pivot
