# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m demo [PHOTO] --out FOLDER`: the extension and its backend from a photo to exported reliefs.

Drives Blender (as a Python module) as a script of a user would: the extension's own operators start the
backend, estimate the photo's depth, generate a surprised face and import both reliefs. The edited one is lit anew,
rendered and exported.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

# Surprise shows on every face, whatever it does in the photo; a smile hardly does on one that smiles.
EXPRESSION = {"jawOpen": 0.8, "browInnerUp": 0.7, "browOuterUpLeft": 0.7, "browOuterUpRight": 0.7}
CAMERA_TURN_DEG = 16.0  # enough to see that it is a relief
RENDER_PX = 640
RENDER_SAMPLES = 16
LOG_NAME = "blender.log"


class DemoError(Exception):
    """Something that the person at the keyboard can read."""


class Phases:
    """Says each phase on a stream and keeps its seconds."""

    def __init__(self, stream: TextIO) -> None:
        self.seconds: dict[str, float] = {}
        self._stream = stream

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._say(f"- {name} ... ")
        begin = time.monotonic()
        try:
            yield
        except BaseException:
            self._say("\n")
            raise
        self.seconds[name] = round(time.monotonic() - begin, 2)
        self._say(f"{self.seconds[name]:.1f} s\n")

    def _say(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


@contextlib.contextmanager
def output_to(path: Path) -> Iterator[TextIO]:
    """Sends what Blender, its add-ons and its C++ code print to a file; yields the terminal."""
    sys.stdout.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    with path.open("w") as log, os.fdopen(os.dup(1), "w") as terminal:
        for number in kept:
            os.dup2(log.fileno(), number)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)


def example_photo(folder: Path) -> Path:
    """NASA's portrait of Eileen Collins (public domain), which comes with scikit-image."""
    from PIL import Image
    from skimage.data import astronaut

    path = folder / "photo.png"
    Image.fromarray(astronaut()).save(path)
    return path


@dataclass(frozen=True)
class Edited:
    """What the extension made: the photo's own relief and the edited one, with the data behind them."""

    photo_relief: Any  # bpy.types.Object
    relief: Any
    photo_frame: Any  # blender_addon.core.jobs.FrameResult
    frame: Any


def run_demo(photo: Path, out: Path, phases: Phases, samples: int) -> dict[str, Any]:
    """Fills `out` and returns the report. Raises RuntimeError with Blender's or the extension's sentence."""
    with phases("loading Blender"):
        import bpy

        import blender_addon

        bpy.ops.wm.read_factory_settings(use_empty=True)
        blender_addon.register()
    try:
        edited = edit(photo, phases)
        write_result(edited, out)
        light_and_export(edited, out, phases, samples)
        with phases("drawing the contact sheet"):
            draw_contact_sheet(photo, edited, out)
        return {
            "photo": {"name": photo.name, "size_px": list(edited.frame.depth_mm.shape[::-1])},
            "expression": EXPRESSION,
            "device": facts(edited).get("device"),
            "checkpoint": facts(edited).get("checkpoint"),
            "depth": edited.photo_frame.info,
            "generate": edited.frame.info,
            "relief": {
                "vertices": len(edited.relief.data.vertices),
                "size_m": [round(side, 4) for side in edited.relief.dimensions],
            },
            "versions": {"blender": bpy.app.version_string, **_versions()},
        }
    finally:
        blender_addon.unregister()  # ends the backend too


def edit(photo: Path, phases: Phases) -> Edited:
    """Two jobs through the extension's operators, which import a relief each."""
    import bpy

    from blender_addon import runtime

    settings = bpy.context.scene.portrait_relief
    settings.source, settings.filepath = "FILE", str(photo)
    settings.keep_unset = True
    for name, value in EXPRESSION.items():
        setattr(settings, name, value)
    made = []
    with phases("starting the backend"):
        bpy.ops.portrait_relief.start_backend()
    for name, operator in (
        ("estimating the photo's depth", bpy.ops.portrait_relief.estimate_depth),
        ("generating a surprised face", bpy.ops.portrait_relief.generate),
    ):
        with phases(name):
            operator()
            job = runtime.session().job
            assert job is not None
            made.append((bpy.context.view_layer.objects.active, job.results[-1]))
    with phases("stopping the backend"):
        bpy.ops.portrait_relief.stop_backend()
    (photo_relief, photo_frame), (relief, frame) = made
    if relief is None or relief == photo_relief:
        raise RuntimeError("The edited relief was not imported.")
    return Edited(photo_relief, relief, photo_frame, frame)


