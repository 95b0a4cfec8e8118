# SPDX-License-Identifier: GPL-3.0-or-later
"""The relief's picture without its light: making it, and choosing which of the two the material shows."""

from __future__ import annotations

import bpy
import numpy as np

from ..core import delight, errors
from ..core.errors import AddonError, Remedy
from ..core.wording import told
from . import images, sending_back

KIND = "albedo"
PHOTO, ALBEDO = "PHOTO", "ALBEDO"
LONGEST_NORMALS_PX = 1024  # nine harmonics are smooth: more resolution would change nothing


def photo_of(item: bpy.types.Object) -> bpy.types.Image:
    """The relief's picture. Raises AddonError where it was deleted or is a sequence's."""
    image = images.find(item.data.portrait_relief.result_id, "rgb")
    if image is None or not len(image.pixels):
        message, hint = "The relief's picture is not in this file.", "Import the result again."
    elif image.source not in {"FILE", "GENERATED"}:
        message, hint = "This works on a single picture, not on a sequence.", "Import one frame as a relief."
    else:
        return image
    raise AddonError(errors.Problem("no_photo_of_relief", message, hint, Remedy.NONE))


def make_albedo(item: bpy.types.Object, *, coloured: bool, strength: float) -> bpy.types.Image:
    """Removes the photo's light by the relief's present shape, into a packed image; an earlier one is overwritten.

    The material is given a texture node for it beside the photo's. Raises AddonError.
    """
    photo = photo_of(item)
    depth = sending_back.depth_map(item, LONGEST_NORMALS_PX)
    kept = item.data.portrait_relief
    mm_per_px = kept.mm_per_px * kept.photo_size_px[0] / depth.shape[1]
    try:
        found = delight.delight(
            picture(photo), delight.normals_from_depth(depth, mm_per_px), coloured=coloured, strength=strength
        )
    except delight.DelightError as error:
        raise AddonError(
            errors.Problem("no_head", told(error), "Choose another relief.", Remedy.NONE)
        ) from error
    image = write_picture(f"{item.name} Albedo", found.albedo, kept.result_id, KIND)
    for material in _materials(item):
        _node_beside_photo(material, photo, image)
    return image


def picture(image: bpy.types.Image) -> np.ndarray:
    """float32 [H, W, 3], top row first, display-encoded sRGB 0..1."""
    width, height = image.size
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    rgb = pixels.reshape(height, width, -1)[::-1, :, :3]
    if rgb.shape[2] < 3:  # grey
        rgb = np.repeat(rgb[:, :, :1], 3, axis=2)
    linear = image.is_float and not image.colorspace_settings.is_data
    return np.ascontiguousarray(delight.linear_to_srgb(rgb) if linear else rgb)


def write_picture(name: str, rgb: np.ndarray, result_id: str, kind: str) -> bpy.types.Image:
    """A packed 8-bit image of float32 [H, W, 3] sRGB 0..1, top row first.

    The result's earlier one of this kind is used again, so that what shows it shows the new one.
    """
    height, width = rgb.shape[:2]
    image = images.find(result_id, kind)
    if image is not None and tuple(image.size) != (width, height):
        image = None
    if image is None:
        image = bpy.data.images.new(name, width, height)
        image[images.KIND_KEY], image[images.RESULT_KEY] = kind, result_id
    pixels = np.ones((height, width, 4), np.float32)
    pixels[:, :, :3] = np.clip(rgb[::-1], 0.0, 1.0)
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    image.pack()  # an unpacked generated image is black after reloading
    return image


def has_albedo(item: bpy.types.Object) -> bool:
    """Whether the relief's material can show the picture without its light."""
    return any(_nodes(material, item, KIND) for material in _materials(item))


def shown(item: bpy.types.Object) -> str:
    """PHOTO or ALBEDO: read from the material, so that undo and the artist's own changes count."""
    for material in _materials(item):
        for node in _nodes(material, item, KIND):
            if node.outputs["Color"].links:
                return ALBEDO
    return PHOTO


def show(item: bpy.types.Object, which: str) -> bool:
    """Lets the other texture node feed what the one shown feeds, also through nodes that the artist put between.

    Both pictures stay in the material and so in the file. False where the material has no such node.
    """
    wanted, other = ("rgb", KIND) if which == PHOTO else (KIND, "rgb")
    changed = False
    for material in _materials(item):
        to, away = _nodes(material, item, wanted), _nodes(material, item, other)
        if not to:
            continue
        changed = True
        tree = material.node_tree
        for node in away:
            for link in list(node.outputs["Color"].links):
                tree.links.new(to[0].outputs["Color"], link.to_socket)
        tree.nodes.active = to[0]  # solid view shows the active texture
    return changed


def _materials(item: bpy.types.Object) -> list[bpy.types.Material]:
    return [slot.material for slot in item.material_slots if slot.material and slot.material.node_tree]


def _nodes(material: bpy.types.Material, item: bpy.types.Object, kind: str) -> list[bpy.types.Node]:
    result_id = item.data.portrait_relief.result_id
    return [
        node
        for node in material.node_tree.nodes
        if node.bl_idname == "ShaderNodeTexImage"
        and node.image is not None
        and node.image.get(images.RESULT_KEY) == result_id
        and node.image.get(images.KIND_KEY) == kind
    ]


def _node_beside_photo(material: bpy.types.Material, photo: bpy.types.Image, image: bpy.types.Image) -> None:
    nodes = material.node_tree.nodes
    textures = [node for node in nodes if node.bl_idname == "ShaderNodeTexImage"]
    beside = next((node for node in textures if node.image == photo), None)
    if beside is None or any(node.image == image for node in textures):
        return
    active = nodes.active
    node = nodes.new("ShaderNodeTexImage")
    node.image, node.extension, node.label = image, "EXTEND", "Albedo"
    node.location = (beside.location.x - 320, beside.location.y)
    nodes.active = active
