# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend tells of its own failures -> a Problem with the button that mends it."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import Problem, Remedy
from .wording import worded

# Remedies for codes that the backend sends itself; its own message and hint are shown. All that it has are here (test).
REMEDIES: dict[str, Remedy] = {
    "worker_crashed": Remedy.RETRY,
    "device_failed": Remedy.RETRY,
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
    "unknown_device": Remedy.OPEN_PREFERENCES,
    "unsupported_precision": Remedy.OPEN_PREFERENCES,
    "no_face": Remedy.CHOOSE_PICTURE,
    "no_face_in_driver": Remedy.RETRY,
    "no_landmarker": Remedy.OPEN_PREFERENCES,
    "unreadable_driver": Remedy.RETRY,
    "driver_too_large": Remedy.RETRY,
    "driver_too_long": Remedy.RETRY,
    "bad_crop": Remedy.CHOOSE_PICTURE,
    "too_large": Remedy.CHOOSE_PICTURE,
    "too_many_pixels": Remedy.CHOOSE_PICTURE,
    "unreadable_photo": Remedy.CHOOSE_PICTURE,
    "damaged_photo": Remedy.CHOOSE_PICTURE,
    "photo_too_large": Remedy.CHOOSE_PICTURE,
    "photo_too_small": Remedy.CHOOSE_PICTURE,
    "checkpoint_missing": Remedy.OPEN_PREFERENCES,
    "checkpoint_broken": Remedy.OPEN_PREFERENCES,
    "no_such_frame": Remedy.RETRY,
    "too_many_frames": Remedy.RETRY,
    "expression_out_of_range": Remedy.RETRY,
    "out_of_range": Remedy.RETRY,
    "bad_depth": Remedy.RETRY,
    "bad_flow": Remedy.RETRY,
    "empty_depth": Remedy.RETRY,
    # Only a fault of ours sends what these answer.
    "backend_unavailable": Remedy.OPEN_LOG,
    "bad_input": Remedy.OPEN_LOG,
    "bad_json": Remedy.OPEN_LOG,
    "bad_format": Remedy.OPEN_LOG,
    "cancelled": Remedy.OPEN_LOG,
    "depth_size": Remedy.OPEN_LOG,
    "error": Remedy.OPEN_LOG,
    "flow_size": Remedy.OPEN_LOG,
    "no_such_picture": Remedy.OPEN_LOG,
    "no_token": Remedy.OPEN_LOG,
    "unknown_expression": Remedy.OPEN_LOG,
    "unknown_mode": Remedy.OPEN_LOG,
    "unknown_pose": Remedy.OPEN_LOG,
    "wrong_content_type": Remedy.OPEN_LOG,
}

# Where the panel has what the backend's hint speaks of.
_HINTS = {
    "no_face": "Crop by Hand is in the panel Settings, Draw Crop in the Image Editor's.",
    "bad_crop": "Crop by Hand is in the panel Settings, Draw Crop in the Image Editor's.",
}


def from_backend(error: Mapping[str, object], status: int = 0) -> Problem:
    """A problem the backend told of: its JSON {"code", "message", "hint"} and the HTTP status."""
    code = str(error.get("code") or "backend_error")
    message = str(error.get("message") or "") or worded(
        "The backend refused the work (HTTP {status}).", status=status
    )
    hint = " ".join(filter(None, (str(error.get("hint") or ""), _HINTS.get(code))))
    return Problem(code, message, hint, REMEDIES.get(code, Remedy.OPEN_LOG))
