# SPDX-License-Identifier: GPL-3.0-or-later
"""The finished frames of a sequence in a folder, each with what it was made from, so that no frame is made twice.

rgb_0012.png, depth_0012.npy and coverage_0012.npy belong to frame 12; sequence.json names each frame's key. A frame
counts once it stands there, which is written after its files. Each imported relief has its own pictures and point cache
in "relief ...", so that the next sequence of the same photo changes neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import arrays
from .jobs import FrameInput, FrameResult, JobInput
from .steps import Steps
from .whole_file import write_whole

MANIFEST = "sequence.json"
CACHE, CACHE_PART = "relief.pc2", "relief.part"
USED_BY = "used by.json"  # in a relief's folder: the .blend files that were saved with it
_FORMAT = "portrait-relief-sequence"


def frame_key(given: JobInput, frame: FrameInput, model: str) -> str:
    """What a frame is made from as one hash: photo, settings, expression, pose and model folder."""
    parts = {
        "photo": hashlib.sha256(given.portrait).hexdigest(),
        "steps": given.steps,
        "seed": given.seed,
        "face": given.face,
        "crop": given.crop,
        "model": model,
        "expression": {name: round(value, 4) for name, value in frame.expression.items()},
        "pose": {name: round(value, 3) for name, value in frame.pose.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def folder_name(label: str, portrait: bytes) -> str:
    """A folder for this photo's sequences: its name as far as files may be called so, and a part of its hash."""
    plain = "".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in label).strip()[:40]
    return f"{plain or 'Portrait'} {hashlib.sha256(portrait).hexdigest()[:8]}"


def relief_folder_name(result_id: str) -> str:
    """The folder of one imported relief, below its sequence's."""
    return f"relief {result_id[:8]}"


def is_relief_folder(folder: Path) -> bool:
    """Whether `folder` is one that was made for an imported relief, and no link to somewhere else."""
    named = re.fullmatch(r"relief [0-9a-f]{8}", folder.name) is not None
    return named and not folder.is_symlink() and (folder.parent / MANIFEST).is_file()


def users_of(folder: Path) -> set[str]:
    """The .blend files that were saved while they showed the relief in `folder`, as far as they are still there."""
    try:
        named = json.loads((folder / USED_BY).read_text(encoding="utf-8"))
        paths = {os.path.normpath(folder / path) for path in named if isinstance(path, str)}
        return {path for path in paths if Path(path).is_file()}
    except (OSError, ValueError, TypeError):
        return set()


def write_users(folder: Path, users: set[str]) -> None:
    """As seen from the folder, so that a project may be moved. Raises OSError."""
    names = sorted(_seen_from(folder, user) for user in users)
    write_whole(folder / USED_BY, json.dumps(names).encode())


def _seen_from(folder: Path, path: str) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # on another drive of Windows
        return path


def delete_relief_folder(folder: Path) -> None:
    """Takes away the pictures and the point cache that were written for one imported relief, and the folder when
    nothing else is in it. The sequence's frames stay. Raises OSError."""
    if not is_relief_folder(folder):
        return
    for path in list(folder.iterdir()):
        if path.name in (CACHE, CACHE_PART, USED_BY) or re.fullmatch(r"rgb_\d{4,}\.png", path.name):
            path.unlink()
    with contextlib.suppress(OSError):  # something of the artist's lies in it
        folder.rmdir()


