# SPDX-License-Identifier: GPL-3.0-or-later
"""Expression names, validation, masking and dense maps."""

from __future__ import annotations

import math

import pytest
import torch

from backend.errors import InputError
from backend.model.expression import Expression, ExpressionEncoder
from backend.model.expression_names import ARKIT_NAMES, EXPRESSION_NAMES, POSE_NAMES, REGIONS


def test_there_are_51_distinct_coefficients_and_no_tongue() -> None:
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 51
    assert "tongueOut" not in ARKIT_NAMES
    assert sum(len(names) for names in REGIONS.values()) == 51


def test_every_left_coefficient_has_a_right_one() -> None:
    lefts = {name for name in ARKIT_NAMES if name.endswith("Left")}
    assert {name.replace("Left", "Right") for name in lefts} <= set(ARKIT_NAMES)


def test_values_and_pose_land_in_their_columns() -> None:
    values, known = Expression.from_mapping({"jawOpen": 0.5}, {"yaw": -15}).tensors(batch=3)
    jaw, yaw = EXPRESSION_NAMES.index("jawOpen"), EXPRESSION_NAMES.index("yaw")
    assert values.shape == known.shape == (3, 54)
    assert values[2, jaw] == 0.5
    assert values[2, yaw] == -0.5
    assert known[2].sum() == 2
    assert known[2, jaw] == known[2, yaw] == 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"jawopen": 0.5}, "unknown_expression"),
        ({"tongueOut": 0.5}, "unknown_expression"),
        ({"jawOpen": 1.01}, "expression_out_of_range"),
        ({"jawOpen": -0.1}, "expression_out_of_range"),
        ({"jawOpen": math.nan}, "expression_out_of_range"),
        ({"jawOpen": "wide"}, "expression_out_of_range"),
        ({"yaw": 91}, "expression_out_of_range"),
    ],
)
def test_bad_expressions_are_refused_with_a_hint(values: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        Expression.from_mapping(values)
    assert caught.value.code == code
    assert caught.value.hint


@pytest.fixture
def encoder() -> ExpressionEncoder:
    torch.manual_seed(0)
    encoder = ExpressionEncoder(token_dim=16, hidden=32, basis_size=8)
    encoder.set_canonical_basis(torch.randn(51, 3, 8, 8))
    return encoder


def test_unknown_is_not_zero(encoder: ExpressionEncoder) -> None:
    unknown = encoder(*Expression().tensors())
    zero = encoder(*Expression.neutral().tensors())
    assert not torch.allclose(unknown.tokens, zero.tokens)
    assert not torch.equal(unknown.vector, zero.vector)
    assert unknown.maps.abs().max() == 0
    assert zero.maps[:, :4].abs().max() == 0
    assert zero.maps[:, 4:].min() > 0.99


def test_the_value_of_an_unknown_coefficient_is_ignored(encoder: ExpressionEncoder) -> None:
    values, known = Expression.from_mapping({"jawOpen": 0.5}).tensors()
    other = values.clone()
    other[0, ARKIT_NAMES.index("cheekPuff")] = 0.9
    first, second = encoder(values, known), encoder(other, known)
    assert torch.equal(first.tokens, second.tokens)
    assert torch.equal(first.maps, second.maps)


def test_nothing_known_gives_the_null_tokens(encoder: ExpressionEncoder) -> None:
    tokens = encoder(*Expression().tensors()).tokens
    assert tokens.shape == (1, 5, 16)
    assert torch.equal(tokens[:, :4], encoder.null_tokens)
    assert torch.equal(tokens[:, 4:], encoder.always_token)


def test_maps_are_the_weighted_sum_of_the_basis(encoder: ExpressionEncoder) -> None:
    maps = encoder(*Expression.from_mapping({"jawOpen": 0.5, "cheekPuff": 1.0}).tensors()).maps
    jaw, puff = (
        encoder.canonical_basis[ARKIT_NAMES.index("jawOpen")],
        encoder.canonical_basis[ARKIT_NAMES.index("cheekPuff")],
    )
    torch.testing.assert_close(maps[0, :3], 0.5 * jaw + puff)
    torch.testing.assert_close(maps[0, 3], 0.5 * jaw.norm(dim=0) + puff.norm(dim=0))
    expected_share = (jaw.norm(dim=0) + puff.norm(dim=0)) / encoder.canonical_basis.norm(dim=1).sum(dim=0)
    torch.testing.assert_close(maps[0, 4], expected_share)
    assert (maps[0, 5] == 1).all()


def test_a_pose_alone_is_an_expression_without_displacement(encoder: ExpressionEncoder) -> None:
    features = encoder(*Expression.from_mapping({}, {POSE_NAMES[0]: 20}).tensors())
    assert features.maps[:, :5].abs().max() == 0
    assert features.maps[:, 5].min() == 1
    assert not torch.equal(features.tokens[:, :4], encoder.null_tokens)


def test_basis_of_another_shape_is_refused(encoder: ExpressionEncoder) -> None:
    with pytest.raises(ValueError, match="basis must be"):
        encoder.set_canonical_basis(torch.zeros(52, 3, 8, 8))


def test_maps_hold_only_what_differs_from_the_expression_before(encoder: ExpressionEncoder) -> None:
    values, known = Expression.from_mapping({"jawOpen": 0.9, "cheekPuff": 0.2}).tensors()
    before = torch.zeros(1, 51)
    before[0, ARKIT_NAMES.index("jawOpen")] = 0.9
    before[0, ARKIT_NAMES.index("cheekPuff")] = 0.5
    before[0, ARKIT_NAMES.index("eyeBlinkLeft")] = 1.0  # not asked for: it stays
    maps = encoder(values, known, before).maps
    puff = encoder.canonical_basis[ARKIT_NAMES.index("cheekPuff")]
    torch.testing.assert_close(maps[0, :3], -0.3 * puff)
    torch.testing.assert_close(maps[0, 3], 0.3 * puff.norm(dim=0))
    assert torch.equal(maps[0, 4:], encoder(values, known).maps[0, 4:])
    assert torch.equal(encoder(values, known, before).tokens, encoder(values, known).tokens)
