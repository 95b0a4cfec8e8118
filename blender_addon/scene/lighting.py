# SPDX-License-Identifier: GPL-3.0-or-later
"""A light rig around a relief: area lights on an empty that is the relief's child, so that they follow it.

The lights' places and sizes are in the relief's own space and scale with it. Blender keeps a light's power when it is
scaled, so a driver multiplies the power by the square of the scale: a larger head is lit as brightly as a small one.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..core import light_rigs
from . import relief_object

RIG_KEY = "portrait_relief_rig"  # on the rig's empty and its lights: the rig's identifier
PLACE_KEY = "portrait_relief_rig_light"  # on a light: its number in the rig
_SMALLEST = 1e-6


@dataclass(frozen=True)
class HeadFrame:
    """Where the head is in the relief's own space, and how large: axes to the picture's right, up and to the viewer."""

    matrix: Matrix  # 4x4, columns right, back (away from the viewer), up, centre
    size: float


def head_frame(item: bpy.types.Object) -> HeadFrame:
    """Measured on the relief as it is displayed: depth scale, sculpting and modifiers count."""
    axes = relief_object.placement_of(item.data).axes
    right, up = (Vector(axes[:, column]).normalized() for column in (0, 1))
    front = right.cross(up).normalized()  # x cross z points to the viewer, who is at -y
    if front.dot(Vector(axes[:, 2])) < 0:
        front = -front
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    corners = np.array([corner[:] for corner in evaluated.bound_box])
    centre, extent = Vector(), []
    for axis in (right, up, front):
        span = corners @ np.array(axis)
        centre += axis * float((span.min() + span.max()) / 2)
        extent.append(float(np.ptp(span)))
    matrix = Matrix((right, -front, up)).transposed().to_4x4()
    matrix.translation = centre
    return HeadFrame(matrix, max(extent[0], extent[1], _SMALLEST))


def find_rig(item: bpy.types.Object) -> bpy.types.Object | None:
    """The empty that carries the relief's lights, also after renaming; None without a rig."""
    return next((child for child in item.children if RIG_KEY in child and child.type == "EMPTY"), None)


def rig_lights(item: bpy.types.Object) -> list[bpy.types.Object]:
    """The rig's own lights that are still there, in the rig's order."""
    rig = find_rig(item)
    found = [child for child in rig.children if child.type == "LIGHT" and PLACE_KEY in child] if rig else []
    return sorted(found, key=lambda light: light[PLACE_KEY])


def rig_of(item: bpy.types.Object) -> light_rigs.LightRig | None:
    """Which rig lights the relief."""
    rig = find_rig(item)
    return light_rigs.BY_IDENTIFIER.get(rig[RIG_KEY]) if rig else None


def apply_rig(scene: bpy.types.Scene, item: bpy.types.Object, identifier: str) -> bpy.types.Object:
    """Puts a rig around the relief in place of the one it has; strength and warmth stay as they are set.

    Returns the empty that carries it. Raises KeyError for an unknown rig.
    """
    rig = light_rigs.BY_IDENTIFIER[identifier]
    size = head_frame(item).size
    remove_rig(item)
    name = f"{item.name} Light Rig"
    collection = bpy.data.collections.new(name)
    collection[RIG_KEY] = identifier
    _parent_collection(scene, item).children.link(collection)
    empty = bpy.data.objects.new(name, None)
    empty[RIG_KEY] = identifier
    empty.parent = item
    empty.empty_display_type, empty.empty_display_size = "ARROWS", 0.2 * size
    collection.objects.link(empty)
    for number, entry in enumerate(rig.lights):
        data = bpy.data.lights.new(f"{item.name} {entry.name}", "AREA")
        data.shape = "DISK"
        light = bpy.data.objects.new(data.name, data)
        light[RIG_KEY], light[PLACE_KEY] = identifier, number
        light.parent = empty
        light.visible_camera = (
            False  # a light between camera and head, or behind the head, is no part of the picture
        )
        collection.objects.link(light)
        _drive_power(data, empty)
    settings = item.portrait_relief_light
    settings.azimuth, settings.elevation = rig.key.azimuth_deg, rig.key.elevation_deg
    update_rig(item)
    return empty


