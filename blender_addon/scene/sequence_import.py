# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a folder -> one relief that plays: a point cache for its shape, an image sequence for its picture."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np

from ..core.animated_relief import common_relief_steps, point_cache_steps, points_at_frame
from ..core.sequence import CACHE, SequenceFolder, delete_relief_folder, relief_folder_name
from ..core.steps import Steps, in_worker
from . import images, importing, material, relief_object

MODIFIER_NAME = "Sequence"


def import_steps(
    scene: bpy.types.Scene,
    folder: SequenceFolder,
    numbers: Sequence[int],
    description: importing.Description,
) -> Steps[bpy.types.Object]:
    """Adds the relief of the frames `numbers` (rising) to `scene`; a frame that is missing shows the one before.

    A step a frame for what is computed; the mesh is filled and the pictures are packed in some more, and all else that
    is added to the file comes in the last one. Everything but the mesh at the first frame stays in the folder. Closing
    the generator takes away what it made of mesh and pictures, and what it wrote there. Raises ReliefError, ValueError
    or OSError before anything was added, AddonError when the scene was deleted meanwhile.
    """
    done = False
    try:
        item = yield from _import_steps(scene, folder, numbers, description)
        done = True
        return item
    finally:
        if not done:
            importing.drop_begun(description.result_id)
            with contextlib.suppress(OSError):
                delete_relief_folder(folder.path / relief_folder_name(description.result_id))


def _import_steps(
    scene: bpy.types.Scene,
    folder: SequenceFolder,
    numbers: Sequence[int],
    description: importing.Description,
) -> Steps[bpy.types.Object]:
    scene_uid, settings = scene.session_uid, scene.portrait_relief
    size, depth_scale = settings.size, settings.depth_scale
    relief, common_mm = yield from in_worker(common_relief_steps(folder, numbers, settings.density))
    first, last = numbers[0], numbers[-1]
    frames = range(first, last + 1)
    shown = [numbers[index] for index in np.searchsorted(numbers, frames, side="right") - 1]
    place = relief_object.new_place(size)

    def positions(number: int) -> np.ndarray:
        points = points_at_frame(relief, common_mm, folder.depth_mm(number), folder.coverage(number))
        points[:, 2] *= depth_scale
        return place.positions(points)

    pictures = dict(zip(frames, shown, strict=True))
    kept = yield from folder.keep_picture_steps(description.result_id, pictures)
    yield
    cache = kept / CACHE
    yield from in_worker(point_cache_steps(cache, len(relief.x_mm), shown, positions, first))
    size_px, depth_file = yield from in_worker(_depth_file_steps(folder, first))
    head = yield from in_worker(_head_steps(folder, numbers[len(numbers) // 2]))
    arrays = yield from in_worker(relief_object.array_steps(relief, place, depth_scale))
    name, result_id = description.name, description.result_id

    # What follows is made anew where an undo took it away.
    def begun_mesh() -> bpy.types.Mesh:
        found = importing.mesh_of(result_id)
        if found is not None:
            return found
        mesh = relief_object.begun_mesh(name, size=size, depth_scale=depth_scale)
        importing.remember_photo(mesh, relief, result_id, size_px, folder.mm_per_px(numbers))
        return mesh

    def playing_picture() -> bpy.types.Image:
        first_file = kept / folder.file("rgb", first).name
        return images.find(result_id, "rgb") or _image_sequence(first_file, name, result_id)

    def depth_picture() -> bpy.types.Image:
        return images.find(result_id, "depth") or images.add_depth(f"{name} Depth", depth_file, result_id)

    if head is not None:
        images.set_preview(playing_picture(), head)
    else:
        playing_picture()
    yield
    depth_picture()
    yield
    while not relief_object.filled_further(begun_mesh(), relief, arrays):
        yield
    yield
    scene, mesh = importing.find_scene(scene_uid), begun_mesh()
    while not relief_object.filled_further(mesh, relief, arrays):
        pass
    picture = playing_picture()
    mesh.materials.append(_playing(material.make(name, picture, depth_picture()), picture, first, last))
    item = bpy.data.objects.new(name, mesh)
    item.location = scene.cursor.location
    modifier = item.modifiers.new(MODIFIER_NAME, "MESH_CACHE")
    modifier.cache_format = "PC2"
    modifier.filepath = _beside_the_file(cache)
    modifier.frame_start = first
    importing.link(scene, item)
    importing.list_result(scene, replace(description, name=item.name), folder.report(numbers))
    return item


def _depth_file_steps(folder: SequenceFolder, number: int) -> Steps[tuple[tuple[int, int], bytes]]:
    """(width, height) of a frame and its depth picture's file. No bpy."""
    depth_mm = folder.depth_mm(number)
    yield
    file = yield from images.depth_file_steps(depth_mm, np.isfinite(depth_mm).astype(np.float32))
    return (depth_mm.shape[1], depth_mm.shape[0]), file


def _head_steps(folder: SequenceFolder, number: int) -> Steps[images.Preview | None]:
    """What the list of results shows: the head of a frame in the middle, as the first is often as in the photo. No
    bpy."""
    png, coverage = folder.file("rgb", number).read_bytes(), folder.coverage(number)
    yield
    return (yield from images.head_preview_steps(png, coverage))


def _beside_the_file(path: Path) -> str:
    """Relative to the .blend where it lies below the same folder, so that both can be moved together."""
    blend = bpy.data.filepath
    if not blend or not path.is_relative_to(Path(blend).parent):
        return str(path)
    return bpy.path.relpath(str(path))


def _image_sequence(first: Path, name: str, result_id: str) -> bpy.types.Image:
    """Not by `images.load`, whose first call takes 17 ms to look at the file."""
    image = bpy.data.images.new(f"{name} RGB", 8, 8, alpha=False)
    image.source = "SEQUENCE"
    image.filepath = _beside_the_file(first)
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
