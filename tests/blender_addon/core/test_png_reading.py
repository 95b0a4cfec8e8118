# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG files read without Blender, against Pillow's own."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from blender_addon.core import arrays
from blender_addon.core.png_reading import is_plain, rgb_steps
from blender_addon.core.steps import finish

SHAPES = [(1, 1), (1, 40), (40, 1), (23, 61), (61, 23)]


def picture(height: int, width: int) -> np.ndarray:
    """Smooth, so that encoders take all kinds of filters, with some noise."""
    y, x, channel = np.mgrid[0:height, 0:width, 0:3]
    values = (
        128 + 90 * np.sin(x / 5 + channel) * np.cos(y / 7) + np.random.default_rng(2).normal(0, 2, x.shape)
    )
    return values.clip(0, 255).astype(np.uint8)


def filters_of(png: bytes, height: int) -> set[int]:
    packed = b"".join(content for kind, content in arrays.png_chunks(png) if kind == b"IDAT")
    return set(np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, -1)[:, 0].tolist())


def filtered(rgb: np.ndarray, kind: int) -> bytes:
    """A PNG whose rows all have one filter, by the specification's own words, one byte after the other."""
    height, width, _ = rgb.shape
    rows = bytearray()
    for y in range(height):
        rows.append(kind)
        for x in range(width):
            for c in range(3):
                a = int(rgb[y, x - 1, c]) if x else 0
                b = int(rgb[y - 1, x, c]) if y else 0
                d = int(rgb[y - 1, x - 1, c]) if x and y else 0
                near = min((a, b, d), key=lambda each, p=a + b - d: abs(p - each))
                rows.append((int(rgb[y, x, c]) - (0, a, b, (a + b) // 2, near)[kind]) % 256)
    header = next(content for name, content in arrays.png_chunks(arrays.write_png(rgb)) if name == b"IHDR")
    return arrays.png_file([(b"IHDR", bytes(header)), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b"")])


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("shape", SHAPES)
def test_every_filter_is_undone(shape: tuple[int, int], kind: int):
    rgb = picture(*shape)
    png = filtered(rgb, kind)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), rgb)
    np.testing.assert_array_equal(finish(rgb_steps(png)), rgb)


def test_pillows_files_with_mixed_filters_are_read():
    rgb = picture(90, 130)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=4)
    png = buffer.getvalue()
    assert len(filters_of(png, 90)) > 2
    np.testing.assert_array_equal(finish(rgb_steps(png)), rgb)


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "I;16"])
def test_other_pictures_are_refused(mode: str):
    buffer = io.BytesIO()
    Image.new(mode, (4, 4)).save(buffer, "PNG")
    assert not is_plain(buffer.getvalue())
    with pytest.raises(ValueError, match="8-bit RGB"):
        finish(rgb_steps(buffer.getvalue()))


def test_a_transparent_colour_is_left_to_blender():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG", transparency=(0, 0, 0))
    assert not is_plain(buffer.getvalue())


def test_broken_files_are_refused():
    png = arrays.write_png(picture(20, 20))
    assert not is_plain(b"") and not is_plain(b"\xff\xd8\xff" + bytes(60)) and is_plain(png)
    for broken in (png[:-40], png.replace(b"IDAT", b"IDOT")):
        with pytest.raises(ValueError, match=r"PNG|reshape"):
            finish(rgb_steps(broken))
