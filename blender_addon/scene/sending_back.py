# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief object, sculpted or not, -> the maps that the backend repaints the portrait from; and its checks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..core import arrays, errors
from ..core.depth_from_mesh import MeshMaps, SeenMesh, map_steps, quiet_flow
from ..core.errors import AddonError, Remedy
from ..core.jobs import Maps
from ..core.steps import Steps, finish
from ..translations import say
from . import relief_object


def is_relief(item: bpy.types.Object | None) -> bool:
    """Whether it came from an import and still knows its photo's geometry."""
    return item is not None and item.type == "MESH" and bool(item.data.portrait_relief.result_id)


def is_at_hand(operator: type[bpy.types.Operator], item: bpy.types.Object | None) -> bool:
    """For `poll`: whether `item` is a relief whose shape can be read; tells the user what is in the way."""
    if item is None or not is_relief(item):
        operator.poll_message_set(say("Make a relief the active object"))
        return False
    if relief_object.is_held_elsewhere(item.data):
        operator.poll_message_set(say("Leave edit mode, or switch dynamic topology off, first"))
        return False
    return True


@dataclass(frozen=True)
class _Arrays:
    """Geometry with modifiers, multires and shape keys: positions [V, 3], triangles [T, 3]; and where they are known
    each vertex's UV [V, 2] and the depth in mm that it was imported with [V] (NaN elsewhere)."""

    positions: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    imported_mm: np.ndarray


def _arrays(item: bpy.types.Object) -> _Arrays:
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        count = len(mesh.vertices)
        positions = np.empty(count * 3, np.float32)
        mesh.vertices.foreach_get("co", positions)
        mesh.calc_loop_triangles()
        triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
        mesh.loop_triangles.foreach_get("vertices", triangles)
        triangles = triangles.reshape(-1, 3)
        behind = _point_values(mesh, relief_object.BACK_ATTRIBUTE)
        if behind is not None:
            triangles = triangles[behind[triangles].max(1) < 0.5]
        imported = _point_values(mesh, relief_object.DEPTH_ATTRIBUTE)
        if imported is None:
            imported = np.full(count, np.nan, np.float32)
        return _Arrays(positions.reshape(-1, 3), triangles, _vertex_uv(mesh), imported)
    finally:
        evaluated.to_mesh_clear()


def _point_values(mesh: bpy.types.Mesh, name: str) -> np.ndarray | None:
    attribute = mesh.attributes.get(name)
    if attribute is None or attribute.domain != "POINT" or attribute.data_type != "FLOAT":
        return None
    values = np.empty(len(mesh.vertices), np.float32)
    attribute.data.foreach_get("value", values)
    return values


def _vertex_uv(mesh: bpy.types.Mesh) -> np.ndarray:
    """float32 [V, 2], of one of each vertex's corners; a relief's agree."""
    found = np.full((len(mesh.vertices), 2), np.nan, np.float32)
    layer = relief_object.photo_uv(mesh)
    if layer is not None and len(mesh.loops):
        uv = np.empty(len(mesh.loops) * 2, np.float32)
        layer.uv.foreach_get("vector", uv)
        corners = np.empty(len(mesh.loops), np.int32)
        mesh.attributes[".corner_vert"].data.foreach_get("value", corners)
        found[corners] = uv.reshape(-1, 2)
    return found


def seen_mesh(item: bpy.types.Object, longest_px: int = 0) -> SeenMesh:
    """The relief as its photo's camera sees it, and what each point of it was when it was imported; no reference to
    Blender's data is kept. Raises AddonError for a flattened relief.

    The photo may be as large as it is, or smaller where `longest_px` limits its longer side.
    """
    kept = item.data.portrait_relief
    if abs(kept.applied_depth_scale) < 1e-3:
        raise AddonError(
            errors.Problem("flat_relief", "The relief is flat.", "Set its depth scale above 0.", Remedy.NONE)
        )
    share = min(1.0, longest_px / max(kept.photo_size_px)) if longest_px else 1.0
    width, height = (max(1, round(side * share)) for side in kept.photo_size_px)
    found = _arrays(item)
    millimetres = relief_object.placement_of(item.data).millimetres(found.positions)
    depth_mm = millimetres[:, 2] / kept.applied_depth_scale
    known = np.isfinite(found.imported_mm) & np.isfinite(found.uv).all(1)
    # What came nearer stays on its old ray: the backend enlarges it as the photo's camera would.
    x_mm, z_mm = relief_object.projection_of(item.data).projected(
        millimetres[:, 0], millimetres[:, 1], np.where(known, found.imported_mm, depth_mm)
    )
    scale = share / kept.mm_per_px
    points = np.stack(
        [kept.origin_px[0] * share + x_mm * scale, kept.origin_px[1] * share - z_mm * scale, depth_mm], 1
    ).astype(np.float32)
    if (
        not known.any() or kept.displaced
    ):  # a modifier's depth is finer than the one that points were imported with
        return SeenMesh(points, found.triangles, (width, height))
    imported = np.stack([found.uv[:, 0] * width, (1 - found.uv[:, 1]) * height, found.imported_mm], 1)
    flow = np.where(known[:, None], imported - points, np.nan).astype(np.float32)
    return SeenMesh(points, found.triangles, (width, height), quiet_flow(flow, 1 / scale))


def depth_map(item: bpy.types.Object, longest_px: int = 0) -> np.ndarray:
    """float32 [H, W] in mm at depth scale 1, NaN outside the relief; see `seen_mesh`."""
    return finish(map_steps(replace(seen_mesh(item, longest_px), flow=None))).depth_mm


def map_file_steps(mesh: SeenMesh) -> Steps[Maps]:
    """The maps of a mesh as .npy files, by their names in the protocol: "depth", and "flow" where it is known."""
    width, height = mesh.size_px
    depth_file, depth = arrays.empty_npy((height, width))
    files = {"depth": depth_file}
    flow = None
    if mesh.flow is not None:
        files["flow"], flow = arrays.empty_npy((height, width, 3))
    yield
    yield from map_steps(mesh, MeshMaps(depth, flow))
    return files
