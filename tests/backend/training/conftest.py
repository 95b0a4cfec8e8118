# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering assets, a tiny data set rendered once, and one that is drawn in numpy, for the tests of this folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.model.presets import create_pipeline
from backend.training.render.assets import HeadAssets
from backend.training.render.encoding import FACE_REGIONS, encode_light, encode_normals, encode_regions
from backend.training.render.lighting import LIGHT_GROUPS

from ..conftest import ASSETS, REPOSITORY


@pytest.fixture(scope="session")
def assets_folder() -> Path:
    """Folder with mpfb/data; tests that need it are skipped without it."""
    if not (ASSETS / "mpfb" / "data").is_dir():
        pytest.skip("no MPFB data: set PORTRAIT_RELIEF_ASSETS to a folder that holds mpfb/data")
    return ASSETS


@pytest.fixture(scope="session")
def assets(assets_folder: Path) -> HeadAssets:
    """The base mesh and targets."""
    return HeadAssets(assets_folder)


def render(assets_folder: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the renderer as a user does (bpy in a process of its own)."""
    command = [
        sys.executable,
        "-m",
        "backend.training.render",
        "--assets",
        str(assets_folder),
        "--out",
        str(out),
    ]
    return subprocess.run(
        [*command, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=500, check=False
    )


@pytest.fixture(scope="session")
def small_data(assets_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots at 96 px."""
    folder = tmp_path_factory.mktemp("shots")
    done = render(
        assets_folder, folder, "--count", "3", "--resolution", "96", "--samples", "2", "--processes", "1"
    )
    assert done.returncode == 0, done.stderr
    return folder


def ellipsoid(size_px: int, span_mm: float, turn: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A head without a face: grey shading [S, S] in 0..1, height in mm (NaN outside), matte [S, S] bool."""
    axis = (np.arange(size_px) + 0.5) / size_px - 0.5
    x, y = np.meshgrid(axis * span_mm, axis * span_mm)
    inside = 1 - (x / 75) ** 2 - (y / 115) ** 2
    matte = inside > 0
    height = np.where(matte, 95 * np.sqrt(np.maximum(inside, 0)), np.nan)
    return np.clip(0.5 + (x * np.cos(turn) + y) / 400, 0, 1), height, matte


def write_shot(path: Path, seed: int, size_px: int = 64, frames: int = 3, lit: bool = False) -> None:
    """An .npz as the renderer writes it: the ellipsoid shifts its shading from frame to frame.

    `lit` writes format 3 instead of 1: light from the right, from the left and from all round, no shading that shifts.
    """
    span_mm = 420.0
    boxes = {
        "mouth": [0.4, 0.55, 0.6, 0.65],
        "left_eye": [0.52, 0.4, 0.62, 0.47],
        "right_eye": [0.38, 0.4, 0.48, 0.47],
    }
    pictures = [ellipsoid(size_px, span_mm, seed + 0.4 * k) for k in range(frames)]
    matte = np.stack([p[2] for p in pictures])
    grey = np.rint(255 * np.stack([p[0] for p in pictures])).astype(np.uint8)
    parameters = {
        "identity": {"seed": seed},
        "shot": {"offset": [0.0, 0.0], "span_mm": span_mm},
        "frames": [
            {"expression": {"jawOpen": 0.4 * k}, "pose_deg": [0.0, 0.0, 0.0], "regions": boxes}
            for k in range(frames)
        ],
    }
    rgba = np.concatenate([np.repeat(grey[..., None], 3, -1), 255 * matte[..., None].astype(np.uint8)], -1)
    picture = {"rgba": rgba}
    if lit:
        picture, light = light_groups(matte, span_mm)
        parameters |= {"format": 3, "light": light}
    np.savez_compressed(
        path,
        **picture,
        depth_mm=np.stack([p[1] for p in pictures]).astype(np.float16),
        coverage=255 * matte.astype(np.uint8),
        face=255 * matte.astype(np.uint8),
        motion=np.zeros((*matte.shape, 2), np.float16),
        visible=matte.astype(np.uint8),
        parameters=json.dumps(parameters),
    )


def light_groups(matte: np.ndarray, span_mm: float) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Arrays of format 3 for the ellipsoid (`matte` [K, S, S]), and how its light is read."""
    axis = ((np.arange(matte.shape[-1]) + 0.5) / matte.shape[-1] - 0.5) * span_mm
    x, y = np.meshgrid(axis, -axis)  # y up
    z = 95 * np.sqrt(np.maximum(1 - (x / 75) ** 2 - (y / 115) ** 2, 0))
    normal = np.stack([x / 75**2, y / 115**2, z / 95**2], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lamps = [np.maximum(normal[..., 0], 0), np.maximum(-normal[..., 0], 0), 0.2 + 0 * x]
    groups = np.repeat(np.stack(lamps)[..., None], 3, -1) * matte[:, None, :, :, None]
    scale = [1.0, 1.0, 0.2]
    codes = np.stack([encode_light(groups[:, index], scale[index]) for index in range(3)], 1)
    regions = encode_regions({name: matte & (name == "mouth") for name in FACE_REGIONS})
    arrays = {
        "light": codes,
        "alpha": 255 * matte.astype(np.uint8),
        "normal": np.repeat(encode_normals(normal)[None], len(matte), 0),
        "regions": regions,
    }
    mean = groups[0][:, matte[0]].mean(1).tolist()
    return arrays, {"groups": LIGHT_GROUPS, "scale": scale, "own": [1.0, 0.0, 1.0], "mean": mean}


@pytest.fixture(scope="session")
def drawn_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots of ellipsoids at 64 px."""
    folder = tmp_path_factory.mktemp("drawn")
    for seed in range(3):
        write_shot(folder / f"shot_{seed:08d}.npz", seed)
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained networks of the tiny preset, to start from without assets."""
    folder = tmp_path_factory.mktemp("tiny") / "weights"
    pipeline = create_pipeline("tiny", seed=1)
    basis = pipeline.expression_encoder.canonical_basis
    pipeline.expression_encoder.set_canonical_basis(
        torch.randn(basis.shape, generator=torch.Generator().manual_seed(0)) * 0.3
    )
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def lit_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots of ellipsoids in light groups at 64 px."""
    folder = tmp_path_factory.mktemp("lit")
    for seed in range(10, 13):
        write_shot(folder / f"shot_{seed:08d}.npz", seed, lit=True)
    return folder
