# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader taught alone, by its command."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.model.pipeline import JointPortraitPipeline
from backend.training import teach_reader
from backend.training.render.assets import HeadAssets
from tests.backend.training.taught import moved_weights, teach, tiny_pipeline


def test_kept_faces_are_read_as_they_were_seen() -> None:
    generator = torch.Generator().manual_seed(0)
    face, shape = (
        torch.rand(3, 3, 16, 16, generator=generator),
        torch.randn(3, 2, 16, 16, generator=generator),
    )
    seen, true = (face, shape, torch.randn(3, 4, generator=generator)), torch.rand(3, 2, generator=generator)
    rows = teach_reader.kept_rows(seen, true)
    assert rows["face"].dtype == torch.uint8 and torch.equal(rows["true"], true)
    for before, after in zip(seen, teach_reader.seen_of(rows), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0.5 / 255 + 1e-6)


def test_a_jittered_face_keeps_picture_and_shape_together() -> None:
    axis = torch.linspace(0, 1, 32).expand(4, 1, 32, 32)
    seen = axis.expand(-1, 3, -1, -1), axis.expand(-1, 2, -1, -1), torch.arange(16.0).view(4, 4)
    face, shape, fit = teach_reader.jittered(seen, torch.Generator().manual_seed(0))
    torch.testing.assert_close(face[:, :2], shape)
    assert torch.equal(fit, seen[2])
    away = (face - seen[0]).abs().amax(dim=(1, 2, 3))
    assert float(away.min()) > 1e-3 and float(away.max()) < 0.1


def test_the_command_teaches_the_reader_and_nothing_else(
    small_data: Path,
    assets: HeadAssets,
    assets_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline = tiny_pipeline(assets, tmp_path)
    for name, value in (("DRAWN", 8), ("POOL", 64), ("APART", 16), ("BATCH", 16), ("REPORT_S", 0.5)):
        monkeypatch.setattr(teach_reader, name, value)
    assert teach(teach_reader.main, small_data, assets_folder, tmp_path, minutes=0.1) == 0
    printed = capsys.readouterr().out
    assert "kept apart: read" in printed and "expression_read" in printed
    new = JointPortraitPipeline.from_pretrained(tmp_path / "new")
    assert new.settings.training["reader_steps"] > 2
    moved = moved_weights(pipeline, new)
    assert moved and all(name.startswith("expression_encoder.reader.") for name in moved)
