# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings read back from pictures as the backend writes them. No bpy."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backend.imaging.depth_codec import write_rgb_png
from blender_addon.core.picture_settings import PictureSettings, from_png, from_report

REPORT = {
    "tool": "Portrait Relief",
    "settings": {
        "mode": "generate",
        "expression": {"jawOpen": 0.5},
        "pose": {"yaw": -8.0},
        "steps": 2,
        "seed": 7,
    },
}
FOUND = PictureSettings("generate", {"jawOpen": 0.5}, {"yaw": -8.0}, 2, 7)


def test_a_picture_of_the_backend_tells_its_settings(tmp_path):
    write_rgb_png(tmp_path / "portrait.png", np.zeros((4, 5, 3), np.uint8), {**REPORT, "umlaut": "äöü"})
    assert from_png((tmp_path / "portrait.png").read_bytes()) == FOUND


def test_face_and_crop_are_told_as_the_panel_has_them():
    faces = [{"number": 1, "x": 300.0}, {"number": 2, "x": 90.0}]
    told = from_report(REPORT | {"face_number": 1, "faces": faces, "crop": [1.0, 2.0, 64.0]})
    # Older reports number faces by how surely they were found: the first one of these is the second from the left.
    assert told is not None and (told.face, told.crop) == (2, None)
    told = from_report(REPORT | {"face_number": 1, "faces": faces[:1], "crop": [1.0, 2.0, 64.0]})
    assert told is not None and (told.face, told.crop) == (0, None)
    told = from_report(REPORT | {"face_number": None, "faces": [], "crop": [-3.4, 2.6, 64.0]})
    assert told is not None and (told.face, told.crop) == (0, (-3, 3, 64))
    for damaged in (
        {"face_number": 7, "faces": faces},
        {"face_number": None},
        {"face_number": "x", "faces": 3},
    ):
        told = from_report(REPORT | damaged)
        assert told is not None and (told.face, told.crop) == (None, None)


def test_a_compressed_text_is_read_too():
    info = PngInfo()
    info.add_itxt("portrait_relief", json.dumps(REPORT), zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, "PNG", pnginfo=info)
    assert from_png(buffer.getvalue()) == FOUND


@pytest.mark.parametrize("text", ["no json", "[1]", "{}", '{"settings": {"mode": 3}}'])
def test_other_pictures_tell_nothing(text: str):
    info = PngInfo()
    info.add_itxt("portrait_relief", text)
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, "PNG", pnginfo=info)
    assert from_png(buffer.getvalue()) is None
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, "PNG")
    assert from_png(buffer.getvalue()) is None
    assert from_png(b"\xff\xd8 a JPEG") is None


def test_a_damaged_picture_tells_nothing(tmp_path):
    write_rgb_png(tmp_path / "portrait.png", np.zeros((4, 5, 3), np.uint8), REPORT)
    data = (tmp_path / "portrait.png").read_bytes()
    for length in range(0, len(data), 7):
        assert from_png(data[:length]) in (None, FOUND)


def test_what_this_version_does_not_know_is_left_out():
    report = {
        "settings": {
            "mode": "generate",
            "expression": {"jawOpen": 0.5, "earWiggle": 1, "mouthLeft": "x"},
            "seed": -1,
        }
    }
    assert from_report(report) == PictureSettings("generate", {"jawOpen": 0.5})
