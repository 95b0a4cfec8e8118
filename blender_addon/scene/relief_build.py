# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a relief's mesh again, from the depth picture in the .blend: object, transform, materials and shading stay."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..core import errors, relief_back
from ..core.detail_map import detail_normals
from ..core.errors import AddonError, Problem, Remedy
from ..core.photo_geometry import PhotoGeometry
from ..core.projection import camera_distance_mm
from ..core.relief import ReliefError, ReliefMesh, ReliefOptions, build_steps, mended_map
from ..core.steps import Steps, finish, in_worker
from ..core.wording import told
from . import built_shape, images, material, relief_object
from .built_shape import BuiltShape
from .relief_object import MeshArrays

DISPLACEMENT_KIND, NORMALS_KIND = "displacement", "normals"
SCALE_KEY = "portrait_relief_depth_scale"  # on a normal map: what it was made for
_OPTIONS = (
    "density",
    "grid",
    "tolerance_mm",
    "trim_mm",
    "fill_holes_mm",
    "repair_spikes",
    "smoothing",
    "keep_mm",
    "projection",
    "focal_mm",
    "back",
    "thickness_mm",
    "variant",
    "normal_map",
)


def _problem(code: str, message: str, hint: str) -> AddonError:
    return AddonError(Problem(code, message, hint, Remedy.NONE))


def _kept_depth(mesh: bpy.types.Mesh) -> bytes | np.ndarray:
    kept = mesh.portrait_relief
    image = images.find(kept.result_id, "depth")
    depth = None if image is None else images.kept_depth(image)
    if depth is None:
        raise _problem(
            "no_depth_picture", "The relief's depth picture is not in this file.", "Import the result again."
        )
    if images.kept_depth_size_px(depth) != tuple(kept.photo_size_px):
        raise _problem(
            "depth_picture_changed", "The relief's depth picture has another size now.", "Undo its scaling."
        )
    return depth


def can_rebuild(item: bpy.types.Object | None) -> bool:
    """A relief that is no sequence and not in edit, sculpt or paint mode."""
    return (
        item is not None
        and item.type == "MESH"
        and bool(item.data.portrait_relief.result_id)
        and item.data.library is None
        and item.mode == "OBJECT"
        and not relief_object.is_animated(item)
    )


def options_of(built) -> ReliefOptions:
    """The mesh's settings as the core takes them."""
    return ReliefOptions(
        density=built.density,
        adaptive=built.grid == "ADAPTIVE",
        tolerance_mm=built.tolerance_mm,
        trim_mm=built.trim_mm,
        fill_holes_mm=built.fill_holes_mm,
        spikes=built.repair_spikes,
        smoothing=built.smoothing,
        keep_mm=built.keep_mm,
    )


def signature(built) -> str:
    """All settings as one text, to tell whether the mesh is what they say."""
    return " ".join(
        f"{value:.6g}" if isinstance(value := getattr(built, name), float) else str(value)
        for name in _OPTIONS
    )


def is_up_to_date(mesh: bpy.types.Mesh) -> bool:
    """Also where nothing was built with settings yet: a new relief is as they say at first."""
    return _has_its_settings(mesh) and not has_stale_normal_map(mesh)


def has_stale_normal_map(mesh: bpy.types.Mesh) -> bool:
    """Whether its normal map was made for another depth scale than the relief has now."""
    kept = mesh.portrait_relief
    image = images.find(kept.result_id, NORMALS_KIND) if mesh.portrait_relief_build.normal_map else None
    return image is not None and abs(image.get(SCALE_KEY, kept.depth_scale) - kept.depth_scale) > 1e-4


def needs_only_a_normal_map(mesh: bpy.types.Mesh) -> bool:
    """Whether rebuilding can leave the mesh as it is, also a sculpted one."""
    return _has_its_settings(mesh) and has_stale_normal_map(mesh)


def _has_its_settings(mesh: bpy.types.Mesh) -> bool:
    built = mesh.portrait_relief_build
    return built.signature in ("", signature(built))


def rebuild(item: bpy.types.Object, *, overwrite: bool = False) -> None:
    """All of `rebuild_steps` at once."""
    finish(rebuild_steps(item, overwrite=overwrite))


