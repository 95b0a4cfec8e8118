# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes and mouth by themselves: where they are put, what they are told, and that one side is the other mirrored."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from backend.model.expression import Expression
from backend.model.expression_names import ARKIT_NAMES
from backend.model.face_parts import (
    PART_CHANNELS,
    PARTS,
    SEEN_CHANNELS,
    FaceParts,
    Part,
    feather,
    part_fit,
    put_into_picture,
    widened,
)
from backend.model.joint_model import Conditions, roles_tensor
from backend.model.modalities import MODALITIES, MOTION_GAIN
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import create_pipeline
from backend.training.dataset import MIRROR_ORDER, MIRROR_SIGN

SIDE = 64


def told(**values: float) -> torch.Tensor:
    masked, known = Expression(values).tensors()
    return torch.cat([masked, known], dim=1)


def lively_parts(width: int = 8) -> FaceParts:
    """Not the start, at which the outputs are zero."""
    torch.manual_seed(4)
    parts = FaceParts(width)
    with torch.no_grad():
        for parameter in parts.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return parts.eval()


def field_in_place(batch: int = 1) -> torch.Tensor:
    """A face that is where the canonical one is."""
    return torch.zeros(batch, 8, 32, 32)


def test_an_eye_hears_nothing_of_the_other() -> None:
    for part in PARTS[:2]:
        names = [name for name in ARKIT_NAMES if ARKIT_NAMES.index(name) in part.columns]
        other = "Right" if not part.window.mirrored else "Left"
        assert "browInnerUp" in names and len(names) == 12
        assert not any(name.endswith(other) for name in names)
    left, right = (
        [ARKIT_NAMES[column].removesuffix("Left").removesuffix("Right") for column in part.columns]
        for part in PARTS[:2]
    )
    assert left == right


@torch.no_grad()
def test_a_wink_leaves_the_other_eye_as_it_is() -> None:
    parts = lively_parts()
    seen = torch.rand(1, SEEN_CHANNELS, 64, 64)
    left, right = PARTS[:2]
    open_, wink = told(eyeBlinkLeft=0.0, eyeBlinkRight=0.0), told(eyeBlinkLeft=0.0, eyeBlinkRight=1.0)
    assert torch.equal(parts.draw(left, seen, open_), parts.draw(left, seen, wink))
    assert not torch.equal(parts.draw(right, seen, open_), parts.draw(right, seen, wink))


@torch.no_grad()
def test_a_mirrored_face_is_drawn_mirrored_at_the_eyes() -> None:
    parts = lively_parts()
    parts.networks["mouth"] = FaceParts(8).networks["mouth"]  # says what the maps say, which is symmetric
    generator = torch.Generator().manual_seed(1)
    photo, maps = (
        torch.rand(1, 3, SIDE, SIDE, generator=generator),
        torch.rand(1, 6, SIDE, SIDE, generator=generator),
    )
    vector = told(eyeBlinkLeft=0.9, browDownRight=0.5, browInnerUp=0.3)
    across = torch.tensor(MIRROR_SIGN)
    turned = torch.cat(
        [(half[:, MIRROR_ORDER] * sign) for half, sign in zip(vector.chunk(2, 1), (across, 1), strict=True)],
        1,
    )
    flipped = maps.flip(-1) * torch.tensor([-1.0, 1, 1, 1, 1, 1]).view(6, 1, 1)
    before = torch.zeros(1, PART_CHANNELS, SIDE, SIDE)
    one = torch.ones(1)
    result = parts(before, photo, field_in_place(), maps, vector, one)
    mirror = parts(before, photo.flip(-1), field_in_place(), flipped, turned, one)
    back = mirror.flip(-1) * torch.tensor([1.0, 1, 1, -1, 1, 1, 1]).view(PART_CHANNELS, 1, 1)
    eyes = slice(int(0.42 * SIDE), int(0.6 * SIDE))
    # The windows overlap a little between the eyes, where the second is laid over the first.
    apart = [*range(int(0.32 * SIDE), int(0.48 * SIDE)), *range(int(0.53 * SIDE), int(0.68 * SIDE))]
    difference = (back - result)[..., eyes, apart].abs().amax((0, 2, 3))
    size = result[..., eyes, apart].std((0, 2, 3))
    assert (difference < 0.02 * size).all()
    assert ((mirror - result)[..., eyes, apart].abs().amax((0, 2, 3)) > size).all()


@torch.no_grad()
def test_a_part_brightens_by_a_tenth_at_most() -> None:
    parts = lively_parts()
    for kind in parts.networks:
        parts.get_parameter(f"networks.{kind}.out.bias").add_(20.0)
    seen = torch.rand(1, SEEN_CHANNELS, 64, 64)
    drawn = parts.draw(PARTS[0], seen, told(eyeBlinkLeft=1.0))[:, -1:]
    assert abs(float(MODALITIES["shading"].decode(drawn).amax()) - 1.1) < 1e-4


