# SPDX-License-Identifier: GPL-3.0-or-later
"""The refined head mesh of a shot: static topology, regions, shells for hair and beard, projection (numpy only)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from backend.training.render.assets import BODY_VERTICES, CUT_Y_DM, HEAD_HELPERS, HeadAssets
from backend.training.render.distributions import ShotSpec
from backend.training.render.face_paint import (
    X_RANGE_DM,
    Y_RANGE_DM,
)
from backend.training.render.subdivision import catmull_clark

MATERIALS = ("skin", "mouth", "eye", "teeth", "tongue", "lash")
NAPE_DM = 6.3  # hair grows above this base height
SHOULDER_DM = 5.68  # skin below this base height does not count as head
CLOTH_THICKNESS_DM = 0.035
EYE_TEXTURE_SPAN_DM = 0.34


@dataclass(frozen=True)
class Topology:
    """What does not depend on identity: refined quads, materials, texture coordinates, masks on refined vertices."""

    operator: sparse.csr_matrix  # [R, 19158]
    quads: np.ndarray  # [Q, 4]
    material: np.ndarray  # [Q] index into MATERIALS
    rest: np.ndarray  # [R, 3] base mesh, dm
    front_uv: np.ndarray  # [Q, 4, 2]
    front: np.ndarray  # [R] 1 on the front of the head, where the paint is valid
    scalp: np.ndarray  # [R] soft, 1 inside the hairline
    face: np.ndarray  # [R] 1 on the face (brow to chin, in front of the ears)
    skin: np.ndarray  # [R] 1 on skin outside the mouth, 0 on cloth, eyes, teeth


def _smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _mouth_interior(assets: HeadAssets, body_faces: np.ndarray) -> np.ndarray:
    """Body faces behind the lips: the smaller part of the skin that the ring of lip faces cuts off [F] bool."""
    lips = np.zeros(len(assets.faces), bool)
    lips[assets.region_faces("lips_solid")] = True
    rest = np.flatnonzero(body_faces & ~lips)
    vertices = assets.faces[rest]
    rows = np.repeat(np.arange(len(rest)), 4)
    member = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, vertices.ravel())), (len(rest), len(assets.vertices))
    )
    _, label = csgraph.connected_components(member @ member.T, directed=False)
    inside = np.zeros(len(assets.faces), bool)
    centre = assets.vertices[assets.faces].mean(1)
    for part in np.unique(label):
        ids = rest[label == part]
        c = centre[ids].mean(0)
        # The mouth's bag lies behind the lips; everything else that is cut off is skin.
        if len(ids) < 1500 and abs(c[0]) < 0.1 and 6.2 < c[1] < 7.0 and 0.4 < c[2] < 1.5:
            inside[ids] = True
    return inside


@lru_cache(maxsize=2)
def head_topology(assets: HeadAssets) -> Topology:
    """Cut the base mesh above the chest, add eyes, teeth, tongue and lashes, refine once."""
    groups = assets.face_groups
    body = groups == "body"
    above = _above_chest(assets)
    helper = np.isin(groups, HEAD_HELPERS)
    keep = (body & above) | helper
    material = np.zeros(len(assets.faces), int)
    material[_mouth_interior(assets, body & above)] = 1
    for index, part in ((2, "-eye"), (3, "teeth"), (4, "tongue")):
        material[[(part in g) and g.startswith("helper") for g in groups]] = index
    material[["eyelashes" in g for g in groups]] = 5
    operator, quads = catmull_clark(assets.faces[keep], len(assets.vertices))
    # Drop the vertices that no kept face uses, so that Blender never sees the rest of the body.
    used, quads = np.unique(quads, return_inverse=True)
    quads = quads.reshape(-1, 4)
    operator = operator[used]
    rest = operator @ assets.vertices
    base_scalp = np.zeros(len(assets.vertices))
    scalp_faces = assets.faces[assets.region_faces("scalp_solid")]
    base_scalp[np.unique(scalp_faces)] = 1
    # Soften the hairline over the mesh: each pass grows it by half a ring.
    for _ in range(2):
        around = base_scalp[assets.faces].mean(1, keepdims=True)
        total, number = np.zeros(len(base_scalp)), np.zeros(len(base_scalp))
        np.add.at(total, assets.faces, np.broadcast_to(around, assets.faces.shape))
        np.add.at(number, assets.faces, 1.0)
        base_scalp = np.where(number > 0, total / np.maximum(number, 1), base_scalp)
    is_body = np.zeros(len(assets.vertices))
    is_body[:BODY_VERTICES] = 1
    skin = operator @ is_body
    quad_material = np.repeat(material[keep], 4)
    uv = np.stack(
        [
            (rest[:, 0] - X_RANGE_DM[0]) / (X_RANGE_DM[1] - X_RANGE_DM[0]),
            (rest[:, 1] - Y_RANGE_DM[0]) / (Y_RANGE_DM[1] - Y_RANGE_DM[0]),
        ],
        axis=1,
    )[quads]
    for joint, sign in (("joint-l-eye", 1), ("joint-r-eye", -1)):
        middle = assets.vertices[assets.groups[joint]].mean(0)
        eye = (quad_material == 2) & (np.sign(rest[quads].mean(1)[:, 0]) == sign)
        uv[eye] = (rest[quads[eye]][:, :, :2] - middle[:2]) / EYE_TEXTURE_SPAN_DM + 0.5
    on_skin = np.zeros(len(rest))
    on_skin[np.unique(quads[quad_material == 0])] = 1
    on_skin[np.unique(quads[quad_material != 0])] = 0
    face = _smoothstep(rest[:, 2], 0.75, 0.95) * (rest[:, 1] < 7.95) * (rest[:, 1] > 6.05)
    return Topology(
        operator=operator.tocsr(),
        quads=quads,
        material=quad_material,
        rest=rest,
        front_uv=uv,
        front=_smoothstep(rest[:, 2], 0.35, 0.7),
        scalp=np.clip(operator @ base_scalp, 0, 1) * (skin > 0.5),
        face=face,
        skin=on_skin,
    )


@lru_cache(maxsize=2)
def eyes_mouth(assets: HeadAssets) -> np.ndarray:
    """Share [R, 3] of each refined vertex in the regions left eye, right eye (lids, lashes, eyeball) and mouth (lips
    and all behind them), 0..1."""
    masks = np.zeros((len(assets.vertices), 3))
    lids = np.unique(assets.faces[assets.region_faces("eyelids_solid")])
    for column, (side, sign) in enumerate((("l", 1), ("r", -1))):
        masks[lids[sign * assets.vertices[lids, 0] > 0], column] = 1
        for part in ("eye", "eyelashes-1", "eyelashes-2"):
            masks[assets.groups[f"helper-{side}-{part}"], column] = 1
    masks[np.unique(assets.faces[assets.region_faces("lips_solid")]), 2] = 1
    inside = _mouth_interior(assets, (assets.face_groups == "body") & _above_chest(assets))
    masks[np.unique(assets.faces[inside]), 2] = 1
    for part in ("upper-teeth", "lower-teeth", "tongue"):
        masks[assets.groups[f"helper-{part}"], 2] = 1
    return np.clip(head_topology(assets).operator @ masks, 0, 1)


def _above_chest(assets: HeadAssets) -> np.ndarray:
    return assets.vertices[assets.faces][:, :, 1].min(1) > CUT_Y_DM


def vertex_normals(positions: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [R, 3]."""
    p = positions[quads]
    normal = np.cross(p[:, 2] - p[:, 0], p[:, 3] - p[:, 1])
    total = np.zeros_like(positions)
    for corner in range(4):
        np.add.at(total, quads[:, corner], normal)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)


