# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own pictures with depth, as shots of one frame each: they train depth from the picture.

    FOLDER/rgbd.json         settings, see `RgbdSettings`
    FOLDER/pictures/NAME.*   png, jpg, webp or tif
    FOLDER/depth/NAME.*      png (16 bit), exr or npy, of the picture's shape, any size
    FOLDER/mask/NAME.png     optional: the head with hair white, all else black
    FOLDER/arkit.csv         optional: column "picture", then ARKit names (0..1), yaw, pitch, roll (degrees)

Everything is cut to a square around the head and kept at one size, so that it stacks with rendered shots.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import OpenEXR
from PIL import Image

from backend.errors import InputError, PortraitReliefError
from backend.model.expression import Expression
from backend.model.expression_names import POSE_NAMES
from backend.training.augment import CROP_SIDE_MM
from backend.training.dataset import DEPTH_LIMIT_MM, REGIONS, Shot, expression_values

SETTINGS_FILE, TABLE_FILE = "rgbd.json", "arkit.csv"
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")

WINDOW_MM = 1.6 * CROP_SIDE_MM  # side of the square that is kept: the widest random crop fits
# Where rendered heads lie, so that both kinds agree on the zero of depth and on the head's centre. Medians over the
# references of 181 shots of the training split: the 90th percentile of depth inside the matte (spread 12 mm), and the
# centre's distance below the matte's top (spread 15 mm).
FRONT_MM = 79.0
CENTRE_BELOW_TOP_MM = 107.0
HEAD_DEPTH_MM = 220.0  # without a mask, what lies this far behind the nearest point still counts as head
PLAUSIBLE_RELIEF_MM = (
    25.0,
    400.0,
)  # between the 5th and 95th percentile of the head; a wrong unit is far outside
PLAUSIBLE_WIDTH_MM = (80.0, 700.0)
LEAST_HEAD_PX = 64


@dataclass(frozen=True)
class RgbdSettings:
    """What rgbd.json says.

    Attributes:
        depth_unit_mm: millimetres of one unit of the depth files (metres: 1000, tenths of a millimetre: 0.1).
        depth_is: "distance" from the camera plane (farther = larger) or "height" (nearer = larger). 0 and not
            finite mean not measured.
        focal_px: focal length in pixels of the picture; together with the head's distance it gives the scale.
        span_mm: what the picture's width spans at the head, where there is no distance or focal length.
    """

    depth_unit_mm: float
    depth_is: Literal["distance", "height"] = "distance"
    focal_px: float | None = None
    span_mm: float | None = None


def is_rgbd_folder(folder: Path) -> bool:
    """Whether `folder` looks like one of these (also when something is missing in it)."""
    return (folder / SETTINGS_FILE).is_file() or (folder / "pictures").is_dir()


def read_settings(folder: Path) -> RgbdSettings:
    """Read rgbd.json.

    Raises:
        InputError: missing, damaged, or a value that cannot be.
    """
    path = folder / SETTINGS_FILE
    remedy = (
        f'Write {path}, for example {{"depth_unit_mm": 1.0, "depth_is": "distance", "focal_px": 1400}}; '
        "docs/training.md explains each."
    )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        settings = RgbdSettings(**content)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be used: {error}.", remedy, code="bad_rgbd_settings") from error
    numbers = [getattr(settings, f.name) for f in fields(settings) if f.name != "depth_is"]
    if not all(n is None or (isinstance(n, int | float) and 0 < n < math.inf) for n in numbers):
        raise InputError(
            f"{path} holds a value that is no positive number.", remedy, code="bad_rgbd_settings"
        )
    if settings.depth_is not in ("distance", "height"):
        raise InputError(
            f"{path}: depth_is is “{settings.depth_is}”.", "Use distance or height.", code="bad_rgbd_settings"
        )
    scale = "focal_px" if settings.depth_is == "distance" and settings.span_mm is None else "span_mm"
    if getattr(settings, scale) is None:
        raise InputError(
            f"{path} does not say how large the pictures are.",
            "Add focal_px (depth_is distance) or span_mm, the width of the picture in mm at the head.",
            code="bad_rgbd_settings",
        )
    return settings


