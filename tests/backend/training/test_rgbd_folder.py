# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own pictures with depth: units, framing, what is refused, and that they train."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from backend.errors import InputError
from backend.model.expression_names import ARKIT_NAMES
from backend.model.pipeline import JointPortraitPipeline
from backend.training.batches import BatchSampler
from backend.training.library import TrainingLibrary
from backend.training.rgbd_folder import CENTRE_BELOW_TOP_MM, FRONT_MM, WINDOW_MM, RgbdFolder

REPOSITORY = Path(__file__).parents[3]
WIDTH, HEIGHT, FOCAL_PX, HEAD_MM = 160, 200, 200.0, 500.0
# A sphere cap of radius 80 mm, 70 mm in front of a wall; at 500 mm and 200 px of focal length a pixel is 2.5 mm.


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture uint8 [200, 160, 3], distance in mm [100, 80] (half the size), mask uint8 [200, 160]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    radius_mm = np.hypot(x - 79.5, y - 79.5) * HEAD_MM / FOCAL_PX
    matte = radius_mm < 78
    relief = np.sqrt(np.maximum(80.0**2 - radius_mm**2, 0))
    distance = np.where(matte, HEAD_MM + 40 - relief, 900.0)
    rgb = np.stack([np.where(matte, 200, 40), np.full_like(x, 100), 255 * x / WIDTH], -1).astype(np.uint8)
    return rgb, distance[::2, ::2], (255 * matte).astype(np.uint8)


