# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own expressions: one small JSON file each in a folder, so that they can be copied and shared."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from .arkit import ARKIT_NAMES
from .whole_file import write_whole
from .wording import worded

SUFFIX = ".json"
MAX_NAME = 60
_FORMAT = "portrait-relief-expression"


def path_of(folder: Path, name: str) -> Path:
    """Where the preset of this name lies. Raises ValueError for a name that cannot be a file's."""
    name = name.strip()
    if (
        not name
        or len(name) > MAX_NAME
        or re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
        or name.strip(". ") != name
    ):
        raise ValueError('Give it a name of up to 60 letters without / \\ : * ? " < > |')
    return folder / f"{name}{SUFFIX}"


def save(folder: Path, name: str, values: Mapping[str, float]) -> Path:
    """Writes or replaces a preset, all at once. Raises ValueError for the name, OSError when it cannot be written."""
    path = path_of(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {key: round(float(values[key]), 4) for key in ARKIT_NAMES if values.get(key)}
    write_whole(path, json.dumps({"format": _FORMAT, "values": kept}, indent=1).encode())
    return path


def load(path: Path) -> dict[str, float]:
    """All 51 coefficients. Raises ValueError naming the file when it is damaged, OSError when it is not there."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))["values"]
        numbers = {name: float(values.get(name, 0.0)) for name in ARKIT_NAMES}
        if not all(math.isfinite(value) for value in numbers.values()):
            raise ValueError("not finite")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            worded("{name} is damaged; delete it or save the preset again", name=path.name)
        ) from error
    return {name: min(1.0, max(0.0, value)) for name, value in numbers.items()}


def thumbnail_of(folder: Path, name: str) -> Path:
    """Where the preset's picture lies, if it has one. Raises ValueError for a name that cannot be a file's."""
    return path_of(folder, name).with_suffix(".png")


def save_thumbnail(folder: Path, name: str, png: bytes | None) -> None:
    """Writes the preset's picture, or removes an earlier one for None. Raises ValueError or OSError."""
    path = thumbnail_of(folder, name)
    if png is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(png)


def names(folder: Path) -> list[str]:
    """Names of the presets in the folder, sorted; none where there is no folder."""
    with contextlib.suppress(OSError):
        return sorted((path.stem for path in folder.glob(f"*{SUFFIX}")), key=str.casefold)
    return []


def rename(folder: Path, old: str, new: str) -> None:
    """Raises ValueError for a bad or taken name, OSError when it is gone."""
    source, target = path_of(folder, old), path_of(folder, new)
    if target.exists() and not target.samefile(source):
        raise ValueError(worded("There is a preset “{name}” already", name=new.strip()))
    source.rename(target)
    picture = thumbnail_of(folder, old)
    if picture.is_file():
        picture.replace(thumbnail_of(folder, new))


def delete(folder: Path, name: str) -> None:
    """Raises OSError when it is not there."""
    path_of(folder, name).unlink()
    thumbnail_of(folder, name).unlink(missing_ok=True)
