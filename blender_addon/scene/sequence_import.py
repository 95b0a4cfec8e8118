# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a folder -> one relief that plays: a point cache for its shape, an image sequence for its picture."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from ..core import exr
from ..core.animated_relief import common_relief, depth_at_frame, write_point_cache
from ..core.sequence import SequenceFolder
from . import images, importing, material, relief_object

CACHE_NAME = "relief.pc2"
MODIFIER_NAME = "Sequence"


def import_sequence(
    scene: bpy.types.Scene,
    folder: SequenceFolder,
    numbers: Sequence[int],
    description: importing.Description,
) -> bpy.types.Object:
    """Adds the relief of the frames `numbers` (rising) to `scene`; a frame that is missing shows the one before.

    Everything but the mesh at the first frame stays in the folder. Raises ReliefError, ValueError or OSError before
    anything was added.
    """
    settings = scene.portrait_relief
    relief, common_mm = common_relief(folder, numbers, settings.density)
    first, last = numbers[0], numbers[-1]
    shown = np.searchsorted(numbers, np.arange(first, last + 1), side="right") - 1
    size_px = (folder.depth_mm(first).shape[1], folder.depth_mm(first).shape[0])
    name = description.name
    mesh = relief_object.make_mesh(name, relief, size=settings.size, depth_scale=settings.depth_scale)
    try:
        at_rest = relief.positions(mesh.portrait_relief.metres_per_mm, settings.depth_scale)
        to_y = -mesh.portrait_relief.metres_per_mm * settings.depth_scale

        def positions(number: int) -> np.ndarray:
            at_rest[:, 1] = depth_at_frame(relief, common_mm, folder.depth_mm(number)) * to_y
            return at_rest

        cache = folder.path / CACHE_NAME
        write_point_cache(cache, len(at_rest), [numbers[index] for index in shown], positions, first)
    except Exception:
        bpy.data.meshes.remove(mesh)
        raise
    importing.remember_photo(mesh, relief, description.result_id, size_px, folder.mm_per_px(numbers))
    picture = _image_sequence(folder, first, name, description.result_id)
    coverage = np.isfinite(folder.depth_mm(first)).astype(np.float32)
    pixels = images.depth_pixels(folder.depth_mm(first), coverage)
    depth = images.add_depth(f"{name} Depth", exr.write_rgba(pixels), description.result_id)
    mesh.materials.append(_playing(material.make(name, picture, depth), picture, first, last))
    item = bpy.data.objects.new(name, mesh)
    item.location = scene.cursor.location
    modifier = item.modifiers.new(MODIFIER_NAME, "MESH_CACHE")
    modifier.cache_format = "PC2"
    modifier.filepath = str(cache)
    modifier.frame_start = first
    importing.link(scene, item)
    importing.list_result(scene, description, {})
    return item


def _image_sequence(folder: SequenceFolder, first: int, name: str, result_id: str) -> bpy.types.Image:
    image = bpy.data.images.load(str(folder.file("rgb", first)), check_existing=False)
    image.name = f"{name} RGB"
    image.source = "SEQUENCE"
    image[images.KIND_KEY], image[images.RESULT_KEY] = "rgb", result_id
    return image


def _playing(made: bpy.types.Material, picture: bpy.types.Image, first: int, last: int) -> bpy.types.Material:
    """Makes the material's picture follow the scene's frame."""
    for node in made.node_tree.nodes:
        if node.bl_idname == "ShaderNodeTexImage" and node.image == picture:
            user = node.image_user
            user.frame_start, user.frame_duration, user.frame_offset = first, last - first + 1, first - 1
            user.use_auto_refresh = True
    return made
