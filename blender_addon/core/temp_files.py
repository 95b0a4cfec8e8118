# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary files: one private folder a process, removed at the end; leftovers of crashed ones are swept."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .steps import Steps

LEFTOVER_AGE_S = 24 * 3600.0
_PREFIX = "tmp-"
_CHUNK = 1 << 18  # bytes; written within a millisecond


def sweep(root: Path, now_s: float | None = None) -> int:
    """Removes temporary folders older than a day below `root`; returns how many."""
    now_s = time.time() if now_s is None else now_s
    removed = 0
    for folder in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_dir() and now_s - folder.stat().st_mtime > LEFTOVER_AGE_S:
                shutil.rmtree(folder)
                removed += 1
    return removed


@contextlib.contextmanager
def temporary_folder(root: Path) -> Iterator[Path]:
    """A private folder below `root` that is gone afterwards, whatever happens."""
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_steps(path: Path, content: bytes) -> Steps[None]:
    """Writes a file, a step a quarter of a megabyte. Raises OSError."""
    with path.open("wb") as file:
        for start in range(0, len(content), _CHUNK):
            file.write(memoryview(content)[start : start + _CHUNK])
            yield
