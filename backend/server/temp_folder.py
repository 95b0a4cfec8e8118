# SPDX-License-Identifier: GPL-3.0-or-later
"""The private folder in which a front process keeps pictures and arrays, and the clearing of those left by
dead ones.

A folder belongs to a living process as long as its ``lock`` file is locked. A process id in the name would
not do: ids are reused, and containers that share one /tmp count theirs apart.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

PREFIX = "portrait-relief-"
_YOUNG_S = 60.0  # between mkdtemp and the lock another process may look: leave young folders alone


class PrivateFolder:
    """A new folder, readable by this user only; :meth:`remove` deletes it and everything in it."""

    def __init__(self, parent: Path | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()
        self._lock = _try_lock(self.path / "lock")
        if self._lock is None:
            raise OSError(f"cannot lock {self.path}")

    def remove(self) -> None:
        if self._lock is not None:
            os.close(self._lock)  # Windows deletes no open file
            self._lock = None
        shutil.rmtree(self.path, ignore_errors=True)


def remove_stale_folders(parent: Path | None = None) -> list[Path]:
    """Delete folders of this user whose process is gone; returns what was deleted. Never raises."""
    removed = []
    for folder in Path(parent or tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if _is_stale(folder):
                shutil.rmtree(folder)
                removed.append(folder)
    return removed


def _is_stale(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    status = folder.stat()
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return False
    lock_path = folder / "lock"
    if not lock_path.exists():
        # Without its lock file a folder is ours only if it is empty: the prefix alone proves nothing.
        return time.time() - status.st_mtime > _YOUNG_S and not any(folder.iterdir())
    lock = _try_lock(lock_path)
    if lock is None:
        return False
    os.close(lock)
    return True


def _try_lock(path: Path) -> int | None:
    """Open and lock without waiting; None if another process holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
