# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands share that teach one part of a checkpoint alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from backend.errors import InputError
from backend.model.presets import create_pipeline
from backend.training import teach_parts, teach_reader, teaching
from tests.backend.training.taught import teach

COMMANDS = pytest.mark.parametrize("command", [teach_parts.main, teach_reader.main], ids=["parts", "reader"])


def test_the_pool_keeps_the_newest_rows_and_gives_what_belongs_together() -> None:
    pool = teaching.Pool(6)
    for number in range(4):
        value = torch.full((2,), number, dtype=torch.uint8)
        pool.add({"bytes": value, "floats": value.view(2, 1) / 10})
    assert len(pool) == 6 and pool.drawn == 8 and pool.full
    rows = pool.rows(torch.arange(6))
    assert sorted(rows["bytes"].tolist()) == [1, 1, 2, 2, 3, 3]  # the first two are gone
    assert rows["bytes"].dtype == torch.uint8 and rows["floats"].dtype == torch.float32
    torch.testing.assert_close(rows["floats"][:, 0], rows["bytes"] / 10, rtol=1e-3, atol=0)


def test_a_pool_that_is_not_full_gives_what_is_there() -> None:
    pool = teaching.Pool(5)
    pool.add({"floats": torch.ones(2, 3)})
    assert len(pool) == 2 and not pool.full
    assert pool.rows()["floats"].shape == (2, 3) and bool((pool.column("floats") == 1).all())


@COMMANDS
def test_a_checkpoint_without_a_face_frame_is_refused(
    command: Callable[[list[str]], int],
    small_data: Path,
    assets_folder: Path,
    tmp_path: Path,
    tiny_vae: AutoencoderKL,
) -> None:
    create_pipeline("tiny", vae=tiny_vae).save_pretrained(tmp_path / "old")
    with pytest.raises(InputError, match="no face frame"):
        teach(command, small_data, assets_folder, tmp_path, minutes=0.1)


@COMMANDS
def test_fewer_than_two_shots_are_refused(
    command: Callable[[list[str]], int], small_data: Path, assets_folder: Path, tmp_path: Path
) -> None:
    one = tmp_path / "data"
    one.mkdir()
    shot = sorted(small_data.glob("shot_*.npz"))[0]
    (one / shot.name).write_bytes(shot.read_bytes())
    create_pipeline("tiny", seed=1).save_pretrained(tmp_path / "old")
    with pytest.raises(InputError, match="of the shots can be used"):
        teach(command, one, assets_folder, tmp_path, minutes=0.1)
