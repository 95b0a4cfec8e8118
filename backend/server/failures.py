# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions of other people's code as errors of ours. Shared by worker and command line."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator

from backend.errors import OutOfMemoryError_, PortraitReliefError

LOGGER = logging.getLogger("portrait_relief")
_MEMORY_SIGNS = (
    "out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "status_alloc_failed",
)  # fmt: skip
DEVICE_FAILED = "device_failed"
"""Code of an error after which torch cannot use the GPU any more in this process."""


def readable(error: Exception) -> PortraitReliefError:
    """The error to show for ``error``; free of its traceback, which would keep tensors alive."""
    if isinstance(error, PortraitReliefError) and not any(map(is_out_of_memory, _causes(error))):
        return type(error)(error.message, error.hint, code=error.code, http_status=error.http_status)
    if isinstance(error, PortraitReliefError) or is_out_of_memory(error):
        LOGGER.warning("out of memory: %s", error)
        return OutOfMemoryError_(
            "There is not enough memory for this picture.",
            "Scale the photo down, close other programs, or choose the CPU as device if the GPU is full.",
        )
    if isinstance(error, RuntimeError) and "cuda error" in str(error).lower():
        return PortraitReliefError(
            f"The graphics card failed ({str(error).splitlines()[0]}).",
            "The backend starts anew by itself: try again. If it fails each time, update the card's driver, or choose "
            "the CPU as device.",
            code=DEVICE_FAILED,
        )
    if _disk_is_full(error):
        return PortraitReliefError(
            f"The disk is full: a result could not be written ({error}).",
            "Free some space, or set another folder for temporary files. Finished frames are kept.",
            code="disk_full",
        )
    LOGGER.debug("unexpected error", exc_info=error)
    return internal_error(f"{type(error).__name__}: {error}")


def is_out_of_memory(error: BaseException) -> bool:
    """Python, numpy, OpenCV, torch on a GPU, and torch on the CPU each say it in another way."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    cv2_sign = type(error).__module__ == "cv2" and "insufficient memory" in text
    return cv2_sign or (
        isinstance(error, RuntimeError | OSError) and any(sign in text for sign in _MEMORY_SIGNS)
    )


def _disk_is_full(error: BaseException) -> bool:
    """Python says it by its number, numpy by how much it could write."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    return isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", str(error)) is not None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an error was raised from: a reader that runs out of memory may well call its file damaged."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def internal_error(what: str) -> PortraitReliefError:
    return PortraitReliefError(
        f"The backend made a mistake ({what}).",
        "Please report this together with the log file.",
        code="internal_error",
    )
