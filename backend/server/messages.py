# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON lines between front and worker. Arrays and pictures travel as files in the job's folder, nothing is
ever pickled.

Front to worker:  job {job_id, folder} | cancel {job_id} | stop
Worker to front:  ready {capabilities} | fatal {error} | heartbeat | model {loaded, ...}
                  progress {job_id, phase, step, total} | frame {job_id, index, info, bytes}
                  done | cancelled | failed {job_id, error}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MESSAGE_BYTES = 8 * 2**20
"""Longest line either side accepts."""

ABOUT_A_JOB = frozenset({"progress", "frame", "done", "cancelled", "failed"})


def encode(message: Mapping[str, Any]) -> bytes:
    """One line; NaN and infinity (not JSON) become null."""
    try:
        text = json.dumps(message, allow_nan=False, default=_plain)
    except ValueError:
        text = json.dumps(_finite(message), allow_nan=False)
    return text.encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Raises ValueError for anything but a JSON object with a text ``type``."""
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError(f"not a message: {line[:200]!r}")
    return message


def _plain(value: Any) -> Any:
    """numpy scalars and arrays, paths and the like in a report."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if value is None or isinstance(value, str | int):
        return value
    return _finite(_plain(value))
