# SPDX-License-Identifier: GPL-3.0-or-later
"""A relief object and the panel's settings -> a checked piece and its file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..core import export_texture, print_checks, print_solid, temp_files, write_depth_map
from ..core.base_shapes import BaseShape, ExportError, SolidSettings
from ..core.height_grid import ReliefSurface
from ..core.print_checks import Finding, Limits, Severity
from ..core.print_solid import Piece
from ..core.steps import Steps, in_worker
from ..core.wording import worded
from ..translations import say
from . import export_files, export_sources, images, mesh_reading
from .export_files import FORMATS, Contents, Painted


@dataclass(frozen=True)
class HeightMap:
    height_mm: np.ndarray  # float32 [H, W], top row first, above the base
    mm_per_px: tuple[float, float]

    @property
    def size_mm(self) -> tuple[float, float, float]:
        rows, columns = self.height_mm.shape
        return columns * self.mm_per_px[0], rows * self.mm_per_px[1], float(self.height_mm.max())


@dataclass(frozen=True)
class Checked:
    """What would be written, and what there is to say about it."""

    made: Piece | HeightMap
    findings: list[Finding]
    surface: ReliefSurface

    @property
    def summary(self) -> str:
        width, height, depth = self.made.size_mm
        size = f"{width:.1f} x {height:.1f} x {depth:.1f} mm"
        if isinstance(self.made, HeightMap):
            rows, columns = self.made.height_mm.shape
            side_mm, pixels = self.made.mm_per_px[0], f"{columns} x {rows}"
            return say("{size}, {pixels} pixels of {side:.3f} mm", size=size, pixels=pixels, side=side_mm)
        return say("{size}, {count:,} triangles", size=size, count=len(self.made.triangles))


def check_steps(item: bpy.types.Object, chosen) -> Steps[Checked]:
    """Builds the piece and looks at it. `chosen` is the scene's PortraitReliefExport. Raises ExportError.

    All that is needed of the file is read in the first step; only a surface with too many faces needs Blender again.
    """
    settings, limits = chosen.solid_settings(), chosen.limits()
    map_px = chosen.map_px if chosen.format in {"PNG", "EXR"} else 0
    colour = [_colour(item)] if FORMATS[chosen.format].has_colour else []
    read = export_sources.read_surface(item)
    yield
    surface = yield from in_worker(_surface_steps(read))
    if not map_px and settings.shape is BaseShape.SURFACE and len(surface.triangles) > settings.target_faces:
        surface = _decimated(surface, settings.target_faces)
        yield
    return (yield from in_worker(_checked_steps(surface, settings, limits, map_px, colour)))


def _surface_steps(read: export_sources.ReadSurface) -> Steps[ReliefSurface]:
    yield
    return read.surface()


def _checked_steps(
    surface: ReliefSurface, settings: SolidSettings, limits: Limits, map_px: int, colour: list[Finding]
) -> Steps[Checked]:
    """A piece, or a height map of `map_px`, and its findings."""
    yield
    if map_px:
        made = _height_map(surface, settings, map_px)
        yield
        return Checked(made, print_checks.check_height_map(made.size_mm, surface, settings, limits), surface)
    made = print_solid.build(surface, settings, limits.thinnest_mm)
    yield
    findings = print_checks.check_piece(made, surface, settings, limits)
    if colour:
        findings = print_checks.worst_first([*findings, *colour])
    return Checked(made, findings, surface)


def _colour(item: bpy.types.Object) -> Finding:
    image = export_sources.base_colour_image(item)
    width, height = (0, 0) if image is None else images.size_px(image)
    if not width:
        text = "The relief has no picture; the file gets plain base colour."
        return Finding("picture", Severity.WARNING, 0, text)
    return Finding(
        "picture", Severity.OK, width, worded("Picture of {width} x {height} px.", width=width, height=height)
    )


@dataclass(frozen=True)
class Asked:
    """What was asked for when the work began: settings and pictures that are changed meanwhile are not in the file.

    Attributes:
        picture: for `images.read_steps`; None where the format takes none or the relief has none.
        depth: for `images.depth_of_steps`, the imported one of the picture's size; None where it is not there.
    """

    name: str
    format: str
    shape: BaseShape
    base_rgb: tuple[int, int, int]
    colour_3mf: str
    picture: bytes | images.ReadImage | None
    depth: bytes | np.ndarray | None

    def painted(self, piece: Piece, picture: images.ReadImage | None, coverage: np.ndarray | None) -> Painted:
        """The piece with its picture. No bpy."""
        rgb = np.full((8, 8, 3), self.base_rgb, np.uint8) if picture is None else picture.srgb()
        if self.shape is BaseShape.SURFACE:
            uv = np.clip(piece.corner_uv, 0, 1)
        else:
            rgb = export_texture.with_margin(rgb, coverage, self.base_rgb)
            uv = export_texture.uv_with_margin(piece.corner_uv, rgb.shape[1], rgb.shape[0])
        return Painted(self.name, piece, rgb, uv, self.colour_3mf)


def asked(item: bpy.types.Object, chosen) -> Asked:
    """`chosen` is the scene's PortraitReliefExport."""
    red, green, blue = (round(255 * part) for part in chosen.base_colour)
    picture = export_sources.picture(item) if FORMATS[chosen.format].has_colour else None
    return Asked(
        name=item.name,
        format=chosen.format,
        shape=BaseShape(chosen.shape),
        base_rgb=(red, green, blue),
        colour_3mf=chosen.colour_3mf,
        picture=picture,
        depth=None if picture is None else export_sources.depth(item, images.kept_size_px(picture)),
    )


