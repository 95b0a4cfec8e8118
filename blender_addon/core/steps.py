# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in small steps: a generator that yields between them and returns its result.

With a window a timer takes a few steps a tick; scripts and tests take all at once by `finish`.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]


def finish(steps: Steps[Result]) -> Result:
    """Takes all steps at once. Raises what the work raises."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def advance(steps: Steps[object], budget_s: float) -> bool:
    """Takes steps until `budget_s` is used up, at least one; True when the work is done. Raises what it raises."""
    end_s = time.perf_counter() + budget_s
    while True:
        try:
            next(steps)
        except StopIteration:
            return True
        if time.perf_counter() >= end_s:
            return False
