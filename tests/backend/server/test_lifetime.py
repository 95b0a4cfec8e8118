# SPDX-License-Identifier: GPL-3.0-or-later
"""Neither processes nor files outlive their owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.server.temp_folder import PrivateFolder, remove_stale_folders
from tests.backend.server.harness import REPOSITORY, Backend
from tests.processes import is_running, wait_gone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
Start = Callable[..., Backend]


def test_end_of_stdin_ends_everything(start_backend: Start) -> None:
    backend = start_backend()
    worker_pid = backend.wait_ready()
    assert backend.process.stdin is not None
    backend.process.stdin.close()
    assert backend.process.wait(timeout=15) == 0
    assert wait_gone([worker_pid], 10.0)
    assert list(backend.temp_dir.iterdir()) == []


def test_killing_the_front_leaves_no_worker(start_backend: Start, photo: bytes) -> None:
    backend = start_backend()
    worker_pid = backend.wait_ready()
    backend.start_job(photo, frames=[{}] * 100)
    backend.process.send_signal(signal.SIGKILL)
    assert wait_gone([worker_pid], 5.0)


def test_killing_the_front_ends_even_a_stopped_worker(start_backend: Start) -> None:
    backend = start_backend()
    worker_pid = backend.wait_ready()
    os.kill(worker_pid, signal.SIGSTOP)
    backend.process.send_signal(signal.SIGKILL)
    assert wait_gone([worker_pid], 5.0)


def test_a_worker_that_is_still_starting_dies_too(start_backend: Start) -> None:
    backend = start_backend()
    worker_pid = backend.wait_health(lambda health: health["worker_pid"] is not None)["worker_pid"]
    backend.process.send_signal(signal.SIGKILL)
    assert wait_gone([worker_pid], 5.0)


def test_the_next_start_removes_what_a_killed_front_left(start_backend: Start, photo: bytes) -> None:
    killed = start_backend()
    killed.start_job(photo)
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait(timeout=10)
    left = list(killed.temp_dir.iterdir())
    assert len(left) == 1 and any(left[0].rglob("request.json"))
    start_backend()
    now = list(killed.temp_dir.iterdir())
    assert len(now) == 1 and now != left


def test_shutdown_route_and_sigterm_clean_up(start_backend: Start) -> None:
    for end in ("route", "signal"):
        backend = start_backend()
        worker_pid = backend.wait_ready()
        if end == "route":
            assert backend.request("POST", "/v1/shutdown").json() == {"state": "stopping"}
        else:
            backend.process.terminate()
        assert backend.process.wait(timeout=15) == 0
        assert wait_gone([worker_pid], 10.0)
        assert list(backend.temp_dir.iterdir()) == []


def test_death_of_the_owner_ends_a_backend_whose_stdin_stays_open(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    # A grandchild: its owner is killed while this test still holds the pipe's writing end open.
    owner_code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=0, stdout=subprocess.PIPE)\n"
        "print(child.pid, child.stdout.readline().decode(), flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-m", "backend", "serve", "--checkpoint", str(tiny_checkpoint)]
    command += ["--temp-dir", str(tmp_path), "--log-file", str(tmp_path / "log")]
    owner = subprocess.Popen(
        [sys.executable, "-c", owner_code, *command],
        cwd=REPOSITORY,
        env={**os.environ, "PORTRAIT_RELIEF_TOKEN": "x", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None and owner.stdin is not None
    with owner.stdout, owner.stdin:
        front_pid = int(owner.stdout.readline().split()[0])
        owner.kill()
        owner.wait(timeout=10)
        assert wait_gone([front_pid], 10.0)


def test_without_an_owner_it_stays(tiny_checkpoint: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backend", "serve", "--checkpoint", str(tiny_checkpoint), "--no-token"]
    process = subprocess.Popen(
        [*command, "--temp-dir", str(tmp_path), "--log-file", str(tmp_path / "log")],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        time.sleep(0.5)
        assert is_running(process.pid) and process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0


def test_folders_of_the_living_and_of_others_are_left_alone(tmp_path: Path) -> None:
    living = PrivateFolder(tmp_path)
    foreign = tmp_path / "portrait-relief-holiday"
    foreign.mkdir()
    (foreign / "picture.png").write_bytes(b"x")
    os.utime(foreign, (0, 0))
    assert remove_stale_folders(tmp_path) == []
    assert living.path.is_dir() and (living.path.stat().st_mode & 0o777) == 0o700
    living.remove()
    assert list(tmp_path.iterdir()) == [foreign]


def test_a_taken_stdin_is_read_from_the_copy_and_nothing_is_left_in_its_place() -> None:
    code = (
        "import os, sys; from backend.server.lifetime import take_stdin; private = take_stdin();"
        "print(os.read(0, 9), os.read(private, 9))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"message", capture_output=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == b"b'' b'message'"
