# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that follow a driver's face: ``drive`` and ``animate``."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.errors import InputError
from backend.photo_commands import (
    PhotoCommand,
    add_photo_arguments,
    opened,
    pairs,
    positive,
    progress_bars,
    seed,
)

_MANIFEST = "animation.json"


def _add_motion_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("motion")
    group.add_argument(
        "--motion",
        choices=("relative", "absolute"),
        default="relative",
        help="relative (default): the portrait's own face moves as far as the driver's does from its neutral "
        "one; absolute: it takes the driver's very expression. A single picture is always absolute",
    )
    group.add_argument("--smoothing", type=float, default=0.3, metavar="0..1", help="default: 0.3")
    group.add_argument(
        "--neutral",
        type=positive,
        metavar="FRAME",
        help="frame, counted from 1, in which the driver's face is neutral (default: estimated)",
    )
    group.add_argument(
        "--regions",
        metavar="NAMES",
        help="only these, as brows,eyes,gaze,jaw,mouth,cheeks,nose,head (default: all)",
    )
    group.add_argument(
        "--strength",
        action="append",
        default=[],
        metavar="REGION=FACTOR",
        help="0..2; may be given several times",
    )
    group.add_argument("--mirror", action="store_true", help="swap left and right")
    group.add_argument(
        "--driver-fps",
        type=_rate,
        metavar="N",
        help="of a driver that is a sequence of pictures (default: 25)",
    )
    group.add_argument(
        "--landmarker", type=Path, metavar="FILE", help="model file; default: $PORTRAIT_RELIEF_LANDMARKER"
    )


def _add_drive_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "driver", type=Path, metavar="DRIVER", help="photo, movie, or folder or zip of pictures"
    )
    parser.add_argument("--out", type=Path, metavar="CSV", help="default: DRIVER's name with .csv, beside it")
    parser.add_argument(
        "--portrait", type=Path, metavar="PHOTO", help="whose own expression relative motion is added to"
    )
    parser.add_argument("--raw", action="store_true", help="write what was measured, without motion options")
    parser.add_argument("--json", action="store_true", help="print the recording (or error) as JSON")
    _add_motion_arguments(parser)


def _add_animate_arguments(parser: argparse.ArgumentParser) -> None:
    add_photo_arguments(parser)
    parser.add_argument(
        "--driver",
        type=Path,
        required=True,
        metavar="DRIVER",
        help="photo, movie, or folder or zip of pictures",
    )
    parser.add_argument(
        "--fps", type=_rate, metavar="N", help="frames a second to make (default: the driver's)"
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="make only the first N")
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="denoising steps (default: the checkpoint's own)"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="default: 0")
    _add_motion_arguments(parser)


def _run_drive(arguments: argparse.Namespace) -> int:
    options = _options(arguments)
    from backend.driving.drive import portrait_values, record
    from backend.driving.motion import retarget

    with progress_bars() as progress:
        recording = record(
            arguments.driver,
            model=arguments.landmarker,
            frames_per_s=arguments.driver_fps,
            progress=progress,
        )
        if not arguments.raw:
            options = _fitting(options, len(recording))
            own = None
            if arguments.portrait is not None:
                own = portrait_values(arguments.portrait, model=arguments.landmarker)
            recording = retarget(recording, options, own)
    target = arguments.out or arguments.driver.with_suffix(".csv")
    _write_text(target, recording.to_csv())
    if arguments.json:
        print(json.dumps({"file": str(target), **recording.to_dict()}))
    else:
        print(target)
    return 0


def _run_animate(arguments: argparse.Namespace) -> int:
    options = _options(arguments)
    from backend.driving.drive import portrait_values, record
    from backend.driving.landmarker import check_package, model_path
    from backend.driving.motion import retarget
    from backend.driving.recording import resampled
    from backend.model.expression_names import ARKIT_NAMES, POSE_NAMES

    check_package()
    model_path(arguments.landmarker)
    folder = arguments.out or arguments.photo.with_name(f"{arguments.photo.stem}-animated")
    with opened(arguments) as (editor, portrait, progress):
        recording = record(
            arguments.driver,
            model=arguments.landmarker,
            frames_per_s=arguments.driver_fps,
            progress=progress,
        )
        options = _fitting(options, len(recording))
        own = None
        if options.motion == "relative":
            own = portrait_values(arguments.photo, model=arguments.landmarker)
        recording = retarget(recording, options, own)
        if arguments.fps and len(recording) > 1:
            recording = resampled(recording, arguments.fps)
        _write_text(folder / "recording.csv", recording.to_csv())
        kept = _Kept(folder, arguments, editor.fingerprint)
        wanted = min(len(recording), arguments.frames or len(recording))
        for index in range(wanted):
            progress("frames", index, wanted)
            expression = recording.frame(index, ARKIT_NAMES)
            pose = recording.frame(index, POSE_NAMES)
            if not kept.has(index + 1, expression, pose):
                result = editor.generate(
                    portrait,
                    expression,
                    pose=pose or None,
                    steps=arguments.steps,
                    seed=arguments.seed,
                    progress=lambda _phase, _step, _total: None,
                )
                kept.add(index + 1, expression, pose, result)
    if arguments.json:
        content = {"folder": str(folder), "frames": wanted, "made": kept.made}
        print(json.dumps({**content, "frames_per_s": recording.frames_per_s}))
    else:
        print(folder)
    return 0


