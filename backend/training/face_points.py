# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the canonical face's places lie in a rendered picture: what `FaceFrame` is taught with.

Learned from the losses on motion alone, the face frame put the eyes 13 mm and the mouth further beside where they
were. The renderer's seeds say it exactly: identity, expression, turn and camera are made again, without rendering.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backend.model.modalities import AVERAGE_CROP_SIDE_MM
from backend.training.canonical import canonical_places, front_of_face
from backend.training.render.arkit_units import expression_basis
from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import sample_shot
from backend.training.render.frames import FrameSpec
from backend.training.render.geometry import head_topology, project, vertex_normals
from backend.training.render.identity import head_marks, sample_identity
from backend.training.render.posing import pose_vertices, rotation

COUNT = 256
FACING = 0.1  # least cosine between a point's normal and the camera axis
LEAST_STRENGTH = 0.03  # of the most that any vertex moves
CELL_MM = 8.0
EYE_REACH_DM, EYE_SHARE = 0.22, 4.0
MISMATCH = 2e-3  # of the picture's side: beyond it the shot was rendered from other assets


@dataclass(frozen=True)
class FacePoints:
    """Points of the face in one frame of a shot.

    Attributes:
        canonical: [N, 2] float32 place on the canonical face, in shares of the standard crop (x right, y down).
        place: [N, 2] float32 place in the rendered picture, in shares of it.
        turn: [N, 2, 3] float32, the canonical directions (right, down, nearer) in the picture (right, down), in
            picture sides per canonical crop side.
        facing: [N] float32, 1 where the surface faces the camera (hair and glasses may be before it).
    """

    canonical: np.ndarray
    place: np.ndarray
    turn: np.ndarray
    facing: np.ndarray


@lru_cache(maxsize=2)
def _chosen(assets: HeadAssets) -> tuple[np.ndarray, np.ndarray]:
    """Indices [N] of the refined head's vertices that expressions move, and their canonical places [N, 2]."""
    topology, front = head_topology(assets), np.flatnonzero(front_of_face(assets))
    displacements = expression_basis(assets).displacements  # [51, V, 3]
    strength: np.ndarray = topology.operator[front] @ np.linalg.norm(displacements, axis=2).sum(0)
    moving = strength > LEAST_STRENGTH * strength.max()
    front, strength = front[moving], strength[moving]
    rest = topology.rest[front]
    places = canonical_places(assets, rest)
    # Evenly over the face, whose vertices are densest at the lips; more at the eyes, which are small.
    cells = np.floor(places * AVERAGE_CROP_SIDE_MM / CELL_MM).astype(int)
    _, cell, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    eyes = np.stack([assets.vertices[assets.groups[f"joint-{side}-eye"]].mean(0) for side in "lr"])
    away = np.linalg.norm(rest[:, None, :2] - eyes[None, :, :2], axis=2).min(1)
    share = np.where(away < EYE_REACH_DM, EYE_SHARE, 1.0) / count[cell.ravel()]
    moving = np.random.default_rng(0).choice(len(front), COUNT, replace=False, p=share / share.sum())
    return front[moving], places[moving].astype(np.float32)


def face_points(assets: HeadAssets, parameters: dict[str, Any]) -> list[FacePoints] | None:
    """The points of each frame of the shot with these parameters, or None where it was not made from `assets` by
    today's renderer.

    Args:
        parameters: what the renderer wrote into the shot's file.
    """
    identity = sample_identity(assets, parameters["identity"]["seed"])
    shot = sample_shot(identity.seed, identity.gender, identity.age, assets.hair_names)
    frames = [FrameSpec(f["expression"], tuple(f["head_pose_deg"])) for f in parameters["shot"]["frames"]]
    bases = [pose_vertices(assets, identity, frame.expression, frame.head_pose_deg) for frame in frames]
    turn = rotation(shot.body_yaw_deg, shot.camera_pitch_deg, shot.camera_roll_deg)
    marks = head_marks(assets)
    origin = turn @ bases[0][[marks.crown, marks.chin, marks.brow, marks.back]].mean(0)
    chin = project(bases[0][[marks.chin]] @ turn.T - origin, shot)[0]
    written = parameters["frames"][0]["landmarks"]["chin"]
    if np.abs(chin[:2] - written[:2]).max() > MISMATCH:
        return None
    chosen, canonical = _chosen(assets)
    topology = head_topology(assets)
    found = []
    for frame, base in zip(frames, bases, strict=True):
        head = (topology.operator @ base) @ turn.T
        normals = vertex_normals(head, topology.quads)[chosen]
        points = head[chosen] - origin
        place = project(points, shot)[:, :2]
        nearer = shot.distance_mm / (shot.distance_mm - 100 * points[:, 2])
        total = turn @ rotation(*frame.head_pose_deg)
        axes = np.array([[1.0], [-1.0]]) * total[:2] * np.array([1.0, -1.0, 1.0])  # y runs down on both sides
        scale = nearer * AVERAGE_CROP_SIDE_MM / shot.span_mm
        found.append(
            FacePoints(
                canonical,
                place.astype(np.float32),
                (scale[:, None, None] * axes).astype(np.float32),
                (normals[:, 2] > FACING).astype(np.float32),
            )
        )
    return found
