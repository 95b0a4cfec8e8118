# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth survives its files, says where it comes from, and opens in Blender with the right values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from backend.errors import InputError
from backend.imaging.depth_codec import read_depth, read_metadata, write_coverage_png, write_depth

ABOUT = {"tool": "Portrait Relief 9", "checkpoint": {"name": "ü", "sha256": "ab"}, "settings": {"steps": 1}}


@pytest.fixture
def depth() -> np.ndarray:
    values = np.random.default_rng(0).normal(0, 60, (48, 64)).astype(np.float32)
    values[:5] = np.nan
    return values


@pytest.mark.parametrize(("extension", "tolerance"), [("exr", 0), ("npy", 0), ("png", 0.00501)])
def test_round_trip(tmp_path: Path, depth: np.ndarray, extension: str, tolerance: float) -> None:
    path = tmp_path / f"depth.{extension}"
    write_depth(path, depth, ABOUT)
    back = read_depth(path)
    assert back.dtype == np.float32
    assert np.array_equal(np.isnan(back), np.isnan(depth))
    assert np.nanmax(np.abs(back - depth)) <= tolerance


@pytest.mark.parametrize("extension", ["exr", "png"])
def test_metadata_is_inside_the_file(tmp_path: Path, depth: np.ndarray, extension: str) -> None:
    path = tmp_path / f"depth.{extension}"
    write_depth(path, depth, ABOUT)
    found = read_metadata(path)
    assert {key: found[key] for key in ABOUT} == ABOUT


def test_sixteen_bit_png_has_the_documented_scale(tmp_path: Path) -> None:
    path = tmp_path / "depth.png"
    write_depth(path, np.array([[0.0, 1.0, -2.5, np.nan, 1e4]], np.float32))
    assert np.asarray(Image.open(path)).tolist() == [[32768, 32868, 32518, 0, 65535]]


@pytest.mark.slow
def test_blender_shows_the_exr_with_the_same_values(tmp_path: Path, depth: np.ndarray) -> None:
    pytest.importorskip("bpy", reason="the bpy wheel is not installed")
    write_depth(tmp_path / "depth.exr", depth, ABOUT)
    script = (
        "import bpy, numpy as np\n"
        f"image = bpy.data.images.load({str(tmp_path / 'depth.exr')!r})\n"
        "values = np.empty(64 * 48 * 4, np.float32)\n"
        "image.pixels.foreach_get(values)\n"
        f"np.save({str(tmp_path / 'seen.npy')!r}, values.reshape(48, 64, 4)[::-1])\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=280, capture_output=True)
    seen = np.load(tmp_path / "seen.npy")
    for channel in range(3):
        assert np.array_equal(seen[..., channel], depth, equal_nan=True)


def test_exr_of_a_renderer_is_read(tmp_path: Path) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    path = tmp_path / "render.exr"
    values = np.array([[3.0, 1e10]], np.float32)
    OpenEXR.File(header, {"Z": values}).write(str(path))
    assert np.array_equal(read_depth(path), np.array([[3, np.nan]], np.float32), equal_nan=True)


def test_files_that_are_no_depth_are_refused_by_name(tmp_path: Path, depth: np.ndarray) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "eight.png")
    (tmp_path / "broken.exr").write_bytes(b"\x76\x2f\x31\x01 nonsense")
    (tmp_path / "broken.npy").write_bytes(b"nonsense")
    (tmp_path / "depth.txt").write_text("1")
    np.save(tmp_path / "rgb.npy", np.zeros((4, 4, 3), np.float32))
    for name in ("eight.png", "broken.exr", "broken.npy", "depth.txt", "rgb.npy", "missing.exr"):
        with pytest.raises(InputError, match=name) as caught:
            read_depth(tmp_path / name)
        assert caught.value.code == "bad_depth" and caught.value.hint
    with pytest.raises(InputError):
        write_depth(tmp_path / "depth.jpg", depth)


def test_coverage_is_eight_bit_grey(tmp_path: Path) -> None:
    write_coverage_png(tmp_path / "coverage.png", np.array([[0.0, 0.5, 1.2]]), ABOUT)
    with Image.open(tmp_path / "coverage.png") as image:
        assert image.mode == "L" and np.asarray(image).tolist() == [[0, 128, 255]]
    assert read_metadata(tmp_path / "coverage.png") == ABOUT
