# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a piece in each format: what needs no Blender as bytes, for a thread; the rest by Blender's own exporters.

These see the piece in a scene of its own: nothing of the user's scene, selection or mode is touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..core import arrays, export_texture
from ..core.base_shapes import ExportError
from ..core.print_solid import Piece
from ..core.write_3mf import write_3mf
from ..core.write_glb import write_glb
from ..core.write_meshes import write_ply, write_stl
from . import material as materials

METRES_PER_MM = 0.001
_APPLICATION = "Portrait Relief"
_MARK = "portrait_relief_export"


@dataclass(frozen=True)
class Painted:
    """A piece with its picture: `picture` uint8 [H, W, 3], top row first, and the UVs [T, 3, 2] that belong to it."""

    name: str
    piece: Piece
    picture: np.ndarray
    corner_uv: np.ndarray
    colour_3mf: str  # "TEXTURE" | "VERTEX" | "NONE"

    def vertex_colours(self) -> np.ndarray:
        return export_texture.vertex_colours(
            self.picture,
            self.piece.triangles,
            self.corner_uv,
            self.piece.smooth,
            len(self.piece.points),
        )


# Files' contents by their names beside the main file, and by the main one's own where all of it is made here.
Contents = dict[str, bytes]


@dataclass(frozen=True)
class FileFormat:
    """Attributes:
    contents: files' contents, without bpy.
    write: Blender's exporter, which finds those files beside its own; None where there is nothing left to do, and for
        depth maps, which are no piece.
    """

    suffix: str
    contents: Callable[[Painted, str], Contents] | None = None
    write: Callable[[Painted, Path], None] | None = None
    has_colour: bool = False


def _texture_name(name: str) -> str:
    return f"{Path(name).stem}-texture.png"


def _texture(painted: Painted, name: str) -> Contents:
    return {_texture_name(name): arrays.write_png(painted.picture)}


@contextlib.contextmanager
def _own_scene(painted: Painted, *, upright_metres: bool, texture: Path) -> Iterator[None]:
    """A scene with the piece alone, as Blender's context; it and all that is in it are gone afterwards."""
    scene = bpy.data.scenes.new(_MARK)
    scene.unit_settings.scale_length = 1.0
    made: list[bpy.types.ID] = []
    windows = bpy.context.window_manager.windows
    window = bpy.context.window or (windows[0] if windows else None)  # the exporters want one
    shown = window.scene if window is not None else None
    try:
        mesh = _mesh(painted, upright_metres)
        made.append(mesh)
        image = bpy.data.images.load(str(texture), check_existing=False)
        made.append(image)
        look = materials.make(painted.name, image)
        made.append(look)
        mesh.materials.append(look)
        item = bpy.data.objects.new(painted.name, mesh)
        made.append(item)
        scene.collection.objects.link(item)
        layer = scene.view_layers[0]
        item.select_set(True, view_layer=layer)
        layer.objects.active = item
        layer.update()
        own = bpy.context.temp_override(
            scene=scene, view_layer=layer, active_object=item, object=item, selected_objects=[item]
        )
        # Apart: a window named together with another scene crashes Blender in sculpt mode.
        with bpy.context.temp_override(window=window), own:
            yield
    finally:
        if window is not None and window.scene != shown:
            window.scene = (
                shown  # the glTF exporter shows each scene that it writes, and this one is about to go
            )
        bpy.data.batch_remove([*made, scene])


def _mesh(painted: Painted, upright_metres: bool) -> bpy.types.Mesh:
    piece = painted.piece
    points = piece.points
    if upright_metres:  # facing the front view, as the relief itself does
        points = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1) * METRES_PER_MM
    mesh = bpy.data.meshes.new(painted.name)
    count = len(piece.triangles)
    mesh.vertices.add(len(points))
    mesh.loops.add(3 * count)
    mesh.polygons.add(count)
    mesh.attributes["position"].data.foreach_set("vector", points.astype(np.float32).ravel())
    mesh.attributes[".corner_vert"].data.foreach_set("value", piece.triangles.astype(np.int32).ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(count, dtype=np.int32) * 3)
    layer = mesh.uv_layers.new(name="UVMap", do_init=False)
    layer.uv.foreach_set("vector", painted.corner_uv.astype(np.float32).ravel())
    mesh.update(calc_edges=True)
    mesh.polygons.foreach_set("use_smooth", piece.smooth)
    return mesh


