# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a relief's mesh again, from the depth picture in the .blend: object, transform, materials and shading stay."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..core import errors, relief_back
from ..core.detail_map import detail_normals
from ..core.errors import AddonError, Problem, Remedy
from ..core.projection import Projection, camera_distance_mm
from ..core.relief import ReliefError, ReliefMesh, ReliefOptions, build, mended_map
from ..core.wording import told
from ..translations import say_whole
from . import images, material, relief_object

# In sizes of a grid cell: what moved a vertex further than that was no rounding.
EDITED = 2e-3
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


@dataclass(frozen=True)
class Source:
    """What a relief is built from: the maps float32 [H, W] (depth in mm, NaN outside the head) and their scale."""

    depth_mm: np.ndarray
    coverage: np.ndarray
    mm_per_px: float


def _problem(code: str, message: str, hint: str) -> AddonError:
    return AddonError(Problem(code, message, hint, Remedy.NONE))


def source_of(mesh: bpy.types.Mesh) -> Source:
    """From the packed depth picture. Raises AddonError where it was deleted or changed in size."""
    kept = mesh.portrait_relief
    image = images.find(kept.result_id, "depth")
    if image is None or not len(image.pixels) or image.channels < 4:
        raise _problem(
            "no_depth_picture", "The relief's depth picture is not in this file.", "Import the result again."
        )
    if tuple(image.size) != tuple(kept.photo_size_px):
        raise _problem(
            "depth_picture_changed", "The relief's depth picture has another size now.", "Undo its scaling."
        )
    depth, coverage = images.depth_of(image)
    return Source(depth, coverage, kept.mm_per_px)


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


def is_edited(mesh: bpy.types.Mesh) -> bool:
    """Whether it is no longer what was built: sculpted, edited, remeshed, with shape keys, or with what an artist
    put on its points and faces."""
    built = mesh.portrait_relief_build
    if mesh.shape_keys is not None:
        return True
    depths, layer = mesh.attributes.get(relief_object.DEPTH_ATTRIBUTE), relief_object.photo_uv(mesh)
    if depths is None or depths.domain != "POINT" or layer is None:
        return True
    if _has_more_than_a_shape(mesh):
        return True
    if built.vertices and (built.vertices, built.corners) != (len(mesh.vertices), len(mesh.loops)):
        return True
    place = relief_object.placement_of(mesh)
    error = np.abs(_positions(mesh) - place.positions(_built_points(mesh, layer)))
    kept = mesh.portrait_relief
    cell = max(kept.mm_per_px * max(kept.photo_size_px) / 1024, 0.05) * np.linalg.norm(place.axes[:, 0])
    return bool(error.max(initial=0.0) > max(EDITED * cell, 2e-6 * np.abs(_positions(mesh)).max(initial=1.0)))


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


def _positions(mesh: bpy.types.Mesh) -> np.ndarray:
    values = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.attributes["position"].data.foreach_get("vector", values)
    return values.reshape(-1, 3)


def _built_points(mesh: bpy.types.Mesh, layer: bpy.types.MeshUVLoopLayer) -> np.ndarray:
    """x, z and depth in mm [V, 3] as UVs and depths tell them."""
    kept = mesh.portrait_relief
    corner = np.empty(len(mesh.loops), np.int32)
    mesh.attributes[".corner_vert"].data.foreach_get("value", corner)
    corner_uv = np.empty(len(mesh.loops) * 2, np.float32)
    layer.uv.foreach_get("vector", corner_uv)
    uv = np.zeros((len(mesh.vertices), 2), np.float32)
    uv[corner] = corner_uv.reshape(-1, 2)
    depth = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes[relief_object.DEPTH_ATTRIBUTE].data.foreach_get("value", depth)
    width, height = kept.photo_size_px
    x_mm = (uv[:, 0] * width - kept.origin_px[0]) * kept.mm_per_px
    z_mm = (kept.origin_px[1] - (1 - uv[:, 1]) * height) * kept.mm_per_px
    x_mm, z_mm = relief_object.projection_of(mesh).unprojected(x_mm, z_mm, depth)
    return np.stack([x_mm, z_mm, depth * (0.0 if kept.displaced else kept.applied_depth_scale)], 1)


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
    """Builds the mesh of `item` with its settings; without `overwrite` its normal map alone where nothing else is out
    of date.

    Raises AddonError where the depth is gone, no head is left, or, without `overwrite`, the mesh was sculpted.
    """
    mesh = item.data
    kept, built = mesh.portrait_relief, mesh.portrait_relief_build
    if not overwrite and needs_only_a_normal_map(mesh):
        _set_normal_map(item, source_of(mesh), options_of(built))
        return
    if not overwrite and is_edited(mesh):
        raise AddonError(errors.local("relief_was_sculpted"))
    source = source_of(mesh)
    options = options_of(built)
    try:
        made = build(source.depth_mm, source.coverage, source.mm_per_px, options)
    except ReliefError as error:
        raise _problem("no_head", told(error), "Trim less of its edge.") from error
    place = relief_object.placement_of(mesh)
    smooth_shaded = not mesh.polygons or mesh.polygons[0].use_smooth
    displaced = built.variant == "DISPLACE"
    scale = kept.depth_scale
    if mesh.shape_keys is not None:
        item.shape_key_clear()
    mesh.clear_geometry()
    width, height = kept.photo_size_px
    kept.camera_distance_mm = (
        camera_distance_mm(built.focal_mm, (width, height), kept.mm_per_px)
        if built.projection == "PERSPECTIVE"
        else 0.0
    )
    shaped = _shaped(made, built, mesh, 1.0 if displaced else scale)
    arrays = relief_object.arrays_of(shaped, place, 0.0 if displaced else scale)
    relief_object.fill_mesh(mesh, shaped, arrays)
    mesh.polygons.foreach_set("use_smooth", np.full(len(mesh.polygons), smooth_shaded))
    kept.displaced = displaced
    kept.applied_depth_scale = scale
    _set_displacement(mesh, source, options)
    _set_normal_map(item, source, options)
    remember_built(mesh)
    mesh.update()


