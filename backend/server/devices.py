# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine offers: the computing device and its memory. Imports torch, so: worker and command line
only.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from typing import Any


def describe_device(name: str = "auto") -> dict[str, Any]:
    """``{"type", "name", "torch", "memory_total_bytes", "memory_free_bytes"}`` of "auto", "cpu", "cuda",
    "cuda:1", "mps".
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        label = torch.cuda.get_device_name(device)
    else:
        free, total = system_memory()
        label = platform.processor() or platform.machine()
    return {
        "type": device.type,
        "name": label,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "memory_total_bytes": total,
        "memory_free_bytes": free,
    }


def system_memory() -> tuple[int | None, int | None]:
    """(available, total) bytes of main memory; None where the system does not say."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, ValueError), open("/proc/meminfo", encoding="ascii") as lines:
            values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.strip()}
            return values.get("MemAvailable"), values.get("MemTotal")
    if sys.platform == "win32":
        return _windows_memory()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return None, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None, None


def _windows_memory() -> tuple[int | None, int | None]:
    if sys.platform != "win32":
        return None, None
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "available", "t_page", "a_page", "t_virtual", "a_virtual", "a_extended")
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None, None
    return status.available, status.total


def process_memory() -> int | None:
    """Bytes of main memory this process holds (resident set); None where the system does not say."""
    with (
        contextlib.suppress(OSError, ValueError, IndexError),
        open("/proc/self/statm", encoding="ascii") as line,
    ):
        return int(line.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None


def give_memory_back() -> None:
    """Return freed memory to the system and to other users of the GPU; Python and torch keep it otherwise."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform.startswith("linux"):
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
