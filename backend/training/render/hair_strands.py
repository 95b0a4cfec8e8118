# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair as strands: roots on the scalp, grown along a combed direction field, pushed out of the head (numpy only).

Strands are grown once a shot on the neutral head, in its own frame (dm, origin at the head's centre, Y up, Z to the
front), and turn with the head as a rigid body: the scalp hardly moves with the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import STRAND_STYLES, ShotSpec, StrandStyle
from backend.training.render.geometry import hairline, head_topology, lattice_noise, vertex_normals
from backend.training.render.identity import Identity

CLUMPS = 260
LEAST_DENSITY = 0.08
SURFACE_DM = 0.12  # within this height over the skin strands follow the comb; above it they hang
# No strand in front of the eyes, nose and mouth: half width, height over the eyes and depth (dm) of that box.
FREE_HALF_WIDTH_DM, FREE_ABOVE_EYES_DM, FREE_FRONT_DM = 0.60, 0.24, 0.45
_STIFFNESS = 0.5  # share of the wanted direction that a strand takes on at each point


@dataclass(frozen=True)
class Strands:
    """Attributes:
    points: [N, K, 3] dm in the neutral head's frame.
    radius: [N, K] dm.
    shade: [N] factor of the hair colour.
    """

    points: np.ndarray
    radius: np.ndarray
    shade: np.ndarray


@dataclass(frozen=True)
class NeutralHead:
    """What strands grow on: refined vertices [R, 3] (dm), unit normals [R, 3], quads [Q, 4], hair density [R] 0..1 and
    the eyes' height."""

    positions: np.ndarray
    normals: np.ndarray
    quads: np.ndarray
    density: np.ndarray
    eyes_dm: float


def strands_of(assets: HeadAssets, identity: Identity, shot: ShotSpec) -> Strands | None:
    """The shot's strands on its neutral head; None for other hair."""
    if shot.strand_style is None:
        return None
    topology = head_topology(assets)
    head = topology.operator @ identity.vertices
    eyes = [identity.vertices[assets.groups[f"joint-{side}-eye"]].mean(0)[1] for side in "lr"]
    density = hairline(shot, topology)
    normals = vertex_normals(head, topology.quads)
    return grow(shot, NeutralHead(head, normals, topology.quads, density, float(np.mean(eyes))))


def grow(shot: ShotSpec, head: NeutralHead) -> Strands | None:
    """Strands of the shot's style; None where it has none or no scalp is left."""
    if shot.strand_style is None:
        return None
    style = STRAND_STYLES[shot.strand_style]
    rng = np.random.default_rng([shot.seed, 8])
    roots, normals = _roots(head, style.count, rng)
    if not len(roots):
        return None
    length = shot.strand_length_dm * np.clip(rng.normal(1, style.unevenness, len(roots)), 0.35, 1.5)
    points = _grow(head, roots, normals, length, style, shot, rng)
    points = _clumped(points, style.clumping, rng)
    points = _curled(points, style, shot, rng)
    clearance = rng.uniform(0.01, style.volume_dm, len(roots)) ** 1.2
    surface = KDTree(head.positions)
    for number in range(1, points.shape[1]):
        points[:, number] = _pushed_out(head, surface, points[:, number], clearance)
    hem = None
    if shot.strand_hem_dm is not None:
        hem = (
            head.eyes_dm
            + shot.strand_hem_dm
            + rng.normal(0, 0.06, len(roots))
            + 0.08 * lattice_noise(roots, rng, 3.0)
        )
    points, cut = _trimmed(points, head.eyes_dm, hem)
    along = np.linspace(0, 1, points.shape[1])
    thickness = style.radius_dm * rng.uniform(0.7, 1.3, len(roots))
    radius = thickness[:, None] * (1 - 0.75 * along**2) * ~cut
    shade = np.exp(rng.normal(0, 0.28, len(roots)) + 0.22 * lattice_noise(roots, rng, 6.0))
    return Strands(points, radius, shade)


