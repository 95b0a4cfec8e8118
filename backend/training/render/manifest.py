# SPDX-License-Identifier: GPL-3.0-or-later
"""manifest.json beside the shots: what they were rendered with, and a checksum each, so that damage is found."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import InputError
from backend.training.render.shot_format import FORMAT_VERSION
from backend.version import VERSION

MANIFEST = "manifest.json"


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(path: Path) -> bool:
    """Whether every array of an .npz can be read (its checksums are those of zip)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _format_of(path: Path) -> int:
    """Format of a whole shot, as it says itself."""
    with np.load(path, allow_pickle=False) as data:
        return int(json.loads(str(data["parameters"])).get("format", 1))


@dataclass
class Manifest:
    """Shots of a folder by file name, each with its seed, format, size in bytes and SHA-256.

    Shots of earlier formats stay as they are: training reads all formats together.
    """

    folder: Path
    shots: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The folder's manifest, empty where there is none.

        Raises:
            InputError: manifest.json cannot be read, or comes from a later version.
        """
        path = folder / MANIFEST
        if not path.exists():
            return cls(folder)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found, shots = record["format"], record["shots"]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{path} cannot be read ({error}).",
                "Delete it; render-dataset checks every shot and writes it again.",
                code="bad_manifest",
            ) from error
        if not found <= FORMAT_VERSION:
            raise InputError(
                f"The shots in {folder} have format {found}; this version knows formats up to {FORMAT_VERSION}.",
                "Name an empty folder with --out, or use the version that rendered them.",
                code="other_data_format",
            )
        for shot in shots.values():
            shot.setdefault("format", found)  # manifests of before format 3 say it once
        return cls(folder, shots)

    def check(self) -> list[str]:
        """Names of damaged shots: another checksum than was written down, or (not yet listed) unreadable."""
        damaged = []
        for path in sorted(self.folder.glob("shot_*.npz")):
            known = self.shots.get(path.name)
            whole = _is_whole(path) if known is None else _checksum(path) == known["sha256"]
            if not whole:
                damaged.append(path.name)
        return damaged

    def outdated(self) -> list[str]:
        """Names of shots of an earlier format, damaged ones left out."""
        found = []
        for path in sorted(self.folder.glob("shot_*.npz")):
            known = self.shots.get(path.name)
            if (_format_of(path) if known is None else known["format"]) < FORMAT_VERSION:
                found.append(path.name)
        return found

    def drop(self, name: str) -> None:
        """Remove a shot, so that it is rendered again."""
        (self.folder / name).unlink()
        self.shots.pop(name, None)

    def write(self, **settings: Any) -> None:
        """List the shots that are there now, with `settings` of the renderer; atomic."""
        for path in sorted(self.folder.glob("shot_*.npz")):
            if path.name not in self.shots:
                self.shots[path.name] = {
                    "seed": int(path.stem.removeprefix("shot_")),
                    "format": _format_of(path),
                    "bytes": path.stat().st_size,
                    "sha256": _checksum(path),
                }
        present = {name: shot for name, shot in self.shots.items() if (self.folder / name).exists()}
        record = {"format": FORMAT_VERSION, "version": VERSION, **settings, "shots": present}
        part = self.folder / (MANIFEST + ".part")
        part.write_text(json.dumps(record, indent=1), encoding="utf-8")
        part.replace(self.folder / MANIFEST)
