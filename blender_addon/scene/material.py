# SPDX-License-Identifier: GPL-3.0-or-later
"""The relief's material: the portrait as base colour of a principled shader, so that it can be relit."""

from __future__ import annotations

import bpy

from .images import KIND_KEY

SKIN_ROUGHNESS = 0.55


def make(name: str, image: bpy.types.Image, depth: bpy.types.Image | None = None) -> bpy.types.Material:
    """A new material. Nodes are found by type: their names are translated with Blender's interface.

    The depth hangs beside it unlinked: a picture that nothing uses is not saved.
    """
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):  # always on since then, and even looking at it warns
        material.use_nodes = True
    tree = material.node_tree
    shader = next((node for node in tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled"), None)
    if shader is None:
        shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
        output = next((node for node in tree.nodes if node.bl_idname == "ShaderNodeOutputMaterial"), None)
        output = output or tree.nodes.new("ShaderNodeOutputMaterial")
        tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    shader.inputs["Roughness"].default_value = SKIN_ROUGHNESS
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    texture.extension = "EXTEND"
    texture.location = (shader.location.x - 320, shader.location.y)
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    if depth is not None:
        spare = tree.nodes.new("ShaderNodeTexImage")
        spare.image = depth
        spare.label = "Depth in mm"
        spare.location = (shader.location.x - 320, shader.location.y - 300)
    tree.nodes.active = texture  # solid view shows the active texture
    return material


def set_normal_map(
    material: bpy.types.Material, photo: bpy.types.Image, normals: bpy.types.Image | None, kind: str
) -> None:
    """Shades by `normals`, or without where that is None. Only in materials that show `photo`, and only nodes of our
    own are taken away: a normal or bump map of the artist's stays."""
    tree = material.node_tree
    if tree is None:
        return
    pictures = [node for node in tree.nodes if node.bl_idname == "ShaderNodeTexImage" and node.image]
    for node in [node for node in pictures if node.image.get(KIND_KEY) == kind]:
        for link in list(node.outputs["Color"].links):
            if link.to_node.bl_idname == "ShaderNodeNormalMap":
                tree.nodes.remove(link.to_node)
        tree.nodes.remove(node)
    shader = next((node for node in tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled"), None)
    if normals is None or shader is None or not any(node.image == photo for node in pictures):
        return
    if shader.inputs["Normal"].links:
        return
    active = tree.nodes.active
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image, texture.extension = normals, "EXTEND"
    texture.location = (shader.location.x - 560, shader.location.y - 600)
    mapped = tree.nodes.new("ShaderNodeNormalMap")
    mapped.space = "TANGENT"
    mapped.location = (shader.location.x - 260, shader.location.y - 600)
    tree.links.new(texture.outputs["Color"], mapped.inputs["Color"])
    tree.links.new(mapped.outputs["Normal"], shader.inputs["Normal"])
    tree.nodes.active = active
