# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief object as the export sees it: its evaluated surface, and the picture on it."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..core.errors import AddonError
from ..core.height_grid import ReliefSurface
from ..core.placement import Placement
from ..core.plain_mesh import PlainMesh
from . import images, mesh_reading, relief_object


@dataclass(frozen=True)
class ReadSurface:
    """What was read of a relief object; `surface` needs no bpy any more."""

    mesh: PlainMesh
    placement: Placement
    stretch: np.ndarray  # float [3], the object's scale, at most 1

    def surface(self) -> ReliefSurface:
        """Lying on its back, in millimetres."""
        points = self.placement.millimetres(self.mesh.positions * self.stretch)
        return ReliefSurface(points, self.mesh.triangles(), self.mesh.vertex_uv(0.5))


def read_surface(item: bpy.types.Object) -> ReadSurface:
    """With modifiers, shape keys and sculpting. Of the object's scale only what stretches it counts."""
    placement = relief_object.placement_of(item.data)
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        read = mesh_reading.read(mesh, mesh.uv_layers.active)
    finally:
        evaluated.to_mesh_clear()
    scale = np.abs(np.array(item.matrix_world.to_scale()))
    return ReadSurface(read, placement, scale / max(scale.max(), 1e-9))


def surface(item: bpy.types.Object) -> ReliefSurface:
    """The relief as it is now, in one go."""
    return read_surface(item).surface()


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


def picture(item: bpy.types.Object) -> bytes | images.ReadImage | None:
    """For `images.read_steps`; None where the relief has none, or one without pixels."""
    image = base_colour_image(item)
    if image is None:
        return None
    try:
        return images.kept_picture(image)
    except AddonError:
        return None


def depth(item: bpy.types.Object, size_px: tuple[int, int]) -> bytes | np.ndarray | None:
    """The imported depth picture, for `images.depth_of_steps`, where it is still there and of this size."""
    image = images.find(item.data.portrait_relief.result_id, "depth")
    kept = None if image is None else images.kept_depth(image)
    return kept if kept is not None and images.kept_depth_size_px(kept) == size_px else None