def _shaped(made: ReliefMesh, built, mesh: bpy.types.Mesh, scale: float) -> ReliefMesh:
    """With its back, and on the rays of its projection."""
    kept = mesh.portrait_relief
    width, height = kept.photo_size_px
    if built.variant != "DISPLACE":  # a flat mesh has no place for a back
        left, top = -kept.origin_px[0] * kept.mm_per_px, kept.origin_px[1] * kept.mm_per_px
        photo_mm = (left, left + width * kept.mm_per_px, top - height * kept.mm_per_px, top)
        # The thickness is one of the object, whatever the depth scale.
        thickness = built.thickness_mm / max(abs(scale), 1e-3)
        made = relief_back.with_back(made, built.back, thickness, photo_mm)
    projection: Projection = relief_object.projection_of(mesh)
    x_mm, z_mm = projection.unprojected(made.x_mm, made.z_mm, made.depth_mm)
    return replace(made, x_mm=x_mm.astype(np.float32), z_mm=z_mm.astype(np.float32))


def _set_displacement(mesh: bpy.types.Mesh, source: Source, options: ReliefOptions) -> None:
    """The Displace modifier of a flat relief, with its texture; none on others."""
    items = [item for item in bpy.data.objects if item.data == mesh]
    if not mesh.portrait_relief.displaced:
        for item in items:
            found = item.modifiers.get(relief_object.DISPLACE_NAME)
            if found is not None:
                item.modifiers.remove(found)
        return
    depth, _valid = mended_map(source.depth_mm, source.coverage, source.mm_per_px, options)
    image = images.data_picture(
        f"{mesh.name} Displacement", depth, mesh.portrait_relief.result_id, DISPLACEMENT_KIND
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


def _set_normal_map(item: bpy.types.Object, source: Source, options: ReliefOptions) -> None:
    mesh = item.data
    kept = mesh.portrait_relief
    photo = images.find(kept.result_id, "rgb")
    image = None
    if mesh.portrait_relief_build.normal_map:
        depth, valid = mended_map(source.depth_mm, source.coverage, source.mm_per_px, options)
        rows, columns = np.flatnonzero(valid.any(1)), np.flatnonzero(valid.any(0))
        longer_px = float(max(np.ptp(rows), np.ptp(columns)) + 1)
        normals = detail_normals(
            depth, valid, source.mm_per_px, max(1.0, longer_px / options.density), kept.depth_scale
        )
        image = images.data_picture(f"{mesh.name} Normals", normals, kept.result_id, NORMALS_KIND)
        image[SCALE_KEY] = kept.depth_scale
    for slot in mesh.materials:
        if slot is not None and photo is not None:
            material.set_normal_map(slot, photo, image, NORMALS_KIND)


def remember_built(mesh: bpy.types.Mesh) -> None:
    """Notes what the mesh is now, so that changes by hand and changed settings are told from it."""
    built = mesh.portrait_relief_build
    built.vertices, built.corners = len(mesh.vertices), len(mesh.loops)
    built.signature = signature(built)


def settings_changed(mesh: bpy.types.Mesh) -> None:
    """Rebuilds at once where that loses nothing and the user has not switched it off."""
    built = mesh.portrait_relief_build
    items = [item for item in bpy.data.objects if item.data == mesh]
    if not built.auto_update or not built.signature or is_up_to_date(mesh):
        return
    if not items or not all(can_rebuild(item) for item in items) or is_edited(mesh):
        return
    try:
        rebuild(items[0])
    except AddonError as error:  # an update callback cannot report
        built.message = say_whole(error.problem)
    else:
        built.message = ""