DRIVING_COMMANDS: Mapping[str, PhotoCommand] = {
    "drive": PhotoCommand(
        "follow the face of a photo, movie or sequence and write it as a recording (CSV)",
        _add_drive_arguments,
        _run_drive,
    ),
    "animate": PhotoCommand(
        "move a portrait as a driver's face moves, frame by frame", _add_animate_arguments, _run_animate
    ),
}


class _Kept:
    """The finished frames in the folder, each with what it was made from: a second run goes on where the first
    ended.
    """

    def __init__(self, folder: Path, arguments: argparse.Namespace, checkpoint: str) -> None:
        self._folder = folder
        self.made = 0
        photo = hashlib.sha256(arguments.photo.read_bytes()).hexdigest()
        settings = [photo, checkpoint, arguments.steps, arguments.seed, arguments.crop, arguments.face]
        self._settings = json.dumps(settings)
        self._keys: dict[str, str] = {}
        try:
            known = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
            self._keys = {str(number): str(key) for number, key in known["frames"].items()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            pass  # nothing is known

    def has(self, number: int, expression: Mapping[str, float], pose: Mapping[str, float]) -> bool:
        return self._keys.get(str(number)) == self._key(expression, pose) and all(
            path.is_file() for path in self._files(number).values()
        )

    def add(
        self, number: int, expression: Mapping[str, float], pose: Mapping[str, float], result: Any
    ) -> None:
        from backend.imaging.depth_codec import write_coverage_png, write_depth, write_rgb_png

        files = self._files(number)
        if self._keys.pop(str(number), None) is not None:
            self._write()  # its files are about to change
        try:
            write_rgb_png(files["portrait"], result.rgb, result.report)
            write_depth(files["depth"], result.depth_mm, {**result.report, "mm_per_px": result.mm_per_px})
            write_coverage_png(files["coverage"], result.coverage, result.report)
        except OSError as error:
            raise _cannot_write(self._folder, error) from error
        self._keys[str(number)] = self._key(expression, pose)
        self.made += 1
        self._write()

    def _write(self) -> None:
        """All at once: an end in the middle of it must not forget what is finished."""
        part = self._folder / f"{_MANIFEST}.part"
        _write_text(part, json.dumps({"frames": self._keys}))
        os.replace(part, self._folder / _MANIFEST)

    def _key(self, expression: Mapping[str, float], pose: Mapping[str, float]) -> str:
        text = self._settings + json.dumps([expression, pose], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _files(self, number: int) -> dict[str, Path]:
        endings = {"portrait": "png", "depth": "exr", "coverage": "png"}
        return {name: self._folder / f"{name}_{number:04d}.{ending}" for name, ending in endings.items()}


def _options(arguments: argparse.Namespace) -> Any:
    from backend.driving.motion import DRIVING_REGIONS, MotionOptions

    strength = pairs(arguments.strength, "--strength", "mouth=0.8")
    if arguments.regions is not None:
        named = [name.strip() for name in arguments.regions.split(",") if name.strip()]
        unknown = [name for name in named if name not in DRIVING_REGIONS]
        if unknown:
            raise InputError(
                f"There is no region '{unknown[0]}'.", f"Use some of: {', '.join(DRIVING_REGIONS)}."
            )
        strength = {name: strength.get(name, 1.0) if name in named else 0.0 for name in DRIVING_REGIONS}
    return MotionOptions(
        motion=arguments.motion,
        smoothing=arguments.smoothing,
        neutral_frame=arguments.neutral - 1 if arguments.neutral else None,
        strength=strength,
        mirror=arguments.mirror,
    )


def _fitting(options: Any, frames: int) -> Any:
    """A single picture has no neutral face to start from."""
    from dataclasses import replace

    return replace(options, motion="absolute") if frames == 1 else options


def _write_text(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(
        f"The result cannot be written to {path} ({error.strerror or error}).",
        "Choose another place with --out.",
        code="cannot_write",
    )


def _rate(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 1000:
        raise argparse.ArgumentTypeError("must lie between 0.1 and 1000")
    return value
