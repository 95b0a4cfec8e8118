# SPDX-License-Identifier: GPL-3.0-or-later
"""npy, PNG, names, presets, addresses and multipart."""

from __future__ import annotations

import email
import email.policy
import io
import re

import numpy as np
import pytest
from PIL import Image

from backend.model import expression_names
from blender_addon.core import arkit, arrays, presets, protocol
from blender_addon.core.errors import AddonError


def test_png_is_read_back_bit_identically_by_another_reader():
    rgb = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    data = arrays.write_png(rgb)
    assert arrays.png_size(arrays.checked_png(data)) == (53, 37)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), rgb)


def test_cut_off_files_are_refused():
    data = arrays.write_png(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="cut off"):
        arrays.checked_png(data[:-6])
    with pytest.raises(ValueError, match="cut off"):
        arrays.read_npy(arrays.write_npy(np.zeros((3, 4)))[:-1])


def test_npy_round_trip_keeps_nan_and_other_types_are_refused():
    values = np.array([[1.5, np.nan], [-3.25, 0.0]], np.float32)
    np.testing.assert_array_equal(arrays.read_npy(arrays.write_npy(values)), values)
    buffer = io.BytesIO()
    np.save(buffer, np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(ValueError, match="not supported"):
        arrays.read_npy(buffer.getvalue())


def test_linear_light_is_encoded_as_srgb_and_bytes_stay_bytes():
    pixels = np.ones((1, 2, 4), np.float32)
    pixels[0, :, :3] = [[0.5, 0.0, 1.0], [0.002, 0.2, 2.0]]
    assert arrays.srgb_bytes(pixels, scene_linear=True).tolist() == [[[188, 0, 255], [7, 124, 255]]]
    assert arrays.srgb_bytes(pixels, scene_linear=False)[0, 0].tolist() == [128, 0, 255]


def test_pictures_are_flipped_and_transparency_is_laid_over_white():
    pixels = np.zeros((2, 1, 4), np.float32)
    pixels[0, 0] = [0, 0, 0, 0]  # bottom row
    pixels[1, 0] = [1, 0, 0, 1]
    assert arrays.srgb_bytes(pixels, scene_linear=False).tolist() == [[[255, 0, 0]], [[255, 255, 255]]]


def test_names_are_those_of_the_backend():
    assert tuple(expression_names.ARKIT_NAMES) == arkit.ARKIT_NAMES
    assert tuple(expression_names.POSE_NAMES) == arkit.POSE_NAMES
    assert len(set(arkit.ARKIT_NAMES)) == 51


def test_mirroring_twice_changes_nothing_and_once_swaps_sides():
    values = {"eyeBlinkLeft": 1.0, "jawLeft": 0.3, "jawOpen": 0.2, "yaw": 10.0, "pitch": 5.0}
    assert arkit.mirrored(values) == {
        "eyeBlinkRight": 1.0,
        "jawRight": 0.3,
        "jawOpen": 0.2,
        "yaw": -10.0,
        "pitch": 5.0,
    }
    assert arkit.mirrored(arkit.mirrored(values)) == values


def test_presets_name_only_known_coefficients_in_range():
    for preset in presets.PRESETS:
        assert set(preset.values) <= set(arkit.ARKIT_NAMES), preset.label
        assert all(0 < value <= 1 for value in preset.values.values()), preset.label
    assert presets.coefficients("SMILE", 0.5)["mouthSmileLeft"] == pytest.approx(0.3)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "http://localhost:80", "localhost:80", " 127.0.0.1:80 "])
def test_loopback_addresses_are_taken(text: str):
    address = protocol.parse_address(text, " t ")  # pasted, with a space too many
    assert (address.port, address.token) == (80, "t")


@pytest.mark.parametrize(
    "text", ["", "10.0.0.5:80", "example.com:80", "127.0.0.1", "127.0.0.1:http", "[::1:80"]
)
def test_other_addresses_are_refused_with_a_remedy(text: str):
    with pytest.raises(AddonError) as caught:
        protocol.parse_address(text, "t")
    assert caught.value.problem.code in {"not_loopback", "bad_address"}
    assert caught.value.problem.remedy.value == "OPEN_PREFERENCES"


@pytest.mark.parametrize("token", ["pässword", "two\nlines"])
def test_a_token_that_no_header_can_carry_is_refused_with_a_remedy(token: str):
    with pytest.raises(AddonError) as caught:
        protocol.parse_address("127.0.0.1:80", token)
    assert caught.value.problem.code == "bad_token"


def test_multipart_is_read_by_another_parser():
    picture = bytearray(b"\0\r\n--\xff")
    content_type, parts = protocol.multipart(
        {
            "request": (None, "application/json", b"{}"),
            "portrait": ('ä"\r\nx.png', "image/png", picture),
        }
    )
    assert any(part is picture for part in parts)  # no copy of what may be large
    body = b"".join(parts)
    message = email.message_from_bytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    request, portrait = message.iter_parts()
    assert request.get_payload(decode=True) == b"{}"
    assert portrait.get_payload(decode=True) == b"\0\r\n--\xff"
    assert re.search(rb'filename="[^"\r\n]*x.png"', body)


def test_soft_edges_of_float_pictures_get_no_dark_fringe():
    straight = np.array([[[0.5, 0.2, 0.8]]], np.float32)
    premultiplied = np.concatenate([straight * 0.25, np.full((1, 1, 1), 0.25, np.float32)], 2)
    opaque = np.concatenate([straight, np.ones((1, 1, 1), np.float32)], 2)
    laid_over_white = arrays.srgb_bytes(premultiplied, scene_linear=True).astype(float)
    colour = arrays.srgb_bytes(opaque, scene_linear=True).astype(float)
    np.testing.assert_allclose(laid_over_white, 0.25 * colour + 0.75 * 255, atol=1)
