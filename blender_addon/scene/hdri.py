# SPDX-License-Identifier: GPL-3.0-or-later
"""An HDRI as the scene's world that turns with the relief, and the way back to the world before."""

from __future__ import annotations

import math

import bpy

from ..core import errors
from ..core.errors import AddonError, Remedy
from ..core.wording import worded

WORLD_KEY = "portrait_relief_hdri"
BEFORE_KEY = (
    "portrait_relief_world_before"  # a reference to the world, which therefore is saved with the file
)


def world_of(scene: bpy.types.Scene) -> bpy.types.World | None:
    """The scene's world where it is one of ours."""
    return scene.world if scene.world is not None and WORLD_KEY in scene.world else None


def apply_hdri(scene: bpy.types.Scene, item: bpy.types.Object, filepath: str) -> bpy.types.World:
    """Lights the scene with the picture of a sphere (.hdr, .exr or any other); the world before is kept.

    Raises AddonError for a file that is no picture, before anything was changed.
    """
    try:
        image = bpy.data.images.load(bpy.path.abspath(filepath), check_existing=True)
        readable = bool(image.size[0] and image.size[1])
    except RuntimeError:
        image, readable = None, False
    if image is None or not readable:
        if image is not None and image.users == 0:
            bpy.data.images.remove(image)
        name = bpy.path.basename(filepath) or worded("The HDRI")
        message = worded("{name} cannot be read as a picture.", name=name)
        raise AddonError(errors.Problem("no_hdri", message, "Choose an .hdr or .exr file.", Remedy.NONE))
    restore(scene, keep=image)
    world = bpy.data.worlds.new("Portrait HDRI")
    world[WORLD_KEY] = True
    if scene.world is not None:
        world[BEFORE_KEY] = scene.world
    if bpy.app.version < (5, 0, 0):  # always on since then, and even looking at it warns
        world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    kinds = ("TexCoord", "Mapping", "TexEnvironment", "Background", "OutputWorld")
    coordinate, mapping, texture, background, output = (tree.nodes.new(f"ShaderNode{kind}") for kind in kinds)
    for number, node in enumerate((coordinate, mapping, texture, background, output)):
        node.location = (300 * number - 700, 0)
    texture.image = image
    links = (
        (coordinate.outputs["Generated"], mapping.inputs["Vector"]),
        (mapping.outputs["Vector"], texture.inputs["Vector"]),
        (texture.outputs["Color"], background.inputs["Color"]),
        (background.outputs["Background"], output.inputs["Surface"]),
    )
    for start, end in links:
        tree.links.new(start, end)
    _turn_with(mapping, item)
    scene.world = world
    update_hdri(scene, item)
    return world


def update_hdri(scene: bpy.types.Scene, item: bpy.types.Object) -> None:
    """Sets strength and turn of the HDRI as the relief's sliders say."""
    world = world_of(scene)
    if world is None:
        return
    settings = item.portrait_relief_light
    for node in world.node_tree.nodes:
        if node.bl_idname == "ShaderNodeBackground":
            node.inputs["Strength"].default_value = settings.hdri_strength
    for curve in world.node_tree.animation_data.drivers if world.node_tree.animation_data else ():
        # The lookup turns against the sphere.
        curve.driver.expression = f"{-math.radians(settings.hdri_turn):.6g} - turn"


def restore(scene: bpy.types.Scene, keep: bpy.types.Image | None = None) -> bool:
    """Gives the scene the world that it had before the HDRI. The HDRI's picture goes too, unless it is `keep`."""
    world = world_of(scene)
    if world is None:
        return False
    images = [
        node.image
        for node in world.node_tree.nodes
        if node.bl_idname == "ShaderNodeTexEnvironment" and node.image
    ]
    scene.world = world.get(BEFORE_KEY)
    if world.users == 0:  # else another scene is lit by it
        bpy.data.worlds.remove(world)
        for image in images:
            if image.users == 0 and image != keep:
                bpy.data.images.remove(image)
    return True


def _turn_with(mapping: bpy.types.Node, item: bpy.types.Object) -> None:
    """The sphere turns about the vertical as the relief does."""
    driver = mapping.inputs["Rotation"].driver_add("default_value", 2).driver
    driver.type = "SCRIPTED"
    variable = driver.variables.new()
    variable.name, variable.type = "turn", "TRANSFORMS"
    target = variable.targets[0]
    target.id, target.transform_type, target.transform_space = item, "ROT_Z", "WORLD_SPACE"
