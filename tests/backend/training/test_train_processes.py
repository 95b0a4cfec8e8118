# SPDX-License-Identifier: GPL-3.0-or-later
"""Training runs as processes: several at once, killed at any moment, resumed by another number of them."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from backend.model.pipeline import JointPortraitPipeline
from backend.training.checkpoint import STATE_FILE, load_state, newest_folder, recover_folder, save_folder
from backend.training.stopping import stop_requests

REPOSITORY = Path(__file__).parents[3]
FILES_OF_A_SAVE = 12


def environment() -> dict[str, str]:
    names = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    return {k: v for k, v in os.environ.items() if k not in names} | {"OMP_NUM_THREADS": "1"}


def training(data: Path, weights: Path, out: Path, minutes: float, *more: str) -> list[str]:
    return [
        "-m", "backend", "train", "--data", str(data), "--init", str(weights), "--out", str(out), "--batch", "2",
        "--minutes", str(minutes), "--total-minutes", "2", "--device", "cpu", *more,
    ]  # fmt: skip


def run(command: list[str]) -> str:
    """Standard output of a command that must succeed; what it started ends with it, in a failure too."""
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        out, errors = process.communicate(timeout=280)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("it did not end: " + "".join(process.communicate()))
    assert process.returncode == 0, out + errors
    return out


LAUNCHERS = {
    "accelerate launch --cpu": ["-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu"],
    "accelerate launch --multi_gpu": [
        "-m",
        "accelerate.commands.launch",
        "--num_processes",
        "2",
        "--multi_gpu",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_train_one_model_and_one_process_goes_on(
    launcher: str, drawn_shots: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    words = training(drawn_shots, tiny_weights, tmp_path, 0.15)
    told = run([sys.executable, *LAUNCHERS[launcher], *words])
    assert told.count("2 processes") == 1
    together = load_state(tmp_path / "checkpoint")
    assert together["step"] > 2 and together["samples"] == 2 * 2 * together["step"]
    told = run([sys.executable, *training(drawn_shots, tiny_weights, tmp_path, 0.05)])
    assert f"at step {together['step']}" in told
    alone = load_state(tmp_path / "checkpoint")
    assert alone["step"] > together["step"]
    assert alone["samples"] - together["samples"] == 2 * (alone["step"] - together["step"])


@pytest.mark.slow
def test_two_processes_go_on_from_one_and_hold_the_same_weights(
    drawn_shots: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    run([sys.executable, *training(drawn_shots, tiny_weights, tmp_path / "run", 0.05)])
    alone = load_state(tmp_path / "run" / "checkpoint")
    # A process of its own for each rank that trains and then writes down a sum of its weights.
    script = tmp_path / "ranks.py"
    script.write_text(
        "import argparse, sys\n"
        "from backend.training import train_options\n"
        "from backend.training.devices import open_devices\n"
        "from backend.training.trainer import Trainer\n"
        "parser = argparse.ArgumentParser(); train_options.add_arguments(parser)\n"
        "args = parser.parse_args(sys.argv[2:]); devices = open_devices('cpu')\n"
        "trainer = Trainer(args, train_options.config_of(args), devices); trainer.run()\n"
        "total = sum(float(p.double().abs().sum()) for p in trainer.stepper.parameters.values())\n"
        "draw = float(trainer.sampler.rng.random())\n"
        "open(sys.argv[1] + str(devices.rank), 'w').write(f'{trainer.step} {total!r} {draw!r}')\n"
        "devices.close()\n"
    )
    words = training(drawn_shots, tiny_weights, tmp_path / "run", 0.15)[3:]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, str(script), str(tmp_path / "rank"), *words],
        cwd=REPOSITORY, env=environment() | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True,
        timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = ((tmp_path / f"rank{k}").read_text().split() for k in range(2))
    assert int(first[0]) == int(second[0]) > alone["step"]
    assert first[1] == second[1]  # bit for bit, although each saw other samples
    assert first[2] != second[2]


def _check_whole(folder: Path, least_step: int) -> int:
    """Loads everything that a checkpoint and the averaged weights hold; returns the step."""
    found = newest_folder(folder / "checkpoint")
    assert found is not None
    state = load_state(found)
    assert state["step"] >= least_step and all(torch.isfinite(t).all() for t in state["ema"].values())
    JointPortraitPipeline.from_pretrained(found)
    usable = [p for p in (folder / "ema", folder / "ema.old") if p.is_dir()]
    if usable:
        JointPortraitPipeline.from_pretrained(usable[0])
    return state["step"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_random_moments_it_always_goes_on_from_a_whole_checkpoint(
    drawn_shots: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    draw = random.Random(11)
    run([sys.executable, *training(drawn_shots, tiny_weights, tmp_path, 0.02)])
    step = _check_whole(tmp_path, 0)
    in_save = 0
    # A save after nearly every step: about half of the time is spent in saving.
    words = training(drawn_shots, tiny_weights, tmp_path, 9, "--save-minutes", "0.003")
    for number in range(15):
        if number >= 5 and in_save:
            break
        running = subprocess.Popen(
            [sys.executable, *words], cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        while "resumed" not in (line := running.stdout.readline()):
            assert line, "the run ended by itself"
        assert f"at step {step}," in line
        began = time.monotonic()
        while (tmp_path / "checkpoint").exists() and load_step(tmp_path) == step:
            assert time.monotonic() - began < 120
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 3))
        running.send_signal(signal.SIGKILL)
        running.communicate()
        in_save += (tmp_path / "checkpoint.new").exists() or (tmp_path / "ema.new").exists()
        step = _check_whole(tmp_path, step + 1)
    assert in_save, "none of fifteen kills hit a save"
    run([sys.executable, *training(drawn_shots, tiny_weights, tmp_path, 0.02)])
    assert not list(tmp_path.glob("*.new")) and not list(tmp_path.glob("*.old"))
    assert _check_whole(tmp_path, step) >= step


def load_step(folder: Path) -> int:
    found = newest_folder(folder / "checkpoint")
    try:
        return -1 if found is None else load_state(found)["step"]
    except (OSError, RuntimeError):  # moved away while it was read
        return -1


@pytest.mark.slow
def test_at_most_the_last_interval_is_lost(drawn_shots: Path, tiny_weights: Path, tmp_path: Path) -> None:
    interval_s = 2.0
    words = training(drawn_shots, tiny_weights, tmp_path, 9, "--save-minutes", str(interval_s / 60))
    running = subprocess.Popen(
        [sys.executable, *words], cwd=REPOSITORY, env=environment(), stdout=subprocess.DEVNULL
    )
    log, began, records = tmp_path / "log.jsonl", time.monotonic(), []
    while len(records) < 3:
        assert time.monotonic() - began < 200
        time.sleep(0.1)
        records = log.read_text().splitlines() if log.exists() else []
    running.send_signal(signal.SIGKILL)
    running.wait()
    last, found = json.loads(log.read_text().splitlines()[-1]), newest_folder(tmp_path / "checkpoint")
    assert found is not None
    state = load_state(found)
    # A save takes its own time, and a step may be under way when it falls due.
    assert state["seconds"] > last["seconds"] - interval_s - 3.0
    assert state["step"] > 0.3 * last["step"]


def _wait_for_steps(bar: Path) -> None:
    """Until the progress bar has moved by a second of training."""
    began = time.monotonic()
    while not re.search(r"\| [1-9]\d*/\d+ s", bar.read_text() if bar.exists() else ""):
        assert time.monotonic() - began < 400, "no step was made"
        time.sleep(0.1)


def _heed_interrupts() -> None:
    """These tests may themselves run in the background of a shell, which has SIGINT ignored there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("number", "more", "status"),
    [(signal.SIGTERM, (), 143), (signal.SIGINT, (), 130), (signal.SIGTERM, ("--processes", "2"), 143)],
)
def test_told_to_end_it_saves_what_it_has(
    number: int, more: tuple[str, ...], status: int, drawn_shots: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    words = training(drawn_shots, tiny_weights, tmp_path / "run", 9, "--save-minutes", "9", *more)
    with (tmp_path / "bar").open("w") as bar:
        running = subprocess.Popen(
            [sys.executable, *words], cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, stderr=bar,
            text=True, preexec_fn=_heed_interrupts, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for_steps(tmp_path / "bar")
        running.send_signal(number)
        told, _ = running.communicate(timeout=120)
    finally:
        if running.poll() is None:  # the signal was not heeded
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert running.returncode == status and told.count("stopped; saving") == 1
    assert _check_whole(tmp_path / "run", 1) >= 1
    assert not list((tmp_path / "run").glob("*.new"))


@pytest.mark.skipif(sys.platform == "win32", reason="nohup")
def test_an_ignored_interrupt_stays_ignored_and_the_second_request_acts_as_ever() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with stop_requests(insist=True) as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.signal is None and stop.exit_status == 0
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt), stop_requests(insist=True) as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.exit_status == 130
            signal.raise_signal(signal.SIGINT)
        with stop_requests(insist=False) as stop:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            assert stop.exit_status == 143
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _save_for_ever(folder: Path) -> None:
    def write(number: int, target: Path) -> None:
        for name in range(FILES_OF_A_SAVE):
            (target / f"part{name}").write_text(str(number))
        (target / STATE_FILE).write_text(str(number))

    number = int((folder / STATE_FILE).read_text())
    while True:
        number += 1
        save_folder(folder, lambda target, n=number: write(n, target))


def test_forty_kills_in_the_middle_of_saving_never_leave_half_a_folder(tmp_path: Path) -> None:
    folder, draw, moments = tmp_path / "checkpoint", random.Random(5), set()
    save_folder(folder, lambda target: [(target / n).write_text("0") for n in _names()])
    number = 0
    fork = multiprocessing.get_context("fork")
    for _ in range(40):
        saving = fork.Process(target=_save_for_ever, args=(folder,))
        saving.start()
        time.sleep(draw.uniform(0.005, 0.06))
        assert saving.pid is not None
        os.kill(saving.pid, signal.SIGKILL)
        saving.join()
        moments.add(tuple(sorted(path.name for path in tmp_path.iterdir())))
        found = newest_folder(folder)
        assert found is not None
        contents = {(found / name).read_text() for name in _names()}
        assert len(contents) == 1
        assert int(contents.pop()) >= number
        recover_folder(folder)
        assert {path.name for path in tmp_path.iterdir()} == {"checkpoint"}
        number = int((folder / STATE_FILE).read_text())
    assert len(moments) > 1 and number > 0


def _names() -> list[str]:
    return [f"part{name}" for name in range(FILES_OF_A_SAVE)] + [STATE_FILE]


def test_a_save_after_a_kill_between_the_moves_keeps_the_old_one_until_the_new_stands(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    save_folder(folder, lambda target: (target / STATE_FILE).write_text("one"))
    folder.rename(tmp_path / "checkpoint.old")

    def killed(target: Path) -> None:
        (target / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_folder(folder, killed)
    found = newest_folder(folder)
    assert found is not None and (found / STATE_FILE).read_text() == "one"
