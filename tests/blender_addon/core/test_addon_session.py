# SPDX-License-Identifier: GPL-3.0-or-later
"""The state machine against a real server process, in every way it can fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blender_addon.core import arrays, backend_errors
from blender_addon.core.backend_process import BackendProcess, BackendState, rotate_log
from blender_addon.core.errors import AddonError, Remedy
from blender_addon.core.jobs import JobInput, JobState
from blender_addon.core.launch import child_environment, find_python, make_launch
from blender_addon.core.session import BackendChoice, Session
from tests.processes import wait_gone

PHOTO = arrays.write_png(np.full((48, 40, 3), 90, np.uint8))
ROOT = Path(__file__).resolve().parents[3]


def job_input(**changes) -> JobInput:
    return replace(JobInput("generate", PHOTO, "portrait.png", expression={"jawOpen": 0.5}), **changes)


def run(session: Session, launch, timeout_s: float = 15.0) -> Any:
    job = session.submit(job_input(), BackendChoice(launch))
    session.run_job(timeout_s)
    return job


def test_a_job_comes_back_with_arrays_of_the_photos_size(fast_session, fake_launch):
    job = run(fast_session, fake_launch("ok"))
    assert job.problem is None and job.state is JobState.DONE and job.progress == 1.0
    (frame,) = job.results
    assert frame.depth_mm.shape == frame.coverage.shape == (48, 40)
    assert np.nanmax(frame.depth_mm) > 90 and np.isnan(frame.depth_mm[0, 0])
    assert frame.mm_per_px == pytest.approx(250 / 48)


def test_the_backend_is_kept_for_the_next_job(fast_session, fake_launch):
    run(fast_session, fake_launch("ok"))
    pid = fast_session.backend.pid
    assert run(fast_session, fake_launch("ok")).state is JobState.DONE
    assert fast_session.backend.pid == pid


def test_another_model_folder_means_another_backend(fast_session, fake_launch):
    launch = fake_launch("ok")
    run(fast_session, launch)
    pid = fast_session.backend.pid
    other = replace(launch, variables={**launch.variables, "PORTRAIT_RELIEF_CHECKPOINT": "/models/mine"})
    assert run(fast_session, other).state is JobState.DONE
    assert fast_session.backend.pid != pid and wait_gone([pid])


def test_a_log_folder_that_cannot_be_made_is_named(tmp_path, fake_launch):
    (tmp_path / "file").write_text("in the way")
    session = Session(tmp_path / "file" / "logs")
    with pytest.raises(AddonError, match="cannot write") as caught:
        session.submit(job_input(), BackendChoice(fake_launch("ok")))
    assert caught.value.problem.code == "folder_not_writable" and not session.busy


@pytest.mark.parametrize(
    ("mode", "code", "remedy"),
    [
        ("crash", "backend_stopped", Remedy.RESTART_BACKEND),
        ("hang", "backend_unreachable", Remedy.RESTART_BACKEND),
        ("stuck", "no_progress", Remedy.RESTART_BACKEND),
        ("garbage", "bad_answer", Remedy.RESTART_BACKEND),
        ("damaged", "bad_answer", Remedy.RESTART_BACKEND),
        ("oom", "out_of_memory", Remedy.RETRY),
        ("no_face", "no_face", Remedy.CHOOSE_PICTURE),
        ("wrong_protocol", "wrong_protocol", Remedy.OPEN_PREFERENCES),
        ("no_start", "backend_start_failed", Remedy.OPEN_LOG),
    ],
)
def test_every_failure_is_one_sentence_with_a_remedy(fast_session, fake_launch, mode, code, remedy):
    job = run(fast_session, fake_launch(mode))
    assert job.state is JobState.FAILED
    assert (job.problem.code, job.problem.remedy) == (code, remedy)
    assert job.problem.message.rstrip(")").strip() and job.problem.hint.endswith(".")
    assert not job.results


def test_a_face_that_is_not_found_names_the_panels_own_crop(fast_session, fake_launch):
    hint = run(fast_session, fake_launch("no_face")).problem.hint
    assert "Crop by Hand is in the panel Settings" in hint


@pytest.mark.parametrize("code", ["unknown_device", "unsupported_precision"])
def test_a_choice_that_cannot_be_served_leads_to_the_preferences(code):
    assert (
        backend_errors.from_backend({"code": code, "message": "No.", "hint": "."}).remedy
        is Remedy.OPEN_PREFERENCES
    )


def test_a_silent_start_ends_by_its_deadline(tmp_path, fast_session, fake_launch):
    fast_session.backend.deadlines = replace(fast_session.deadlines, first_line_s=0.5)
    job = run(fast_session, fake_launch("silent"))
    assert job.problem.code == "backend_start_timeout"
    assert fast_session.backend.pid is None


def test_a_start_failure_shows_the_last_line_of_the_log(fast_session, fake_launch):
    assert "a library is missing" in run(fast_session, fake_launch("no_start")).problem.message


def test_a_tick_never_takes_long(fast_session, fake_launch):
    job: Any = fast_session.submit(job_input(), BackendChoice(fake_launch("slow")))
    slowest = 0.0
    end_s = time.monotonic() + 15.0
    while not job.state.ended and time.monotonic() < end_s:
        start = time.thread_time()
        fast_session.tick()
        slowest = max(slowest, time.thread_time() - start)
        time.sleep(0.003)
    assert job.state is JobState.DONE
    assert slowest < 0.010  # CPU time: the machine may be busy with other things


def test_cancel_reaches_the_backend_and_the_next_job_is_untouched(fast_session, fake_launch):
    launch = fake_launch("slow")
    job: Any = fast_session.submit(job_input(), BackendChoice(launch))
    while job.state is not JobState.RUNNING:
        fast_session.tick()
        time.sleep(0.005)
    assert fast_session.cancel()
    fast_session.run_job(5.0)
    assert job.state is JobState.CANCELLED and job.problem is None
    assert f"cancelled {job.id}" in fast_session.backend.log_tail(20)
    assert run(fast_session, launch).state is JobState.DONE


def test_cancelling_at_any_moment_ends_and_never_harms_the_next_job(fast_session, fake_launch):
    launch = fake_launch("ok")
    run(fast_session, launch)
    for ticks in range(0, 24, 2):
        job: Any = fast_session.submit(job_input(), BackendChoice(launch))
        for _ in range(ticks):
            fast_session.tick()
            time.sleep(0.002)
        fast_session.cancel()
        fast_session.run_job(5.0)
        assert job.state in (JobState.CANCELLED, JobState.DONE)
    assert run(fast_session, launch).state is JobState.DONE


def test_a_second_job_at_once_is_refused(fast_session, fake_launch):
    fast_session.submit(job_input(), BackendChoice(fake_launch("slow")))
    with pytest.raises(AddonError) as caught:
        fast_session.submit(job_input(), BackendChoice(fake_launch("slow")))
    assert caught.value.problem.code == "busy"


def test_killing_the_backend_fails_the_job_and_the_next_one_starts_it_again(fast_session, fake_launch):
    launch = fake_launch("slow")
    job: Any = fast_session.submit(job_input(), BackendChoice(launch))
    while job.state is not JobState.RUNNING:
        fast_session.tick()
        time.sleep(0.005)
    os.kill(fast_session.backend.pid, signal.SIGKILL)
    fast_session.run_job(5.0)
    assert job.problem.code == "backend_stopped" and job.problem.remedy is Remedy.RESTART_BACKEND
    assert run(fast_session, fake_launch("ok")).state is JobState.DONE


def test_automatic_starts_stop_after_repeated_ends_and_a_button_starts_anew(fast_session, fake_launch):
    codes = [run(fast_session, fake_launch("crash")).problem.code for _ in range(3)]
    assert codes == ["backend_stopped"] * 3
    with pytest.raises(AddonError) as caught:
        fast_session.submit(job_input(), BackendChoice(fake_launch("ok")))
    assert caught.value.problem.code == "backend_restart_limit"
    fast_session.ensure_backend(BackendChoice(fake_launch("ok")), by_hand=True)
    assert fast_session.wait_for_backend(BackendState.READY, 10.0)


def test_a_running_backend_is_used_and_not_ended(tmp_path, fast_session, fake_launch):
    owner = BackendProcess(tmp_path / "other")
    owner.start(fake_launch("ok"), by_hand=True)
    while owner.state is not BackendState.READY:
        owner.poll()
        time.sleep(0.01)
    job: Any = fast_session.submit(job_input(), BackendChoice(address=owner.address))
    fast_session.run_job(10.0)
    assert job.state is JobState.DONE
    fast_session.close()
    assert owner.pid is not None
    assert owner.address is not None
    wrong = replace(owner.address, token="wrong")
    job = fast_session.submit(job_input(), BackendChoice(address=wrong))
    fast_session.run_job(10.0)
    assert (job.problem.code, job.problem.remedy) == ("wrong_token", Remedy.OPEN_PREFERENCES)
    owner.end_now()


def test_nobody_listening_is_said_so(fast_session):
    from blender_addon.core.exchange import Address

    job: Any = fast_session.submit(job_input(), BackendChoice(address=Address("127.0.0.1", 9, "")))
    fast_session.run_job(5.0)
    assert job.problem.code == "backend_unreachable"


def test_a_blocking_call_gives_up_in_time(fast_session, fake_launch):
    job = run(fast_session, fake_launch("slow"), timeout_s=1.0)
    assert job.state is JobState.FAILED and job.problem.code == "blocking_timeout"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_backend_ends_when_its_owner_is_killed(tmp_path, fake_launch):
    launch = fake_launch("ok")
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from blender_addon.core.backend_process import BackendProcess, BackendState\n"
        "from blender_addon.core.launch import Launch\n"
        "owner = BackendProcess(Path(sys.argv[2]))\n"
        "owner.start(Launch(tuple(sys.argv[4:]), Path(sys.argv[3])), by_hand=True)\n"
        "while owner.state is not BackendState.READY: owner.poll(); time.sleep(0.01)\n"
        "print(owner.pid, flush=True); time.sleep(60)\n"
    )
    arguments = [str(ROOT), str(tmp_path), str(launch.folder), *launch.command]
    owner = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert wait_gone([pid])


def test_the_child_gets_the_token_and_none_of_blenders_python_settings(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    environment = child_environment("secret", {"X": "1"})
    assert environment["PORTRAIT_RELIEF_TOKEN"] == "secret" and environment["X"] == "1"
    assert "PYTHONPATH" not in environment and "PYTHONHOME" not in environment


def test_the_python_is_looked_for_in_order_and_a_wrong_one_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("PORTRAIT_RELIEF_PYTHON", raising=False)
    assert find_python("", None, tmp_path, inside_blender_program=False) == Path(sys.executable)
    with pytest.raises(AddonError) as caught:
        find_python("", None, tmp_path, inside_blender_program=True)
    assert caught.value.problem.remedy is Remedy.INSTALL_BACKEND
    with pytest.raises(AddonError, match="nowhere/python"):
        find_python("/nowhere/python", None, tmp_path, inside_blender_program=True)
    monkeypatch.setenv("PORTRAIT_RELIEF_PYTHON", sys.executable)
    found = find_python("/nowhere/python", None, tmp_path, inside_blender_program=True)
    assert found == Path(sys.executable)


def test_an_installed_backend_is_started_from_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PORTRAIT_RELIEF_BACKEND_SOURCE", raising=False)
    launch = make_launch(
        chosen_python=sys.executable,
        chosen_source="",
        checkpoint="/models/mine",
        package_folder=tmp_path / "extensions" / "user_default" / "portrait_relief",
        storage=tmp_path,
        installed=tmp_path / "backend-environment",
        inside_blender_program=True,
    )
    assert launch.command[1:] == ("-m", "backend", "serve")
    assert launch.folder.is_dir() and not list(launch.folder.iterdir())
    assert launch.variables == {"PORTRAIT_RELIEF_CHECKPOINT": "/models/mine"}


def test_logs_are_rotated_and_few_are_kept(tmp_path):
    log = tmp_path / "backend-7.log"
    for number in range(6):
        rotate_log(log)
        log.write_text(str(number))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "backend-7.1.log",
        "backend-7.2.log",
        "backend-7.log",
    ]
    assert (tmp_path / "backend-7.1.log").read_text() == "4"
