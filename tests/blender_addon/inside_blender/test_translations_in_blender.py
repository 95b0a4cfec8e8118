# SPDX-License-Identifier: GPL-3.0-or-later
"""The German interface: nothing is left in English, and what is put together has the same places."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

from tests.blender_addon.inside_blender import drawing, wording_scan
from tests.blender_addon.inside_blender.test_light_in_blender import head  # noqa: F401
from tests.blender_addon.inside_blender.wording_scan import Wording

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


def shown_texts() -> set[str]:
    import blender_addon
    from blender_addon import job_texts
    from blender_addon.core import arkit, errors, presets
    from blender_addon.panels import job

    texts = set(wording_scan.of_the_addon(ROOT / "blender_addon").texts)
    for cls in blender_addon._CLASSES:
        texts |= {getattr(cls, "bl_label", ""), getattr(cls, "bl_description", "")}
        if issubclass(cls, bpy.types.Operator):
            group, name = cls.bl_idname.split(".")
            texts |= _of_properties(getattr(getattr(bpy.ops, group), name).get_rna_type())
        else:
            texts |= _of_properties(cls.bl_rna)
    texts |= {text for problem in errors.LOCAL_PROBLEMS.values() for text in (problem.message, problem.hint)}
    texts |= {label for _operator, label, _icon in job._REMEDY_BUTTONS.values()}
    texts |= {preset.label for preset in presets.PRESETS}
    texts |= {*job_texts.STATE_LABELS.values(), *job_texts.BACKEND_LABELS.values()}
    return {text for text in texts if any(letter.isalpha() for letter in text)} - set(arkit.ARKIT_NAMES)


def test_everything_that_is_shown_has_a_german_text(addon):
    from blender_addon.translations import GERMAN

    assert len(shown_texts()) > 400
    assert sorted(shown_texts() - set(GERMAN)) == []


def phases(path: Path) -> Iterator[str]:
    """What a file of the backend names what it is at: first argument of a progress callback, which may be looked up in
    a table, or a job's `phase`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        told: list[ast.expr] = []
        if isinstance(node, ast.Call) and len(node.args) == 3:
            name = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            told = node.args[:1] if name in ("progress", "report") else []
        elif isinstance(node, ast.Assign):
            pairs = wording_scan.assigned(node)
            told = [value for target, value in pairs if getattr(target, "attr", "") == "phase"]
        for value in told:
            name = value.value if isinstance(value, ast.Subscript) else value
            value = constants.get(name.id, value) if isinstance(name, ast.Name) else value
            named = value.values if isinstance(value, ast.Dict) else [value]
            yield from (str(one.value) for one in named if isinstance(one, ast.Constant))


def test_every_phase_that_the_backend_names_has_a_german_text(addon):
    from blender_addon.translations.de_status import STATUS

    files = [path for path in (ROOT / "backend").rglob("*.py") if not path.name.endswith("_commands.py")]
    found = {phase for path in files if path.parent.name != "training" for phase in phases(path)}
    assert {"generating", "repainting", "following the face", "finding the head", "cancelling"} <= found
    assert sorted(phase for phase in found if phase.capitalize() not in STATUS) == []


def test_the_librarys_labels_fit_below_their_pictures(addon):
    from blender_addon.core.presets import PRESETS
    from blender_addon.translations.de_labels import LABELS

    blf = pytest.importorskip("blf")
    blf.size(0, 11)
    shown = [text for preset in PRESETS for text in (preset.label, LABELS[preset.label])]
    room_px = 65.5  # in a sidebar of the standard width, as tried in a window
    assert [text for text in shown if blf.dimensions(0, text)[0] > room_px] == []


def test_nothing_that_is_shown_is_put_together_without_a_template(addon):
    assert wording_scan.of_the_addon(ROOT / "blender_addon").faults == []


def test_the_scan_finds_untranslatable_texts(tmp_path):
    path = tmp_path / "operators.py"
    path.write_text(
        "self.report({'INFO'}, 'It is done')\n"
        "self.report({'INFO'}, f'{count} done')\n"
        "self.report({'INFO'}, say('All done') if whole else f'{a}: {b}')\n"
        "cls.poll_message_set('Not now')\n"
        "raise ExportError(f'{count} faults')\n"
        "raise ExportError(worded('{count} new faults', count=3))\n"
        "message, hint = f'{name} is away.', 'Find it.'\n"
    )
    found = Wording()
    wording_scan.scan(path, found)
    lines = sorted(fault.split()[0] for fault in found.faults)
    assert lines == [f"operators.py:{line}" for line in (1, 2, 4, 5, 7)]
    assert found.texts == {"All done", "{count} new faults", "Find it."}


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


