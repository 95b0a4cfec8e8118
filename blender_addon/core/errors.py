# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, told as one sentence for the artist, a hint, and the button that mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Remedy(Enum):
    """The button the panel offers below an error."""

    NONE = "NONE"
    START_BACKEND = "START_BACKEND"
    RESTART_BACKEND = "RESTART_BACKEND"
    OPEN_PREFERENCES = "OPEN_PREFERENCES"
    OPEN_LOG = "OPEN_LOG"
    CHOOSE_PICTURE = "CHOOSE_PICTURE"
    RETRY = "RETRY"


@dataclass(frozen=True)
class Problem:
    """One failure. `code` is stable and snake_case; `message` and `hint` are sentences."""

    code: str
    message: str
    hint: str
    remedy: Remedy


class AddonError(Exception):
    """Carries a Problem to the one place that shows it."""

    def __init__(self, problem: Problem):
        super().__init__(f"{problem.message} {problem.hint}".strip())
        self.problem = problem


def _problem(code: str, message: str, hint: str, remedy: Remedy) -> tuple[str, Problem]:
    return code, Problem(code, message, hint, remedy)


LOCAL_PROBLEMS: dict[str, Problem] = dict(
    (
        _problem(
            "backend_not_found",
            "No Python with the Portrait Relief backend is set up.",
            "Name one in the add-on's preferences.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "backend_start_failed",
            "The backend ended while it was starting.",
            "Its log tells why.",
            Remedy.OPEN_LOG,
        ),
        _problem(
            "backend_start_timeout",
            "The backend did not start in time.",
            "Restart it; if that does not help, open its log.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "backend_stopped",
            "The backend ended in the middle of the work.",
            "Restart it and try again.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "backend_unreachable",
            "The backend does not answer.",
            "Restart it and try again.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "backend_restart_limit",
            "The backend ended several times in a row and is not started again by itself.",
            "Look at its log, then restart it.",
            Remedy.OPEN_LOG,
        ),
        _problem(
            "wrong_protocol",
            "The backend and this add-on are of different versions.",
            "Install the backend that belongs to this add-on, or choose another in the preferences.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "not_loopback",
            "The backend's address is not on this machine.",
            "Use 127.0.0.1:PORT; reach another machine through an SSH tunnel.",
            Remedy.OPEN_PREFERENCES,
        ),
        _problem(
            "bad_answer",
            "The backend sent an answer that cannot be read.",
            "Restart it and try again; its log may tell more.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "no_progress",
            "The backend made no progress for too long.",
            "Restart it and try again.",
            Remedy.RESTART_BACKEND,
        ),
        _problem(
            "blocking_timeout",
            "The work did not finish within the time given.",
            "Allow more time, or look at the backend's log.",
            Remedy.OPEN_LOG,
        ),
        _problem("no_picture", "No picture is chosen.", "Choose a portrait photo.", Remedy.CHOOSE_PICTURE),
        _problem("busy", "Portrait Relief is still at work.", "Wait for it or cancel it.", Remedy.NONE),
    )
)

# Remedies for codes that the backend sends itself; its own message and hint are shown.
_BACKEND_REMEDIES: dict[str, Remedy] = {
    "worker_crashed": Remedy.RETRY,
    "out_of_memory": Remedy.RETRY,
    "queue_full": Remedy.RETRY,
    "no_such_job": Remedy.RETRY,
    "timeout": Remedy.RESTART_BACKEND,
    "worker_cannot_start": Remedy.OPEN_LOG,
    "worker_failed": Remedy.OPEN_LOG,
    "internal_error": Remedy.OPEN_LOG,
    "disk_full": Remedy.RETRY,
    "wrong_token": Remedy.OPEN_PREFERENCES,
    "wrong_host": Remedy.OPEN_PREFERENCES,
    "no_web_pages": Remedy.OPEN_PREFERENCES,
    "bad_checkpoint": Remedy.OPEN_PREFERENCES,
    "no_face": Remedy.CHOOSE_PICTURE,
    "bad_crop": Remedy.CHOOSE_PICTURE,
    "too_large": Remedy.CHOOSE_PICTURE,
    "too_many_pixels": Remedy.CHOOSE_PICTURE,
}


def local(code: str, *, message: str = "", detail: str = "") -> Problem:
    """A problem noticed on this side. `message` replaces the sentence, `detail` is put behind it."""
    known = LOCAL_PROBLEMS[code]
    text = message or known.message
    if detail:
        text = f"{text} ({detail})"
    return Problem(code, text, known.hint, known.remedy)


def from_backend(error: Mapping[str, object], status: int = 0) -> Problem:
    """A problem the backend told of: its JSON {"code", "message", "hint"} and the HTTP status."""
    code = str(error.get("code") or "backend_error")
    message = str(error.get("message") or f"The backend refused the work (HTTP {status}).")
    hint = str(error.get("hint") or "")
    remedy = _BACKEND_REMEDIES.get(code)
    if remedy is None:
        if code.startswith("checkpoint"):
            remedy = Remedy.OPEN_PREFERENCES
        else:
            remedy = Remedy.CHOOSE_PICTURE if "photo" in code else Remedy.OPEN_LOG
    return Problem(code, message, hint, remedy)
