# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderer itself: real Cycles, small pictures."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from backend.training.dataset import load_shot
from backend.training.render.shot_format import FORMAT_VERSION
from tests.backend.training.conftest import REPOSITORY, render, write_shot
from tests.processes import tree, wait_gone

SMALL = ("--resolution", "96", "--samples", "2", "--processes", "1")


def test_a_shot_holds_pictures_depth_coverage_motion_and_all_parameters(small_data: Path) -> None:
    shot = load_shot(sorted(small_data.glob("shot_*.npz"))[0])
    covered = shot.arrays["coverage"][0] > 250
    depth = shot.arrays["depth_mm"][0].astype(np.float32)
    assert 0.05 < covered.mean() < 0.6
    assert (shot.arrays["solid"][0][covered] == 1).mean() > 0.98
    assert 60 < depth[covered].max() < 200  # the nose is nearest, in mm before the head's centre
    assert set(shot.parameters["frames"][0]) >= {"expression", "pose_deg", "regions", "landmarks"}
    assert shot.parameters["identity"]["sliders"]


def test_the_nose_landmark_lies_on_the_rendered_surface(small_data: Path) -> None:
    for path in sorted(small_data.glob("shot_*.npz")):
        shot = load_shot(path)
        u, v, depth = shot.parameters["frames"][0]["landmarks"]["nose_tip"]
        size = shot.arrays["depth_mm"].shape[1]
        row, column = int(v * size), int(u * size)
        # In a profile the nose's tip lies on the outline: the pixel itself may show what is behind.
        around = shot.arrays["depth_mm"][0, row - 1 : row + 2, column - 1 : column + 2].astype(float)
        assert np.abs(around - depth).min() < 4.0


def test_motion_leads_to_the_same_colour_in_the_reference(small_data: Path) -> None:
    shot = load_shot(sorted(small_data.glob("shot_*.npz"))[0])
    size = shot.arrays["depth_mm"].shape[1]
    grid = (np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5) / size
    for frame in range(shot.frames):
        place = (
            ((grid + shot.arrays["motion"][frame].astype(np.float32)) * size).astype(int).clip(0, size - 1)
        )
        # Strands thinner than a pixel twinkle; test_hair_strands looks at hair.
        seen = (shot.arrays["visible"][frame] > 0) & (shot.arrays["face"][frame] > 128)
        assert seen.sum() > 200
        now, still = (shot.picture(k)[..., :3].astype(float) for k in (frame, 0))
        found = still[place[..., 1], place[..., 0]]
        difference = np.abs(found - now)[seen].mean()
        # A head that turns is also lit otherwise.
        assert difference < max(8, 0.8 * np.abs(still - now)[seen].mean()), frame
        if frame == 0:
            assert np.abs(shot.arrays["motion"][0][seen]).max() < 1.5 / size


def test_the_same_seed_renders_the_same_shot_and_finished_shots_are_kept(
    small_data: Path, assets_folder: Path, tmp_path: Path
) -> None:
    assert render(assets_folder, tmp_path, "--count", "1", *SMALL).returncode == 0
    path = tmp_path / "shot_00000000.npz"
    first, again = load_shot(small_data / path.name), load_shot(path)
    for name, values in first.arrays.items():
        # The denoiser's threads add in any order: at most a grey level.
        assert np.abs(values.astype(np.float32) - again.arrays[name].astype(np.float32)).mean() < 0.05, name
    written = path.stat().st_mtime_ns
    half = tmp_path / "shot_00000001.part"
    half.write_bytes(b"half a shot")
    assert render(assets_folder, tmp_path, "--count", "1", *SMALL).returncode == 0
    assert path.stat().st_mtime_ns == written and not half.exists()


def test_a_damaged_shot_is_found_by_its_checksum_and_rendered_again(
    assets_folder: Path, tmp_path: Path
) -> None:
    assert render(assets_folder, tmp_path, "--count", "2", *SMALL).returncode == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert sorted(manifest["shots"]) == ["shot_00000000.npz", "shot_00000001.npz"]
    assert manifest["resolution_px"] == 96 and manifest["samples"] == 2
    broken, kept = tmp_path / "shot_00000000.npz", tmp_path / "shot_00000001.npz"
    written, content = kept.stat().st_mtime_ns, bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 0xFF
    broken.write_bytes(content)
    again = render(assets_folder, tmp_path, "--count", "2", *SMALL)
    assert again.returncode == 0 and str(broken) in again.stderr
    assert load_shot(broken).frames > 1 and kept.stat().st_mtime_ns == written
    # Not listed yet (an interrupted run) and cut short: found by reading it.
    (tmp_path / "manifest.json").unlink()
    broken.write_bytes(bytes(content[: len(content) // 2]))
    assert render(assets_folder, tmp_path, "--count", "2", *SMALL).returncode == 0
    assert load_shot(broken).frames > 1


def test_shots_of_a_later_format_are_refused(assets_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 99, "shots": {}}')
    done = render(assets_folder, tmp_path, "--count", "1", *SMALL)
    assert done.returncode != 0 and "format 99" in done.stderr and not list(tmp_path.glob("*.npz"))


def test_shots_of_earlier_formats_are_kept_until_they_are_asked_for(
    assets_folder: Path, tmp_path: Path
) -> None:
    listed, unlisted = tmp_path / "shot_00000000.npz", tmp_path / "shot_00000001.npz"
    write_shot(listed, 0)
    digest = hashlib.sha256(listed.read_bytes()).hexdigest()
    known = {listed.name: {"seed": 0, "bytes": listed.stat().st_size, "sha256": digest}}
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 2, "shots": known}))
    write_shot(unlisted, 1)
    before = listed.read_bytes(), unlisted.read_bytes()
    done = render(assets_folder, tmp_path, "--count", "2", *SMALL)
    assert done.returncode == 0 and "2 shots of an earlier format" in done.stderr
    assert (listed.read_bytes(), unlisted.read_bytes()) == before
    shots = json.loads((tmp_path / "manifest.json").read_text())["shots"]
    assert [shots[p.name]["format"] for p in (listed, unlisted)] == [2, 1]
    assert render(assets_folder, tmp_path, "--count", "1", "--renew", *SMALL).returncode == 0
    shots = json.loads((tmp_path / "manifest.json").read_text())["shots"]
    assert [shots[p.name]["format"] for p in (listed, unlisted)] == [FORMAT_VERSION, 1]
    assert load_shot(listed).light is not None and unlisted.read_bytes() == before[1]


def test_a_wrong_assets_folder_is_named(tmp_path: Path) -> None:
    done = render(tmp_path, tmp_path / "out", "--count", "1")
    assert done.returncode != 0
    assert str(tmp_path) in done.stderr and "MPFB" in done.stderr


def test_killing_the_command_ends_its_render_processes(assets_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backend", "render-dataset", "--assets", str(assets_folder)]
    command += ["--out", str(tmp_path / "data"), "--count", "50", *SMALL]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as renderer:
        end_s = time.monotonic() + 60
        while len(processes := tree(renderer.pid)) < 2:
            assert renderer.poll() is None and time.monotonic() < end_s
            time.sleep(0.05)
        renderer.kill()
    assert wait_gone(processes, 30.0)
