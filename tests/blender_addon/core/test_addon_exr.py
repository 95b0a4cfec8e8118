# SPDX-License-Identifier: GPL-3.0-or-later
"""Float pictures written by the add-on, read by OpenEXR itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blender_addon.core.exr import grey_alpha_steps
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
