# SPDX-License-Identifier: GPL-3.0-or-later
"""The optional part of the installation that follows faces in photos and movies: MediaPipe's packages and its model.

The model lies beside the environment, so that making that anew does not download it again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from pathlib import Path

from .environment import Bundle

LOCK_NAME = "requirements-driving.lock"
STAMP_NAME = "face-following.json"  # in the environment
FOLDER_NAME = "backend-face-model"
MODEL_NAME = "face_landmarker.task"
ENV_MODEL_URL = "PORTRAIT_RELIEF_LANDMARKER_URL"  # a mirror; what comes from there must be the same file
MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task"
)
MODEL_VERSION = "float16/1"
MODEL_BYTES = 3_758_596
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


def lock_of(bundle: Bundle) -> Path:
    return bundle.lock.with_name(LOCK_NAME)


def model_folder(environment: Path) -> Path:
    return environment.with_name(FOLDER_NAME)


def model_path(environment: Path) -> Path:
    """Where the model of this environment is or will be."""
    return model_folder(environment) / MODEL_NAME


def model_url() -> str:
    return os.environ.get(ENV_MODEL_URL) or MODEL_URL


def is_installed(environment: Path, bundle: Bundle | None) -> bool:
    """Whether packages and model are there, in the versions that came with this add-on (any in a checkout)."""
    try:
        stamp = json.loads((environment / STAMP_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    current = bundle is None or stamp == _stamp(lock_of(bundle))
    return current and model_path(environment).is_file()


def write_stamp(environment: Path, bundle: Bundle) -> None:
    (environment / STAMP_NAME).write_text(json.dumps(_stamp(lock_of(bundle))), encoding="utf-8")


def remove_stamp(environment: Path) -> None:
    (environment / STAMP_NAME).unlink(missing_ok=True)


def _stamp(lock: Path) -> dict[str, str]:
    changed_ns = lock.stat().st_mtime_ns if lock.is_file() else 0
    return {"packages": _digest(lock, changed_ns), "model": MODEL_SHA256}


@functools.lru_cache(maxsize=4)
def _digest(lock: Path, _changed_ns: int) -> str:
    """Kept, because panels ask in every redraw."""
    try:
        return hashlib.sha256(lock.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    except OSError:
        return ""
