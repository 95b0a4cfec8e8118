# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m demo.sculpted --out docs/images/sculpted.jpg`: sculpted depth and the picture that follows it.

A row each: the astronaut's relief with a longer nose, a stronger chin and fuller cheeks, by smooth bumps, then with a
slimmer jaw, the nose turned up and the mouth's corners raised, dragged sideways as by the brush Grab; the picture is
what *Repaint from Relief* returns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.imaging.scene_flow import drag

from .__main__ import example_photo, head_window


@dataclass(frozen=True)
class Bump:
    """Where it is, from the nose's tip, its widths, and how far it moves the surface (x right, y up, nearer), mm."""

    at: tuple[float, float]
    width: tuple[float, float]
    by: tuple[float, float, float]


def _both_sides(
    at: tuple[float, float], width: tuple[float, float], by: tuple[float, float, float]
) -> tuple[Bump, Bump]:
    return Bump(at, width, by), Bump((-at[0], at[1]), width, (-by[0], *by[1:]))


SCULPTINGS: Mapping[str, tuple[Bump, ...]] = {
    "nose 15 mm longer": (Bump((0, 0), (9, 12), (0, 0, 15)),),
    "chin 12 mm stronger": (Bump((0, -68), (16, 12), (0, 0, 12)),),
    "cheeks 10 mm fuller": _both_sides((42, -12), (15, 18), (0, 0, 10)),
    "jaw slimmer": _both_sides((55, -45), (18, 25), (-9, 3, 0)),
    "nose turned up": (Bump((0, 0), (10, 9), (0, 6, 2)),),
    "mouth wider": _both_sides((24, -36), (9, 9), (5, 5, 0)),
}
REACH = 3.7  # widths
TILE_PX = 185
FACE_SHARE = 0.62  # of the head's window, about the nose
DIFFERENCE_GAIN = 3.0
SIDE_LIGHT = (-0.8, 0.25, 0.5)


def sculpted(
    depth_mm: np.ndarray, mm_per_px: float, bumps: tuple[Bump, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Depth [H, W] and scene flow [H, W, 3] with smooth bumps placed from the nearest point of the face, the nose's
    tip."""
    row, column = np.unravel_index(np.nanargmax(depth_mm), depth_mm.shape)
    rows, columns = np.indices(depth_mm.shape)
    x_mm, y_mm = (columns - column) * mm_per_px, (row - rows) * mm_per_px
    push = np.zeros((*depth_mm.shape, 3))
    for bump in bumps:
        away = ((x_mm - bump.at[0]) / bump.width[0]) ** 2 + ((y_mm - bump.at[1]) / bump.width[1]) ** 2
        strength = np.where(away < REACH**2, np.exp(-0.5 * away), 0)
        push += strength[..., None] * np.array(bump.by)
    return drag(depth_mm, push * np.array([1 / mm_per_px, -1 / mm_per_px, 1]))


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
    for bumps in SCULPTINGS.values():
        depth_mm, flow = sculpted(read.depth_mm, read.mm_per_px, bumps)
        made = editor.appearance(portrait, depth_mm, scene_flow=flow).rgb
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
    sheet = contact_sheet(rows, column_labels=labels, row_labels=list(SCULPTINGS), tile_px=TILE_PX)
    Image.fromarray(sheet).save(arguments.out, quality=86)
    print(f"Wrote {arguments.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
