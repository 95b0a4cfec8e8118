# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in and out of Blender."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ..core import arrays, errors, temp_files
from ..core.errors import AddonError, Remedy

KIND_KEY = "portrait_relief_kind"
RESULT_KEY = "portrait_relief_result"


def _no_picture(message: str, hint: str) -> AddonError:
    return AddonError(errors.Problem("no_picture", message, hint, Remedy.CHOOSE_PICTURE))


def png_of_image(image: bpy.types.Image) -> bytes:
    """The image's pixels as they are now (painted, packed, generated) as an 8-bit sRGB PNG.

    Raises AddonError for images without pixels.
    """
    return arrays.write_png(srgb_of_image(image))


def srgb_of_image(image: bpy.types.Image) -> np.ndarray:
    """The image's pixels as they are now: uint8 [H, W, 3], top row first.

    Byte images are taken as stored; float images hold scene-linear light and are encoded as sRGB. The view transform
    never touches them. Raises AddonError for images without pixels.
    """
    if image.source in {"MOVIE", "SEQUENCE", "TILED"}:
        raise _no_picture(f"“{image.name}” is not a single picture.", "Choose a still picture.")
    if image.type == "RENDER_RESULT":
        raise _no_picture("A render result cannot be read directly.", "Save it and open the file.")
    count = len(image.pixels)  # also loads it from disk
    width, height = image.size
    if not count or not width or not height:
        raise _no_picture(
            f"“{image.name}” has no pixels, perhaps its file is missing.", "Choose another picture."
        )
    channels = image.channels
    pixels = np.empty(count, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, channels)
    if channels < 3:  # grey, or grey with alpha
        grey = np.repeat(pixels[:, :, :1], 3, axis=2)
        alpha = pixels[:, :, 1:2] if channels == 2 else np.ones_like(pixels[:, :, :1])
        pixels = np.concatenate([grey, alpha], 2)
    elif channels == 3:
        pixels = np.concatenate([pixels, np.ones_like(pixels[:, :, :1])], 2)
    linear = image.is_float and not image.colorspace_settings.is_data
    return arrays.srgb_bytes(pixels, scene_linear=linear)


def read_file(filepath: str) -> tuple[bytes, str]:
    """A picture file as it is -> (content, file name). Raises AddonError."""
    path = Path(bpy.path.abspath(filepath))
    try:
        return path.read_bytes(), path.name
    except OSError as error:
        reason = error.strerror or str(error)
        raise _no_picture(
            f"{path.name or 'The picture'} cannot be read: {reason}.", "Choose another picture."
        ) from error


def add_rgb(name: str, png: bytes, temporary: Path, result_id: str) -> bpy.types.Image:
    """A packed colour image from a PNG file's content; nothing on disk is needed afterwards."""
    with temp_files.temporary_folder(temporary) as folder:
        path = folder / "portrait.png"
        path.write_bytes(png)
        image = bpy.data.images.load(str(path), check_existing=False)
        image.name = name
        image.pack()  # reads the file while it is there
        image.filepath_raw = f"//{bpy.path.clean_name(name)}.png"
        image.preview_ensure()  # for the list of results
    image[KIND_KEY], image[RESULT_KEY] = "rgb", result_id
    return image


def add_depth(name: str, depth_mm: np.ndarray, coverage: np.ndarray, result_id: str) -> bpy.types.Image:
    """A packed float image: depth in millimetres in R, G and B (0 outside the head), coverage in alpha.

    depth_mm and coverage: float32 [H, W], top row first.
    """
    height, width = depth_mm.shape
    image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=True, is_data=True)
    image.alpha_mode = "CHANNEL_PACKED"  # coverage must not be multiplied into the depth
    pixels = np.empty((height, width, 4), np.float32)
    pixels[:, :, :3] = np.nan_to_num(depth_mm[::-1], nan=0.0)[:, :, None]
    pixels[:, :, 3] = coverage[::-1]
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    image.pack()  # an unpacked generated image is black after reloading
    image[KIND_KEY], image[RESULT_KEY] = "depth", result_id
    return image


def find(result_id: str, kind: str) -> bpy.types.Image | None:
    """The image of a result, also after renaming and reloading; None when it was deleted."""
    for image in bpy.data.images:
        if image.get(RESULT_KEY) == result_id and image.get(KIND_KEY) == kind:
            return image
    return None
