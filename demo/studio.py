# SPDX-License-Identifier: GPL-3.0-or-later
"""Lights a relief with a three-point rig and renders it with Cycles on the CPU."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import bpy
from mathutils import Matrix, Vector


@dataclass(frozen=True)
class Lamp:
    """An area light. Angles in degrees as seen from the relief: azimuth + = to the right of the picture."""

    name: str
    azimuth_deg: float
    elevation_deg: float
    irradiance_w_m2: float
    colour: tuple[float, float, float]


MARGIN = 1.04  # of the picture around the relief

# A low warm key from the side, so that the relief has to cast the shading that the photo did not have.
THREE_POINT = (
    Lamp("Key", -58, 28, 5.5, (1.0, 0.82, 0.62)),
    Lamp("Fill", 48, 8, 1.1, (0.62, 0.75, 1.0)),
    Lamp("Rim", 82, 35, 3.5, (0.75, 0.85, 1.0)),
)


@dataclass(frozen=True)
class Framing:
    """Where a relief is and which way it looks: orthonormal axes, and half extents in world units."""

    centre: Vector
    right: Vector
    up: Vector
    front: Vector
    half_width: float
    half_height: float
    half_depth: float


def frame(relief: bpy.types.Object) -> Framing:
    """Measures a relief as displayed. In its own space x is the picture's right, z its top, -y the viewer."""
    evaluated = relief.evaluated_get(bpy.context.evaluated_depsgraph_get())
    corners = [evaluated.matrix_world @ Vector(corner) for corner in evaluated.bound_box]
    rotation = evaluated.matrix_world.to_3x3().normalized()
    right, up, front = (
        rotation @ Vector((1, 0, 0)),
        rotation @ Vector((0, 0, 1)),
        rotation @ Vector((0, -1, 0)),
    )
    centre, half = Vector(), []
    for axis in (right, up, front):
        span = [corner.dot(axis) for corner in corners]
        centre += axis * ((min(span) + max(span)) / 2)
        half.append((max(span) - min(span)) / 2)
    return Framing(centre, right, up, front, *half)


def add_camera(framing: Framing, turn_deg: float = 0.0) -> float:
    """An orthographic camera that holds the whole relief, turned about its vertical axis.

    Returns the picture's aspect, width / height.
    """
    turn = math.radians(turn_deg)
    half_width = framing.half_width * abs(math.cos(turn)) + framing.half_depth * abs(math.sin(turn))
    distance = 4 * max(half_width, framing.half_height)
    direction = Matrix.Rotation(turn, 3, framing.up) @ framing.front
    data = bpy.data.cameras.new("Relief Camera")
    data.type = "ORTHO"
    data.ortho_scale = 2 * MARGIN * max(half_width, framing.half_height)
    data.clip_start, data.clip_end = distance / 1000, distance * 10
    camera = bpy.data.objects.new(data.name, data)
    bpy.context.scene.collection.objects.link(camera)
    camera.matrix_world = _look_along(framing.centre + direction * distance, -direction, framing.up)
    bpy.context.scene.camera = camera
    return half_width / framing.half_height


def add_three_point_rig(framing: Framing, lamps: tuple[Lamp, ...] = THREE_POINT) -> list[bpy.types.Object]:
    """Area lights around the relief, their power scaled so that its size does not change the picture."""
    distance = 3 * max(framing.half_width, framing.half_height)
    objects = []
    for lamp in lamps:
        azimuth, elevation = math.radians(lamp.azimuth_deg), math.radians(lamp.elevation_deg)
        towards = (
            framing.right * (math.sin(azimuth) * math.cos(elevation))
            + framing.up * math.sin(elevation)
            + framing.front * (math.cos(azimuth) * math.cos(elevation))
        )
        data = bpy.data.lights.new(lamp.name, "AREA")
        data.shape, data.size = "DISK", distance / 3
        data.color = lamp.colour
        # A flat Lambertian emitter of power P shines P / pi per steradian along its axis.
        data.energy = lamp.irradiance_w_m2 * math.pi * distance**2
        light = bpy.data.objects.new(lamp.name, data)
        bpy.context.scene.collection.objects.link(light)
        light.matrix_world = _look_along(framing.centre + towards * distance, -towards, framing.up)
        objects.append(light)
    return objects


def render(path: Path, *, aspect: float, longer_side_px: int, samples: int) -> None:
    """Renders the scene's camera to a PNG with Cycles on the CPU. aspect: width / height."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = True
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.max_bounces = 3
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x = round(longer_side_px * min(aspect, 1))
    scene.render.resolution_y = round(longer_side_px / max(aspect, 1))
    scene.render.resolution_percentage = 100
    scene.render.film_transparent = False
    world = scene.world or bpy.data.worlds.new("Studio")
    scene.world = world
    world.color = (0.02, 0.02, 0.024)
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    if not path.is_file():
        raise RuntimeError(f"Blender rendered nothing to {path}")


def _look_along(location: Vector, direction: Vector, up: Vector) -> Matrix:
    """A transform at a location whose -Z axis looks along a direction, with +Y as close to up as can be."""
    back = -direction.normalized()
    right = up.cross(back).normalized()
    true_up = back.cross(right)
    matrix = Matrix((right, true_up, back)).transposed().to_4x4()
    matrix.translation = location
    return matrix
