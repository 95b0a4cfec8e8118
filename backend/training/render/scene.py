# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender scene of a shot: one head mesh, one hair mesh, camera, lights, Cycles settings (bpy)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import Glasses, ShotSpec
from backend.training.render.face_hair import FaceHair
from backend.training.render.face_paint import paint_face
from backend.training.render.geometry import (
    MATERIALS,
    clothing,
    eyes_mouth,
    hairline,
    head_topology,
    headwear_cover,
)
from backend.training.render.glasses import GlassesMesh
from backend.training.render.hair_strands import Strands
from backend.training.render.materials import HeadMaterials
from backend.training.render.passes import VIEW_LAYER
from backend.training.render.scene_light import SceneLight

PASSES = (
    ("coverage", "VALUE"),
    ("face", "VALUE"),
    ("hair", "VALUE"),
    ("face_hair", "VALUE"),
    ("reference", "COLOR"),
    ("surface_normal", "COLOR"),
    ("eyes_mouth", "COLOR"),
    ("inner", "COLOR"),
)


def to_blender(points: np.ndarray) -> np.ndarray:
    """Y up, Z towards the camera -> Blender's Z up, the camera on -Y."""
    return np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)


class HeadScene:
    """Built once a process; `set_shot` and `set_frame` only change data, so that rendering starts fast."""

    def __init__(self, assets: HeadAssets, resolution_px: int, samples: int, threads: int):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.assets = assets
        self.topology = head_topology(assets)
        self.scene = bpy.context.scene
        self._settings(resolution_px, samples, threads)
        self.materials = HeadMaterials()
        self.head = self._head_mesh()
        self.hair: bpy.types.Object | None = None
        self.curves: dict[str, bpy.types.Object] = {}
        self.glasses: bpy.types.Object | None = None
        self.light = SceneLight(self.scene)
        camera = bpy.data.cameras.new("camera")
        camera.sensor_fit = "HORIZONTAL"
        self.camera = bpy.data.objects.new("camera", camera)
        self.camera.rotation_euler = (np.pi / 2, 0, 0)
        self.scene.collection.objects.link(self.camera)
        self.scene.camera = self.camera

    def _settings(self, resolution_px: int, samples: int, threads: int) -> None:
        scene = self.scene
        scene.render.engine = "CYCLES"
        cycles = scene.cycles
        cycles.device, cycles.samples = "CPU", samples
        cycles.use_adaptive_sampling = False
        cycles.use_denoising = False  # the compositor denoises the light groups, see SceneLight
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 2, 1
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", 1.5
        scene.cycles_curves.shape = "RIBBONS"
        scene.cycles_curves.subdivisions = 2
        render = scene.render
        render.resolution_x = render.resolution_y = resolution_px
        render.resolution_percentage = 100
        render.film_transparent = True
        render.threads_mode, render.threads = "FIXED", threads
        render.use_sequencer = False
        settings = render.image_settings
        if hasattr(settings, "media_type"):  # Blender 5.0 split the file formats by media
            settings.media_type = "MULTI_LAYER_IMAGE"
        settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
        layer = scene.view_layers[0]
        layer.name = VIEW_LAYER
        layer.use_pass_z = True
        for name, kind in PASSES:
            aov = layer.aovs.add()
            aov.name, aov.type = name, kind

    def _head_mesh(self) -> bpy.types.Object:
        topology = self.topology
        mesh = bpy.data.meshes.new("head")
        mesh.from_pydata(topology.rest.tolist(), [], topology.quads.tolist())
        for name in MATERIALS:
            mesh.materials.append(self.materials[name])
        mesh.polygons.foreach_set("material_index", topology.material.astype(np.int32))
        mesh.polygons.foreach_set("use_smooth", np.ones(len(topology.quads), bool))
        uv = mesh.uv_layers.new(name="front")
        uv.uv.foreach_set("vector", topology.front_uv.astype(np.float32).ravel())
        for name, values in (
            ("front", topology.front),
            ("scalp", topology.scalp),
            ("cloth", topology.scalp),
            ("coverage", topology.scalp),
            ("face", topology.face),
            ("hair", topology.scalp),
        ):
            mesh.attributes.new(name, "FLOAT", "POINT").data.foreach_set("value", values.astype(np.float32))
        self._vectors(mesh, "rest", to_blender(topology.rest))
        self._vectors(mesh, "reference", np.zeros_like(topology.rest))
        self._vectors(mesh, "eyes_mouth", eyes_mouth(self.assets))
        return self._link("head", mesh)

    def _link(self, name: str, mesh: bpy.types.Mesh) -> bpy.types.Object:
        item = bpy.data.objects.new(name, mesh)
        self.scene.collection.objects.link(item)
        return item

    @staticmethod
    def _vectors(mesh: bpy.types.Mesh | bpy.types.Curves, name: str, values: np.ndarray) -> None:
        attribute = mesh.attributes.get(name) or mesh.attributes.new(name, "FLOAT_VECTOR", "POINT")
        attribute.data.foreach_set("vector", np.ascontiguousarray(values, dtype=np.float32).ravel())

    def _set_curves(self, name: str, hairs: Strands | FaceHair | None) -> None:
        """The hairs of a shot as curves of this name, without their places."""
        former = self.curves.pop(name, None)
        if former is not None:
            data = former.data
            bpy.data.objects.remove(former)
            bpy.data.hair_curves.remove(data)
        if hairs is None:
            return
        number, points = hairs.radius.shape
        data = bpy.data.hair_curves.new(name)
        data.add_curves([points] * number)
        # Brows and beards lie in the face, and are not the head's hair.
        face = hairs.face if isinstance(hairs, FaceHair) else np.zeros(number)
        for attribute_name, values in (
            ("radius", hairs.radius.ravel()),
            ("shade", np.repeat(hairs.shade, points)),
            ("coverage", np.ones(number * points)),
            ("face", np.repeat(face, points)),
            ("hair", np.full(number * points, float(not isinstance(hairs, FaceHair)))),
            ("face_hair", np.full(number * points, float(isinstance(hairs, FaceHair)))),
        ):
            attribute = data.attributes.get(attribute_name) or data.attributes.new(
                attribute_name, "FLOAT", "POINT"
            )
            attribute.data.foreach_set("value", values.astype(np.float32))
        data.attributes.new("reference", "FLOAT_VECTOR", "POINT")
        data.materials.append(self.materials["strands"])
        self.curves[name] = bpy.data.objects.new(name, data)
        self.scene.collection.objects.link(self.curves[name])

    def set_curves_frame(self, name: str, points: np.ndarray, places: np.ndarray) -> None:
        """Points [N, K, 3] of "strands" or "face_hair" in the camera's frame (dm), and where the reference has them
        [N * K, 3]."""
        data = self.curves[name].data
        self._vectors(data, "position", to_blender(points.reshape(-1, 3)))
        self._vectors(data, "reference", places)
        data.update_tag()

    def set_glasses(self, mesh: GlassesMesh | None, look: Glasses | None) -> None:
        """The shot's glasses in the neutral head's frame, or none."""
        if self.glasses is not None:
            data = self.glasses.data
            bpy.data.objects.remove(self.glasses)
            bpy.data.meshes.remove(data)
            self.glasses = None
        if mesh is None or look is None:
            return
        self.materials.set_glasses(look)
        data = bpy.data.meshes.new("glasses")
        data.from_pydata(mesh.vertices.tolist(), [], mesh.faces)
        for name in ("frame", "lens"):
            data.materials.append(self.materials[name])
        data.polygons.foreach_set("material_index", mesh.material)
        data.polygons.foreach_set("use_smooth", np.ones(len(data.polygons), bool))
        data.attributes.new("coverage", "FLOAT", "POINT").data.foreach_set(
            "value", np.ones(len(mesh.vertices), np.float32)
        )
        data.attributes.new("face", "FLOAT", "POINT")
        self._vectors(data, "reference", np.zeros_like(mesh.vertices))
        self.glasses = self._link("glasses", data)

    def set_glasses_frame(self, points: np.ndarray, places: np.ndarray) -> None:
        """Vertices [V, 3] in the camera's frame (dm) and their places in the reference picture [V, 3]."""
        assert self.glasses is not None
        self._vectors(self.glasses.data, "position", to_blender(points))
        self._vectors(self.glasses.data, "reference", places)
        self.glasses.data.update()

    def set_shot(
        self,
        shot: ShotSpec,
        hair_faces: Sequence[tuple[int, ...]] | None,
        hair_rest: np.ndarray | None,
        strands: Strands | None = None,
        face_hair: FaceHair | None = None,
    ) -> None:
        """Paint, colours, lights, camera and the hair mesh's topology of a shot."""
        self.materials.set_shot(shot, paint_face(self.assets, shot).rgba)
        cloth, coverage = clothing(shot, self.topology)
        density = hairline(shot, self.topology)
        for name, values in (
            ("scalp", np.maximum(density, headwear_cover(shot, self.topology))),
            ("hair", density),
            ("cloth", cloth),
            ("coverage", coverage),
        ):
            self.head.data.attributes[name].data.foreach_set("value", values.astype(np.float32))
        if self.hair is not None:
            mesh = self.hair.data
            bpy.data.objects.remove(self.hair)
            bpy.data.meshes.remove(mesh)
            self.hair = None
        if hair_faces is not None and hair_rest is not None:
            mesh = bpy.data.meshes.new("hair")
            mesh.from_pydata(hair_rest.tolist(), [], hair_faces)
            mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
            mesh.materials.append(self.materials["hair"])
            mesh.attributes.new("coverage", "FLOAT", "POINT").data.foreach_set(
                "value", np.ones(len(hair_rest), np.float32)
            )
            mesh.attributes.new("face", "FLOAT", "POINT")
            mesh.attributes.new("hair", "FLOAT", "POINT").data.foreach_set(
                "value", np.ones(len(hair_rest), np.float32)
            )
            self._vectors(mesh, "rest", to_blender(hair_rest))
            self._vectors(mesh, "reference", np.zeros_like(hair_rest))
            self.hair = self._link("hair", mesh)
        self._set_curves("strands", strands)
        self._set_curves("face_hair", face_hair)
        self.light.set_shot(shot)
        distance, span = shot.distance_mm / 100, shot.span_mm / 100
        self.camera.location = (0, -distance, 0)
        self.camera.data.angle = 2 * np.arctan(0.5 * span / distance)
        # Blender's shift moves the frame, so the picture moves the other way; +y is up there.
        self.camera.data.shift_x, self.camera.data.shift_y = -shot.offset[0], shot.offset[1]

    def set_frame(
        self,
        head: np.ndarray,
        reference: np.ndarray,
        hair: np.ndarray | None,
        hair_reference: np.ndarray | None,
        wrinkles: tuple[float, float, float, float],
    ) -> None:
        """Vertices in the camera's frame (dm) and their place in the reference picture (u, v, z) [R, 3]."""
        self.materials.set_frame(wrinkles)
        for item, positions, places in ((self.head, head, reference), (self.hair, hair, hair_reference)):
            if item is None or positions is None or places is None:
                continue
            self._vectors(item.data, "position", to_blender(positions))
            self._vectors(item.data, "reference", places)
            item.data.update()

    def render(self, folder: Path, last_of_shot: bool) -> tuple[Path, Path]:
        """Write the passes and the denoised light groups, each a multilayer EXR in `folder`; returns both.

        Persistent data halves the time of the frames that follow in the same shot. Switching it off drops the data.
        """
        passes, groups = folder / "passes.exr", self.light.write_to(folder)
        self.scene.render.use_persistent_data = True
        self.scene.render.filepath = str(passes)
        bpy.ops.render.render(write_still=True)
        if last_of_shot:
            self.scene.render.use_persistent_data = False
        return passes, groups