def rebuild_steps(item: bpy.types.Object, *, overwrite: bool = False) -> Steps[None]:
    """Builds the mesh of `item` with its settings; without `overwrite` its normal map alone where nothing else is out
    of date.

    Mesh and depth picture are read in the first step, the mesh is exchanged in the last one.

    Raises AddonError where the depth is gone, no head is left, or, without `overwrite`, the mesh was sculpted.
    """
    mesh, item_uid = item.data, item.session_uid
    if not overwrite and needs_only_a_normal_map(mesh):
        yield from _normal_map_steps(mesh, item_uid)
        return
    read = None if overwrite else built_shape.read(mesh)
    before, plan = built_shape.positions(mesh), _plan_of(mesh)
    kept_depth = _kept_depth(mesh)
    yield
    done = yield from in_worker(_rebuilt_steps(read, kept_depth, plan))
    item = next((each for each in bpy.data.objects if each.session_uid == item_uid), None)
    if item is None or item.type != "MESH":
        raise AddonError(errors.local("relief_removed"))
    if not can_rebuild(item) and not bpy.app.background:  # scripts may, in any mode
        raise AddonError(errors.local("relief_in_use"))
    if not overwrite:
        built_shape.check_layers(item.data)  # refuses what was added meanwhile
        moved = not np.array_equal(built_shape.positions(item.data), before)
        moved = moved and built_shape.read(item.data).is_moved()  # not by the depth scale alone
        placed = relief_object.photo_geometry_of(item.data).placement
        if moved or not placed.is_like(plan.photo.placement):
            raise AddonError(errors.local("relief_was_sculpted"))
    _exchange(item, plan, done)


def _normal_map_steps(mesh: bpy.types.Mesh, item_uid: int) -> Steps[None]:
    """The normal map anew for the depth scale that the relief has now."""
    plan, kept_depth = _plan_of(mesh), _kept_depth(mesh)
    yield

    def made() -> Steps[images.DataFile]:
        depth, coverage = yield from images.depth_of_steps(kept_depth)
        yield
        depth, valid = mended_map(depth, coverage, plan.photo.mm_per_px, plan.options)
        yield
        return (yield from images.data_file_steps(_normals(depth, valid, plan)))

    file = yield from in_worker(made())
    item = next((each for each in bpy.data.objects if each.session_uid == item_uid), None)
    if item is None or item.type != "MESH":
        raise AddonError(errors.local("relief_removed"))
    _set_normal_map(item, file, plan.depth_scale)


@dataclass(frozen=True)
class _Plan:
    """What a mesh's settings ask for."""

    options: ReliefOptions
    photo: PhotoGeometry
    displaced: bool
    normal_map: bool
    depth_scale: float
    back: str
    thickness_mm: float
    signature: str


@dataclass(frozen=True)
class _Rebuilt:
    relief: ReliefMesh
    arrays: MeshArrays
    displacement: images.DataFile | None
    normals: images.DataFile | None


def _plan_of(mesh: bpy.types.Mesh) -> _Plan:
    kept, built = mesh.portrait_relief, mesh.portrait_relief_build
    photo = relief_object.photo_geometry_of(mesh)
    camera_mm = (
        camera_distance_mm(built.focal_mm, photo.size_px, photo.mm_per_px)
        if built.projection == "PERSPECTIVE"
        else 0.0
    )
    return _Plan(
        options_of(built),
        replace(photo, projection=replace(photo.projection, distance_mm=float(np.float32(camera_mm)))),
        built.variant == "DISPLACE",
        built.normal_map,
        kept.depth_scale,
        built.back,
        built.thickness_mm,
        signature(built),
    )


def _rebuilt_steps(read: BuiltShape | None, kept_depth: bytes | np.ndarray, plan: _Plan) -> Steps[_Rebuilt]:
    """From the depth picture. No bpy. Raises AddonError where no head is left, or `read` was sculpted."""
    if read is not None and read.is_moved():
        raise AddonError(errors.local("relief_was_sculpted"))
    yield
    depth_mm, coverage = yield from images.depth_of_steps(kept_depth)
    yield
    try:
        made = yield from build_steps(depth_mm, coverage, plan.photo.mm_per_px, plan.options)
    except ReliefError as error:
        raise _problem("no_head", told(error), "Trim less of its edge.") from error
    shaped = _shaped(made, plan)
    yield
    scale = 0.0 if plan.displaced else plan.depth_scale
    arrays = yield from relief_object.array_steps(shaped, plan.photo.placement, scale)
    displacement = normals = None
    if plan.displaced or plan.normal_map:
        depth, valid = mended_map(depth_mm, coverage, plan.photo.mm_per_px, plan.options)
        yield
        if plan.displaced:
            displacement = yield from images.data_file_steps(depth)
        if plan.normal_map:
            normals = yield from images.data_file_steps(_normals(depth, valid, plan))
    return _Rebuilt(shaped, arrays, displacement, normals)


def _exchange(item: bpy.types.Object, plan: _Plan, done: _Rebuilt) -> None:
    """Gives the mesh its new geometry, and the material and modifier what belongs to it."""
    mesh = item.data
    kept = mesh.portrait_relief
    smooth_shaded = not mesh.polygons or mesh.polygons[0].use_smooth
    if mesh.shape_keys is not None:
        item.shape_key_clear()
    mesh.clear_geometry()
    relief_object.fill_mesh(mesh, done.relief, done.arrays)
    (mesh.shade_smooth if smooth_shaded else mesh.shade_flat)()
    kept.camera_distance_mm = plan.photo.projection.distance_mm
    kept.displaced = plan.displaced
    kept.applied_depth_scale = plan.depth_scale
    _set_displacement(mesh, done.displacement)
    _set_normal_map(item, done.normals, plan.depth_scale)
    remember_built(mesh)
    mesh.portrait_relief_build.signature = plan.signature  # the settings may have changed since
    mesh.update()
    relief_object.apply_depth_scale(mesh)


