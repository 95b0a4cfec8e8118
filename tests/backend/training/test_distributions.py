# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn: evenly over every axis in the test split, as often as stated in training."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from backend.model.expression_names import ARKIT_NAMES
from backend.training.render.arkit_units import expression_basis, gaze_degrees
from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import (
    AXES,
    HEADWEAR,
    STRAND_STYLES,
    TEST_SEEDS_FROM,
    YAW_LIMIT_DEG,
    axis_draws,
    sample_shot,
)
from backend.training.render.face_paint import WRINKLE_GROUPS, wrinkle_depths, wrinkle_heights
from backend.training.render.frames import (
    FRAMES_PER_SHOT,
    PLAUSIBLE,
    TURNED_FRAME,
    chosen_frames,
    driven_by,
)
from backend.training.render.geometry import head_topology, headwear_cover
from backend.training.render.lighting import LIGHT_KINDS, sample_lights


def test_the_first_hundred_test_shots_cover_every_axis_evenly() -> None:
    draws = np.array([[*axis_draws(TEST_SEEDS_FROM + i).values()] for i in range(100)])
    assert draws.shape == (100, len(AXES))
    for axis, values in zip(AXES, draws.T, strict=True):
        quarters = np.histogram(values, bins=4, range=(0, 1))[0]
        assert quarters.min() >= 23 and quarters.max() <= 27, axis
    shots = [sample_shot(TEST_SEEDS_FROM + i, 0.5, 0.3, []) for i in range(100)]
    kinds = Counter(shot.light_kind for shot in shots)
    assert set(kinds) == set(LIGHT_KINDS) and min(kinds.values()) >= 10
    wide = sum(abs(shot.body_yaw_deg) > YAW_LIMIT_DEG / 2 for shot in shots)
    assert 46 <= wide <= 54
    assert {shot.strand_style for shot in shots} >= set(STRAND_STYLES)
    assert 15 <= sum(shot.glasses is not None for shot in shots) <= 25


def test_training_draws_have_the_stated_shares_and_are_those_of_their_seed() -> None:
    shots = [sample_shot(seed, seed % 2, 0.3, ["long01"]) for seed in range(1200)]
    kinds = Counter(shot.light_kind for shot in shots)
    for kind, share in LIGHT_KINDS.items():
        assert kinds[kind] / len(shots) == pytest.approx(share, abs=0.035), kind
    yaw = np.abs([shot.body_yaw_deg for shot in shots])
    assert np.median(yaw) < 20 and 55 < yaw.max() <= YAW_LIMIT_DEG
    assert set(Counter(shot.headwear for shot in shots)) == set(HEADWEAR)
    assert not any(shot.makeup for shot in shots[1::2]) and any(shot.makeup for shot in shots[::2])
    grey = [
        sum(sample_shot(s, 0.5, age, []).hair_colour[2] > 0.12 for s in range(300)) / 300
        for age in (0.3, 1.0)
    ]
    assert grey[0] < 0.15 < 0.3 < grey[1] < 0.6
    cloth = np.array([shot.cloth for shot in shots])
    colourful = (cloth.max(1) - cloth.min(1)) / cloth.max(1)
    assert 0.1 < (colourful > 0.6).mean() < 0.25 and cloth.min() > 0 and cloth.max() < 0.8
    assert shots[7] == sample_shot(7, 1, 0.3, ["long01"])
    assert axis_draws(TEST_SEEDS_FROM + 5) == axis_draws(TEST_SEEDS_FROM + 5)


def test_one_frame_of_every_shot_turns_the_head_and_nothing_else() -> None:
    for seed in range(50):
        frames = sample_shot(seed, 0.5, 0.3, []).frames
        assert len(frames) == FRAMES_PER_SHOT
        assert frames[TURNED_FRAME].expression == frames[0].expression
        assert np.abs(frames[TURNED_FRAME].head_pose_deg).max() > 0.1


def test_fewer_frames_are_the_reference_and_expressions_of_the_same_shot() -> None:
    for seed in range(20):
        frames = sample_shot(seed, 0.5, 0.5, ["hair"]).frames
        fewer = chosen_frames(frames, 3, seed)
        places = [frames.index(frame) for frame in fewer]
        assert places[0] == 0 and places == sorted(set(places)) and TURNED_FRAME not in places
        assert fewer == chosen_frames(frames, 3, seed)
        assert chosen_frames(frames, FRAMES_PER_SHOT, seed) == frames


