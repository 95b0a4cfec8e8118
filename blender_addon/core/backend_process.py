# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, watches and ends the backend process. Nothing here waits except `end_now`, which is bounded."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from . import errors, protocol
from .errors import AddonError, Problem
from .exchange import Address, Exchange, ExchangeError
from .launch import Launch, child_environment
from .wording import worded

LOGS_KEPT = 3
OLD_LOGS_KEPT = 9
OLD_LOG_S = 24 * 3600.0  # a log that young may belong to another Blender that is still open
LOG_READ_BYTES = 1 << 20
MAX_DEVICE_QUESTIONS = 100
MEMORY_LOOK_S = 5.0


class BackendState(Enum):
    STOPPED = "STOPPED"
    STARTING = "STARTING"  # the process runs, its first line is awaited
    GREETING = "GREETING"  # health and capabilities are asked for
    READY = "READY"
    STOPPING = "STOPPING"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Deadlines:
    """How long each state may last, in seconds."""

    first_line_s: float = 120.0
    greeting_s: float = 60.0
    stop_s: float = 4.0
    answer_s: float = 30.0  # an HTTP exchange in which no byte moves
    no_progress_s: float = 900.0  # a running job that does not change; large models on a CPU are slow
    cancel_s: float = 30.0


@dataclass(frozen=True)
class RestartLimit:
    """More unwanted ends than `count` within `window_s` stop automatic starts."""

    count: int = 3
    window_s: float = 300.0


