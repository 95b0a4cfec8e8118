# SPDX-License-Identifier: GPL-3.0-or-later
"""Light groups in training: how they are packed, drawn and mixed; shots with and without them side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.training.augment import WIDE_CROPS, crop_frames, random_crop
from backend.training.batches import BatchSampler
from backend.training.dataset import EXTRA_ARRAYS, ShotLibrary, gather, load_shot
from backend.training.relight import (
    EXPOSURE_LIMIT,
    OWN_LIGHT_SHARE,
    ShotLight,
    mix,
    own_light,
    random_light,
    tone_map,
)
from backend.training.render import encoding
from backend.training.render.encoding import FACE_REGIONS


@pytest.fixture(scope="module")
def lit(lit_shots: Path) -> ShotLibrary:
    return ShotLibrary(lit_shots, extras=EXTRA_ARRAYS)


def tone_curve(linear: np.ndarray) -> np.ndarray:
    """What `relight.tone_map` is to do, written anew."""
    x, low = np.maximum(linear, 0), encoding.SHOULDER_FROM
    x = np.where(x > low, low + (1 - low) * (1 - np.exp(-(x - low) / encoding.SHOULDER_SOFTNESS)), x)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)


def some_light(count: int) -> list[ShotLight]:
    mean = np.array([[0.2, 0.15, 0.1], [0.1, 0.1, 0.1], [0.03, 0.03, 0.05]], np.float32)
    return [ShotLight(np.ones(3, np.float32), np.array([1, 0, 1], np.float32), mean)] * count


def test_the_tone_curve_is_srgb_below_its_shoulder_as_written_anew() -> None:
    x = np.array([0.0, 0.002, 0.18, 0.8, 1.5, 4.0], np.float32)
    shown = tone_curve(x)
    assert shown[:3] == pytest.approx([0, 12.92 * 0.002, 1.055 * 0.18 ** (1 / 2.4) - 0.055])
    assert 0.9 < shown[3] < shown[4] < shown[5] <= 1.0
    assert tone_map(torch.from_numpy(x)).numpy() == pytest.approx(shown, abs=1e-6)


def test_packed_light_is_within_a_grey_level_of_the_display() -> None:
    rng = np.random.default_rng(0)
    groups = rng.uniform(0, 1, (3, 50_000)) ** 3 * np.array([[1.5], [0.8], [0.1]])
    codes = [encoding.encode_light(g, encoding.light_scale(g)) for g in groups]
    back = [encoding.decode_light(c, encoding.light_scale(g)) for c, g in zip(codes, groups, strict=True)]
    for gains in ((1, 1, 1), (0.3, 2, 1), (0, 1, 3)):
        shown = [tone_curve(np.tensordot(gains, parts, 1)) for parts in (groups, back)]
        error = 255 * np.abs(shown[1] - shown[0])
        assert (error < 1).mean() > 0.97
    assert encoding.decode_light(encoding.encode_light(np.array([9.0]), 4.0), 4.0) == 4.0  # cut, not wrapped


def test_packed_normals_are_within_a_degree() -> None:
    normals = np.random.default_rng(0).normal(size=(20_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    back = encoding.decode_normals(encoding.encode_normals(normals))
    angle = np.degrees(np.arccos(np.clip((normals * back).sum(1), -1, 1)))
    assert angle.max() < 1.0 and np.linalg.norm(back, axis=1) == pytest.approx(1, abs=1e-6)
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    assert encoding.decode_normals(encoding.encode_normals(axes)) == pytest.approx(axes, abs=1e-6)


def test_region_bits_come_apart_again() -> None:
    rng = np.random.default_rng(0)
    masks = {name: rng.random((8, 8)) < 0.5 for name in FACE_REGIONS}
    bits = encoding.encode_regions(masks)
    assert bits.dtype == np.uint8
    for name, mask in masks.items():
        assert np.array_equal(encoding.decode_region(bits, name), mask)


def test_a_mix_is_the_weighted_sum_in_linear_light() -> None:
    codes = torch.tensor([255, 51, 0], dtype=torch.uint8).view(1, 3, 1, 1, 1).expand(1, 3, 2, 2, 3)
    scale = torch.tensor([[0.5, 2.0, 1.0]])
    gains = torch.tensor([[[0.4, 0.2, 0.0], [1.0, 1.0, 3.0], [9.0, 9.0, 9.0]]])
    linear = torch.tensor([0.2 + 0.08, 0.1 + 0.08, 0.24])  # 255 is the scale, 51 a fifth of its root
    assert torch.allclose(mix(codes, scale, gains)[0, :, 0, 0], tone_map(linear), atol=1e-6)


def test_new_light_keeps_the_exposure_and_now_and_then_the_shots_own() -> None:
    lights = some_light(4000)
    gains = random_light(lights, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert gains.shape == (4000, 3, 3) and (gains >= 0).all() and (gains.sum((1, 2)) > 0).all()
    own = own_light(lights)
    kept = (gains == own).all(-1).all(-1)
    assert abs(kept.float().mean() - OWN_LIGHT_SHARE) < 0.03
    mean = torch.from_numpy(np.stack([light.mean for light in lights]))
    luminance = [(g * mean).sum(1) @ torch.tensor(encoding.LUMINANCE) for g in (gains, own)]
    ratio = luminance[0] / luminance[1]
    assert ratio.max() < 1.001
    assert ((ratio - 1).abs() < 1e-3).float().mean() > 0.9  # the others would have been brightened too much
    off = (gains.sum(-1) == 0).float().mean(0)
    assert (off > 0.05).all() and off[1] > off[0] + 0.1  # the spare lamp is off in the shots' own light
    assert EXPOSURE_LIMIT > 1


def test_other_light_groups_than_this_versions_are_an_unreadable_shot() -> None:
    with pytest.raises(ValueError, match="moon"):
        ShotLight.from_parameters({"groups": ["sun", "moon"], "scale": [], "own": [], "mean": []})


def test_the_picture_of_a_lit_shot_is_its_own_light(lit: ShotLibrary) -> None:
    shot = lit.shots[0]
    picture = shot.picture(1)
    left, right = picture[32, 24:30, 0].mean(), picture[32, 34:40, 0].mean()
    assert right > left + 20  # the lamp on the left is a spare one
    only_left = torch.tensor([[[0.0], [1.0], [0.0]]]).expand(1, 3, 3)
    rgb = gather([shot], [1], gains=only_left).rgba[0, 0, 32]
    assert rgb[24:30].mean() > 0.2 and rgb[36:40].max() < 0.01


def test_reference_and_target_of_a_pair_share_their_new_light(lit: ShotLibrary) -> None:
    batch = BatchSampler(lit, 64, seed=0).joint(24)
    head = (batch["coverage"] > 0.9).expand(-1, 3, -1, -1)
    difference = (batch["rgb"] - batch["reference_rgb"]).abs()
    assert difference[head].mean() < 0.03  # the frames are alike: sensor noise is all that differs
    columns = batch["rgb"].mean(1) * head[:, 0]
    side = columns[..., :32].sum((1, 2)) / columns.sum((1, 2))
    assert side.std() > 0.08  # from sample to sample the light comes from other sides


def test_formats_are_mixed_in_one_batch(lit_shots: Path, drawn_shots: Path, tmp_path: Path) -> None:
    for path in (*lit_shots.iterdir(), *drawn_shots.iterdir()):
        shutil.copy(path, tmp_path)
    library = ShotLibrary(tmp_path)
    assert {shot.light is None for shot in library.shots} == {True, False}
    shots = library.shots
    raw = gather(shots, [0] * len(shots))
    for row, shot in enumerate(shots):
        alone = gather([shot], [0])
        assert torch.equal(raw.rgba[row], alone.rgba[0])
    sampler = BatchSampler(library, 32, seed=1)
    assert torch.isfinite(sampler.joint(12)["rgb"]).all() and torch.isfinite(sampler.depth(12)["rgb"]).all()


def test_shots_without_groups_draw_no_light_and_keep_their_pictures(drawn_shots: Path) -> None:
    library = ShotLibrary(drawn_shots)
    sampler = BatchSampler(library, 32, seed=2)
    before = sampler.generator.get_state()
    assert sampler._light(library.shots) is None
    assert torch.equal(sampler.generator.get_state(), before)
    shot = library.shots[0]
    assert np.array_equal(shot.picture(0), shot.arrays["rgba"][0])


def test_cropped_normals_are_those_of_the_cropped_depth(lit: ShotLibrary) -> None:
    shots = lit.shots * 4
    span = torch.tensor([s.span_mm for s in shots])
    centre = torch.tensor([s.centre for s in shots])
    crop = random_crop(span, centre, WIDE_CROPS, torch.Generator().manual_seed(3))
    assert crop.flip.any() and not crop.flip.all()
    cut = crop_frames(gather(shots, [0] * len(shots)), crop, torch.zeros(1, 3, 96, 96), 96)
    assert cut.normal is not None and cut.masks is not None
    per_px = (crop.side_mm / 96).view(-1, 1, 1)
    rows, columns = torch.gradient(cut.depth[:, 0], dim=(1, 2))
    expected = torch.stack(
        [-columns / per_px, rows / per_px, torch.ones_like(rows)], 1
    )  # rows run down, y up
    expected = torch.nn.functional.normalize(expected, dim=1)
    inside = torch.isfinite(expected).all(1) & (cut.normal[:, 2] > 0.5)
    angle = torch.rad2deg(torch.acos((expected * cut.normal).sum(1).clamp(-1, 1)))
    for row, where in zip(angle, inside, strict=True):  # turned and mirrored crops, each
        assert where.sum() > 500 and row[where].median() < 1.5
    mouth = cut.masks[:, FACE_REGIONS.index("mouth")]
    assert torch.equal(mouth > 0.5, cut.coverage[:, 0] > 0.5) and cut.masks[:, 0].max() == 0


def test_normals_and_masks_are_kept_only_when_asked_for(lit_shots: Path, drawn_shots: Path) -> None:
    path = sorted(lit_shots.glob("*.npz"))[0]
    assert "normal" in load_shot(path, extras=EXTRA_ARRAYS).arrays and "normal" not in load_shot(path).arrays
    old = load_shot(sorted(drawn_shots.glob("*.npz"))[0], extras=EXTRA_ARRAYS)
    raw = gather([load_shot(path, extras=EXTRA_ARRAYS), old], [0, 0])
    assert raw.normal is not None and torch.isfinite(raw.normal[0]).all() and torch.isnan(raw.normal[1]).all()
    assert gather([old], [0]).normal is None
