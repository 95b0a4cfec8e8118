#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds, shows and tests Portrait Relief: `python3 build.py demo | test | bench | zip | sizes`.

Needs nothing but Python 3.11 and its standard library. The packages it works with go into `.venv` beside
this file, in the exact versions of requirements*.lock, the first time they are needed; a stamp lets later
calls start at once.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "portrait-relief.json"
LOCKS = tuple(ROOT / f"requirements{name}.lock" for name in ("", "-dev", "-witness"))
DRIVING_LOCK = ROOT / "requirements-driving.lock"  # what the extension installs for face following
SIZES = ROOT / "requirements-sizes.json"  # package_sizes.py writes it
PYTHON = (3, 11)  # the one Python that the bpy wheels of Blender 4.2 to 5.0 are built for
OTHER_BLENDERS = ("4.2.23", "5.0.1")  # the add-on is tested in these too, each in a folder of its own
EPOCH_S = 315_532_800  # 1980-01-01, the earliest time a zip can hold: no build time in what we ship
WINDOWS = sys.platform == "win32"


class BuildError(Exception):
    """Ends build.py with one readable message."""


def require_python() -> None:
    """Returns under Python 3.11; otherwise goes on with one found on this machine, or says what to do."""
    if sys.version_info[:2] == PYTHON:
        return
    wanted, found = ".".join(map(str, PYTHON)), ".".join(map(str, sys.version_info[:2]))
    for candidate in ([f"python{wanted}"], ["py", f"-{wanted}"]):
        if shutil.which(candidate[0]) and "PORTRAIT_RELIEF_REEXEC" not in os.environ:
            probe = [*candidate, "-c", "import sys, venv, ensurepip; print(sys.version_info[:2])"]
            answer = subprocess.run(probe, capture_output=True, text=True, check=False)
            if answer.stdout.strip() == str(PYTHON):
                print(f"This is Python {found}; going on with {' '.join(candidate)}.", flush=True)
                os.environ["PORTRAIT_RELIEF_REEXEC"] = "1"
                sys.exit(run([*candidate, str(Path(__file__).resolve()), *sys.argv[1:]]))
    raise BuildError(
        f"Portrait Relief needs Python {wanted} because Blender's Python module is built for it, and this is "
        f"Python {found}: install Python {wanted} and run `python{wanted} build.py {' '.join(sys.argv[1:])}`."
    )


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would make .venv's Python import or install somewhere else."""
    foreign = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PORTRAIT_RELIEF_REEXEC")
    return {name: value for name, value in os.environ.items() if name not in foreign} | extra


def start(command: list[str], **options) -> subprocess.Popen:
    """Starts a process in a group of its own, so that `stop` reaches everything it starts."""
    if WINDOWS:
        options["creationflags"] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    else:
        options["start_new_session"] = True
    return subprocess.Popen(command, cwd=ROOT, **options)


