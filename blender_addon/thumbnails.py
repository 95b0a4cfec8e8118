# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the preset library as Blender icons: read when they are first drawn, given back at the end."""

from __future__ import annotations

from pathlib import Path

import bpy
import bpy.utils.previews

from . import own_presets_folder
from .core import own_presets

_FOLDER = Path(__file__).resolve().parent / "thumbnails"
_icons: bpy.utils.previews.ImagePreviewCollection | None = None


def icon_of_preset(identifier: str) -> int:
    """The icon's number for a layout; 0 where there is no picture."""
    return _icon(f"preset/{identifier}", _FOLDER / f"{identifier.lower()}.jpg")


def icon_of_own(name: str) -> int:
    """Of one of the user's own expressions; 0 where it was saved without a picture."""
    return _icon(f"own/{name}", own_presets.thumbnail_of(own_presets_folder.path(), name))


def forget_own() -> None:
    """After one was saved, renamed or deleted: their pictures are read again."""
    if _icons is not None:
        for key in [key for key in _icons if key.startswith("own/")]:
            del _icons[key]
    _missing.clear()


def close() -> None:
    """Gives all icons back; for unregister."""
    global _icons
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None
    _missing.clear()


# Panels must not ask the disk for a missing picture at every redraw.
_missing: set[str] = set()


def _icon(key: str, path: Path) -> int:
    global _icons
    icons = _icons = bpy.utils.previews.new() if _icons is None else _icons
    if key not in icons:
        if key in _missing or not path.is_file():
            _missing.add(key)
            return 0
        icons.load(key, str(path), "IMAGE")
    return icons[key].icon_id
