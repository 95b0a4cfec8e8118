# SPDX-License-Identifier: GPL-3.0-or-later
"""Glasses: rims, bridge and temples as tubes round the eyes of an identity, and dark lenses for some (numpy only).

Clear lenses are left out: their glass would hide the eyes' depth and hardly shows at portrait size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import Glasses
from backend.training.render.identity import Identity

RIM_POINTS = 36
TUBE_SIDES = 6
FACE_GAP_DM = 0.03  # between the rims and most of the skin behind them
BEFORE_EYE_DM = 0.25  # of the rims before the middle of the eyeball, which is 12 mm thick there
EAR_BACK_DM = 1.15  # how far behind the rims the temples end


@dataclass(frozen=True)
class GlassesMesh:
    """Vertices [V, 3] dm in the neutral head's frame, faces, and the material of each face (0 frame, 1 lens)."""

    vertices: np.ndarray
    faces: list[tuple[int, ...]]
    material: np.ndarray


def glasses_of(assets: HeadAssets, identity: Identity, glasses: Glasses) -> GlassesMesh:
    """Glasses that sit on this identity's nose."""
    eyes = {side: identity.vertices[assets.groups[f"joint-{side}-eye"]].mean(0) for side in "lr"}
    parts: list[tuple[np.ndarray, list[tuple[int, ...]], int]] = []
    skin = identity.vertices[:13380]
    rims = {}
    for side, sign in (("l", 1.0), ("r", -1.0)):
        rims[side] = rim = _rim(eyes[side], sign, glasses)
        near = np.abs(skin[:, None, :2] - rim[None, :, :2]).max(2).min(1) < 0.06
        front = skin[near & (skin[:, 2] > eyes[side][2] - 0.3), 2]
        # The rims stand before the cornea and the cheeks; only the pads between them touch the nose.
        touching = np.percentile(front, 60) + FACE_GAP_DM if len(front) else -np.inf
        rim[:, 2] += max(touching, eyes[side][2] + BEFORE_EYE_DM) - rim[:, 2].max()
    depth = max(rim[:, 2].max() for rim in rims.values())
    for side in "lr":
        rims[side][:, 2] += depth - rims[side][:, 2].max()
        parts.append((*_tube(rims[side], glasses.thickness_dm, closed=True), 0))
        if glasses.tinted:
            centre = rims[side].mean(0)
            fan = [(len(rims[side]), k, (k + 1) % RIM_POINTS) for k in range(RIM_POINTS)]
            parts.append((np.concatenate([rims[side], centre[None]]), fan, 1))
    inner = {side: rims[side][np.abs(rims[side][:, 0]).argmin()] for side in "lr"}
    t = np.linspace(0, 1, 8)[:, None]
    bridge = inner["l"] * (1 - t) + inner["r"] * t + np.sin(np.pi * t) * np.array([0, 0.05, 0.03])
    parts.append((*_tube(bridge, 0.9 * glasses.thickness_dm, closed=False), 0))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        outer = rims[side][(sign * rims[side][:, 0] + 0.3 * rims[side][:, 1]).argmax()]
        ear = np.abs(skin[:, 1] - outer[1]) < 0.15
        width = np.abs(skin[ear & (np.abs(skin[:, 2] - (outer[2] - EAR_BACK_DM)) < 0.25), 0])
        end = np.array(
            [sign * (width.max() * 0.97 if len(width) else 0.8), outer[1] - 0.02, outer[2] - EAR_BACK_DM]
        )
        hinge = outer + (sign * 0.05, 0.0, -0.04)
        line = np.concatenate([outer[None], hinge[None] * (1 - t) + end[None] * t])
        parts.append((*_tube(line, 0.9 * glasses.thickness_dm, closed=False), 0))
    return _joined(parts)


def _rim(eye: np.ndarray, sign: float, glasses: Glasses) -> np.ndarray:
    """A superellipse round an eye [RIM_POINTS, 3], curved back at its outer side."""
    angle = np.linspace(0, 2 * np.pi, RIM_POINTS, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    power = 2.0 / glasses.squareness
    x = glasses.half_width_dm * np.sign(c) * np.abs(c) ** power
    y = glasses.half_height_dm * np.sign(s) * np.abs(s) ** power
    y = y + glasses.cat_eye_dm * np.clip(x / glasses.half_width_dm, 0, 1) ** 2 * (y > 0)
    y = np.where(y < 0, y * (1 + glasses.drop * np.clip(1 - np.abs(x) / glasses.half_width_dm, 0, 1)), y)
    z = -0.12 * np.clip(x / glasses.half_width_dm, 0, 1) ** 2
    return np.stack([eye[0] + sign * (0.02 + x), eye[1] - 0.03 + y, eye[2] + z], 1)


def _tube(line: np.ndarray, radius: float, *, closed: bool) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """A tube along points [P, 3]: vertices and quads."""
    ahead = np.roll(line, -1, 0) - np.roll(line, 1, 0) if closed else np.gradient(line, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    side = np.cross(ahead, np.array([0.05, 0.1, 1.0]))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(ahead, side)
    angle = np.arange(TUBE_SIDES) * 2 * np.pi / TUBE_SIDES
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    vertices = (line[:, None] + radius * ring).reshape(-1, 3)
    count = len(line)
    faces = []
    for k in range(count if closed else count - 1):
        a, b = k * TUBE_SIDES, ((k + 1) % count) * TUBE_SIDES
        for j in range(TUBE_SIDES):
            i = (j + 1) % TUBE_SIDES
            faces.append((a + j, a + i, b + i, b + j))
    return vertices, faces


def _joined(parts: list[tuple[np.ndarray, list[tuple[int, ...]], int]]) -> GlassesMesh:
    faces: list[tuple[int, ...]] = []
    material: list[int] = []
    start = 0
    for vertices, own, kind in parts:
        faces += [tuple(start + corner for corner in face) for face in own]
        material += [kind] * len(own)
        start += len(vertices)
    return GlassesMesh(np.concatenate([part[0] for part in parts]), faces, np.array(material, np.int32))