class SequenceFolder:
    """Frames on disk. Raises OSError where the folder cannot be used."""

    def __init__(self, path: Path):
        self.path = path
        self._frames: dict[int, dict] = {}
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError, AttributeError
        ):  # or none is known
            kept = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            if kept["format"] == _FORMAT:
                self._frames = {int(number): dict(frame) for number, frame in kept["frames"].items()}

    def file(self, part: str, number: int) -> Path:
        """`part` is "rgb", "depth" or "coverage"."""
        return self.path / f"{part}_{number:04d}.{'png' if part == 'rgb' else 'npy'}"

    def missing(self, keys: Mapping[int, str]) -> list[int]:
        """The frames of `keys` (frame -> key) that are not here, or were made from something else."""
        return sorted(
            number
            for number, key in keys.items()
            if self._frames.get(number, {}).get("key") != key
            or not all(self.file(part, number).is_file() for part in ("rgb", "depth", "coverage"))
        )

    def add(self, number: int, key: str, result: FrameResult) -> None:
        """Writes a finished frame; who reads the earlier one meanwhile gets that or the new one, never a half."""
        self.path.mkdir(parents=True, exist_ok=True)
        if self._frames.pop(number, None) is not None:
            self._write_manifest()  # its files are about to change
        write_whole(self.file("rgb", number), result.rgb_png)  # reliefs keep the earlier one
        write_whole(self.file("depth", number), arrays.write_npy(result.depth_mm))
        coverage = np.rint(np.clip(result.coverage, 0, 1) * 255).astype(np.uint8)
        content = io.BytesIO()
        np.save(content, coverage, allow_pickle=False)
        write_whole(self.file("coverage", number), content.getvalue())
        self._frames[number] = {"key": key, "mm_per_px": result.mm_per_px, **_told(result.info)}
        self._write_manifest()

    def keep_picture_steps(self, result_id: str, shown: Mapping[int, int]) -> Steps[Path]:
        """The folder with the pictures of one relief (frame of the scene -> frame here), named as here. A step a
        picture.

        They share the disk's space with the frames' (hard links; copies where there are none), which a later job may
        make anew without changing them.
        """
        target = self.path / relief_folder_name(result_id)
        target.mkdir(exist_ok=True)
        for frame, number in shown.items():
            source, kept = self.file("rgb", number), target / self.file("rgb", frame).name
            kept.unlink(missing_ok=True)
            try:
                os.link(source, kept)
            except OSError:
                shutil.copyfile(source, kept)
            yield
        return target

    def finished(self, numbers: Sequence[int]) -> list[int]:
        """Those of `numbers` that are here, whatever they were made from."""
        return [number for number in numbers if number in self._frames]

    def report(self, numbers: Sequence[int]) -> dict[str, object]:
        """What the backend told of these frames, as a job's report says it: seed and steps where all have the same,
        and the seconds that all of them took."""
        frames = [self._frames[number] for number in numbers]
        settings: dict[str, object] = {"mode": "generate"}
        for name in ("seed", "steps"):
            values = {frame.get(name) for frame in frames}
            if len(values) == 1 and None not in values:
                settings[name] = values.pop()
        seconds = [frame["seconds"] for frame in frames if "seconds" in frame]
        return {"settings": settings, **({"seconds": {"frames": sum(seconds)}} if seconds else {})}

    def mm_per_px(self, numbers: Sequence[int]) -> float:
        """One scale for all frames: each is measured by itself, and a head that breathes would be seen."""
        return float(np.median([self._frames[number]["mm_per_px"] for number in numbers]))

    def depth_mm(self, number: int) -> np.ndarray:
        """float32 [H, W], NaN outside the head. Raises ValueError or OSError."""
        return arrays.read_npy(self.file("depth", number).read_bytes())

    def coverage(self, number: int) -> np.ndarray:
        """float32 [H, W] in 0..1. Raises ValueError or OSError."""
        return arrays.read_npy(self.file("coverage", number).read_bytes()) / np.float32(255)

    def _write_manifest(self) -> None:
        content = json.dumps({"format": _FORMAT, "frames": self._frames})
        write_whole(self.path / MANIFEST, content.encode())


def _told(info: Mapping[str, Any]) -> dict[str, Any]:
    """Seed, steps and seconds of a frame, as far as the backend's word of it has them."""
    report = info.get("report")
    known = report if isinstance(report, dict) else {}
    settings, seconds = known.get("settings"), known.get("seconds")
    told = {}
    if isinstance(settings, dict):
        told = {name: settings[name] for name in ("seed", "steps") if isinstance(settings.get(name), int)}
    if isinstance(seconds, dict):
        told["seconds"] = round(
            sum(value for value in seconds.values() if isinstance(value, (int, float))), 3
        )
    return told
