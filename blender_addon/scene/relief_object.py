# SPDX-License-Identifier: GPL-3.0-or-later
"""The relief as a Blender object, and its re-displacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..core import placement
from ..core.photo_geometry import PhotoGeometry
from ..core.placement import Placement
from ..core.projection import Projection
from ..core.relief import METRES_PER_MM, ReliefMesh
from ..core.steps import Steps

DEPTH_ATTRIBUTE = "depth_mm"
BACK_ATTRIBUTE = "relief_back"  # 1 on walls' lower ends, backs and plates: no part of the photo
UV_NAME = "UVMap"
DISPLACE_NAME = "Relief Depth"  # the modifier of reliefs that are flat themselves
PLACEMENT_POINTS = 256
_FILLED = "portrait_relief_filled"  # on a mesh that is not whole: how many of `_FILLING` it has


@dataclass(frozen=True)
class MeshArrays:
    """What a mesh is filled with: positions float32 [3 * V], UVs of the corners float32 [2 * L].

    With the edges int32 [2 * E] and each corner's edge int32 [L] Blender need not find them, which takes it longer
    than a tick may.
    """

    positions: np.ndarray
    corner_uv: np.ndarray
    face_start: list[int]  # Blender reads a list in a fifth of an array's time
    edges: np.ndarray | None = None
    corner_edge: np.ndarray | None = None


def array_steps(relief: ReliefMesh, place: Placement, depth_scale: float) -> Steps[MeshArrays]:
    """`arrays_of` with the edges; no bpy."""
    arrays = arrays_of(relief, place, depth_scale)
    yield
    corner = relief.corner_vertex
    ahead = np.arange(1, len(corner) + 1)
    ahead[np.append(relief.face_start[1:], len(corner)) - 1] = relief.face_start
    after = corner[ahead]
    yield
    keys = np.minimum(corner, after).astype(np.int64) * len(relief.x_mm) + np.maximum(corner, after)
    edges, corner_edge = np.unique(keys, return_inverse=True)
    yield
    ends = np.stack(np.divmod(edges, len(relief.x_mm)), 1).astype(np.int32)
    return replace(arrays, edges=ends.ravel(), corner_edge=corner_edge.astype(np.int32))


def arrays_of(relief: ReliefMesh, place: Placement, depth_scale: float) -> MeshArrays:
    """No bpy: half of the time that filling a mesh takes."""
    points = np.stack([relief.x_mm, relief.z_mm, relief.depth_mm * np.float32(depth_scale)], 1)
    pairs = np.ascontiguousarray(relief.uv, np.float32).view(np.int64)[:, 0]  # u and v gathered as one number
    corner_uv = pairs[relief.corner_vertex].view(np.float32)
    return MeshArrays(place.positions(points).ravel(), corner_uv, relief.face_start.tolist())


def new_place(size: float) -> Placement:
    """Of a relief that is made now; `size` 1 is life-sized in metres."""
    return placement.as_made(METRES_PER_MM * size)


def make_mesh(
    name: str, relief: ReliefMesh, *, size: float, depth_scale: float, arrays: MeshArrays | None = None
) -> bpy.types.Mesh:
    """A mesh with UVs and the depth in millimetres as a point attribute. `size` 1 is life-sized in metres.

    `arrays`: from `arrays_of` at `new_place(size)`, where they were made before.
    """
    mesh = begun_mesh(name, size=size, depth_scale=depth_scale)
    filling = arrays or arrays_of(relief, new_place(size), depth_scale)
    while not filled_further(mesh, relief, filling):
        pass
    return mesh


def begun_mesh(name: str, *, size: float, depth_scale: float) -> bpy.types.Mesh:
    """An empty mesh for `filled_further`."""
    mesh = bpy.data.meshes.new(name)
    settings = mesh.portrait_relief
    settings.metres_per_mm = METRES_PER_MM * size
    settings.applied_depth_scale = depth_scale
    settings.depth_scale = depth_scale  # its update callback finds nothing left to do
    mesh[_FILLED] = 0
    return mesh


def filled_further(mesh: bpy.types.Mesh, relief: ReliefMesh, arrays: MeshArrays) -> bool:
    """One step of filling a begun mesh; True when it is whole.

    How far it is stands in the mesh, so that an undo between two steps is nothing to look after.
    """
    if _FILLED not in mesh:
        return True
    done = int(mesh[_FILLED])
    _FILLING[done](mesh, relief, arrays)
    mesh[_FILLED] = done + 1
    if done + 1 == len(_FILLING):
        mesh.shade_smooth()
        del mesh[_FILLED]
    return _FILLED not in mesh


def fill_mesh(mesh: bpy.types.Mesh, relief: ReliefMesh, arrays: MeshArrays) -> None:
    """Gives an empty mesh the relief's geometry, UVs and depth."""
    for step in _FILLING:
        step(mesh, relief, arrays)


