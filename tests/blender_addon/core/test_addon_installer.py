# SPDX-License-Identifier: GPL-3.0-or-later
"""The installer with real virtual environments, a real pip and tiny wheels; no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon.core import environment, pip_output
from blender_addon.core.downloads import GB, space_bytes
from blender_addon.core.environment import EnvironmentState
from blender_addon.core.errors import LOCAL_PROBLEMS, AddonError, Remedy
from blender_addon.core.installer import (
    LOCK_FILE_NAME,
    Installer,
    InstallPlan,
    InstallState,
    log_path,
)
from blender_addon.core.launch import find_python
from tests.blender_addon.tiny_wheels import write_bundle
from tests.processes import tree, wait_gone

TIMEOUT_S = 240.0


def several_environments(test):
    """Making one takes seconds, on a busy machine a minute."""
    return pytest.mark.slow(pytest.mark.timeout(600)(test))


def install(plan: InstallPlan) -> Installer:
    installer = Installer()
    installer.start(plan)
    installer.run(TIMEOUT_S)
    return installer


def make_slow_pip(plan: InstallPlan, begin: Path) -> None:
    """pip in this environment waits, with a child of its own, instead of installing."""
    (packages,) = plan.folder.glob("**/site-packages")
    shutil.rmtree(packages / "pip")
    (packages / "pip").mkdir()
    (packages / "pip" / "__init__.py").touch()
    (packages / "pip" / "__main__.py").write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(begin)!r}, 'w').close()\nchild.wait()\n"
    )


def test_a_folder_that_cannot_be_written_is_named(plan, tmp_path):
    (tmp_path / "file").write_text("in the way")
    installer = Installer()
    with pytest.raises(AddonError, match="into this folder") as caught:
        installer.start(replace(plan, folder=tmp_path / "file" / environment.FOLDER_NAME))
    assert caught.value.problem.code == "install_folder_not_writable"
    assert caught.value.problem.remedy is Remedy.OPEN_PREFERENCES and not installer.busy


@several_environments
def test_install_update_break_and_remove(plan, tmp_path):
    assert environment.state_of(plan.folder, plan.bundle) is EnvironmentState.ABSENT
    installer = Installer()
    seen, bar = [], []
    installer.start(plan)
    while installer.busy:
        installer.poll()
        seen.append(installer.status)
        bar.append(installer.progress)
        time.sleep(0.01)
    assert installer.problem is None and installer.state is InstallState.DONE
    assert "Making the environment" in seen and "Testing the backend" in seen
    assert bar == sorted(bar) and bar[-1] == 1.0
    assert environment.state_of(plan.folder, plan.bundle) is EnvironmentState.INSTALLED
    stamp = environment.read_stamp(plan.folder)
    assert stamp is not None and stamp.verified == "0.1.0" and stamp.python.startswith("3.")
    python = environment.python_in_environment(plan.folder)
    assert find_python("", None, plan.folder, inside_blender_program=True) == python
    assert not (plan.folder.parent / LOCK_FILE_NAME).exists()
    assert not (plan.folder.parent / "backend-download").exists()
    log = log_path(plan.storage).read_text()
    assert "$ " in log and "-r " in log and "--no-deps" in log

    # A newer wheel asks for an update, which keeps the environment.
    write_bundle(tmp_path / "extension", "0.2.0")
    newer = replace(plan, bundle=environment.find_bundle(tmp_path / "extension"))
    assert environment.state_of(plan.folder, newer.bundle) is EnvironmentState.OUTDATED
    mark = plan.folder / "kept"
    mark.touch()
    assert install(newer).problem is None and mark.exists()
    stamp = environment.read_stamp(plan.folder)
    assert stamp is not None and stamp.verified == "0.2.0"

    # One that does not work is not called installed.
    write_bundle(tmp_path / "extension", "0.3.0", working=False)
    broken = install(replace(plan, bundle=environment.find_bundle(tmp_path / "extension")))
    assert broken.problem is not None and broken.problem.code == "install_not_working"
    assert "packages: torch" in broken.problem.message
    assert environment.read_stamp(plan.folder) is None

    # The base Python was uninstalled: nothing to start from, the same button makes it anew.
    python.unlink()
    assert environment.state_of(plan.folder, newer.bundle) is EnvironmentState.INCOMPLETE
    with pytest.raises(AddonError) as caught:
        find_python("", None, plan.folder, inside_blender_program=True)
    assert caught.value.problem.remedy is Remedy.INSTALL_BACKEND
    removal = install(replace(newer, bundle=None))
    assert removal.problem is None and removal.removing
    assert not plan.folder.exists()
    assert environment.state_of(plan.folder, newer.bundle) is EnvironmentState.ABSENT


@several_environments
def test_a_failing_pip_is_one_sentence_and_is_repaired(plan):
    assert plan.bundle is not None
    plan.bundle.lock.write_text("not-there-at-all==1.0\n")
    installer = install(plan)
    assert installer.state is InstallState.FAILED and installer.problem is not None
    assert installer.problem.code == "install_no_package"
    assert "not-there-at-all==1.0" in installer.problem.message
    assert environment.state_of(plan.folder, plan.bundle) is EnvironmentState.INCOMPLETE
    with pytest.raises(AddonError, match="not complete"):
        find_python("", None, plan.folder, inside_blender_program=True)
    plan.bundle.lock.write_text("tiny-dependency==1.0\n")
    assert install(plan).problem is None


@several_environments
def test_cancel_and_silence_leave_no_process_and_an_update_that_did_not_begin_leaves_the_old_one(
    plan, tmp_path
):
    assert install(plan).problem is None
    begin = tmp_path / "begun"
    make_slow_pip(plan, begin)
    for how in ("cancel", "silence"):
        begin.unlink(missing_ok=True)
        installer = Installer()
        installer.quiet_limit_s = 0.5 if how == "silence" else None
        installer.start(plan)
        end_s = time.monotonic() + 30
        while not begin.exists() and time.monotonic() < end_s:
            installer.poll()
            time.sleep(0.01)
        assert installer.pid is not None
        processes = tree(installer.pid)
        assert len(processes) >= 2  # pip and what it has started
        assert environment.read_stamp(plan.folder) is None  # while it is at work, nothing is promised
        with pytest.raises(AddonError) as caught:
            installer.start(plan)
        assert caught.value.problem.code == "installing"
        if how == "cancel":
            assert installer.cancel() and installer.state is InstallState.CANCELLED
            assert installer.problem is None and not installer.cancel()
        else:
            problem = installer.run(10.0)
            assert problem is not None and problem.code == "install_stuck"
        assert wait_gone(processes)
        assert environment.is_complete(plan.folder)  # pip had not touched it


def test_cancelling_a_first_installation_leaves_no_stamp(plan):
    installer = Installer()
    installer.start(plan)
    while installer.status != "Making the environment":
        installer.poll()
        time.sleep(0.005)
    time.sleep(0.3)
    assert installer.pid is not None
    processes = tree(installer.pid)
    installer.cancel()
    assert processes and wait_gone(processes)
    assert environment.read_stamp(plan.folder) is None
    assert environment.state_of(plan.folder, plan.bundle) is not EnvironmentState.INSTALLED


def test_an_unsuitable_python_is_named_and_a_working_environment_survives_it(plan, tmp_path):
    plan.folder.mkdir(parents=True)
    for text, code in (
        ("#!/bin/sh\necho python 3.10.4\n", "install_old_python"),
        (
            "#!/bin/sh\necho python 3.12.1\necho \"ModuleNotFoundError: No module named 'ensurepip'\"\nexit 1\n",
            "install_no_venv",
        ),
        ("#!/bin/sh\necho hello\n", "install_no_python"),
    ):
        python = tmp_path / "python"
        python.write_text(text)
        python.chmod(0o755)
        problem = install(replace(plan, base_python=python)).problem
        assert problem is not None and (problem.code, problem.remedy) == (code, Remedy.OPEN_PREFERENCES)
    assert plan.folder.is_dir()
    with pytest.raises(AddonError) as caught:
        Installer().start(replace(plan, base_python=tmp_path / "nothing"))
    assert caught.value.problem.code == "install_no_python"


def test_too_little_space_is_said_before_anything_is_made(plan, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10 * GB, 8 * GB, 2 * GB))
    installer = Installer()
    with pytest.raises(AddonError, match=r"3 GB needed, 2\.0 GB free"):
        installer.start(replace(plan, needed_bytes=space_bytes("", "win32")))
    assert not installer.busy and not plan.folder.exists()
    assert space_bytes("", "linux") == 8 * GB
    assert space_bytes("https://download.pytorch.org/whl/cpu", "linux") == 3 * GB
    assert space_bytes("https://download.pytorch.org/whl/cu126", "win32") == 8 * GB


def test_two_blenders_do_not_install_at_once_but_a_dead_one_is_no_hindrance(plan):
    lock = plan.folder.parent / LOCK_FILE_NAME
    lock.parent.mkdir(parents=True)
    lock.write_text("1")
    with pytest.raises(AddonError) as caught:
        Installer().start(plan)
    assert caught.value.problem.code == "install_elsewhere" and lock.exists()
    long_ago = time.time() - 120
    os.utime(lock, (long_ago, long_ago))
    installer = Installer()
    installer.start(plan)
    installer.cancel()
    assert not lock.exists()


def test_a_backend_of_an_earlier_installation_is_found_when_it_is_the_same(plan, tmp_path):
    def made(folder: Path, age_s: float = 0.0, content: str = "") -> Path:
        """What an installation leaves, without its packages."""
        python = environment.python_in_environment(folder)
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        assert plan.bundle is not None
        digest = content or plan.bundle.content()
        environment.write_stamp(folder, environment.Stamp(plan.bundle.wheel.name, digest, "3.11.7", "0.1.0"))
        then_s = time.time() - age_s
        os.utime(folder / environment.STAMP_NAME, (then_s, then_s))
        return folder

    configuration = tmp_path / "blender"
    storage = configuration / "4.5" / "extensions" / ".user" / "user_default" / "portrait_relief"
    assert environment.find_earlier(storage, plan.bundle) is None
    made(
        configuration / "4.4/extensions/.user/user_default/portrait_relief/backend-environment", 0, "another"
    )
    made(configuration / "4.3/extensions/.user/user_default/another_extension/backend-environment")
    assert environment.find_earlier(storage, plan.bundle) is None
    older = made(configuration / "4.2/extensions/.user/user_default/portrait_relief/backend-environment", 100)
    assert environment.find_earlier(storage, plan.bundle) == older
    newer = made(configuration / "4.5/extensions/.user/blender_org/portrait_relief/backend-environment", 50)
    assert environment.find_earlier(storage, plan.bundle) == newer
    environment.python_in_environment(newer).unlink()  # that Blender was uninstalled
    assert environment.find_earlier(storage, plan.bundle) == older
    own = made(storage / environment.FOLDER_NAME)  # before another folder was chosen
    assert environment.find_earlier(storage, plan.bundle) == own
    assert environment.find_earlier(storage, None) is None
    assert environment.find_earlier(tmp_path / "elsewhere", plan.bundle) is None


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("'NewConnectionError(...)'\nERROR: No matching distribution found for torch", "install_no_network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left", "install_no_space"),
        ("HINT: this system does not have Windows Long Path support enabled.", "install_long_paths"),
        ("ERROR: No matching distribution found for OpenEXR<4,>=3.4", "install_no_package"),
        ("was not created successfully because ensurepip is not available.", "install_no_venv"),
        ("lines\nERROR: something unheard of\nmore", "install_failed"),
    ],
)
def test_causes_are_told_from_pips_words(output, code):
    problem = pip_output.explain_failure(output, "install_failed")
    assert problem.code == code and problem.hint.endswith(".")
    if code == "install_failed":
        assert "something unheard of" in problem.message


def test_progress_counts_packages_and_the_megabytes_of_a_large_one():
    output = "Collecting numpy==1.26.4 (from -r requirements.lock (line 3))\n"
    output += "  Downloading numpy-1.26.4-cp311.whl (18.3 MB)\n"
    assert pip_output.progress("", 50).fraction == 0.0
    first = pip_output.progress(output, 50)
    assert first.text == "Package 1 of 50: numpy"
    output += (
        "Collecting torch==2.13.0\n  Downloading https://host/whl/torch-2.13.0-cp311.whl.metadata (30 kB)\n"
    )
    output += "Downloading torch-2.13.0-cp311.whl (900.0 MB)\n"
    second = pip_output.progress(output, 50, 450_000_000)
    assert second.text == "torch: 450 of 900 MB" and second.fraction > first.fraction
    last = pip_output.progress(output + "Installing collected packages: numpy, torch\n", 50)
    assert last.text == "Unpacking 2 packages" and last.fraction > 0.9


def test_every_local_problem_is_a_sentence_with_a_hint():
    for problem in LOCAL_PROBLEMS.values():
        assert problem.message.endswith(".") and problem.hint.endswith("."), problem


def test_the_installer_imports_no_bpy():
    code = "import sys; sys.modules['bpy'] = None; from blender_addon.core import installer"
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-S", "-c", code], check=True, cwd=root)