def write_folder(folder: Path, kind: str = "png", mask: bool = True, **settings: object) -> Path:
    rgb, distance, matte = scene()
    for part in ("pictures", "depth", "mask")[: 3 if mask else 2]:
        (folder / part).mkdir(parents=True)
    Image.fromarray(rgb).save(folder / "pictures" / "ann.png")
    unit = {"png": 0.1, "exr": 1000.0, "npy": 1.0}[kind]
    path = folder / "depth" / f"ann.{kind}"
    values = distance / unit
    if kind == "png":
        Image.fromarray(np.rint(values).astype(np.uint16)).save(path)
    elif kind == "npy":
        np.save(path, values)
    else:
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        with OpenEXR.File(header, {"Z": values.astype(np.float32)}) as file:
            file.write(str(path))
    if mask:
        Image.fromarray(matte).save(folder / "mask" / "ann.png")
    content = {"depth_unit_mm": unit, "focal_px": FOCAL_PX} | settings
    (folder / "rgbd.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("kind", ["png", "exr", "npy"])
@pytest.mark.parametrize("mask", [True, False])
def test_every_kind_of_file_gives_the_sphere_in_mm(tmp_path: Path, kind: str, mask: bool) -> None:
    (shot,) = RgbdFolder(write_folder(tmp_path, kind, mask), 128).shots
    assert shot.frames == 1 and shot.span_mm == WINDOW_MM
    depth, solid = shot.arrays["depth_mm"][0].astype(float), shot.arrays["solid"][0] > 0
    coverage = shot.arrays["coverage"][0] > 128
    # The head's distance is the median of its pixels, 485 mm and not 500: everything is drawn 3 % smaller.
    mm = WINDOW_MM / 128
    assert coverage.any(1).sum() * mm == pytest.approx(156 * 0.97, abs=2 * mm)
    assert np.nonzero(coverage.any(1))[0][0] * mm == pytest.approx(
        WINDOW_MM / 2 - CENTRE_BELOW_TOP_MM, abs=3 * mm
    )
    assert np.nonzero(coverage.any(0))[0].mean() == pytest.approx(63.5, abs=1)
    inner = coverage & solid
    assert np.percentile(depth[inner], 90) == pytest.approx(FRONT_MM, abs=1.5)
    rows, columns = np.nonzero(coverage)
    middle = depth[round(rows.mean()), round(columns.mean())]
    radius = (
        np.hypot(np.arange(128)[:, None] - rows.mean(), np.arange(128)[None] - columns.mean()) * mm / 0.97
    )
    ring = inner & (np.abs(radius - 48) < 2)  # 48 mm from the middle the sphere is 80 - 64 = 16 mm lower
    assert (middle - depth[ring]).mean() == pytest.approx(16, abs=1.5)


def test_the_picture_keeps_its_colours_and_ends_at_its_edge(tmp_path: Path) -> None:
    (shot,) = RgbdFolder(write_folder(tmp_path), 128).shots
    rgba = shot.arrays["rgba"][0]
    assert rgba[64, 64, :2].tolist() == pytest.approx([200, 100], abs=2)
    assert (rgba[:, 0, 3] == 0).all() and rgba[64, 64, 3] == 255  # 388 mm of picture in a window of 544 mm


def test_heights_need_only_the_width_of_the_picture(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "npy")
    distance = np.load(folder / "depth" / "ann.npy")
    np.save(folder / "depth" / "ann.npy", np.where(distance < 800, 700 - distance, 0))
    (folder / "rgbd.json").write_text('{"depth_unit_mm": 1, "depth_is": "height", "span_mm": 388}')
    (shot,) = RgbdFolder(folder, 128).shots
    covered = (shot.arrays["coverage"][0] > 250) & (shot.arrays["solid"][0] > 0)
    depth = shot.arrays["depth_mm"][0].astype(float)
    assert np.percentile(depth[covered], 90) == pytest.approx(FRONT_MM, abs=1.5)
    assert depth[covered].max() > depth[covered].min() + 30


def test_a_table_of_coefficients_is_read_and_checked(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    table = folder / "arkit.csv"
    table.write_text("picture,jawOpen,yaw,mouthPucker\nann.png,0.5,15,\n")
    (shot,) = RgbdFolder(folder, 64).shots
    assert shot.values[0, ARKIT_NAMES.index("jawOpen")] == 0.5 and shot.values[0, -3] == 0.5
    for text, told in (
        ("picture,jawOpen\nbob,0.5\n", "bob"),
        ("picture,jawWide\nann,0.5\n", "jawWide"),
        ("picture,jawOpen\nann,5\n", "jawOpen"),
        ("picture,jawOpen\nann,much\n", "much"),
    ):
        table.write_text(text)
        with pytest.raises(InputError, match=told) as caught:
            RgbdFolder(folder, 64)
        assert "line 2" in caught.value.message and caught.value.hint


def _no_depth(folder: Path) -> None:
    (folder / "depth" / "ann.png").unlink()


def _no_picture(folder: Path) -> None:
    (folder / "pictures" / "ann.png").rename(folder / "pictures" / "bob.png")


def _no_mask(folder: Path) -> None:
    (folder / "mask" / "ann.png").rename(folder / "mask" / "bob.png")


def _broken_depth(folder: Path) -> None:
    (folder / "depth" / "ann.png").write_bytes(b"not a picture")


def _eight_bits(folder: Path) -> None:
    Image.fromarray(np.zeros((100, 80), np.uint8)).save(folder / "depth" / "ann.png")


def _other_shape(folder: Path) -> None:
    Image.fromarray(np.full((80, 100), 4000, np.uint16)).save(folder / "depth" / "ann.png")


def _nothing_measured(folder: Path) -> None:
    Image.fromarray(np.zeros((100, 80), np.uint16)).save(folder / "depth" / "ann.png")


def _wrong_unit(folder: Path) -> None:
    (folder / "rgbd.json").write_text('{"depth_unit_mm": 100, "focal_px": 200}')


def _no_settings(folder: Path) -> None:
    (folder / "rgbd.json").unlink()


def _no_scale(folder: Path) -> None:
    (folder / "rgbd.json").write_text('{"depth_unit_mm": 1}')


def _no_number(folder: Path) -> None:
    (folder / "rgbd.json").write_text('{"depth_unit_mm": "one", "focal_px": 200}')


@pytest.mark.parametrize(
    ("damage", "named", "remedy"),
    [
        (_no_depth, "ann.png has no depth", "depth"),
        (_no_picture, "bob.png has no depth", "bob"),
        (_no_mask, "ann.png has no mask", "mask"),
        (_broken_depth, "depth/ann.png cannot be read", "again"),
        (_eight_bits, "8-bit", "again"),
        (_other_shape, "another shape than ann.png", "Crop"),
        (_nothing_measured, "hardly anything", "mask"),
        (_wrong_unit, "mm deep", "depth_unit_mm"),
        (_no_settings, "rgbd.json", "depth_unit_mm"),
        (_no_scale, "how large", "focal_px"),
        (_no_number, "no positive number", "depth_unit_mm"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_remedy(
    tmp_path: Path, damage, named: str, remedy: str
) -> None:  # noqa: ANN001
    folder = write_folder(tmp_path)
    damage(folder)
    with pytest.raises(InputError, match=named.replace(".", r"\.")) as caught:
        TrainingLibrary([folder])
    assert remedy in caught.value.hint


def test_pictures_without_pairs_never_serve_joint_batches(tmp_path: Path, drawn_shots: Path) -> None:
    library = TrainingLibrary([write_folder(tmp_path), drawn_shots])
    assert (len(library.shots), len(library.paired), library.frames) == (4, 3, 10)
    assert {shot.arrays["depth_mm"].shape[-1] for shot in library.shots} == {64}
    sampler = BatchSampler(library, 32, seed=0)
    depths = sampler.depth(16)
    assert depths["coverage"].flatten(1).any(1).all() and not depths["known"].any()
    shown = sampler._pick(library.paired, 200)
    assert all(shot.frames > 1 for shot in shown)
    assert sampler.joint(8)["flow"].shape == (8, 2, 32, 32)


@pytest.mark.slow
@pytest.mark.parametrize("mixed", [False, True])
def test_training_takes_such_a_folder_alone_or_with_renders(
    tmp_path: Path, drawn_shots: Path, tiny_weights: Path, mixed: bool
) -> None:
    folder = write_folder(tmp_path / "own")
    for part in ("pictures", "depth", "mask"):
        shutil.copy(folder / part / "ann.png", folder / part / "bob.png")
    data = ["--data", str(folder), *(["--data", str(drawn_shots)] if mixed else [])]
    done = subprocess.run(
        [
            sys.executable, "-m", "backend", "train", *data, "--init", str(tiny_weights), "--out",
            str(tmp_path / "run"), "--batch", "2", "--minutes", "0.05", "--device", "cpu",
        ],
        cwd=REPOSITORY, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("depth alone" in done.stdout) is not mixed
    training = JointPortraitPipeline.from_pretrained(tmp_path / "run" / "ema").settings.training
    assert training["steps"] >= 1 and training["shots"] == (5 if mixed else 2)
