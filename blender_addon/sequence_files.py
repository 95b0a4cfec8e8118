# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of deleted sequences: they go when the .blend is saved.

Until then the .blend on disk shows them, and undo brings their relief back. They stay while anything in the open file
names them, or another .blend that was saved with them: each save notes itself in the folders that it uses.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import bpy

from . import runtime
from .core import errors, sequence
from .scene import images

_forgotten: set[Path] = set()  # whose result was deleted since the file was opened
_deleted: set[Path] = set()  # that are gone


def folder_of(result_id: str) -> Path | None:
    """The folder with the pictures and the shapes of a sequence's result, where they are known to be ours."""
    image = images.find(result_id, "rgb")
    if image is None or image.source != "SEQUENCE":
        return None
    folder = images.path_of(image).parent
    ours = folder.name == sequence.relief_folder_name(result_id) and sequence.is_relief_folder(folder)
    return folder if ours else None


def forget(folder: Path) -> None:
    """Its result was deleted: it goes when this file is saved, unless something uses it then."""
    with contextlib.suppress(OSError):
        if bpy.data.filepath:  # saved under another name, this one needs it still
            sequence.write_users(folder, sequence.users_of(folder) | {str(Path(bpy.data.filepath))})
        _forgotten.add(folder)


@bpy.app.handlers.persistent
def after_save(saved_as: str | object = "", _other: object = None) -> None:
    """Notes the file in the folders it uses; deletes those that were deleted in it and are used by nothing."""
    name = str(Path(saved_as if isinstance(saved_as, str) and saved_as else bpy.data.filepath))
    named = _named()
    used = {folder for folder in named if sequence.is_relief_folder(folder)}
    with contextlib.suppress(OSError):  # a folder that cannot be written to: its files stay, too
        for folder in used:
            users = sequence.users_of(folder)
            if name not in users:
                sequence.write_users(folder, users | {name})
    for folder in [folder for folder in _forgotten - named if folder.is_dir()]:
        with contextlib.suppress(OSError):  # in use by another program, as Windows has it
            if sequence.users_of(folder) - {name}:
                continue
            sequence.delete_relief_folder(folder)
            _deleted.add(folder)


@bpy.app.handlers.persistent
def after_undo(_file: object = None, _other: object = None) -> None:
    """A relief that comes back after its files are gone says so."""
    if any(not folder.is_dir() for folder in _deleted & _named()):
        runtime.show_problem(errors.local("sequence_files_gone"))


def _named() -> set[Path]:
    """The folders that images, caches or anything else in the open file name."""
    return {Path(path).parent for path in bpy.utils.blend_paths(absolute=True)}


@bpy.app.handlers.persistent
def start_over(_file: object = None, _other: object = None) -> None:
    """Another file was opened: what was deleted in the last one and not saved stays."""
    _forgotten.clear()
    _deleted.clear()
