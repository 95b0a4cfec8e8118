# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error that the backend can send has its button."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from blender_addon.core import backend_errors
from blender_addon.core.errors import Remedy

ONLY_COMMANDS = ("training", "cli.py", "bench.py", "doctor.py")


def _codes(repository: Path) -> Iterator[tuple[str, str]]:
    """Code and file of whatever the backend raises or answers while it serves."""
    for path in sorted((repository / "backend").rglob("*.py")):
        if any(part in ONLY_COMMANDS for part in path.parts) or path.name.endswith("_commands.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            given = []
            if isinstance(node, ast.keyword) and node.arg == "code":
                given = [node.value]
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
                if any(name == "default_code" or name.endswith("_FAILED") for name in names):
                    given = [node.value]
            for value in given:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value, path.name


def test_every_code_of_the_backend_has_a_remedy(repository: Path):
    codes = dict(_codes(repository))
    assert {"out_of_memory", "device_failed", "bad_crop", "worker_crashed"} <= codes.keys()
    assert {code: file for code, file in codes.items() if code not in backend_errors.REMEDIES} == {}


def test_a_code_of_another_version_opens_the_log():
    assert backend_errors.from_backend({"code": "new_one", "message": "No."}).remedy is Remedy.OPEN_LOG
