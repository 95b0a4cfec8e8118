# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that fails in every way that the fake one knows: what is shown, and that nothing is lost."""

from __future__ import annotations

import contextlib
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender_addon.inside_blender.contents import coordinates, relief


@pytest.mark.parametrize(
    ("mode", "code", "remedy"),
    [
        ("crash", "backend_stopped", "RESTART_BACKEND"),
        ("hang", "backend_unreachable", "RESTART_BACKEND"),
        ("garbage", "bad_answer", "RESTART_BACKEND"),
        ("oom", "out_of_memory", "RETRY"),
        ("wrong_protocol", "wrong_protocol", "OPEN_PREFERENCES"),
        ("no_start", "backend_start_failed", "OPEN_LOG"),
        ("no_head", "import_failed", "CHOOSE_PICTURE"),
    ],
)
def test_failures_are_shown_with_the_button_that_mends_them(fake, photo, mode, code, remedy):
    fake(mode)
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.portrait_relief.generate(timeout=20)
    shown = bpy.context.window_manager.portrait_relief
    assert (shown.state, shown.error_code, shown.remedy) == ("FAILED", code, remedy)
    assert shown.message and shown.message in str(caught.value)
    assert not bpy.data.objects and not bpy.context.scene.portrait_relief.results
    bpy.ops.portrait_relief.dismiss()
    assert shown.message == "" and shown.state == "IDLE"


def begun(job: str, folder: Path) -> set[str]:
    """The button of a job, to its end."""
    operators = bpy.ops.portrait_relief
    if job == "drive":
        (folder / "shot.jpg").write_bytes(b"a picture")
        return operators.drive_from_footage(filepath=str(folder / "shot.jpg"), timeout=20)
    button = {"generate": operators.generate, "repaint": operators.repaint}
    return button.get(job, operators.generate_sequence)(timeout=20)


@pytest.mark.parametrize(
    ("job", "mode"),
    [
        *(("generate", mode) for mode in ("crash", "hang", "garbage", "damaged", "oom", "wrong_protocol")),
        *(
            (job, mode)
            for job in ("repaint", "sequence", "drive")
            for mode in ("crash", "hang", "garbage", "oom")
        ),
    ],
)
def test_a_failure_loses_nothing_and_the_next_job_works(fake, photo, tmp_path, job, mode):
    fake("ok")
    settings = bpy.context.scene.portrait_relief
    settings.sequence_folder = str(tmp_path / "sequences")
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 5
    bpy.ops.portrait_relief.estimate_depth(timeout=20)
    item = relief()
    item.data.vertices[0].co.z += 0.01  # sculpted
    settings.jawOpen, settings.seed = 0.4, 7
    before = coordinates(item.data)
    fake(mode)
    with contextlib.suppress(RuntimeError):  # with another protocol the start fails already
        bpy.ops.portrait_relief.restart_backend()
    with pytest.raises(RuntimeError):
        begun(job, tmp_path)
    shown = bpy.context.window_manager.portrait_relief
    assert shown.message and shown.hint and shown.remedy != "NONE"
    assert [each.name for each in bpy.data.objects] == [item.name] and len(settings.results) == 1
    np.testing.assert_array_equal(coordinates(item.data), before)
    assert (settings.image, round(settings.jawOpen, 3), settings.seed) == (photo, 0.4, 7)
    fake("ok")
    assert bpy.ops.portrait_relief.restart_backend() == {"FINISHED"}
    assert begun(job, tmp_path) == {"FINISHED"}
    assert shown.message == "" and len(settings.results) == (1 if job == "drive" else 2)


def test_a_failed_job_does_not_stop_the_next_one(fake, photo):
    fake("crash")
    with pytest.raises(RuntimeError):
        bpy.ops.portrait_relief.generate(timeout=20)
    fake("ok")
    assert bpy.ops.portrait_relief.restart_backend() == {"FINISHED"}
    assert bpy.ops.portrait_relief.generate(timeout=20) == {"FINISHED"}
    assert bpy.context.window_manager.portrait_relief.message == ""


def test_without_a_picture_it_says_so(addon):
    with pytest.raises(RuntimeError, match="No picture is chosen"):
        bpy.ops.portrait_relief.generate()
    assert bpy.context.window_manager.portrait_relief.remedy == "CHOOSE_PICTURE"
