# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's meshes -> arrays, by those of Blender's ways that copy and do not convert."""

from __future__ import annotations

import bpy
import numpy as np

from ..core.plain_mesh import PlainMesh


def read(mesh: bpy.types.Mesh, layer: bpy.types.MeshUVLoopLayer | None) -> PlainMesh:
    """Positions, faces and the UVs of `layer`."""
    positions = np.empty((len(mesh.vertices), 3), np.float32)
    if len(mesh.vertices):
        mesh.attributes["position"].data.foreach_get("vector", positions.ravel())
    corner_vertex = np.empty(len(mesh.loops), np.int32)
    face_start = np.empty(len(mesh.polygons), np.int32)
    if not len(mesh.loops):
        return PlainMesh(positions, corner_vertex, face_start, None)
    mesh.attributes[".corner_vert"].data.foreach_get("value", corner_vertex)
    mesh.polygons.foreach_get("loop_start", face_start)
    corner_uv = None
    if layer is not None:
        corner_uv = np.empty((len(mesh.loops), 2), np.float32)
        layer.uv.foreach_get("vector", corner_uv.ravel())
    known = None
    if np.diff(face_start, append=len(mesh.loops)).max(initial=0) > 4:
        mesh.calc_loop_triangles()
        # Slow: Blender converts each number; 0.2 s a million triangles.
        known = np.empty((len(mesh.loop_triangles), 3), np.int32)
        mesh.loop_triangles.foreach_get("vertices", known.ravel())
    return PlainMesh(positions, corner_vertex, face_start, corner_uv, known)
