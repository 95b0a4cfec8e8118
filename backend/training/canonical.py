# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical displacement basis: what each ARKit coefficient moves on the average face seen from the front."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import LinearNDInterpolator

from backend.model.expression import BASIS_SIZE
from backend.model.expression_names import ARKIT_NAMES
from backend.model.face_frame import CANONICAL_UNIT_MM
from backend.model.modalities import AVERAGE_CROP_SIDE_MM
from backend.training.render.arkit_units import expression_basis
from backend.training.render.assets import HeadAssets
from backend.training.render.geometry import head_topology, vertex_normals
from backend.training.render.identity import head_centre, head_marks

UNIT_DM = CANONICAL_UNIT_MM / 100
GAZE_STRENGTH = 0.6  # eyeLook coefficients turn the eyes; shown as a shift of the eye region
EYE_RADIUS_DM = 0.16


def front_of_face(assets: HeadAssets) -> np.ndarray:
    """Which vertices of the refined head are skin that the canonical view sees from the front, bool [V]."""
    topology = head_topology(assets)
    normals = vertex_normals(topology.rest, topology.quads)
    return (topology.skin > 0.5) & (normals[:, 2] > 0.05) & (topology.rest[:, 2] > 0.2)


def canonical_places(assets: HeadAssets, points: np.ndarray) -> np.ndarray:
    """Places [N, 2] in shares of the canonical view (x right, y down) of points [N, 3] of the base mesh (dm)."""
    centre = head_centre(assets.vertices, head_marks(assets))
    return (
        np.stack([points[:, 0] - centre[0], centre[1] - points[:, 1]], 1) * 100 / AVERAGE_CROP_SIDE_MM + 0.5
    )


def canonical_basis(assets: HeadAssets, size: int = BASIS_SIZE) -> np.ndarray:
    """[51, 3, size, size] float32: dx (picture's right), dy (down), dz (nearer) in units of 10 mm at coefficient 1.

    The picture is the standard crop (340 mm) of the untouched base mesh, orthographic, centred on the head.
    """
    topology, front = head_topology(assets), front_of_face(assets)
    centre = head_centre(assets.vertices, head_marks(assets))
    cells = ((np.arange(size) + 0.5) / size - 0.5) * AVERAGE_CROP_SIDE_MM / 100
    x, y = np.meshgrid(cells + centre[0], centre[1] - cells)
    displacements = expression_basis(assets).displacements  # [51, V, 3]
    flat = displacements.transpose(1, 0, 2).reshape(displacements.shape[1], -1)
    moved = topology.operator[front] @ flat  # [front, 51 * 3]
    points = topology.rest[front, :2]
    interpolate = LinearNDInterpolator(points, moved, fill_value=0.0)
    basis = interpolate(x, y).reshape(size, size, len(ARKIT_NAMES), 3).transpose(2, 3, 0, 1) / UNIT_DM
    basis[:, 1] *= -1
    for row, name in zip(basis, ARKIT_NAMES, strict=True):
        if not name.startswith("eyeLook"):
            continue
        side = "l" if name.endswith("Left") else "r"
        eye = assets.vertices[assets.groups[f"joint-{side}-eye"]].mean(0)
        spot = GAZE_STRENGTH * np.exp(-((x - eye[0]) ** 2 + (y - eye[1]) ** 2) / EYE_RADIUS_DM**2)
        outward = 1.0 if side == "l" else -1.0
        if "Up" in name or "Down" in name:
            row[1] += spot * (-1.0 if "Up" in name else 1.0)
        else:
            row[0] += spot * outward * (1.0 if "Out" in name else -1.0)
    return basis.astype(np.float32)