def facts(edited: Edited) -> dict[str, Any]:
    """What result files say of their origin."""
    return edited.frame.info.get("report", {})


def write_result(edited: Edited, out: Path) -> None:
    from backend.imaging import depth_codec

    (out / "portrait.png").write_bytes(edited.frame.rgb_png)
    depth_codec.write_depth(out / "depth.exr", edited.frame.depth_mm, facts(edited))
    depth_codec.write_coverage_png(out / "coverage.png", edited.frame.coverage, facts(edited))


def light_and_export(edited: Edited, out: Path, phases: Phases, samples: int) -> None:
    import bpy

    from . import exports, studio

    with phases("lighting and rendering the relief"):
        edited.photo_relief.location.x -= 1.2 * edited.photo_relief.dimensions.x
        edited.photo_relief.hide_render = True
        bpy.context.view_layer.update()
        framing = studio.frame(edited.relief)
        aspect = studio.add_camera(framing, CAMERA_TURN_DEG)
        studio.add_three_point_rig(framing)
        studio.render(out / "relit.png", aspect=aspect, longer_side_px=RENDER_PX, samples=samples)
    with phases("exporting"):
        exports.write_glb(edited.relief, out / "relief.glb")
        exports.write_stl(edited.relief, out / "relief.stl")
        exports.write_blend(out / "relief.blend")


def head_window(depth_mm: Any) -> tuple[slice, slice]:
    """Rows and columns of the head and a margin around it; depth_mm: float [H, W], NaN outside the head."""
    import numpy as np

    rows, columns = np.nonzero(np.isfinite(depth_mm))
    margin = round(0.1 * max(np.ptp(rows), np.ptp(columns)))
    top, left = max(0, rows.min() - margin), max(0, columns.min() - margin)
    return slice(top, rows.max() + margin + 1), slice(left, columns.max() + margin + 1)


def draw_contact_sheet(photo: Path, edited: Edited, out: Path) -> None:
    from backend.imaging import contact_sheet, depth_codec, shading
    from backend.imaging.load import load_photo

    head = head_window(edited.frame.depth_mm)
    pictures = {
        "photo": load_photo(photo).rgb[head],
        "edit": load_photo(out / "portrait.png").rgb[head],
        "depth": shading.depth_preview(edited.frame.depth_mm, edited.frame.mm_per_px)[head],
        "relit": load_photo(out / "relit.png").rgb,
    }
    sheet = contact_sheet.contact_sheet([list(pictures.values())], column_labels=list(pictures), tile_px=512)
    depth_codec.write_rgb_png(out / "contact_sheet.png", sheet, facts(edited))


def _versions() -> dict[str, str]:
    from backend.version import VERSION

    packages = {name: importlib.metadata.version(name) for name in ("torch", "diffusers", "numpy")}
    return {"portrait_relief": VERSION, "python": platform.python_version(), **packages}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--samples", type=int, default=RENDER_SAMPLES, help="Cycles samples a pixel")
    arguments = parser.parse_args(argv)
    out: Path = arguments.out.absolute()
    interrupted = False

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if arguments.photo is not None and not arguments.photo.is_file():
            raise DemoError(f"There is no photo {arguments.photo}.")
        photo = arguments.photo.absolute() if arguments.photo else example_photo(out)
        with output_to(out / LOG_NAME) as terminal:
            phases = Phases(terminal)
            report = run_demo(photo, out, phases, arguments.samples)
    except (KeyboardInterrupt, DemoError, RuntimeError, OSError) as error:
        # Blender turns every exception inside an operator into a RuntimeError, an interrupt's too.
        if interrupted:
            print("Interrupted; the backend has ended.", file=sys.stderr)
            return 130
        print(f"The demo failed: {_sentence(error)}", file=sys.stderr)
        if (out / LOG_NAME).is_file():
            print(f"What Blender printed: {out / LOG_NAME}", file=sys.stderr)
        return 1
    report["seconds"] = {**phases.seconds, "all": round(sum(phases.seconds.values()), 2)}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"\n{report['seconds']['all']:.0f} s in all. In {out}:")
    for path in sorted(path for path in out.iterdir() if path.name != LOG_NAME):
        print(f"  {path.name:20} {path.stat().st_size / 1e6:7.2f} MB")
    print(f"\nLook at {out / 'contact_sheet.png'} first.")
    return 0


def _sentence(error: BaseException) -> str:
    """Operators' errors start with "Error: "; of a traceback the last line says what happened."""
    lines = [line for line in str(error).removeprefix("Error: ").strip().splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if "Traceback" in lines[0] or "Python:" in lines[0] else " ".join(lines)


if __name__ == "__main__":
    sys.exit(main())
