# SPDX-License-Identifier: GPL-3.0-or-later
"""``portrait-relief doctor`` on this machine, whole and broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from backend import doctor


def run(repository: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backend", "doctor", "--device", "cpu", *words],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_whole_installation_passes(repository: Path, tiny_checkpoint: Path) -> None:
    done = run(repository, "--checkpoint", str(tiny_checkpoint), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert report["ok"] and all(check["ok"] for check in checks.values())
    names = "python packages device memory checkpoint driving folders network"
    assert set(checks) == set(names.split())
    assert checks["packages"]["details"]["torch"] and checks["device"]["details"]["type"] == "cpu"
    assert checks["checkpoint"]["details"]["resolution_px"] == 32
    assert 0 < checks["checkpoint"]["details"]["forward_s"] < 60


def test_a_damaged_checkpoint_is_found(repository: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_checkpoint, damaged)
    weights = next(damaged.glob("backbone/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1000])
    done = run(repository, "--checkpoint", str(damaged))
    assert done.returncode == 5
    line = next(line for line in done.stdout.splitlines() if " checkpoint " in line)
    assert line.startswith("FAIL") and str(damaged) in line
    assert "Traceback" not in done.stdout + done.stderr


def test_a_full_or_missing_temporary_folder_is_found(repository: Path, tiny_checkpoint: Path) -> None:
    # /proc takes no files, and neither does any other candidate of tempfile when the current folder is /proc.
    code = (
        "import os, tempfile; os.chdir('/proc')\n"
        "tempfile._candidate_tempdir_list = lambda: ['/proc']\n"
        "from backend import doctor; check = doctor._guarded('folders', doctor._folders)\n"
        "print(check.ok, check.value)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("False"), done.stdout + done.stderr


def test_text_shows_the_remedy_below_the_failure() -> None:
    checks = (
        doctor.Check("python", True, "3.11"),
        doctor.Check("memory", False, "0.1 GiB", "Close programs."),
    )
    lines = doctor.Report(checks).to_text().splitlines()
    assert lines[1].startswith("ok") and lines[2].startswith("FAIL") and lines[3].strip() == "Close programs."


def test_one_check_can_be_asked_for_alone(repository: Path, tmp_path: Path) -> None:
    done = run(repository, "--only", "driving", "--json", PORTRAIT_RELIEF_LANDMARKER=str(tmp_path / "none"))
    assert done.returncode == 0, done.stdout + done.stderr
    (check,) = json.loads(done.stdout)["checks"]
    assert check["name"] == "driving" and not check["details"]["available"]
    assert "tick Face Following" in check["details"]["hint"]
    assert run(repository, "--only", "nothing").returncode == 2


def test_a_face_model_that_does_not_work_is_a_failure(repository: Path, tmp_path: Path) -> None:
    broken = tmp_path / "face_landmarker.task"
    broken.write_bytes(b"no model")
    done = run(repository, "--only", "driving", PORTRAIT_RELIEF_LANDMARKER=str(broken))
    assert done.returncode != 0
    line = next(line for line in done.stdout.splitlines() if " driving " in line)
    assert line.startswith("FAIL") and "Face Following" in done.stdout


def test_the_names_to_ask_for_are_those_of_the_checks() -> None:
    assert [check.name for check in doctor.examine(device="nothing", checkpoint="/nowhere").checks] == list(
        doctor.CHECK_NAMES
    )
