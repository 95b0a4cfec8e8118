# SPDX-License-Identifier: GPL-3.0-or-later
"""Lamps and sky of a scene as separate light groups, each denoised by the compositor (bpy).

Cycles denoises the combined pass alone, and a group at 6 samples is noise. Light is additive, so the sum of the
groups is the picture.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from backend.training.render.distributions import ShotSpec
from backend.training.render.lighting import LIGHT_GROUPS, Light, grouped_lamps

LIGHT_DISTANCE_DM = 16.0
POWER_W = 3000.0
SKY_MAP_PX = 64


class SceneLight:
    """Built once a scene; `set_shot` changes lamps and sky."""

    def __init__(self, scene: bpy.types.Scene):
        self.scene = scene
        self.lamps: list[bpy.types.Object] = []
        for name in LIGHT_GROUPS:
            scene.view_layers[0].lightgroups.add(name=name)
        self._sky()
        self._compositor()

    def _sky(self) -> None:
        world = bpy.data.worlds.new("world")
        self.scene.world = world
        world.lightgroup = "world"
        # The sky is a smooth ramp; the automatic map of its light took a sixth of a frame's time.
        world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", SKY_MAP_PX
        world.use_nodes = True
        tree = world.node_tree
        tree.nodes.clear()
        out = tree.nodes.new("ShaderNodeOutputWorld")
        self.background = tree.nodes.new("ShaderNodeBackground")
        coordinates = tree.nodes.new("ShaderNodeTexCoord")
        split = tree.nodes.new("ShaderNodeSeparateXYZ")
        half = tree.nodes.new("ShaderNodeMapRange")
        half.inputs["From Min"].default_value, half.inputs["From Max"].default_value = -1.0, 1.0
        self.sky = tree.nodes.new("ShaderNodeMix")
        self.sky.data_type = "RGBA"
        links = tree.links
        links.new(coordinates.outputs["Generated"], split.inputs[0])
        links.new(split.outputs["Z"], half.inputs["Value"])
        links.new(half.outputs["Result"], self.sky.inputs[0])
        links.new(self.sky.outputs[2], self.background.inputs["Color"])
        links.new(self.background.outputs[0], out.inputs["Surface"])

    def _compositor(self) -> None:
        """A denoiser a group, all guided by the same albedo and normals, into one multilayer file."""
        scene = self.scene
        scene.view_layers[0].cycles.denoising_store_passes = True
        scene.render.use_compositing = True
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        layers = tree.nodes.new("CompositorNodeRLayers")
        self._file = tree.nodes.new("CompositorNodeOutputFile")
        settings = self._file.format
        settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
        self._file.layer_slots.clear()
        for name in LIGHT_GROUPS:
            denoise = tree.nodes.new("CompositorNodeDenoise")
            denoise.prefilter, denoise.quality = "FAST", "BALANCED"
            tree.links.new(layers.outputs[f"Combined_{name}"], denoise.inputs["Image"])
            tree.links.new(layers.outputs["Denoising Normal"], denoise.inputs["Normal"])
            tree.links.new(layers.outputs["Denoising Albedo"], denoise.inputs["Albedo"])
            self._file.layer_slots.new(name)
            tree.links.new(denoise.outputs[0], self._file.inputs[name])

    def write_to(self, folder: Path) -> Path:
        """Have the next render write its groups into `folder`; returns the file."""
        self._file.base_path = str(folder / "groups_")
        return folder / f"groups_{self.scene.frame_current:04d}.exr"

    def set_shot(self, shot: ShotSpec) -> None:
        """The lamps and the sky of a shot."""
        for item in self.lamps:
            data = item.data
            bpy.data.objects.remove(item)
            bpy.data.lights.remove(data)
        self.lamps = [
            self._lamp(light, group) for group, light in grouped_lamps(shot.lights, shot.spare_light)
        ]
        self.background.inputs["Strength"].default_value = shot.world_strength
        self.sky.inputs[6].default_value = (*shot.world_bottom, 1)
        self.sky.inputs[7].default_value = (*shot.world_top, 1)

    def _lamp(self, light: Light, group: str) -> bpy.types.Object:
        data = bpy.data.lights.new("light", "AREA")
        data.size, data.energy, data.color = light.size_dm, POWER_W * light.power, light.colour
        item = bpy.data.objects.new("light", data)
        item.lightgroup = group
        azimuth, elevation = np.radians([light.azimuth_deg, light.elevation_deg])
        # A lamp shines along its local -Z.
        z = np.array(
            [np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        x = np.cross([0, 0, 1], z)
        x /= max(np.linalg.norm(x), 1e-6)
        matrix = np.eye(4)
        matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = (
            x,
            np.cross(z, x),
            z,
            z * LIGHT_DISTANCE_DM,
        )
        item.matrix_world = Matrix(matrix.tolist())  # nested lists would be read column by column
        self.scene.collection.objects.link(item)
        return item