class RgbdFolder:
    """All pictures of a folder in memory, see the module. `size_px` is the side at which they are kept."""

    def __init__(self, folder: str | Path, size_px: int):
        self.folder, self.settings = Path(folder), read_settings(Path(folder))
        pictures = self._files("pictures", PICTURE_ENDINGS)
        if not pictures:
            raise InputError(
                f"There are no pictures in {self.folder / 'pictures'}.",
                f"Put {', '.join(PICTURE_ENDINGS)} files there, and their depth into {self.folder / 'depth'}.",
                code="empty_dataset",
            )
        depths = self._files("depth", tuple(_DEPTH_READERS))
        masks = self._files("mask", PICTURE_ENDINGS)
        self._check_partners(pictures, depths, "depth")
        if masks:
            self._check_partners(pictures, masks, "mask")
        table = read_table(self.folder / TABLE_FILE, set(pictures))
        self.shots = [
            load_rgbd(number, path, depths[name], masks.get(name), table.get(name), self.settings, size_px)
            for number, (name, path) in enumerate(pictures.items())
        ]

    def refresh(self) -> int:
        """Nothing: pictures are read once, since one that is being copied would look like a missing depth."""
        return 0

    def _files(self, part: str, endings: tuple[str, ...]) -> dict[str, Path]:
        """Stem -> file of one sub-folder, sorted."""
        found: dict[str, Path] = {}
        for path in sorted((self.folder / part).glob("*")):
            if path.suffix.lower() not in endings or path.name.startswith("."):
                continue
            if path.stem in found:
                raise InputError(
                    f"{path} and {found[path.stem].name} have the same name.", "Keep one.", code="bad_rgbd"
                )
            found[path.stem] = path
        return found

    def _check_partners(self, pictures: Mapping[str, Path], others: Mapping[str, Path], part: str) -> None:
        for name in [*pictures, *others]:
            has, lacks = ("picture", part) if name in pictures else (part, "picture")
            if name in pictures and name in others:
                continue
            path = pictures.get(name) or others[name]
            where = self.folder / (part if lacks == part else "pictures")
            raise InputError(
                f"{path} has no {lacks}.",
                f"Put a file named {name}.* into {where}, or take the {has} away.",
                code="missing_rgbd_part",
            )


