# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel, list and dialog draws in every state, with nothing that this Blender does not have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from tests.blender_addon.inside_blender import drawing
from tests.blender_addon.inside_blender.drawing import Drawn, StandInLayout
from tests.blender_addon.inside_blender.test_light_in_blender import head  # noqa: F401
from tests.blender_addon.inside_blender.test_menus_in_blender import own_expression  # noqa: F401
from tests.blender_addon.inside_blender.test_sequence_in_blender import animated  # noqa: F401

_NEEDS_A_RELIEF = {
    "PORTRAIT_RELIEF_PT_relief_view3d",
    "PORTRAIT_RELIEF_PT_light_view3d",
    "PORTRAIT_RELIEF_PT_export_view3d",
    "PORTRAIT_RELIEF_PT_export_image",
}


def _panels(kind: str) -> list[type]:
    import blender_addon

    panels = [cls for cls in blender_addon._CLASSES if issubclass(cls, bpy.types.Panel)]
    return [cls for cls in panels if getattr(cls, "bl_space_type", "") == kind]


def drawn_in(kind: str, image: bpy.types.Image | None = None) -> tuple[Drawn, set[str]]:
    """All panels and menus of an editor's sidebar, and the names of those that were drawn."""
    import blender_addon

    drawn, names = Drawn(), set()
    menus = [cls for cls in blender_addon._CLASSES if issubclass(cls, bpy.types.Menu)]
    with drawing.editor(kind, image) as context:
        for cls in (*_panels(kind), *menus):
            if drawing.draw(cls, context, drawn):
                names.add(cls.bl_idname)
        for _menu, function in blender_addon.menus.ENTRIES:
            drawn.operators += drawing.draw_function(function, context).operators
    return drawn, names


def everything(image: bpy.types.Image | None = None) -> tuple[Drawn, set[str]]:
    in_view, names = drawn_in("VIEW_3D")
    in_image, more = drawn_in("IMAGE_EDITOR", image)
    in_view.operators += in_image.operators
    in_view.properties += in_image.properties
    in_view.texts += in_image.texts
    return in_view, names | more


def _operators(drawn: Drawn) -> set[str]:
    return {name.removeprefix("portrait_relief.") for name, _given in drawn.operators}


def test_the_stand_in_refuses_what_blender_would_refuse(addon):
    layout, scene = StandInLayout(Drawn()), bpy.context.scene
    wrong = (
        lambda: layout.lable(text="x"),
        lambda: layout.label(txt="x"),
        lambda: layout.label(text=None),
        lambda: layout.label(text="x", icon="NO_SUCH_ICON"),
        lambda: layout.operator("portrait_relief.no_such"),
        lambda: setattr(layout.operator("portrait_relief.apply_preset"), "presett", "SMILE"),
        lambda: setattr(layout.operator("portrait_relief.apply_preset"), "preset", "NO_SUCH"),
        lambda: layout.prop(scene.portrait_relief, "no_such"),
        lambda: layout.prop(None, "image"),
        lambda: layout.menu("PORTRAIT_RELIEF_MT_no_such"),
        lambda: setattr(layout, "scale", 2.0),
    )
    for number, call in enumerate(wrong):
        with pytest.raises((AssertionError, KeyError)):
            call()
            pytest.fail(f"{number} was taken", pytrace=False)
    row = layout.row(align=True)
    row.scale_y = 1.3
    row.label(text="x", icon="INFO")


def test_with_nothing_chosen(addon):
    drawn, names = everything()
    assert len(names) > 30 and not names & _NEEDS_A_RELIEF
    assert {"generate", "estimate_depth", "start_backend", "import_result"} <= _operators(drawn)
    assert "No results yet" in drawn.texts


