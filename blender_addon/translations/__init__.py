# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages. English texts are the keys; another language is another set of tables below.

Names and tooltips of properties, operators and panels are looked up by Blender itself. Texts that are put together
while drawing go through `say`, errors (which may end in a detail) through `say_problem`.
"""

from __future__ import annotations

import bpy

from ..storage import PACKAGE
from .de_arguments import ARGUMENTS
from .de_arkit import ARKIT
from .de_driving import DRIVING
from .de_help import HELP
from .de_labels import LABELS
from .de_problems import PROBLEMS
from .de_status import STATUS

GERMAN: dict[str, str] = {**HELP, **PROBLEMS, **STATUS, **DRIVING, **ARKIT, **ARGUMENTS, **LABELS}
# Blender 4.2 to 5.x call it de_DE in the preferences; the short name serves `LANG=de`.
_LOCALES = {"de_DE": GERMAN, "de": GERMAN}
_CONTEXTS = ("*", "Operator")  # labels of operators are looked up in a context of their own


def register() -> None:
    tables = {
        locale: {(context, key): text for key, text in table.items() for context in _CONTEXTS}
        for locale, table in _LOCALES.items()
    }
    bpy.app.translations.register(PACKAGE, tables)


def unregister() -> None:
    bpy.app.translations.unregister(PACKAGE)


def say(text: str, **values: object) -> str:
    """The text in the interface's language, its places filled with `values`."""
    said = bpy.app.translations.pgettext_iface(text)
    return said.format(**values) if values else said


def say_problem(text: str) -> str:
    """A sentence in the interface's language; a detail in brackets at its end stays as it is."""
    said = say(text)
    if said != text or not text.endswith(")"):
        return said
    sentence, _bracket, detail = text.partition(" (")
    return f"{say(sentence)} ({detail}"
