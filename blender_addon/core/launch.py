# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the Python and the folder to start the backend with, and the environment the child gets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import errors
from .errors import AddonError

ENV_PYTHON = "PORTRAIT_RELIEF_PYTHON"
ENV_SOURCE = "PORTRAIT_RELIEF_BACKEND_SOURCE"
ENV_TOKEN = "PORTRAIT_RELIEF_TOKEN"
ENV_CHECKPOINT = "PORTRAIT_RELIEF_CHECKPOINT"

# Blender's own Python settings would make another Python import Blender's packages.
_REMOVED_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONSAFEPATH")


@dataclass(frozen=True)
class Launch:
    """How to start the backend: argument list, working folder and what the environment gets on top."""

    command: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)


def child_environment(token: str, variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without Python's own settings, with the token and `variables`."""
    environment = {name: value for name, value in os.environ.items() if name not in _REMOVED_VARIABLES}
    environment.update(variables)
    environment[ENV_TOKEN] = token
    environment["PYTHONUNBUFFERED"] = "1"  # the first line must reach the log at once
    environment["PYTHONUTF8"] = "1"
    return environment


def python_in_environment(folder: Path) -> Path:
    """The interpreter of a virtual environment on this system."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def source_folder(package_folder: Path, chosen: str = "") -> Path | None:
    """The checkout whose `backend` package is started: chosen, from the environment, or the add-on's own checkout."""
    for text in (os.environ.get(ENV_SOURCE, ""), chosen):
        if text:
            return Path(text)
    above = package_folder.parent
    own_checkout = package_folder.name == "blender_addon" and (above / "backend" / "__main__.py").is_file()
    return above if own_checkout else None


def find_python(chosen: str, source: Path | None, storage: Path, *, inside_blender_program: bool) -> Path:
    """The backend's Python: from the environment, the preferences, the checkout, the installed one, or this one.

    The last only where bpy is a module of an ordinary Python: Blender's own Python never has the backend.
    Raises AddonError when there is none, or the named one is no file.
    """
    named = os.environ.get(ENV_PYTHON, "") or chosen
    if named:
        path = Path(named)
        if path.is_dir():  # people choose the environment's folder
            path = python_in_environment(path)
        if not path.is_file():
            raise AddonError(
                errors.local("backend_not_found", message=f"The backend's Python is not there: {named}.")
            )
        return path
    folders = ([source / ".venv"] if source else []) + [storage / "backend-environment"]
    for folder in folders:
        if python_in_environment(folder).is_file():
            return python_in_environment(folder)
    if not inside_blender_program:
        return Path(sys.executable)
    raise AddonError(errors.local("backend_not_found"))


def make_launch(
    *,
    chosen_python: str,
    chosen_source: str,
    checkpoint: str,
    package_folder: Path,
    storage: Path,
    inside_blender_program: bool,
) -> Launch:
    """Puts the pieces together; the working folder is also the first entry of the child's import path."""
    source = source_folder(package_folder, chosen_source)
    python = find_python(chosen_python, source, storage, inside_blender_program=inside_blender_program)
    variables = {ENV_CHECKPOINT: checkpoint} if checkpoint else {}
    if source is None:
        folder = storage / "run"  # empty: nothing there can shadow the installed backend
        folder.mkdir(parents=True, exist_ok=True)
    else:
        folder = source
    # The interpreter's path stays unresolved: a virtual environment's python is a link that says which one it is.
    return Launch((os.path.abspath(python), "-m", "backend", "serve"), folder, variables)
