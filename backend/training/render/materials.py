# SPDX-License-Identifier: GPL-3.0-or-later
"""The materials of a rendered head, from skin to glasses, and the data that each writes beside its colour (bpy)."""

from __future__ import annotations

import bpy
import numpy as np

from backend.training.render.distributions import Glasses, ShotSpec
from backend.training.render.face_paint import HAIR_GLOSS, wrinkle_heights
from backend.training.render.geometry import MATERIALS

WRINKLE_DEPTH_DM = 0.014
EYE_TEXTURE_PX = 256
SKIN_GLOSS = 0.35  # "Specular IOR Level"
STRAND_IOR = 1.3  # a hair's own 1.55 makes black hair silver: what lies between strands is missing here
INNER = {  # materials that are a region as a whole: eyeball, inside of the mouth, glasses
    "eye": (1, 0, 0),
    **dict.fromkeys(("mouth", "teeth", "tongue"), (0, 1, 0)),
    **dict.fromkeys(("frame", "lens"), (0, 0, 1)),
}


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
        ("face_hair", "face_hair", "Fac", "Value"),
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


class HeadMaterials:
    """All materials by name, built once; `set_shot`, `set_glasses` and `set_frame` only change values and images."""

    def __init__(self) -> None:
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
        self._found = found

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
        self._skin_gloss(tree, paint)
        links.new(rest.outputs["Vector"], noise.inputs["Vector"])
        bump = _node(tree, "ShaderNodeBump", Strength=0.18, Distance=0.02)
        links.new(noise.outputs[0], bump.inputs["Height"])
        links.new(self._wrinkles(tree, bump).outputs[0], bsdf.inputs["Normal"])

    def _skin_gloss(self, tree: bpy.types.NodeTree, paint: bpy.types.Node) -> None:
        """Skin shines, painted hair hardly: the paint's fourth channel says how much of it is skin."""
        links = tree.links
        on_front = tree.nodes.new("ShaderNodeMix")
        on_front.inputs[2].default_value = 1.0
        links.new(_attribute(tree, "front").outputs["Fac"], on_front.inputs[0])
        links.new(paint.outputs["Alpha"], on_front.inputs[3])
        hair_free = _node(tree, "ShaderNodeMapRange", To_Min=1.0, To_Max=HAIR_GLOSS)
        links.new(_attribute(tree, "scalp").outputs["Fac"], hair_free.inputs["Value"])
        share = _node(tree, "ShaderNodeMath")
        share.operation = "MULTIPLY"
        links.new(on_front.outputs[0], share.inputs[0])
        links.new(hair_free.outputs[0], share.inputs[1])
        gloss = _node(tree, "ShaderNodeMath")
        gloss.operation = "MULTIPLY"
        gloss.inputs[1].default_value = SKIN_GLOSS
        links.new(share.outputs[0], gloss.inputs[0])
        links.new(gloss.outputs[0], self.bsdf["skin"].inputs["Specular IOR Level"])

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
        hair.inputs["IOR"].default_value = STRAND_IOR
        self.strand_colour = tree.nodes.new("ShaderNodeMix")
        self.strand_colour.data_type, self.strand_colour.blend_type = "RGBA", "MULTIPLY"
        self.strand_colour.inputs[0].default_value = 1.0
        links = tree.links
        links.new(_attribute(tree, "shade").outputs["Fac"], self.strand_colour.inputs[7])
        links.new(self.strand_colour.outputs[2], hair.inputs["Color"])
        links.new(hair.outputs[0], output.inputs["Surface"])
        return material

    def __getitem__(self, name: str) -> bpy.types.Material:
        return self._found[name]

    def set_shot(self, shot: ShotSpec, paint: np.ndarray) -> None:
        """Colours of a shot; `paint` is the face's texture [H, W, 4], linear."""
        rng = np.random.default_rng([shot.seed, 5])
        _set_image(self.paint_texture, "paint", paint)
        self.paint_texture.image.alpha_mode = "CHANNEL_PACKED"
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
        self.strand_colour.inputs[6].default_value = (*shot.hair_colour, 1)

    def set_glasses(self, look: Glasses) -> None:
        """Colour and metal of the frame."""
        frame = self.bsdf["frame"].inputs
        frame["Base Color"].default_value = (*look.colour, 1)
        frame["Metallic"].default_value = 1.0 if look.metallic else 0.0

    def set_frame(self, wrinkles: tuple[float, float, float, float]) -> None:
        """How deep the frame's expression presses each group of wrinkles."""
        for socket, depth in zip(self.wrinkle_depths, wrinkles, strict=True):
            socket.default_value = depth