def test_while_a_job_is_at_work_the_buttons_that_send_one_are_others(photo, monkeypatch):
    """Blender would leave the one under the mouse grey when it is done."""
    from blender_addon import runtime

    jobs = {"generate", "estimate_depth", "expression_from_photo", "drive_from_footage", "generate_sequence"}

    def buttons() -> list[str]:
        drawn = Drawn()
        with drawing.editor("VIEW_3D") as context:
            for cls in _panels("VIEW_3D"):
                drawing.draw(cls, context, drawn)
        return [name.removeprefix("portrait_relief.") for name, _given in drawn.operators]

    assert jobs <= set(buttons()) and "at_work" not in buttons()
    monkeypatch.setattr(runtime, "is_busy", lambda: True)
    assert not jobs & set(buttons()) and buttons().count("at_work") == len(jobs)
    assert not bpy.ops.portrait_relief.at_work.poll()


def test_with_a_picture_chosen_and_another_one_shown(photo, own_expression):  # noqa: F811
    settings, scene = bpy.context.scene.portrait_relief, bpy.context.scene
    settings.use_crop = settings.use_pose = True
    settings.eyeBlinkLeft = 0.5
    camera = bpy.data.cameras.new("camera")
    scene.camera = bpy.data.objects.new("camera", camera)
    camera.background_images.new().image = other = bpy.data.images.new("other", 4, 4)
    mesh = bpy.data.meshes.new("driver")
    mesh.from_pydata([(0, 0, 0)], [], [])
    driver = bpy.data.objects.new("driver", mesh)
    driver.shape_key_add(name="Basis")
    driver.shape_key_add(name="jawOpen")
    settings.driving_object = driver
    drawn, _names = everything(other)
    assert {"use_editor_image", "use_camera_background", "read_shape_keys"} <= _operators(drawn)
    assert {"Use “other”", "Mine", "Rename “Mine”", "1 of 51 sliders follow it"} <= set(drawn.texts)
    assert ("PortraitReliefSettings", "crop_side") in drawn.properties
    settings.source = "FILE"
    assert ("PortraitReliefSettings", "filepath") in everything(other)[0].properties


def test_the_right_slider_of_a_pair_is_told_from_the_left_one_however_narrow_the_sidebar(addon):
    """Two halves of a row cut both names to "Outer U...": the left slider is wider, the right one bears its side."""
    from blender_addon.core import arkit

    drawn, _names = everything()
    sided = [name for name in arkit.ARKIT_NAMES if name.endswith("Right")]
    in_two_editors = 2
    assert drawn.texts.count("R") + drawn.texts.count("Right") == in_two_editors * len(sided)
    shown = [name for owner, name in drawn.properties if owner == "PortraitReliefSettings"]
    for name in arkit.ARKIT_NAMES:
        assert shown.count(name) == in_two_editors, name


def test_with_a_relief_in_all_its_settings(head):  # noqa: F811
    scene = bpy.context.scene
    built, chosen = head.data.portrait_relief_build, scene.portrait_relief_export
    assert everything()[1] >= _NEEDS_A_RELIEF
    built.auto_update = False
    built.grid, built.projection, built.back = "ADAPTIVE", "PERSPECTIVE", "PLATE"
    drawn, _names = everything()
    shown = {name for owner, name in drawn.properties if owner == "PortraitReliefBuild"}
    assert {"tolerance_mm", "focal_mm", "thickness_mm"} <= shown
    assert any(text.startswith("Not rebuilt yet") for text in drawn.texts)
    built.variant, built.message = "DISPLACE", "It cannot be built."
    everything()
    for shape in type(chosen).bl_rna.properties["shape"].enum_items:
        for kind in type(chosen).bl_rna.properties["format"].enum_items:
            chosen.shape, chosen.format = shape.identifier, kind.identifier
            assert "export_relief" in _operators(everything()[0]), (chosen.shape, chosen.format)


def test_with_a_checked_relief_its_report_is_shown(head):  # noqa: F811
    chosen = bpy.context.scene.portrait_relief_export
    chosen.shape, chosen.bed_mm = "SURFACE", (10.0, 10.0, 10.0)
    assert bpy.ops.portrait_relief.check_relief() == {"FINISHED"}
    drawn, _names = drawn_in("VIEW_3D")
    assert chosen.can_fix and "Fix" in drawn.texts


