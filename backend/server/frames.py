# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoding of results for download. Runs in threads of the front process (numpy, Pillow and OpenEXR release
the GIL).

=========  =======================  =====================================================================
picture    formats                  content
=========  =======================  =====================================================================
rgb        png                      8-bit sRGB
depth      exr, npy, png16          mm, nearer = larger, NaN outside the head; see ``imaging.depth_codec``
coverage   png, npy                 0..1; png: 8-bit grey
recording  json, csv                of mode drive, which has none of the others
=========  =======================  =====================================================================
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import InputError
from backend.imaging.depth_codec import write_coverage_png, write_depth, write_rgb_png

Writer = Callable[[Path, np.ndarray, Mapping[str, Any]], None]


@dataclass(frozen=True)
class _Format:
    """How a download is written. Without a writer the stored file is sent as it is."""

    file_name: str
    media_type: str
    write: Writer | None = None
    stored: str = "npy"


_FORMATS: dict[str, dict[str, _Format]] = {
    "rgb": {"png": _Format("rgb.png", "image/png", write_rgb_png)},
    "depth": {
        "exr": _Format("depth.exr", "image/x-exr", write_depth),
        "npy": _Format("depth.npy", "application/octet-stream"),
        "png16": _Format("depth.png", "image/png", write_depth),
    },
    "coverage": {
        "png": _Format("coverage.png", "image/png", write_coverage_png),
        "npy": _Format("coverage.npy", "application/octet-stream"),
    },
    "recording": {
        "json": _Format("recording.json", "application/json", stored="json"),
        "csv": _Format("recording.csv", "text/csv", stored="csv"),
    },
}


def formats() -> dict[str, list[str]]:
    """Picture -> its formats, the default first."""
    return {picture: list(known) for picture, known in _FORMATS.items()}


def encode(
    frame_folder: Path, picture: str, file_format: str | None, info: Mapping[str, Any]
) -> tuple[bytes, str]:
    """A stored picture as a file.

    Args:
        frame_folder: holds ``rgb.npy``, ``depth.npy`` and ``coverage.npy``, or ``recording.json`` and ``.csv``.
        picture: rgb, depth, coverage or recording.
        file_format: None takes the picture's first format.
        info: the frame's entry in the job's JSON; its report and scale become the file's metadata.

    Returns:
        The file's bytes and its media type.

    Raises:
        InputError: no such picture or format, or the frame was deleted meanwhile.
    """
    known = _FORMATS.get(picture)
    if known is None:
        hint = f"Use one of: {', '.join(_FORMATS)}."
        raise InputError(f"There is no picture '{picture}'.", hint, code="no_such_picture", http_status=404)
    chosen = known.get(file_format or next(iter(known)))
    if chosen is None:
        hint = f"Use one of: {', '.join(known)}."
        raise InputError(f"'{picture}' is not available as '{file_format}'.", hint, code="bad_format")
    stored = frame_folder / f"{picture}.{chosen.stored}"
    try:
        if chosen.write is None:
            return stored.read_bytes(), chosen.media_type
        array = np.load(stored, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(
            "This frame has no such picture, or was deleted.",
            "Start the job again.",
            code="no_such_frame",
            http_status=404,
        ) from None
    metadata = {**info["report"], "mm_per_px": info["mm_per_px"]}
    with tempfile.TemporaryDirectory() as folder:  # OpenEXR writes to named files only
        path = Path(folder) / chosen.file_name
        chosen.write(path, array, metadata)
        return path.read_bytes(), chosen.media_type
