# SPDX-License-Identifier: GPL-3.0-or-later
"""The file browser of operators that read a file."""

from __future__ import annotations

from typing import Any

import bpy


def ask_for_file(operator: Any, context: bpy.types.Context) -> set[str]:
    """Opens it in the .blend's folder; by itself Blender would suggest the .blend's own name."""
    if not operator.filepath:
        operator.filepath = bpy.path.abspath("//")
    context.window_manager.fileselect_add(operator)
    return {"RUNNING_MODAL"}
