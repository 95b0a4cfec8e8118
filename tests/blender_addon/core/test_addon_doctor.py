# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of the installation with the real backend's doctor, and with ones that do not answer. No bpy."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from blender_addon.core.doctor import LOG_NAME, Doctor
from blender_addon.core.errors import AddonError
from blender_addon.core.launch import ENV_CHECKPOINT, ENV_LANDMARKER, Launch
from tests.processes import tree, wait_gone

SERVE = (sys.executable, "-m", "backend", "serve")


def examine(launch: Launch, folder: Path, deadline_s: float = 120.0):
    doctor = Doctor()
    doctor.deadline_s = deadline_s
    doctor.start(launch, folder)
    assert doctor.busy
    return doctor.run()


def test_the_real_backend_tells_its_packages_device_and_model(
    repository: Path, tiny_checkpoint: Path, tmp_path: Path
):
    launch = Launch((*SERVE, "--device", "cpu"), repository, {ENV_CHECKPOINT: str(tiny_checkpoint)})
    found = examine(launch, tmp_path)
    assert found is not None and found.problem is None, found
    checks = {check.name: check for check in found.checks}
    assert {"packages", "device", "memory", "checkpoint", "driving"} <= set(checks)
    assert checks["device"].value.startswith("cpu ") and str(tiny_checkpoint) in checks["checkpoint"].value
    assert found.text.splitlines()[0] == f"Portrait Relief {found.version}" and found.version
    assert len([line for line in found.text.splitlines() if line.startswith(("ok", "FAIL"))]) == len(checks)


def test_a_failing_check_comes_with_its_remedy(repository: Path, tmp_path: Path):
    launch = Launch((*SERVE, "--device", "cpu"), repository, {ENV_CHECKPOINT: str(tmp_path / "none")})
    found = examine(launch, tmp_path)
    assert found is not None and not found.ok and found.problem is None
    (failed,) = [check for check in found.checks if check.name == "checkpoint"]
    assert not failed.ok and failed.hint and failed.hint in found.text


def test_what_is_optional_and_not_there_is_neither_found_nor_a_failure(repository: Path, tmp_path: Path):
    variables = {ENV_CHECKPOINT: str(tmp_path / "none"), ENV_LANDMARKER: str(tmp_path / "none.task")}
    found = examine(Launch((*SERVE, "--device", "cpu"), repository, variables), tmp_path)
    assert found is not None
    assert [(check.name, check.ok) for check in found.checks if check.absent] == [("driving", True)]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "exit status 0"),
        ("raise ImportError('libGL is missing')", "libGL is missing"),
        ("print('{')", "({)"),
    ],
)
def test_a_backend_that_cannot_answer_is_a_problem_with_its_last_words(code: str, said: str, tmp_path: Path):
    (tmp_path / "backend.py").write_text(code)
    found = examine(Launch(SERVE, tmp_path), tmp_path / "logs")
    assert found is not None and found.problem is not None and not found.ok
    assert found.problem.code == "check_failed" and said in found.problem.message
    assert "doctor --json" in (tmp_path / "logs" / LOG_NAME).read_text()


def test_one_that_hangs_is_ended_with_what_it_started(tmp_path: Path):
    (tmp_path / "backend.py").write_text(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('begun', 'w').close()\nimport time; time.sleep(60)\n"
    )
    doctor = Doctor()
    for how in ("deadline", "cancel"):
        (tmp_path / "begun").unlink(missing_ok=True)
        doctor.start(Launch(SERVE, tmp_path), tmp_path)
        end_s = time.monotonic() + 30
        while not (tmp_path / "begun").exists() and time.monotonic() < end_s:
            assert not doctor.poll()
            time.sleep(0.01)
        assert doctor.pid is not None
        processes = tree(doctor.pid)
        with pytest.raises(AddonError):
            doctor.start(Launch(SERVE, tmp_path), tmp_path)
        if how == "cancel":
            assert doctor.cancel() and not doctor.cancel() and doctor.findings is None
        else:
            doctor.deadline_s = 0.0
            assert doctor.poll() and doctor.findings is not None and doctor.findings.problem is not None
            doctor.deadline_s = 60.0
        assert not doctor.busy and len(processes) >= 2 and wait_gone(processes)


def test_a_python_that_is_gone_is_said_at_once(tmp_path: Path):
    with pytest.raises(AddonError) as caught:
        Doctor().start(Launch((str(tmp_path / "python"), "-m", "backend", "serve"), tmp_path), tmp_path)
    assert caught.value.problem.code == "check_failed"