def _stl(painted: Painted, name: str) -> Contents:
    piece = painted.piece
    return {name: write_stl(piece.points, piece.triangles, application=_APPLICATION)}


def _ply(painted: Painted, name: str) -> Contents:
    # Without UVs: they would split the vertices and open the mesh.
    piece, colours = painted.piece, painted.vertex_colours()
    return {name: write_ply(piece.points, piece.triangles, colours, application=_APPLICATION)}


def _write_obj(painted: Painted, path: Path) -> None:
    with _own_scene(painted, upright_metres=False, texture=path.parent / _texture_name(path.name)):
        bpy.ops.wm.obj_export(
            filepath=str(path),
            check_existing=False,
            export_materials=True,
            path_mode="STRIP",  # the picture lies beside it already
            forward_axis="Y",
            up_axis="Z",
        )


def _glb(painted: Painted, name: str) -> Contents:
    piece = painted.piece
    content = write_glb(
        piece.points * METRES_PER_MM,  # lying on its back with z up is standing with y up
        piece.triangles,
        painted.corner_uv,
        piece.smooth,
        arrays.write_png(painted.picture),
        name=painted.name,
        generator=_APPLICATION,
    )
    return {name: content}


def _write_usd(painted: Painted, path: Path) -> None:
    if "usd_export" not in dir(bpy.ops.wm):  # Linux distributions' own builds
        raise ExportError("This Blender was built without USD. Choose GLB.")
    folder = path.parent / "picture"
    folder.mkdir()
    texture = (path.parent / _texture_name(path.name)).rename(folder / _texture_name(path.name))
    known = bpy.ops.wm.usd_export.get_rna_type().properties.keys()
    # 4.2 has a switch where later versions have an enum.
    textures = (
        {"export_textures_mode": "NEW"} if "export_textures_mode" in known else {"export_textures": True}
    )
    with _own_scene(painted, upright_metres=True, texture=texture):
        bpy.ops.wm.usd_export(
            filepath=str(path),
            check_existing=False,
            export_animation=False,
            export_materials=True,
            generate_preview_surface=True,
            relative_paths=True,
            convert_orientation=True,
            export_global_forward_selection="NEGATIVE_Z",
            export_global_up_selection="Y",
            convert_world_material=False,
            **textures,
        )
    texture.unlink()
    folder.rmdir()


def _3mf(painted: Painted, name: str) -> Contents:
    chosen = painted.colour_3mf
    texture = arrays.write_png(painted.picture) if chosen == "TEXTURE" else b""
    content = write_3mf(
        painted.piece.points,
        painted.piece.triangles,
        name=painted.name,
        application=_APPLICATION,
        corner_uv=painted.corner_uv if chosen == "TEXTURE" else None,
        texture_png=texture,
        colours=painted.vertex_colours() if chosen == "VERTEX" else None,
    )
    return {name: content}


FORMATS: dict[str, FileFormat] = {
    "STL": FileFormat(".stl", _stl),
    "3MF": FileFormat(".3mf", _3mf, has_colour=True),
    "OBJ": FileFormat(".obj", _texture, _write_obj, has_colour=True),
    "PLY": FileFormat(".ply", _ply, has_colour=True),
    "GLB": FileFormat(".glb", _glb, has_colour=True),
    "USD": FileFormat(".usdc", _texture, _write_usd, has_colour=True),
    "USDZ": FileFormat(".usdz", _texture, _write_usd, has_colour=True),
    "PNG": FileFormat(".png"),
    "EXR": FileFormat(".exr"),
}


def write_exr(height_mm: np.ndarray, path: Path) -> None:
    """float [H, W] in mm, top row first -> a 32-bit EXR whose R, G and B are all the height."""
    height, width = height_mm.shape
    image = bpy.data.images.new(_MARK, width, height, alpha=False, float_buffer=True, is_data=True)
    try:
        pixels = np.ones((height, width, 4), np.float32)
        pixels[:, :, :3] = height_mm[::-1, :, None]
        image.pixels.foreach_set(pixels.ravel())
        image.filepath_raw = str(path)
        image.file_format = "OPEN_EXR"
        image.save()
    finally:
        bpy.data.images.remove(image)
