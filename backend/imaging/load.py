# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo from a file, bytes or an array as upright 8-bit sRGB, or an error that says what to do."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

from backend.errors import InputError

MIN_SIDE_PX = 200
MAX_SIDE_PX = 8000
_MAX_FILE_BYTES = 512 * 1024 * 1024
_FORMATS = ("JPEG", "PNG", "WEBP")  # JPEG includes MPO, which phones write
_BACKGROUND = 128  # grey under transparent pixels: as far from white as from black


@dataclass(frozen=True)
class Photo:
    """An upright photo.

    Attributes:
        rgb: uint8 [H, W, 3], sRGB, alpha composited over grey.
        name: the file's name, or "the photo" for bytes and arrays; used in messages.
        metadata: JSON-ready facts about the source: format, mode, size, rotation applied, colour profile, focal length.
    """

    rgb: np.ndarray
    name: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        return int(self.rgb.shape[0])


def load_photo(photo: str | Path | bytes | np.ndarray, *, name: str | None = None) -> Photo:
    """Read a JPEG, PNG or WebP (path or bytes) or take an array (uint8, uint16, or float 0..1; H x W [x 1, 3
    or 4]).

    EXIF rotation is applied, colour profiles are converted to sRGB, alpha is composited over grey;
    greyscale, CMYK, palette and 16-bit pictures become 8-bit RGB.

    Raises:
        InputError: unreadable, damaged, of another format, or not 200 to 8000 px a side.
    """
    if isinstance(photo, np.ndarray):
        return _from_array(photo, name or "the photo")
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(photo), name or "the photo")
    path = Path(photo)
    name = name or path.name
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError(
                f"{name} is larger than 512 MB.",
                "Save it as a JPEG or a smaller PNG.",
                code="photo_too_large",
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{name} cannot be opened: {error.strerror or error}.",
            "Check that the file exists and that you may read it.",
            code="unreadable_photo",
        ) from error
    return _from_bytes(data, name)


def _from_bytes(data: bytes, name: str) -> Photo:
    Image.init()  # Image.open with named formats does not load their plugins itself
    try:
        with warnings.catch_warnings():
            # Large but allowed pictures would warn; the size is checked here before a single pixel is
            # decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_size(image.width, image.height, name)
                metadata: dict[str, Any] = {
                    "format": image.format,
                    "mode": image.mode,
                    "stored_size": list(image.size),
                }
                image.load()
                metadata["exif_orientation"] = _orientation(image)
                if focal_mm := _focal_length_35mm(image):
                    metadata["focal_length_35mm"] = focal_mm
                rgb = _to_rgb(_upright(image), metadata)
    except Image.DecompressionBombError as error:
        raise _too_large(name, "far more pixels than any portrait needs") from error
    except Image.UnidentifiedImageError as error:
        raise InputError(
            f"{name} is not a JPEG, PNG or WebP picture.",
            "Open it in an image program and save it as PNG or JPEG.",
            code="unreadable_photo",
        ) from error
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise InputError(
            f"{name} is damaged and cannot be read to its end ({error}).",
            "Get the file again, or open it in an image program and save it as PNG.",
            code="damaged_photo",
        ) from error
    return Photo(rgb, name, metadata)


def _from_array(array: np.ndarray, name: str) -> Photo:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InputError(
            f"{name} is an array of shape {array.shape}.",
            "Give height x width x 3 (RGB).",
            code="unreadable_photo",
        )
    _check_size(array.shape[1], array.shape[0], name)
    if array.dtype == np.uint16:
        pixels = (array.astype(np.float32) * (255.0 / 65535.0)).round().astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < -1e-3 or array.max() > 1.0 + 1e-3:
            raise InputError(
                f"{name} has values outside 0 to 1.",
                "Give floats from 0 to 1, or 8-bit integers.",
                code="unreadable_photo",
            )
        pixels = (array.clip(0, 1) * 255.0).round().astype(np.uint8)
    elif array.dtype == np.uint8:
        pixels = array
    else:
        raise InputError(
            f"{name} is an array of type {array.dtype}.",
            "Give uint8, uint16 or float 0 to 1.",
            code="unreadable_photo",
        )
    if pixels.shape[2] == 4:
        pixels = np.asarray(_over_grey(Image.fromarray(np.ascontiguousarray(pixels), "RGBA")))
    rgb = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    metadata = {"format": "array", "mode": str(array.dtype), "stored_size": [array.shape[1], array.shape[0]]}
    return Photo(np.ascontiguousarray(rgb), name, metadata)


def _check_size(width: int, height: int, name: str) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"{name} is only {width} x {height} pixels; at least {MIN_SIDE_PX} a side are needed.",
            "Choose a larger version of the photo.",
            code="photo_too_small",
        )
    if max(width, height) > MAX_SIDE_PX:
        raise _too_large(name, f"{width} x {height} pixels")


def _too_large(name: str, what: str) -> InputError:
    return InputError(
        f"{name} has {what}; at most {MAX_SIDE_PX} a side are supported.",
        "Scale it down or cut out the head and shoulders.",
        code="photo_too_large",
    )


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF blocks raise many types; the picture itself is fine
        return 1


def _focal_length_35mm(image: Image.Image) -> float | None:
    """The lens's focal length in mm as on 36 x 24 mm film, where the camera wrote it."""
    try:
        value = float(image.getexif().get_ifd(0x8769).get(0xA405, 0))
    except Exception:  # damaged EXIF blocks raise many types; the picture itself is fine
        return None
    return value if 5 <= value <= 2000 else None


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # exif_transpose rewrites the EXIF block it turns, and that block may be damaged
        turn = {
            2: Image.Transpose.FLIP_LEFT_RIGHT,
            3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE,
            6: Image.Transpose.ROTATE_270,
            7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_90,
        }.get(_orientation(image))
        return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image, metadata: dict[str, Any]) -> np.ndarray:
    """8-bit sRGB [H, W, 3] from any mode Pillow decodes."""
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit grey; Image.convert would clip it at 255
        values = np.asarray(image).astype(np.float32)
        grey = (values.clip(0, 65535) * (255.0 / 65535.0)).round().astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    opaque = _to_srgb(
        image.convert("RGB") if alpha is not None else image, image.info.get("icc_profile"), metadata
    )
    if opaque.mode != "RGB":
        opaque = opaque.convert("RGB")
    if alpha is not None:
        opaque.putalpha(alpha)
        opaque = _over_grey(opaque)
    return np.array(opaque, dtype=np.uint8)


def _to_srgb(image: Image.Image, profile: bytes | None, metadata: dict[str, Any]) -> Image.Image:
    """The picture in sRGB if it carries a profile for its own mode; as it is where the profile is damaged."""
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        metadata["colour_profile"] = ImageCms.getProfileDescription(source).strip()
        described = metadata["colour_profile"].lower()
        if "srgb" in described and "linear" not in described:
            return image
        colours = source.profile.xcolor_space.strip()  # pyright: ignore[reportAttributeAccessIssue]
        if image.mode != "RGB" and colours == "RGB":  # indexed, or grey saved as colour
            image = image.convert("RGB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return converted if converted is not None else image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        metadata["colour_profile"] = "unusable, ignored"
        return image


def _over_grey(image: Image.Image) -> Image.Image:
    base = Image.new("RGBA", image.size, (_BACKGROUND, _BACKGROUND, _BACKGROUND, 255))
    return Image.alpha_composite(base, image).convert("RGB")
