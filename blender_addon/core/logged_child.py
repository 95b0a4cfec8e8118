# SPDX-License-Identifier: GPL-3.0-or-later
"""One child process that writes to a log file and can be ended with everything it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

OUTPUT_READ_BYTES = 1 << 20
KILL_PATIENCE_S = 2.0


class LoggedChild:
    """Started by being made; raises OSError when that fails. Nothing waits except `kill`, which is bounded."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], log_path: Path):
        self.log_path = log_path
        arguments: dict = {}
        if sys.platform == "win32":
            arguments["creationflags"] = subprocess.CREATE_NO_WINDOW
        else:
            arguments["start_new_session"] = True  # a group of its own, which `kill` ends as a whole
        with log_path.open("ab") as log:
            log.write(f"\n$ {subprocess.list2cmdline(command)}\n".encode())
            log.flush()
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                close_fds=True,
                **arguments,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def written_bytes(self) -> int:
        try:
            return self.log_path.stat().st_size - self._log_start
        except OSError:
            return 0

    def output(self) -> str:
        """What it wrote so far; of very much, the end."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - OUTPUT_READ_BYTES))
                return log.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def kill(self) -> None:
        """Ends it and its children at once."""
        if sys.platform == "win32":
            if self._process.poll() is None:
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    subprocess.run(
                        ["taskkill", "/T", "/F", "/PID", str(self.pid)],
                        capture_output=True,
                        timeout=10,
                        check=False,
                        creationflags=subprocess.CREATE_NO_WINDOW,
                    )
                self._process.kill()
        else:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_PATIENCE_S)
