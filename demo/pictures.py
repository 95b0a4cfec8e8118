# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m demo.pictures --out docs/images`: the documentation's pictures of the model, made anew.

Writes expressions.jpg and turns.jpg (the photo and five edits of it each, by the command line) and relief-sides.jpg
(relief.glb of the demo's last run from four sides, textured and as clay).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .__main__ import LOG_NAME, example_photo, head_window, output_to

EDITS: dict[str, dict[str, float]] = {
    "smile": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8},
    "jaw open": {"jawOpen": 0.8},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "brows up": {"browInnerUp": 1.0, "browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
    "pucker": {"mouthPucker": 1.0},
}
TURNS: dict[str, dict[str, float]] = {
    "yaw 15": {"yaw": 15.0},
    "yaw -15": {"yaw": -15.0},
    "pitch 10": {"pitch": 10.0},
    "pitch -10": {"pitch": -10.0},
    "roll 10": {"roll": 10.0},
}
TURNS_DEG = (-60.0, -25.0, 25.0, 60.0)
TILE_PX = 300
CLAY = (0.6, 0.57, 0.53, 1.0)


def draw_edits(photo: Path, edits: Mapping[str, Mapping[str, float]], option: str, path: Path) -> None:
    """One command line call an edit, its values given by `option`; the tiles show the head and a margin."""
    from backend.imaging import contact_sheet, depth_codec
    from backend.imaging.load import load_photo

    pictures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, values in edits.items():
            out = Path(folder) / name.replace(" ", "-")
            command = [sys.executable, "-m", "backend", "generate", str(photo), "--out", str(out)]
            command += [f"{option}={key}={value}" for key, value in values.items()]
            subprocess.run(command, check=True)
            head = head_window(depth_codec.read_depth(out / "depth.exr"))
            pictures.setdefault("photo", load_photo(photo).rgb[head])
            pictures[name] = load_photo(out / "portrait.png").rgb[head]
    sheet = contact_sheet.contact_sheet(
        [list(pictures.values())], column_labels=list(pictures), tile_px=TILE_PX
    )
    _write_jpeg(sheet, path)


def draw_sides(glb: Path, path: Path) -> None:
    """Cycles renders of the exported file, read back as any other program would."""
    import bpy

    from backend.imaging import contact_sheet
    from backend.imaging.load import load_photo

    from . import studio

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(glb))
    relief = next(item for item in bpy.data.objects if item.type == "MESH")
    framing = studio.frame(relief)
    studio.add_three_point_rig(framing)
    clay = bpy.data.materials.new("Clay")
    clay.diffuse_color = CLAY
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for material in (relief.data.materials[0], clay):
            relief.data.materials[0] = material
            rows.append([])
            for turn_deg in TURNS_DEG:
                aspect = studio.add_camera(framing, turn_deg)
                picture = Path(folder) / f"{material.name}{turn_deg}.png"
                studio.render(picture, aspect=aspect, longer_side_px=TILE_PX, samples=32)
                rows[-1].append(load_photo(picture).rgb)
    labels = [f"{abs(turn):.0f} degrees {'left' if turn < 0 else 'right'}" for turn in TURNS_DEG]
    _write_jpeg(contact_sheet.contact_sheet(rows, column_labels=labels, tile_px=TILE_PX), path)


def _write_jpeg(sheet: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray(sheet).save(path, quality=88)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demo.pictures", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--glb", type=Path, default=Path("out/relief.glb"), help="a relief that the demo exported"
    )
    arguments = parser.parse_args(argv)
    if not arguments.glb.is_file():
        print(f"There is no {arguments.glb}: run `python3 build.py demo` first.", file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        photo = example_photo(Path(folder))
        draw_edits(photo, EDITS, "--expression", arguments.out / "expressions.jpg")
        draw_edits(photo, TURNS, "--pose", arguments.out / "turns.jpg")
        with output_to(Path(folder) / LOG_NAME):
            draw_sides(arguments.glb, arguments.out / "relief-sides.jpg")
    print(f"Wrote expressions.jpg, turns.jpg and relief-sides.jpg to {arguments.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