class BackendProcess:
    """One backend: a child of ours, or one that somebody else runs (`attach`). Call `poll` every tick."""

    def __init__(
        self,
        log_folder: Path,
        deadlines: Deadlines | None = None,
        restart_limit: RestartLimit | None = None,
    ):
        # Two Blenders must not read each other's first line: a log belongs to one process.
        self.log_path = log_folder / f"backend-{os.getpid()}.log"
        self.deadlines = deadlines or Deadlines()
        self.restart_limit = restart_limit or RestartLimit()
        self.state = BackendState.STOPPED
        self.problem: Problem | None = None
        self.address: Address | None = None
        self.version = ""
        self.capabilities: dict = {}
        self.external = False
        self.launch: Launch | None = None  # what the child was started with
        self._process: subprocess.Popen | None = None
        self._exchange: Exchange | None = None
        self._log_start = 0
        self._token = ""
        self._since_s = 0.0
        self._ends_s: list[float] = []
        self._questions = 0
        self.memory_bytes: int | None = None  # that the worker holds, where it tells
        self._next_look_s = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def in_use(self) -> bool:
        """Starting, greeting or ready: a job may wait for it."""
        return self.state in (BackendState.STARTING, BackendState.GREETING, BackendState.READY)

    def start(self, launch: Launch, *, by_hand: bool) -> None:
        """Starts the child. By hand (a button) forgets earlier failures. Raises AddonError when it cannot."""
        self.end_now()
        if by_hand:
            self._ends_s.clear()
        recent = [end for end in self._ends_s if time.monotonic() - end < self.restart_limit.window_s]
        if len(recent) >= self.restart_limit.count:
            raise self._refused(errors.local("backend_restart_limit"))
        self._token = secrets.token_urlsafe(32)
        self.external = False
        self.launch = launch
        system_arguments: dict = {}
        if sys.platform == "win32":
            system_arguments["creationflags"] = subprocess.CREATE_NO_WINDOW
        else:
            system_arguments["start_new_session"] = (
                True  # Ctrl-C in Blender's terminal is not for the backend
            )
        try:
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            rotate_log(self.log_path)
            log = self.log_path.open("ab")
        except OSError as error:
            raise self._refused(errors.local("folder_not_writable", detail=str(error))) from error
        try:
            with log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(
                    list(launch.command),
                    cwd=launch.folder,
                    env=child_environment(self._token, launch.variables),
                    stdin=subprocess.PIPE,  # held open: the backend ends when this end of the pipe closes
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    close_fds=True,
                    **system_arguments,
                )
        except OSError as error:
            message = worded("The backend's Python cannot be run: {reason}.", reason=error)
            raise self._refused(errors.local("backend_python_missing", message=message)) from error
        self._enter(BackendState.STARTING)

    def attach(self, address: Address) -> None:
        """Uses a backend that runs already; it is neither started nor stopped by us."""
        self.end_now()
        self.external = True
        self._greet(address)

    def poll(self) -> None:
        """One look: reads the first line, advances the greeting, notices an end. Never waits."""
        if self._process is not None and self.state is not BackendState.STOPPING:
            code = self._process.poll()
            if code is not None:
                self._ended(code)
                return
        if self.state is BackendState.STARTING:
            self._read_handshake()
        elif self.state is BackendState.GREETING:
            self._advance_greeting()
        elif self.state is BackendState.STOPPING:
            self._advance_stop()
        elif self.state is BackendState.READY:
            if self.capabilities.get("device") is None:
                self._learn_device()
            else:
                self._learn_memory()

    def ended_within(self, patience_s: float) -> bool:
        """Whether the child has ended or does so in a moment (called once, after its connection broke)."""
        if self._process is None:
            return False
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def acknowledge(self) -> None:
        """The user has seen why it failed."""
        if self.state is BackendState.FAILED:
            self._enter(BackendState.STOPPED)

    def stop(self) -> None:
        """Asks the child to end by closing its stdin; `poll` sees to it."""
        self._drop_exchange()
        if self._process is None:
            self._enter(BackendState.STOPPED)
            return
        self._close_stdin()
        self._enter(BackendState.STOPPING)

    def end_now(self, patience_s: float = 1.5) -> None:
        """Ends the child and waits for it, at most about twice `patience_s`."""
        self._drop_exchange()
        process, self._process = self._process, None
        if process is not None:
            if process.stdin:
                process.stdin.close()
            for end in (None, process.terminate, process.kill):
                if end is not None and process.poll() is None:
                    end()
                try:
                    process.wait(patience_s)
                    break
                except subprocess.TimeoutExpired:
                    continue
        self.address = None
        self._enter(BackendState.STOPPED)

    def log_tail(self, lines: int = 1) -> str:
        """The last lines that this start wrote, for a message."""
        kept = [line for line in self._log_text().splitlines() if line.strip()]
        return "\n".join(kept[-lines:])

    def _enter(self, state: BackendState) -> None:
        self.state = state
        self._since_s = time.monotonic()
        if state is not BackendState.FAILED:
            self.problem = None
        if state is not BackendState.READY:
            self.memory_bytes = None

    def _fail(self, problem: Problem) -> None:
        self._drop_exchange()
        self._close_stdin()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            # A machine out of memory ends nothing at once.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)
        self._process = None
        self.address = None
        self._enter(BackendState.FAILED)
        self.problem = problem

    def _refused(self, problem: Problem) -> AddonError:
        """The failure of a start, to be raised."""
        self._fail(problem)
        return AddonError(problem)

    def _ended(self, code: int) -> None:
        self._ends_s.append(time.monotonic())
        if self.state is BackendState.STARTING:
            self._read_handshake()  # a wrong protocol says more than the end itself
            if self.state is BackendState.FAILED:
                return
            tail = self.log_tail()
            self._fail(
                errors.local(
                    "backend_start_failed", detail=tail[:200] or worded("exit status {code}", code=code)
                )
            )
        else:
            self._fail(errors.local("backend_stopped", detail=worded("exit status {code}", code=code)))

    def _read_handshake(self) -> None:
        for line in self._log_text().splitlines():
            try:
                handshake = protocol.parse_handshake(line)
            except AddonError as error:
                self._fail(error.problem)
                return
            if handshake is not None:
                self.version = handshake.version
                self._greet(Address("127.0.0.1", handshake.port, self._token))
                return
        if time.monotonic() - self._since_s > self.deadlines.first_line_s:
            detail = f"no first line in {self.deadlines.first_line_s:.0f} s"
            if tail := self.log_tail():
                detail += f"; {tail[:200]}"
            self._fail(errors.local("backend_start_timeout", detail=detail))

    def _greet(self, address: Address) -> None:
        self.address = address
        self._enter(BackendState.GREETING)
        try:
            self._exchange = protocol.get_health(address)
        except ExchangeError as error:
            self._fail(errors.local("backend_unreachable", detail=str(error)))

    def _advance_greeting(self) -> None:
        if self._exchange is None or self.address is None:
            return
        try:
            if self._exchange.advance() and self._exchange.answer is not None:
                value = protocol.checked(self._exchange.answer).json()
                if self._exchange.path == "/v1/health":
                    protocol.check_protocol(value)
                    self.version = str(value.get("version", ""))
                    self._exchange = protocol.get_capabilities(self.address)
                else:
                    self.capabilities = value
                    self._exchange = None
                    self._questions = 0
                    self._enter(BackendState.READY)
            elif time.monotonic() - self._since_s > self.deadlines.greeting_s:
                detail = f"no answer to {self._exchange.path} in {self.deadlines.greeting_s:.0f} s"
                self._fail(errors.local("backend_start_timeout", detail=detail))
        except ExchangeError as error:
            self._fail(errors.local("backend_unreachable", detail=str(error)))
        except AddonError as error:
            self._fail(error.problem)

    def _learn_device(self) -> None:
        """The worker names its device once it runs, some seconds after the front answers: asked for now and then."""
        if self._exchange is None:
            waited_s = time.monotonic() - self._since_s
            if (
                self.address is None
                or self._questions >= MAX_DEVICE_QUESTIONS
                or waited_s < 2.0 * self._questions
            ):
                return
            self._questions += 1
        try:
            self._exchange = self._exchange or protocol.get_capabilities(self.address)  # type: ignore[arg-type]
            if self._exchange.advance() and self._exchange.answer is not None:
                self.capabilities = protocol.checked(self._exchange.answer).json()
                self._exchange = None
        except (ExchangeError, AddonError):
            self._drop_exchange()  # only for the label in the panel: a real fault shows in the next job

    def _learn_memory(self) -> None:
        """How much the worker holds: asked for every now and then, for the panel alone."""
        if self._exchange is None:
            if self.address is None or time.monotonic() < self._next_look_s:
                return
            self._next_look_s = time.monotonic() + MEMORY_LOOK_S
        try:
            self._exchange = self._exchange or protocol.get_health(self.address)  # type: ignore[arg-type]
            if self._exchange.advance() and self._exchange.answer is not None:
                model = protocol.checked(self._exchange.answer).json().get("model")
                held = model.get("worker_memory_bytes") if isinstance(model, dict) else None
                self.memory_bytes = int(held) if isinstance(held, (int, float)) else None
                self._exchange = None
        except (ExchangeError, AddonError):
            self._drop_exchange()

    def _advance_stop(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            self._process = None
            self.address = None
            self._enter(BackendState.STOPPED)
            return
        waited_s = time.monotonic() - self._since_s
        if waited_s > 2 * self.deadlines.stop_s:
            process.kill()
        elif waited_s > self.deadlines.stop_s:
            process.terminate()

    def _close_stdin(self) -> None:
        if self._process is not None and self._process.stdin:
            self._process.stdin.close()

    def _drop_exchange(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def _log_text(self) -> str:
        try:
            with self.log_path.open("rb") as log:
                log.seek(self._log_start)
                return log.read(LOG_READ_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""


def rotate_log(path: Path) -> None:
    """backend-PID.log -> backend-PID.1.log -> ... so that each start has its own; few old ones are kept."""
    logs = sorted(path.parent.glob("backend-*.log"), key=lambda log: log.stat().st_mtime, reverse=True)
    for log in logs[OLD_LOGS_KEPT:]:
        with contextlib.suppress(OSError):
            if time.time() - log.stat().st_mtime > OLD_LOG_S:
                log.unlink()
    if not path.exists():
        return
    for number in range(LOGS_KEPT - 1, 0, -1):
        older = path.with_suffix(f".{number}.log")
        newer = path if number == 1 else path.with_suffix(f".{number - 1}.log")
        try:
            if newer.exists():
                newer.replace(older)
        except OSError:  # another Blender holds it open on Windows: append to it instead
            return
