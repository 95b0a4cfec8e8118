# SPDX-License-Identifier: GPL-3.0-or-later
"""STL and PLY files, read back by trimesh."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import trimesh

from blender_addon.core.write_meshes import write_ply, write_stl

POINTS = np.array([[0, 0, 0], [30.5, 0, 0], [0, 20.25, 0], [0, 0, 10.125]])
TRIANGLES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def read(content: bytes, kind: str) -> Any:
    """A mesh; how trimesh describes its looks differs from format to format."""
    mesh = trimesh.load(io.BytesIO(content), file_type=kind, force="mesh", process=False)
    assert isinstance(mesh, trimesh.Trimesh)
    return mesh


def test_stl_has_every_triangle_with_its_normal() -> None:
    content = write_stl(POINTS, TRIANGLES, application="Portrait Relief")
    assert len(content) == 84 + 50 * len(TRIANGLES) and not content.startswith(b"solid")
    mesh = read(content, "stl")
    np.testing.assert_allclose(mesh.vertices.reshape(-1, 3, 3), POINTS[TRIANGLES], atol=1e-6)
    stored = np.frombuffer(content[84:], np.uint8).reshape(-1, 50)[:, :12].copy().view("<f4")
    np.testing.assert_allclose(stored, mesh.face_normals, atol=1e-6)
    mesh.merge_vertices()
    assert mesh.is_watertight and mesh.volume > 0


def test_a_triangle_without_area_has_no_normal_and_harms_no_other() -> None:
    flat = np.array([[0, 1, 1], *TRIANGLES])
    content = write_stl(POINTS, flat, application="Portrait Relief")
    normals = np.frombuffer(content[84:], np.uint8).reshape(-1, 50)[:, :12].copy().view("<f4")
    assert np.array_equal(normals[0], (0, 0, 0))
    np.testing.assert_allclose(np.linalg.norm(normals[1:], axis=1), 1, atol=1e-6)


def test_ply_has_every_vertex_once_with_its_colour() -> None:
    colours = np.array([[255, 0, 1], [2, 250, 3], [4, 5, 245], [9, 8, 7]], np.uint8)
    mesh = read(write_ply(POINTS, TRIANGLES, colours, application="Portrait Relief"), "ply")
    np.testing.assert_allclose(mesh.vertices, POINTS, atol=1e-6)
    assert np.array_equal(mesh.faces, TRIANGLES) and mesh.is_watertight
    assert np.array_equal(mesh.visual.vertex_colors[:, :3], colours)