def test_with_a_relit_relief(head):  # noqa: F811
    assert bpy.ops.portrait_relief.delight() == {"FINISHED"}
    assert bpy.ops.portrait_relief.apply_light_rig(rig="REMBRANDT") == {"FINISHED"}
    assert bpy.ops.portrait_relief.relight_preview(engine="CYCLES") == {"FINISHED"}
    assert bpy.ops.portrait_relief.relit_still(engine="CYCLES", samples=1) == {"FINISHED"}
    bpy.context.scene.portrait_relief.image = next(i for i in bpy.data.images if i.name == "Ball RGB")
    wanted = {"show_still", "end_preview", "remove_light_rig", "restore_settings"}
    assert wanted <= _operators(drawn_in("VIEW_3D")[0])
    view = next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D").spaces.active
    view.shading.type = "SOLID"
    assert any("this shading does not" in text for text in _joined(drawn_in("VIEW_3D")[0]))


def _joined(drawn: Drawn) -> list[str]:
    """Texts that a narrow sidebar breaks into lines, put together again."""
    return [*drawn.texts, " ".join(drawn.texts)]


def test_with_an_hdri(head, tmp_path):  # noqa: F811
    image = bpy.data.images.new("sky", 4, 2, float_buffer=True)
    image.filepath_raw, image.file_format = str(tmp_path / "sky.exr"), "OPEN_EXR"
    image.save()
    assert bpy.ops.portrait_relief.load_hdri(filepath=str(tmp_path / "sky.exr")) == {"FINISHED"}
    assert ("PortraitReliefLight", "hdri_turn") in drawn_in("VIEW_3D")[0].properties


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT"])
def test_in_another_mode(head, mode):  # noqa: F811
    bpy.ops.object.mode_set(mode=mode)
    try:
        drawn, names = everything()
        assert names >= _NEEDS_A_RELIEF
        if mode == "EDIT":
            assert "Leave edit mode or dyntopo to change it" in drawn.texts
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")


def test_with_results_and_their_list(fake, photo):
    import blender_addon

    fake("ok")
    assert bpy.ops.portrait_relief.estimate_depth(timeout=30) == {"FINISHED"}
    drawn, _names = everything()
    assert {"select_result", "use_result", "compare_results", "view_relief"} <= _operators(drawn)
    settings = bpy.context.scene.portrait_relief
    listed: Any = next(cls for cls in blender_addon._CLASSES if issubclass(cls, bpy.types.UIList))
    row = Drawn()
    with drawing.editor("VIEW_3D") as context:
        listed.draw_item(
            SimpleNamespace(), context, StandInLayout(row), settings, settings.results[0], 0, settings, "x"
        )
    assert settings.results[0].summary in row.texts


def test_with_a_relief_that_plays(fake, animated):  # noqa: F811
    fake("ok")
    assert bpy.ops.portrait_relief.generate_sequence(timeout=30) == {"FINISHED"}
    assert ("Object", "scale") in drawn_in("VIEW_3D")[0].properties


def test_while_a_job_runs_and_after_it(addon):
    from blender_addon.core.jobs import JobState

    job = bpy.context.window_manager.portrait_relief
    for state in JobState:
        job.state, job.status, job.progress = state.value, "At work", 0.5
        drawn, _names = drawn_in("VIEW_3D")
        assert "At work" in drawn.texts or state is JobState.FAILED
    for state in ("STARTING", "READY", "FAILED"):
        job.backend_state, job.backend_message = state, "A text"
        assert "A text" in drawn_in("VIEW_3D")[0].texts


def test_with_every_error_and_the_button_that_mends_it(addon):
    from blender_addon import runtime
    from blender_addon.core import errors
    from blender_addon.panels import job as panel

    for code in errors.LOCAL_PROBLEMS:
        problem = errors.local(code)
        runtime.show_problem(problem)
        drawn, _names = drawn_in("VIEW_3D")
        assert any(problem.message in text for text in _joined(drawn)), code
        button = panel._REMEDY_BUTTONS.get(problem.remedy.value)
        assert button is None or button[1] in drawn.texts, code
    for mode in panel._JOB_OPERATORS:
        bpy.context.window_manager.portrait_relief.mode = mode
        everything()


