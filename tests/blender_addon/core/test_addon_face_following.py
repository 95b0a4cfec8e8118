# SPDX-License-Identifier: GPL-3.0-or-later
"""The optional face following of the installer: real environments, a real pip, a real server for the model."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blender_addon.core import downloads, environment, face_following, fetch
from blender_addon.core.environment import EnvironmentState
from blender_addon.core.installer import Installer, InstallPlan, InstallState, log_path
from tests.blender_addon.tiny_wheels import write_bundle

MODEL = b"a model of faces" * 20_000


class _Server(http.server.BaseHTTPRequestHandler):
    answers: list[bytes] = []  # what it sends, one after the other; the last one stays
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        content = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(MODEL) if content else 0))
        self.end_headers()
        self.wfile.write(content)  # of a part the connection ends early

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Server]]:
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{running.server_port}/{face_following.MODEL_NAME}"
    monkeypatch.setenv(face_following.ENV_MODEL_URL, address)
    monkeypatch.setattr(face_following, "MODEL_SHA256", hashlib.sha256(MODEL).hexdigest())
    _Server.answers, _Server.asked = [MODEL], 0
    yield _Server
    running.shutdown()
    running.server_close()


@pytest.fixture
def plan(plan: InstallPlan) -> InstallPlan:
    """The tick is set."""
    return replace(plan, face_following=True)


def install(plan: InstallPlan) -> tuple[Installer, set[str]]:
    """The installer at its end, and the lines that its bar has shown."""
    installer, seen, bar = Installer(), set(), []
    installer.start(plan)
    while installer.busy:
        installer.poll()
        seen.add(installer.status)
        bar.append(installer.progress)
    assert bar == sorted(bar)
    return installer, seen


def fetched(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", fetch.__file__, *arguments], capture_output=True, text=True, timeout=60
    )


def model_is_whole(plan: InstallPlan) -> bool:
    path = face_following.model_path(plan.folder)
    return path.is_file() and path.read_bytes() == MODEL and os.listdir(path.parent) == [path.name]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_face_following_is_added_repaired_kept_and_removed(plan, server):
    # First without: the backend is whole and follows no faces.
    plain, seen = install(replace(plan, face_following=False))
    assert plain.state is InstallState.DONE and "Downloading the face model" not in seen
    assert not face_following.is_installed(plan.folder, plan.bundle) and server.asked == 0

    # A server that does not have it: one sentence, and the backend stays installed.
    server.answers = [b""]
    failed, _seen = install(plan)
    assert failed.problem is not None and failed.problem.code == "face_no_model"
    assert "404" in failed.problem.message and server.asked == fetch.TRIES
    assert environment.state_of(plan.folder, plan.bundle) is EnvironmentState.INSTALLED
    assert not face_following.is_installed(plan.folder, plan.bundle)

    # Trying again does only what is missing.
    server.answers = [MODEL]
    done, seen = install(plan)
    assert done.problem is None, done.problem
    assert {"Downloading the face model", "Testing face following"} <= seen
    assert "Installing the backend" not in seen and "Testing the backend" not in seen
    assert face_following.is_installed(plan.folder, plan.bundle) and model_is_whole(plan)
    assert "--no-deps -r" in log_path(plan.storage).read_text()

    # A lost model is noticed and fetched again.
    face_following.model_path(plan.folder).unlink()
    assert not face_following.is_installed(plan.folder, plan.bundle)
    assert install(plan)[0].problem is None and model_is_whole(plan)

    # Reinstalling keeps the model that is there; without the tick it goes.
    asked = server.asked
    again, seen = install(replace(plan, fresh=True))
    assert again.problem is None and "Making the environment" in seen and server.asked == asked
    assert face_following.is_installed(plan.folder, plan.bundle) and model_is_whole(plan)

    # An update of the backend leaves it as it is.
    write_bundle(plan.storage.parent / "extension", "0.2.0")
    newer = replace(plan, bundle=environment.find_bundle(plan.storage.parent / "extension"))
    updated, seen = install(newer)
    assert updated.problem is None and "Installing the backend" in seen
    assert "Downloading the face model" not in seen
    assert face_following.is_installed(plan.folder, newer.bundle)

    # Other versions of its packages ask for an installation.
    face_following.lock_of(newer.bundle).write_text("tiny-follower==1.0\n# newer\n")
    assert not face_following.is_installed(plan.folder, newer.bundle)

    assert install(replace(newer, bundle=None))[0].problem is None
    assert not plan.folder.exists() and not face_following.model_folder(plan.folder).exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_packages_that_are_not_there_leave_a_working_backend(plan, server):
    face_following.lock_of(plan.bundle).write_text("not-there-at-all==1.0\n")
    failed, _seen = install(plan)
    assert failed.problem is not None and failed.problem.code == "face_failed"
    assert "the backend itself is whole" in failed.problem.message
    assert environment.state_of(plan.folder, plan.bundle) is EnvironmentState.INSTALLED
    assert not face_following.is_installed(plan.folder, plan.bundle)


def test_a_broken_download_is_tried_again_and_never_named_the_model(server, tmp_path):
    target, address = tmp_path / "folder" / "model.task", os.environ[face_following.ENV_MODEL_URL]
    server.answers = [MODEL[:100_000], MODEL]
    done = fetched(address, str(target), face_following.MODEL_SHA256)
    assert done.returncode == 0 and target.read_bytes() == MODEL and server.asked == 2
    assert f"fetched {len(MODEL)} of {len(MODEL)} bytes" in done.stdout
    assert fetched(address, str(target), face_following.MODEL_SHA256).returncode == 0 and server.asked == 2

    target.write_bytes(b"another file")  # as after a crash of the disk: it is made good
    assert fetched(address, str(target), face_following.MODEL_SHA256).returncode == 0
    assert target.read_bytes() == MODEL

    other = tmp_path / "other.task"
    server.answers = [MODEL[::-1]]
    done = fetched(address, str(other), face_following.MODEL_SHA256)
    assert done.returncode == 1 and "another file than expected" in done.stdout
    assert not other.exists() and sorted(os.listdir(tmp_path)) == ["folder"]


def test_a_file_on_this_machine_serves_as_well_and_a_dead_server_is_named(tmp_path):
    (tmp_path / "here.task").write_bytes(MODEL)
    digest, target = hashlib.sha256(MODEL).hexdigest(), tmp_path / "model.task"
    assert fetched((tmp_path / "here.task").as_uri(), str(target), digest).returncode == 0
    assert target.read_bytes() == MODEL
    done = fetched("http://127.0.0.1:9/model.task", str(tmp_path / "none"), digest)
    assert done.returncode == 1 and "ERROR: " in done.stdout and "refused" in done.stdout


def test_what_it_brings_is_told_with_sizes(tmp_path):
    root = Path(__file__).resolve().parents[3]
    write_bundle(tmp_path)
    for name in ("requirements.lock", face_following.LOCK_NAME, downloads.RECORD_NAME):
        (tmp_path / environment.BUNDLE_NAME / name).write_bytes((root / name).read_bytes())
    bundle = environment.find_bundle(tmp_path)
    assert bundle is not None
    machine: dict[str, Any]
    for machine in ({"system": "linux", "processor": "x86_64"}, {"system": "win32", "processor": "AMD64"}):
        told = {package.name: package for package in downloads.of_faces(bundle, **machine)}
        assert told["mediapipe"].download_bytes > 10**7 and told["matplotlib"].version == "3.11.2"
        assert told[face_following.MODEL_NAME].download_bytes == 3_758_596
        without = downloads.of_bundle(bundle, "", **machine)
        with_faces = downloads.of_bundle(bundle, "", faces=True, **machine)
        added = sum(package.download_bytes for package in told.values())
        assert with_faces.download_bytes == without.download_bytes + added
        assert not any("opencv-contrib" in package.name for package in with_faces.packages)


def test_the_models_address_and_digest_are_those_of_the_backend():
    from backend.driving import landmarker

    assert landmarker.MODEL_URL == face_following.MODEL_URL


def test_the_backends_remedy_names_the_tick_and_is_told_in_german_too():
    """The texts of the error that a driving job gives; the table is read without bpy."""
    from backend.driving import landmarker

    table = Path(__file__).resolve().parents[3] / "blender_addon/translations/de_problems.py"
    tables: dict[str, dict[str, str]] = {}
    exec(table.read_text(encoding="utf-8"), tables)
    told = landmarker._PACKAGE_HINT
    assert "tick Face Following" in told and "Gesichtsverfolgung" in tables["PROBLEMS"][told]


def test_the_locks_fit_each_other():
    """What face following needs beyond its own list is in the backend's: it is installed with --no-deps."""
    root = Path(__file__).resolve().parents[3]

    def pins(name: str) -> dict[str, str]:
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        found = [line.split(";")[0].strip().split("==") for line in lines if "==" in line]
        return {package.lower(): version for package, version in found}

    driving, backend = pins(face_following.LOCK_NAME), pins("requirements.lock")
    developers = {**pins("requirements-dev.lock"), **pins("requirements-witness.lock")}
    assert driving.items() <= developers.items()  # the very versions that the tests run with
    assert {"certifi", "numpy", "packaging", "pillow", "opencv-python-headless"} <= set(backend)
    assert not set(driving) & set(backend)
