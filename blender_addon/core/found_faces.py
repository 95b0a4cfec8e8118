# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces that the backend found in a photo, as squares on the picture as it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping

from . import picture_file
from .crop import Crop


def of_report(report: Mapping, content: bytes) -> tuple[Crop, ...]:
    """From brows to chin, in the report's order, which `face` counts. `content`: the file that was sent; how its camera
    was held tells how the upright photo, in which faces are told, lies on it. None where nothing is told."""
    photo, faces = report.get("photo"), report.get("faces")
    try:
        width, height = photo["size"]  # pyright: ignore[reportOptionalSubscript]
        squares = [
            Crop(
                round(face["x"] - face["side"] / 2), round(face["y"] - face["side"] / 2), round(face["side"])
            )
            for face in faces or ()
        ]
    except (KeyError, TypeError, ValueError):
        return ()
    turned = picture_file.orientation(content)
    return tuple(picture_file.stored(square, (width, height), turned) for square in squares)


def to_text(faces: tuple[Crop, ...]) -> str:
    """For a property."""
    return json.dumps(faces) if faces else ""


def from_text(text: str) -> tuple[Crop, ...]:
    """What `to_text` wrote; none of anything else."""
    try:
        return tuple(Crop(int(left), int(top), int(side)) for left, top, side in json.loads(text or "[]"))
    except (ValueError, TypeError):
        return ()