def write_steps(checked: Checked, given: Asked, path: Path) -> Steps[list[Path]]:
    """Writes into a folder beside the target and moves the files over at the end, so that a failure changes nothing.

    Returns the files, the main one first. Raises ExportError, OSError or RuntimeError (Blender's own).
    """
    if not path.parent.is_dir():
        raise ExportError(worded("There is no folder {folder}.", folder=path.parent))
    painted, contents = yield from in_worker(_content_steps(checked.made, given, path.name))
    with temp_files.temporary_folder(path.parent) as folder:
        work = folder / path.name
        for name, content in contents.items():
            yield from temp_files.write_steps(folder / name, content)
        if not work.is_file():
            if painted is None:
                assert isinstance(checked.made, HeightMap)
                export_files.write_exr(checked.made.height_mm, work)
            else:
                writer = FORMATS[given.format].write
                assert writer is not None
                writer(painted, work)
            yield
        if not work.is_file():
            raise ExportError("Blender wrote no file. Its console may tell why.")
        written = sorted(file for file in folder.rglob("*") if file.is_file())
        beside = [path.parent / file.relative_to(folder) for file in written if file != work]
        taken = [file.name for file in beside if file.exists()]
        if taken and not path.exists():  # not of an earlier export of this name
            raise ExportError(
                worded(
                    "{name} is there already and would be overwritten. Choose another name.", name=taken[0]
                )
            )
        for file in beside:
            file.parent.mkdir(exist_ok=True)
            os.replace(folder / file.relative_to(path.parent), file)
        os.replace(work, path)
    return [path, *beside]


def corrected_path(path: Path, file_format: str) -> Path:
    """The path with the format's suffix: another export format's is exchanged, anything else stays in the name."""
    suffix = FORMATS[file_format].suffix
    if path.suffix.lower() == suffix:
        return path
    others = {known.suffix for known in FORMATS.values()}
    return path.with_suffix(suffix) if path.suffix.lower() in others else path.with_name(path.name + suffix)


def _content_steps(
    made: Piece | HeightMap, given: Asked, name: str
) -> Steps[tuple[Painted | None, Contents]]:
    """The painted piece, if it is one, and what can be made of the file called `name` without bpy."""
    yield
    if isinstance(made, HeightMap):
        return None, {} if given.format == "EXR" else {name: _map_png(made, given.name)}
    read = None if given.picture is None else (yield from images.read_steps(given.picture))
    coverage = None if given.depth is None else (yield from images.depth_of_steps(given.depth))[1]
    painted = given.painted(made, read, coverage)
    yield
    contents = FORMATS[given.format].contents
    return painted, {} if contents is None else contents(painted, name)


def _height_map(surface: ReliefSurface, settings: SolidSettings, map_px: int) -> HeightMap:
    spacing = settings.size_mm / max(map_px - 1, 1)
    field = print_solid.heights(surface, settings, spacing)
    above = np.where(field.inside >= 0, field.top - settings.base_mm, 0.0)
    steps = field.grid.steps
    # The grid has room beside the piece where its edge is cut out; the map ends with the piece.
    within_x = np.abs(field.grid.x) <= field.frame.half_width_mm + 1e-6 * settings.size_mm
    within_y = np.abs(field.grid.y) <= field.frame.half_height_mm + 1e-6 * settings.size_mm
    above = above[np.ix_(within_y, within_x)]
    return HeightMap(above[::-1].astype(np.float32), (float(steps[0]), float(steps[1])))


def _map_png(made: HeightMap, name: str) -> bytes:
    width, height, depth = made.size_mm
    texts = {
        "Title": name,
        "Software": "Portrait Relief",
        "Description": f"{width:.2f} x {height:.2f} mm; black is 0 mm, white {depth:.3f} mm above the base",
    }
    grey = write_depth_map.heights_to_grey(made.height_mm, 0.0, depth)
    return write_depth_map.write_grey_png(grey, made.mm_per_px, texts)


def _decimated(surface: ReliefSurface, target_faces: int) -> ReliefSurface:
    """By Blender's Decimate modifier on an object that is in no scene of the user's."""
    scene = bpy.data.scenes.new("portrait_relief_export")
    mesh = bpy.data.meshes.new("portrait_relief_export")
    item = bpy.data.objects.new("portrait_relief_export", mesh)
    try:
        mesh.from_pydata(surface.points.tolist(), [], surface.triangles.tolist())
        layer = mesh.uv_layers.new(do_init=False)
        layer.uv.foreach_set("vector", surface.uv[surface.triangles].astype(np.float32).ravel())
        scene.collection.objects.link(item)
        modifier = item.modifiers.new("Decimate", "DECIMATE")
        modifier.ratio = target_faces / len(surface.triangles)
        view_layer = scene.view_layers[0]
        view_layer.update()
        evaluated = item.evaluated_get(view_layer.depsgraph)
        made = evaluated.to_mesh()
        read = mesh_reading.read(made, made.uv_layers.active)
        return ReliefSurface(read.positions, read.triangles(), read.vertex_uv(0.5))
    finally:
        bpy.data.batch_remove([item, mesh, scene])
