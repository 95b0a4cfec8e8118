# SPDX-License-Identifier: GPL-3.0-or-later
"""Catmull-Clark subdivision as a sparse matrix, so that positions and attributes are refined alike.

Blender's Subdivision modifier interpolates generic attributes differently from positions; dense motion needs the
reference position of every refined vertex to be exact, so the renderer refines with its own linear operator.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse


def catmull_clark(faces: np.ndarray, vertex_count: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """One level for quads.

    Args:
        faces: [F, 4] vertex indices.
        vertex_count: number of vertices V; unused ones are carried along.

    Returns:
        operator [V + F + E, V] and the refined quads [4 F, 4] (four in a row per original face).
    """
    count, corners = len(faces), faces.shape[1]
    pairs = np.sort(np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2), axis=1)
    edges, edge_of = np.unique(pairs, axis=0, return_inverse=True)
    edge_of = edge_of.reshape(count, corners)
    face_rows = np.repeat(np.arange(count), corners)
    to_face = sparse.csr_matrix(
        (np.full(count * corners, 0.25), (face_rows, faces.ravel())), (count, vertex_count)
    )
    ends = sparse.csr_matrix(
        (np.full(len(edges) * 2, 0.5), (np.repeat(np.arange(len(edges)), 2), edges.ravel())),
        (len(edges), vertex_count),
    )
    edge_faces = sparse.csr_matrix(
        (np.ones(count * corners), (edge_of.ravel(), face_rows)), (len(edges), count)
    )
    face_number = np.asarray(edge_faces.sum(1)).ravel()
    border = face_number < 2
    inner = sparse.diags((~border).astype(float))
    outer = sparse.diags(border.astype(float))
    to_edge = outer @ ends + inner @ (0.5 * ends + 0.25 * edge_faces @ to_face)

    vertex_faces = sparse.csr_matrix(
        (np.ones(count * corners), (faces.ravel(), face_rows)), (vertex_count, count)
    )
    valence = np.maximum(np.asarray(vertex_faces.sum(1)).ravel(), 1)
    vertex_edges = sparse.csr_matrix(
        (np.ones(len(edges) * 2), (edges.ravel(), np.repeat(np.arange(len(edges)), 2))),
        (vertex_count, len(edges)),
    )
    edge_valence = np.maximum(np.asarray(vertex_edges.sum(1)).ravel(), 1)
    on_border = np.asarray((vertex_edges @ border.astype(float)) > 0).ravel()
    identity = sparse.identity(vertex_count)
    smooth = sparse.diags(1 / valence) @ (
        sparse.diags(1 / valence) @ vertex_faces @ to_face
        + 2 * sparse.diags(1 / edge_valence) @ vertex_edges @ ends
        + sparse.diags(valence - 3.0)
    )
    border_edges = vertex_edges @ outer
    border_valence = np.maximum(np.asarray(border_edges.sum(1)).ravel(), 1)
    creased = 0.5 * identity + 0.5 * sparse.diags(1 / border_valence) @ border_edges @ ends
    used = (np.asarray(vertex_faces.sum(1)).ravel() > 0).astype(float)
    to_vertex = (
        sparse.diags(used * ~on_border) @ smooth
        + sparse.diags(used * on_border) @ creased
        + sparse.diags(1 - used)
    )
    operator = sparse.vstack([to_vertex, to_face, to_edge])
    face_point = vertex_count + np.arange(count)
    edge_point = vertex_count + count + edge_of
    quads = np.stack(
        [
            np.stack([faces[:, k], edge_point[:, k], face_point, edge_point[:, k - 1]], axis=1)
            for k in range(corners)
        ],
        axis=1,
    ).reshape(-1, 4)
    return sparse.csr_matrix(operator), quads
