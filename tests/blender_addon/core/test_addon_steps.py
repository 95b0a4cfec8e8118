# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in steps, part of it in a thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from blender_addon.core.steps import SWITCH_S, Steps, advance, finish, in_worker, join_workers


def names(count: int) -> Steps[list[str]]:
    seen = []
    for _ in range(count):
        seen.append(threading.current_thread().name)
        yield
    return seen


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "Portrait Relief"]


def test_steps_in_a_worker_are_taken_by_another_thread():
    def both() -> Steps[tuple[list[str], list[str]]]:
        there = yield from in_worker(names(3))
        here = yield from names(3)
        return there, here

    there, here = finish(both())
    assert there == ["Portrait Relief"] * 3 and here == [threading.current_thread().name] * 3


def test_a_tick_does_not_wait_for_the_worker():
    go_on = threading.Event()

    def slow() -> Steps[int]:
        yield go_on
        return 7

    steps = in_worker(slow())
    started_s = time.perf_counter()
    assert not advance(steps, 10.0) and not advance(steps, 10.0)
    assert time.perf_counter() - started_s < 5
    go_on.set()
    assert finish(steps) == 7


def test_what_a_worker_raises_is_raised_where_its_result_is_wanted():
    def broken() -> Steps[None]:
        yield
        raise ValueError("no head")

    with pytest.raises(ValueError, match="no head"):
        finish(in_worker(broken()))


@pytest.mark.parametrize("end", ["close", "join"])
def test_a_closed_worker_ends_and_cleans_up(end: str):
    begun, left = threading.Event(), threading.Event()

    def endless() -> Iterator[None]:
        try:
            begun.set()
            while True:
                time.sleep(0.001)
                yield
        finally:
            left.set()

    steps = in_worker(endless())  # type: ignore[arg-type]
    assert not advance(steps, 0.01) and workers()
    assert begun.wait(10)
    if end == "close":
        steps.close()
    join_workers()
    assert left.is_set() and not workers()


def test_python_switches_threads_often_while_one_of_ours_is_at_work():
    before_s = sys.getswitchinterval()
    assert before_s > SWITCH_S
    go_on = [threading.Event(), threading.Event()]

    def waiting(event: threading.Event) -> Steps[None]:
        yield event

    both = [in_worker(waiting(event)) for event in go_on]
    assert [advance(steps, 0.0) for steps in both] == [False, False]
    for steps, event in zip(both, go_on, strict=True):
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
        event.set()
        finish(steps)
    assert sys.getswitchinterval() == before_s


def test_starting_a_worker_does_not_wait_for_its_first_step():
    def keeps_the_lock() -> Steps[None]:
        sum(range(10_000_000))  # one call, in which no other thread gets Python's lock
        yield

    sums_s, starts_s = [], []
    for _ in range(5):  # other programs may hold one of them up
        began_s = time.perf_counter()
        sum(range(10_000_000))
        sums_s.append(time.perf_counter() - began_s)
        steps = in_worker(keeps_the_lock())
        began_s = time.perf_counter()
        assert not advance(steps, 0.0)
        starts_s.append(time.perf_counter() - began_s)
        finish(steps)
    assert min(starts_s) < min(sums_s) / 3
