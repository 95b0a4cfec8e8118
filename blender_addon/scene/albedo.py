# SPDX-License-Identifier: GPL-3.0-or-later
"""The relief's picture without its light: making it, and choosing which of the two the material shows."""

from __future__ import annotations

import bpy
import numpy as np

from ..core import arrays, delight, errors
from ..core.errors import AddonError, Remedy
from ..core.steps import Steps, finish, in_worker
from ..core.wording import told
from . import images, sending_back

KIND = "albedo"
PHOTO, ALBEDO = "PHOTO", "ALBEDO"
LONGEST_NORMALS_PX = 1024  # nine harmonics are smooth: more resolution would change nothing


def photo_of(item: bpy.types.Object) -> bpy.types.Image:
    """The relief's picture. Raises AddonError where it was deleted or is a sequence's."""
    image = images.find(item.data.portrait_relief.result_id, "rgb")
    if image is None or not images.has_pixels(image):
        message, hint = "The relief's picture is not in this file.", "Import the result again."
    elif image.source not in {"FILE", "GENERATED"}:
        message, hint = "This works on a single picture, not on a sequence.", "Import one frame as a relief."
    else:
        return image
    raise AddonError(errors.Problem("no_photo_of_relief", message, hint, Remedy.NONE))


def make_albedo(item: bpy.types.Object, *, coloured: bool, strength: float) -> bpy.types.Image:
    """All of `albedo_steps` at once."""
    return finish(albedo_steps(item, coloured=coloured, strength=strength))


def albedo_steps(item: bpy.types.Object, *, coloured: bool, strength: float) -> Steps[bpy.types.Image]:
    """Removes the photo's light by the relief's present shape, into a packed image; an earlier one is overwritten.

    Shape and photo are read in the first step. The material is given a texture node for the image beside the photo's.
    Raises AddonError.
    """
    item_uid = item.session_uid
    read, kept = sending_back.read_relief(item), images.kept_picture(photo_of(item))
    yield
    file = yield from in_worker(_file_steps(read, kept, coloured, strength))
    item = sending_back.find_relief(item_uid)
    photo = photo_of(item)
    image = add_picture(f"{item.name} Albedo", file, item.data.portrait_relief.result_id, KIND)
    for material in _materials(item):
        _node_beside_photo(material, photo, image)
    return image


def _file_steps(
    read: sending_back.ReadRelief, kept: bytes | images.ReadImage, coloured: bool, strength: float
) -> Steps[bytes]:
    """The albedo as a PNG file. No bpy."""
    depth = yield from sending_back.depth_steps(read, LONGEST_NORMALS_PX)
    mm_per_px = read.photo.mm_per_px * read.photo.size_px[0] / depth.shape[1]
    rgb = _srgb((yield from images.read_steps(kept)))
    yield
    normals = delight.normals_from_depth(depth, mm_per_px)
    yield
    try:
        found = delight.delight(rgb, normals, coloured=coloured, strength=strength)
    except delight.DelightError as error:
        raise AddonError(
            errors.Problem("no_head", told(error), "Choose another relief.", Remedy.NONE)
        ) from error
    yield
    return png_of(found.albedo)


def picture(image: bpy.types.Image) -> np.ndarray:
    """float32 [H, W, 3], top row first, display-encoded sRGB 0..1."""
    return _srgb(images.read_image(image))


def _srgb(read: images.ReadImage) -> np.ndarray:
    rgb = read.pixels[::-1, :, :3]
    if rgb.shape[2] < 3:  # grey
        rgb = np.repeat(rgb[:, :, :1], 3, axis=2)
    return np.ascontiguousarray(delight.linear_to_srgb(rgb) if read.linear else rgb)


def write_picture(name: str, rgb: np.ndarray, result_id: str, kind: str) -> bpy.types.Image:
    """A packed 8-bit image of float32 [H, W, 3] sRGB 0..1, top row first.

    The result's earlier one of this kind is used again, so that what shows it shows the new one.
    """
    return add_picture(name, png_of(rgb), result_id, kind)


def png_of(rgb: np.ndarray) -> bytes:
    """float32 [H, W, 3] sRGB 0..1, top row first -> an 8-bit PNG file, rounded as Blender does."""
    return arrays.write_png((np.clip(rgb, 0.0, 1.0) * np.float32(255) + np.float32(0.5)).astype(np.uint8))


def add_picture(name: str, png: bytes, result_id: str, kind: str) -> bpy.types.Image:
    """`write_picture` of a PNG file: packing one takes a hundredth of the time of setting pixels and packing them."""
    return images.add_rgb(name, png, result_id, kind, into=images.find(result_id, kind))


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
