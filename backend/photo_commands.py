# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that work on a photo: ``generate``, ``depth``, ``appearance``. Cheap checks come first."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import InputError

Progress = Callable[[str, int, int], None]

# As in Blender's panel.
FACE_HELP = "which face where there are several, from 1 on the left; 0 takes the largest near the middle"


@dataclass(frozen=True)
class PhotoCommand:
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """``--device``, ``--precision`` and ``--checkpoint``, the same for every command that loads the model."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")
    parser.add_argument(
        "--precision",
        default="auto",
        help="auto (float32), float32, bfloat16, or float16 on a graphics card; less is faster and less exact",
    )
    parser.add_argument(
        "--checkpoint", metavar="DIR", help="default: the embedded one, or $PORTRAIT_RELIEF_CHECKPOINT"
    )


def add_photo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: PHOTO's name with -relief, beside it"
    )
    parser.add_argument(
        "--crop", metavar="X,Y,SIDE", help="square around the head in photo pixels (default: found)"
    )
    parser.add_argument("--face", type=_face, default=0, metavar="N", help=f"{FACE_HELP} (default)")
    parser.add_argument("--json", action="store_true", help="print the result (or error) as JSON")
    add_model_arguments(parser)


def _add_expression_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--expression",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="0..1; may be given several times",
    )

    parser.add_argument(
        "--pose",
        action="append",
        default=[],
        metavar="ANGLE=DEGREES",
        help="yaw, pitch or roll from how the head is in the photo; may be given several times",
    )


def _add_generate_arguments(parser: argparse.ArgumentParser) -> None:
    add_photo_arguments(parser)
    _add_expression_arguments(parser)
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="denoising steps (default: the checkpoint's own)"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="default: 0")


def _add_appearance_arguments(parser: argparse.ArgumentParser) -> None:
    add_photo_arguments(parser)
    _add_expression_arguments(parser)
    parser.add_argument(
        "--depth",
        type=Path,
        required=True,
        metavar="FILE",
        help="EXR, NPY or 16-bit PNG in mm, as large as the photo",
    )


def _run_generate(arguments: argparse.Namespace) -> int:
    expression, pose = _expression(arguments), _pose(arguments)
    with opened(arguments) as (editor, portrait, progress):
        result = editor.generate(
            portrait,
            expression,
            pose=pose or None,
            steps=arguments.steps,
            seed=arguments.seed,
            progress=progress,
        )
    return _write(arguments, result)


def _run_depth(arguments: argparse.Namespace) -> int:
    with opened(arguments) as (editor, portrait, progress):
        result = editor.depth(portrait, progress=progress)
    return _write(arguments, result)


def _run_appearance(arguments: argparse.Namespace) -> int:
    expression, pose = _expression(arguments), _pose(arguments)
    from backend.imaging.depth_codec import read_depth

    depth_mm = read_depth(arguments.depth)
    with opened(arguments) as (editor, portrait, progress):
        result = editor.appearance(
            portrait, depth_mm, expression=expression or None, pose=pose or None, progress=progress
        )
    return _write(arguments, result)


PHOTO_COMMANDS: Mapping[str, PhotoCommand] = {
    "generate": PhotoCommand(
        "give a portrait another expression, with its depth", _add_generate_arguments, _run_generate
    ),
    "depth": PhotoCommand("estimate the depth of a portrait", add_photo_arguments, _run_depth),
    "appearance": PhotoCommand(
        "make the photo follow another depth", _add_appearance_arguments, _run_appearance
    ),
}


@contextlib.contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[tuple[Any, Any, Progress]]:
    """(editor, opened portrait, progress callback)."""
    crop = _crop(arguments.crop)
    if not arguments.photo.is_file():
        raise InputError(f"There is no file {arguments.photo}.", "Check the name.", code="unreadable_photo")
    with progress_bars() as progress:
        progress("loading", 0, 1)
        from backend.editor import PortraitEditor
        from backend.imaging.crop import CropBox

        editor = PortraitEditor(arguments.checkpoint, device=arguments.device, precision=arguments.precision)
        progress("loading", 1, 1)
        box = CropBox.from_sequence(crop) if crop else None
        index = arguments.face - 1 if arguments.face else None
        portrait = editor.open(arguments.photo, crop=box, face=index, progress=progress)
        yield editor, portrait, progress


def _write(arguments: argparse.Namespace, result: Any) -> int:
    """Save the result and say where it is: the folder's name, or JSON."""
    folder = arguments.out or arguments.photo.with_name(arguments.photo.stem + "-relief")
    try:
        result.save(folder)
    except OSError as error:
        raise InputError(
            f"The result cannot be written to {folder} ({error.strerror or error}).",
            "Choose another folder with --out.",
            code="cannot_write",
        ) from error
    if not arguments.json:
        for warning in result.report.get("warnings", ()):
            print(f"portrait-relief: {warning}", file=sys.stderr)
        print(folder)
        return 0
    from backend.server import messages

    height, width = result.depth_mm.shape
    files = sorted(path.name for path in Path(folder).iterdir())
    content = {"folder": str(folder), "files": files, "width": width, "height": height}
    content |= {"mm_per_px": result.mm_per_px, "report": result.report}
    print(messages.encode(content).decode(), end="")
    return 0


@contextlib.contextmanager
def progress_bars() -> Iterator[Progress]:
    """A progress callback that shows one tqdm bar a phase on stderr; silent unless that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _phase, _step, _total: None
        return
    from tqdm import tqdm

    bar: tqdm[Any] | None = None
    shown = ""

    def progress(phase: str, step: int, total: int) -> None:
        nonlocal bar, shown
        if bar is None or shown != phase:
            if bar is not None:
                bar.close()
            bar, shown = tqdm(desc=phase, leave=False, file=sys.stderr), phase
        bar.total, bar.n = total, step
        bar.refresh()

    try:
        yield progress
    finally:
        if bar is not None:
            bar.close()


def _expression(arguments: argparse.Namespace) -> dict[str, float]:
    from backend.model.expression_names import ARKIT_NAMES
    from backend.server.request import check_expression

    return check_expression(pairs(arguments.expression, "--expression", "jawOpen=0.5"), ARKIT_NAMES)


def _pose(arguments: argparse.Namespace) -> dict[str, float]:
    from backend.server.request import check_pose

    return check_pose(pairs(arguments.pose, "--pose", "yaw=5"))


def pairs(texts: Sequence[str], option: str, example: str) -> dict[str, float]:
    pairs = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            pairs[name.strip()] = float(value)
        except ValueError:
            raise InputError(
                f"{option} {text}: a name and a number are needed.", f"For example {option} {example}."
            ) from None
    return pairs


def _crop(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        x, y, side = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--crop {text}: three numbers are needed.", "For example --crop 120,40,512.", code="bad_crop"
        ) from None
    return x, y, side


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _face(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError("must lie between 0 and 2**63 - 1")
    return value
