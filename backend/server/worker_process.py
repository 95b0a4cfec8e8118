# SPDX-License-Identifier: GPL-3.0-or-later
"""One life of a worker process, seen from the front: start, send, receive, end. No policy here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.server import messages

LOGGER = logging.getLogger("portrait_relief.worker")
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class WorkerChoice:
    """What the model is and runs on; names as `backend.editor.PortraitEditor` takes them."""

    checkpoint: str | None = None
    device: str = "auto"
    precision: str = "auto"


class WorkerProcess:
    """A running worker. ``last_message_s`` is the time (monotonic) of its last sign of life."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.started_s = self.last_message_s = time.monotonic()
        self._stderr_task = asyncio.create_task(self._copy_stderr())

    @classmethod
    async def start(cls, choice: WorkerChoice, *, idle_release_s: float) -> WorkerProcess:
        command = [sys.executable, "-u", "-m", "backend.server.worker"]
        command += ["--device", choice.device, "--precision", choice.precision]
        command += ["--front-pid", str(os.getpid()), "--idle-release-s", str(idle_release_s)]
        if choice.checkpoint is not None:
            command += ["--checkpoint", choice.checkpoint]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            limit=messages.MESSAGE_BYTES,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, kind: str, **content: Any) -> None:
        """Queue one short message; a worker that is gone is noticed by :meth:`received` ending."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, RuntimeError):
            self._process.stdin.write(messages.encode({"type": kind, **content}))

    async def received(self) -> AsyncIterator[dict[str, Any]]:
        """Every message until the worker's stdout ends. A line that is no message ends the worker."""
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
                if not line:
                    return
                message = messages.decode(line)
            except ValueError:
                LOGGER.exception("the worker broke the protocol")
                self.kill()
                return
            self.last_message_s = time.monotonic()
            yield message

    def kill(self) -> None:
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                # Not Process.kill: it polls first, which may take the exit status from asyncio's watcher, and a
                # worker killed by a signal would be reported as "exit status 255".
                os.kill(self._process.pid, signal.SIGKILL)

    async def ended(self) -> str:
        """Wait for the end; returns how it ended, for messages: "signal SIGKILL", "exit status 3"."""
        status = await self._process.wait()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stderr_task, timeout=1.0)
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"signal {signal.Signals(-status).name}"
        return f"exit status {status}"

    async def stop(self, patience_s: float = 2.0) -> None:
        """Ask the worker to end, then insist."""
        self.send("stop")
        try:
            await asyncio.wait_for(self._process.wait(), timeout=patience_s)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        self._stderr_task.cancel()

    async def _copy_stderr(self) -> None:
        """One writer for the log: what the worker prints goes through the front's logging."""
        assert self._process.stderr is not None
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:
                continue  # a line longer than the limit
            if not line:
                return
            LOGGER.info("%s", line.decode("utf-8", "replace").rstrip())


def _environment() -> dict[str, str]:
    """The worker's environment: it can import this package, has no token, and never asks the internet for
    models.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PORTRAIT_RELIEF_TOKEN"}
    paths = [str(_PACKAGE_PARENT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    environment["PYTHONUTF8"] = "1"
    environment.setdefault("HF_HUB_OFFLINE", "1")
    environment.setdefault("DIFFUSERS_VERBOSITY", "error")
    return environment
