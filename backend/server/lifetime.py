# SPDX-License-Identifier: GPL-3.0-or-later
"""No process outlives its owner.

=========  ==========================================  ===================================================
process    every system                                in addition
=========  ==========================================  ===================================================
front      exits when its stdin reaches end-of-file    Linux: SIGTERM when the owner's thread dies
worker     exits when its stdin reaches end-of-file    Linux: SIGKILL when the front dies; Windows: Job Object
=========  ==========================================  ===================================================

The front does so only when it has an owner: stdin is a pipe or socket, or ``--exit-with-stdin`` was given.
Linux binds PR_SET_PDEATHSIG to the *thread* that started the process, so an owner should start the backend
from its main thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def stdin_has_owner() -> bool:
    """Whether stdin is a pipe or socket, that is: another program started this one and may close it."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def take_stdin() -> int:
    """A private descriptor of stdin, in whose place nothing is left to read.

    Windows: while one thread waits for a pipe, whatever else looks at it waits too, and numpy's and scipy's libraries
    look at stdin when they are loaded (numpy issue 24290).
    """
    private, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return private


def when_stdin_ends(action: Callable[[], None], *, force_exit_after_s: float) -> None:
    """Call ``action`` from a thread at end-of-file; end the process hard if it is still there later."""
    stdin = take_stdin()

    def wait() -> None:
        try:
            while os.read(stdin, 4096):
                pass
        except OSError:
            pass
        timer = threading.Timer(force_exit_after_s, os._exit, args=(1,))
        timer.daemon = True
        timer.start()
        action()

    threading.Thread(target=wait, name="stdin-guard", daemon=True).start()


def die_with_parent(signal_name: str, expected_parent: int | None = None) -> None:
    """Linux: have the kernel send ``signal_name`` when the thread that started this process ends.

    ``expected_parent`` closes the gap between start and this call: if the parent is already another one,
    exit. Elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(getattr(signal, signal_name)), 0, 0, 0)
    if expected_parent is not None and os.getppid() != expected_parent:
        os._exit(1)


def tie_children_to_this_process() -> None:
    """Windows: put this process into a Job Object that kills everything in it once this process is gone.

    Children join the job by themselves, so there is no moment in which a new worker is not in it. Elsewhere
    nothing.
    """
    if sys.platform != "win32":
        return
    from ctypes import wintypes

    class BasicLimits(ctypes.Structure):
        _fields_ = [
            ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
            ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        ]

    class ExtendedLimits(ctypes.Structure):
        _fields_ = [
            ("BasicLimitInformation", BasicLimits),
            ("IoInfo", ctypes.c_ulonglong * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        ]

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    kernel.CreateJobObjectW.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
    kernel.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
    kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    job = kernel.CreateJobObjectW(None, None)
    limits = ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    # 9: JobObjectExtendedLimitInformation. The handle stays open until the process ends, which is what kills
    # the job.
    kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess())
