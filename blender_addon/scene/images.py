# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in and out of Blender."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..core import arrays, errors, exr, picture_file, png_reading, thumbnail
from ..core.errors import AddonError, Remedy
from ..core.steps import Steps
from ..core.wording import worded

KIND_KEY = "portrait_relief_kind"
NO_DEPTH = 0.49  # coverage below which a relief has no surface
RESULT_KEY = "portrait_relief_result"
PREVIEW_PX = 128
ICON_PX = 32  # in rows of lists


def _no_picture(message: str, hint: str) -> AddonError:
    return AddonError(errors.Problem("no_picture", message, hint, Remedy.CHOOSE_PICTURE))


def png_of_image(image: bpy.types.Image) -> bytes:
    """The image's pixels as they are now (painted, packed, generated) as an 8-bit sRGB PNG.

    Raises AddonError for images without pixels.
    """
    return png_of(read_image(image))


def own_png(image: bpy.types.Image) -> bytes | ReadImage:
    """A result's picture as a PNG as it came, or its pixels if somebody painted on it since. Raises AddonError without
    any."""
    kept = file_of(image)
    return kept if kept is not None and picture_file.kind(kept) == "PNG" else read_image(image)


def path_of(image: bpy.types.Image) -> Path:
    """Of its file, also where the image comes from a linked library."""
    return Path(bpy.path.abspath(image.filepath, library=image.library))


def file_of(image: bpy.types.Image) -> bytes | None:
    """The JPEG, PNG or WebP, packed or on the disk, that the image was read from; None where it was painted on since,
    or is no such file. It says more than the pixels (how the camera was held, its colour profile), and encoding the
    pixels of 12 megapixels takes a second."""
    data = _content(image)
    return data if data is not None and picture_file.kind(data) is not None else None


def _content(image: bpy.types.Image) -> bytes | None:
    """The file that the image was read from; None where there is none, or it was painted on since."""
    if image.source != "FILE" or image.is_dirty:
        return None
    try:
        packed = image.packed_file
        return bytes(packed.data) if packed is not None else path_of(image).read_bytes()
    except OSError:
        return None


def portrait_file(image: bpy.types.Image) -> bytes | ReadImage:
    """What is sent of a picture that somebody chose: its file, or its pixels where there is no such file or where it
    may be seen through. Raises AddonError for images without any."""
    kept = file_of(image)
    if kept is not None and (picture_file.kind(kept) == "JPEG" or image.depth in {8, 24}):
        return kept
    return read_image(image)


def png_of(picture: bytes | ReadImage) -> bytes:
    """The file, or pixels as a PNG file, which takes a second for 12 megapixels. No bpy."""
    return picture if isinstance(picture, bytes) else arrays.write_png(picture.srgb())


def kept_picture(image: bpy.types.Image) -> bytes | ReadImage:
    """For `read_steps`: a result's file, which a thread reads, or the pixels of what was painted on or is another file.
    Blender decodes a picture and gives its pixels at once, in a third of a second for 9 megapixels. Raises AddonError
    for images without pixels."""
    kept = _content(image)
    return kept if kept is not None and png_reading.is_plain(kept) else read_image(image)


def kept_size_px(picture: bytes | ReadImage) -> tuple[int, int]:
    """(width, height) of a `kept_picture`."""
    if isinstance(picture, bytes):
        return arrays.png_size(picture)
    height, width = picture.shape
    return width, height


def read_steps(picture: bytes | ReadImage) -> Steps[ReadImage]:
    """The pixels of a `kept_picture`. No bpy."""
    if isinstance(picture, ReadImage):
        return picture
    rgb = yield from png_reading.rgb_steps(picture)
    return ReadImage(rgb[::-1] * np.float32(1 / 255), linear=False, opaque=True)


def has_pixels(image: bpy.types.Image) -> bool:
    """Whether there is anything to be seen in it; of a packed file that nothing has shown yet, whether it is there, as
    Blender copies all of it to tell its header."""
    if not image.has_data and image.packed_file is not None:
        return image.packed_file.size > 0
    return bool(image.size[0] and image.size[1])


def size_px(image: bpy.types.Image) -> tuple[int, int]:
    """(width, height), of a packed PNG by its header: asking Blender would have it read the whole file first."""
    kept = image.packed_file
    if not image.has_data and kept is not None and image.source == "FILE":
        with contextlib.suppress(ValueError):
            return arrays.png_size(bytes(kept.data[:33]))
    return image.size[0], image.size[1]


def thumbnail_png(image: bpy.types.Image, side_px: int) -> bytes:
    """What lists show of the image (`set_preview`) or, where that was never set, the picture's middle square, as a
    small PNG. Raises AddonError for images without pixels."""
    preview = image.preview
    if preview is not None and preview.is_image_custom:
        width, height = preview.image_size
        shown = np.empty(4 * width * height, np.float32)
        preview.image_pixels_float.foreach_get(shown)
        return arrays.write_png(arrays.srgb_bytes(shown.reshape(height, width, 4), scene_linear=False))
    pixels = srgb_of_image(image)
    return arrays.write_png(thumbnail.shrunk(pixels, thumbnail.middle_square(*pixels.shape[:2]), side_px))