def update_rig(item: bpy.types.Object) -> None:
    """Sets the rig's lights as the relief's sliders and its present shape say. Lights that were deleted stay away."""
    rig, empty = rig_of(item), find_rig(item)
    if rig is None or empty is None or relief_object.is_held_elsewhere(item.data):
        return
    settings = item.portrait_relief_light
    frame = head_frame(item)
    empty.matrix_parent_inverse = Matrix()
    empty.matrix_basis = frame.matrix
    directions = rig.directions_deg(settings.azimuth, settings.elevation)
    for light in rig_lights(item):
        number = light[PLACE_KEY]
        if number >= len(rig.lights):
            continue
        entry = rig.lights[number]
        right, up, front = light_rigs.towards(*directions[number])
        towards = Vector((right, -front, up))
        distance = entry.distance * frame.size
        light.matrix_parent_inverse = Matrix()
        light.matrix_basis = _looking_at_origin(towards * distance)
        light.data.size = entry.size * frame.size
        kelvin = light_rigs.warmed_kelvin(entry.kelvin, settings.warmth)
        colour = np.array(light_rigs.kelvin_rgb(kelvin))
        light.data.color = colour / colour.max()
        irradiance = light_rigs.KEY_IRRADIANCE_W_M2 * entry.share * settings.strength * colour.max()
        watts = light_rigs.disc_power_w(irradiance, distance, light.data.size)
        light.data.animation_data.drivers[0].driver.expression = f"{watts:.9g} * scale * scale"


def remove_rig(item: bpy.types.Object) -> bool:
    """Takes the rig away with all its data; lights that the artist put into its collection stay in the scene."""
    rig = find_rig(item)
    if rig is None:
        return False
    collections = [collection for collection in rig.users_collection if RIG_KEY in collection]
    for light in rig_lights(item):
        data = light.data
        bpy.data.objects.remove(light)
        if data.users == 0:  # another copy of the rig may share it
            bpy.data.lights.remove(data)
    for child in rig.children:
        world = child.matrix_world.copy()
        child.parent, child.matrix_world = item, world
    bpy.data.objects.remove(rig)
    for collection in collections:
        above = [each for each in _all_collections() if collection.name in each.children]
        for other in list(collection.objects):
            if above and other.name not in above[0].objects:
                above[0].objects.link(other)
        bpy.data.collections.remove(collection)
    return True


def _all_collections() -> list[bpy.types.Collection]:
    return [*(scene.collection for scene in bpy.data.scenes), *bpy.data.collections]


def _parent_collection(scene: bpy.types.Scene, item: bpy.types.Object) -> bpy.types.Collection:
    """The collection of this scene that the relief is in; linked ones take no children."""
    of_scene = {scene.collection, *scene.collection.children_recursive}
    for collection in item.users_collection:
        if collection in of_scene and not (collection.library or collection.override_library):
            return collection
    return scene.collection


def _drive_power(data: bpy.types.Light, empty: bpy.types.Object) -> None:
    """Power proportional to the square of the rig's scale. A simple expression: it needs no leave to run scripts."""
    driver = data.driver_add("energy").driver
    driver.type = "SCRIPTED"
    variable = driver.variables.new()
    variable.name, variable.type = "scale", "TRANSFORMS"
    target = variable.targets[0]
    target.id, target.transform_type, target.transform_space = empty, "SCALE_AVG", "WORLD_SPACE"


def _looking_at_origin(location: Vector) -> Matrix:
    """A transform at a location whose -Z axis points to the origin."""
    matrix = location.to_track_quat("Z", "Y").to_matrix().to_4x4()
    matrix.translation = location
    return matrix
