# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the open file, as the tests read it."""

from __future__ import annotations

import bpy
import numpy as np


def relief() -> bpy.types.Object:
    return next(item for item in bpy.data.objects if item.type == "MESH")


def coordinates(mesh: bpy.types.Mesh) -> np.ndarray:
    values = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", values)
    return values.reshape(-1, 3)


def depths(mesh: bpy.types.Mesh) -> np.ndarray:
    values = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes["depth_mm"].data.foreach_get("value", values)
    return values


def image_pixels(image: bpy.types.Image) -> np.ndarray:
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], -1)
