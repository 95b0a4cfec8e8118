# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender scene of a shot: one head mesh, one hair mesh, camera, lights, Cycles settings (bpy)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import Glasses, ShotSpec
from backend.training.render.face_paint import paint_face, wrinkle_heights
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
from backend.training.render.passes import VIEW_LAYER
from backend.training.render.scene_light import SceneLight

WRINKLE_DEPTH_DM = 0.014
EYE_TEXTURE_PX = 256
INNER = {  # materials that are a region as a whole: eyeball, inside of the mouth, glasses
    "eye": (1, 0, 0),
    **dict.fromkeys(("mouth", "teeth", "tongue"), (0, 1, 0)),
    **dict.fromkeys(("frame", "lens"), (0, 0, 1)),
}
PASSES = (
    ("coverage", "VALUE"),
    ("face", "VALUE"),
    ("hair", "VALUE"),
    ("reference", "COLOR"),
    ("surface_normal", "COLOR"),
    ("eyes_mouth", "COLOR"),
    ("inner", "COLOR"),
)


def to_blender(points: np.ndarray) -> np.ndarray:
    """Y up, Z towards the camera -> Blender's Z up, the camera on -Y."""
    return np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)


def _node(tree: bpy.types.NodeTree, kind: str, **inputs: object) -> bpy.types.Node:
    node = tree.nodes.new(kind)
    for name, value in inputs.items():
        node.inputs[name.replace("_", " ")].default_value = value
    return node


def _attribute(tree: bpy.types.NodeTree, name: str) -> bpy.types.Node:
    node = tree.nodes.new("ShaderNodeAttribute")
    node.attribute_name = name
    return node


def _data_outputs(tree: bpy.types.NodeTree, inner: tuple[float, float, float] = (0, 0, 0)) -> None:
    """Per-vertex data into render passes: masks, the position in the reference picture, the surface's normal without
    its bumps (the normal pass has them); `inner` marks the whole material as eyeball, inside of the mouth, glasses."""
    for aov, attribute, out, slot in (
        ("coverage", "coverage", "Fac", "Value"),
        ("face", "face", "Fac", "Value"),
        ("hair", "hair", "Fac", "Value"),
        ("reference", "reference", "Vector", "Color"),
        ("eyes_mouth", "eyes_mouth", "Vector", "Color"),
    ):
        node = _aov(tree, aov)
        tree.links.new(_attribute(tree, attribute).outputs[out], node.inputs[slot])
    geometry = tree.nodes.new("ShaderNodeNewGeometry")
    tree.links.new(geometry.outputs["Normal"], _aov(tree, "surface_normal").inputs["Color"])
    _aov(tree, "inner").inputs["Color"].default_value = (*inner, 1)


def _aov(tree: bpy.types.NodeTree, name: str) -> bpy.types.Node:
    node = tree.nodes.new("ShaderNodeOutputAOV")
    node.aov_name = name
    return node


def _material(name: str) -> tuple[bpy.types.Material, bpy.types.Node]:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    _data_outputs(tree, INNER.get(name, (0, 0, 0)))
    return material, next(n for n in tree.nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")


def _set_image(node: bpy.types.Node, name: str, pixels: np.ndarray) -> None:
    """Give a texture node a new float image from [H, W, 4] linear colour, first row at the top.

    A new datablock each time; `render` also drops Cycles' data after the last frame of a shot, or it would keep
    showing the earlier shot's pixels.
    """
    height, width = pixels.shape[:2]
    old = node.image
    node.image = bpy.data.images.new(name, width, height, float_buffer=True, is_data=True)
    node.image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1], dtype=np.float32).ravel())
    node.image.update()
    if old is not None:
        bpy.data.images.remove(old)


