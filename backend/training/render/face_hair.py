# SPDX-License-Identifier: GPL-3.0-or-later
"""Brows and beards as strands that are rooted in the skin and go with the face (numpy only)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import ShotSpec
from backend.training.render.face_paint import (
    EYE_Y_DM,
    SIZE_PX,
    beard_mask,
    brows_of,
    lips_mask,
    to_px,
)
from backend.training.render.geometry import Topology, head_topology, headwear_cover
from backend.training.render.hair_strands import drawn_roots, unit
from backend.training.render.identity import Identity

POINTS = 6
MOUTH_Y_DM = 6.66  # of the base mesh; hair above it is a moustache
# Number, length and radius in dm of the hairs of each beard.
BEARD_HAIRS = {
    "stubble": (5000, (0.012, 0.03), 0.0022),
    "moustache": (900, (0.05, 0.10), 0.0045),
    "goatee": (2200, (0.07, 0.22), 0.0045),
    "full": (7500, (0.08, 0.34), 0.0045),
}
# Of the base mesh: beards end under the chin or at the throat. The painted mask is a projection from the front.
BEARD_ENDS_DM = {"stubble": 5.98, "moustache": 6.3, "goatee": 6.28, "full": 6.0}
BROW_HAIRS = (180, 480)  # at the least and at the greatest weight
BROW_LENGTH_DM, BROW_RADIUS_DM = (0.03, 0.075), 0.0028


@dataclass(frozen=True)
class FaceHair:
    """Hairs on a head's refined quads, with K points each.

    Attributes:
        quad [N], shares [N, 4]: the quad that a hair is rooted in, and where.
        local: [N, K, 3] dm from the root along the quad's first edge, across it and along its normal.
        radius: [N, K] dm.
        shade: [N] factor of the hair colour.
        face: [N] 0..1, how much of the face its skin is.
    """

    quad: np.ndarray
    shares: np.ndarray
    local: np.ndarray
    radius: np.ndarray
    shade: np.ndarray
    face: np.ndarray

    def at(self, positions: np.ndarray, quads: np.ndarray) -> np.ndarray:
        """Points [N, K, 3] on a head of refined vertices [R, 3]."""
        root, axes = _frames(positions, quads[self.quad], self.shares)
        return root[:, None] + self.local @ axes


def _frames(positions: np.ndarray, corners: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Roots [N, 3] and the axes of their quads [N, 3, 3], a row each."""
    p = positions[corners]
    first = unit(p[:, 1] - p[:, 0] + p[:, 2] - p[:, 3])
    normal = unit(np.cross(first, p[:, 3] - p[:, 0] + p[:, 2] - p[:, 1]))
    return (p * shares[..., None]).sum(1), np.stack([first, np.cross(normal, first), normal], 1)


