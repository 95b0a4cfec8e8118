# SPDX-License-Identifier: GPL-3.0-or-later
"""Brows and beards: rooted in the skin, clear of lips and eyes, and carried by the face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import BEARDS, ShotSpec, sample_shot
from backend.training.render.encoding import decode_light, decode_region
from backend.training.render.face_hair import BEARD_ENDS_DM, BEARD_HAIRS, FaceHair, face_hair_of
from backend.training.render.frames import FrameSpec
from backend.training.render.geometry import head_topology, vertex_normals
from backend.training.render.identity import Identity, sample_identity
from backend.training.render.posing import pose_vertices


@pytest.fixture(scope="module")
def identity(assets: HeadAssets) -> Identity:
    return sample_identity(assets, 7)


def bearded(beard: str) -> ShotSpec:
    return replace(sample_shot(7, 0.9, 0.4, []), beard=beard, brow_weight=0.5)


def on_neutral_head(assets: HeadAssets, identity: Identity, hair: FaceHair) -> tuple[np.ndarray, np.ndarray]:
    """(hairs' points [N, K, 3], refined vertices [R, 3])."""
    topology = head_topology(assets)
    head = topology.operator @ identity.vertices
    return hair.at(head, topology.quads), head


@pytest.mark.parametrize("beard", BEARDS)
def test_hairs_are_rooted_in_the_skin_and_lie_over_it(
    assets: HeadAssets, identity: Identity, beard: str
) -> None:
    hair = face_hair_of(assets, identity, bearded(beard))
    assert len(hair.quad) == 2 * 330 + (BEARD_HAIRS[beard][0] if beard in BEARD_HAIRS else 0)
    points, head = on_neutral_head(assets, identity, hair)
    assert np.isfinite(points).all() and (hair.radius > 0).all()
    normals = vertex_normals(head, head_topology(assets).quads)
    surface = KDTree(head)
    away, near = surface.query(points[:, 0])
    assert (
        np.percentile(away, 99) < 0.08 and away.max() < 0.2
    )  # the refined mesh's edges are some 0.05 dm long
    height = ((points[:, -1] - head[near]) * normals[near]).sum(1)
    assert np.median(height) > 0.002 and (height > -0.03).mean() > 0.98
    assert hair.face.min() >= 0 and np.median(hair.face[: 2 * 330]) == 1  # brows


@pytest.mark.parametrize("beard", BEARDS[1:])
def test_beards_end_at_the_throat(assets: HeadAssets, identity: Identity, beard: str) -> None:
    hair = face_hair_of(assets, identity, bearded(beard))
    topology = head_topology(assets)
    root = (topology.rest[topology.quads[hair.quad]] * hair.shares[..., None]).sum(1)
    assert root[2 * 330 :, 1].min() > BEARD_ENDS_DM[beard] - 0.15


def test_the_beard_hangs_with_the_jaw_and_the_brows_rise(assets: HeadAssets, identity: Identity) -> None:
    hair = face_hair_of(assets, identity, bearded("full"))
    topology = head_topology(assets)
    rest, head = on_neutral_head(assets, identity, hair)
    moved = hair.at(
        topology.operator
        @ pose_vertices(
            assets, identity, {"jawOpen": 1.0, "browInnerUp": 1.0, "browOuterUpLeft": 1.0}, (0, 0, 0)
        ),
        topology.quads,
    )
    change = (moved - rest).mean(1)
    brow = np.arange(len(hair.quad)) < 2 * 330
    _, height, front = rest[:, 0].T
    chin = (
        ~brow & (height < np.median(height[~brow])) & (front > np.percentile(front[~brow], 70))
    )  # not the throat
    assert change[chin, 1].mean() < -0.05 and change[brow, 1].mean() > 0.02
    lengths = [np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1) for points in (rest, moved)]
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-3)  # hairs are carried, not stretched


def test_a_dark_beard_is_seen(assets: HeadAssets, tmp_path: Path) -> None:
    """It was painted, and lost in the skin's shine, until it got hairs."""
    import json

    from backend.training.render.shot import ShotRenderer

    renderer = ShotRenderer(assets, 96, 8, threads=1)
    beards: dict[str, np.ndarray] = {}

    def brightness(beard: str) -> np.ndarray:
        path = tmp_path / f"{beard}.npz"

        def change(shot: ShotSpec) -> ShotSpec:
            return replace(
                shot, frames=[FrameSpec({}, (0.0, 0.0, 0.0))], body_yaw_deg=0.0, camera_pitch_deg=0.0,
                camera_roll_deg=0.0, beard=beard, hair_colour=(0.012, 0.01, 0.01), headwear="none",
                glasses=None, skin=(0.4, 0.25, 0.18), span_mm=420.0, offset=(0.0, 0.0),
            )  # fmt: skip

        renderer.render(5, path, change=change)
        with np.load(path) as shot:
            light = json.loads(str(shot["parameters"]))["light"]
            groups = [
                decode_light(shot["light"][0, number], light["scale"][number]) * light["own"][number]
                for number in range(len(light["own"]))
            ]
            marks = json.loads(str(shot["parameters"]))["frames"][0]["regions"]["mouth"]
            hairs = decode_region(shot["regions"][0], "face_hair")
        left, top, right, bottom = (round(96 * share) for share in marks)
        beards[beard] = hairs[bottom:, left:right]
        chin = np.sum(groups, 0)[bottom : bottom + (bottom - top), left:right]
        return chin.mean() / np.median(np.sum(groups, 0)[np.sum(groups, 0) > 0])

    assert brightness("full") < 0.5 * brightness("none")
    assert beards["full"][:10].mean() > 0.5 and not beards["none"].any()
