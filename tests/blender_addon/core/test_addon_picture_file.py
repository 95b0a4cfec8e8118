# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind and orientation of picture files, against Pillow's files and its own turning."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from blender_addon.core import picture_file
from blender_addon.core.crop import Crop

KINDS = ("JPEG", "PNG", "WEBP")
STORED = (60, 40)


def written(kind: str, turned: int | None = None, size: tuple[int, int] = STORED) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x010F] = "A camera"  # another entry before it
    if turned is not None:
        exif[0x0112] = turned
    Image.new("RGB", size, (90, 60, 30)).save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_kind_and_orientation_of_what_pillow_wrote(kind: str) -> None:
    assert picture_file.kind(written(kind)) == kind
    assert picture_file.orientation(written(kind)) == 1
    assert [picture_file.orientation(written(kind, turned)) for turned in range(1, 9)] == list(range(1, 9))


def test_other_files_are_none_of_these() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", STORED).save(buffer, "TIFF")
    assert picture_file.kind(buffer.getvalue()) is None and picture_file.orientation(buffer.getvalue()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_anywhere_is_upright_or_as_it_says(kind: str) -> None:
    data = written(kind, 6)
    assert {picture_file.orientation(data[:end]) for end in range(len(data))} <= {1, 6}


@pytest.mark.parametrize("turned", range(1, 9))
def test_a_crop_goes_with_the_turned_picture(turned: int) -> None:
    stored = np.zeros((*STORED[::-1], 3), np.uint8)
    crop = Crop(5, 12, 20)
    stored[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side] = 255
    exif = Image.Exif()
    exif[0x0112] = turned
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, "PNG", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    rows, cols = np.nonzero(shown[..., 0])
    upright = picture_file.upright(crop, STORED, turned)
    assert upright == (cols.min(), rows.min(), crop.side)
    assert picture_file.stored(upright, (shown.shape[1], shown.shape[0]), turned) == crop