def lattice_noise(points: np.ndarray, rng: np.random.Generator, frequency: float) -> np.ndarray:
    """Smooth noise at points [N, 3] as a sum of random plane waves; about unit variance."""
    total = np.zeros(len(points))
    for _ in range(12):
        direction = rng.normal(0, frequency, 3)
        total += np.sin(points @ direction + rng.uniform(0, 2 * np.pi))
    return total / np.sqrt(6.0)


def hairline(shot: ShotSpec, topology: Topology) -> np.ndarray:
    """Hair density on refined vertices [R] in 0..1: the scalp with an uneven, per-shot edge."""
    if shot.hair_style == "bald":
        return np.zeros(len(topology.rest))
    rng = np.random.default_rng([shot.seed, 6])
    edge = 0.38 + 0.10 * lattice_noise(topology.rest, rng, 5.0) + rng.uniform(-0.12, 0.18)
    # The region's own edge lies just over the brows; foreheads are higher, and bare as far as the temples.
    x, y, z = topology.rest.T
    line = shot.hairline_dm - 0.22 * (np.abs(x) / 0.6) ** 2 - 0.55 * _smoothstep(np.abs(x), 0.52, 0.74)
    line = line + 0.03 * lattice_noise(topology.rest, rng, 9.0)
    forehead = _smoothstep(z, 0.55, 0.8) * _smoothstep(line - y, -0.05, 0.05)
    on_head = y > NAPE_DM  # the region's faces have a few strays on the shoulders
    return _smoothstep(topology.scalp - edge, -0.15, 0.15) * (1 - forehead) * on_head


