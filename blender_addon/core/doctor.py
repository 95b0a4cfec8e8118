# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the backend examine its installation: `python -m backend doctor` in a process of its own, read when it ends.

`poll` is called every tick and never waits.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import errors
from .errors import AddonError, Problem
from .launch import Launch, clean_environment
from .logged_child import LoggedChild
from .wording import worded

DEADLINE_S = 300.0  # it imports torch and loads the model, on a slow disk too
LOG_NAME = "doctor.log"


@dataclass(frozen=True)
class Check:
    """One finding of the backend's; `hint` says what to do where it is not ok, `absent` is what is optional and not
    there."""

    name: str
    ok: bool
    value: str
    hint: str = ""
    absent: bool = False


@dataclass(frozen=True)
class Findings:
    """What an examination brought: its checks, or why there are none."""

    time: str
    version: str = ""
    checks: tuple[Check, ...] = ()
    problem: Problem | None = None

    @property
    def ok(self) -> bool:
        return self.problem is None and all(check.ok for check in self.checks)

    @property
    def text(self) -> str:
        """As `portrait-relief doctor` writes it: one line a check, its remedy below it."""
        if self.problem is not None:
            return self.problem.text
        lines = [f"Portrait Relief {self.version}"]
        for check in self.checks:
            lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<12} {check.value}")
            if check.hint and not check.ok:
                lines.append(f"      {'':<12} {check.hint}")
        return "\n".join(lines)


class Doctor:
    """At most one examination at a time; `findings` are those of the last one. Needs no thread."""

    def __init__(self) -> None:
        self.findings: Findings | None = None
        self.deadline_s = DEADLINE_S
        self._child: LoggedChild | None = None
        self._begun_s = 0.0

    @property
    def busy(self) -> bool:
        return self._child is not None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self, launch: Launch, log_folder: Path) -> None:
        """Begins, with the Python, device and model that the backend would be started with.

        Raises AddonError when it is at work already or no process can be started.
        """
        if self._child is not None:
            raise AddonError(errors.local("busy"))
        python, _module, package, _serve, *options = launch.command
        command = [python, "-m", package, "doctor", "--json", *options]
        try:
            log_folder.mkdir(parents=True, exist_ok=True)
            log = log_folder / LOG_NAME
            log.write_bytes(b"")
            environment = clean_environment(launch.variables)
            self._child = LoggedChild(command, launch.folder, environment, log)
        except OSError as error:
            raise AddonError(errors.local("check_failed", detail=str(error))) from error
        self.findings, self._begun_s = None, time.monotonic()

    def poll(self) -> bool:
        """One look; True when it has just ended."""
        if self._child is None:
            return False
        code, output = self._child.poll(), ""
        if code is None and time.monotonic() - self._begun_s <= self.deadline_s:
            return False
        output = self._child.output()
        self._child.kill()
        self._child = None
        late = errors.local(
            "check_failed", detail=worded("no answer after {seconds} s", seconds=f"{self.deadline_s:g}")
        )
        self.findings = findings_of(output, f"exit status {code}") if code is not None else _failed(late)
        return True

    def cancel(self) -> bool:
        """Ends it and all that it started; False when there was nothing to end."""
        if self._child is None:
            return False
        self._child.kill()
        self._child = None
        return True

    def run(self) -> Findings | None:
        """Drives it to its end without a timer."""
        while self.busy:
            self.poll()
            time.sleep(0.02)
        return self.findings


def read_report(output: str) -> dict[str, Any] | None:
    """The JSON of `portrait-relief doctor --json`, below whatever libraries have written; None where there is none."""
    begin = re.search(r"^\{$", output, re.MULTILINE)
    with contextlib.suppress(ValueError):
        report = json.JSONDecoder().raw_decode(output[begin.start() :])[0] if begin else None
        return report if isinstance(report, dict) else None
    return None


def findings_of(output: str, without_words: str) -> Findings:
    """From all that the process has written; `without_words` stands for the cause where it wrote nothing."""
    report = read_report(output)
    if report is None:
        said = [line.strip() for line in output.splitlines() if line.strip()] or [without_words]
        return _failed(errors.local("check_failed", detail=said[-1][:200]))
    told = report.get("checks")
    checks = [check for check in told if isinstance(check, dict)] if isinstance(told, list) else []
    return Findings(
        _now(),
        str(report.get("version", "")),
        tuple(
            Check(
                str(check.get("name", "")),
                bool(check.get("ok")),
                str(check.get("value", "")),
                str(check.get("hint", "")),
                _is_absent(check.get("details")),
            )
            for check in checks
        ),
    )


def _is_absent(details: object) -> bool:
    return isinstance(details, dict) and details.get("available") is False


def _failed(problem: Problem) -> Findings:
    return Findings(_now(), problem=problem)


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M")
