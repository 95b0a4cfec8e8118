# SPDX-License-Identifier: GPL-3.0-or-later
"""How far frames of few Cycles samples are from one of many, where it counts: mouth, eyes, hair.

python -m backend.training.render_noise --assets ASSETS --seeds 40001 40003
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.training.dataset import EXTRA_ARRAYS, Shot, load_shot, region_box
from backend.training.render.assets import HeadAssets
from backend.training.render.encoding import decode_region
from backend.training.tables import markdown

BOXES: Mapping[str, tuple[str, ...]] = {"mouth": ("mouth",), "eyes": ("left_eye", "right_eye")}
REGIONS = (*BOXES, "hair")


def squared_error(made: Shot, wanted: Shot) -> dict[str, float]:
    """Mean squared error of the first frame's sRGB picture (0..1) by region; NaN where there is none."""
    difference = (made.picture(0)[..., :3] / 255.0 - wanted.picture(0)[..., :3] / 255.0) ** 2
    side = len(difference)
    masks = {name: np.zeros((side, side), bool) for name in BOXES}
    for name, boxes in BOXES.items():
        for box in boxes:
            left, top, right, bottom = (round(side * share) for share in region_box(wanted, 0, box))
            masks[name][max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    masks["hair"] = decode_region(wanted.arrays["regions"][0], "hair")
    return {
        name: float(difference[mask].mean()) if mask.any() else float("nan") for name, mask in masks.items()
    }


def noise(
    assets: HeadAssets, seeds: Sequence[int], samples: Sequence[int], many: int, resolution_px: int
) -> dict[int, dict[str, float]]:
    """PSNR in dB by number of samples and region, pooled over the first frames of the shots of `seeds`."""
    from backend.training.render.shot import ShotRenderer

    shots: dict[int, list[Shot]] = {}
    with tempfile.TemporaryDirectory(prefix="portrait-relief-noise-") as folder:
        for count in (*samples, many):
            renderer = ShotRenderer(assets, resolution_px, count, threads=0)
            shots[count] = []
            for seed in seeds:
                path = Path(folder, f"{seed}_{count}.npz")
                renderer.render(seed, path, change=lambda shot: replace(shot, frames=shot.frames[:1]))
                shots[count].append(load_shot(path, extras=EXTRA_ARRAYS))
    found = {}
    for count in samples:
        errors = [squared_error(made, wanted) for made, wanted in zip(shots[count], shots[many], strict=True)]
        found[count] = {
            name: float(-10 * np.log10(np.nanmean([error[name] for error in errors]))) for name in REGIONS
        }
    return found


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.render_noise", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--assets", required=True, type=Path, help="MPFB data folder")
    parser.add_argument("--seeds", required=True, type=int, nargs="+")
    parser.add_argument("--samples", type=int, nargs="+", default=[6, 12, 64])
    parser.add_argument("--many", type=int, default=256, help="samples of what they are compared with")
    parser.add_argument("--resolution", type=int, default=256, help="side in px")
    args = parser.parse_args(argv)
    found = noise(HeadAssets(args.assets), args.seeds, args.samples, args.many, args.resolution)
    rows = [[str(count), *(f"{row[name]:.1f} dB" for name in REGIONS)] for count, row in found.items()]
    print("\n".join(markdown([f"samples, against {args.many}", *REGIONS], rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
