# SPDX-License-Identifier: GPL-3.0-or-later
"""Face points against what the renderer wrote, and the loss that teaches the face frame with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.model.face_frame import OFFSET_SIDES, carry
from backend.model.losses import joint_losses
from backend.model.presets import create_pipeline
from backend.training.augment import CropTransform, crop_points
from backend.training.batches import BatchSampler
from backend.training.canonical import canonical_basis
from backend.training.dataset import ShotLibrary
from backend.training.devices import Devices
from backend.training.face_points import FacePoints, face_points
from backend.training.render.assets import HeadAssets
from backend.training.stepper import Stepper
from backend.training.train_options import TrainConfig


@pytest.fixture(scope="module")
def library(small_data: Path, assets: HeadAssets) -> ShotLibrary:
    return ShotLibrary(small_data, assets=assets)


def test_points_lie_in_the_boxes_that_the_renderer_wrote(library: ShotLibrary) -> None:
    for shot in library.shots:
        assert shot.points is not None and len(shot.points) == shot.frames
        for points, record in zip(shot.points, shot.parameters["frames"], strict=True):
            boxes_hold_the_points(points, record)


def boxes_hold_the_points(points: FacePoints, record: dict[str, Any]) -> None:
    for name, sign in (("left_eye", 1), ("right_eye", -1)):
        left, top, right, bottom = record["regions"][name]
        eye = np.array([0.5 + sign * 30.8 / 340, 0.5 + 12.8 / 340])  # on the base mesh
        around = np.linalg.norm(points.canonical - eye, axis=1) < 14 / 340
        place = points.place[around].mean(0)
        assert around.sum() >= 8
        assert left - (right - left) / 3 < place[0] < right + (right - left) / 3, name
        assert top - (bottom - top) / 2 < place[1] < bottom + (bottom - top) / 2, name


def test_points_of_other_assets_or_seeds_are_refused(library: ShotLibrary, assets: HeadAssets) -> None:
    parameters = library.shots[0].parameters
    other = parameters | {"identity": parameters["identity"] | {"seed": parameters["identity"]["seed"] + 77}}
    assert face_points(assets, other) is None


def made_points() -> FacePoints:
    rng = np.random.default_rng(0)
    canonical = rng.uniform(0.3, 0.7, (256, 2)).astype(np.float32)
    place = (canonical * 0.8 + 0.1).astype(np.float32)
    turn = np.tile(np.array([[0.8, 0.0, 0.1], [0.0, 0.8, 0.0]], np.float32), (256, 1, 1))
    return FacePoints(canonical, place, turn, np.ones(256, np.float32))


def crop_of(flip: bool) -> CropTransform:
    matrix = torch.tensor([[[-0.5 if flip else 0.5, 0.0], [0.0, 0.5]]])
    return CropTransform(matrix, torch.tensor([[0.5, 0.5]]), torch.tensor([flip]), torch.tensor([170.0]))


def test_crop_and_mirror_move_places_and_directions() -> None:
    points = made_points()
    plain, mirrored = (crop_points([points], crop_of(flip)) for flip in (False, True))
    expected = (torch.from_numpy(points.place) - 0.5) * 2 + 0.5
    assert torch.allclose(plain["face_place"][0], expected, atol=1e-6)
    assert torch.allclose(plain["face_turn"][0, 0], torch.tensor([[1.6, 0, 0.2], [0, 1.6, 0]]), atol=1e-6)
    assert torch.allclose(mirrored["face_place"][0, :, 0], 1 - expected[:, 0], atol=1e-6)
    assert torch.allclose(mirrored["face_canonical"][0, :, 0], 1 - plain["face_canonical"][0, :, 0])
    # Right stays right in the mirrored face; nearer now leans to the other side.
    assert torch.allclose(mirrored["face_turn"][0, 0], torch.tensor([[1.6, 0, -0.2], [0, 1.6, 0]]), atol=1e-6)
    assert plain["face_valid"].min() == 1
    assert crop_points([None], crop_of(False))["face_valid"].max() == 0


def test_a_field_that_fits_the_points_has_no_loss_and_carries_the_maps_there() -> None:
    batch = crop_points([made_points()], crop_of(False))
    side = 64
    axis = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    # place = (0.8 c + 0.1 - 0.5) * 2 + 0.5, so c = (place + 0.3) / 1.6 on both axes.
    shift = (torch.stack([x, y]) + 0.3) / 1.6 - torch.stack([x, y])
    turn = torch.tensor([[0.6, 0, 0.2], [0, 0.6, 0]]).flatten().view(6, 1, 1).expand(6, side, side)
    field = torch.cat([shift / OFFSET_SIDES, turn]).unsqueeze(0)
    truth = {**batch, "coverage": torch.ones(1, 1, side, side)}
    predicted = {"coverage": torch.ones(1, 1, side, side), "motion": torch.zeros(1, 3, side, side)}
    given = torch.tensor([[0.0, 0.0]])

    def terms(f: torch.Tensor) -> dict[str, torch.Tensor]:
        return joint_losses(predicted | {"face_field": f}, truth, given).terms

    assert terms(field)["face_place"] < 2e-3 and terms(field)["face_turn"] < 1e-5
    assert terms(field)["face_beside"] < 2e-3
    assert terms(torch.zeros_like(field))["face_place"] > 0.3
    assert terms(torch.zeros_like(field))["face_beside"] > 0.3
    middle = (torch.stack([x, y]) - 0.5).abs().amax(0) < 0.36  # the points lie within .32
    elsewhere = terms(torch.where(middle, field, torch.zeros_like(field)))
    assert elsewhere["face_place"] < 0.02 and elsewhere["face_beside"] > 0.3
    # A spot drawn at a canonical place appears where the points say, moved in the turned direction.
    maps = torch.zeros(1, 6, side, side)
    maps[0, 2, 32, 32] = 1.0  # nearer, at canonical (.5078, .5078)
    carried = carry(maps, field, side, side)
    row, column = np.unravel_index(int(carried[0, 2].argmax()), (side, side))
    expected = (0.8 * 0.5078 + 0.1 - 0.5) * 2 + 0.5
    assert abs((column + 0.5) / side - expected) < 0.02 and abs((row + 0.5) / side - expected) < 0.02
    assert carried[0, 0, row, column] == pytest.approx(0.2 * float(carried[0, 2, row, column]), rel=1e-4)


def test_short_steps_teach_the_face_frame_and_the_reader_and_nothing_else(
    library: ShotLibrary, assets: HeadAssets
) -> None:
    pipeline = create_pipeline("tiny", seed=1)
    config = TrainConfig(preset="tiny", batch=8, learning_rate=3e-3, face_share=1.0)
    sampler = BatchSampler(library, pipeline.settings.resolution_px, 0)
    stepper = Stepper(pipeline, sampler, config, Devices(torch.device("cpu")))
    before = {name: tensor.clone() for name, tensor in stepper.parameters.items()}
    losses = []
    for _ in range(200):
        assert stepper.mode() == "face"
        loss = stepper.forward(stepper.draw("face"), "face")
        stepper.backward(loss)
        stepper.update(config.learning_rate)
        losses.append(float(loss.terms["face_place"]))
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    moved = {name for name, tensor in stepper.parameters.items() if not torch.equal(tensor, before[name])}
    for part in ("backbone.face_frame.", "expression_encoder.reader."):
        assert any(name.startswith(part) for name in moved)
    assert all("face_frame." in name or "reader." in name for name in moved)


def test_short_steps_can_teach_the_reader_a_batch(library: ShotLibrary, assets: HeadAssets) -> None:
    pipeline = create_pipeline("tiny", seed=1)
    pipeline.expression_encoder.set_canonical_basis(torch.from_numpy(canonical_basis(assets)))
    config = TrainConfig(preset="tiny", batch=4, face_share=1.0)
    stepper = Stepper(pipeline, BatchSampler(library, 32, 0), config, Devices(torch.device("cpu")))
    batch, losses = stepper.draw("face"), []
    assert batch["expression"].shape == (4, 51) and batch["expression"].max() > 0.3
    for _ in range(60):
        loss = stepper.forward(batch, "face")
        losses.append(loss.terms)
        stepper.backward(loss)
        stepper.update(1e-3)
    for name in ("expression_read", "expression_shape"):
        assert losses[-1][name] < 0.5 * losses[0][name], name


def test_without_assets_the_short_steps_are_left_out(small_data: Path) -> None:
    pipeline = create_pipeline("tiny", seed=1)
    config = TrainConfig(preset="tiny", batch=2, face_share=1.0)
    sampler = BatchSampler(ShotLibrary(small_data), pipeline.settings.resolution_px, 0)
    stepper = Stepper(pipeline, sampler, config, Devices(torch.device("cpu")))
    assert "face" not in {stepper.mode() for _ in range(30)}
    batch = stepper.draw("joint")
    assert batch["face_valid"].max() == 0
    assert stepper.forward(batch, "joint").terms["face_place"] == 0