def face_hair_of(assets: HeadAssets, identity: Identity, shot: ShotSpec) -> FaceHair:
    """The brows of a shot, and its beard where it has one, on its neutral head."""
    topology = head_topology(assets)
    head = topology.operator @ identity.vertices
    rng = np.random.default_rng([shot.seed, 17])
    parts = [_brows(topology, head, shot, rng)]
    if shot.beard in BEARD_HAIRS:
        parts.append(_beard(assets, topology, head, shot, rng))
    names = ("quad", "shares", "local", "radius", "shade", "face")
    return FaceHair(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _brows(topology: Topology, head: np.ndarray, shot: ShotSpec, rng: np.random.Generator) -> FaceHair:
    least, most = BROW_HAIRS
    count = 2 * round(least + (most - least) * shot.brow_weight)
    quad, shares = drawn_roots(head, topology.quads, _on_vertices(topology, brows_of(shot)), count, rng)
    place = _at(topology.rest, topology, quad, shares)
    side, along = np.sign(place[:, 0]), np.clip((np.abs(place[:, 0]) - 0.12) / 0.45, 0, 1)
    angle = np.radians(70 - 75 * along + rng.normal(0, 12, count))  # up at the nose, sideways at the temple
    ahead = np.stack([side * np.cos(angle), 0.7 * np.sin(angle), np.zeros(count)], 1)
    length = rng.uniform(*BROW_LENGTH_DM, count)
    return _grown(topology, head, (quad, shares), ahead, length, (0.35, 0.0), BROW_RADIUS_DM, rng)


def _beard(
    assets: HeadAssets,
    topology: Topology,
    head: np.ndarray,
    shot: ShotSpec,
    rng: np.random.Generator,
) -> FaceHair:
    count, lengths, radius = BEARD_HAIRS[shot.beard]
    density = np.clip(_on_vertices(topology, beard_mask(shot.beard, lips_mask(assets))) - 0.15, 0, 1)
    density *= np.where(_is_moustache(topology.rest), 2.5, 1.0)  # thicker than what grows on cheeks
    density *= 1 - headwear_cover(shot, topology)
    density *= np.clip(0.5 + (topology.rest[:, 1] - BEARD_ENDS_DM[shot.beard]) / 0.12, 0, 1)
    quad, shares = drawn_roots(head, topology.quads, density, count, rng)
    place = _at(topology.rest, topology, quad, shares)
    side, moustache = np.tanh(place[:, 0] / 0.1), _is_moustache(place)
    ahead = np.stack([np.where(moustache, 0.9 * side, 0.15 * side), -np.ones(count), np.zeros(count)], 1)
    # The whole beard of a shot is as long as its barber left it, shorter on the cheeks than on the chin.
    shot_length = rng.uniform(*lengths)
    chin = np.clip((MOUTH_Y_DM + 0.15 - place[:, 1]) / 0.3, 0, 1)
    length = shot_length * (0.35 + 0.65 * chin) * rng.uniform(0.6, 1.15, count)
    length = np.where(moustache, np.minimum(length, 0.11), length)
    return _grown(topology, head, (quad, shares), ahead, length, (0.55, 0.35), radius, rng)


def _is_moustache(places: np.ndarray) -> np.ndarray:
    """Which places [N, 3] of the base mesh lie between mouth and nose."""
    x, y, _ = places.T
    return (y > MOUTH_Y_DM + 0.04) & (y < EYE_Y_DM - 0.35) & (np.abs(x) < 0.42)


def _grown(
    topology: Topology,
    head: np.ndarray,
    roots: tuple[np.ndarray, np.ndarray],
    ahead: np.ndarray,
    length: np.ndarray,
    lift_and_fall: tuple[float, float],
    radius: float,
    rng: np.random.Generator,
) -> FaceHair:
    """Hairs of `length` [N] that leave the skin by `lift` of its normal towards `ahead` [N, 3], and bend down by `fall`
    of their length."""
    quad, shares = roots
    lift, fall = lift_and_fall
    count = len(quad)
    root, axes = _frames(head, topology.quads[quad], shares)
    normal = axes[:, 2]
    along_skin = unit(ahead - (ahead * normal).sum(1, keepdims=True) * normal)
    start = unit(along_skin + lift * normal + rng.normal(0, 0.16, (count, 3)))
    t = np.linspace(0, 1, POINTS)[None, :, None]
    bend = -fall * t**2 * np.array([0.0, 1.0, 0.0])
    world = length[:, None, None] * (t * start[:, None] + bend)
    local = np.einsum("nkc,nac->nka", world, axes)
    local[..., 2] = np.maximum(local[..., 2], 0.004 * t[..., 0])  # never into the skin
    taper = 1 - 0.7 * t[0, :, 0] ** 2
    shade = np.exp(rng.normal(-0.05, 0.3, count))
    face = (topology.face[topology.quads[quad]] * shares).sum(1)
    return FaceHair(quad, shares, local, radius * rng.uniform(0.7, 1.3, count)[:, None] * taper, shade, face)


def _on_vertices(topology: Topology, mask: np.ndarray) -> np.ndarray:
    """A painted mask [SIZE, SIZE] on the refined vertices [R] of the face's front."""
    x, y = to_px(topology.rest[:, 0], topology.rest[:, 1])
    cols, rows = (np.clip(v.astype(int), 0, SIZE_PX - 1) for v in (x, y))
    return mask[rows, cols] * topology.front * topology.skin


def _at(values: np.ndarray, topology: Topology, quad: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return (values[topology.quads[quad]] * shares[..., None]).sum(1)
