# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader taught alone, by its command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from backend.errors import InputError
from backend.model.pipeline import JointPortraitPipeline
from backend.model.presets import create_pipeline
from backend.training import teach_reader
from backend.training.canonical import canonical_basis
from backend.training.render.assets import HeadAssets


def test_the_pool_keeps_the_newest_faces_and_gives_what_belongs_together() -> None:
    pool = teach_reader.Faces(side=16, size=6, coefficients=2)
    for number in range(4):
        value = torch.full((2, 1, 1, 1), number / 10)
        pool.add(
            value.expand(2, 3, 16, 16),
            value.expand(2, 2, 16, 16),
            value.view(2, 1).expand(2, 4),
            value.view(2, 1) * 2,
        )
    assert len(pool) == 6 and pool.drawn == 8
    (face, shape, fit), true = pool.batch(40, torch.Generator().manual_seed(0))
    assert sorted({round(float(x), 1) for x in true[:, 0]}) == [0.2, 0.4, 0.6]  # the first two are gone
    for seen in (face.mean((1, 2, 3)), shape.mean((1, 2, 3)), fit.mean(1)):
        assert torch.allclose(seen * 2, true[:, 0], atol=5e-3)


def teach(data: Path, assets_folder: Path, folder: Path) -> int:
    """From `folder`/old into `folder`/new, for six seconds."""
    paths = {"--data": data, "--assets": assets_folder, "--init": folder / "old", "--out": folder / "new"}
    words = [word for pair in paths.items() for word in map(str, pair)]
    return teach_reader.main([*words, "--minutes", "0.1"])


def test_the_command_teaches_the_reader_and_nothing_else(
    small_data: Path,
    assets: HeadAssets,
    assets_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline = create_pipeline("tiny", seed=1)
    pipeline.expression_encoder.set_canonical_basis(torch.from_numpy(canonical_basis(assets)))
    pipeline.save_pretrained(tmp_path / "old")
    for name, value in (("DRAWN", 8), ("POOL", 64), ("APART", 16), ("BATCH", 16), ("REPORT_S", 0.5)):
        monkeypatch.setattr(teach_reader, name, value)
    assert teach(small_data, assets_folder, tmp_path) == 0
    assert "kept apart: read" in capsys.readouterr().out
    new = JointPortraitPipeline.from_pretrained(tmp_path / "new")
    assert new.settings.training["reader_steps"] > 2
    before, after = pipeline.model.state_dict(), new.model.state_dict()
    moved = {n for n in after if not torch.equal(after[n], before[n].bfloat16().float())}
    assert moved and all(name.startswith("expression_encoder.reader.") for name in moved)


def test_a_checkpoint_without_a_face_frame_is_refused(
    small_data: Path, assets_folder: Path, tmp_path: Path, tiny_vae: AutoencoderKL
) -> None:
    create_pipeline("tiny", vae=tiny_vae).save_pretrained(tmp_path / "old")
    with pytest.raises(InputError, match="no face frame"):
        teach(small_data, assets_folder, tmp_path)
