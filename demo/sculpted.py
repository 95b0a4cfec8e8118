# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m demo.sculpted --out docs/images/sculpted.jpg`: sculpted depth and the picture that follows it.

A row each: the astronaut's relief with a longer nose, a wider nose, a stronger chin, fuller cheeks and a heavier brow,
by smooth bumps; the picture is what *Repaint from Relief* returns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .__main__ import example_photo, head_window

# Bumps by x right, y up from the nose's tip, widths and height, mm.
BUMPS_MM: Mapping[str, tuple[tuple[float, float, float, float, float], ...]] = {
    "nose 15 mm longer": ((0, 0, 9, 12, 15),),
    "nose 8 mm wider": ((-14, -2, 6, 8, 8), (14, -2, 6, 8, 8)),
    "chin 12 mm stronger": ((0, -68, 16, 12, 12),),
    "cheeks 10 mm fuller": ((-42, -12, 15, 18, 10), (42, -12, 15, 18, 10)),
    "brow 7 mm heavier": ((-24, 48, 16, 6, 7), (24, 48, 16, 6, 7)),
}
TILE_PX = 185
FACE_SHARE = 0.62  # of the head's window, about the nose
DIFFERENCE_GAIN = 3.0
SIDE_LIGHT = (-0.8, 0.25, 0.5)


def sculpted_depth(
    depth_mm: np.ndarray, mm_per_px: float, bumps: tuple[tuple[float, float, float, float, float], ...]
) -> np.ndarray:
    """Depth [H, W] with smooth bumps placed from the nearest point of the face, the nose's tip."""
    row, column = np.unravel_index(np.nanargmax(depth_mm), depth_mm.shape)
    rows, columns = np.indices(depth_mm.shape)
    x_mm, y_mm = (columns - column) * mm_per_px, (row - rows) * mm_per_px
    total = np.zeros(depth_mm.shape)
    for x, y, wide, high, height in bumps:
        total += height * np.exp(-0.5 * (((x_mm - x) / wide) ** 2 + ((y_mm - y) / high) ** 2))
    return (depth_mm + total).astype(np.float32)


def face_window(depth_mm: np.ndarray) -> tuple[slice, slice]:
    """A square about the nose, a share of the head's window."""
    rows, _ = head_window(depth_mm)
    row, column = (int(index) for index in np.unravel_index(np.nanargmax(depth_mm), depth_mm.shape))
    reach = int((rows.stop - rows.start) * FACE_SHARE / 2)
    return slice(max(0, row - reach), row + reach), slice(max(0, column - reach), column + reach)


def main(argv: list[str] | None = None) -> int:
    from PIL import Image

    from backend.editor import PortraitEditor
    from backend.imaging.contact_sheet import contact_sheet
    from backend.imaging.shading import depth_preview, normals_from_depth, relight

    parser = argparse.ArgumentParser(
        prog="python -m demo.sculpted", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("photo", nargs="?", type=Path, help="default: scikit-image's astronaut")
    parser.add_argument("--out", type=Path, required=True, help="JPEG file")
    arguments = parser.parse_args(argv)
    editor = PortraitEditor()
    with tempfile.TemporaryDirectory() as folder:
        portrait = editor.open(arguments.photo or example_photo(Path(folder)))
    read = editor.depth(portrait)
    window = face_window(read.depth_mm)
    rows = []
    for bumps in BUMPS_MM.values():
        depth_mm = sculpted_depth(read.depth_mm, read.mm_per_px, bumps)
        made = editor.appearance(portrait, depth_mm).rgb
        difference = 0.5 + (made / 255.0 - read.rgb / 255.0) * DIFFERENCE_GAIN
        relit = relight(made, normals_from_depth(depth_mm, read.mm_per_px), read.coverage, SIDE_LIGHT)
        clay = [depth_preview(values, read.mm_per_px) for values in (read.depth_mm, depth_mm)]
        rows.append([picture[window] for picture in (read.rgb, *clay, made, difference, relit)])
    labels = [
        "photo",
        "its relief",
        "sculpted",
        "the new picture",
        "difference, 3 times",
        "relit from the side",
    ]
    sheet = contact_sheet(rows, column_labels=labels, row_labels=list(BUMPS_MM), tile_px=TILE_PX)
    Image.fromarray(sheet).save(arguments.out, quality=86)
    print(f"Wrote {arguments.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
