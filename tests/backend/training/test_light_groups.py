# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered light groups against renders without them; rendered normals, regions and landmarks against the depth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.errors import InputError
from backend.training.dataset import EXTRA_ARRAYS, Shot, gather, load_shot
from backend.training.light_sheet import CELL_PX, LABEL_PX, write_light_sheet
from backend.training.relight import tone_map
from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import sample_shot
from backend.training.render.encoding import decode_normals, decode_region
from backend.training.render.identity import sample_identity
from backend.training.render.landmarks import LANDMARK_NAMES, landmark_vertices
from backend.training.render.lighting import LIGHT_GROUPS, grouped_lamps, own_gains
from tests.backend.training.conftest import REPOSITORY

SEED = 20  # bald, no glasses, from the front
SIDE_PX = 128
SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.training.render.assets import HeadAssets
from backend.training.render.passes import _channels, read_passes
from backend.training.render.shot import ShotRenderer

assets, out, seed, side = HeadAssets(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
renderer = ShotRenderer(assets, side, samples=16, threads=1)
plain = renderer.scene.render


def render(folder, last_of_shot):
    paths = plain(folder, last_of_shot)
    channels = _channels(paths[0])
    # Cycles' own denoiser is on here: the combined pass is what a render without groups would have shown.
    parts = {"Combined": "Combined", "Noisy": "Noisy Image"} | {g: f"Combined_{g}" for g in ("key", "fill", "world")}
    picture = {n: np.stack([channels[f"ViewLayer.{p}.{c}"] for c in "RGB"], -1) for n, p in parts.items()}
    np.savez(out / "direct.npz", alpha=channels["ViewLayer.Combined.A"], **picture)
    return paths


def all_lamps(shot):
    lights = shot.lights + ([] if shot.spare_light is None else [shot.spare_light])
    return replace(shot, frames=shot.frames[:1], lights=lights, spare_light=None, beard="none")


def fill_off(shot):
    shot = all_lamps(shot)
    return replace(shot, lights=[shot.lights[0], *(replace(light, power=0.0) for light in shot.lights[1:])])


renderer.render(seed, out / "off.npz", change=fill_off)
renderer.scene.render = render
renderer.scene.scene.cycles.use_denoising = True
renderer.render(seed, out / "all.npz", change=all_lamps)
"""


@pytest.fixture(scope="module")
def rendered(assets_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One frame with all lamps (all.npz, and its passes in direct.npz) and with the fill lamps at 0 W (off.npz)."""
    folder = tmp_path_factory.mktemp("groups")
    command = [sys.executable, "-c", SCRIPT, str(assets_folder), str(folder), str(SEED), str(SIDE_PX)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def shown(shot: Shot, gains: tuple[float, float, float]) -> np.ndarray:
    """The first frame under these gains [S, S, 3]."""
    light = torch.tensor(gains).view(1, 3, 1).expand(1, 3, 3)
    return gather([shot], [0], gains=light).rgba[0, :3].permute(1, 2, 0).numpy()


def psnr(one: np.ndarray, two: np.ndarray, where: np.ndarray) -> float:
    return float(-10 * np.log10(((one - two)[where] ** 2).mean()))


def test_the_sum_of_the_groups_is_the_directly_rendered_picture(rendered: Path) -> None:
    shot, direct = load_shot(rendered / "all.npz"), np.load(rendered / "direct.npz")
    total = sum(direct[name] for name in LIGHT_GROUPS)
    assert np.abs(total - direct["Noisy"]).max() < 1e-5  # light adds up exactly, noise and all
    alpha = direct["alpha"]
    exposure = shot.parameters["light"]["exposure"]
    linear = direct["Combined"] / np.maximum(alpha, 1e-3)[..., None] * exposure
    expected = tone_map(torch.from_numpy(linear).float()).numpy()
    # 41 dB were measured: what denoising the groups one by one and eight bits change.
    assert psnr(shown(shot, (1, 1, 1)), expected, alpha > 0.5) > 38
    assert psnr(shown(shot, (1, 0, 1)), expected, alpha > 0.5) < 30


def test_leaving_a_group_out_is_switching_its_lamps_off(rendered: Path) -> None:
    every, without = load_shot(rendered / "all.npz"), load_shot(rendered / "off.npz")
    assert without.light is not None and without.light.mean[1].max() < 1e-6
    head = every.arrays["alpha"][0] > 128
    exposure = [shot.parameters["light"]["exposure"] for shot in (every, without)]
    same = exposure[0] / exposure[1]
    expected = shown(without, (same, same, same))
    assert psnr(shown(every, (1, 0, 1)), expected, head) > 35
    assert psnr(shown(every, (1, 1, 1)), expected, head) < 30


def test_normals_are_those_of_the_depth(rendered: Path) -> None:
    shot = load_shot(rendered / "all.npz", extras=EXTRA_ARRAYS)
    camera, frame = shot.parameters["camera"], shot.parameters["frames"][0]
    depth = shot.arrays["depth_mm"][0].astype(np.float64)
    away = frame["zero_distance_mm"] - depth  # from the camera's plane
    column, row = np.meshgrid(np.arange(SIDE_PX) + 0.5, np.arange(SIDE_PX) + 0.5)
    place = np.stack(
        [
            (column - camera["centre_px"][0]) / camera["focal_px"] * away,
            -(row - camera["centre_px"][1]) / camera["focal_px"] * away,
            -away,
        ],
        -1,
    )
    expected = np.cross(np.gradient(place, axis=1), -np.gradient(place, axis=0))
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
    normal = decode_normals(shot.arrays["normal"][0])
    face = (shot.arrays["face"][0] > 200) & (shot.arrays["solid"][0] > 0) & (normal[..., 2] > 0.4)
    angle = np.degrees(np.arccos(np.clip((normal * expected).sum(-1), -1, 1)))[face]
    assert face.sum() > 1000
    assert np.median(angle) < 4


def test_landmarks_lie_on_the_surface_and_name_what_they_say(rendered: Path) -> None:
    shot = load_shot(rendered / "all.npz", extras=EXTRA_ARRAYS)
    assert shot.parameters["landmark_names"] == list(LANDMARK_NAMES)
    points, seen = shot.arrays["landmarks"][0], shot.arrays["landmarks_visible"][0].astype(bool)
    column, row = (points[:, :2].T * SIDE_PX).astype(int).clip(0, SIDE_PX - 1)
    gap = shot.arrays["depth_mm"][0][row, column].astype(float) - points[:, 2]
    assert seen.mean() > 0.6 and np.median(np.abs(gap[seen])) < 1.5
    place = dict(zip(LANDMARK_NAMES, points, strict=True))
    u, v, depth = shot.parameters["frames"][0]["landmarks"]["nose_tip"]
    assert np.abs(place["nose_tip"][:2] - (u, v)).max() < 0.01 and abs(place["nose_tip"][2] - depth) < 3
    assert place["left_eye_outer"][0] > place["left_eye_inner"][0] > place["right_eye_inner"][0]
    assert place["forehead"][1] < place["left_brow_3"][1] < place["left_eye_upper"][1] < place["chin"][1]
    regions = shot.arrays["regions"][0]
    for name, mark in (("left_eye", "left_pupil"), ("right_eye", "right_pupil"), ("mouth", "lower_lip_top")):
        x, y = (place[mark][:2] * SIDE_PX).astype(int)
        assert decode_region(regions, name)[y, x], name
    left, right = (
        np.argwhere(decode_region(regions, f"{side}_eye"))[:, 1].mean() for side in ("left", "right")
    )
    assert left > right  # of the subject
    ball, lids = (decode_region(regions, name) for name in ("eyeball", "left_eye"))
    assert ball.sum() > 10 and not (ball & ~lids & ~decode_region(regions, "right_eye")).any()


def test_landmarks_are_mirrored_vertices_of_their_own(assets: HeadAssets) -> None:
    vertices = landmark_vertices(assets)
    place = {name: assets.vertices[ids].mean(0) for name, ids in zip(LANDMARK_NAMES, vertices, strict=True)}
    assert len(set(map(tuple, vertices))) == len(LANDMARK_NAMES) == len(set(LANDMARK_NAMES))
    for name, where in place.items():
        if name.startswith("left_"):
            other = place[name.replace("left_", "right_", 1)]
            assert other == pytest.approx(where * (-1, 1, 1), abs=1e-3), name
        elif not name.startswith("right_"):
            assert abs(where[0]) < 1e-3, name


def test_shots_with_one_lamp_have_a_spare_one_that_is_off_in_their_own_light(assets: HeadAssets) -> None:
    with_spare = 0
    for seed in range(60):
        person = sample_identity(assets, 1)
        shot = sample_shot(seed, person.gender, person.age, [])
        groups = [group for group, _ in grouped_lamps(shot.lights, shot.spare_light)]
        assert groups[0] == "key" and set(groups[1:]) == {"fill"}
        assert (shot.spare_light is None) == (len(shot.lights) > 1)
        assert own_gains(shot.spare_light) == [1.0, float(shot.spare_light is None), 1.0]
        json.dumps(shot.to_json())
        with_spare += shot.spare_light is not None
    assert 10 < with_spare < 50


def test_the_sheet_shows_each_group_and_needs_groups(
    rendered: Path, drawn_shots: Path, tmp_path: Path
) -> None:
    write_light_sheet(rendered / "all.npz", 0, tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"), float)
    assert pixels.shape == (2 * (CELL_PX + LABEL_PX), 4 * CELL_PX, 3)
    cells = [pixels[LABEL_PX:CELL_PX, k * CELL_PX : (k + 1) * CELL_PX] for k in range(4)]
    assert all(np.abs(cells[0] - cell).mean() > 1 for cell in cells[1:])
    with pytest.raises(InputError, match="light groups"):
        write_light_sheet(sorted(drawn_shots.glob("*.npz"))[0], 0, tmp_path / "none.png")