def _preferences(**values: object) -> Drawn:
    from blender_addon import preferences

    drawn = Drawn()
    with drawing.editor("VIEW_3D") as context:
        assert drawing.draw(preferences.PortraitReliefPreferences, context, drawn, **values)
    return drawn


@pytest.mark.parametrize("state", ["ABSENT", "INCOMPLETE", "OUTDATED", "INSTALLED"])
def test_the_preferences_in_every_state_of_the_installation(addon, monkeypatch, tmp_path, state):
    from blender_addon import installation
    from blender_addon.core import errors
    from blender_addon.core.environment import EnvironmentState
    from tests.blender_addon.tiny_wheels import write_bundle

    _preferences()  # of a checkout, which carries no backend
    write_bundle(tmp_path / "extension")
    monkeypatch.setattr(installation, "PACKAGE_FOLDER", tmp_path / "extension")
    monkeypatch.setattr(installation, "state", lambda: EnvironmentState(EnvironmentState[state].value))
    monkeypatch.setattr(installation, "installed_version", lambda: "1.0")
    wanted = {"install_backend"} | (set() if state == "ABSENT" else {"remove_backend"})
    assert wanted <= _operators(_preferences(backend_python="/somewhere"))
    everything()
    installation.show_problem(errors.local("install_failed"))
    assert "open_install_log" in _operators(_preferences(device="NAMED"))
    everything()


def test_the_preferences_and_the_panel_while_it_is_installed(addon, monkeypatch):
    from blender_addon import installation
    from blender_addon.core.installer import InstallState

    shown = bpy.context.window_manager.portrait_relief.install
    shown.state, shown.status, shown.progress = InstallState.RUNNING.value, "Downloading", 0.3
    monkeypatch.setattr(installation, "is_busy", lambda: True)
    for drawn in (_preferences(), drawn_in("VIEW_3D")[0]):
        assert "Downloading" in drawn.texts and "cancel_install" in _operators(drawn)


def test_faces_to_choose_among_are_buttons_unless_the_crop_is_drawn_by_hand(addon, photo):
    settings = bpy.context.scene.portrait_relief
    assert "choose_face" not in _operators(drawn_in("VIEW_3D")[0])
    settings.faces = "[[1, 2, 10], [20, 2, 10]]"
    drawn = drawn_in("IMAGE_EDITOR")[0]
    assert "choose_face" in _operators(drawn) and "2 faces" in drawn.texts
    settings.use_crop = True
    assert "choose_face" not in _operators(drawn_in("VIEW_3D")[0])


def test_the_preferences_of_a_backend_that_runs_already(addon):
    bpy.context.window_manager.portrait_relief.backend_message = "Backend 1 is ready"
    drawn = _preferences(connection="ATTACH", address="http://example.org:80")
    assert any("only be on this machine" in text for text in _joined(drawn))


def test_the_dialogs(addon, tmp_path, monkeypatch):
    from blender_addon import installation
    from tests.blender_addon.tiny_wheels import write_bundle

    write_bundle(tmp_path / "extension")
    monkeypatch.setattr(installation, "PACKAGE_FOLDER", tmp_path / "extension")
    dialogs = [
        cls
        for cls in addon._CLASSES
        if issubclass(cls, bpy.types.Operator)
        and "draw" in {name for each in cls.__mro__ for name in vars(each)}
    ]
    drawn_dialogs = set()
    with drawing.editor("VIEW_3D") as context:
        for cls in dialogs:
            drawn = Drawn()
            assert drawing.draw(cls, context, drawn)
            if drawn.texts or drawn.properties:
                drawn_dialogs.add(cls.bl_idname.removeprefix("portrait_relief."))
    assert {"drive_from_footage", "install_backend", "remove_backend", "rebuild_relief"} <= drawn_dialogs
