# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a relief's mesh is still what was built from its depth picture."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..core import errors
from ..core.errors import AddonError
from ..core.photo_geometry import PhotoGeometry
from ..core.plain_mesh import spread_to_vertices
from . import relief_object

# In sizes of a grid cell: what moved a vertex further than that was no rounding.
EDITED = 2e-3


def is_edited(mesh: bpy.types.Mesh) -> bool:
    """Whether it is no longer what was built: sculpted, edited, remeshed, with shape keys, or with what an artist
    put on its points and faces."""
    try:
        return read(mesh).is_moved()
    except AddonError:
        return True


@dataclass(frozen=True)
class BuiltShape:
    """What tells whether vertices were moved since they were built."""

    positions: np.ndarray  # float32 [V, 3]
    corner_vertex: np.ndarray
    corner_uv: np.ndarray
    depth_mm: np.ndarray
    photo: PhotoGeometry
    depth_scale: float

    def is_moved(self) -> bool:
        """No bpy."""
        place = self.photo.placement
        error = np.abs(self.positions - place.positions(self._built_points()))
        cell = max(self.photo.mm_per_px * max(self.photo.size_px) / 1024, 0.05)
        cell *= float(np.linalg.norm(place.axes[:, 0]))
        furthest = float(np.abs(self.positions).max(initial=1.0))
        return bool(error.max(initial=0.0) > max(EDITED * cell, 2e-6 * furthest))

    def _built_points(self) -> np.ndarray:
        """x, z and depth in mm [V, 3] as UVs and depths tell them."""
        uv = spread_to_vertices(self.corner_uv, self.corner_vertex, len(self.positions), 0.0)
        x_mm, z_mm = self.photo.projection.unprojected(*self.photo.plane_mm(uv), self.depth_mm)
        return np.stack([x_mm, z_mm, self.depth_mm * self.depth_scale], 1)


def check_layers(mesh: bpy.types.Mesh) -> tuple[bpy.types.FloatAttribute, bpy.types.MeshUVLoopLayer]:
    """Depth and UV of a mesh. Raises AddonError where it is seen at once that it is no longer what was built."""
    built = mesh.portrait_relief_build
    depths, layer = mesh.attributes.get(relief_object.DEPTH_ATTRIBUTE), relief_object.photo_uv(mesh)
    if (
        mesh.shape_keys is not None
        or depths is None
        or depths.domain != "POINT"
        or layer is None
        or _has_more_than_a_shape(mesh)
        or (built.vertices and (built.vertices, built.corners) != (len(mesh.vertices), len(mesh.loops)))
    ):
        raise AddonError(errors.local("relief_was_sculpted"))
    return depths, layer


def read(mesh: bpy.types.Mesh) -> BuiltShape:
    """Raises AddonError as `check_layers`."""
    depths, layer = check_layers(mesh)
    kept = mesh.portrait_relief
    corner_vertex = np.empty(len(mesh.loops), np.int32)
    mesh.attributes[".corner_vert"].data.foreach_get("value", corner_vertex)
    corner_uv = np.empty((len(mesh.loops), 2), np.float32)
    layer.uv.foreach_get("vector", corner_uv.ravel())
    depth = np.empty(len(mesh.vertices), np.float32)
    depths.data.foreach_get("value", depth)
    return BuiltShape(
        positions(mesh),
        corner_vertex,
        corner_uv,
        depth,
        relief_object.photo_geometry_of(mesh),
        0.0 if kept.displaced else kept.applied_depth_scale,
    )


def _has_more_than_a_shape(mesh: bpy.types.Mesh) -> bool:
    """Painted colours or weights, a second UV map, a sculpting mask, faces with another material: lost if rebuilt."""
    if len(mesh.uv_layers) > 1 or len(mesh.color_attributes):
        return True
    if any(item.vertex_groups for item in bpy.data.objects if item.data == mesh):
        return True
    for name, kind in (("material_index", np.int32), (".sculpt_mask", np.float32)):
        attribute = mesh.attributes.get(name)
        if attribute is not None and len(attribute.data):
            values = np.empty(len(attribute.data), kind)
            attribute.data.foreach_get("value", values)
            if values.any():
                return True
    return False


def positions(mesh: bpy.types.Mesh) -> np.ndarray:
    """float32 [V, 3]."""
    values = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.attributes["position"].data.foreach_get("vector", values)
    return values.reshape(-1, 3)
