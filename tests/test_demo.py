# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole product: a real backend process, a real Blender, real files; what is looked at comes from the embedded
weights."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import trimesh
from PIL import Image

import build
from backend.editor import DEFAULT_CHECKPOINT
from backend.imaging.depth_codec import read_depth

pytestmark = pytest.mark.slow


def demo_environment(checkpoint: Path) -> dict[str, str]:
    return build.clean_environment(PORTRAIT_RELIEF_CHECKPOINT=str(checkpoint), OMP_NUM_THREADS="1")


def run_demo(repository: Path, checkpoint: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=repository,
        env=demo_environment(checkpoint),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def processes_marked(mark: str) -> list[int]:
    """Processes that inherited an environment variable with this value."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if mark in process.environ().values() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


@pytest.fixture(scope="module")
def out(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    answer = run_demo(repository, DEFAULT_CHECKPOINT, "--out", str(folder), "--samples", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert str(folder / "contact_sheet.png") in answer.stdout
    return folder


def test_pictures_have_the_photos_size_and_only_the_head_is_changed(out: Path):
    photo, portrait, coverage = (
        np.asarray(Image.open(out / name)) for name in ("photo.png", "portrait.png", "coverage.png")
    )
    assert photo.shape == portrait.shape == (512, 512, 3)
    assert coverage.shape == (512, 512)
    changed = (photo != portrait).any(2)
    assert 0.001 < changed.mean() < 0.5
    assert not changed[400:].any()


def test_depth_is_in_millimetres_with_nan_outside_the_head(out: Path):
    depth = read_depth(out / "depth.exr")
    assert depth.shape == (512, 512)
    assert depth.dtype == np.float32
    assert np.isnan(depth[-1]).all()
    inside = np.isfinite(depth)
    assert 0.001 < inside.mean() < 0.5
    assert 0 < np.ptp(depth[inside]) < 500


def test_glb_is_a_textured_head_of_life_size(out: Path):
    scene = trimesh.load_scene(out / "relief.glb")
    (mesh,) = scene.geometry.values()
    assert isinstance(mesh, trimesh.Trimesh)
    visual: Any = mesh.visual
    assert visual.material.baseColorTexture.size == (512, 512)
    assert visual.uv.shape == (len(mesh.vertices), 2)
    assert (visual.uv >= 0).all() and (visual.uv <= 1).all()
    report = json.loads((out / "report.json").read_text())
    # glTF is y-up: width, height, depth in metres.
    width, depth, height = report["relief"]["size_m"]
    assert mesh.extents == pytest.approx((width, height, depth), abs=1e-3)
    assert 0.01 < width < 0.6
    assert depth > 0.001


def test_stl_is_the_same_shape_in_millimetres(out: Path):
    mesh = trimesh.load_mesh(out / "relief.stl")
    report = json.loads((out / "report.json").read_text())
    assert mesh.extents == pytest.approx(np.array(report["relief"]["size_m"]) * 1000, abs=1)


def test_blend_opens_with_both_reliefs_and_its_pictures_packed(out: Path, tmp_path: Path):
    blend = tmp_path / "moved.blend"
    blend.write_bytes((out / "relief.blend").read_bytes())
    script = f"""
import bpy, json
bpy.ops.wm.open_mainfile(filepath={str(blend)!r})
images = [image for image in bpy.data.images if image.type == "IMAGE"]
for image in images:
    image.update()
print("FOUND", json.dumps({{
    "meshes": len([item for item in bpy.data.objects if item.type == "MESH"]),
    "lights": len(bpy.data.lights),
    "packed": [image.packed_file is not None for image in images],
    "brightest": [max(image.pixels[:]) for image in images],
}}))
"""
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    found = json.loads(answer.stdout.split("FOUND")[1].splitlines()[0])
    assert found["meshes"] == 2
    assert found["lights"] == 3
    assert len(found["packed"]) == 4 and all(found["packed"])
    assert min(found["brightest"]) > 0


def test_report_names_device_checkpoint_versions_and_seconds(out: Path):
    report = json.loads((out / "report.json").read_text())
    assert report["device"]
    assert report["checkpoint"]["name"] == DEFAULT_CHECKPOINT.name
    assert {"blender", "portrait_relief", "python", "torch", "diffusers"} <= report["versions"].keys()
    assert report["versions"]["blender"].startswith("4.5")
    phases = {name: seconds for name, seconds in report["seconds"].items() if name != "all"}
    assert len(phases) >= 6 and min(phases.values()) >= 0
    assert report["seconds"]["all"] == pytest.approx(sum(phases.values()), abs=0.1)


def test_relit_picture_and_contact_sheet_show_something(out: Path):
    for name in ("relit.png", "contact_sheet.png"):
        assert np.asarray(Image.open(out / name).convert("L")).std() > 5, name
    assert max(Image.open(out / "relit.png").size) == 640


def test_demo_names_a_missing_photo_in_one_sentence(repository: Path, tmp_path: Path):
    answer = run_demo(repository, tmp_path, "gone.jpg", "--out", str(tmp_path))
    assert answer.returncode == 1
    assert "There is no photo gone.jpg." in answer.stderr
    assert "Traceback" not in answer.stderr


def test_demo_says_what_the_backend_said_of_a_bad_checkpoint(repository: Path, tmp_path: Path):
    answer = run_demo(repository, tmp_path / "no-checkpoint", "--out", str(tmp_path))
    assert answer.returncode == 1
    assert "no-checkpoint" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="POSIX process groups")
def test_demo_leaves_no_process_behind_when_interrupted(
    repository: Path, tiny_checkpoint: Path, tmp_path: Path
):
    """As build.py does it on Ctrl+C: an interrupt in the middle of a job ends demo and backend."""
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    environment = demo_environment(tiny_checkpoint) | {"PORTRAIT_RELIEF_TEST_MARK": mark}
    command = [sys.executable, "-m", "demo", "--out", str(tmp_path)]
    demo = build.start(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stdout is not None and demo.stderr is not None
    said = ""
    while "estimating" not in said:
        said += demo.stdout.read(1)
    assert len(processes_marked(mark)) >= 2
    build.stop(demo)
    assert demo.returncode == 130
    assert "Interrupted" in demo.stderr.read()
    end = time.monotonic() + 5
    while processes_marked(mark) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes_marked(mark) == []