def clothing(shot: ShotSpec, topology: Topology) -> tuple[np.ndarray, np.ndarray]:
    """Cloth share [R] and head coverage [R], both 0..1: the collar's line is tilted, lower in front, and rises
    over the shoulders, which would look out of a low neckline as patches of skin."""
    rest = topology.rest
    below = shot.neckline_dm - 0.10 * np.abs(rest[:, 0]) - 0.18 * (rest[:, 2] - 0.2) - rest[:, 1]
    below += 0.7 * _smoothstep(np.abs(rest[:, 0]), 0.85, 1.25)
    cloth = np.clip(0.5 + below / 0.12, 0, 1) * topology.skin
    shoulder = np.clip(0.5 + (SHOULDER_DM - rest[:, 1]) / 0.12, 0, 1)
    return cloth, 1 - np.maximum(cloth, shoulder)


def headwear_cover(shot: ShotSpec, topology: Topology) -> np.ndarray:
    """Share [R] of each refined vertex that lies under a beanie or a headscarf, 0..1."""
    x, y, z = topology.rest.T
    if shot.headwear == "beanie":
        edge = shot.headwear_edge_dm - 0.12 * (1.3 - z)  # lower at the nape, above the ears
        return _smoothstep(y - edge, -0.025, 0.025) * topology.skin
    if shot.headwear == "scarf":
        lift = shot.headwear_edge_dm - 7.72
        oval = np.sqrt((x / 0.66) ** 2 + ((y - 7.05 - lift) / 0.86) ** 2)
        outside_face = np.maximum(_smoothstep(oval, 0.97, 1.03), 1 - _smoothstep(z, 0.25, 0.45))
        return outside_face * (y > NAPE_DM - 0.5) * topology.skin
    return np.zeros(len(y))


@dataclass(frozen=True)
class Shells:
    """Outward displacement [R] in dm that turns the scalp into hair, and skin into clothes."""

    thickness: np.ndarray


def hair_shells(assets: HeadAssets, shot: ShotSpec) -> Shells:
    """Volume for shell hair, headwear and clothes; zero where there is none."""
    topology = head_topology(assets)
    rng = np.random.default_rng([shot.seed, 4])
    thickness = np.zeros(len(topology.rest))
    thickness += CLOTH_THICKNESS_DM * clothing(shot, topology)[0]
    scalp = hairline(shot, topology)
    if shot.hair_style == "shell":
        shape = (
            0.75
            + 0.22 * lattice_noise(topology.rest, rng, 2.0)
            + 0.10 * lattice_noise(topology.rest, rng, 9.0)
        )
        lift = 1.0 + rng.uniform(-0.3, 0.8) * _smoothstep(topology.rest[:, 1], 7.6, 8.4)
        thickness += shot.hair_length_dm * scalp * np.clip(shape, 0.2, 1.6) * lift
    elif shot.hair_style in ("buzz", "mesh", "strands"):
        thickness += 0.02 * scalp
    if shot.headwear != "none":
        folds = (
            0.8 + 0.2 * lattice_noise(topology.rest, rng, 5.0) + 0.1 * lattice_noise(topology.rest, rng, 12.0)
        )
        depth_dm = {"beanie": 0.10, "scarf": 0.07}[shot.headwear]
        thickness += depth_dm * headwear_cover(shot, topology) * np.clip(folds, 0.3, 1.5)
    return Shells(thickness)


def project(points: np.ndarray, shot: ShotSpec) -> np.ndarray:
    """Camera-frame points [N, 3] (dm, Y up, Z towards the camera) -> [N, 3]: u, v in 0..1 (v down) and z in dm."""
    distance, span = shot.distance_mm / 100, shot.span_mm / 100
    scale = distance / (distance - points[:, 2]) / span
    u = 0.5 + shot.offset[0] + points[:, 0] * scale
    v = 0.5 + shot.offset[1] - points[:, 1] * scale
    return np.stack([u, v, points[:, 2]], axis=1)