@dataclass(frozen=True)
class Preview:
    """What lists show of a picture, as Blender takes it: float32 [S, S, 4], bottom row first."""

    image: np.ndarray
    icon: np.ndarray


def head_preview_steps(png: bytes, coverage: np.ndarray) -> Steps[Preview | None]:
    """For `set_preview`, the head in a result's picture; None where only Blender can read its file. No bpy.

    coverage: float [H, W] of the picture's size.
    """
    if not png_reading.is_plain(png) or arrays.png_size(png) != coverage.shape[::-1]:
        return None
    rgb = yield from png_reading.rgb_steps(png)
    head = thumbnail.shrunk(rgb, thumbnail.head_square(coverage), PREVIEW_PX)
    return Preview(*(_as_preview(head, min(len(head), side_px)) for side_px in (PREVIEW_PX, ICON_PX)))


def _as_preview(rgb: np.ndarray, side_px: int) -> np.ndarray:
    pixels = np.ones((side_px, side_px, 4), np.float32)
    pixels[:, :, :3] = thumbnail.shrunk(rgb, (0, 0, len(rgb)), side_px)[::-1] / np.float32(255)
    return pixels


def set_preview(image: bpy.types.Image, shown: Preview) -> None:
    """Makes this what lists show of the image, in place of the whole picture."""
    preview = image.preview_ensure()
    for kind, pixels in (("image", shown.image), ("icon", shown.icon)):
        setattr(preview, f"{kind}_size", pixels.shape[:2])
        getattr(preview, f"{kind}_pixels_float").foreach_set(pixels.ravel())


@dataclass(frozen=True)
class ReadImage:
    """What was read of an image; `srgb` needs no bpy any more.

    Attributes:
        pixels: float32 [H, W, C] as Blender has them, bottom row first.
        linear: they are scene-linear light, not values as stored.
        opaque: a fourth channel is no opacity.
    """

    pixels: np.ndarray
    linear: bool
    opaque: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)"""
        return self.pixels.shape[0], self.pixels.shape[1]

    def srgb(self) -> np.ndarray:
        """uint8 [H, W, 3], top row first.

        Byte images are taken as stored; float images hold scene-linear light and are encoded as sRGB. The view
        transform never touches them.
        """
        pixels, channels = self.pixels, self.pixels.shape[2]
        if channels == 4 and not self.opaque:  # of 12 megapixels, a copy has 200 MB
            return arrays.srgb_bytes(pixels, scene_linear=self.linear)
        opaque = np.broadcast_to(np.float32(1), (*self.shape, 1))
        alpha = pixels[:, :, 1:] if channels == 2 and not self.opaque else opaque
        rgb = pixels[:, :, :3] if channels >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
        return arrays.srgb_bytes(np.concatenate([rgb, alpha], 2), scene_linear=self.linear)


def srgb_of_image(image: bpy.types.Image) -> np.ndarray:
    """The image's pixels as they are now: uint8 [H, W, 3], top row first. Raises AddonError for images without
    pixels."""
    return read_image(image).srgb()


def read_image(image: bpy.types.Image) -> ReadImage:
    """Raises AddonError for images without pixels."""
    if image.source in {"MOVIE", "SEQUENCE", "TILED"}:
        raise _no_picture(
            worded("“{name}” is not a single picture.", name=image.name), "Choose a still picture."
        )
    if image.type == "RENDER_RESULT":
        raise _no_picture("A render result cannot be read directly.", "Save it and open the file.")
    count = len(image.pixels)  # also loads it from disk
    width, height = image.size
    if not count or not width or not height:
        raise _no_picture(
            worded("“{name}” has no pixels, perhaps its file is missing.", name=image.name),
            "Choose another picture.",
        )
    return ReadImage(
        read_pixels(image),
        linear=image.is_float and not image.colorspace_settings.is_data,
        opaque=image.alpha_mode in {"NONE", "CHANNEL_PACKED"},
    )


def read_file(filepath: str) -> tuple[bytes, str]:
    """A picture file as it is -> (content, file name). Raises AddonError."""
    path = Path(bpy.path.abspath(filepath))
    try:
        return path.read_bytes(), path.name
    except OSError as error:
        reason = error.strerror or str(error)
        raise _no_picture(
            worded(
                "{name} cannot be read: {reason}.", name=path.name or worded("The picture"), reason=reason
            ),
            "Choose another picture.",
        ) from error


def add_rgb(
    name: str, png: bytes, result_id: str, kind: str = "rgb", into: bpy.types.Image | None = None
) -> bpy.types.Image:
    """A packed colour image from a PNG file's content; nothing is written to the disk.

    `into`: an image whose content it becomes, so that what shows that one shows the new one.
    """
    made = into or bpy.data.images.new(name, 8, 8, alpha=False)
    _packed(made, png, ".png", kind, result_id)
    if into is not None:
        into.buffers_free()  # `reload` would look for the file on the disk
    return made


def _packed(image: bpy.types.Image, file: bytes, ending: str, kind: str, result_id: str) -> bpy.types.Image:
    """The image with a file's content, which Blender reads when it is first looked at."""
    image.pack(data=file, data_len=len(file))
    image.source = "FILE"
    image.filepath_raw = f"//{bpy.path.clean_name(image.name)}{ending}"
    image[KIND_KEY], image[RESULT_KEY] = kind, result_id
    return image


