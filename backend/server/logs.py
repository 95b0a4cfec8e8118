# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging of the front process: a rotated file or stderr, never stdout, and never a wait.

An owner that does not empty the stderr pipe would otherwise stop the front as soon as 64 KiB are written.
Records go through a bounded queue to a daemon thread; a full queue drops them.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
import sys
from pathlib import Path

LOGGER = logging.getLogger("portrait_relief")
_FILE_BYTES = 2 * 2**20
_FILE_COUNT = 3


class _DroppingQueueHandler(logging.handlers.QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def set_up_logging(log_file: Path | None, level: int = logging.INFO) -> None:
    """Send everything that is logged in this process to ``log_file`` (3 x 2 MiB, rotated) or, if None, to
    stderr.
    """
    if log_file is None:
        target: logging.Handler = logging.StreamHandler(sys.stderr)
    else:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        target = logging.handlers.RotatingFileHandler(
            log_file, maxBytes=_FILE_BYTES, backupCount=_FILE_COUNT - 1, encoding="utf-8"
        )
    target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    records: queue.Queue[logging.LogRecord] = queue.Queue(maxsize=2000)
    listener = logging.handlers.QueueListener(records, target)
    listener.start()  # its thread is a daemon: a stuck stderr does not keep the process alive
    root = logging.getLogger()
    root.handlers[:] = [_DroppingQueueHandler(records)]
    root.setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.WARNING)
