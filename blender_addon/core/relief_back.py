# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies behind a relief: walls along its outline and a flat back, or these on a plate as large as the photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .relief import ReliefMesh

OPEN, SOLID, PLATE = "OPEN", "SOLID", "PLATE"


def with_back(
    relief: ReliefMesh, kind: str, thickness_mm: float, photo_mm: tuple[float, float, float, float]
) -> ReliefMesh:
    """The relief as a closed body whose back lies `thickness_mm` behind its lowest point.

    A plate is a second closed body of that thickness under it; the first one ends in the middle of it, so that slicers
    join the two.

    Args:
        kind: OPEN (returned as it is), SOLID or PLATE.
        photo_mm: left, right, bottom, top of the photo in the relief's own millimetres.
    """
    if kind == OPEN:
        return relief
    lowest_mm = float(relief.depth_mm.min())
    below_mm = thickness_mm if kind == SOLID else thickness_mm / 2
    solid = _solid(relief, lowest_mm - below_mm)
    if kind == SOLID:
        return solid
    return _on_plate(solid, photo_mm, lowest_mm, lowest_mm - thickness_mm)


def _solid(relief: ReliefMesh, back_mm: float) -> ReliefMesh:
    count = len(relief.x_mm)
    quads, triangles = _blocks(relief)
    first, second = _outline(count, quads, triangles)
    # A wall's face runs against the edge of the surface that it continues.
    walls = np.stack([second, first, first + count, second + count], 1)
    back = [quads[:, ::-1] + count, triangles[:, ::-1] + count]
    return replace(
        relief,
        x_mm=np.tile(relief.x_mm, 2),
        z_mm=np.tile(relief.z_mm, 2),
        depth_mm=np.concatenate([relief.depth_mm, np.full(count, back_mm, np.float32)]),
        uv=np.tile(relief.uv, (2, 1)),
        front_vertices=count,
        **_faces([quads, back[0], walls], [triangles, back[1]]),
    )


def _on_plate(
    relief: ReliefMesh, photo_mm: tuple[float, float, float, float], front_mm: float, back_mm: float
) -> ReliefMesh:
    left, right, bottom, top = photo_mm
    count = len(relief.x_mm)
    across, up = np.array([left, right, right, left] * 2), np.array([bottom, bottom, top, top] * 2)
    uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)] * 2, np.float32)
    front = np.array([[0, 1, 2, 3]])
    sides = np.array([[k, k + 4, (k + 1) % 4 + 4, (k + 1) % 4] for k in range(4)])
    quads, triangles = _blocks(relief)
    return replace(
        relief,
        x_mm=np.concatenate([relief.x_mm, across]).astype(np.float32),
        z_mm=np.concatenate([relief.z_mm, up]).astype(np.float32),
        depth_mm=np.concatenate([relief.depth_mm, [front_mm] * 4, [back_mm] * 4]).astype(np.float32),
        uv=np.concatenate([relief.uv, uv]),
        **_faces([quads, count + np.concatenate([front, front[:, ::-1] + 4, sides])], [triangles]),
    )


def _blocks(relief: ReliefMesh) -> tuple[np.ndarray, np.ndarray]:
    """The faces' corners: quads [Q, 4] and triangles [T, 3]."""
    sizes = np.diff(relief.face_start, append=len(relief.corner_vertex))
    split = 4 * int((sizes == 4).sum())
    return relief.corner_vertex[:split].reshape(-1, 4), relief.corner_vertex[split:].reshape(-1, 3)


def _faces(quads: list[np.ndarray], triangles: list[np.ndarray]) -> dict[str, np.ndarray]:
    four, three = np.concatenate(quads), np.concatenate(triangles)
    return {
        "corner_vertex": np.concatenate([four.ravel(), three.ravel()]).astype(np.int32),
        "face_start": np.concatenate(
            [np.arange(len(four)) * 4, 4 * len(four) + np.arange(len(three)) * 3]
        ).astype(np.int32),
    }


def _outline(count: int, quads: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the edges that only one face has, in that face's direction."""
    first = np.concatenate([quads.ravel(), triangles.ravel()]).astype(np.int64)
    second = np.concatenate([np.roll(quads, -1, 1).ravel(), np.roll(triangles, -1, 1).ravel()]).astype(
        np.int64
    )
    alone = ~np.isin(first * count + second, second * count + first)
    return first[alone], second[alone]
