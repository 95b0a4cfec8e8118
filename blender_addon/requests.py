# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene settings and pictures -> what is sent to the backend."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import bpy

from . import installation, storage, user_choices
from .core import arkit, errors, launch, picture_file, protocol, retarget
from .core.crop import Crop
from .core.errors import AddonError
from .core.jobs import FrameInput, JobInput, Made, Maps
from .core.session import BackendChoice
from .core.steps import Steps, finish, in_worker
from .scene import animated, driving, images, relief_object, sending_back
from .translations import say


def backend_choice() -> BackendChoice:
    """The backend that the preferences and the environment name. Raises AddonError."""
    chosen = user_choices.get()
    if chosen.connection == "ATTACH":
        address = protocol.parse_address(chosen.address, chosen.token)
        if address.secure and not bpy.app.online_access:
            raise AddonError(errors.local("remote_offline"))
        return BackendChoice(address=address)
    if installation.is_busy():
        raise AddonError(errors.local("installing"))
    folder = storage.folder()
    return BackendChoice(
        launch=launch.make_launch(
            chosen_python=bpy.path.abspath(chosen.backend_python),
            chosen_source=bpy.path.abspath(chosen.backend_source),
            checkpoint=bpy.path.abspath(chosen.checkpoint),
            device=installation.device(),
            precision=chosen.precision.lower(),
            package_folder=Path(__file__).resolve().parent,
            storage=folder,
            installed=installation.used_environment(),
            inside_blender_program=bool(bpy.app.binary_path),
            landmarker=installation.face_model(),
        )
    )


def portrait(settings) -> tuple[bytes, str]:
    """The chosen picture -> (file content, name). Raises AddonError."""
    picture, name = _chosen_picture(settings)
    return images.png_of(picture), name


def _chosen_picture(settings) -> tuple[bytes | images.ReadImage, str]:
    """(its file's content or, of a painted one, its pixels; name). Raises AddonError."""
    if settings.source == "FILE":
        if not settings.filepath:
            raise AddonError(errors.local("no_picture"))
        return images.read_file(settings.filepath)
    if settings.image is None:
        raise AddonError(errors.local("no_picture"))
    return images.portrait_file(settings.image), settings.image.name


def crop(settings, content: bytes) -> tuple[int, int, int] | None:
    """Left, top and side in pixels of the upright picture in the file `content`; None where the head is searched for.
    Blender shows pictures as they are stored, however the camera was held, and the crop is drawn on what it shows."""
    if not settings.use_crop:
        return None
    drawn = Crop(settings.crop_left, settings.crop_top, settings.crop_side)
    if settings.source == "IMAGE":
        drawn = picture_file.upright(drawn, tuple(settings.image.size), picture_file.orientation(content))
    return drawn.left, drawn.top, drawn.side


def expression(settings) -> dict[str, float]:
    """The sliders as coefficients, or what a driving mesh shows; with "keep the rest" those at 0 are left out (masked,
    not zero), but for those that keyframes, drivers or the mesh move: these would jump to the photo's where they come
    through 0."""
    values = {name: round(getattr(settings, name), 4) for name in arkit.ARKIT_NAMES}
    if settings.driving_object is not None:
        values |= {
            name: round(value, 4) for name, value in driving.shape_key_values(settings.driving_object).items()
        }
    factor = settings.expression_strength
    sent = {name: value * factor for name, value in values.items()}
    relative = driving.is_relative(settings)
    if relative:
        change = {name: sent[name] for name in driving.driving_keys(settings.driving_object)}
        sent |= retarget.added(driving.own_expression(settings) or {}, change)
    sent = {name: round(min(1.0, value), 4) for name, value in sent.items()}
    if not settings.keep_unset:
        return sent
    used = animated.moved_coefficients(settings)
    if factor or "expression_strength" in animated.moved_sliders(settings):
        used |= {name for name, value in values.items() if value}
    if relative:  # where it comes back from, a movement shows in its opposite
        used |= {retarget.OPPOSITES[name] for name in used if name in retarget.OPPOSITES}
    return {name: max(value, driving.LEAST_DRIVEN) for name, value in sent.items() if name in used}


def pose(settings) -> dict[str, float]:
    """Degrees; empty when the head stays as it is in the photo."""
    return {name: round(getattr(settings, name), 3) for name in arkit.POSE_NAMES} if settings.use_pose else {}


