# SPDX-License-Identifier: GPL-3.0-or-later
"""The expression of the reference: cut out upright, read, and taken away from what is asked for."""

from __future__ import annotations

import torch

from backend.model.expression import Expression
from backend.model.expression_names import ARKIT_NAMES
from backend.model.expression_reader import FACE, ExpressionReader, face_in_frame
from backend.model.face_frame import OFFSET_SIDES, arrive
from backend.model.joint_model import Conditions, roles_tensor
from backend.model.pipeline import JointPortraitPipeline

SIDE_PX = 128


def field_of(matrix: torch.Tensor, at: torch.Tensor, side: int = 32) -> torch.Tensor:
    """[1, 8, side, side]: a face whose canonical place is `matrix` (place - `at`) + the face's middle."""
    axis = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cells = torch.stack([x, y], -1)
    canonical = (cells - at) @ matrix.T + torch.tensor(FACE.centre)
    shift = (canonical - cells).permute(2, 0, 1)[None] / OFFSET_SIDES
    return torch.cat([shift, torch.zeros(1, 6, side, side)], 1)


def test_a_small_tilted_face_comes_upright_and_of_one_size() -> None:
    angle = torch.tensor(0.3)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    at, smaller = torch.tensor([0.45, 0.55]), 1.25
    field = field_of(smaller * turn.T, at)
    # The picture shows where each of its places lies on the canonical face.
    size = 128
    axis = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    canonical = (torch.stack([x, y], -1) - at) @ (smaller * turn.T).T + torch.tensor(FACE.centre)
    picture = torch.cat([canonical, torch.zeros(size, size, 1)], -1).permute(2, 0, 1)[None]
    face, shape, fit = face_in_frame(picture, field, SIDE_PX)
    assert face.shape == (1, 3, SIDE_PX, SIDE_PX)
    steps = ((torch.arange(SIDE_PX) + 0.5) / SIDE_PX - 0.5) * FACE.side
    inner = slice(16, -16)
    assert (face[0, 0, inner, inner] - (steps + FACE.centre[0])[None, inner]).abs().max() < 5e-3
    assert (face[0, 1, inner, inner] - (steps + FACE.centre[1])[inner, None]).abs().max() < 5e-3
    assert shape[..., inner, inner].abs().max() < 5e-3  # all of it is in the fit
    expected = (turn / smaller).T - torch.eye(2)
    assert (fit - expected.flatten()).abs().max() < 0.02


def test_an_untrained_reader_takes_every_face_for_neutral() -> None:
    reader = ExpressionReader(8, 32)
    read = reader(torch.rand(2, 3, 64, 64), torch.zeros(2, 8, 16, 16))
    assert read.shape == (2, len(ARKIT_NAMES)) and read.abs().max() == 0


def test_what_is_read_is_taken_off_what_is_asked_for(pipeline: JointPortraitPipeline) -> None:
    reader = pipeline.expression_encoder.reader
    assert reader is not None
    wanted = Expression({"jawOpen": 0.6, "cheekPuff": 0.4})
    with torch.no_grad():
        reader.out.bias[ARKIT_NAMES.index("jawOpen")] = 0.6
        reader.out.bias[ARKIT_NAMES.index("cheekPuff")] = -3.0  # no coefficient is below 0
    reference = pipeline.encode_reference(torch.rand(1, 3, 32, 32))
    assert reference.expression is not None
    assert reference.expression.min() == 0 and reference.expression.max() == torch.tensor(0.6)
    values, known = wanted.tensors()
    prepared = pipeline.model.prepare(Conditions(roles_tensor((), 1), values, known, reference=reference))
    puff = 0.4 * pipeline.expression_encoder.canonical_basis[ARKIT_NAMES.index("cheekPuff")]
    torch.testing.assert_close(prepared.expression.maps[0, :3], puff)


def test_maps_arrive_where_what_they_tell_of_is_taken() -> None:
    maps = torch.zeros(1, 6, 64, 64)
    maps[:, 0] = 34 / 64 * 8  # everything goes to the right by 8 of 64 cells: 10 mm a unit, 340 mm a side
    maps[:, 3, :, 16:24] = 1.0
    there = arrive(maps)
    assert torch.allclose(there[:, 0], maps[:, 0])
    assert there[0, 3, :, 24:32].min() > 0.9 and there[0, 3, :, :22].max() < 0.1
