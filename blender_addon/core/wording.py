# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences with names and numbers in them, made where no language is known and said in the interface's where shown."""

from __future__ import annotations

from collections.abc import Sequence


class Sentence(str):
    """English text that still knows its template and what fills it, which may be sentences again."""

    template: str
    values: dict[str, object]


def worded(template: str, **values: object) -> Sentence:
    """The template with its places filled, as by `str.format`."""
    made = Sentence(template.format(**values))
    made.template, made.values = template, values
    return made


def told(error: BaseException) -> str:
    """What an exception was raised with: `str` would make a plain text of a sentence."""
    given = error.args[0] if error.args else ""
    return given if isinstance(given, str) and len(error.args) == 1 else str(error)


def listed(parts: Sequence[str]) -> Sentence:
    """The parts with commas between them; sentences stay sentences."""
    names = [f"part{number}" for number in range(len(parts))]
    return worded(", ".join(f"{{{name}}}" for name in names), **dict(zip(names, parts, strict=True)))
