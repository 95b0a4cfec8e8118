# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a relief as .blend, .glb and .stl, and checks that a .glb carries its texture."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import bpy

METRES_TO_MM = 1000.0  # slicers read STL as millimetres


def select_only(relief: bpy.types.Object) -> None:
    for other in bpy.context.view_layer.objects:
        other.select_set(other == relief)
    bpy.context.view_layer.objects.active = relief


def write_glb(relief: bpy.types.Object, path: Path) -> None:
    """Raises RuntimeError where the file has no texture inside."""
    select_only(relief)
    # Without export_apply a displacement that is a modifier is left out, and the relief is flat.
    bpy.ops.export_scene.gltf(
        filepath=str(path), export_format="GLB", use_selection=True, export_apply=True, export_yup=True
    )
    problem = missing_texture(path)
    if problem:
        raise RuntimeError(f"{path.name} has lost its texture: {problem}")


def write_stl(relief: bpy.types.Object, path: Path) -> None:
    """Millimetres of an average-sized head."""
    select_only(relief)
    bpy.ops.wm.stl_export(
        filepath=str(path), export_selected_objects=True, apply_modifiers=True, global_scale=METRES_TO_MM
    )


def write_blend(path: Path) -> None:
    """Saves the open scene with its pictures packed."""
    bpy.ops.file.pack_all()
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)


def missing_texture(path: Path) -> str:
    """What keeps the .glb's first material from showing a picture inside the file; empty if nothing."""
    content = path.read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    scene = json.loads(content[20 : 20 + length])
    materials, textures, images = (scene.get(name, []) for name in ("materials", "textures", "images"))
    if not materials:
        return "no material"
    texture = materials[0].get("pbrMetallicRoughness", {}).get("baseColorTexture")
    if texture is None:
        return "the material has no base colour texture"
    image = images[textures[texture["index"]]["source"]]
    return "" if "bufferView" in image else "the picture is outside the file"