def eye_texture(iris: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Sclera, limbal ring, iris fibres and pupil [256, 256, 4], linear; spans 34 mm of the eyeball's front."""
    size = EYE_TEXTURE_PX
    cols, rows = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    radius = np.hypot(cols, rows) * 17.0  # mm
    angle = np.arctan2(rows, cols)
    fibres = sum(np.sin(angle * k + rng.uniform(0, 6.3)) * rng.uniform(0.3, 1) for k in (17, 29, 43, 61))
    iris_mm, pupil_mm = rng.uniform(5.6, 6.3), rng.uniform(1.4, 2.8)

    def step(edge: float, soft: float) -> np.ndarray:
        return np.clip((edge - radius) / soft + 0.5, 0, 1)[..., None]

    white = np.array([0.52, 0.48, 0.45]) * np.exp(-0.18 * np.clip(radius / 10 - 0.7, 0, 2))[..., None]
    colour = np.array(iris) * np.exp(0.12 * fibres + 0.7 * (1 - radius / iris_mm))[..., None]
    limbus = np.clip((radius - iris_mm + 1.1) / 1.1, 0, 1)[..., None]
    colour = colour * (1 - 0.65 * limbus)
    result = white + step(iris_mm, 0.6) * (colour - white)
    result = result * (1 - step(pupil_mm, 0.4)) + 0.004 * step(pupil_mm, 0.4)
    return np.concatenate([np.clip(result, 0, 0.8), np.ones((size, size, 1))], -1)


class HeadScene:
    """Built once a process; `set_shot` and `set_frame` only change data, so that rendering starts fast."""

    def __init__(self, assets: HeadAssets, resolution_px: int, samples: int, threads: int):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.assets = assets
        self.topology = head_topology(assets)
        self.scene = bpy.context.scene
        self._settings(resolution_px, samples, threads)
        self.materials = self._materials()
        self.head = self._head_mesh()
        self.hair: bpy.types.Object | None = None
        self.strands: bpy.types.Object | None = None
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

    def _materials(self) -> dict[str, bpy.types.Material]:
        found: dict[str, bpy.types.Material] = {}
        self.bsdf: dict[str, bpy.types.Node] = {}
        for name in (*MATERIALS, "hair"):
            found[name], self.bsdf[name] = _material(name)
        found["strands"] = self._strand_material()
        for name, roughness in (("frame", 0.3), ("lens", 0.05)):
            found[name], self.bsdf[name] = _material(name)
            self.bsdf[name].inputs["Roughness"].default_value = roughness
        self.bsdf["lens"].inputs["Base Color"].default_value = (0.01, 0.01, 0.012, 1)
        self._skin_material(found["skin"].node_tree)
        eye = found["eye"].node_tree
        texture = eye.nodes.new("ShaderNodeTexImage")
        texture.extension = "EXTEND"
        self.eye_texture = texture
        eye.links.new(texture.outputs["Color"], self.bsdf["eye"].inputs["Base Color"])
        fixed = {
            "mouth": ((0.40, 0.13, 0.11), 0.35),
            "teeth": ((0.80, 0.74, 0.63), 0.25),
            "tongue": ((0.46, 0.15, 0.14), 0.35),
            "lash": ((0.015, 0.01, 0.008), 0.6),
            "eye": (None, 0.06),
            "hair": ((0.1, 0.1, 0.1), 0.42),
        }
        for name, (colour, roughness) in fixed.items():
            self.bsdf[name].inputs["Roughness"].default_value = roughness
            if colour:
                self.bsdf[name].inputs["Base Color"].default_value = (*colour, 1)
        self.bsdf["hair"].inputs["Specular IOR Level"].default_value = 0.25
        self._strand_noise(found["hair"].node_tree, self.bsdf["hair"])
        return found

    def _strand_noise(self, tree: bpy.types.NodeTree, bsdf: bpy.types.Node) -> None:
        """Dark and light streaks that run down the hair."""
        position = _attribute(tree, "rest")
        stretch = _node(tree, "ShaderNodeMapping")
        stretch.inputs["Scale"].default_value = (28.0, 28.0, 2.5)
        noise = _node(tree, "ShaderNodeTexNoise", Scale=1.0, Detail=2.0)
        spread = _node(tree, "ShaderNodeMapRange", From_Min=0.3, From_Max=0.7, To_Min=0.35, To_Max=1.7)
        self.hair_mix = tree.nodes.new("ShaderNodeMix")
        self.hair_mix.data_type, self.hair_mix.blend_type = "RGBA", "MULTIPLY"
        self.hair_mix.inputs[0].default_value = 1.0
        bump = _node(tree, "ShaderNodeBump", Strength=0.5, Distance=0.06)
        links = tree.links
        links.new(position.outputs["Vector"], stretch.inputs["Vector"])
        links.new(stretch.outputs[0], noise.inputs["Vector"])
        links.new(noise.outputs[0], spread.inputs["Value"])
        links.new(spread.outputs[0], self.hair_mix.inputs[7])
        links.new(noise.outputs[0], bump.inputs["Height"])
        links.new(self.hair_mix.outputs[2], bsdf.inputs["Base Color"])
        links.new(bump.outputs[0], bsdf.inputs["Normal"])

    def _skin_material(self, tree: bpy.types.NodeTree) -> None:
        links, bsdf = tree.links, self.bsdf["skin"]
        paint = tree.nodes.new("ShaderNodeTexImage")
        paint.extension = "EXTEND"
        self.paint_texture = paint
        on_front = tree.nodes.new("ShaderNodeMix")
        on_front.data_type = "RGBA"
        links.new(_attribute(tree, "front").outputs["Fac"], on_front.inputs[0])
        links.new(paint.outputs["Color"], on_front.inputs[7])
        self.plain_skin = on_front.inputs[6]
        noise = _node(tree, "ShaderNodeTexNoise", Scale=60.0, Detail=3.0)
        streaks = _node(tree, "ShaderNodeMapping")
        streaks.inputs["Scale"].default_value = (20.0, 20.0, 4.0)
        rest = _attribute(tree, "rest")
        links.new(rest.outputs["Vector"], streaks.inputs["Vector"])
        strand = _node(tree, "ShaderNodeTexNoise", Scale=1.5, Detail=2.0)
        links.new(streaks.outputs[0], strand.inputs["Vector"])
        spread = _node(tree, "ShaderNodeMapRange", From_Min=0.3, From_Max=0.7, To_Min=0.4, To_Max=1.5)
        links.new(strand.outputs[0], spread.inputs["Value"])
        self.scalp_streaks = spread.inputs["To Min"], spread.inputs["To Max"]
        self.scalp_colour = tree.nodes.new("ShaderNodeMix")
        self.scalp_colour.data_type, self.scalp_colour.blend_type = "RGBA", "MULTIPLY"
        self.scalp_colour.inputs[0].default_value = 1.0
        links.new(spread.outputs[0], self.scalp_colour.inputs[7])
        with_scalp = tree.nodes.new("ShaderNodeMix")
        with_scalp.data_type = "RGBA"
        links.new(_attribute(tree, "scalp").outputs["Fac"], with_scalp.inputs[0])
        links.new(on_front.outputs[2], with_scalp.inputs[6])
        links.new(self.scalp_colour.outputs[2], with_scalp.inputs[7])
        # A per-pixel threshold keeps the collar's edge sharp although the mesh is coarse.
        collar = _node(tree, "ShaderNodeMapRange", From_Min=0.42, From_Max=0.58)
        links.new(_attribute(tree, "cloth").outputs["Fac"], collar.inputs["Value"])
        with_cloth = tree.nodes.new("ShaderNodeMix")
        with_cloth.data_type = "RGBA"
        links.new(collar.outputs[0], with_cloth.inputs[0])
        links.new(with_scalp.outputs[2], with_cloth.inputs[6])
        self.cloth_colour = with_cloth.inputs[7]
        links.new(with_cloth.outputs[2], bsdf.inputs["Base Color"])
        bsdf.inputs["Specular IOR Level"].default_value = 0.35
        links.new(rest.outputs["Vector"], noise.inputs["Vector"])
        bump = _node(tree, "ShaderNodeBump", Strength=0.18, Distance=0.02)
        links.new(noise.outputs[0], bump.inputs["Height"])
        links.new(self._wrinkles(tree, bump).outputs[0], bsdf.inputs["Normal"])

    def _wrinkles(self, tree: bpy.types.NodeTree, below: bpy.types.Node) -> bpy.types.Node:
        """A bump over `below`: four painted groups of grooves, each as deep as the frame's expression presses it."""
        links = tree.links
        texture = tree.nodes.new("ShaderNodeTexImage")
        texture.extension = "EXTEND"
        self.wrinkle_texture = texture
        split = tree.nodes.new("ShaderNodeSeparateColor")
        links.new(texture.outputs["Color"], split.inputs[0])
        total, self.wrinkle_depths = None, []
        for output in (*split.outputs, texture.outputs["Alpha"]):
            depth = _node(tree, "ShaderNodeMath")
            depth.operation = "MULTIPLY"
            depth.inputs[1].default_value = 0.0
            links.new(output, depth.inputs[0])
            self.wrinkle_depths.append(depth.inputs[1])
            if total is not None:
                both = _node(tree, "ShaderNodeMath")
                links.new(total, both.inputs[0])
                links.new(depth.outputs[0], both.inputs[1])
                depth = both
            total = depth.outputs[0]
        on_front = _node(tree, "ShaderNodeMath")
        on_front.operation = "MULTIPLY"
        links.new(total, on_front.inputs[0])
        links.new(_attribute(tree, "front").outputs["Fac"], on_front.inputs[1])
        bump = _node(tree, "ShaderNodeBump", Strength=1.0, Distance=WRINKLE_DEPTH_DM)
        bump.invert = True
        links.new(on_front.outputs[0], bump.inputs["Height"])
        links.new(below.outputs[0], bump.inputs["Normal"])
        return bump

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

    def _strand_material(self) -> bpy.types.Material:
        """Hair that scatters along its strands, darker and lighter from strand to strand."""
        material = bpy.data.materials.new("strands")
        material.use_nodes = True
        tree = material.node_tree
        _data_outputs(tree)
        principled = next(n for n in tree.nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")
        tree.nodes.remove(principled)
        output = next(n for n in tree.nodes if n.bl_idname == "ShaderNodeOutputMaterial")
        hair = _node(tree, "ShaderNodeBsdfHairPrincipled", Roughness=0.32, Radial_Roughness=0.55)
        hair.parametrization = "COLOR"
        self.strand_colour = tree.nodes.new("ShaderNodeMix")
        self.strand_colour.data_type, self.strand_colour.blend_type = "RGBA", "MULTIPLY"
        self.strand_colour.inputs[0].default_value = 1.0
        links = tree.links
        links.new(_attribute(tree, "shade").outputs["Fac"], self.strand_colour.inputs[7])
        links.new(self.strand_colour.outputs[2], hair.inputs["Color"])
        links.new(hair.outputs[0], output.inputs["Surface"])
        return material

    def _set_strands(self, strands: Strands | None, colour: tuple[float, float, float]) -> None:
        if self.strands is not None:
            data = self.strands.data
            bpy.data.objects.remove(self.strands)
            bpy.data.hair_curves.remove(data)
            self.strands = None
        if strands is None:
            return
        number, points = strands.radius.shape
        data = bpy.data.hair_curves.new("strands")
        data.add_curves([points] * number)
        for name, values in (
            ("radius", strands.radius.ravel()),
            ("shade", np.repeat(strands.shade, points)),
            ("coverage", np.ones(number * points)),
            ("face", np.zeros(number * points)),
            ("hair", np.ones(number * points)),
        ):
            attribute = data.attributes.get(name) or data.attributes.new(name, "FLOAT", "POINT")
            attribute.data.foreach_set("value", values.astype(np.float32))
        data.attributes.new("reference", "FLOAT_VECTOR", "POINT")
        data.materials.append(self.materials["strands"])
        self.strand_colour.inputs[6].default_value = (*colour, 1)
        self.strands = bpy.data.objects.new("strands", data)
        self.scene.collection.objects.link(self.strands)

    def set_strands_frame(self, points: np.ndarray, places: np.ndarray) -> None:
        """Strand points [N, K, 3] in the camera's frame (dm), their places in the reference picture [N * K, 3]."""
        assert self.strands is not None
        data = self.strands.data
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
        frame = self.bsdf["frame"].inputs
        frame["Base Color"].default_value = (*look.colour, 1)
        frame["Metallic"].default_value = 1.0 if look.metallic else 0.0
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
    ) -> None:
        """Paint, colours, lights, camera and the hair mesh's topology of a shot."""
        rng = np.random.default_rng([shot.seed, 5])
        _set_image(self.paint_texture, "paint", paint_face(self.assets, shot).rgba)
        _set_image(self.eye_texture, "eye", eye_texture(shot.iris, rng))
        _set_image(self.wrinkle_texture, "wrinkles", wrinkle_heights(shot.seed))
        self.wrinkle_texture.image.alpha_mode = "CHANNEL_PACKED"
        self.plain_skin.default_value = (*shot.skin, 1)
        self.bsdf["skin"].inputs["Roughness"].default_value = shot.skin_roughness
        self.cloth_colour.default_value = (*shot.cloth, 1)
        self.hair_mix.inputs[6].default_value = (*shot.hair_colour, 1)
        covered = shot.headwear_colour if shot.headwear != "none" else shot.hair_colour
        self.scalp_colour.inputs[6].default_value = (*covered, 1)
        streaks = (0.4, 1.5) if shot.headwear == "none" else (0.88, 1.12)  # cloth has no strands
        for socket, value in zip(self.scalp_streaks, streaks, strict=True):
            socket.default_value = value
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
        self._set_strands(strands, shot.hair_colour)
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
        for socket, depth in zip(self.wrinkle_depths, wrinkles, strict=True):
            socket.default_value = depth
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
