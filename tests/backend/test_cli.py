# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as people call it: a process, its exit code, and what it prints where."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend import cli
from backend.errors import InputError, JobCancelled, NoFaceError, OutOfMemoryError_, PortraitReliefError

CROP = "140,20,256"
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from skimage import data

    path = tmp_path_factory.mktemp("photos") / "astronaut.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=90)
    return path


def run(repository: Path, *words: object, timeout_s: float = 60) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "backend", *map(str, words)],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def in_process(capsys: pytest.CaptureFixture[str], *words: object) -> Done:
    """The same without a process of its own: for what must be refused before anything heavy is imported."""
    code = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return subprocess.CompletedProcess([], code, captured.out, captured.err)


def test_generate_writes_the_result(
    repository: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path
) -> None:
    words = ["generate", photo, "--expression", "jawOpen=0.7", "--pose", "yaw=5", "--crop", CROP, "--json"]
    words += [
        "--checkpoint",
        tiny_checkpoint,
        "--out",
        tmp_path / "result",
        "--device",
        "cpu",
        "--steps",
        "2",
    ]
    done = run(repository, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # not a terminal: no bars; and no library's warnings
    result = json.loads(done.stdout)
    assert (result["width"], result["height"]) == (512, 512) and result["mm_per_px"] > 0
    assert {"portrait.png", "depth.exr", "coverage.png", "report.json"} <= set(result["files"])
    assert Image.open(tmp_path / "result" / "portrait.png").size == (512, 512)


def test_depth_and_appearance(repository: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    model = ["--checkpoint", tiny_checkpoint, "--device", "cpu", "--crop", CROP]
    done = run(repository, "depth", photo, *model, "--out", tmp_path / "depth")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "depth")
    depth_mm = np.full((512, 512), np.nan, np.float32)
    depth_mm[60:220, 180:340] = 30.0
    np.save(tmp_path / "own.npy", depth_mm)
    done = run(
        repository, "appearance", photo, "--depth", tmp_path / "own.npy", *model, "--out", tmp_path / "new"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "portrait.png").exists()


@pytest.mark.parametrize(
    ("words", "code", "says", "hint"),
    [
        (["--expression", "mouthSmile=1"], 3, "mouthSmile", "mouthSmileLeft"),
        (["--expression", "jawOpn=1"], 3, "jawOpn", "jawOpen"),
        (["--expression", "jawOpen"], 3, "jawOpen", "jawOpen=0.5"),
        (["--expression", "jawOpen=2"], 3, "between 0 and 1", ""),
        (["--expression", "jawOpen=nan"], 3, "number", ""),
        (["--pose", "tilt=1"], 3, "tilt", "yaw"),
        (["--crop", "1,2"], 3, "three numbers", "--crop"),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], photo: Path, words: list[str], code: int, says: str, hint: str
) -> None:
    done = in_process(capsys, "generate", photo, *words)
    assert done.returncode == code and done.stdout == ""
    sentence, *hints = done.stderr.splitlines()
    assert says in sentence and hint in "".join(hints)


def test_errors_come_as_json_too(capsys: pytest.CaptureFixture[str], photo: Path) -> None:
    done = in_process(capsys, "generate", photo, "--expression", "jawOpn=1", "--json")
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "unknown_expression" and "jawOpen" in error["hint"]


def test_a_missing_photo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    done = in_process(capsys, "depth", tmp_path / "none.jpg")
    assert done.returncode == 3 and "none.jpg" in done.stderr


def test_wrong_names_are_refused_without_importing_torch(repository: Path, photo: Path) -> None:
    code = (
        "import sys; from backend.cli import main\n"
        f"code = main(['generate', {str(photo)!r}, '--expression', 'smile=1'])\n"
        "sys.exit(99 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3 and "mouthSmileLeft" in done.stderr


@pytest.mark.parametrize(
    "words",
    [[], ["paint"], ["generate"], ["generate", "a.jpg", "--steps", "0"], ["depth", "a.jpg", "--face", "-1"]],
)
def test_a_wrong_command_line_is_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == cli.EXIT_USAGE


@pytest.mark.parametrize("command", ["generate", "depth", "appearance", "serve", "doctor"])
def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for code in (0, 2, 3, 4, 5, 6, 7, 130):
        assert f"\n  {code} " in text


def test_all_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    for command in (
        "generate",
        "depth",
        "appearance",
        "serve",
        "bench",
        "render-dataset",
        "train",
        "evaluate",
        "doctor",
    ):
        assert f"\n    {command}" in text


def test_bench_times_every_phase(repository: Path, tiny_checkpoint: Path, photo: Path) -> None:
    done = run(
        repository, "bench", photo, "--checkpoint", tiny_checkpoint, "--device", "cpu", "--repeats", 1, "--json",
        timeout_s=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["resolution_px"] == 32 and record["device"] == "cpu" and record["peak_memory_mb"] > 50
    assert {
        "load",
        "open: finding",
        "reference bank",
        "frame, reference reused",
        "depth of the photo",
    } <= set(record["seconds"])
    assert all(value > 0 for value in record["seconds"].values())


def test_no_face_is_exit_code_4(repository: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    meadow = tmp_path / "meadow.jpg"
    Image.new("RGB", (400, 300), (90, 120, 60)).save(meadow)
    done = run(repository, "depth", meadow, "--checkpoint", tiny_checkpoint, "--out", tmp_path / "out")
    assert done.returncode == 4 and "meadow.jpg" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_faces_are_counted_from_1(
    repository: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path
) -> None:
    words = ["depth", photo, "--face", "2", "--checkpoint", tiny_checkpoint, "--out", tmp_path / "out"]
    done = run(repository, *words)
    assert done.returncode == 4
    assert "no face 2 in astronaut.jpg, which has 1" in done.stderr and "Choose face 1" in done.stderr


def test_a_missing_checkpoint_is_exit_code_5(repository: Path, photo: Path, tmp_path: Path) -> None:
    done = run(
        repository, "depth", photo, "--crop", CROP, "--checkpoint", tmp_path / "none", "--out", tmp_path / "o"
    )
    assert done.returncode == 5 and "none" in done.stderr and "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_named(
    repository: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    words = [
        "depth",
        photo,
        "--crop",
        CROP,
        "--checkpoint",
        tiny_checkpoint,
        "--out",
        tmp_path / "file" / "sub",
    ]
    done = run(repository, *words)
    assert done.returncode == 3 and str(tmp_path / "file") in done.stderr


def test_running_out_of_memory_is_exit_code_6(
    repository: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.jpg"
    Image.open(photo).resize((7900, 7900)).save(large)
    code = (
        "import resource, sys\n"
        "import torch, backend.editor\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 150 * 2**20,) * 2)\n"
        "from backend.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [
        "depth",
        large,
        "--crop",
        "2100,300,3950",
        "--checkpoint",
        tiny_checkpoint,
        "--out",
        tmp_path / "o",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 6, done.stderr
    assert "memory" in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_is_exit_code_130(
    repository: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.jpg"
    Image.open(photo).resize((4096, 4096)).save(large)
    words = ["generate", large, "--crop", "1120,160,2048", "--steps", "200", "--out", tmp_path / "o"]
    process = subprocess.Popen(
        [sys.executable, "-m", "backend", *map(str, words), "--checkpoint", str(tiny_checkpoint)],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl+C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    deadline = time.monotonic() + 30
    while "libtorch_cpu" not in Path(f"/proc/{process.pid}/maps").read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "ancelled" in errors and "Traceback" not in errors


def test_a_terminal_gets_progress_bars(
    repository: Path, tiny_checkpoint: Path, photo: Path, tmp_path: Path
) -> None:
    leader, follower = pty.openpty()
    # A new terminal is 0 columns wide: tqdm has no room there.
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    words = ["generate", photo, "--crop", CROP, "--steps", "3", "--out", tmp_path / "o"]
    process = subprocess.Popen(
        [sys.executable, "-m", "backend", *map(str, words), "--checkpoint", str(tiny_checkpoint)],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 65536):
            shown += chunk
    except OSError:
        pass  # the terminal's other end is closed
    os.close(leader)
    process.communicate(timeout=30)
    assert process.returncode == 0, shown
    assert b"3/3" in shown


def test_commands_of_missing_packages_say_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = cli.LazyCommand("backend.training.needs_a_package_nobody_has", "train", "train")
    monkeypatch.setattr(cli, "_LAZY_COMMANDS", {"train": lazy})
    done = in_process(capsys, "train")
    assert done.returncode == 7 and "portrait-relief[train]" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x", code="something"), 3),
        (NoFaceError("x"), 4),
        (OutOfMemoryError_("x"), 6),
        (PortraitReliefError("x", code="worker_crashed"), 7),
        (JobCancelled(), 130),
    ],
)
def test_exit_codes_follow_the_class(error: PortraitReliefError, code: int) -> None:
    assert cli.exit_code(error) == code