def test_frames_driven_to_named_faces_show_these_alone_and_each_as_often() -> None:
    names = ["blink", "wink_left", "jaw_wide"]
    seen = []
    for seed in range(30):
        frames = sample_shot(seed, 0.5, 0.5, []).frames
        driven = driven_by(frames, names, seed)
        assert driven[0] == frames[0] and len(driven) == FRAMES_PER_SHOT
        assert driven == driven_by(frames, names, seed)
        assert all(frame.head_pose_deg == (0, 0, 0) for frame in driven)
        for frame in driven[1:]:
            (name,) = [n for n in names if set(PLAUSIBLE[n]) == set(frame.expression)]
            assert all(0.3 < v / PLAUSIBLE[name][n] < 1.2 for n, v in frame.expression.items())
            seen.append(name)
        assert set(seen[-5:]) == set(names)
    assert max(seen.count(n) for n in names) < 1.4 * min(seen.count(n) for n in names)


def test_references_make_a_named_face_and_half_of_the_frames_keep_it() -> None:
    names, shown = ["blink", "pucker"], ["teeth", "toothy_smile"]
    kept, first = [], []
    for seed in range(60):
        frames = sample_shot(seed, 0.5, 0.5, []).frames
        driven = driven_by(frames, names, seed, shown)
        assert driven == driven_by(frames, names, seed, shown) and len(driven) == FRAMES_PER_SHOT
        (name,) = [n for n in shown if set(PLAUSIBLE[n]) == set(driven[0].expression)]
        first.append(name)
        for frame, alone in zip(driven[1:], driven_by(frames, names, seed)[1:], strict=True):
            assert alone.expression.items() <= frame.expression.items()
            kept.append(frame.expression == driven[0].expression | alone.expression)
            assert kept[-1] or frame == alone
    assert 0.4 < sum(kept) / len(kept) < 0.6
    assert set(first) == set(shown)


def test_each_kind_of_light_comes_from_where_its_name_says() -> None:
    rng = np.random.default_rng(0)
    keys = {kind: [sample_lights(rng, kind)[0][0] for _ in range(60)] for kind in LIGHT_KINDS}
    assert all(light.elevation_deg > 45 for light in keys["top"])
    assert all(light.elevation_deg < 0 for light in keys["low"])
    assert all(abs(light.azimuth_deg) > 40 and light.size_dm <= 2 for light in keys["hard_side"])
    assert all(light.size_dm >= 13 for light in keys["window"])
    assert np.mean([max(light.colour) - min(light.colour) for light in keys["coloured"]]) > 0.5
    overcast = np.mean([sample_lights(rng, "overcast")[1] for _ in range(40)])
    assert overcast > 4 * np.mean([sample_lights(rng, "hard_side")[1] for _ in range(40)])
    with pytest.raises(ValueError, match="moonlight"):
        sample_lights(rng, "moonlight")


def test_every_coefficient_moves_skin_or_eyes_and_lids_follow_the_gaze(assets: HeadAssets) -> None:
    basis = expression_basis(assets).displacements
    for name, row in zip(ARKIT_NAMES, basis, strict=True):
        turns = np.abs([*gaze_degrees({name: 1.0}).values()]).max()
        assert np.abs(row).max() > 0.02 or turns > 10, name
    lids = np.unique(assets.faces[assets.region_faces("eyelids_solid")])
    down, up = (basis[ARKIT_NAMES.index(f"eyeLook{way}Left")][lids, 1] for way in ("Down", "Up"))
    assert down.min() < -0.01 and up.max() > 0.005


def test_headwear_covers_the_crown_and_leaves_the_face(assets: HeadAssets) -> None:
    from dataclasses import replace

    topology = head_topology(assets)
    x, y, z = topology.rest.T
    plain = sample_shot(0, 0.5, 0.5, [])
    crown, nose = y > 8.35, (y > 6.7) & (y < 7.4) & (z > 1.2) & (np.abs(x) < 0.3)
    for kind in HEADWEAR[1:]:
        cover = headwear_cover(replace(plain, headwear=kind), topology)
        assert cover[crown & (topology.skin > 0)].min() > 0.95 and cover[nose].max() == 0, kind
    assert not headwear_cover(replace(plain, headwear="none"), topology).any()


def test_wrinkles_lie_where_they_belong_and_the_expression_presses_them() -> None:
    heights = wrinkle_heights(4)
    assert heights.shape[-1] == len(WRINKLE_GROUPS) and heights.max() > 0.5
    rows = [np.average(np.arange(len(heights)), weights=heights[..., k].sum(1)) for k in range(4)]
    assert rows[0] < rows[3] < rows[1] < rows[2]  # forehead over frown over eyes over mouth
    assert np.array_equal(heights, wrinkle_heights(4))
    still = np.array(wrinkle_depths(0.2, {}))
    raised = np.array(wrinkle_depths(0.2, {"browInnerUp": 1.0}))
    assert raised[0] > still[0] + 0.3 and np.array_equal(raised[1:], still[1:])
    assert np.array(wrinkle_depths(1.0, {})).min() > 0.5