def load_rgbd(
    number: int,
    picture: Path,
    depth: Path,
    mask: Path | None,
    expression: Expression | None,
    settings: RgbdSettings,
    size_px: int,
) -> Shot:
    """One picture as a shot of one frame; depth in mm of the model's frame (nearer = larger, 0 in the head's middle).

    Raises:
        InputError: names the file that cannot be read or does not fit the others.
    """
    rgb = _read(picture, lambda path: np.asarray(Image.open(path).convert("RGB")))
    raw = read_raw_depth(depth)
    _check_shape(raw, rgb, depth, picture)
    measured = np.isfinite(raw) & (raw != 0)
    toward = -1.0 if settings.depth_is == "distance" else 1.0
    height = np.where(measured, toward * settings.depth_unit_mm * raw, 0.0).astype(np.float32)
    if mask is None:
        nearest = np.percentile(height[measured], 98) if measured.any() else 0.0
        matte = (measured & (height > nearest - HEAD_DEPTH_MM)).astype(np.float32)
    else:
        matte = _read(mask, lambda path: np.asarray(Image.open(path).convert("L"), np.float32) / 255)
        _check_shape(matte, rgb, mask, picture)
        small = Image.fromarray(matte).resize((raw.shape[1], raw.shape[0]), Image.Resampling.BILINEAR)
    on_head = measured & ((matte if mask is None else np.asarray(small)) > 0.5)
    if on_head.sum() < LEAST_HEAD_PX:
        raise InputError(
            f"{depth} measures hardly anything of the head ({on_head.sum()} pixels).",
            f"Check the mask, and that 0 is only used where nothing was measured; or remove {picture.name}.",
            code="bad_rgbd",
        )
    span_mm = settings.span_mm or float(-np.median(height[on_head])) * rgb.shape[1] / (settings.focal_px or 1)
    window = _window(on_head, span_mm)
    _check_plausible(height[on_head], window.width_mm, depth)
    height += FRONT_MM - np.percentile(height[on_head], 90)

    measured &= np.abs(height) < DEPTH_LIMIT_MM
    known = _cut(measured.astype(np.float32), window, size_px)
    relief = _cut(np.where(measured, height, 0), window, size_px) / np.maximum(known, 1e-3)
    alpha = _cut(np.ones(rgb.shape[:2], np.float32), window, size_px)
    colour = np.stack([_cut(rgb[..., c].astype(np.float32), window, size_px) for c in range(3)], -1)
    colour /= np.maximum(alpha, 1e-3)[..., None]
    rgba = np.concatenate([colour, 255 * alpha[..., None]], -1)
    coverage = np.rint(255 * _cut(matte, window, size_px)).astype(np.uint8)
    nowhere = np.zeros((1, 1, 1, 1), np.float16)  # broadcast: costs no memory
    arrays = {
        "rgba": np.rint(rgba.clip(0, 255)).astype(np.uint8)[None],
        "depth_mm": np.where(known > 0.5, relief, 0).astype(np.float16)[None],
        "solid": (known > 0.5).astype(np.uint8)[None],
        "coverage": coverage[None],
        "face": coverage[None],
        "motion": np.broadcast_to(nowhere, (1, size_px, size_px, 2)),
        "visible": np.broadcast_to(nowhere[..., 0].astype(np.uint8), (1, size_px, size_px)),
    }
    known_values = {} if expression is None else dict(expression.values)
    pose = tuple(known_values.pop(name, 0.0) for name in POSE_NAMES)
    values = expression_values(known_values, (pose[0], pose[1], pose[2]))[None]
    boxes = {
        name: (-1.0, -1.0, -1.0, -1.0) for region in REGIONS for name in region
    }  # nowhere in the picture
    parameters = {"picture": str(picture), "frames": [{"regions": boxes}]}
    return Shot(number, arrays, values, WINDOW_MM, (0.5, 0.5), parameters)


def read_raw_depth(path: Path) -> np.ndarray:
    """Depth as the file has it, float32 [H, W]; not a number where it says so.

    Raises:
        InputError: not readable, or not one plane of numbers.
    """
    raw = _read(path, _DEPTH_READERS[path.suffix.lower()])
    if raw.ndim != 2 or raw.dtype.kind not in "fiu":
        raise InputError(
            f"{path} is no depth map (shape {raw.shape}, {raw.dtype}).",
            "Write one plane of numbers: a 16-bit grey PNG, an EXR with a channel Z, Y or R, or a 2-D npy.",
            code="bad_rgbd",
        )
    return raw.astype(np.float32)


def read_table(path: Path, pictures: set[str]) -> dict[str, Expression]:
    """Expressions of arkit.csv by picture name without ending; empty without the file. Empty cells are unknown.

    Raises:
        InputError: names the row that is wrong.
    """
    if not path.is_file():
        return {}
    table: dict[str, Expression] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            name = Path(row.pop("picture", None) or "").stem
            if name not in pictures:
                raise InputError(
                    f"{path}, line {line}: there is no picture “{name}”.",
                    "The first line names the columns: picture, then ARKit names; each row names one picture.",
                    code="bad_rgbd_table",
                )
            try:
                told = {column: float(cell) for column, cell in row.items() if cell and cell.strip()}
                table[name] = Expression.from_mapping(told)
            except (ValueError, AttributeError, PortraitReliefError) as error:
                raise InputError(
                    f"{path}, line {line}: {error}.",
                    getattr(error, "hint", "")
                    or "Every cell is a number or empty, as many as there are columns.",
                    code="bad_rgbd_table",
                ) from error
    return table


@dataclass(frozen=True)
class _Window:
    """Square around the head in shares of the picture's width and height; width_mm is that of the head's matte."""

    left: float
    top: float
    right: float
    bottom: float
    width_mm: float


