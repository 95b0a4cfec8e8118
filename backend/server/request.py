# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client may ask for: the ``request`` field of POST /v1/jobs, checked once and then trusted.

The same checks serve the command line. Nothing here imports torch: wrong requests are refused at once by the
front process instead of failing later in the worker.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from backend.errors import InputError
from backend.server.drive_request import DriveRequest, parse_drive
from backend.server.limits import Limits

MODES = ("depth", "generate", "appearance", "drive")
POSE_RANGE_DEG = 90.0
SEED_MAX = 2**63 - 1


@dataclass(frozen=True)
class FrameRequest:
    """One wanted picture: ARKit coefficients in 0..1 (unknown ones are absent) and head pose in degrees."""

    expression: dict[str, float] = field(default_factory=dict)
    pose: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class JobRequest:
    """A checked request.

    ``frames`` holds at least one frame. ``crop`` is (x, y, side) in photo pixels. ``steps`` None means the
    checkpoint's own. ``face`` is an index from 0 in the report's ``faces``, which go from left to right, None for the
    most prominent one; people count faces from 1: the panel and the command line subtract 1.
    """

    mode: str
    frames: tuple[FrameRequest, ...] = (FrameRequest(),)
    steps: int | None = None
    seed: int = 0
    crop: tuple[float, float, float] | None = None
    face: int | None = None
    client_job_id: str = ""
    photo_file: str = "portrait"
    """The photo, relative to the job's folder; set by the front process, never by the client."""
    drive: DriveRequest | None = None
    """In mode ``drive``."""
    driver_file: str = ""
    """As ``photo_file``: the driver's photo, movie or zip of pictures."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> JobRequest:
        """The inverse of :meth:`to_json`; for text this program wrote itself, nothing is checked."""
        data = json.loads(text)
        data["frames"] = tuple(FrameRequest(**frame) for frame in data["frames"])
        data["crop"] = tuple(data["crop"]) if data["crop"] else None
        data["drive"] = DriveRequest(**data["drive"]) if data["drive"] else None
        return cls(**data)


_KEYS = frozenset(
    {"mode", "expression", "pose", "frames", "steps", "seed", "crop", "face", "client_job_id", "drive"}
)


def parse_request(text: str | bytes, *, limits: Limits, expression_names: Sequence[str]) -> JobRequest:
    """Check the JSON text of a request.

    With ``frames`` each frame is complete by itself and the top-level ``expression`` and ``pose`` are not
    used; the modes ``depth`` and ``drive`` use neither. Raises InputError naming the field at fault.
    """
    data = _load_object(text, limits)
    unknown = sorted(set(data) - _KEYS)
    if unknown:
        raise InputError(
            f"The request has an unknown field '{unknown[0]}'.", f"Known: {', '.join(sorted(_KEYS))}."
        )
    mode = data.get("mode")
    if mode not in MODES:
        raise InputError(f"The mode {mode!r} does not exist.", f"Use one of: {', '.join(MODES)}.")
    client_job_id = data.get("client_job_id") or ""
    if not isinstance(client_job_id, str) or len(client_job_id) > 200:
        raise InputError("'client_job_id' must be a text of at most 200 characters.")
    return JobRequest(
        mode=mode,
        frames=_frames(data, mode, limits, expression_names),
        steps=_integer(data, "steps", 1, limits.steps),
        seed=_integer(data, "seed", 0, SEED_MAX) or 0,
        crop=_crop(data.get("crop"), limits),
        face=_integer(data, "face", 0, 1000),
        client_job_id=client_job_id,
        drive=parse_drive(data.get("drive"), tuple(expression_names)) if mode == "drive" else None,
    )


def check_expression(values: Any, names: Sequence[str], where: str = "expression") -> dict[str, float]:
    """Coefficients with known names and values in 0..1; InputError suggests the nearest name."""
    checked = {}
    for name, value in _mapping(values, where).items():
        if name not in names:
            raise unknown_name(name, names)
        checked[name] = _number(value, f"{where}.{name}", 0.0, 1.0)
    return checked


def check_pose(values: Any, where: str = "pose") -> dict[str, float]:
    """Head angles in degrees, each within +-90; InputError for anything else."""
    checked = {}
    for name, value in _mapping(values, where).items():
        if name not in ("yaw", "pitch", "roll"):
            raise InputError(
                f"There is no head angle '{name}'.",
                "Use yaw, pitch and roll, in degrees.",
                code="unknown_pose",
            )
        checked[name] = _number(value, f"{where}.{name}", -POSE_RANGE_DEG, POSE_RANGE_DEG)
    return checked


def unknown_name(name: str, names: Sequence[str]) -> InputError:
    """The error for an expression name that does not exist, with the nearest names as its hint."""
    by_lower = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.6)
    # "smile" is far from "mouthSmileLeft" by edit distance and still what was meant.
    near += [low for low in by_lower if len(name) >= 3 and name.lower() in low and low not in near]
    hint = (
        f"Did you mean {' or '.join(by_lower[low] for low in near[:3])}?"
        if near
        else "Names are those of ARKit, for example jawOpen, mouthSmileLeft or browInnerUp."
    )
    return InputError(f"There is no expression named '{name}'.", hint, code="unknown_expression")


def _load_object(text: str | bytes, limits: Limits) -> dict[str, Any]:
    if len(text) > limits.request_json_bytes:
        raise InputError("The request's parameters are too long.", code="too_large", http_status=413)

    def no_constant(name: str) -> float:
        raise ValueError(f"{name} is not a number")

    try:
        data = json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"The field 'request' is not valid JSON ({error}).", code="bad_json", http_status=400
        ) from None
    if not isinstance(data, dict):
        raise InputError("The field 'request' must hold a JSON object.", code="bad_json", http_status=400)
    return data


def _frames(
    data: Mapping[str, Any], mode: str, limits: Limits, names: Sequence[str]
) -> tuple[FrameRequest, ...]:
    frames = data.get("frames")
    if frames is None:
        if mode in ("depth", "drive"):
            return (FrameRequest(),)
        return (FrameRequest(check_expression(data.get("expression"), names), check_pose(data.get("pose"))),)
    if mode != "generate":
        raise InputError(f"The mode '{mode}' makes one picture; 'frames' belongs to 'generate'.")
    if not isinstance(frames, list) or not frames:
        raise InputError("'frames' must be a list with at least one frame.")
    if len(frames) > limits.frames_per_job:
        raise InputError(
            f"{len(frames)} frames are more than one job may have ({limits.frames_per_job}).",
            "Send the sequence in several jobs.",
            code="too_many_frames",
        )
    checked = []
    for index, frame in enumerate(frames):
        where = f"frames[{index}]"
        keys = set(_mapping(frame, where))
        if not keys <= {"expression", "pose"}:
            raise InputError(f"'{where}' may only hold 'expression' and 'pose'.")
        expression = check_expression(frame.get("expression"), names, f"{where}.expression")
        checked.append(FrameRequest(expression, check_pose(frame.get("pose"), f"{where}.pose")))
    return tuple(checked)


def _crop(value: Any, limits: Limits) -> tuple[float, float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3:
        raise InputError("'crop' must be [x, y, side] in pixels of the photo.", code="bad_crop")
    x, y, side = (_number(part, "crop", -1e5, 1e5) for part in value)
    if side <= 0:
        raise InputError("The crop has no size.", "Draw it around the whole head.", code="bad_crop")
    if side > limits.crop_px:
        raise InputError(
            f"The crop is {side:.0f} pixels wide, far larger than any photo.",
            "Draw it around the whole head, hair and chin included.",
            code="bad_crop",
        )
    return x, y, side


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"'{where}' must be a JSON object.")
    return value


def _number(value: Any, where: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"'{where}' must be a number.")
    if not low <= value <= high:
        raise InputError(
            f"'{where}' is {value:g}; it must lie between {low:g} and {high:g}.", code="out_of_range"
        )
    return float(value)


def _integer(data: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"'{name}' must be a whole number.")
    if not low <= value <= high:
        raise InputError(f"'{name}' is {value}; it must lie between {low} and {high}.", code="out_of_range")
    return value
