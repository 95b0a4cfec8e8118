# SPDX-License-Identifier: GPL-3.0-or-later
"""Glasses sit before the eyes, on the ears and on one side as on the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import GLASSES_KINDS, Glasses, sample_glasses
from backend.training.render.glasses import GlassesMesh, glasses_of
from backend.training.render.identity import Identity, sample_identity


def glasses(kind: str, tinted: bool = False) -> Glasses:
    width, height, squareness, drop, cat_eye = GLASSES_KINDS[kind]
    return Glasses(kind, width, height, squareness, 0.01, drop, cat_eye, (0.1, 0.1, 0.1), False, tinted)


@pytest.fixture(scope="module")
def people(assets: HeadAssets) -> list[Identity]:
    return [sample_identity(assets, seed) for seed in (1, 2, 3, 4)]


@pytest.mark.parametrize("kind", sorted(GLASSES_KINDS))
def test_rims_stand_before_the_eyes_and_temples_reach_the_ears(
    assets: HeadAssets, people: list[Identity], kind: str
) -> None:
    for person in people:
        made = glasses_of(assets, person, glasses(kind))
        vertices = made.vertices
        assert np.isfinite(vertices).all() and made.faces and max(map(max, made.faces)) == len(vertices) - 1
        for side in "lr":
            ball = person.vertices[assets.groups[f"helper-{side}-eye"]]
            before = np.abs(vertices[:, :2] - ball.mean(0)[:2]).max(1) < 0.35
            rim = vertices[before & (vertices[:, 2] > 0)]
            assert 0.0 < rim[:, 2].max() - ball[:, 2].max() < 0.35  # up to 35 mm before the cornea
            assert rim[:, 1].min() < ball.mean(0)[1] < rim[:, 1].max()
        assert np.ptp(vertices[:, 2]) > 1.0  # temples reach back
        assert 1.2 < np.ptp(vertices[:, 0]) < 2.2


def test_dark_lenses_are_surfaces_inside_the_rims(assets: HeadAssets, people: list[Identity]) -> None:
    clear = glasses_of(assets, people[0], glasses("round"))
    dark = glasses_of(assets, people[0], glasses("round", tinted=True))

    def area(made: GlassesMesh, kind: int) -> float:
        corners = [
            made.vertices[list(face)] for face, k in zip(made.faces, made.material, strict=True) if k == kind
        ]
        return float(sum(0.5 * np.linalg.norm(np.cross(c[1] - c[0], c[2] - c[0])) for c in corners))

    assert area(clear, 1) == 0
    assert area(dark, 1) == pytest.approx(2 * np.pi * 0.23 * 0.22, rel=0.1)  # two ellipses
    assert area(dark, 0) == pytest.approx(area(clear, 0))


def test_a_fifth_wears_them_and_all_kinds_are_worn() -> None:
    draws = np.linspace(0, 1, 3000)
    drawn = [sample_glasses(np.random.default_rng([seed, 11]), draws[seed]) for seed in range(3000)]
    worn = [item for item in drawn if item is not None]
    assert 0.17 < len(worn) / len(drawn) < 0.23
    assert {item.kind for item in worn} == set(GLASSES_KINDS)
    assert any(item.tinted for item in worn) and any(item.metallic for item in worn)
    assert replace(worn[0]) == sample_glasses(np.random.default_rng([0, 11]), 0.0)
