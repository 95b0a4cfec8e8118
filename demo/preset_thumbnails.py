# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m demo.preset_thumbnails`: draws the extension's preset thumbnails with the embedded model.

One JPEG a preset into blender_addon/thumbnails, the astronaut of scikit-image (NASA, public domain) with that
expression. To be run again when the presets or the weights change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

SIDE_PX = 128
QUALITY = 82
# Share of the head crop's side that shows the face, and how far its middle lies below the crop's.
FACE_SHARE = 0.66
FACE_DOWN = 0.06


def face_window(crop: tuple[float, float, float]) -> tuple[int, int, int]:
    """(left, top, side) in pixels of the photo, of the face in the head crop (left, top, side)."""
    left, top, side = crop
    shown = round(side * FACE_SHARE)
    margin = (side - shown) / 2
    return round(left + margin), round(top + margin + side * FACE_DOWN), shown


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.preset_thumbnails", description=__doc__)
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--out", type=Path, default=root / "blender_addon" / "thumbnails")
    parser.add_argument("--checkpoint", type=Path, help="another model than the embedded one")
    chosen = parser.parse_args(arguments)

    from PIL import Image
    from skimage.data import astronaut
    from tqdm import tqdm

    from backend.editor import PortraitEditor
    from blender_addon.core.arkit import ARKIT_NAMES
    from blender_addon.core.presets import PRESETS

    editor = PortraitEditor(chosen.checkpoint)
    portrait = editor.open(np.asarray(astronaut()))
    left, top, side = face_window((portrait.crop.x, portrait.crop.y, portrait.crop.side))
    chosen.out.mkdir(parents=True, exist_ok=True)
    for preset in tqdm(PRESETS, unit="preset"):
        # All sliders count, also those at 0: the astronaut's own smile would be in every picture.
        values = {name: preset.values.get(name, 0.0) for name in ARKIT_NAMES}
        picture = Image.fromarray(editor.generate(portrait, values).rgb)
        picture = picture.crop((left, top, left + side, top + side)).resize((SIDE_PX, SIDE_PX))
        picture.save(chosen.out / f"{preset.identifier.lower()}.jpg", quality=QUALITY, optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
