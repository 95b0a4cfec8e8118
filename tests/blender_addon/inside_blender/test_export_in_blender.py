# SPDX-License-Identifier: GPL-3.0-or-later
"""Every export format written from a small relief and read back: size, closedness, colour; and what stays as it was."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
import trimesh
from PIL import Image

from blender_addon.core.jobs import FrameResult

SIZE_MM = 40.0
LEFT, RIGHT = (200, 60, 40), (40, 80, 200)
BASE = (128, 128, 64)


@pytest.fixture
def head(addon, tmp_path: Path):
    """A half ball of 16 px radius: red on the picture's left, blue on its right."""
    from blender_addon.core import arrays
    from blender_addon.scene import importing

    y, x = np.mgrid[:48, :40].astype(np.float32) + 0.5
    radius = np.hypot(x - 20, y - 24) / 16
    depth = np.where(radius < 1, 60 * np.sqrt(np.maximum(0, 1 - radius**2)), np.nan).astype(np.float32)
    rgb = np.empty((48, 40, 3), np.uint8)
    rgb[:, :20], rgb[:, 20:] = LEFT, RIGHT
    coverage = (radius < 1).astype(np.float32)
    result = FrameResult(arrays.write_png(rgb), depth, coverage, 5.0, {})
    described = importing.Description("ball", "Ball", "import", "", {})
    item = importing.import_result(bpy.context.scene, result, described)
    chosen = bpy.context.scene.portrait_relief_export
    chosen.size_mm, chosen.relief_height_mm, chosen.base_mm, chosen.border_mm = SIZE_MM, 6.0, 2.0, 4.0
    chosen.target_faces, chosen.base_colour = 6000, [part / 255 for part in BASE]
    chosen.shape = "OVAL"
    return item


def export(tmp_path: Path, name: str, file_format: str) -> Path:
    bpy.context.scene.portrait_relief_export.format = file_format
    assert bpy.ops.portrait_relief.export_relief(filepath=str(tmp_path / name)) == {"FINISHED"}
    (path,) = (file for file in tmp_path.iterdir() if file.stem == name and file.suffix != ".mtl")
    return path


def loaded(path: Path) -> Any:
    """A mesh; how trimesh describes its looks differs from format to format."""
    mesh = trimesh.load(path, force="mesh", process=False)
    assert isinstance(mesh, trimesh.Trimesh)
    return mesh


