# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred starts, cancels, crashes and stops leave nothing behind; and the memory that is shown and freed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import pytest

from tests.blender_addon.inside_blender.test_jobs_in_blender import start, tick

CYCLES = 100
_HANDLERS = [name for name in dir(bpy.app.handlers) if isinstance(getattr(bpy.app.handlers, name), list)]


def children() -> set[int]:
    """Process numbers of this process's children, zombies included."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == os.getpid():
            found.add(int(folder.name))
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def handlers() -> dict[str, int]:
    return {name: len(getattr(bpy.app.handlers, name)) for name in _HANDLERS}


def tick_registered(until: Callable[[], bool], seconds: float = 15.0) -> None:
    """Calls the timer as long as it is registered, and drops it where it wants to, as Blender's event loop does."""
    from blender_addon import runtime

    end_s = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end_s, "the timer goes on and on"
        assert bpy.app.timers.is_registered(runtime._on_timer), "nobody drives the job"
        if runtime._on_timer() is None:
            bpy.app.timers.unregister(runtime._on_timer)
        time.sleep(0.005)


def is_driven() -> bool:
    from blender_addon import runtime

    return bpy.app.timers.is_registered(runtime._on_timer)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts processes and files in /proc")
def test_a_hundred_cycles_leave_no_process_timer_handler_or_file(fake, photo, tmp_path, monkeypatch):
    from blender_addon import runtime, storage

    monkeypatch.setattr(storage, "folder", lambda: tmp_path)
    # The timer is registered as with a window; this test calls it in the place of Blender's event loop.
    monkeypatch.setattr(runtime, "_has_event_loop", lambda: True)
    runtime.close()
    fake("slow")
    runtime.set_deadlines(stop_s=0.3)
    photo_count, objects = len(bpy.data.images), len(bpy.data.objects)
    processes, registered = children(), handlers()
    files = 0
    seen: set[int] = set()
    begun_s = time.monotonic()
    for number in range(CYCLES):
        kind = ("cancel", "crash", "stop", "close")[number % 4]
        job = start()
        assert is_driven()
        # Each kind comes at another moment of the start from round to round.
        late = number // 4 % 3
        if late == 1:
            tick_registered(lambda: runtime.session().backend.state.value == "READY")
        elif late == 2:
            tick_registered(lambda job=job: job.state.value == "RUNNING")
        pid = runtime.session().backend.pid
        assert pid is not None
        seen.add(pid)
        if kind == "cancel":
            assert runtime.cancel()
            tick_registered(lambda job=job: job.state.ended)
            runtime.session().close()
        elif kind == "crash":
            os.kill(pid, 9)
            tick_registered(lambda job=job: job.state.ended)
            assert job.state.value == "FAILED"
            runtime.session().backend._ends_s.clear()  # else it would be left alone after the third
        elif kind == "stop":
            runtime.stop_backend()
            assert job.state.ended
        else:
            runtime.close()
            assert not is_driven(), "a timer outlives the add-on"
            runtime.set_deadlines(
                first_line_s=10.0, answer_s=1.0, no_progress_s=1.5, cancel_s=2.0, stop_s=0.3
            )
        tick_registered(lambda: not is_driven())  # nothing is left to do: the timer ends by itself
        assert children() <= processes, f"{kind} left a process in round {number}"
        if number == 7:
            files = open_files()
    seconds = time.monotonic() - begun_s
    runtime.close()
    print(f"{CYCLES} cycles with {len(seen)} backends in {seconds:.1f} s")
    assert children() == processes and handlers() == registered
    assert not bpy.app.timers.is_registered(runtime._on_timer)
    assert open_files() <= files + 2
    assert not list((tmp_path / "temporary").glob("*")) if (tmp_path / "temporary").exists() else True
    logs = list((tmp_path / "logs").iterdir())
    assert len(logs) <= 4 and {path.name for path in tmp_path.iterdir()} <= {"logs", "temporary", "run"}
    assert (len(bpy.data.images), len(bpy.data.objects)) == (photo_count, objects)
    assert seconds < 60


def test_the_memory_is_shown_and_given_back_and_the_next_job_starts_anew(fake, photo):
    from blender_addon import runtime

    fake("ok")
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    shown = bpy.context.window_manager.portrait_relief
    backend = runtime.session().backend
    tick(lambda: backend.memory_bytes is not None)
    runtime.sync()
    assert "1.5 GB in memory" in shown.backend_message
    first = backend.pid
    assert bpy.ops.portrait_relief.free_memory() == {"FINISHED"}
    assert backend.pid is None and "GB" not in shown.backend_message
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    assert backend.pid not in (None, first)


def test_the_memory_of_a_backend_of_others_is_not_freed(fake, photo):
    from blender_addon import runtime

    fake("ok")
    bpy.ops.portrait_relief.start_backend()
    runtime.session().backend.external = True
    assert bpy.ops.portrait_relief.free_memory() == {"CANCELLED"}
    runtime.session().backend.external = False


def test_device_and_precision_of_the_preferences_are_told_to_the_backend(fake, photo):
    from blender_addon import requests, user_choices

    fake("ok")
    chosen = user_choices.get()

    def command() -> tuple[str, ...]:
        launch = requests.backend_choice().launch
        assert launch is not None
        return launch.command

    assert "--device" not in command()
    try:
        chosen.device = "CPU"
        assert command()[-2:] == ("--device", "cpu")
        chosen.device, chosen.device_name = "NAMED", "cuda:1"
        assert command()[-2:] == ("--device", "cuda:1")
        chosen.precision = "BFLOAT16"
        assert command()[-4:] == ("--device", "cuda:1", "--precision", "bfloat16")
    finally:
        chosen.device = chosen.precision = "AUTO"
