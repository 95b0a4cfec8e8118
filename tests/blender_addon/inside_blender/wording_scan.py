# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds in the add-on's source what an artist is told: texts that need a translation, and texts that can have none."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Called with English that is translated where it is shown: function -> which arguments.
_TRANSLATED_LATER = {
    "say": (0,),
    "worded": (0,),
    "draw_wrapped": (1,),
    "opened": (1,),
    "Problem": (1, 2),
    "_problem": (1, 2),
    "_no_picture": (0, 1),
    "Finding": (3,),
    "_Step": (1,),
    "_end": (1,),
    "push_undo": (0,),
    "Task": (3,),
    "PipProgress": (0,),
    "ExportError": (0,),
    "ReliefError": (0,),
    "DelightError": (0,),
}
# Shown as it is: the text has to have gone through `say` before.
_SHOWN_AT_ONCE = {"report": (1,), "poll_message_set": (0,), "status_text_set": (0,), "draw_lines": range(9)}
_SHOWN_WORDS = {"text", "heading", "title", "confirm_text", "message", "detail", "placeholder"}
# Tables and variables that hold what is shown later.
_NAMES = {"message", "hint", "sentence", "reason", "label", "text"}
# ValueErrors are told by the operators of these files only.
_VALUE_ERRORS = {"grid_cut.py", "own_presets.py", "live_link.py", "results.py"}


@dataclass
class Wording:
    texts: set[str] = field(default_factory=set)
    """What a translation is needed for."""
    faults: list[str] = field(default_factory=list)
    """`file:line text` of what is put together with no template, or shown untranslated."""


def has_words(text: str) -> bool:
    """Whether there is something to translate besides its places."""
    try:
        kept = "".join(part for part, *_place in string.Formatter().parse(text))
    except ValueError:
        kept = text
    return any(letter.isalpha() for letter in kept)


def _name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")


def _told(node: ast.expr) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The texts that an expression may be; what a call inside makes of its own is that call's matter."""
    if isinstance(node, ast.Call):
        return
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
        return
    if isinstance(node, ast.IfExp):  # its condition is not shown
        yield from _told(node.body)
        yield from _told(node.orelse)
        return
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):  # one of them, by its key
        for part in node.value.values:
            yield from _told(part)
        return
    if isinstance(node, (ast.BinOp, ast.BoolOp, ast.Tuple)):
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                yield from _told(part)


def _words_of(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value) if has_words(str(node.value)) else ""
    kept = " ".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return kept if re.search(r"[^\W\d_]{3}", kept) else ""  # units and such have no other language


def scan(path: Path, found: Wording) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))

    def later(node: ast.expr) -> None:
        for part in _told(node):
            words = _words_of(part)
            if words and isinstance(part, ast.Constant):
                found.texts.add(words)
            elif words:
                found.faults.append(f"{path.name}:{part.lineno} put together: {words}")

    def at_once(node: ast.expr) -> None:
        found.faults.extend(
            f"{path.name}:{part.lineno} not said: {_words_of(part)}"
            for part in _told(node)
            if _words_of(part)
        )

    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target, value in assigned(node):
                if isinstance(target, ast.Name) and target.id in _NAMES:
                    later(value)
        if not isinstance(node, ast.Call):
            continue
        name = _name_of(node)
        numbers = _TRANSLATED_LATER.get(name, ())
        if name == "ValueError" and path.name in _VALUE_ERRORS:
            numbers = (0,)
        for number, value in enumerate(node.args):
            if number in numbers:
                later(value)
            elif number in _SHOWN_AT_ONCE.get(name, ()):
                at_once(value)
        for word in node.keywords:
            if word.arg in ("title", "confirm_text"):
                at_once(word.value)
            elif word.arg in _SHOWN_WORDS:
                later(word.value)


def assigned(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        else:
            yield target, node.value


def of_the_addon(folder: Path) -> Wording:
    found = Wording()
    for path in sorted(folder.rglob("*.py")):
        if path.parent.name != "translations":
            scan(path, found)
    return found
