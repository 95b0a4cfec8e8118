# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary STL and PLY files, with numpy: in a thread, where Blender's exporters, which write in one call, hold its
interface up for half a second."""

from __future__ import annotations

import numpy as np

_STL_HEADER = 80
_STL_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_PLY_VERTEX = np.dtype([("place", "<f4", 3), ("colour", "u1", 3)])
_PLY_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])


def write_stl(points: np.ndarray, triangles: np.ndarray, *, application: str) -> bytes:
    """A binary STL file's content (M. Burns, Automated Fabrication, 1993, sec. 6.5), in the points' own unit.

    Args:
        points: float [V, 3]; triangles: int [T, 3], counter-clockwise as seen from outside.
        application: for the header, ASCII; not "solid ...", by which files of text are known.
    """
    records = np.zeros(len(triangles), _STL_RECORD)
    records["corners"] = points[triangles]
    a, b, c = np.moveaxis(records["corners"].astype(np.float64), 1, 0)
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    header = application.encode("ascii")[:_STL_HEADER].ljust(_STL_HEADER)
    return header + np.uint32(len(triangles)).astype("<u4").tobytes() + records.tobytes()


def write_ply(points: np.ndarray, triangles: np.ndarray, colours: np.ndarray, *, application: str) -> bytes:
    """A binary PLY file's content (G. Turk, The PLY Polygon File Format, 1994), in the points' own unit.

    Args:
        points: float [V, 3]; triangles: int [T, 3], counter-clockwise as seen from outside.
        colours: uint8 [V, 3], sRGB.
        application: for a comment, ASCII.
    """
    vertices = np.zeros(len(points), _PLY_VERTEX)
    vertices["place"], vertices["colour"] = points, colours
    faces = np.zeros(len(triangles), _PLY_FACE)
    faces["count"], faces["corners"] = 3, triangles
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"comment {application}\n"
        f"element vertex {len(points)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        f"element face {len(triangles)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    return header.encode("ascii") + vertices.tobytes() + faces.tobytes()
