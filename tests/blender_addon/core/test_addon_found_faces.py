# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces of a report on the picture as it is stored."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from blender_addon.core import found_faces
from blender_addon.core.crop import Crop

FACES = [{"number": 1, "x": 10.2, "y": 12.0, "side": 8.1}, {"number": 2, "x": 30.0, "y": 12.0, "side": 10.0}]


def test_faces_lie_where_the_upright_photo_shows_them():
    found = found_faces.of_report({"photo": {"size": [40, 60]}, "faces": FACES}, b"")
    assert found == (Crop(6, 8, 8), Crop(25, 7, 10))
    assert found_faces.from_text(found_faces.to_text(found)) == found


def test_faces_of_a_phone_held_upright_lie_on_the_stored_picture():
    exif = Image.Exif()
    exif[0x0112] = 6  # the upright photo of 40 x 60 is stored as 60 x 40, its top to the left
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40)).save(buffer, "JPEG", exif=exif)
    first, _second = found_faces.of_report({"photo": {"size": [40, 60]}, "faces": FACES}, buffer.getvalue())
    assert first == Crop(8, 40 - 6 - 8, 8)


@pytest.mark.parametrize("report", [{}, {"faces": FACES}, {"photo": {"size": [40, 60]}, "faces": [{"x": 1}]}])
def test_a_report_that_tells_nothing_has_no_faces(report):
    assert found_faces.of_report(report, b"") == ()


def test_anything_else_in_the_file_is_no_faces():
    assert found_faces.from_text("") == found_faces.from_text("[[1]]") == found_faces.from_text("{") == ()
