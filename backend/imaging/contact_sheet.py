# SPDX-License-Identifier: GPL-3.0-or-later
"""Labelled grids of pictures, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_LABEL_PX = 20
_GAP_PX = 6
_BACKGROUND = (24, 24, 27)
_INK = (225, 225, 225)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    *,
    column_labels: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    tile_px: int = 256,
) -> np.ndarray:
    """Pictures in rows, each fitted into a square tile.

    Args:
        rows: uint8 [H, W, 3] or [H, W], or float 0..1 of the same shapes (NaN black); rows may differ in
        length. column_labels: written above the columns.
        row_labels: written into the first tile of each row.
        tile_px: side of a tile.

    Returns:
        uint8 [H, W, 3].
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("a contact sheet needs at least one picture")
    top = _LABEL_PX if column_labels else 0
    pitch = tile_px + _GAP_PX
    sheet = Image.new("RGB", (columns * pitch + _GAP_PX, top + len(rows) * pitch + _GAP_PX), _BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for column, label in enumerate(column_labels):
        draw.text((_GAP_PX + column * pitch, 3), label, _INK, font)
    for row_index, row in enumerate(rows):
        y = top + _GAP_PX + row_index * pitch
        for column, picture in enumerate(row):
            tile = Image.fromarray(_to_bytes(picture)).convert("RGB")
            scale = tile_px / max(tile.size)
            size = (max(1, round(tile.width * scale)), max(1, round(tile.height * scale)))
            tile = tile.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
            x = _GAP_PX + column * pitch
            sheet.paste(tile, (x + (tile_px - tile.width) // 2, y + (tile_px - tile.height) // 2))
        if row_index < len(row_labels) and row_labels[row_index]:
            draw.text(
                (_GAP_PX + 4, y + 3), row_labels[row_index], _INK, font, stroke_width=2, stroke_fill=(0, 0, 0)
            )
    return np.asarray(sheet)


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint8:
        return picture
    return np.rint(np.nan_to_num(picture).clip(0, 1) * 255).astype(np.uint8)
