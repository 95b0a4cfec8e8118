# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that an artist may look for with F3 is in a menu, under a name that makes sense there."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from tests.blender_addon.inside_blender import drawing
from tests.blender_addon.inside_blender.drawing import Drawn
from tests.blender_addon.inside_blender.test_light_in_blender import head  # noqa: F401

_ONLY_BESIDE_ITS_MESSAGE = {
    "portrait_relief.dismiss", "portrait_relief.cancel_task", "portrait_relief.end_check",
    "portrait_relief.at_work",  # does nothing
    "portrait_relief.choose_face",  # beside what was found; without it the panel Settings has the number
}  # fmt: skip
_ONLY_IN_THE_IMAGE_EDITOR = {"portrait_relief.use_editor_image", "portrait_relief.draw_crop"}
EDITORS = (("VIEW3D_MT_object", "VIEW_3D"), ("IMAGE_MT_image", "IMAGE_EDITOR"))


@pytest.fixture
def own_expression(addon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    from blender_addon import own_presets_folder

    monkeypatch.setattr(own_presets_folder, "path", lambda: tmp_path)
    own_presets_folder.refresh()
    assert bpy.ops.portrait_relief.save_own_preset(name="Mine") == {"FINISHED"}
    monkeypatch.setattr(own_presets_folder, "_seen", ["Mine"])
    return "Mine"


def _entry(menu: str):
    from blender_addon import menus

    return dict(menus.ENTRIES)[menu]


def walked(start: Drawn, context: bpy.types.Context) -> Drawn:
    """All that a menu and its submenus draw."""
    found, waiting = Drawn(), list(start.menus)
    while waiting:
        drawn = Drawn()
        assert drawing.draw(getattr(bpy.types, waiting.pop()), context, drawn)
        waiting += drawn.menus
        found.operators += drawn.operators
        found.texts += drawn.texts
    return found


@pytest.mark.parametrize(("menu", "kind"), EDITORS)
def test_every_operator_is_reached_from_the_menu_of_its_editor(addon, own_expression, menu, kind):
    image = bpy.data.images.new("shown", 4, 4)
    assert _entry(menu) in getattr(bpy.types, menu)._dyn_ui_initialize()
    with drawing.editor(kind, image) as context:
        found = walked(drawing.draw_function(_entry(menu), context), context)
    operators = {cls.bl_idname for cls in addon._CLASSES if issubclass(cls, bpy.types.Operator)}
    wanted = operators - _ONLY_BESIDE_ITS_MESSAGE
    if kind == "VIEW_3D":
        wanted -= _ONLY_IN_THE_IMAGE_EDITOR
    assert sorted(wanted - {name for name, _given in found.operators}) == []


def test_every_entry_of_the_menu_has_a_text_of_its_own_of_more_than_one_word(addon, own_expression):
    with drawing.editor("VIEW_3D") as context:
        found = walked(drawing.draw_function(_entry("VIEW3D_MT_object"), context), context)
    assert len(found.texts) == len(set(found.texts)) > 60
    assert [text for text in found.texts if len(text.split()) < 2] == []
    assert {"Light Rig: Rembrandt", "Expression: Big Smile", "Expression: Mine"} <= set(found.texts)


def test_preview_and_still_are_as_the_panel_has_them_for_the_active_relief(head):  # noqa: F811
    head.portrait_relief_light.engine, head.portrait_relief_light.samples = "CYCLES", 7
    with drawing.editor("VIEW_3D") as context:
        found = walked(drawing.draw_function(_entry("VIEW3D_MT_object"), context), context)
    given = dict(found.operators)
    assert given["portrait_relief.relight_preview"] == {"engine": "CYCLES"}
    assert given["portrait_relief.relit_still"] == {"engine": "CYCLES", "samples": 7}


def test_switching_off_takes_the_menu_away(addon):
    function = _entry("VIEW3D_MT_object")
    addon.unregister()
    try:
        assert function not in bpy.types.VIEW3D_MT_object._dyn_ui_initialize()
        assert not hasattr(bpy.types, "PORTRAIT_RELIEF_MT_main")
    finally:
        addon.register()