def stop(process: subprocess.Popen, patience_s: float = 15) -> None:
    """Interrupts the process's group and, if it doesn't end, kills it."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if WINDOWS:
            process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        else:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(patience_s)
    with contextlib.suppress(OSError):
        if WINDOWS:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(command: list[str], **environment: str) -> int:
    """Runs a command to its end with its output on ours; an interrupt ends it and whatever it started."""
    process = start(command, env=clean_environment(**environment))
    try:
        return process.wait()
    except BaseException:
        stop(process)
        raise


@contextlib.contextmanager
def step(what: str):
    """Prints what happens now and, when it has happened, how long it took."""
    print(f"- {what}", flush=True)
    begin = time.monotonic()
    yield
    print(f"  {time.monotonic() - begin:.0f} s", flush=True)


def venv_python() -> str:
    return str(VENV / ("Scripts/python.exe" if WINDOWS else "bin/python"))


def ensure_environment() -> None:
    """Makes `.venv` hold exactly what the lock files name, and returns at once where it already does.

    An interrupted call leaves no stamp behind, so the next one completes what is there. Raises BuildError.
    """
    version = venv_version()
    if version is not None and read_json(STAMP) == stamp(version):
        return
    STAMP.unlink(missing_ok=True)
    if version is None:
        with step(f"making {VENV.name} with Python {'.'.join(map(str, sys.version_info[:3]))}"):
            options = ["--clear"] if VENV.exists() else []
            if run([sys.executable, "-m", "venv", *options, str(VENV)]) != 0:
                raise BuildError(
                    "Python could not make a virtual environment; "
                    "on Debian and Ubuntu `apt install python3.11-venv` brings what it needs."
                )
    size = "about 1 GB to download" if version is None else "what is missing of them"
    with step(f"installing the packages of {LOCKS[1].name} ({size})"):
        pip_install("-r", str(LOCKS[1]))
        # MediaPipe would bring a second OpenCV that overwrites the first one's files.
        pip_install("--no-deps", "-r", str(LOCKS[2]))
    STAMP.write_text(json.dumps(stamp(venv_version())), encoding="utf-8")


def venv_version() -> str | None:
    """The Python version of a `.venv` that works, None where there is none or it has to be made again."""
    if not VENV.exists() or not any(VENV.iterdir()):
        return None
    settings = VENV / "pyvenv.cfg"
    if not settings.is_file():
        raise BuildError(f"{VENV} exists and is no virtual environment: move it away and try again.")
    found = re.search(r"^version\s*=\s*(\S+)", settings.read_text(encoding="utf-8"), re.MULTILINE)
    version = found.group(1) if found else ""
    if not version.startswith(f"{PYTHON[0]}.{PYTHON[1]}."):
        raise BuildError(
            f"{VENV} holds Python {version or '?'} instead of 3.11: remove that folder and try again."
        )
    if read_json(STAMP) == stamp(version) and Path(venv_python()).exists():
        return version
    with contextlib.suppress(OSError):
        probe = [venv_python(), "-c", "import pip"]
        if subprocess.run(probe, env=clean_environment(), capture_output=True, check=False).returncode == 0:
            return version
    return None


def stamp(version: str | None) -> dict[str, str | None]:
    content = b"".join(lock.read_bytes().replace(b"\r\n", b"\n") for lock in LOCKS)
    return {"locks": hashlib.sha256(content).hexdigest(), "python": version}


def read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def pip(*arguments: str, **environment: str) -> None:
    """Runs pip in `.venv`, its output in .venv/pip.log. Raises BuildError with pip's last lines."""
    command = [venv_python(), "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    tail: list[str] = []
    process = start(
        command,
        env=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    try:
        with (VENV / "pip.log").open("a", encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                if not line.startswith("WARNING"):
                    tail = [*tail[-14:], line.rstrip()]
                if re.search(r"\(\d{3,}(\.\d+)? MB\)|^Installing collected", line):
                    print("  " + line.strip()[:100], flush=True)
        code = process.wait()
    except BaseException:
        stop(process)
        raise
    if code != 0:
        raise BuildError(
            f"pip {arguments[0]} failed (the whole log: {VENV / 'pip.log'}). Its last lines:\n  "
            + "\n  ".join(tail)
            + "\nIf the network failed, run the same command again: it goes on from there."
        )


def pip_install(*arguments: str) -> None:
    # Byte code is compiled on first import: most of what the packages hold is never imported.
    pip("install", "--no-compile", "--progress-bar", "off", *arguments)


def ensure_other_blenders() -> list[str]:
    """Puts the other Blender versions the add-on is tested in into .venv/bpy/<version>, each with its numpy.

    Returns those that can't be installed; their tests say that they were skipped.
    """
    missing = []
    pinned = re.search(r"^numpy==\S+", LOCKS[0].read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned is not None, "requirements.lock pins numpy"
    for version in OTHER_BLENDERS:
        folder = VENV / "bpy" / version
        if folder.is_dir():
            continue
        partial = folder.with_name(version + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with step(f"installing Blender {version} for the add-on's tests (about 350 MB to download)"):
                pip_install("--no-deps", "--target", str(partial), f"bpy=={version}", pinned.group())
            partial.rename(folder)
        except BuildError as error:
            print(f"  Blender {version} can't be installed, its tests will be skipped: {error}", flush=True)
            missing.append(version)
    return missing


def demo(photo: Path | None, out: Path, more: list[str]) -> int:
    """Runs the whole product once on a photo; see demo/__main__.py."""
    ensure_environment()
    photos = [str(photo.absolute())] if photo else []
    return run([venv_python(), "-m", "demo", *photos, "--out", str(out.absolute()), *more])


def test(pytest_arguments: list[str]) -> int:
    """Lint, format, types and tests; all of them run, and any failure fails the whole."""
    ensure_environment()
    missing = ensure_other_blenders()
    # Two files of tests at a time: most of a test's time it waits for a process of its own.
    side_by_side = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))
    checks = {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "pyright": ["pyright"],
        "pytest": ["pytest", *side_by_side, "--durations=15", *pytest_arguments],
    }
    failed = []
    for name, (module, *arguments) in checks.items():
        with step(name):
            if run([venv_python(), "-m", module, *arguments], OMP_NUM_THREADS=threads) != 0:
                failed.append(name)
    print(f"FAILED: {', '.join(failed)}" if failed else f"All passed: {', '.join(checks)}.", flush=True)
    if missing:
        print(f"NOT TESTED, as they could not be installed: Blender {', '.join(missing)}", flush=True)
    return 1 if failed else 0


def bench(only: str | None, blender: str | None, arguments: list[str]) -> int:
    """Times each phase of a job, and how long the extension holds Blender's interface up.

    See backend/bench.py and demo/interface_report.py.
    """
    ensure_environment()
    code = 0
    if only != "interface":
        code = run([venv_python(), "-m", "backend", "bench", *arguments])
    if only != "backend" and "--json" not in arguments and arguments[:1] != ["train"]:
        chosen = ["--blender", blender] if blender else []
        code = run([venv_python(), "-m", "demo.interface_report", *chosen]) or code
    return code


def sizes(arguments: list[str]) -> int:
    """Asks pip and the package index how large the packages of requirements.lock are; see package_sizes.py."""
    ensure_environment()
    return run([venv_python(), str(ROOT / "package_sizes.py"), *arguments])


def make_zip(folder: Path) -> int:
    """Writes the extension's zip, bit-identical for identical sources, and has Blender's tool validate it.

    In the zip: blender_addon's files and the manifest at its root, as Blender wants it, and in backend_wheel/
    the backend with its weights as one wheel, beside the lock file that its environment is installed from and the
    sizes of its packages. Beside the zip an index.json makes the folder an extension repository: served as it is,
    Blender installs and updates from it.
    """
    import tomllib

    ensure_environment()
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    backend_version = re.search(r'^VERSION = "(.+)"', (ROOT / "backend/version.py").read_text(), re.MULTILINE)
    if backend_version is None or backend_version.group(1) != manifest["version"]:
        raise BuildError(
            "blender_manifest.toml and backend/version.py name different versions: make them equal."
        )
    target = folder / f"{manifest['id']}-{manifest['version']}.zip"
    with tempfile.TemporaryDirectory(prefix="portrait-relief-zip-") as temporary:
        staging = Path(temporary, "extension")
        copy_sources(ROOT / "blender_addon", staging)
        for name in ("blender_manifest.toml", "LICENSE"):
            shutil.copyfile(ROOT / name, staging / name)
        with step("building the backend's wheel"):
            build_wheel(Path(temporary, "backend"), staging / "backend_wheel")
        for file in (LOCKS[0], DRIVING_LOCK, SIZES):
            shutil.copyfile(file, staging / "backend_wheel" / file.name)
        with step(f"writing {target}"):
            folder.mkdir(parents=True, exist_ok=True)
            write_zip(staging, target)
    with step("validating it with Blender's extension tool"):
        if run([venv_python(), str(extension_tool()), "validate", str(target)]) != 0:
            target.unlink()
            raise BuildError("Blender would refuse the extension for the reason above; no zip is left.")
    with step(f"listing it in {folder / 'index.json'}, for a repository of your own"):
        if run([venv_python(), str(extension_tool()), "server-generate", "--repo-dir", str(folder)]) != 0:
            raise BuildError(f"Blender's tool could not list {folder} as a repository for the reason above.")
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB", flush=True)
    return 0


def copy_sources(source: Path, target: Path) -> None:
    """Copies a package's folder without caches and hidden files, its permissions the same everywhere."""
    shutil.copytree(
        source,
        target,
        ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"),
        copy_function=shutil.copyfile,
    )
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def build_wheel(source: Path, folder: Path) -> None:
    """Builds the backend's wheel from a clean copy, with the build tools of `.venv` (no network)."""
    copy_sources(ROOT / "backend", source / "backend")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
        (source / name).chmod(0o644)
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    pip("wheel", *options, str(source), SOURCE_DATE_EPOCH=str(EPOCH_S))


def write_zip(source: Path, target: Path) -> None:
    """Zips a folder's content in sorted order and without times; a wheel, compressed already, is stored."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(source).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_STORED if path.suffix == ".whl" else zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, path.read_bytes(), compresslevel=9)


def extension_tool() -> Path:
    """Blender's extension command line, which comes with the bpy package in `.venv`."""
    packages = VENV / ("Lib" if WINDOWS else f"lib/python{PYTHON[0]}.{PYTHON[1]}") / "site-packages"
    for tool in sorted(packages.glob("bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")):
        return tool
    raise BuildError(f"{VENV} holds no Blender: remove that folder and try again.")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__.splitlines()[0] if __doc__ else None
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="demo | test | bench | zip | sizes")
    show = verbs.add_parser("demo", help="smile on a photo: picture, depth, relief, relit render, exports")
    show.add_argument(
        "photo", nargs="?", type=Path, help="a portrait photo (default: NASA's portrait of Eileen Collins)"
    )
    show.add_argument("--out", type=Path, default=ROOT / "out", help="folder for the results (default: out)")
    verbs.add_parser("test", help="ruff, pyright and pytest; more arguments go to pytest")
    times = verbs.add_parser(
        "bench",
        help="time each phase of a job, and ticks and operators in Blender; more arguments go to "
        "`portrait-relief bench`",
    )
    times.add_argument("--only", choices=("backend", "interface"), help="default: both")
    times.add_argument(
        "--blender",
        help="Blender's program, to measure in a window (default: $PORTRAIT_RELIEF_BLENDER, or on the path)",
    )
    pack = verbs.add_parser("zip", help="the Blender extension, with the backend and its weights inside")
    pack.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the zip (default: dist)")
    verbs.add_parser("sizes", help="renew requirements-sizes.json, what the backend's packages weigh")
    arguments, more = parser.parse_known_args(argv)
    if more and arguments.verb == "zip":
        parser.error(f"unknown arguments: {' '.join(more)}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        require_python()
        if arguments.verb == "demo":
            return demo(arguments.photo, arguments.out, more)
        if arguments.verb == "test":
            return test(more)
        if arguments.verb == "bench":
            return bench(arguments.only, arguments.blender, more)
        if arguments.verb == "sizes":
            return sizes(more)
        return make_zip(arguments.out.absolute())
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; nothing is left running.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
