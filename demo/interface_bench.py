# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the extension holds Blender's interface up: ticks, operators, enabling, building and re-displacing.

Runs inside Blender (`blender --factory-startup --python interface_bench.py -- RESULT.json PHOTO LARGE_PHOTO`), with its
own timer at work, or on the bpy module (`python interface_bench.py RESULT.json PHOTO LARGE_PHOTO`), which has no
window: there the same tick is called in a loop. `build.py bench` starts it and prints the result.
"""

from __future__ import annotations

import compileall
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import bpy  # noqa: E402
import numpy as np  # noqa: E402

TICKS = 500
TICK_LIMIT_MS, OPERATOR_LIMIT_MS, ENABLE_LIMIT_MS = 8.0, 50.0, 50.0
SIDE, BUILD_LIMIT_MS, DISPLACE_LIMIT_MS = 768, 500.0, 10.0
LONGEST_S = 600.0
SEQUENCE_FRAMES = 4
_NAMED = 12  # of the slowest ticks and calls
_COLLECTED_MS = (
    2.0  # that a tick spent on Python's garbage collector, which looks at all of Blender's objects
)
_PART_MS = 3.0  # of a tick, from which on a part of it is named
_PAUSE_S = 0.1
_FIXED_STEPS = 20_000  # about a millisecond of plain Python
_BETWEEN_TASKS_S = 0.5
_MODES = ("depth", "generate", "appearance")
_TASKS = ("check_relief", "delight", "rebuild_relief", "export_relief")
_OPERATORS = (
    ("apply_preset", {"preset": "SMILE"}),
    ("mirror_expression", {}),
    ("select_result", {}),
    ("recall_expression", {}),
    ("compare_results", {}),
    ("apply_light_rig", {"rig": "REMBRANDT"}),
    ("reset_expression", {}),
    ("save_picture", {"filepath": "saved.png"}),  # beside the photo
    ("view_relief", {}),
    ("copy_report", {}),
    ("remove_light_rig", {}),
)


class Collector:
    """Milliseconds of own computing that Python's garbage collector has taken so far."""

    def __init__(self) -> None:
        self.total_ms = self._began_s = 0.0
        gc.callbacks.append(self._told)

    def _told(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began_s = time.thread_time()
        else:
            self.total_ms += 1000 * (time.thread_time() - self._began_s)


_collector = Collector()


class Parts:
    """Which part of a tick takes how long, by the names of what `runtime._tick` and the tasks call."""

    def __init__(self) -> None:
        self._ms: dict[str, float] = {}

    def watch(self) -> None:
        """Puts a watch round each of them, for good."""
        from blender_addon import runtime
        from blender_addon.core.session import Session
        from blender_addon.delivery import Delivery

        watched = ((runtime.tasks, "tick"), (Session, "tick"), (Delivery, "tick"), (runtime, "_collect"))
        for owner, name in (*watched, (runtime, "sync"), (runtime.tasks, "push_undo")):
            self._watch(owner, name)

    def _watch(self, owner: Any, name: str) -> None:
        work = getattr(owner, name)
        shown = f"{owner.__name__.rpartition('.')[2]}.{name}"

        def timed(*given: Any, **named: Any) -> Any:
            began_s = time.perf_counter()
            try:
                return work(*given, **named)
            finally:
                self._ms[shown] = self._ms.get(shown, 0.0) + 1000 * (time.perf_counter() - began_s)

        setattr(owner, name, timed)

    def long_ones(self) -> str:
        """`tasks.tick 9.1, tasks.push_undo 8.0` of the tick that was: a part holds those that it calls. Forgets it."""
        found = [f"{name} {ms:.1f}" for name, ms in self._ms.items() if ms > _PART_MS]
        self._ms.clear()
        return ", ".join(reversed(found))


_collector = Collector()
_parts = Parts()


class Clock:
    """Milliseconds by the wall and of this thread's own computing: other programs lengthen the first alone."""

    def __init__(self) -> None:
        self.wall_ms: list[float] = []
        self.own_ms: list[float] = []
        self.names: list[str] = []

    def time(self, work: Callable[[], Any], name: Callable[[], str] = str) -> Any:
        """`name` is asked before the work and after it: what was at work, and how far that came."""
        before, collected_ms = name(), _collector.total_ms
        wall, own = time.perf_counter(), time.thread_time()
        try:
            return work()
        finally:
            self.own_ms.append(1000 * (time.thread_time() - own))
            self.wall_ms.append(1000 * (time.perf_counter() - wall))
            collected_ms, after = _collector.total_ms - collected_ms, name()
            named = before if before == after else f"{before} -> {after}"
            if part := _parts.long_ones():
                named += f" ({part})"
            if collected_ms > _COLLECTED_MS:
                named += f" (garbage collector {collected_ms:.1f})"
            self.names.append(named)

    def worst(self, limit_ms: float) -> dict[str, Any]:
        """For ticks and operators, which must all stay below a limit."""
        slowest = sorted(range(len(self.wall_ms)), key=self.wall_ms.__getitem__, reverse=True)[:_NAMED]
        return {
            "count": len(self.wall_ms),
            "median_ms": median(self.wall_ms),
            "p99_ms": sorted(self.wall_ms)[int(0.99 * (len(self.wall_ms) - 1))],
            "worst_ms": max(self.wall_ms),
            "worst_own_ms": max(self.own_ms),
            "above": sum(value > limit_ms for value in self.wall_ms),
            "own_above": sum(value > limit_ms for value in self.own_ms),
            "slowest": [(self.wall_ms[at], self.own_ms[at], self.names[at]) for at in slowest],
            "limit_ms": limit_ms,
        }

    def best(self, limit_ms: float) -> dict[str, float]:
        """For what is done several times to see what it costs."""
        return {
            "count": len(self.wall_ms),
            "median_ms": median(self.wall_ms),
            "best_ms": min(self.wall_ms),
            "best_own_ms": min(self.own_ms),
            "limit_ms": limit_ms,
        }


def enable() -> Clock:
    """Importing and registering, the first time in this process; the byte code is there, as from Blender's second start
    on, also where the surroundings keep Python from writing it."""
    compileall.compile_dir(ROOT / "blender_addon", quiet=1)
    clock = Clock()

    def work() -> None:
        import blender_addon

        blender_addon.register()

    clock.time(work)
    return clock


def head(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth in mm and coverage [side, side] whose every pixel becomes a vertex."""
    y, x = np.mgrid[-1.25 : 1.25 : side * 1j, -1.25 : 1.25 : side * 1j].astype(np.float32)
    return (60 * np.cos(x) * np.cos(y) + 2 * np.sin(30 * x)).astype(np.float32), np.ones_like(x)


def reliefs(repeats: int = 7) -> tuple[Clock, Clock]:
    """(building one of SIDE x SIDE vertices with its mesh, moving its vertices to another depth scale)."""
    from blender_addon.core.relief import ReliefOptions, build
    from blender_addon.scene import importing, relief_object

    building, displacing = Clock(), Clock()
    depth, coverage = head(SIDE)

    def work() -> bpy.types.Mesh:
        relief = build(depth, coverage, 0.3, ReliefOptions(density=SIDE))
        mesh = relief_object.make_mesh("bench", relief, size=1.0, depth_scale=1.0)
        importing.remember_photo(mesh, relief, "bench", (SIDE, SIDE), 0.3)
        return mesh

    for _ in range(repeats):
        mesh = building.time(work)
        assert len(mesh.vertices) == SIDE * SIDE
        for scale in (1.5, 0.5, 1.0):
            displacing.time(
                lambda mesh=mesh, scale=scale: setattr(mesh.portrait_relief, "depth_scale", scale)
            )
        bpy.data.meshes.remove(mesh)
    return building, displacing


class Measured:
    """The clocks by what they measure. Ticks go to the one of the job at work: `tick_row`."""

    def __init__(self) -> None:
        self.ticks = {name: Clock() for name in ("tick", "tick_large", "tick_sequence")}
        self.operators, self.tasks, self.fixed = Clock(), Clock(), Clock()
        self.tick_row = "tick"

    def time_tick(self, tick: Callable[[], float | None]) -> float | None:
        return self.ticks[self.tick_row].time(tick, _at_work)

    def time_fixed(self) -> None:
        """The same arithmetic again and again, which waits for nothing and asks for nothing: what the machine's other
        work makes of it, it makes of ticks, too."""
        self.fixed.time(lambda: sum(range(_FIXED_STEPS)))

    def rows(self) -> dict[str, dict[str, Any]]:
        wanted = {name: (clock, TICK_LIMIT_MS) for name, clock in self.ticks.items()}
        wanted |= {
            "operator": (self.operators, OPERATOR_LIMIT_MS),
            "task": (self.tasks, OPERATOR_LIMIT_MS),
            "fixed": (self.fixed, TICK_LIMIT_MS),
        }
        return {name: clock.worst(limit_ms) for name, (clock, limit_ms) in wanted.items() if clock.wall_ms}


def _at_work() -> str:
    """The job's state and the steps that a tick takes: `RUNNING, check build_steps:120`."""
    from blender_addon import runtime, tasks

    job = runtime.session().job
    words = [job.state.value if job else "no job"]
    if runtime._delivery._steps is not None:
        words.append(f"import {_place(runtime._delivery._steps)}")
    words += [f"{task.kind} {_place(task.steps)}" for task in tasks._tasks.values()]
    return ", ".join(words)


def _place(steps: Any) -> str:
    """Function and line of the innermost generator of steps."""
    while getattr(steps, "gi_yieldfrom", None) is not None:
        steps = steps.gi_yieldfrom
    frame = getattr(steps, "gi_frame", None)
    return f"{steps.__name__}:{frame.f_lineno}" if frame is not None else "at its end"


def jobs(photo: Path, large_photo: Path, folder: Path, measured: Measured) -> Iterator[None]:
    """All jobs one after the other; yields while they are at work. `folder` takes the sequence's frames."""
    yield from _small_jobs(photo, measured)
    measured.tick_row = "tick_large"
    settings = bpy.context.scene.portrait_relief
    settings.filepath = str(large_photo)
    measured.operators.time(lambda: _submit("depth"), lambda: "large depth")
    yield from _with_tasks(measured, folder.parent)
    measured.tick_row = "tick_sequence"
    settings.filepath, settings.sequence_folder = str(photo), str(folder)
    for frame, value in ((1, 0.0), (SEQUENCE_FRAMES, 0.6)):
        settings.jawOpen = value
        settings.keyframe_insert("jawOpen", frame=frame)
    measured.operators.time(_submit_sequence, lambda: "sequence")
    yield from _with_tasks(measured, folder.parent)


def _small_jobs(photo: Path, measured: Measured) -> Iterator[None]:
    """Depth, an edit and a repainted relief, until there were enough ticks, with quick buttons pressed meanwhile."""
    from blender_addon import runtime

    ticks, operators = measured.ticks["tick"], measured.operators
    settings = bpy.context.scene.portrait_relief
    settings.source, settings.filepath = "FILE", str(photo)
    settings.mouthSmileLeft = settings.mouthSmileRight = 0.8
    number = 0
    end_s = time.monotonic() + LONGEST_S
    while len(ticks.wall_ms) < TICKS or number < len(_MODES):
        mode = _MODES[number % len(_MODES)]
        operators.time(lambda mode=mode: _submit(mode), lambda mode=mode: mode)
        asked = time.monotonic()
        while runtime.is_busy():
            if time.monotonic() > end_s:
                raise TimeoutError(f"job {number} is not done: {_state()}")
            if number and time.monotonic() - asked > 0.5:
                name, options = _OPERATORS[len(operators.wall_ms) % len(_OPERATORS)]
                if "filepath" in options:
                    options = options | {"filepath": str(photo.with_name(options["filepath"]))}
                operators.time(
                    lambda name=name, options=options: _call(name, options), lambda name=name: name
                )
                asked = time.monotonic()
            yield
        if bpy.context.window_manager.portrait_relief.message:
            raise RuntimeError(_state())
        number += 1


def _with_tasks(measured: Measured, folder: Path) -> Iterator[None]:
    """While a job is at work the active relief is checked, delighted, rebuilt and exported into `folder`, each at
    least once."""
    from blender_addon import runtime, tasks

    end_s, asked, begun = time.monotonic() + LONGEST_S, time.monotonic(), 0
    while runtime.is_busy() or tasks.is_busy() or begun < len(_TASKS):
        if time.monotonic() > end_s:
            raise TimeoutError(f"a job with tasks is not done: {_state()}")
        if tasks.is_busy():
            asked = time.monotonic()
        elif time.monotonic() - asked > _BETWEEN_TASKS_S and (runtime.is_busy() or begun < len(_TASKS)):
            kind = _TASKS[begun % len(_TASKS)]
            measured.tasks.time(lambda kind=kind: _begin(kind, folder / "bench.glb"), lambda kind=kind: kind)
            begun += 1
        yield
    if bpy.context.window_manager.portrait_relief.message:
        raise RuntimeError(_state())


def _begin(kind: str, target: Path) -> None:
    """What the button does with a window; on bpy, where the operator would return when all is done, the same."""
    from blender_addon import runtime, tasks
    from blender_addon.operators.export import PORTRAIT_RELIEF_OT_export_relief
    from blender_addon.scene import albedo, exporting, relief_build

    scene, item = bpy.context.scene, bpy.context.view_layer.objects.active
    scene.portrait_relief_export.format = "GLB"
    if not bpy.app.background:
        options = {"filepath": str(target), "wait": False} if kind == "export_relief" else {}
        getattr(bpy.ops.portrait_relief, kind)(**options)
        return
    steps = {
        "check_relief": lambda: exporting.check_steps(item, scene.portrait_relief_export),
        "delight": lambda: albedo.albedo_steps(item, coloured=False, strength=1.0),
        "rebuild_relief": lambda: relief_build.told_steps(item),
        "export_relief": lambda: PORTRAIT_RELIEF_OT_export_relief.export_steps(scene, item, target),
    }
    runtime.begin_task(tasks.Task(kind, steps[kind](), runtime.show_problem))


def _submit(mode: str) -> None:
    """What the buttons do."""
    from blender_addon import requests, runtime

    scene = bpy.context.scene
    if mode == "appearance":
        runtime.submit(scene, *requests.repaint_input(scene, bpy.context.view_layer.objects.active))
    else:
        runtime.submit(scene, *requests.begun_input(scene.portrait_relief, mode))


def _submit_sequence() -> None:
    from blender_addon import requests, runtime, sequences

    scene = bpy.context.scene
    given, frames = requests.sequence_input(scene, range(1, SEQUENCE_FRAMES + 1))
    sequence = sequences.plan(given, frames, scene.portrait_relief.sequence_folder, fresh=True)
    runtime.submit_sequence(scene, given, frames, sequence)


def _call(name: str, options: dict[str, str]) -> None:
    operator = getattr(bpy.ops.portrait_relief, name)
    if operator.poll():
        operator(**options)


def _state() -> str:
    shown = bpy.context.window_manager.portrait_relief
    return f"{shown.state} {shown.status} {shown.backend_message} {shown.message} {shown.hint}"


def main(result: Path, photo: Path, large_photo: Path) -> None:
    """Measures all and writes `result`; in Blender it goes on by timers and quits at the end."""
    enabling = enable()
    from blender_addon import runtime

    measured = Measured()
    _parts.watch()
    tick, windowed = runtime._on_timer, not bpy.app.background

    def timed_tick() -> float | None:
        return measured.time_tick(tick)

    runtime._on_timer = timed_tick
    steps = jobs(photo, large_photo, result.parent / "sequence", measured)

    def finish(error: str = "") -> None:
        found: dict[str, object] = {"windowed": windowed, "blender": bpy.app.version_string, "error": error}
        found |= measured.rows()
        if not error:
            building, displacing = reliefs()
            found["build"], found["displace"] = (
                building.best(BUILD_LIMIT_MS),
                displacing.best(DISPLACE_LIMIT_MS),
            )
        found["enable"] = enabling.best(ENABLE_LIMIT_MS)
        result.write_text(json.dumps(found), encoding="utf-8")
        runtime.close()

    def drive() -> float | None:
        try:
            next(steps)
            measured.time_fixed()
            return _PAUSE_S
        except StopIteration:
            finish()
        except Exception:
            finish(traceback.format_exc(limit=2))
        bpy.ops.wm.quit_blender()
        return None

    if windowed:
        bpy.context.preferences.view.show_splash = False
        bpy.app.timers.register(drive, first_interval=2.0, persistent=True)
        return
    try:
        for _ in steps:
            timed_tick()
            measured.time_fixed()
            time.sleep(runtime.BUSY_INTERVAL_S)
        finish()
    except Exception:
        finish(traceback.format_exc(limit=2))


if __name__ == "__main__":
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    os.environ.setdefault("PORTRAIT_RELIEF_BACKEND_SOURCE", str(ROOT))
    main(*(Path(word) for word in words[:3]))