@pytest.fixture
def in_german(addon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own table without Blender's languages, which the bpy wheels do not carry."""
    from blender_addon import translations

    monkeypatch.setattr(translations, "_look_up", lambda text: translations.GERMAN.get(text, text))


def test_sentences_with_numbers_in_them_are_said_wherever_they_were_made(in_german):
    from blender_addon.core import errors
    from blender_addon.core.base_shapes import ExportError
    from blender_addon.core.wording import listed, worded
    from blender_addon.translations import say_error, say_problem, say_sentence, say_whole

    faults = listed([worded("{count} faces without area", count=2), worded("{count} frames", count=3)])
    assert faults == "2 faces without area, 3 frames"
    sentence = worded(
        "The relief has {faults}. Smooth or delete these places in sculpt or edit mode.", faults=faults
    )
    assert sentence.startswith("The relief has 2 faces without area, 3 frames. Smooth")
    assert say_problem(sentence).startswith("Das Relief hat 2 Flächen ohne Inhalt, 3 Bilder. Glätte")
    assert say_error(ExportError(worded("There is no folder {folder}.", folder="/x"))) == (
        "Den Ordner /x gibt es nicht."
    )
    assert say_error(OSError(28, "No space left")) == "No space left"
    problem = errors.local("too_many_frames", detail=worded("{count} frames", count=600))
    assert problem.message == "One sequence can have up to 512 frames. (600 frames)"
    assert say_whole(problem).startswith(
        "Eine Sequenz kann bis zu 512 Bilder haben. (600 Bilder) Verkürze den Bildbereich"
    )
    named = errors.local("import_failed", detail="There is no head in the result.")
    assert say_problem(named.message).endswith("importiert werden. (Im Ergebnis ist kein Kopf.)")
    assert say_sentence(named.message) == named.message  # said where it is drawn
    braces = worded("“{name}” is hidden from renders.", name="{a}")
    assert say_problem(braces) == "„{a}“ ist beim Rendern verborgen."


def test_checks_errors_dialogs_and_progress_are_german(in_german, head):  # noqa: F811
    from blender_addon import runtime
    from blender_addon.core import backend_errors
    from blender_addon.core.pip_output import progress
    from blender_addon.operators.install import PORTRAIT_RELIEF_OT_remove_backend
    from blender_addon.translations import say_sentence

    chosen = bpy.context.scene.portrait_relief_export
    chosen.shape, chosen.bed_mm = "RECTANGLE", (10.0, 10.0, 10.0)
    assert bpy.ops.portrait_relief.check_relief() == {"FINISHED"}
    assert "passen nicht auf das Druckbett von 10 x 10 x 10 mm. Mache es kleiner." in chosen.report
    assert " bed " not in chosen.report and "triangles" not in chosen.report
    with pytest.raises(RuntimeError, match="kann nicht als Bild gelesen werden. Wähle eine .hdr"):
        bpy.ops.portrait_relief.load_hdri(filepath="/no/where.hdr")
    message = backend_errors.from_backend({}, 500)
    runtime.show_problem(message)
    shown = bpy.context.window_manager.portrait_relief
    assert shown.message == "Das Backend lehnte die Arbeit ab (HTTP 500)."
    drawn = drawing.Drawn()
    with drawing.editor("VIEW_3D") as context:
        drawing.draw(PORTRAIT_RELIEF_OT_remove_backend, context, drawn)
    assert drawn.texts[0].startswith("Löscht diesen Ordner.")
    assert say_sentence(progress("Collecting numpy\n", 5).text) == "Paket 1 von 5: numpy"


def test_a_detail_in_brackets_that_is_not_ours_stays(in_german):
    from blender_addon.translations import say_problem

    assert say_problem("The backend does not answer. (refused)") == "Das Backend antwortet nicht. (refused)"
    assert say_problem("Somebody else's words (and more)") == "Somebody else's words (and more)"
