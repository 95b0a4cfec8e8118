# SPDX-License-Identifier: GPL-3.0-or-later
"""How light, normals and regions are packed into the bytes of a shot's file (numpy only).

Light is kept linear: a byte holds the square root of the value, about as the eye sees it. Then a mix of groups has
errors of about one grey level in the dark as in the bright, and decoding is one multiplication.
"""

from __future__ import annotations

import numpy as np

LIGHT_LIMIT = 4.0
"""Linear light, exposure 1: brighter highlights are cut. `relight.tone_map` shows 1.5 as .97 and all above 2.4 as
white."""
LUMINANCE = (0.2126, 0.7152, 0.0722)
SHOULDER_FROM, SHOULDER_SOFTNESS = 0.8, 0.35

FACE_REGIONS = ("left_eye", "right_eye", "mouth", "eyeball", "mouth_inside", "glasses", "hair", "face_hair")
"""Bits of the region mask, lowest first. Eyes (of the subject) hold lids, lashes and eyeball, the mouth lips and
inside; "eyeball" and "mouth_inside" (teeth and tongue too) tell what is open; "face_hair", from format 5 on, is where
a hair of brows or beard is seen at all."""


def light_scale(linear: np.ndarray) -> float:
    """What byte 255 of a group stands for: its brightest value [any shape], at most `LIGHT_LIMIT`."""
    return float(np.clip(linear.max(initial=0.0), 1e-4, LIGHT_LIMIT))


def encode_light(linear: np.ndarray, scale: float) -> np.ndarray:
    """Linear light 0..scale -> uint8 of the same shape; more is cut."""
    return np.rint(255 * np.sqrt(np.clip(linear / scale, 0, 1))).astype(np.uint8)


def decode_light(code: np.ndarray, scale: float) -> np.ndarray:
    """Inverse of `encode_light`, float32."""
    return (code.astype(np.float32) / 255) ** 2 * np.float32(scale)


def encode_normals(normals: np.ndarray) -> np.ndarray:
    """Unit normals [..., 3] -> octahedral uint8 [..., 2] (Cigolle et al., JCGT 2014); within 1 degree, and exact along
    the axes. (128, 128) looks along +Z, which zero vectors become too."""
    n = normals / np.maximum(np.abs(normals).sum(-1, keepdims=True), 1e-9)
    folded = (1 - np.abs(n[..., 1::-1])) * np.where(n[..., :2] >= 0, 1.0, -1.0)
    flat = np.where(n[..., 2:] < 0, folded, n[..., :2])
    return np.rint(flat * 127 + 128).astype(np.uint8)


def decode_normals(code: np.ndarray) -> np.ndarray:
    """Octahedral uint8 [..., 2] -> unit normals [..., 3] float32."""
    flat = (code.astype(np.float32) - 128) / 127
    z = 1 - np.abs(flat).sum(-1, keepdims=True)
    folded = flat - np.sign(flat) * np.maximum(-z, 0)
    normals = np.concatenate([folded, z], -1)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def encode_regions(masks: dict[str, np.ndarray]) -> np.ndarray:
    """Bool masks of one shape, by the names of `FACE_REGIONS` -> uint8 bits."""
    bits = [masks[name].astype(np.uint8) << bit for bit, name in enumerate(FACE_REGIONS)]
    return np.bitwise_or.reduce(bits)


def decode_region(bits: np.ndarray, name: str) -> np.ndarray:
    """Bool mask of one region."""
    return (bits >> FACE_REGIONS.index(name) & 1).astype(bool)
