# SPDX-License-Identifier: GPL-3.0-or-later
"""Float pictures written by the add-on, read by OpenEXR itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blender_addon.core.exr import write_rgba


def test_openexr_reads_every_bit_of_it(tmp_path: Path):
    import OpenEXR

    pixels = np.random.default_rng(3).normal(0, 90, (7, 5, 4)).astype(np.float32)
    pixels[0, 0] = (1e-30, -0.0, 3.4e38, 0.49)
    path = tmp_path / "depth.exr"
    path.write_bytes(write_rgba(pixels))
    with OpenEXR.File(str(path), separate_channels=True) as file:
        read = np.stack([file.channels()[name].pixels for name in "RGBA"], -1)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read.view(np.uint32), pixels.view(np.uint32))