@torch.no_grad()
def test_parts_are_put_softly_into_their_windows_and_nowhere_else() -> None:
    for part in PARTS:
        fit = part_fit(field_in_place(), part)
        drawn = torch.ones(1, PART_CHANNELS, part.pixels, part.pixels)
        placed, weight = put_into_picture(part, fit, drawn, 256, 256)
        x, y = (int(256 * at) for at in part.window.centre)
        assert weight[0, 0, y, x] == 1 and abs(float(placed[0, 0, y, x]) - 1) < 1e-5
        half = int(128 * part.window.side)
        assert weight[0, 0, y, x + half + 2] == 0 and 0 < weight[0, 0, y, x + half - 2] < 0.5
    assert feather(64).amax() == 1 and feather(64)[0].amax() < 0.01


@torch.no_grad()
def test_untrained_parts_move_the_photo_as_the_maps_say() -> None:
    smooth = F.interpolate(torch.randn(1, 6, 5, 5), size=128, mode="bicubic")
    photo = F.interpolate(torch.rand(1, 3, 5, 5), size=128, mode="bicubic") * 2 - 1
    motion = smooth[:, :2] * (-10 / 340 * MOTION_GAIN)  # what moves right by 10 mm is found to the left
    expected = torch.cat([photo, motion, torch.ones(1, 1, 128, 128), torch.zeros(1, 1, 128, 128)], 1)
    result = FaceParts(8)(expected, photo, field_in_place(), smooth, told(jawOpen=1.0), torch.ones(1))
    torch.testing.assert_close(result, expected, rtol=0, atol=0.02)


def model_output(
    pipeline: JointPortraitPipeline, mode: tuple[str, ...], expression: Expression
) -> torch.Tensor:
    values, known = expression.tensors()
    images = {"depth": torch.zeros(1, 1, 32, 32), "coverage": torch.ones(1, 1, 32, 32)} if mode else {}
    photo = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    conditions = Conditions(roles_tensor(mode, 1), values, known, images, reference=photo)
    return pipeline.model(
        torch.zeros(1, pipeline.model.layout.channels, 8, 8), torch.tensor([999]), conditions
    )


@torch.no_grad()
def test_parts_join_only_where_an_expression_is_wanted_and_no_depth_given() -> None:
    pipeline = create_pipeline("tiny", seed=1)
    assert pipeline.backbone.parts is not None
    smile = Expression({"mouthSmileLeft": 1.0})
    cases = [((), smile), ((), Expression()), (("geometry",), smile)]
    with_them = [model_output(pipeline, mode, expression) for mode, expression in cases]
    pipeline.backbone.parts = None
    without = [model_output(pipeline, mode, expression) for mode, expression in cases]
    assert not torch.equal(with_them[0], without[0])
    for a, b in zip(with_them[1:], without[1:], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_depth_stays_the_backbones_own() -> None:
    pipeline = create_pipeline("tiny", seed=1)
    smile = Expression({"mouthSmileLeft": 1.0})
    with torch.no_grad():
        one = pipeline.model.layout.decode(model_output(pipeline, (), smile))
        pipeline.backbone.parts = None
        two = pipeline.model.layout.decode(model_output(pipeline, (), smile))
    for name in ("depth", "coverage", "extent"):
        assert torch.equal(one[name], two[name])


def test_what_predicts_velocity_has_no_parts() -> None:
    assert create_pipeline("tiny", prediction_type="v_prediction").backbone.parts is None
    with pytest.raises(ValueError, match="maps that arrive"):
        config = {k: v for k, v in create_pipeline("tiny").backbone.config.items() if not k.startswith("_")}
        type(create_pipeline("tiny").backbone)(**config | {"maps_arrive": False})


@pytest.mark.parametrize("part", PARTS[1:], ids=["eye", "mouth"])
def test_a_wider_network_says_the_same_and_all_of_it_can_learn(part: Part) -> None:
    parts, wider_parts = lively_parts(32), FaceParts(40)
    widened(parts, wider_parts)
    known, wider = parts.networks[part.kind], wider_parts.networks[part.kind]
    seen = torch.randn(2, SEEN_CHANNELS, part.pixels, part.pixels, generator=torch.Generator().manual_seed(1))
    values, on = torch.rand(2, 2, len(part.columns), generator=torch.Generator().manual_seed(2)).unbind(0)
    before = known(seen, values, on)
    assert float(before.detach().std()) > 0.1
    torch.testing.assert_close(wider(seen, values, on), before, rtol=1e-4, atol=1e-4)

    optimiser = torch.optim.SGD(wider.parameters(), lr=1e-3)
    new = {"out.weight": (slice(None), slice(32, None)), "first.weight": slice(32, None)}
    moved = []
    for _ in range(2):
        was = {name: wider.get_parameter(name)[at].clone() for name, at in new.items()}
        optimiser.zero_grad()
        wider(seen, values, on).square().mean().backward()
        optimiser.step()
        moved += [
            {name: not torch.equal(was[name], wider.get_parameter(name)[at]) for name, at in new.items()}
        ]
    # At first nothing looks at the new channels; when something does, they learn too.
    assert moved == [{"out.weight": True, "first.weight": False}, {"out.weight": True, "first.weight": True}]


def test_networks_whose_norms_would_be_torn_are_not_made_wider() -> None:
    with pytest.raises(ValueError, match="from 32 on"):
        widened(FaceParts(16), FaceParts(48))