def _fill_vertices(mesh: bpy.types.Mesh, relief: ReliefMesh, arrays: MeshArrays) -> None:
    mesh.vertices.add(len(relief.x_mm))
    mesh.attributes["position"].data.foreach_set("vector", arrays.positions)


def _fill_corners(mesh: bpy.types.Mesh, relief: ReliefMesh, _arrays: MeshArrays) -> None:
    mesh.loops.add(len(relief.corner_vertex))
    mesh.attributes[".corner_vert"].data.foreach_set("value", relief.corner_vertex)


def _fill_faces(mesh: bpy.types.Mesh, relief: ReliefMesh, arrays: MeshArrays) -> None:
    mesh.polygons.add(len(relief.face_start))
    mesh.polygons.foreach_set("loop_start", arrays.face_start)


def _fill_edges(mesh: bpy.types.Mesh, _relief: ReliefMesh, arrays: MeshArrays) -> None:
    if arrays.edges is not None:
        mesh.edges.add(len(arrays.edges) // 2)
        mesh.attributes[".edge_verts"].data.foreach_set("value", arrays.edges)
        mesh.attributes[".corner_edge"].data.foreach_set("value", arrays.corner_edge)


def _fill_uv(mesh: bpy.types.Mesh, _relief: ReliefMesh, arrays: MeshArrays) -> None:
    uv_layer = mesh.uv_layers.new(name=UV_NAME, do_init=False)
    uv_layer.uv.foreach_set("vector", arrays.corner_uv)


def _fill_depth(mesh: bpy.types.Mesh, relief: ReliefMesh, arrays: MeshArrays) -> None:
    mesh.attributes.new(DEPTH_ATTRIBUTE, "FLOAT", "POINT").data.foreach_set("value", relief.depth_mm)
    if relief.front_vertices is not None:
        behind = (np.arange(len(relief.x_mm)) >= relief.front_vertices).astype(np.float32)
        mesh.attributes.new(BACK_ATTRIBUTE, "FLOAT", "POINT").data.foreach_set("value", behind)
    mesh.update(calc_edges=arrays.edges is None)


_FILLING: tuple[Callable[[bpy.types.Mesh, ReliefMesh, MeshArrays], None], ...] = (
    _fill_vertices,
    _fill_corners,
    _fill_faces,
    _fill_edges,
    _fill_uv,
    _fill_depth,
)


def reveal(item: bpy.types.Object) -> None:
    """Takes back what `show_alone` did to it."""
    item.hide_set(False)
    item.hide_render = False


def show_alone(item: bpy.types.Object, layer: bpy.types.ViewLayer) -> None:
    """Hides the reliefs that stand where `item` does: two heads in one place show through each other in patches.

    One that is being sculpted or edited stays, and so does what was moved away.
    """
    for other in layer.objects:
        if other == item or other.type != "MESH" or not other.data.portrait_relief.result_id:
            continue
        same = other.parent == item.parent and np.allclose(other.matrix_basis, item.matrix_basis, atol=1e-5)
        if same and other.mode == "OBJECT" and other.visible_get():
            other.hide_set(True)
            other.hide_render = True


def is_held_elsewhere(mesh: bpy.types.Mesh) -> bool:
    """In edit mode and in sculpt mode with dyntopo: what is written to the mesh meanwhile is lost at their end."""
    active = bpy.context.view_layer.objects.active
    dyntopo = active is not None and active.data == mesh and active.use_dynamic_topology_sculpting
    return mesh.is_editmode or dyntopo


def is_animated(item: bpy.types.Object) -> bool:
    """Whether it is the relief of a sequence, whose shape a file plays."""
    return any(modifier.type == "MESH_CACHE" for modifier in item.modifiers)


def can_displace(mesh: bpy.types.Mesh) -> bool:
    """False while the mesh's data is elsewhere, and after the attribute was lost, as by remeshing."""
    attribute = mesh.attributes.get(DEPTH_ATTRIBUTE)
    return attribute is not None and attribute.domain == "POINT" and not is_held_elsewhere(mesh)


def apply_depth_scale(mesh: bpy.types.Mesh) -> bool:
    """Moves the vertices from the applied depth scale to the wanted one; sculpted changes are kept.

    Only the difference is added, along the depth's axis. Shape keys move with the mesh. False when nothing moved.
    """
    settings = mesh.portrait_relief
    change = settings.depth_scale - settings.applied_depth_scale
    if settings.displaced:
        for modifier in displace_modifiers(mesh):
            modifier.strength = settings.depth_scale * displacement_per_mm(mesh)
        settings.applied_depth_scale = settings.depth_scale
        return True
    if not change:
        return True
    if not can_displace(mesh):
        return False
    depth = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes[DEPTH_ATTRIBUTE].data.foreach_get("value", depth)
    axis = (change * placement_of(mesh).depth_axis).astype(np.float32)
    _shift(mesh.attributes["position"].data, "vector", depth, axis)
    if mesh.shape_keys:
        for block in mesh.shape_keys.key_blocks:
            _shift(block.data, "co", depth, axis)
    settings.applied_depth_scale = settings.depth_scale
    mesh.update()
    return True


def displace_modifiers(mesh: bpy.types.Mesh) -> list[bpy.types.Modifier]:
    """Those that give a flat relief its depth, of all its objects."""
    return [
        modifier
        for item in bpy.data.objects
        if item.data == mesh
        for modifier in item.modifiers
        if modifier.type == "DISPLACE" and modifier.name == DISPLACE_NAME
    ]


def displacement_per_mm(mesh: bpy.types.Mesh) -> float:
    """How far along y one millimetre of depth moves a flat relief's points."""
    return float(placement_of(mesh).depth_axis[1])


def projection_of(mesh: bpy.types.Mesh) -> Projection:
    """How the mesh's millimetres lie behind the photo's pixels."""
    settings = mesh.portrait_relief
    width, height = settings.photo_size_px
    middle = (width / 2 - settings.origin_px[0], settings.origin_px[1] - height / 2)
    return Projection(
        settings.camera_distance_mm, (middle[0] * settings.mm_per_px, middle[1] * settings.mm_per_px)
    )


def photo_geometry_of(mesh: bpy.types.Mesh) -> PhotoGeometry:
    """How the mesh lies in its photo now."""
    kept = mesh.portrait_relief
    return PhotoGeometry(
        placement_of(mesh),
        projection_of(mesh),
        (kept.photo_size_px[0], kept.photo_size_px[1]),
        (kept.origin_px[0], kept.origin_px[1]),
        kept.mm_per_px,
    )


def _shift(data: bpy.types.bpy_prop_collection, name: str, depth: np.ndarray, axis: np.ndarray) -> None:
    points = np.empty(3 * len(depth), np.float32)
    data.foreach_get(name, points)
    for column in np.flatnonzero(axis):  # one of three where no rotation was applied
        points[column::3] += depth * axis[column]
    data.foreach_set(name, points)


def photo_uv(mesh: bpy.types.Mesh) -> bpy.types.MeshUVLoopLayer | None:
    """The UV map that says which pixel of the photo each point shows, whichever one is active; after renaming the
    active one."""
    return mesh.uv_layers.get(UV_NAME) or mesh.uv_layers.active


def placement_of(mesh: bpy.types.Mesh) -> Placement:
    """How millimetres lie in the mesh: as it was made, or measured by its UVs and depths where the object's location,
    rotation or scale was applied to it since."""
    settings = mesh.portrait_relief
    made = placement.as_made(settings.metres_per_mm)
    depths, layer = mesh.attributes.get(DEPTH_ATTRIBUTE), photo_uv(mesh)
    if depths is None or depths.domain != "POINT" or layer is None or not len(mesh.loops):
        return made
    # Few points one by one: reading all of them would cost more than moving them.
    vertices, uv, points = mesh.attributes[".corner_vert"].data, layer.uv, mesh.attributes["position"].data
    width, height = settings.photo_size_px
    base_scale = 0.0 if settings.displaced else settings.applied_depth_scale
    known, positions, depth_mm = [], [], []
    for corner in (
        np.linspace(0, len(mesh.loops) - 1, min(len(mesh.loops), PLACEMENT_POINTS)).astype(int).tolist()
    ):
        vertex, (u, v) = vertices[corner].value, uv[corner].vector
        x_px, y_px = u * width - settings.origin_px[0], (1 - v) * height - settings.origin_px[1]
        depth_mm.append(depths.data[vertex].value)
        known.append((x_px * settings.mm_per_px, -y_px * settings.mm_per_px, depth_mm[-1] * base_scale))
        positions.append(points[vertex].vector[:])
    points_mm = np.array(known)
    points_mm[:, 0], points_mm[:, 1] = projection_of(mesh).unprojected(
        points_mm[:, 0], points_mm[:, 1], np.array(depth_mm)
    )
    return placement.measure(points_mm, np.array(positions), made)


def find(result_id: str, layer: bpy.types.ViewLayer) -> bpy.types.Object | None:
    """The relief of a result in this view layer, also after renaming and reloading; None when it is not there.

    Another scene may hold a full copy of it.
    """
    for item in layer.objects:
        if item.type == "MESH" and item.data.portrait_relief.result_id == result_id:
            return item
    return None
