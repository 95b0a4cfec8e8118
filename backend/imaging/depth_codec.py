# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth and coverage as files: EXR (exact, with metadata), npy (exact) and 16-bit PNG (1/100 mm).

Depth is float32 [H, W] in mm, nearer = larger, NaN outside the head. In an EXR it is one 32-bit channel
``Y``: Blender shows that as grey with the exact values (a channel ``Z`` loads as black there). In a 16-bit
PNG ``depth_mm = (value - 32768) / 100`` and 0 means outside the head.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backend.errors import InputError

PNG16_MM_PER_UNIT = 0.01
PNG16_ZERO = 32768
METADATA_KEY = "portrait_relief"  # one JSON string under this name in EXR headers and PNG text chunks
_EXR_CHANNELS = ("Y", "Z", "V", "R", "depth.V", "depth.Z", "Depth.Z", "ViewLayer.Depth.Z")
_FAR_AWAY_MM = 1e9  # renderers write 1e10 where nothing was hit


def write_depth(path: str | Path, depth_mm: np.ndarray, metadata: Mapping[str, Any] | None = None) -> None:
    """Write depth; the format follows the extension (.exr, .npy, .png).

    Args:
        path: file to write.
        depth_mm: float [H, W], NaN outside the head.
        metadata: JSON-ready facts (tool, version, checkpoint, settings); npy files cannot carry them.
    """
    path = Path(path)
    depth = _checked(depth_mm, path.name)
    _writer(path)(path, depth, dict(metadata or {}))


def read_depth(path: str | Path) -> np.ndarray:
    """Read depth in mm, float32 [H, W], NaN outside the head, from a file like those of :func:`write_depth`.

    EXR files of other programs are taken too: channels Y, Z, V or R, values in mm.

    Raises:
        InputError: missing, damaged, or not a depth map.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path], np.ndarray]] = {
        ".exr": _read_exr,
        ".npy": _read_npy,
        ".png": _read_png,
    }
    if path.suffix.lower() not in readers:
        raise InputError(
            f"{path.name} is no depth file.", "Use .exr, .npy or a 16-bit .png.", code="bad_depth"
        )
    try:
        depth = readers[path.suffix.lower()](path)
    except InputError:
        raise
    except Exception as error:  # OpenEXR, numpy and Pillow share no exception type
        raise InputError(
            f"{path.name} cannot be read: {error}", "Write the depth again.", code="bad_depth"
        ) from error
    return _checked(depth, path.name)


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The metadata embedded in an EXR or PNG of this program; empty if there is none."""
    path = Path(path)
    if path.suffix.lower() == ".exr":
        with OpenEXR.File(str(path), header_only=True) as file:
            text = file.header().get(METADATA_KEY)
    else:
        with Image.open(path) as image:
            image.load()  # text chunks may follow the pixels
            text = getattr(image, "text", {}).get(METADATA_KEY)
    return json.loads(text) if isinstance(text, str) else {}


def png_metadata(metadata: Mapping[str, Any]) -> PngInfo:
    """Metadata for Pillow's ``save(pnginfo=...)``."""
    info = PngInfo()
    info.add_text("Software", str(metadata.get("tool", "Portrait Relief")))
    info.add_itxt(METADATA_KEY, json.dumps(dict(metadata), ensure_ascii=False))
    return info


def write_coverage_png(
    path: str | Path, coverage: np.ndarray, metadata: Mapping[str, Any] | None = None
) -> None:
    """Coverage [H, W] 0..1 as 8-bit grey PNG."""
    pixels = np.rint(np.clip(coverage, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, format="PNG", pnginfo=png_metadata(metadata or {}), compress_level=4)


def write_rgb_png(path: str | Path, rgb: np.ndarray, metadata: Mapping[str, Any] | None = None) -> None:
    """uint8 [H, W, 3] as PNG."""
    Image.fromarray(rgb).save(path, format="PNG", pnginfo=png_metadata(metadata or {}), compress_level=4)


def encode_png16(depth_mm: np.ndarray) -> np.ndarray:
    """uint16 [H, W]: 1..65535 inside the head (327 mm either side of 0, clipped), 0 outside."""
    units = np.rint(np.nan_to_num(depth_mm, nan=0.0) / PNG16_MM_PER_UNIT) + PNG16_ZERO
    return np.where(np.isfinite(depth_mm), np.clip(units, 1, 65535), 0).astype(np.uint16)


def decode_png16(values: np.ndarray) -> np.ndarray:
    """Inverse of :func:`encode_png16`, within half a hundredth of a millimetre."""
    depth = (values.astype(np.float32) - PNG16_ZERO) * np.float32(PNG16_MM_PER_UNIT)
    return np.where(values == 0, np.float32(np.nan), depth)


def _writer(path: Path) -> Callable[[Path, np.ndarray, dict[str, Any]], None]:
    writers = {".exr": _write_exr, ".npy": _write_npy, ".png": _write_png}
    if path.suffix.lower() not in writers:
        raise InputError(
            f"Depth cannot be written as {path.name}.", "Use .exr, .npy or .png.", code="bad_depth"
        )
    return writers[path.suffix.lower()]


def _write_exr(path: Path, depth: np.ndarray, metadata: dict[str, Any]) -> None:
    header = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "comments": "depth in mm of an average-sized head, nearer = larger, NaN outside the head",
        METADATA_KEY: json.dumps(metadata, ensure_ascii=True),
    }
    with OpenEXR.File(header, {"Y": depth}) as file:
        file.write(str(path))


def _write_npy(path: Path, depth: np.ndarray, metadata: dict[str, Any]) -> None:
    np.save(path, depth, allow_pickle=False)


def _write_png(path: Path, depth: np.ndarray, metadata: dict[str, Any]) -> None:
    metadata = {
        **metadata,
        "png16": {"mm_per_unit": PNG16_MM_PER_UNIT, "zero_mm_at": PNG16_ZERO, "outside": 0},
    }
    Image.fromarray(encode_png16(depth)).save(
        path, format="PNG", pnginfo=png_metadata(metadata), compress_level=4
    )


def _read_exr(path: Path) -> np.ndarray:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = file.channels()
        name = next((name for name in _EXR_CHANNELS if name in channels), None)
        if name is None:
            raise InputError(
                f"{path.name} has no depth channel, only {', '.join(channels)}.",
                "Save depth as a single-channel or grey EXR.",
                code="bad_depth",
            )
        depth = np.array(channels[name].pixels, dtype=np.float32)
    return np.where(np.abs(depth) < _FAR_AWAY_MM, depth, np.float32(np.nan))


def _read_npy(path: Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _read_png(path: Path) -> np.ndarray:
    with Image.open(path, formats=("PNG",)) as image:
        if not image.mode.startswith("I"):
            raise InputError(
                f"{path.name} has 8 bits a pixel, which would terrace the relief.",
                "Save the depth as EXR or 16-bit greyscale PNG.",
                code="bad_depth",
            )
        return decode_png16(np.asarray(image).astype(np.int64))


def _checked(depth_mm: np.ndarray, name: str) -> np.ndarray:
    depth = np.asarray(depth_mm)
    if depth.ndim != 2 or depth.size == 0 or not np.issubdtype(depth.dtype, np.floating):
        raise InputError(
            f"{name} is not a depth map (shape {depth.shape}, {depth.dtype}).",
            "Depth is one float per pixel, in mm.",
            code="bad_depth",
        )
    depth = np.ascontiguousarray(depth, dtype=np.float32)
    return np.where(np.isfinite(depth), depth, np.float32(np.nan))
