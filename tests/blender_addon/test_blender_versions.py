# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the folder inside_blender in each supported Blender, every one in a process of its own.

The main environment holds one bpy; the others lie in .venv/bpy/VERSION, installed with `pip install --target`
(`python build.py test` does so).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OTHERS = ("4.2.23", "5.0.1")
INSIDE = "tests/blender_addon/inside_blender"
REAL_BACKEND = "test_real_backend.py"  # slow, and the same in every Blender


def run_pytest(*arguments: str, **variables: str) -> None:
    """pytest in a process of its own; fails with its output."""
    environment = {**os.environ, "PORTRAIT_RELIEF_INSIDE_BLENDER": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    environment.update(variables)
    stacks = ["-o", "faulthandler_timeout=200"]  # of all threads, where a test hangs
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *stacks, *arguments]
    try:
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired as error:
        said, errors = ((each or b"").decode(errors="replace") for each in (error.stdout, error.stderr))
        pytest.fail(f"it did not end\n{said[-6000:]}\n{errors[-12000:]}")
    # The summary is read because Blender may crash while Python ends, long after the last test.
    lines = run.stdout.strip().splitlines()
    summary = next((line for line in reversed(lines) if re.search(r"\d+ (passed|failed|error)", line)), "")
    assert "passed" in summary and not re.search("failed|error", summary), (
        f"exit status {run.returncode}\n{run.stdout[-6000:]}\n{run.stderr[-2000:]}"
    )


@pytest.mark.slow
@pytest.mark.timeout(620)
@pytest.mark.parametrize("version", ["main", *OTHERS])
def test_in_blender(version: str):
    variables = {}
    if version != "main":
        folder = ROOT / ".venv" / "bpy" / version
        if not (folder / "bpy").is_dir():
            pytest.skip(f"Blender {version} is not in {folder}: run `python build.py test` once")
        variables["PYTHONPATH"] = str(folder)
    files = sorted((ROOT / INSIDE).glob("test_*.py"))
    run_pytest(*(str(path) for path in files if path.name != REAL_BACKEND), **variables)


@pytest.mark.slow
@pytest.mark.timeout(620)
def test_with_the_real_backend(tiny_checkpoint: Path):
    run_pytest(f"{INSIDE}/{REAL_BACKEND}", PORTRAIT_RELIEF_CHECKPOINT=str(tiny_checkpoint))
