# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages. English texts are the keys; another language is another set of tables below.

Names and tooltips of properties, operators and panels are looked up by Blender itself. Texts that are put together
while drawing go through `say`, errors (which may end in a detail) through `say_problem`.
"""

from __future__ import annotations

import bpy

from ..core.errors import Problem
from ..core.wording import Sentence, told
from ..storage import PACKAGE
from .de_arguments import ARGUMENTS
from .de_arkit import ARKIT
from .de_driving import DRIVING
from .de_help import HELP
from .de_install import INSTALL
from .de_labels import LABELS
from .de_problems import PROBLEMS
from .de_reports import REPORTS
from .de_status import STATUS

GERMAN: dict[str, str] = {
    **HELP,
    **PROBLEMS,
    **STATUS,
    **DRIVING,
    **INSTALL,
    **ARKIT,
    **ARGUMENTS,
    **REPORTS,
    **LABELS,
}
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


def _look_up(text: str) -> str:
    return bpy.app.translations.pgettext_iface(text)


def say(text: str, **values: object) -> str:
    """The text in the interface's language, its places filled with `values`."""
    said = _look_up(text)
    return said.format(**values) if values else said


def say_problem(text: str) -> str:
    """A sentence in the interface's language; a detail in brackets at its end may be one of ours or anybody's."""
    if isinstance(text, Sentence):
        values = {
            name: say_problem(value) if isinstance(value, Sentence) else value
            for name, value in text.values.items()
        }
        return say(text.template, **values)
    said = say(text)
    if said != text or not text.endswith(")"):
        return said
    sentence, _bracket, detail = text.partition(" (")
    return f"{say(sentence)} ({say(detail[:-1])})"


def say_whole(problem: Problem) -> str:
    """Both sentences of a problem, for a report."""
    return f"{say_problem(problem.message)} {say_problem(problem.hint)}".strip()


def say_sentence(text: str) -> str:
    """One that holds names or numbers is said now, as nothing that keeps plain text knows them; others stay."""
    return say_problem(text) if isinstance(text, Sentence) else text


def say_error(error: BaseException) -> str:
    """What an exception of this add-on tells, in the interface's language; of others what they say themselves."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return say_problem(told(error))
