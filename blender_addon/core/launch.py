# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the Python and the folder to start the backend with, and the environment the child gets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import environment, errors
from .environment import python_in_environment
from .errors import AddonError
from .wording import worded

ENV_PYTHON = "PORTRAIT_RELIEF_PYTHON"
ENV_SOURCE = "PORTRAIT_RELIEF_BACKEND_SOURCE"
ENV_TOKEN = "PORTRAIT_RELIEF_TOKEN"
ENV_CHECKPOINT = "PORTRAIT_RELIEF_CHECKPOINT"
ENV_LANDMARKER = "PORTRAIT_RELIEF_LANDMARKER"

# Blender's own Python settings would make another Python import Blender's packages.
_REMOVED_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONSAFEPATH")


@dataclass(frozen=True)
class Launch:
    """How to start the backend: argument list, working folder and what the environment gets on top."""

    command: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without Python's own settings, with `variables`."""
    kept = {name: value for name, value in os.environ.items() if name not in _REMOVED_VARIABLES}
    kept.update(variables)
    kept["PYTHONUNBUFFERED"] = "1"  # the first line must reach the log at once
    kept["PYTHONUTF8"] = "1"
    return kept


def child_environment(token: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What the backend gets: a clean environment and the token."""
    return {**clean_environment(variables), ENV_TOKEN: token}


def source_folder(package_folder: Path, chosen: str = "") -> Path | None:
    """The checkout whose `backend` package is started: chosen, from the environment, or the add-on's own checkout."""
    for text in (os.environ.get(ENV_SOURCE, ""), chosen):
        if text:
            return Path(text)
    above = package_folder.parent
    own_checkout = package_folder.name == "blender_addon" and (above / "backend" / "__main__.py").is_file()
    return above if own_checkout else None


def find_python(chosen: str, source: Path | None, installed: Path, *, inside_blender_program: bool) -> Path:
    """The backend's Python: from the environment, the preferences, the checkout, the installed one, or this one.

    `installed` is the installer's environment; a half-made one does not count. The last only where bpy is a module of
    an ordinary Python: Blender's own Python never has the backend.
    Raises AddonError when there is none, or the named one is no file.
    """
    named = os.environ.get(ENV_PYTHON, "") or chosen
    if named:
        path = Path(named)
        if path.is_dir():  # people choose the environment's folder
            path = python_in_environment(path)
        if not path.is_file():
            message = worded("The backend's Python is not there: {path}.", path=named)
            raise AddonError(errors.local("backend_python_missing", message=message))
        return path
    if source is not None and python_in_environment(source / ".venv").is_file():
        return python_in_environment(source / ".venv")
    if environment.is_complete(installed):
        return python_in_environment(installed)
    if not inside_blender_program:
        return Path(sys.executable)
    raise AddonError(errors.local("backend_incomplete" if installed.exists() else "backend_not_found"))


def make_launch(
    *,
    chosen_python: str,
    chosen_source: str,
    checkpoint: str,
    device: str = "auto",
    precision: str = "auto",
    package_folder: Path,
    storage: Path,
    installed: Path,
    inside_blender_program: bool,
    landmarker: str = "",
) -> Launch:
    """Puts the pieces together; the working folder is also the first entry of the child's import path.

    `device` is a name of torch's ("cpu", "cuda:1", "mps") or "auto", `precision` one of `portrait-relief serve`'s.
    Raises AddonError when there is no Python for it, or the working folder cannot be made.
    """
    source = source_folder(package_folder, chosen_source)
    python = find_python(chosen_python, source, installed, inside_blender_program=inside_blender_program)
    chosen = {ENV_CHECKPOINT: checkpoint, ENV_LANDMARKER: landmarker}
    variables = {name: value for name, value in chosen.items() if value}
    if source is None:
        folder = storage / "run"  # empty: nothing there can shadow the installed backend
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AddonError(errors.local("folder_not_writable", detail=str(error))) from error
    else:
        folder = source
    # The interpreter's path stays unresolved: a virtual environment's python is a link that says which one it is.
    command = [os.path.abspath(python), "-m", "backend", "serve"]
    for option, value in (("--device", device.strip()), ("--precision", precision)):
        if value not in ("", "auto"):
            command += [option, value]
    return Launch(tuple(command), folder, variables)
