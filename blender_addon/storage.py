# SPDX-License-Identifier: GPL-3.0-or-later
"""The only folder this add-on writes to."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import bpy

PACKAGE = __package__ or "blender_addon"


def folder() -> Path:
    """Below Blender's user folder for extensions, or a temporary one when this is no extension (a checkout).

    Who writes makes it: panels ask for its name in every redraw, and where Blender cannot make it, it would name the
    current folder instead.
    """
    try:
        return Path(bpy.utils.extension_path_user(PACKAGE))
    except ValueError:
        path = Path(bpy.app.tempdir or tempfile.gettempdir()) / "portrait_relief"
        path.mkdir(parents=True, exist_ok=True)
        return path


def version() -> str:
    """The extension's version from its manifest; the checkout's lies one folder higher."""
    import tomllib  # imported when it is needed: enabling the add-on is quick

    here = Path(__file__).resolve().parent
    for folder in (here, here.parent):
        with contextlib.suppress(OSError, KeyError, tomllib.TOMLDecodeError):
            return tomllib.loads((folder / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
    return "unknown"


def temporary() -> Path:
    return folder() / "temporary"
