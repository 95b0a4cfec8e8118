# SPDX-License-Identifier: GPL-3.0-or-later
"""The relief as a Blender object, and its re-displacement."""

from __future__ import annotations

import bpy
import numpy as np

from ..core.relief import METRES_PER_MM, ReliefMesh

DEPTH_ATTRIBUTE = "depth_mm"
UV_NAME = "UVMap"


def make_mesh(name: str, relief: ReliefMesh, *, size: float, depth_scale: float) -> bpy.types.Mesh:
    """A mesh with UVs and the depth in millimetres as a point attribute. `size` 1 is life-sized in metres."""
    mesh = bpy.data.meshes.new(name)
    metres_per_mm = METRES_PER_MM * size
    mesh.vertices.add(len(relief.x_mm))
    mesh.loops.add(len(relief.corner_vertex))
    mesh.polygons.add(len(relief.face_start))
    mesh.attributes["position"].data.foreach_set(
        "vector", relief.positions(metres_per_mm, depth_scale).ravel()
    )
    mesh.attributes[".corner_vert"].data.foreach_set("value", relief.corner_vertex)
    mesh.polygons.foreach_set("loop_start", relief.face_start)
    uv_layer = mesh.uv_layers.new(name=UV_NAME, do_init=False)
    uv_layer.uv.foreach_set("vector", relief.uv[relief.corner_vertex].ravel())
    mesh.attributes.new(DEPTH_ATTRIBUTE, "FLOAT", "POINT").data.foreach_set("value", relief.depth_mm)
    mesh.update(calc_edges=True)
    mesh.shade_smooth()
    settings = mesh.portrait_relief
    settings.metres_per_mm = metres_per_mm
    settings.applied_depth_scale = depth_scale
    settings.depth_scale = depth_scale  # its update callback finds nothing left to do
    return mesh


def is_held_elsewhere(mesh: bpy.types.Mesh) -> bool:
    """In edit mode and in sculpt mode with dyntopo: what is written to the mesh meanwhile is lost at their end."""
    active = bpy.context.view_layer.objects.active
    dyntopo = active is not None and active.data == mesh and active.use_dynamic_topology_sculpting
    return mesh.is_editmode or dyntopo


def can_displace(mesh: bpy.types.Mesh) -> bool:
    """False while the mesh's data is elsewhere, and after the attribute was lost, as by remeshing."""
    attribute = mesh.attributes.get(DEPTH_ATTRIBUTE)
    return attribute is not None and attribute.domain == "POINT" and not is_held_elsewhere(mesh)


def apply_depth_scale(mesh: bpy.types.Mesh) -> bool:
    """Moves the vertices from the applied depth scale to the wanted one; sculpted changes are kept.

    Only the difference is added along y. Shape keys move with the mesh. False when nothing could be moved.
    """
    settings = mesh.portrait_relief
    change = settings.depth_scale - settings.applied_depth_scale
    if not change:
        return True
    if not can_displace(mesh):
        return False
    depth = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes[DEPTH_ATTRIBUTE].data.foreach_get("value", depth)
    offset = depth * np.float32(-change * settings.metres_per_mm)
    _shift_y(mesh.attributes["position"].data, "vector", offset)
    if mesh.shape_keys:
        for block in mesh.shape_keys.key_blocks:
            _shift_y(block.data, "co", offset)
    settings.applied_depth_scale = settings.depth_scale
    mesh.update()
    return True


def _shift_y(data: bpy.types.bpy_prop_collection, name: str, offset: np.ndarray) -> None:
    points = np.empty(len(offset) * 3, np.float32)
    data.foreach_get(name, points)
    points[1::3] += offset
    data.foreach_set(name, points)


def find(result_id: str, layer: bpy.types.ViewLayer) -> bpy.types.Object | None:
    """The relief of a result in this view layer, also after renaming and reloading; None when it is not there.

    Another scene may hold a full copy of it.
    """
    for item in layer.objects:
        if item.type == "MESH" and item.data.portrait_relief.result_id == result_id:
            return item
    return None
