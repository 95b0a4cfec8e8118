# SPDX-License-Identifier: GPL-3.0-or-later
"""Photos of every kind come in as upright 8-bit sRGB, and unusable ones as errors that name the file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from backend.errors import InputError
from backend.imaging.load import load_photo


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def gradient(width: int = 300, height: int = 240) -> np.ndarray:
    """Red rises to the right, green downwards: every rotation and mirroring is told apart."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(0, 255, width)[None]
    rgb[..., 1] = np.linspace(0, 255, height)[:, None]
    return rgb


@pytest.mark.parametrize(("file_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_come_in_exactly(file_format: str, options: dict) -> None:
    rgb = gradient()
    assert np.array_equal(load_photo(encoded(Image.fromarray(rgb), file_format, **options)).rgb, rgb)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(orientation: int) -> None:
    upright = Image.fromarray(gradient())
    how_it_is_stored = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for step in how_it_is_stored.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = load_photo(encoded(stored, "JPEG", exif=exif, quality=95))
    assert photo.rgb.shape == (240, 300, 3)
    assert np.abs(photo.rgb.astype(int) - gradient()).mean() < 3
    assert photo.metadata["exif_orientation"] == orientation


@pytest.mark.parametrize(("written", "read"), [(85, 85.0), (0, None), (None, None)])
def test_the_focal_length_is_read_where_the_camera_wrote_it(written: int | None, read: float | None) -> None:
    exif = Image.Exif()
    if written is not None:
        exif.get_ifd(0x8769)[0xA405] = written
    photo = load_photo(encoded(Image.fromarray(gradient()), "JPEG", exif=exif))
    assert photo.metadata.get("focal_length_35mm") == read


def test_damaged_exif_does_not_spoil_a_good_picture() -> None:
    photo = load_photo(encoded(Image.fromarray(gradient()), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"))
    assert photo.rgb.shape == (240, 300, 3)


def test_alpha_is_composited_over_grey() -> None:
    rgba = np.full((220, 220, 4), (255, 0, 0, 255), np.uint8)
    rgba[:, 110:, 3] = 0
    for picture in (encoded(Image.fromarray(rgba), "PNG"), rgba):
        rgb = load_photo(picture).rgb
        assert tuple(rgb[0, 0]) == (255, 0, 0)
        assert tuple(rgb[0, -1]) == (128, 128, 128)


def test_palette_with_transparency_greyscale_and_cmyk_become_rgb() -> None:
    palette = Image.fromarray(gradient()).quantize(64)
    assert load_photo(encoded(palette, "PNG", transparency=0)).rgb.shape == (240, 300, 3)
    grey = load_photo(encoded(Image.fromarray(gradient()).convert("L"), "JPEG")).rgb
    assert np.array_equal(grey[..., 0], grey[..., 2])
    cmyk = load_photo(encoded(Image.fromarray(gradient()).convert("CMYK"), "JPEG", quality=95)).rgb
    assert np.abs(cmyk.astype(int) - gradient()).mean() < 6


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 256 * 256).reshape(256, 256).astype(np.uint16)
    rgb = load_photo(encoded(Image.fromarray(values), "PNG")).rgb
    assert np.abs(rgb[..., 0].astype(float) - values / 257).max() <= 0.51


def test_colour_profiles_are_converted_to_srgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    same = load_photo(encoded(Image.fromarray(gradient()), "PNG", icc_profile=lab.tobytes()))
    assert np.array_equal(same.rgb, gradient())
    broken = load_photo(encoded(Image.fromarray(gradient()), "PNG", icc_profile=b"not a profile" * 20))
    assert np.array_equal(broken.rgb, gradient())


def linear_profile() -> bytes:
    """LittleCMS's sRGB with another name, and gamma 1 in its curves."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for index in range(struct.unpack(">I", profile[128:132])[0]):
        name, start, size = struct.unpack(">4sII", profile[132 + 12 * index : 144 + 12 * index])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            linear = b"para" + bytes(4) + struct.pack(">HHi", 0, 0, 65536)
            profile[start : start + size] = linear + bytes(size - len(linear))
    names = ("sRGB built-in".encode("utf-16-be"), "linear sRGB  ".encode("utf-16-be"))
    assert names[0] in profile
    return bytes(profile).replace(*names)


def test_linear_indexed_and_grey_pictures_with_an_rgb_profile_are_converted_too() -> None:
    """What "sRGB built-in, linear" profiles hold comes out far too dark where it is taken for sRGB."""
    grey = Image.fromarray(np.full((200, 200), 55, np.uint8))  # 55 / 255 of the light is 128 of sRGB
    for image in (grey.convert("RGB"), grey, grey.convert("RGB").quantize(4)):
        rgb = load_photo(encoded(image, "PNG", icc_profile=linear_profile())).rgb
        assert np.abs(rgb.astype(int) - 128).max() <= 2


def test_arrays_of_floats_and_sixteen_bits_are_taken() -> None:
    rgb = gradient()
    assert np.array_equal(load_photo(rgb / 255.0).rgb, rgb)
    assert np.array_equal(load_photo(rgb.astype(np.uint16) * 257).rgb, rgb)


@pytest.mark.parametrize(
    "array", [np.zeros((300, 300, 2), np.uint8), np.full((300, 300, 3), 7.0), np.zeros(9)]
)
def test_arrays_that_are_no_pictures_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError):
        load_photo(array)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda good: good[: len(good) // 2], "damaged_photo"),
        (lambda good: good[:20], "damaged_photo"),
        (lambda good: b"hello", "unreadable_photo"),
        (lambda good: b"", "unreadable_photo"),
        (lambda good: encoded(Image.fromarray(gradient()), "TIFF"), "unreadable_photo"),
        (lambda good: encoded(Image.fromarray(gradient(199, 400)), "PNG"), "photo_too_small"),
        (lambda good: bomb(8001, 300), "photo_too_large"),
        (lambda good: bomb(60000, 60000), "photo_too_large"),
        (lambda good: bomb(5000, 5000), "damaged_photo"),
    ],
)
def test_unusable_files_are_refused_by_name_with_a_remedy(tmp_path: Path, content, code: str) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content(encoded(Image.fromarray(gradient()), "PNG")))
    with pytest.raises(InputError) as caught:
        load_photo(path)
    assert caught.value.code == code
    assert "holiday.jpg" in caught.value.message and caught.value.hint


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(InputError, match=path.name):
            load_photo(path)


def test_the_limits_themselves_are_allowed() -> None:
    assert load_photo(encoded(Image.new("RGB", (200, 200)), "PNG")).width == 200
    assert load_photo(encoded(Image.new("RGB", (8000, 200)), "PNG")).width == 8000
