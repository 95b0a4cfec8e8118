# SPDX-License-Identifier: GPL-3.0-or-later
"""Strand hair: where it grows, what it leaves free, and that it is rendered with exact motion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from backend.training.dataset import load_shot
from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import STRAND_STYLES, ShotSpec, sample_shot
from backend.training.render.geometry import head_topology, vertex_normals
from backend.training.render.hair_strands import FREE_ABOVE_EYES_DM, Strands, strands_of
from backend.training.render.identity import Identity, sample_identity
from tests.backend.training.conftest import render


@pytest.fixture(scope="module")
def identity(assets: HeadAssets) -> Identity:
    return sample_identity(assets, 3)


def shot_with(style: str) -> ShotSpec:
    """Seed 11 with hair of this style, at the middle of its ranges."""
    kind = STRAND_STYLES[style]
    return replace(
        sample_shot(11, 0.2, 0.3, []),
        hair_style="strands",
        strand_style=style,
        strand_length_dm=float(np.mean(kind.length_dm)),
        strand_curl_dm=float(np.mean(kind.curl_dm)),
        strand_part_dm=0.3,
        strand_fringe=False,
        strand_hem_dm=float(np.mean(kind.hem_dm)) if kind.hem_dm else None,
    )


def grown(assets: HeadAssets, identity: Identity, shot: ShotSpec) -> Strands:
    strands = strands_of(assets, identity, shot)
    assert strands is not None
    return strands


def eyes_dm(assets: HeadAssets, identity: Identity) -> float:
    return float(np.mean([identity.vertices[assets.groups[f"joint-{side}-eye"]].mean(0)[1] for side in "lr"]))


@pytest.mark.parametrize("style", sorted(STRAND_STYLES))
def test_hair_lies_on_the_head_and_leaves_the_face_free(
    assets: HeadAssets, identity: Identity, style: str
) -> None:
    shot = shot_with(style)
    strands = grown(assets, identity, shot)
    count = STRAND_STYLES[style].count
    assert strands.points.shape == (count, STRAND_STYLES[style].points, 3)
    assert np.isfinite(strands.points).all() and (strands.radius >= 0).all()
    shown = strands.points[strands.radius > 0]
    topology = head_topology(assets)
    head = topology.operator @ identity.vertices
    near = KDTree(head).query(shown)[1]
    height = ((shown - head[near]) * vertex_normals(head, topology.quads)[near]).sum(1)
    assert (height < -0.06).mean() < 0.01  # 6 mm: concave places behind the ears and at the neck
    eyes = eyes_dm(assets, identity)
    before_eyes = (
        (np.abs(shown[:, 0]) < 0.55) & (shown[:, 1] < eyes + FREE_ABOVE_EYES_DM - 0.02) & (shown[:, 2] > 0.5)
    )
    assert not before_eyes.any()
    if shot.strand_hem_dm is not None:
        assert (shown[:, 1] > eyes + shot.strand_hem_dm - 0.5).all()
        beside_the_jaw = (np.abs(shown[:, 0]) > 0.55) & (shown[:, 1] < eyes - 0.4)
        assert (beside_the_jaw & (shown[:, 0] > 0)).sum() > 200 and (
            beside_the_jaw & (shown[:, 0] < 0)
        ).sum() > 200


def test_strands_are_the_same_for_the_same_seed_and_differ_for_another(
    assets: HeadAssets, identity: Identity
) -> None:
    shot = shot_with("wavy")
    first, again = grown(assets, identity, shot), grown(assets, identity, shot)
    assert np.array_equal(first.points, again.points) and np.array_equal(first.radius, again.radius)
    other = grown(assets, identity, replace(shot, seed=12))
    assert not np.allclose(first.points, other.points)


def test_bald_and_other_hair_have_no_strands(assets: HeadAssets, identity: Identity) -> None:
    assert strands_of(assets, identity, replace(shot_with("bob"), strand_style=None)) is None
    assert strands_of(assets, identity, replace(shot_with("bob"), hair_style="bald")) is None


def test_women_and_men_wear_different_styles_more_often_but_all_of_them() -> None:
    worn = {
        gender: [sample_shot(s, gender, 0.2, []).strand_style for s in range(600)] for gender in (0.0, 1.0)
    }
    for styles in worn.values():
        assert set(styles) == {None, *STRAND_STYLES}
    assert worn[0.0].count("bob") > 2 * worn[1.0].count("bob") > 0
    assert worn[1.0].count("crop") > 2 * worn[0.0].count("crop") > 0


def test_rendered_strands_are_head_with_depth_and_lead_back_to_the_reference(
    assets: HeadAssets, assets_folder: Path, tmp_path: Path
) -> None:
    def is_long_and_turns(seed: int) -> bool:
        person = sample_identity(assets, seed)
        shot = sample_shot(seed, person.gender, person.age, assets.hair_names)
        turned = max(abs(angle) for frame in shot.frames for angle in frame.head_pose_deg)
        soft_light = shot.light_kind == "overcast"  # hair that turns keeps its shading
        front = abs(shot.body_yaw_deg) < 25
        return shot.strand_style in ("bob", "long", "wavy") and front and soft_light and turned > 5

    seed = next(seed for seed in range(6000, 7000) if is_long_and_turns(seed))
    options = ("--resolution", "128", "--samples", "4", "--processes", "1")
    done = render(assets_folder, tmp_path, "--first-seed", str(seed), "--count", "1", *options)
    assert done.returncode == 0, done.stderr
    shot = load_shot(tmp_path / f"shot_{seed:08d}.npz")
    size = shot.arrays["depth_mm"].shape[1]
    u, v, _ = shot.parameters["frames"][0]["landmarks"]["left_mouth_corner"]
    per_mm = size / shot.span_mm
    # Hair hangs beside the mouth: the row through it is head for more than the 140 mm that a face is wide.
    row = shot.arrays["coverage"][0, int(v * size)] > 128
    assert row.sum() > 165 * per_mm
    covered = (shot.arrays["coverage"][0] > 200) & (shot.arrays["face"][0] < 20)
    assert (shot.arrays["solid"][0][covered] == 1).mean() > 0.95

    grid = (np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5) / size
    angles = [
        np.abs(np.subtract(f["pose_deg"], shot.parameters["frames"][0]["pose_deg"])).max()
        for f in shot.parameters["frames"]
    ]
    frame = int(np.argmax(angles))
    motion = shot.arrays["motion"][frame].astype(np.float32)
    hair = (
        (shot.arrays["visible"][frame] > 0)
        & (shot.arrays["coverage"][frame] > 250)
        & (shot.arrays["face"][frame] < 5)
    )
    assert hair.sum() > 300
    assert np.linalg.norm(motion[hair], axis=1).mean() * size > 1.0  # the hair turns with the head
    place = ((grid + motion) * size).astype(int).clip(0, size - 1)
    now, still = (shot.picture(k)[..., :3].astype(float) for k in (frame, 0))
    found = still[place[..., 1], place[..., 0]]
    assert np.abs(found - now)[hair].mean() < 0.8 * np.abs(still - now)[hair].mean()