def _window(on_head: np.ndarray, span_mm: float) -> _Window:
    rows, columns = np.nonzero(on_head)
    height, width = on_head.shape
    mm_per_px = span_mm / width
    left, right = (float(v) for v in np.percentile(columns, (0.5, 99.5)))
    x = (left + right + 1) / 2
    y = float(np.percentile(rows, 0.5)) + CENTRE_BELOW_TOP_MM / mm_per_px
    half = WINDOW_MM / mm_per_px / 2
    return _Window(
        (x - half) / width,
        (y - half) / height,
        (x + half) / width,
        (y + half) / height,
        (right - left) * mm_per_px,
    )


def _cut(plane: np.ndarray, window: _Window, size_px: int) -> np.ndarray:
    """float32 [H, W] -> the window at [size_px, size_px], averaged where it shrinks, 0 outside of the picture."""
    height, width = plane.shape
    box = np.array([window.left * width, window.top * height, window.right * width, window.bottom * height])
    low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    part = plane[max(low[1], 0) : max(high[1], 0), max(low[0], 0) : max(high[0], 0)]
    before = np.maximum(-low, 0)
    after = (high - low)[::-1] - before[::-1] - part.shape
    part = np.pad(part, ((before[1], after[0]), (before[0], after[1])))
    image = Image.fromarray(part.astype(np.float32))
    inner = tuple(float(v) for v in np.clip(box - np.tile(low, 2), 0, np.tile(high - low, 2)))
    return np.asarray(
        image.resize(
            (size_px, size_px), Image.Resampling.BILINEAR, box=(inner[0], inner[1], inner[2], inner[3])
        )
    )


def _check_shape(plane: np.ndarray, rgb: np.ndarray, path: Path, picture: Path) -> None:
    (height, width), (full_height, full_width) = plane.shape[:2], rgb.shape[:2]
    if abs(height * full_width / (width * full_height) - 1) > 0.02:
        raise InputError(
            f"{path} ({width} x {height}) has another shape than {picture.name} ({full_width} x {full_height}).",
            "Crop or turn both alike; the sizes may differ, the shapes may not.",
            code="bad_rgbd",
        )


def _check_plausible(height: np.ndarray, width_mm: float, depth: Path) -> None:
    relief = float(np.subtract(*np.percentile(height, (95, 5))))
    checks = (("deep", relief, PLAUSIBLE_RELIEF_MM), ("wide", width_mm, PLAUSIBLE_WIDTH_MM))
    for what, value, (low, high) in checks:
        if not low <= value <= high:
            raise InputError(
                f"The head in {depth} would be {value:.3g} mm {what}.",
                f"A head is {low:g} to {high:g} mm {what}: correct depth_unit_mm, focal_px or span_mm in "
                f"{SETTINGS_FILE}, or the mask.",
                code="implausible_rgbd",
            )


def _read(path: Path, reader: Callable[[Path], np.ndarray]) -> np.ndarray:
    try:
        return reader(path)
    except Exception as error:  # Pillow, numpy and OpenEXR share no exception type
        raise InputError(
            f"{path} cannot be read: {error}.",
            "Write the file again, or remove it and its partners.",
            code="bad_rgbd",
        ) from error


def _read_png(path: Path) -> np.ndarray:
    image = Image.open(path)
    if not image.mode.startswith("I"):
        raise ValueError(f"8-bit PNG ({image.mode}) is too coarse for depth, 16-bit grey is needed")
    return np.asarray(image)


def _read_exr(path: Path) -> np.ndarray:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels: Mapping[str, Any] = file.channels()
        name = next((n for n in ("Z", "Y", "V", "R") if n in channels), None)
        if name is None:
            raise ValueError(f"no channel Z, Y, V or R among {', '.join(channels)}")
        return np.array(channels[name].pixels)


_DEPTH_READERS: Mapping[str, Callable[[Path], np.ndarray]] = {
    ".png": _read_png,
    ".exr": _read_exr,
    ".npy": lambda path: np.load(path, allow_pickle=False),
}
