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
from ..core.photo_geometry import PhotoGeometry
from ..core.plain_mesh import PlainMesh
from ..core.steps import Steps, finish
from ..translations import say
from . import mesh_reading, relief_object


def is_relief(item: bpy.types.Object | None) -> bool:
    """Whether it came from an import and still knows its photo's geometry."""
    return item is not None and item.type == "MESH" and bool(item.data.portrait_relief.result_id)


def find_relief(session_uid: int) -> bpy.types.Object:
    """Raises AddonError when it was deleted, or is no relief any more."""
    item = next((each for each in bpy.data.objects if each.session_uid == session_uid), None)
    if item is None or not is_relief(item):
        raise AddonError(errors.local("relief_removed"))
    return item


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
class ReadRelief:
    """What was read of a relief object, with modifiers, multires and shape keys; no reference to Blender's data.

    Attributes:
        behind, imported_mm: float32 [V] of the points; None where the mesh does not tell. The depth in mm that each
            was imported with, and 1 where it is no part of the photo.
    """

    mesh: PlainMesh
    behind: np.ndarray | None
    imported_mm: np.ndarray | None
    photo: PhotoGeometry
    depth_scale: float
    displaced: bool

    @property
    def knows_its_points(self) -> bool:
        """Whether it tells which point of the photo each of its points was, as `seen` needs it for a flow."""
        # a modifier's depth is finer than the one that points were imported with
        if self.displaced or self.imported_mm is None or self.mesh.corner_uv is None:
            return False
        return bool(np.isfinite(self.imported_mm).any())


def read_relief(item: bpy.types.Object) -> ReadRelief:
    """Raises AddonError for a flattened relief."""
    kept = item.data.portrait_relief
    if abs(kept.applied_depth_scale) < 1e-3:
        raise AddonError(
            errors.Problem("flat_relief", "The relief is flat.", "Set its depth scale above 0.", Remedy.NONE)
        )
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        read = mesh_reading.read(mesh, relief_object.photo_uv(mesh))
        behind = _point_values(mesh, relief_object.BACK_ATTRIBUTE)
        imported = _point_values(mesh, relief_object.DEPTH_ATTRIBUTE)
    finally:
        evaluated.to_mesh_clear()
    return ReadRelief(
        read,
        behind,
        imported,
        relief_object.photo_geometry_of(item.data),
        kept.applied_depth_scale,
        kept.displaced,
    )


def _point_values(mesh: bpy.types.Mesh, name: str) -> np.ndarray | None:
    attribute = mesh.attributes.get(name)
    if attribute is None or attribute.domain != "POINT" or attribute.data_type != "FLOAT":
        return None
    values = np.empty(len(mesh.vertices), np.float32)
    attribute.data.foreach_get("value", values)
    return values


def seen(kept: ReadRelief, longest_px: int = 0) -> SeenMesh:
    """The relief as its photo's camera sees it, and what each point of it was when it was imported. No bpy.

    The photo may be as large as it is, or smaller where `longest_px` limits its longer side.
    """
    photo = kept.photo
    share = min(1.0, longest_px / max(photo.size_px)) if longest_px else 1.0
    width, height = (max(1, round(side * share)) for side in photo.size_px)
    triangles, uv, imported_mm = kept.mesh.triangles(), kept.mesh.vertex_uv(np.nan), kept.imported_mm
    if kept.behind is not None:
        triangles = triangles[kept.behind[triangles].max(1) < 0.5]
    if imported_mm is None:
        imported_mm = np.full(len(uv), np.nan, np.float32)
    millimetres = photo.placement.millimetres(kept.mesh.positions)
    depth_mm = millimetres[:, 2] / kept.depth_scale
    known = np.isfinite(imported_mm) & np.isfinite(uv).all(1)
    # What came nearer stays on its old ray: the backend enlarges it as the photo's camera would.
    x_mm, z_mm = photo.projection.projected(
        millimetres[:, 0], millimetres[:, 1], np.where(known, imported_mm, depth_mm)
    )
    scale = share / photo.mm_per_px
    points = np.stack(
        [photo.origin_px[0] * share + x_mm * scale, photo.origin_px[1] * share - z_mm * scale, depth_mm], 1
    ).astype(np.float32)
    if not kept.knows_its_points or not known.any():
        return SeenMesh(points, triangles, (width, height))
    imported = np.stack([uv[:, 0] * width, (1 - uv[:, 1]) * height, imported_mm], 1)
    flow = np.where(known[:, None], imported - points, np.nan).astype(np.float32)
    return SeenMesh(points, triangles, (width, height), quiet_flow(flow, 1 / scale))


def depth_map(item: bpy.types.Object, longest_px: int = 0) -> np.ndarray:
    """`depth_steps` of the relief as it is now, in one go. Raises AddonError for a flattened relief."""
    return finish(depth_steps(read_relief(item), longest_px))


def depth_steps(kept: ReadRelief, longest_px: int = 0) -> Steps[np.ndarray]:
    """float32 [H, W] in mm at depth scale 1, NaN outside the relief; see `seen`. No bpy."""
    mesh = replace(seen(kept, longest_px), flow=None)
    yield
    return (yield from map_steps(mesh)).depth_mm


def map_file_steps(kept: ReadRelief, *, with_flow: bool = True) -> Steps[Maps]:
    """The maps of a relief as .npy files, by their names in the protocol: "depth", and "flow" where it is known and
    wanted. No bpy."""
    mesh = seen(kept)
    if not with_flow:
        mesh = replace(mesh, flow=None)
    yield
    width, height = mesh.size_px
    depth_file, depth = arrays.empty_npy((height, width))
    files = {"depth": depth_file}
    flow = None
    if mesh.flow is not None:
        files["flow"], flow = arrays.empty_npy((height, width, 3))
    yield
    yield from map_steps(mesh, MeshMaps(depth, flow))
    return files
