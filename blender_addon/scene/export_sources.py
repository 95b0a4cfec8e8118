# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief object as the export sees it: its evaluated surface, and the picture on it."""

from __future__ import annotations

import bpy
import numpy as np

from ..core.errors import AddonError
from ..core.height_grid import ReliefSurface
from . import images, relief_object


def surface(item: bpy.types.Object) -> ReliefSurface:
    """With modifiers, shape keys and sculpting; lying on its back, in millimetres. Of the object's scale only what
    stretches it counts."""
    placement = relief_object.placement_of(item.data)
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        positions, triangles, uv = arrays_of_mesh(mesh)
    finally:
        evaluated.to_mesh_clear()
    scale = np.abs(np.array(item.matrix_world.to_scale()))
    points = placement.millimetres(positions * (scale / max(scale.max(), 1e-9)))
    return ReliefSurface(points, triangles, uv)


def arrays_of_mesh(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """positions [V, 3], triangles [T, 3] and uv [V, 2], where a vertex has the UV of one of its corners."""
    positions = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", positions)
    mesh.calc_loop_triangles()
    triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    uv = np.full((len(mesh.vertices), 2), 0.5, np.float32)
    layer = mesh.uv_layers.active
    if layer is not None:
        corner_uv = np.empty(len(mesh.loops) * 2, np.float32)
        layer.uv.foreach_get("vector", corner_uv)
        corner = np.empty(len(mesh.loops), np.int32)
        mesh.loops.foreach_get("vertex_index", corner)
        uv[corner] = corner_uv.reshape(-1, 2)
    return positions.reshape(-1, 3), triangles.reshape(-1, 3), uv


def base_colour_image(item: bpy.types.Object) -> bpy.types.Image | None:
    """The picture that feeds the first material's base colour, else the one that the relief was imported with."""
    material = next((slot.material for slot in item.material_slots if slot.material), None)
    if material is not None and material.node_tree is not None:
        shader = next(
            (node for node in material.node_tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled"), None
        )
        found = _image_behind(shader.inputs["Base Color"], set()) if shader else None
        if found is not None:
            return found
    return images.find(item.data.portrait_relief.result_id, "rgb")


def _image_behind(socket: bpy.types.NodeSocket, seen: set[str]) -> bpy.types.Image | None:
    """The first picture upstream of a socket."""
    for link in socket.links:
        node = link.from_node
        if node.bl_idname == "ShaderNodeTexImage" and node.image is not None:
            return node.image
        if node.name in seen:
            continue
        seen.add(node.name)
        for earlier in node.inputs:
            found = _image_behind(earlier, seen)
            if found is not None:
                return found
    return None


def picture(item: bpy.types.Object) -> np.ndarray | None:
    """uint8 [H, W, 3] sRGB, top row first; None where the relief has none, or one without pixels."""
    image = base_colour_image(item)
    if image is None:
        return None
    try:
        return images.srgb_of_image(image)
    except AddonError:
        return None


def coverage(item: bpy.types.Object, shape: tuple[int, int]) -> np.ndarray | None:
    """float32 [H, W] of the imported depth picture where it is still there and of this size."""
    image = images.find(item.data.portrait_relief.result_id, "depth")
    if image is None or (image.size[1], image.size[0]) != shape or image.channels < 4:
        return None
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(*shape, -1)[::-1, :, 3]