def _shaped(made: ReliefMesh, plan: _Plan) -> ReliefMesh:
    """With its back, and on the rays of its projection."""
    if not plan.displaced:  # a flat mesh has no place for a back
        # The thickness is one of the object, whatever the depth scale.
        thickness = plan.thickness_mm / max(abs(plan.depth_scale), 1e-3)
        made = relief_back.with_back(made, plan.back, thickness, plan.photo.edges_mm)
    x_mm, z_mm = plan.photo.projection.unprojected(made.x_mm, made.z_mm, made.depth_mm)
    return replace(made, x_mm=x_mm.astype(np.float32), z_mm=z_mm.astype(np.float32))


def _set_displacement(mesh: bpy.types.Mesh, file: images.DataFile | None) -> None:
    """The Displace modifier of a flat relief, with its texture; none on others."""
    items = [item for item in bpy.data.objects if item.data == mesh]
    if file is None:
        for item in items:
            found = item.modifiers.get(relief_object.DISPLACE_NAME)
            if found is not None:
                item.modifiers.remove(found)
        return
    image = images.data_picture(
        f"{mesh.name} Displacement", file, mesh.portrait_relief.result_id, DISPLACEMENT_KIND
    )
    texture = next((each for each in bpy.data.textures if each.type == "IMAGE" and each.image == image), None)
    if texture is None:
        texture = bpy.data.textures.new(image.name, "IMAGE")
    texture.image = image
    texture.extension = "EXTEND"
    texture.use_clamp = False
    for item in items:
        modifier = item.modifiers.get(relief_object.DISPLACE_NAME)
        if modifier is None:
            modifier = item.modifiers.new(relief_object.DISPLACE_NAME, "DISPLACE")
            item.modifiers.move(len(item.modifiers) - 1, 0)
        modifier.texture, modifier.texture_coords, modifier.uv_layer = texture, "UV", relief_object.UV_NAME
        modifier.direction, modifier.mid_level = "Y", 0.0
        modifier.strength = mesh.portrait_relief.depth_scale * relief_object.displacement_per_mm(mesh)


def _normals(depth: np.ndarray, valid: np.ndarray, plan: _Plan) -> np.ndarray:
    rows, columns = np.flatnonzero(valid.any(1)), np.flatnonzero(valid.any(0))
    longer_px = float(max(np.ptp(rows), np.ptp(columns)) + 1)
    cell_px = max(1.0, longer_px / plan.options.density)
    return detail_normals(depth, valid, plan.photo.mm_per_px, cell_px, plan.depth_scale)


def _set_normal_map(item: bpy.types.Object, file: images.DataFile | None, depth_scale: float) -> None:
    mesh = item.data
    kept = mesh.portrait_relief
    photo = images.find(kept.result_id, "rgb")
    image = None
    if file is not None:
        image = images.data_picture(f"{mesh.name} Normals", file, kept.result_id, NORMALS_KIND)
        image[SCALE_KEY] = depth_scale
    for slot in mesh.materials:
        if slot is not None and photo is not None:
            material.set_normal_map(slot, photo, image, NORMALS_KIND)


def remember_built(mesh: bpy.types.Mesh) -> None:
    """Notes what the mesh is now, so that changes by hand and changed settings are told from it."""
    built = mesh.portrait_relief_build
    built.vertices, built.corners = len(mesh.vertices), len(mesh.loops)
    built.signature = signature(built)


def to_rebuild(mesh: bpy.types.Mesh) -> bpy.types.Object | None:
    """The object to be rebuilt after a setting changed: where that loses nothing and the user has not switched it
    off."""
    built = mesh.portrait_relief_build
    items = [item for item in bpy.data.objects if item.data == mesh]
    if not built.auto_update or not built.signature or is_up_to_date(mesh):
        return None
    if not items or not all(can_rebuild(item) for item in items):
        return None
    return items[0]


def told_steps(item: bpy.types.Object, *, overwrite: bool = False) -> Steps[None]:
    """`rebuild_steps` that takes an earlier message away."""
    item_uid = item.session_uid
    yield from rebuild_steps(item, overwrite=overwrite)
    show_message(item_uid, "")


def show_message(item_uid: int, text: str) -> None:
    """Below the relief's settings."""
    for item in bpy.data.objects:
        if item.session_uid == item_uid and item.type == "MESH":
            item.data.portrait_relief_build.message = text