def closed(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Merged by place: files with pictures split vertices where their UVs differ."""
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    whole.merge_vertices(digits_vertex=5)
    return whole


def texture_at(picture: Image.Image, uv: np.ndarray) -> np.ndarray:
    pixels = np.asarray(picture.convert("RGB"))
    column = (uv[:, 0] * pixels.shape[1]).astype(int).clip(0, pixels.shape[1] - 1)
    row = ((1 - uv[:, 1]) * pixels.shape[0]).astype(int).clip(0, pixels.shape[0] - 1)
    return pixels[row, column]


def assert_coloured(places: np.ndarray, colours: np.ndarray) -> None:
    """places [N, 2]: x to the right and height above the bed in mm; colours uint8 [N, 3]."""
    upper = places[:, 1] > 5.0  # well above the plate
    left, right = upper & (places[:, 0] < -3), upper & (places[:, 0] > 3)
    assert left.sum() > 50 and right.sum() > 50
    assert np.abs(colours[left].astype(int) - LEFT).max() <= 3
    assert np.abs(colours[right].astype(int) - RIGHT).max() <= 3
    plate = places[:, 1] < 0.5
    assert np.abs(colours[plate].astype(int) - BASE).max() <= 3


@pytest.mark.parametrize("shape", ["OUTLINE", "RECTANGLE", "OVAL", "MEDALLION"])
def test_stl_of_every_base_is_closed_and_of_the_wanted_size(head, tmp_path: Path, shape: str):
    bpy.context.scene.portrait_relief_export.shape = shape
    mesh = loaded(export(tmp_path, "ball", "STL"))
    mesh.merge_vertices()
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0 and mesh.body_count == 1
    assert max(mesh.extents[:2]) == pytest.approx(SIZE_MM, abs=0.15)
    assert mesh.extents[2] == pytest.approx(8.0, abs=0.05)
    assert len(mesh.faces) == pytest.approx(6000, rel=0.08)


def test_obj_lies_flat_in_mm_and_its_picture_beside_it(head, tmp_path: Path):
    path = export(tmp_path, "ball", "OBJ")
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [
        "ball-texture.png",
        "ball.mtl",
        "ball.obj",
    ]
    mesh = loaded(path)
    assert closed(mesh).is_watertight
    np.testing.assert_allclose(mesh.extents, [SIZE_MM, SIZE_MM, 8.0], atol=0.5)
    picture = mesh.visual.material.image
    assert_coloured(mesh.vertices[:, [0, 2]], texture_at(picture, np.asarray(mesh.visual.uv)))


def test_ply_has_a_colour_a_vertex_and_stays_closed(head, tmp_path: Path):
    mesh = loaded(export(tmp_path, "ball", "PLY"))
    assert mesh.is_watertight
    assert max(mesh.extents[:2]) == pytest.approx(SIZE_MM, abs=0.15)
    assert_coloured(mesh.vertices[:, [0, 2]], mesh.visual.vertex_colors[:, :3])


@pytest.mark.parametrize("file_format", ["STL", "PLY"])
def test_blenders_importers_read_what_is_written_here(head, tmp_path: Path, file_format: str):
    path = export(tmp_path, "ball", file_format)
    assert getattr(bpy.ops.wm, f"{file_format.lower()}_import")(filepath=str(path)) == {"FINISHED"}
    item = bpy.context.object
    assert item.name == "ball" and len(item.data.polygons) == pytest.approx(6000, rel=0.08)
    assert max(item.dimensions) == pytest.approx(SIZE_MM, abs=0.15)
    places = np.empty(3 * len(item.data.vertices), np.float32)
    item.data.vertices.foreach_get("co", places)
    if file_format == "PLY":
        colour = item.data.color_attributes[0].data
        rgba = np.empty(4 * len(colour), np.float32)
        colour.foreach_get("color_srgb", rgba)
        assert len(colour) == len(item.data.vertices)
        colours = np.rint(rgba.reshape(-1, 4)[:, :3] * 255)
        assert_coloured(places.reshape(-1, 3)[:, [0, 2]], colours)


def test_glb_stands_in_metres_with_its_picture_inside(head, tmp_path: Path):
    mesh = loaded(export(tmp_path, "ball", "GLB"))
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["ball.glb"]
    assert closed(mesh).is_watertight
    # glTF: y is up, the front looks along +z.
    np.testing.assert_allclose(mesh.extents, [0.04, 0.04, 0.008], atol=0.0005)
    picture = mesh.visual.material.baseColorTexture
    assert_coloured(1000 * mesh.vertices[:, [0, 2]], texture_at(picture, np.asarray(mesh.visual.uv)))


@pytest.mark.parametrize("colour", ["TEXTURE", "VERTEX", "NONE"])
def test_3mf_is_read_back_by_its_specification(head, tmp_path: Path, colour: str):
    bpy.context.scene.portrait_relief_export.colour_3mf = colour
    path = export(tmp_path, "ball", "3MF")
    core = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
    extension = "{http://schemas.microsoft.com/3dmanufacturing/material/2015/02}"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        root = ElementTree.fromstring(archive.read("3D/3dmodel.model"))
        png = archive.read("3D/Textures/picture.png") if colour == "TEXTURE" else b""
    assert root.attrib["unit"] == "millimeter"
    points = np.array([[float(v.attrib[a]) for a in "xyz"] for v in root.iter(f"{core}vertex")])
    faces = list(root.iter(f"{core}triangle"))
    corners = np.array([[int(face.attrib[f"v{k}"]) for k in (1, 2, 3)] for face in faces])
    mesh = trimesh.Trimesh(points, corners, process=False)
    assert mesh.is_watertight and mesh.volume > 0
    assert max(mesh.extents[:2]) == pytest.approx(SIZE_MM, abs=0.15)
    if colour == "NONE":
        assert "p1" not in faces[0].attrib
        return
    used = np.array([[int(face.attrib[f"p{k}"]) for k in (1, 2, 3)] for face in faces]).ravel()
    if colour == "TEXTURE":
        listed = root.iter(f"{extension}tex2coord")
        uv = np.array([[float(c.attrib["u"]), float(c.attrib["v"])] for c in listed])
        colours = texture_at(Image.open(io.BytesIO(png)), uv[used])
    else:
        listed = [c.attrib["color"] for c in root.iter(f"{extension}color")]
        colours = np.array([[int(text[k : k + 2], 16) for k in (1, 3, 5)] for text in listed])[used]
    assert_coloured(points[corners.ravel()][:, [0, 2]], colours)


@pytest.mark.parametrize("file_format", ["USD", "USDZ"])
def test_usd_is_read_back_by_blender(head, tmp_path: Path, file_format: str):
    path = export(tmp_path, "ball", file_format)
    assert (tmp_path / "textures" / "ball-texture.png").is_file() == (file_format == "USD")
    known = set(bpy.data.objects)
    bpy.ops.wm.usd_import(filepath=str(path), import_textures_mode="IMPORT_PACK")
    (item,) = (item for item in bpy.data.objects if item not in known and item.type == "MESH")
    bpy.context.view_layer.update()
    mesh = item.data
    points = np.array([item.matrix_world @ vertex.co for vertex in mesh.vertices])
    np.testing.assert_allclose(np.ptp(points, axis=0), [0.04, 0.008, 0.04], atol=0.0005)
    mesh.calc_loop_triangles()
    corners = np.array([tuple(triangle.vertices) for triangle in mesh.loop_triangles])
    assert trimesh.Trimesh(points, corners, process=False).is_watertight
    texture = next(n for n in mesh.materials[0].node_tree.nodes if n.bl_idname == "ShaderNodeTexImage")
    pixels = np.array(texture.image.pixels[:]).reshape(texture.image.size[1], texture.image.size[0], -1)
    picture = Image.fromarray((pixels[::-1, :, :3] * 255 + 0.5).astype(np.uint8))
    uv = np.array([tuple(corner.uv) for corner in mesh.uv_layers.active.data])
    place = points[[loop.vertex_index for loop in mesh.loops]]
    height = place[:, 1].max() - place[:, 1]
    assert_coloured(1000 * np.stack([place[:, 0], height], 1), texture_at(picture, uv))


def test_depth_maps_hold_the_relief_above_its_base(head, tmp_path: Path):
    chosen = bpy.context.scene.portrait_relief_export
    chosen.map_px = 101
    png = Image.open(export(tmp_path, "ball", "PNG"))
    grey = np.asarray(png).astype(float)
    assert grey.shape[1] == 101 and grey.max() == 65535 and grey.min() == 0
    per_inch = png.info["dpi"][0]
    assert 25.4 / per_inch == pytest.approx(SIZE_MM / 100, rel=0.05)
    image = bpy.data.images.load(str(export(tmp_path, "ball2", "EXR")))
    image.colorspace_settings.is_data = True
    height = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], -1)[::-1, :, 0]
    bpy.data.images.remove(image)
    assert height.max() == pytest.approx(6.0, abs=0.05) and height.min() == 0
    np.testing.assert_allclose(grey / 65535 * height.max(), height, atol=1e-3)


def test_the_file_leaves_scene_selection_mode_and_data_as_they_were(head, tmp_path: Path):
    other = bpy.data.objects.new("Other", bpy.data.meshes.new("Other"))
    bpy.context.scene.collection.objects.link(other)
    other.select_set(True)
    bpy.ops.object.mode_set(mode="SCULPT")

    def state() -> tuple:
        data = {name: len(getattr(bpy.data, name)) for name in ("objects", "meshes", "images", "materials")}
        selected = sorted(item.name for item in bpy.context.selected_objects)
        scene = bpy.context.scene
        return data, len(bpy.data.scenes), scene.name, selected, bpy.context.mode, bpy.context.object.name

    before = state()
    for file_format in ("STL", "OBJ", "PLY", "GLB", "USDZ", "3MF", "EXR", "PNG"):
        export(tmp_path, f"from_sculpt_{file_format}", file_format)
        assert state() == before, file_format
    bpy.ops.object.mode_set(mode="OBJECT")


def test_names_get_the_format_s_suffix_and_foreign_files_stay(head, tmp_path: Path):
    photo = tmp_path / "anna.jpg"
    photo.write_bytes(b"a photo")
    chosen = bpy.context.scene.portrait_relief_export
    chosen.format = "STL"
    bpy.ops.portrait_relief.export_relief(filepath=str(photo))
    assert photo.read_bytes() == b"a photo" and (tmp_path / "anna.jpg.stl").is_file()
    (tmp_path / "anna.mtl").write_text("somebody's material")
    chosen.format = "OBJ"
    with pytest.raises(RuntimeError, match=r"anna\.mtl is there already"):
        bpy.ops.portrait_relief.export_relief(filepath=str(tmp_path / "anna.stl"))
    assert (tmp_path / "anna.mtl").read_text() == "somebody's material"
    assert not (tmp_path / "anna.obj").exists()
    assert not list(tmp_path.glob("tmp-*"))
    with pytest.raises(RuntimeError, match="no folder"):
        bpy.ops.portrait_relief.export_relief(filepath=str(tmp_path / "missing" / "anna.obj"))


def test_a_failed_export_leaves_the_old_file_alone(head, tmp_path: Path):
    path = export(tmp_path, "ball", "STL")
    old = path.read_bytes()
    bpy.context.scene.portrait_relief_export.border_mm = 30.0
    with pytest.raises(RuntimeError, match="no room for the relief"):
        bpy.ops.portrait_relief.export_relief(filepath=str(path))
    assert path.read_bytes() == old
    assert bpy.context.scene.portrait_relief_export.report.startswith("Error|")


def test_fix_mends_what_the_report_names(head, tmp_path: Path):
    chosen = bpy.context.scene.portrait_relief_export
    chosen.shape, chosen.base_mm, chosen.hollow, chosen.hollow_wall_mm = "SURFACE", 0.2, True, 0.3
    chosen.bed_mm = (30.0, 25.0, 20.0)
    assert bpy.ops.portrait_relief.check_relief() == {"FINISHED"}
    assert "open edges" in chosen.report and "do not fit the bed" in chosen.report and chosen.can_fix
    assert bpy.ops.portrait_relief.fix_export() == {"FINISHED"}
    assert all(line.startswith("OK|") for line in chosen.report.splitlines()), chosen.report
    mesh = loaded(export(tmp_path, "ball", "STL"))
    mesh.merge_vertices()
    assert mesh.is_watertight and max(mesh.extents) <= 30.0 and min(mesh.extents[:2]) <= 25.0
    chosen.size_mm = 50.0
    assert chosen.report == ""  # it told of other settings


def test_a_surface_keeps_its_picture_and_is_decimated(head, tmp_path: Path):
    chosen = bpy.context.scene.portrait_relief_export
    chosen.shape, chosen.target_faces = "SURFACE", 700
    mesh = loaded(export(tmp_path, "ball", "GLB"))
    assert 500 < len(mesh.faces) <= 700
    assert max(mesh.extents) == pytest.approx(0.04, rel=0.02)
    assert mesh.visual.material.baseColorTexture.size == (40, 48)