def depth_file_steps(depth_mm: np.ndarray, coverage: np.ndarray) -> Steps[bytes]:
    """The depth picture as an EXR file: millimetres (0 outside the head) and coverage as alpha. No bpy.

    depth_mm and coverage: float32 [H, W], top row first.
    """
    known = np.isfinite(depth_mm)
    yield
    depth = np.where(known, depth_mm, np.float32(0))
    yield
    # A hole in the head is no depth of 0: no coverage there lets it be found again.
    alpha = np.where(known, coverage, np.minimum(coverage, np.float32(NO_DEPTH)))
    yield
    return (yield from exr.grey_alpha_steps(depth, alpha))


def add_depth(name: str, file: bytes, result_id: str) -> bpy.types.Image:
    """A packed float image from the file of `depth_file_steps`."""
    image = bpy.data.images.new(name, 8, 8, alpha=True, float_buffer=True, is_data=True)
    image.alpha_mode = "CHANNEL_PACKED"  # coverage must not be multiplied into the depth
    return _packed(image, file, ".exr", "depth", result_id)


def read_pixels(image: bpy.types.Image) -> np.ndarray:
    """float32 [H, W, C] as Blender has them, bottom row first."""
    width, height = image.size
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, -1)


def kept_depth(image: bpy.types.Image) -> bytes | np.ndarray | None:
    """For `depth_of_steps`: the file of `add_depth`, which a thread reads, or the pixels of a picture that was changed
    since; None where it has none, or no coverage."""
    kept = _content(image)
    if kept is not None and exr.is_grey_alpha(kept):
        return kept
    return read_pixels(image) if len(image.pixels) and image.channels == 4 else None


def kept_depth_size_px(depth: bytes | np.ndarray) -> tuple[int, int]:
    """(width, height) of a `kept_depth`."""
    return exr.size_px(depth) if isinstance(depth, bytes) else (depth.shape[1], depth.shape[0])


def depth_of_steps(kept: bytes | np.ndarray) -> Steps[tuple[np.ndarray, np.ndarray]]:
    """What `add_depth` put in, from `kept_depth`: depth in mm, NaN where the coverage is below a half, and coverage,
    both float32 [H, W], top row first. No bpy."""
    if isinstance(kept, bytes):
        grey, alpha = yield from exr.grey_alpha_of_steps(kept)
    else:
        grey, alpha = kept[::-1, :, 0], kept[::-1, :, 3]
    yield
    coverage = np.ascontiguousarray(alpha)
    return np.where(coverage > NO_DEPTH, grey, np.nan).astype(np.float32), coverage


@dataclass(frozen=True)
class DataFile:
    """A picture that is no colour, as a file."""

    content: bytes
    is_float: bool


def data_file_steps(values: np.ndarray) -> Steps[DataFile]:
    """float32 [H, W] as a float picture, [H, W, 3] in 0..1 as a byte picture. No bpy."""
    if values.ndim == 2:
        return DataFile((yield from exr.grey_alpha_steps(values, np.ones_like(values))), True)
    rgb = (np.clip(values, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    yield
    return DataFile(arrays.write_png(rgb), False)


def data_picture(name: str, file: DataFile, result_id: str, kind: str) -> bpy.types.Image:
    """A packed picture of a file of `data_file_steps`.

    The result's earlier one of this kind is used again, so that what reads it reads the new one.
    """
    image, earlier = find(result_id, kind), True
    if image is None:
        image, earlier = (
            bpy.data.images.new(name, 8, 8, alpha=False, float_buffer=file.is_float, is_data=True),
            False,
        )
    _packed(image, file.content, ".exr" if file.is_float else ".png", kind, result_id)
    if earlier:
        image.buffers_free()
    return image


def find(result_id: str, kind: str) -> bpy.types.Image | None:
    """The image of a result, also after renaming and reloading; None when it was deleted."""
    for image in bpy.data.images:
        if image.get(RESULT_KEY) == result_id and image.get(KIND_KEY) == kind:
            return image
    return None
