# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes are there: by psutil, so that it holds on every system."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil


def is_running(pid: int) -> bool:
    """False for processes that are gone and for zombies that only wait to be collected."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def tree(pid: int) -> list[int]:
    """The process and everything it has started, directly or not. To be asked before it ends."""
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True) if is_running(child.pid))]
    except psutil.NoSuchProcess:
        return []


def wait_gone(pids: Iterable[int], timeout_s: float = 5.0) -> bool:
    """Whether all of them end in time; what was killed takes a moment to go."""
    pids = list(pids)
    end_s = time.monotonic() + timeout_s
    while any(map(is_running, pids)):
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True
