# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture of this program was made with: read back from its PNG."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .arkit import ARKIT_NAMES, POSE_NAMES
from .arrays import png_chunks

METADATA_KEY = "portrait_relief"
_MAX_METADATA = 1 << 20  # bytes; a report has some ten thousand


@dataclass(frozen=True)
class PictureSettings:
    """Attributes:
    mode: "generate", "depth" or "appearance".
    expression: coefficients 0..1 that were asked for; pose: degrees that were.
    steps, seed: None where they are not told.
    face: counted from 1, 0 where there was nothing to choose, None where it is not told.
    crop: left, top, side in pixels of the photo, where it was given by hand.
    """

    mode: str
    expression: dict[str, float] = field(default_factory=dict)
    pose: dict[str, float] = field(default_factory=dict)
    steps: int | None = None
    seed: int | None = None
    face: int | None = None
    crop: tuple[int, int, int] | None = None


def from_png(data: bytes) -> PictureSettings | None:
    """The settings in a PNG's metadata; None where there are none that can be read."""
    for keyword, text in _texts(data):
        if keyword == METADATA_KEY:
            try:
                return from_report(json.loads(text))
            except ValueError:
                return None
    return None


def from_report(report: Any) -> PictureSettings | None:
    """The settings of a job's report; None for anything else. Unknown names are left out."""
    settings = report.get("settings") if isinstance(report, dict) else None
    if not isinstance(settings, dict) or not isinstance(settings.get("mode"), str):
        return None
    face, crop = _place(report)
    return PictureSettings(
        settings["mode"],
        _numbers(settings.get("expression"), ARKIT_NAMES),
        _numbers(settings.get("pose"), POSE_NAMES),
        _whole(settings.get("steps")),
        _whole(settings.get("seed")),
        face,
        crop,
    )


def _place(report: dict[str, Any]) -> tuple[int | None, tuple[int, int, int] | None]:
    """Which face of several was taken, counted from the left, or the crop where one was given by hand.

    The order is made here: older reports number faces by how surely they were found.
    """
    if "face_number" not in report:
        return None, None
    number, faces, crop = report["face_number"], report.get("faces", ()), report.get("crop", ())
    try:
        if number is None:
            left, top, side = (round(value) for value in crop)
            return 0, (left, top, side)
        places = [float(face["x"]) for face in faces]
        return (1 + sorted(places).index(places[number - 1]) if len(places) > 1 else 0), None
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        return None, None


def _numbers(values: Any, names: tuple[str, ...]) -> dict[str, float]:
    found = values if isinstance(values, dict) else {}
    return {
        name: float(value)
        for name, value in found.items()
        if name in names and isinstance(value, (int, float)) and math.isfinite(value)
    }


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Keyword and text of the international text chunks (PNG specification, 11.3.3.4); damaged ones end the search."""
    for kind, body in png_chunks(data):
        if kind != b"iTXt" or len(body) > _MAX_METADATA:
            continue
        try:
            keyword, rest = bytes(body).split(b"\0", 1)
            compressed, (_language, _translated, text) = rest[0], rest[2:].split(b"\0", 2)
            if compressed:
                text = zlib.decompressobj().decompress(text, _MAX_METADATA)
            yield keyword.decode("latin-1"), text.decode("utf-8")
        except (ValueError, IndexError, zlib.error):
            return
