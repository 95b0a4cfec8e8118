# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief object, sculpted or not, -> the depth map that the backend repaints the portrait from; and its checks."""

from __future__ import annotations

import bpy
import numpy as np

from ..core import arrays, errors
from ..core.depth_from_mesh import depth_from_mesh
from ..core.errors import AddonError, Remedy
from . import relief_object


def is_relief(item: bpy.types.Object | None) -> bool:
    """Whether it came from an import and still knows its photo's geometry."""
    return item is not None and item.type == "MESH" and bool(item.data.portrait_relief.result_id)


def _arrays(item: bpy.types.Object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Geometry with modifiers, multires and shape keys: positions [V, 3], triangles [T, 3], uv [L, 2]."""
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        positions = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", positions)
        mesh.calc_loop_triangles()
        triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
        mesh.loop_triangles.foreach_get("vertices", triangles)
        layer = mesh.uv_layers.active
        uv = np.zeros(len(mesh.loops) * 2 if layer else 0, np.float32)
        if layer:
            layer.uv.foreach_get("vector", uv)
        triangles = triangles.reshape(-1, 3)
        behind = mesh.attributes.get(relief_object.BACK_ATTRIBUTE)
        if behind is not None and behind.domain == "POINT":
            values = np.empty(len(mesh.vertices), np.float32)
            behind.data.foreach_get("value", values)
            triangles = triangles[values[triangles].max(1) < 0.5]
        return positions.reshape(-1, 3), triangles, uv.reshape(-1, 2)
    finally:
        evaluated.to_mesh_clear()


def depth_map(item: bpy.types.Object, longest_px: int = 0) -> np.ndarray:
    """float32 [H, W] in mm at depth scale 1, NaN outside the relief. Raises AddonError for a flattened relief.

    As large as the photo, or smaller where `longest_px` limits its longer side.
    """
    kept = item.data.portrait_relief
    if abs(kept.applied_depth_scale) < 1e-3:
        raise AddonError(
            errors.Problem("flat_relief", "The relief is flat.", "Set its depth scale above 0.", Remedy.NONE)
        )
    share = min(1.0, longest_px / max(kept.photo_size_px)) if longest_px else 1.0
    positions, triangles, _uv = _arrays(item)
    millimetres = relief_object.placement_of(item.data).millimetres(positions)
    depth_mm = millimetres[:, 2] / kept.applied_depth_scale
    x_mm, z_mm = relief_object.projection_of(item.data).projected(
        millimetres[:, 0], millimetres[:, 1], depth_mm
    )
    return depth_from_mesh(
        x_mm,
        z_mm,
        depth_mm,
        triangles,
        size_px=(max(1, round(kept.photo_size_px[0] * share)), max(1, round(kept.photo_size_px[1] * share))),
        origin_px=(kept.origin_px[0] * share, kept.origin_px[1] * share),
        mm_per_px=kept.mm_per_px / share,
    )


def depth_npy(item: bpy.types.Object) -> bytes:
    """`depth_map` as a .npy file's content."""
    return arrays.write_npy(depth_map(item))
