# SPDX-License-Identifier: GPL-3.0-or-later
"""The one hierarchy of errors an artist may see.

Raise where the cause is known, show once. Each error carries a stable ``code`` (snake_case, part of the
protocol), a ``message`` (one sentence for an artist, naming the file it is about) and a ``hint`` (what to do
about it):

    raise InputError("beach.jpg is not a picture this program can read.", hint="Save it as PNG or JPEG.",
                     code="unreadable_photo")

This module imports nothing but the standard library: the front process, the worker, the command line and the
training code all share it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class PortraitReliefError(Exception):
    """An error with a code, a sentence and a remedy. Subclasses only set other defaults.

    Args:
        message: one sentence for an artist; names the file it is about.
        hint: the remedy, one or two sentences; empty if there is none.
        code: stable snake_case name; the class's default if None.
        http_status: the status the front process answers with; the class's default if None.
    """

    default_code: ClassVar[str] = "error"
    default_http_status: ClassVar[int] = 500

    def __init__(
        self, message: str, hint: str = "", *, code: str | None = None, http_status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code
        self.http_status = http_status or self.default_http_status

    def to_dict(self) -> dict[str, str]:
        """``{"code", "message", "hint"}``: the form in which errors cross process borders."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    def __reduce__(self) -> tuple[Any, ...]:
        # The default Exception.__reduce__ would lose the keyword-only parts (data loader workers send errors
        # this way).
        state = {"hint": self.hint, "code": self.code, "http_status": self.http_status}
        return (type(self), (self.message,), state)


class InputError(PortraitReliefError):
    """The photo, a parameter or a request cannot be used as it is."""

    default_code = "bad_input"
    default_http_status = 422


class NoFaceError(PortraitReliefError):
    """No head was found in the photo, or not the one that was asked for."""

    default_code = "no_face"
    default_http_status = 422


class CheckpointError(PortraitReliefError):
    """The checkpoint is missing, incomplete, of another version or not made of safetensors."""

    default_code = "bad_checkpoint"


class OutOfMemoryError_(PortraitReliefError):  # torch.OutOfMemoryError is often imported beside it
    """The device or the machine ran out of memory."""

    default_code = "out_of_memory"


class JobCancelled(PortraitReliefError):
    """The user cancelled; raised by progress callbacks, passed through by everything else."""

    default_code = "cancelled"
    default_http_status = 409

    def __init__(
        self,
        message: str = "The job was cancelled.",
        hint: str = "",
        *,
        code: str | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message, hint, code=code, http_status=http_status)


class BackendUnavailable(PortraitReliefError):
    """The backend is not running, still starting, or too busy."""

    default_code = "backend_unavailable"
    default_http_status = 503


_BY_CODE: dict[str, type[PortraitReliefError]] = {
    cls.default_code: cls
    for cls in (InputError, NoFaceError, CheckpointError, OutOfMemoryError_, JobCancelled, BackendUnavailable)
}


def error_from_dict(data: Mapping[str, Any]) -> PortraitReliefError:
    """The inverse of :meth:`PortraitReliefError.to_dict`: the matching class where the code is a class's own
    default.
    """
    code = str(data.get("code") or PortraitReliefError.default_code)
    cls = _BY_CODE.get(code, PortraitReliefError)
    return cls(str(data.get("message") or ""), str(data.get("hint") or ""), code=code)
