# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as arrays, and what takes long to make of it: to be read in one go and worked on in a thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PlainMesh:
    """Attributes:
    positions: float32 [V, 3]; corner_vertex: int32 [L], faces one after another; face_start: int32 [F].
    corner_uv: float32 [L, 2], None without a UV map.
    known_triangles: int32 [T, 3] of a mesh that has faces with more than four corners, which `triangles` cannot cut.
    """

    positions: np.ndarray
    corner_vertex: np.ndarray
    face_start: np.ndarray
    corner_uv: np.ndarray | None
    known_triangles: np.ndarray | None = None

    def triangles(self) -> np.ndarray:
        """int32 [T, 3], face by face, as Blender cuts them: from the first corner to the third, unless the face is
        concave there."""
        if self.known_triangles is not None:
            return self.known_triangles
        corners = np.diff(self.face_start, append=len(self.corner_vertex))
        first = np.cumsum(corners - 2) - (corners - 2)
        out = np.empty((int((corners - 2).sum()), 3), np.int32)
        three, four = corners == 3, corners == 4
        out[first[three]] = self.corner_vertex[self.face_start[three][:, None] + np.arange(3)]
        quads = self.corner_vertex[self.face_start[four][:, None] + np.arange(4)]
        flip = self._is_concave(quads)[:, None]
        at = first[four]
        out[at] = np.where(flip, quads[:, [0, 1, 3]], quads[:, [0, 1, 2]])
        out[at + 1] = np.where(flip, quads[:, [1, 2, 3]], quads[:, [0, 2, 3]])
        return out

    def _is_concave(self, quads: np.ndarray) -> np.ndarray:
        """bool [Q]: whether the second and the fourth corner lie on the same side of the diagonal."""
        corner = [self.positions[quads[:, index]] for index in range(4)]
        to_second, diagonal, to_fourth = (corner[index] - corner[0] for index in (1, 2, 3))
        return (np.cross(to_second, diagonal) * np.cross(to_fourth, diagonal)).sum(1) > 0

    def vertex_uv(self, missing: float) -> np.ndarray:
        """float32 [V, 2], of one of each vertex's corners; a relief's agree."""
        return spread_to_vertices(self.corner_uv, self.corner_vertex, len(self.positions), missing)


def spread_to_vertices(
    corner_uv: np.ndarray | None, corner_vertex: np.ndarray, vertices: int, missing: float
) -> np.ndarray:
    """Corners' UVs float32 [L, 2] -> float32 [V, 2]: those of each vertex's last corner."""
    out = np.full((vertices, 2), missing, np.float32)
    if corner_uv is not None:  # u and v as one number: in a third of the time
        out.view(np.int64)[:, 0][corner_vertex] = np.ascontiguousarray(corner_uv).view(np.int64)[:, 0]
    return out