def summary(mode: str, coefficients: dict[str, float], degrees: dict[str, float]) -> str:
    """`Smile L 0.60, Smile R 0.60, ...`: the strongest movements, for the list of results."""
    if mode == "depth":
        return "Depth of the photo"
    strongest = sorted((name for name in coefficients if coefficients[name]), key=lambda n: -coefficients[n])
    words = [f"{say(arkit.label(name))} {coefficients[name]:.2f}" for name in strongest[:3]]
    words += [f"{say(name.capitalize())} {value:.0f}°" for name, value in degrees.items() if value]
    return ", ".join(words) or ("Repainted from a relief" if mode == "appearance" else "Neutral")


def sequence_input(scene: bpy.types.Scene, numbers: Sequence[int]) -> tuple[JobInput, dict[int, FrameInput]]:
    """The job without its frames, and expression and pose at every frame of `numbers`. Raises AddonError.

    The scene is shown at each frame in turn, as that is how animation, drivers and shape keys become values.
    """
    settings = scene.portrait_relief
    given = replace(job_input(settings, "generate"), expression={}, pose={})
    now = scene.frame_current, scene.frame_subframe
    frames = {}
    try:
        for number in numbers:
            scene.frame_set(number)
            frames[number] = FrameInput(expression(settings), pose(settings))
    finally:
        scene.frame_set(now[0], subframe=now[1])
    return given, frames


def job_input(settings, mode: str) -> JobInput:
    """Everything of one job. Raises AddonError when the picture cannot be used."""
    given, rest = begun_input(settings, mode)
    return given if rest is None else replace(given, **finish(rest))


def begun_input(settings, mode: str) -> tuple[JobInput, Steps[Made] | None]:
    """One job, and what makes a painted picture's file for it. Raises AddonError when the picture cannot be used."""
    picture, name = _chosen_picture(settings)
    if mode != "depth" and driving.is_relative(settings):
        picture = images.png_of(picture)  # what was measured is known by its content
        if driving.own_expression(settings, picture) is None:
            raise AddonError(errors.local("portrait_not_measured"))
    values, degrees = ({}, {}) if mode == "depth" else (expression(settings), pose(settings))
    content = picture if isinstance(picture, bytes) else b""
    given = JobInput(
        mode=mode,
        portrait=content,
        portrait_name=name,
        expression=values,
        pose=degrees,
        steps=settings.steps or None,
        seed=settings.seed,
        face=settings.face - 1 if settings.face else None,
        crop=crop(settings, content),
        drawn_crop=(settings.crop_left, settings.crop_top, settings.crop_side) if settings.use_crop else None,
        label=bpy.path.display_name_from_filepath(name) or "Portrait",
    )
    return given, None if content else _rest(picture)


def _rest(picture: bytes | images.ReadImage, maps: Steps[Maps] | None = None) -> Steps[Made]:
    """Makes a painted picture's file, and the maps, in a thread."""

    def made() -> Steps[Made]:
        yield
        fields: dict[str, object] = {"portrait": images.png_of(picture)}
        if maps is not None:
            fields["maps"] = yield from maps
        return fields

    return in_worker(made())


def asked(given: JobInput) -> dict[str, object]:
    """What the panel had chosen for a job beside its expression; a repaint's crop is the relief's own."""
    options: dict[str, object] = {"steps": given.steps or 0, "seed": given.seed}
    if given.mode == "appearance":
        return options
    return {**options, "face": 0 if given.face is None else given.face + 1, "crop": given.drawn_crop}


def repaint_input(scene: bpy.types.Scene, item: bpy.types.Object) -> tuple[JobInput, Steps[Made]]:
    """A sculpted relief sent back: the job, and what makes its picture's file and draws its maps. Raises AddonError.

    The relief's own picture goes with it, and no sliders: they were in it when its points were imported. Reliefs that
    have lost it or their UVs, and those that play a sequence, are compared with the chosen portrait and its sliders by
    their depth alone.
    """
    read = sending_back.read_relief(item)
    kept = item.data.portrait_relief
    image = images.find(kept.result_id, "rgb")
    if not read.knows_its_points or image is None or relief_object.is_animated(item):
        given = job_input(scene.portrait_relief, "appearance")
        return given, _rest(given.portrait, sending_back.map_file_steps(read, with_flow=False))
    given = JobInput(
        mode="appearance",
        portrait=b"",
        portrait_name=image.name,
        crop=tuple(kept.crop_px) if kept.crop_px[2] else None,
        label=_portrait_name(item.name),
    )
    return given, _rest(images.own_png(image), sending_back.map_file_steps(read))


def _portrait_name(relief: str) -> str:
    """What a relief was called after: "Ann" for "Ann Relief" and "Ann Relief.001"."""
    return re.sub(r" Relief(\.\d+)?$", "", relief)
