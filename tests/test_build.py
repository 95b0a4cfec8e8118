# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py as people call it: the zip it makes, the environment it keeps, what it says to a wrong Python."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from pathlib import Path

import pytest

import build


@pytest.fixture(scope="module")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip, made by the verb itself. It fails where Blender's validator does."""
    folder = tmp_path_factory.mktemp("dist")
    assert build.make_zip(folder) == 0
    (path,) = folder.glob("*.zip")
    return path


@pytest.fixture
def wheel(extension_zip: Path, tmp_path: Path) -> zipfile.ZipFile:
    with zipfile.ZipFile(extension_zip) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".whl")]
        return zipfile.ZipFile(archive.extract(name, tmp_path))


def test_zip_holds_the_add_on_at_its_root_and_the_backend_as_a_wheel(extension_zip: Path, repository: Path):
    manifest = tomllib.loads((repository / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert extension_zip.name == f"portrait_relief-{manifest['version']}.zip"
    with zipfile.ZipFile(extension_zip) as archive:
        names = set(archive.namelist())
    assert {"blender_manifest.toml", "__init__.py", "LICENSE", "backend_wheel/requirements.lock"} <= names
    assert f"backend_wheel/portrait_relief-{manifest['version']}-py3-none-any.whl" in names
    assert not [
        name for name in names if "__pycache__" in name or name.startswith(("backend/", "tests/", "."))
    ]
    sources = {path.relative_to(repository / "blender_addon").as_posix() for path in python_files(repository)}
    assert sources <= names


def python_files(repository: Path) -> list[Path]:
    return list((repository / "blender_addon").rglob("*.py"))


def test_wheel_holds_every_backend_module_and_the_weights(wheel: zipfile.ZipFile, repository: Path):
    names = set(wheel.namelist())
    for path in (repository / "backend").rglob("*"):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(repository).parts)
        if path.is_file() and not hidden:
            assert path.relative_to(repository).as_posix() in names
    (checkpoint,) = {name.split("/")[2] for name in names if name.startswith("backend/weights/")}
    weights = [name for name in names if name.startswith(f"backend/weights/{checkpoint}/")]
    assert f"backend/weights/{checkpoint}/model_index.json" in weights
    assert any(name.endswith(".safetensors") for name in weights)
    (metadata,) = [name for name in names if name.endswith("entry_points.txt")]
    assert "portrait-relief = backend.cli:main" in wheel.read(metadata).decode()


def test_zip_is_bit_identical_when_made_again(extension_zip: Path, tmp_path: Path):
    assert build.make_zip(tmp_path) == 0
    again = tmp_path / extension_zip.name
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(extension_zip.read_bytes()).digest()


def test_zip_installs_and_registers_in_blender(extension_zip: Path, tmp_path: Path):
    """Through Blender's own extension commands, in a user folder of its own."""
    script = f"""
import bpy
bpy.ops.extensions.package_install_files(
    filepath={str(extension_zip)!r}, repo="user_default", enable_on_install=True
)
assert "bl_ext.user_default.portrait_relief" in bpy.context.preferences.addons.keys()
assert hasattr(bpy.types.Scene, "portrait_relief")
print("REGISTERED", hasattr(bpy.ops.portrait_relief, "generate"))
"""
    environment = build.clean_environment(BLENDER_USER_RESOURCES=str(tmp_path))
    # From a folder outside the checkout, so that nothing but the zip can be imported.
    command = [sys.executable, "-c", script]
    answer = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "REGISTERED True" in answer.stdout, answer.stdout + answer.stderr


def test_the_folder_of_the_zip_is_a_repository_that_blender_installs_from(
    extension_zip: Path, tmp_path: Path
):
    """Served by a web server, as it would be: listed, its update found, installed and registered."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    handler = partial(SimpleHTTPRequestHandler, directory=str(extension_zip.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        script = f"""
import bpy
bpy.context.preferences.system.use_online_access = True
repository = bpy.context.preferences.extensions.repos.new(
    name="Own", module="own", remote_url="http://127.0.0.1:{server.server_port}/index.json"
)
number = list(bpy.context.preferences.extensions.repos).index(repository)
bpy.ops.extensions.repo_sync(repo_index=number)
bpy.ops.extensions.package_install(repo_index=number, pkg_id="portrait_relief", enable_on_install=True)
assert "bl_ext.own.portrait_relief" in bpy.context.preferences.addons.keys()
print("REGISTERED", hasattr(bpy.ops.portrait_relief, "generate"))
"""
        answer = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=build.clean_environment(BLENDER_USER_RESOURCES=str(tmp_path), no_proxy="127.0.0.1"),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        server.shutdown()
    assert "REGISTERED True" in answer.stdout, answer.stdout + answer.stderr


def test_backend_and_extension_have_one_version(repository: Path):
    from backend.version import VERSION

    assert tomllib.loads((repository / "blender_manifest.toml").read_text())["version"] == VERSION


def test_lock_files_pin_every_direct_dependency_within_its_range(repository: Path):
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = {}
    for lock in build.LOCKS:
        for line in lock.read_text().splitlines():
            if line and not line.startswith(("#", "-r")):
                requirement = Requirement(line)
                pins[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in [
        *project["dependencies"],
        *(text for extra in ("train", "driving", "blender", "dev") for text in extras[extra]),
    ]:
        requirement = Requirement(text)
        if requirement.name != project["name"]:
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier, text


def test_wrong_python_is_told_which_one_to_use_in_one_sentence(repository: Path, tmp_path: Path):
    pretend = f"""
import runpy, sys
sys.version_info = (3, 13, 0, "final", 0)
sys.argv = ["build.py", "test"]
runpy.run_path({str(repository / "build.py")!r}, run_name="__main__")
"""
    answer = subprocess.run(
        [sys.executable, "-c", pretend],
        env={**os.environ, "PATH": str(tmp_path)},  # with no python3.11 to go on with
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "needs Python 3.11" in answer.stderr
    assert "this is Python 3.13" in answer.stderr
    assert "`python3.11 build.py test`" in answer.stderr
    assert answer.stderr.count("\n") == 1


def move_build_to(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Lets build.py work in another folder with a lock file of its own."""
    lock = folder / "requirements.lock"
    if not lock.exists():
        lock.write_text("# nothing to install\n")
    patch.setattr(build, "VENV", folder / ".venv")
    patch.setattr(build, "STAMP", folder / ".venv" / "portrait-relief.json")
    patch.setattr(build, "LOCKS", (lock, lock, lock))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished `.venv`, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        move_build_to(folder, patch)
        build.ensure_environment()
    return folder


@pytest.fixture
def checkout(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    shutil.copytree(made, folder, symlinks=True)
    move_build_to(folder, monkeypatch)
    return folder


def test_environment_is_used_again_without_a_word(checkout: Path, capfd: pytest.CaptureFixture[str]):
    build.ensure_environment()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("reason", ["the lock changed", "an install was interrupted"])
def test_environment_is_completed_in_place_when(
    reason: str, checkout: Path, capfd: pytest.CaptureFixture[str]
):
    (checkout / ".venv" / "mine").write_text("kept")
    if reason == "the lock changed":
        (checkout / "requirements.lock").write_text("# changed\n")
    else:
        (checkout / ".venv" / "portrait-relief.json").unlink()
    build.ensure_environment()
    printed = capfd.readouterr().out
    assert "installing the packages" in printed
    assert "making .venv" not in printed
    assert (checkout / ".venv" / "mine").exists()
    build.ensure_environment()
    assert capfd.readouterr().out == ""


def test_environment_is_made_again_when_its_python_does_not_run(checkout: Path):
    Path(build.venv_python()).unlink()
    build.ensure_environment()
    assert subprocess.run([build.venv_python(), "-c", "import pip"], check=False).returncode == 0


def test_environment_of_another_python_is_refused_and_kept(checkout: Path):
    settings = checkout / ".venv" / "pyvenv.cfg"
    settings.write_text("home = /usr/bin\nversion = 3.12.1\n")
    with pytest.raises(build.BuildError, match=r"3\.12\.1 instead of 3\.11"):
        build.ensure_environment()
    assert settings.exists()


def test_failed_install_shows_pips_reason_and_leaves_no_stamp(checkout: Path):
    (checkout / "requirements.lock").write_text("./no-such-folder-here\n")
    with pytest.raises(build.BuildError, match=r"no-such-folder-here"):
        build.ensure_environment()
    assert not (checkout / ".venv" / "portrait-relief.json").exists()
