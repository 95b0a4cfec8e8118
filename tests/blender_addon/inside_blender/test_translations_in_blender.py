# SPDX-License-Identifier: GPL-3.0-or-later
"""The German interface: nothing is left in English, and what is put together has the same places."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[3]
# Beside our own names: what is called the same everywhere, and what never shows.
_NEVER_SHOWN = {"remedy", "rna_type", "bl_idname", "filter_glob"}


def _of_properties(struct) -> set[str]:
    texts = set()
    for item in struct.properties:
        if item.identifier in _NEVER_SHOWN or item.is_hidden or not item.is_runtime:
            continue
        if item.name != item.identifier:
            texts |= {item.name, item.description}
        if item.type == "ENUM":
            texts |= {text for choice in item.enum_items for text in (choice.name, choice.description)}
    return texts


def _of_layouts() -> set[str]:
    """Constant texts of labels, buttons and headings, and templates that go through `say`."""
    texts = set()
    for path in (ROOT / "blender_addon").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            values = [word.value for word in node.keywords if word.arg in ("text", "heading")]
            if isinstance(node.func, ast.Name) and node.func.id == "say" and node.args:
                values.append(node.args[0])
            texts |= {value.value for value in values if isinstance(value, ast.Constant)}
    return texts


def shown_texts() -> set[str]:
    import blender_addon
    from blender_addon import runtime
    from blender_addon.core import arkit, errors, presets

    texts = _of_layouts()
    for cls in blender_addon._CLASSES:
        texts |= {getattr(cls, "bl_label", ""), getattr(cls, "bl_description", "")}
        if issubclass(cls, bpy.types.Operator):
            group, name = cls.bl_idname.split(".")
            texts |= _of_properties(getattr(getattr(bpy.ops, group), name).get_rna_type())
        else:
            texts |= _of_properties(cls.bl_rna)
    texts |= {text for problem in errors.LOCAL_PROBLEMS.values() for text in (problem.message, problem.hint)}
    texts |= {preset.label for preset in presets.PRESETS}
    texts |= {*runtime._STATE_LABELS.values(), *runtime._BACKEND_LABELS.values()}
    return {text for text in texts if any(letter.isalpha() for letter in text)} - set(arkit.ARKIT_NAMES)


def test_everything_that_is_shown_has_a_german_text(addon):
    from blender_addon.translations import GERMAN

    assert len(shown_texts()) > 400
    assert sorted(shown_texts() - set(GERMAN)) == []


def test_translations_keep_the_places_of_names_and_numbers(addon):
    from blender_addon.translations import GERMAN

    def places(text: str) -> list:
        return sorted((name, spec) for _text, name, spec, _how in string.Formatter().parse(text) if name)

    for english, german in GERMAN.items():
        if "{" in english:
            assert places(english) == places(german), english
        assert german.strip() and english.endswith(".") == german.endswith("."), english


def test_the_interface_speaks_german_and_forgets_it_when_switched_off(addon):
    import blender_addon
    from blender_addon.translations import say, say_problem

    view = bpy.context.preferences.view
    languages = {item.identifier for item in type(view).bl_rna.properties["language"].enum_items}
    if "de_DE" not in languages and "de_DE" not in bpy.app.translations.locales:
        pytest.skip("this Blender carries no translations")
    before = view.language
    try:
        try:
            view.language = "de_DE"
        except TypeError:
            pytest.skip("this Blender carries no translations")
        view.use_translate_interface = True
        assert say("Backend {version} is ready", version="1") == "Backend 1 ist bereit"
        assert (
            say_problem("The backend does not answer. (refused)") == "Das Backend antwortet nicht. (refused)"
        )
        assert bpy.app.translations.pgettext_iface("Trim Edge") == "Rand beschneiden"
        blender_addon.unregister()
        assert bpy.app.translations.pgettext_iface("Trim Edge") == "Trim Edge"
        blender_addon.register()
    finally:
        view.language = before