def _roots(head: NeutralHead, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random points on the quads, as dense as area and hair density say: positions and normals [N, 3]."""
    quad, shares = drawn_roots(head.positions, head.quads, head.density, count, rng)
    corners = head.quads[quad]
    normal = (head.normals[corners] * shares[..., None]).sum(1)
    return (head.positions[corners] * shares[..., None]).sum(1), unit(normal)


def drawn_roots(
    positions: np.ndarray, quads: np.ndarray, density: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Quads [N] of vertices [R, 3] and shares of their corners [N, 4], as dense as area and `density` [R] say; less
    than `LEAST_DENSITY` is none. N is 0 where nothing grows, else `count`."""
    p = positions[quads]
    area = np.linalg.norm(np.cross(p[:, 2] - p[:, 0], p[:, 3] - p[:, 1]), axis=1)
    weight = area * np.maximum(density[quads].mean(1) - LEAST_DENSITY, 0)
    total = weight.sum()
    if total < 1e-6:
        return np.zeros(0, np.int64), np.zeros((0, 4))
    quad = rng.choice(len(weight), count, p=weight / total)
    u, v = rng.random((2, count))
    return quad, np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Of length 1 along the last axis."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _comb(points: np.ndarray, style: StrandStyle, shot: ShotSpec, fringe: np.ndarray) -> np.ndarray:
    """Which way hair is combed at points [N, 3]: unit vectors [N, 3], not yet along the skin."""
    x, y, z = points.T
    side = np.tanh((x - shot.strand_part_dm) / 0.18)
    ones = np.ones_like(x)
    forward = np.stack([0.25 * side, -0.5 * ones, ones], 1)
    back = np.stack([0.35 * side * (z < 0.4), -0.25 * ones - 0.4 * (y < 0), -ones], 1)
    parted = np.stack(
        [0.9 * side * (np.abs(x) < 0.6) + 0.15 * side, -0.75 * ones, -0.28 * ones + 0.25 * (z < 0)], 1
    )
    up = np.stack([0.2 * side, 0.6 * ones, 0.1 * ones], 1)
    chosen = {"forward": forward, "back": back, "part": parted, "up": up}[style.comb]
    falls_forward = np.stack([0.35 * side, -0.8 * ones, 0.9 * ones], 1)
    return unit(np.where(fringe[:, None], falls_forward, chosen))


def _grow(
    head: NeutralHead,
    roots: np.ndarray,
    normals: np.ndarray,
    length: np.ndarray,
    style: StrandStyle,
    shot: ShotSpec,
    rng: np.random.Generator,
) -> np.ndarray:
    """The strands' middle lines [N, K, 3], before clumps and curls."""
    surface = KDTree(head.positions)
    fringe = (roots[:, 2] > 0.55) & (roots[:, 1] > head.eyes_dm + 0.35) & shot.strand_fringe
    length = np.where(fringe, np.minimum(length, 0.62), length)
    step = length / (style.points - 1)
    wild = np.stack([lattice_noise(roots, rng, 4.0) for _ in range(3)], 1) * style.wildness
    wild += rng.normal(0, 0.35 * style.wildness, wild.shape)
    combed = _along(_comb(roots, style, shot, fringe), normals)
    direction = unit(style.lift * normals + (1 - style.lift) * combed + 0.3 * wild)
    clearance = rng.uniform(0.01, style.volume_dm, len(roots))
    points = [roots]
    for number in range(1, style.points):
        place = points[-1]
        near = surface.query(place)[1]
        normal = head.normals[near]
        height = ((place - head.positions[near]) * normal).sum(1, keepdims=True)
        on_skin = np.exp(-np.maximum(height, 0) / SURFACE_DM)
        combed = _along(_comb(place, style, shot, fringe), normal)
        fall = style.gravity * (0.4 + 0.6 * number / style.points) * (1.6 - on_skin)
        wanted = on_skin * combed + 0.25 * direction + np.array([0.0, -1.0, 0.0]) * fall + 0.35 * wild
        direction = unit((1 - _STIFFNESS) * direction + _STIFFNESS * unit(wanted))
        moved = _pushed_out(head, surface, place + step[:, None] * direction, clearance)
        direction = unit(moved - place)
        points.append(place + step[:, None] * direction)
    return np.stack(points, 1)


def _along(vectors: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Vectors made tangent to the surface."""
    return unit(vectors - (vectors * normals).sum(1, keepdims=True) * normals)


def _pushed_out(head: NeutralHead, surface: KDTree, points: np.ndarray, clearance: np.ndarray) -> np.ndarray:
    """Points [N, 3] moved along the nearest vertex's normal until they lie `clearance` [N] over the skin."""
    near = surface.query(points)[1]
    normal = head.normals[near]
    height = ((points - head.positions[near]) * normal).sum(1)
    return points + np.maximum(clearance - height, 0)[:, None] * normal


def _clumped(points: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Strands drawn towards their clump's guide, the more the nearer to the tip."""
    if share <= 0:
        return points
    guides = rng.choice(len(points), min(CLUMPS, len(points)), replace=False)
    guide = guides[KDTree(points[guides, 0]).query(points[:, 0])[1]]
    along = np.linspace(0, 1, points.shape[1])[None, :, None]
    return (
        points
        + share * along**1.3 * (points[guide] - points) * (guide != np.arange(len(points)))[:, None, None]
    )


def _curled(points: np.ndarray, style: StrandStyle, shot: ShotSpec, rng: np.random.Generator) -> np.ndarray:
    """Helices round the middle lines; clumps of neighbours curl alike."""
    if shot.strand_curl_dm <= 0:
        return points
    tangent = unit(np.gradient(points, axis=1))
    first = unit(np.cross(tangent, np.array([0.31, 0.17, 0.94])))
    second = np.cross(tangent, first)
    travelled = np.linalg.norm(np.diff(points, axis=1), axis=2).cumsum(1)
    travelled = np.concatenate([np.zeros((len(points), 1)), travelled], 1)
    phase = 2.2 * lattice_noise(points[:, 0], rng, 7.0) + rng.normal(0, 0.5, len(points))
    angle = phase[:, None] + 2 * np.pi * style.turns_per_dm * travelled
    size = shot.strand_curl_dm * np.clip(travelled / 0.25, 0, 1)
    return points + size[..., None] * (np.cos(angle)[..., None] * first + np.sin(angle)[..., None] * second)


def _trimmed(points: np.ndarray, eyes_dm: float, hem: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Strands end at the hem [N], and where they would come before eyes, nose and mouth.

    Returns:
        points [N, K, 3] and cut [N, K], True from the end on.
    """
    x, y, z = np.moveaxis(points, 2, 0)
    away = (np.abs(x) < FREE_HALF_WIDTH_DM) & (y < eyes_dm + FREE_ABOVE_EYES_DM) & (z > FREE_FRONT_DM)
    if hem is not None:
        away |= y < hem[:, None]
    cut = np.maximum.accumulate(away, axis=1)
    last = np.maximum((~cut).sum(1) - 1, 0)
    ends = points[np.arange(len(points)), last]
    return np.where(cut[..., None], ends[:, None], points), cut
