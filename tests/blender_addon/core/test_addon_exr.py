# SPDX-License-Identifier: GPL-3.0-or-later
"""Float pictures written by the add-on, read by OpenEXR itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blender_addon.core.exr import grey_alpha_of_steps, grey_alpha_steps, is_grey_alpha, size_px
from blender_addon.core.steps import finish


def test_openexr_reads_every_bit_of_it(tmp_path: Path):
    import OpenEXR

    random = np.random.default_rng(3)
    grey, alpha = random.normal(0, 90, (2, 37, 5)).astype(np.float32)  # two blocks of 16 lines and one of 5
    grey[0] = (1e-30, -0.0, 3.4e38, 0.49, 1)
    alpha[20:] = 0.5  # compressed; noise stays as it is
    grey[20:] = 0
    path = tmp_path / "depth.exr"
    path.write_bytes(finish(grey_alpha_steps(grey, alpha)))
    with OpenEXR.File(str(path), separate_channels=True) as file:
        read = [file.channels()[name].pixels for name in "YA"]
    for found, given in zip(read, (grey, alpha), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.view(np.uint32), given.view(np.uint32))


def test_what_is_even_takes_little_room():
    flat = np.zeros((200, 300), np.float32)
    assert len(finish(grey_alpha_steps(flat, flat + 1))) < 10_000


def test_what_was_written_is_read_back_to_the_bit():
    random = np.random.default_rng(4)
    for shape in ((37, 5), (1, 1), (16, 33)):
        grey, alpha = random.normal(0, 90, (2, *shape)).astype(np.float32)
        grey[shape[0] // 2 :] = 0
        alpha[shape[0] // 3 :] = 0.5
        file = finish(grey_alpha_steps(grey, alpha))
        assert is_grey_alpha(file) and size_px(file) == shape[::-1]
        for found, given in zip(finish(grey_alpha_of_steps(file)), (grey, alpha), strict=True):
            np.testing.assert_array_equal(found.view(np.uint32), given.view(np.uint32))


def test_files_of_others_and_broken_ones_are_refused(tmp_path: Path):
    import OpenEXR

    other, values = tmp_path / "other.exr", np.zeros((40, 30), np.float32)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": values, "A": values}).write(str(other))
    file = finish(grey_alpha_steps(values, values))
    for data in (b"", file[:200], other.read_bytes(), file[: len(file) // 2], file[:-8]):
        with pytest.raises(ValueError, match="EXR|luminance"):
            finish(grey_alpha_of_steps(data))
