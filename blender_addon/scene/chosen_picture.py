# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chosen picture tells of how it was made."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from pathlib import Path

import bpy

from ..core import arrays, found_faces, picture_settings
from ..core.jobs import JobInput
from ..core.picture_settings import PictureSettings
from . import images


def told_settings(settings) -> PictureSettings | None:
    """Those of the chosen picture, where it is one of ours: packed, or a file on disk."""
    if settings.source == "FILE":
        return _of_file(settings.filepath)
    image = settings.image
    if image is None:
        return None
    if image.packed_file is not None:
        return picture_settings.from_png(bytes(image.packed_file.data))
    return _of_file(str(images.path_of(image)))


def _of_file(filepath: str) -> PictureSettings | None:
    try:
        with open(Path(bpy.path.abspath(filepath)), "rb") as file:
            head = file.read(8)
            whole = head + file.read() if head == arrays.PNG_SIGNATURE else head
    except OSError:
        return None
    return picture_settings.from_png(whole)


def changed(settings, _context) -> None:
    """Update function of what chooses the picture, also where it chooses the same again."""
    if settings.faces and settings.faces_of != _identity(settings):
        settings.faces, settings.face = "", 0  # the number was one of these
    look(settings)


def _identity(settings) -> str:
    if settings.source == "FILE":
        return f"FILE {os.path.abspath(bpy.path.abspath(settings.filepath))}"
    return f"IMAGE {settings.image.session_uid if settings.image is not None else ''}"


def look(settings) -> None:
    """Notes what drawing a panel would have to read a file for."""
    settings.tells_settings = told_settings(settings) is not None


def remember_faces(settings, given: JobInput, report: Mapping) -> None:
    """Keeps where a job found several faces in the chosen picture, for choosing among them; a job for another picture
    tells nothing."""
    if settings.source == "FILE":
        name = Path(bpy.path.abspath(settings.filepath)).name
    else:
        name = getattr(settings.image, "name", "")
    if given.portrait_name == name and given.crop is None and "faces" in report:
        faces = found_faces.of_report(report, given.portrait)
        settings.faces = found_faces.to_text(faces) if len(faces) > 1 else ""
        settings.faces_of = _identity(settings)


@bpy.app.handlers.persistent
def look_after_load(_file=None, _other=None) -> None:
    """The picture on disk may be another one since the .blend was saved; older ones know nothing of it."""
    for scene in bpy.data.scenes:
        if scene.library is None:
            look(scene.portrait_relief)
