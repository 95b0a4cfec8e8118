# SPDX-License-Identifier: GPL-3.0-or-later
"""The photo with its head lit anew: the relief rendered by the photo's own camera and laid over the photo.

Everything is rendered in a scene made for it, so that the user's scene, camera and settings are never touched.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..core import errors
from ..core.errors import AddonError, Remedy
from ..core.wording import worded
from . import albedo, images, relief_object

KIND = "relit"
SCENE_KEY = "portrait_relief_relit"
BORDER_PX = 3.0
FEATHER_PX = 1.5  # at 512 px of picture: the relief's edge melts into the photo
HOLD_S = 5.0  # at most, that a render waits for Blender's loop
_ROUND_S = 0.01
_LEAN = 1e-4  # 1 less the cosine between depth and the camera's view above which near parts lie beside their pixels
_SHEAR = 1e-3  # cosine between the picture's axes above which no camera shows it as it was


def cycles_or_eevee(wanted: str) -> str:
    """The render engine's identifier in this Blender for "CYCLES" or "EEVEE". Raises AddonError without Cycles."""
    if wanted == "EEVEE":
        return "BLENDER_EEVEE_NEXT" if (4, 2, 0) <= bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"
    if not hasattr(bpy.types.Scene, "cycles"):
        message, hint = "Cycles is switched off.", "Switch on Preferences > Add-ons > Cycles Render Engine."
        raise AddonError(errors.Problem("no_cycles", message, hint, Remedy.NONE))
    return "CYCLES"


def make_scene(
    scene: bpy.types.Scene, item: bpy.types.Object, *, engine: str, samples: int, path: Path
) -> bpy.types.Scene:
    """A scene with the relief, `scene`'s visible lights and world, and the photo's camera, to be rendered to `path`.

    Raises AddonError where no camera can see the relief as the photo does.
    """
    albedo.photo_of(item)
    if item.hide_render:
        message = worded("“{name}” is hidden from renders.", name=item.name)
        hint = "Click the camera beside it in the Outliner, then try again."
        raise AddonError(errors.Problem("relief_hidden", message, hint, Remedy.NONE))
    identifier = cycles_or_eevee(engine)
    discard_scenes()
    layer = next(iter(scene.view_layers))
    lights = [
        other for other in layer.objects if other.type == "LIGHT" and not other.hide_render and other != item
    ]
    made = bpy.data.scenes.new("Portrait Relit")
    made[SCENE_KEY] = True
    try:
        for other in (item, *lights):
            made.collection.objects.link(other)
        made.world = scene.world
        made.render.fps, made.render.fps_base = scene.render.fps, scene.render.fps_base
        made.frame_set(scene.frame_current, subframe=scene.frame_subframe)
        _set_camera(made, item)
        _set_render(made, scene, identifier, samples, path)
    except Exception:
        discard_scenes()
        raise
    return made


def discard_scenes() -> None:
    """Removes what was made for rendering, also what an interrupted render left."""
    for scene in [each for each in bpy.data.scenes if SCENE_KEY in each]:
        camera = scene.camera
        bpy.data.scenes.remove(scene)
        if camera is not None and SCENE_KEY in camera:
            data = camera.data
            bpy.data.objects.remove(camera)
            bpy.data.cameras.remove(data)


@contextmanager
def held_until_blender_went_round() -> Iterator[None]:
    """Renders that begin meanwhile beside the interface wait until Blender's loop has gone round.

    Blender 4.3 frees the GPU context of every render whose scene no window shows, in each round of its loop, also
    while its thread renders (`RE_FreeUnusedGPUResources`): now and then that ended Blender. After a round there is
    none, and engines take another.
    """
    went_round, rounds = threading.Event(), iter((_ROUND_S, _ROUND_S))

    def hold(*_given: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            went_round.wait(HOLD_S)

    def go_round() -> float | None:
        again_s = next(rounds, None)
        if again_s is None:
            went_round.set()
        return again_s

    bpy.app.handlers.render_init.append(hold)
    bpy.app.timers.register(go_round, first_interval=_ROUND_S)
    try:
        yield
    finally:
        went_round.set()
        if hold in bpy.app.handlers.render_init:  # opening another file takes it away
            bpy.app.handlers.render_init.remove(hold)
        if bpy.app.timers.is_registered(go_round):
            bpy.app.timers.unregister(go_round)


def compose(item: bpy.types.Object, path: Path) -> bpy.types.Image:
    """The rendered file laid over the photo, as a packed image named after the relief. Raises AddonError without it."""
    photo = albedo.picture(albedo.photo_of(item))
    if not path.is_file():
        message, hint = "Nothing was rendered.", "Look for Blender's own message, then try again."
        raise AddonError(errors.Problem("nothing_rendered", message, hint, Remedy.NONE))
    rendered = bpy.data.images.load(str(path), check_existing=False)
    try:
        rendered.alpha_mode = "CHANNEL_PACKED"  # PNG holds straight colours, and they are wanted as they are
        width, height = rendered.size
        pixels = images.read_pixels(rendered)[::-1]
    finally:
        bpy.data.images.remove(rendered)
    cover = feathered(pixels[:, :, 3], max(1, round(FEATHER_PX * max(width, height) / 512)))[:, :, None]
    mixed = photo * (1.0 - cover) + pixels[:, :, :3] * cover
    still = albedo.write_picture(f"{item.name} Relit", mixed, item.data.portrait_relief.result_id, KIND)
    still.use_fake_user = (
        True  # no material uses it: it would be lost when no editor shows it while the file is saved
    )
    return still


def feathered(alpha: np.ndarray, radius: int) -> np.ndarray:
    """Alpha [H, W] that falls to 0 inside its own edge, over about two radii: the edge's own pixels show no render.

    The picture's border is no edge: a head that it cuts off stays whole.
    """
    mean = alpha
    for axis in (0, 1):
        padded = np.pad(mean, [(radius, radius) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
        mean = windows.mean(-1)
    return (np.clip(2.0 * mean - 1.0, 0.0, 1.0) * alpha).astype(np.float32)


def _set_camera(made: bpy.types.Scene, item: bpy.types.Object) -> None:
    """A camera whose picture is the photo's, pixel for pixel: orthographic, or where the relief's own rays meet."""
    kept = item.data.portrait_relief
    layer = made.view_layers[0]
    layer.update()
    evaluated = item.evaluated_get(layer.depsgraph)
    to_world = evaluated.matrix_world.copy()
    place = relief_object.placement_of(item.data)
    pixel = place.axes * kept.mm_per_px  # columns: a pixel to the right, one up, and as much depth
    right, up, depth = (to_world.to_3x3() @ Vector(pixel[:, column]) for column in range(3))
    front = right.cross(up).normalized()
    leans = depth.length > 0 and abs(depth.normalized().dot(front)) < 1 - _LEAN
    flat = min(right.length, up.length) < 1e-12
    if flat or leans or abs(right.normalized().dot(up.normalized())) > _SHEAR:
        message, hint = "The relief's scale is skewed or zero.", "Clear its scale (Alt+S), then try again."
        raise AddonError(errors.Problem("skewed_relief", message, hint, Remedy.NONE))
    if front.dot(depth) < 0:
        message, hint = "The relief is mirrored.", "Clear its negative scale (Alt+S), then try again."
        raise AddonError(errors.Problem("mirrored_relief", message, hint, Remedy.NONE))
    width, height = kept.photo_size_px
    origin = to_world @ Vector(place.origin)
    middle = origin + right * (width / 2 - kept.origin_px[0]) + up * (kept.origin_px[1] - height / 2)
    corners = [to_world @ Vector(corner) for corner in evaluated.bound_box]
    near, far = (bound((corner - middle).dot(front) for corner in corners) for bound in (max, min))
    margin = max(0.05 * (near - far), right.length)
    # Depth is scaled with the camera's distance: at any depth scale the same rays pass through the same points.
    rays_mm = kept.camera_distance_mm * _depth_scale(item, evaluated)
    away = depth.dot(front) / kept.mm_per_px * rays_mm if kept.camera_distance_mm > 0 else near + margin
    if away < near + margin / 2:
        message = "The photo's camera would stand inside the relief."
        hint = "Choose a longer focal length or Orthographic in the panel Relief, and a depth scale above 0."
        raise AddonError(errors.Problem("camera_in_relief", message, hint, Remedy.NONE))

    data = bpy.data.cameras.new(made.name)
    data.sensor_fit = "HORIZONTAL"
    if kept.camera_distance_mm > 0:
        data.type, data.lens = "PERSP", data.sensor_width * away / (right.length * width)
    else:
        data.type, data.ortho_scale = "ORTHO", right.length * width
    data.clip_start, data.clip_end = (away - near) / 2, away - far + 2 * margin
    camera = bpy.data.objects.new(data.name, data)
    camera[SCENE_KEY] = True
    made.collection.objects.link(camera)
    made.camera = camera
    matrix = Matrix((right.normalized(), up.normalized(), front)).transposed().to_4x4()
    matrix.translation = middle + front * away
    camera.matrix_world = matrix

    render = made.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    aspect = up.length / right.length  # the object may be scaled by different factors
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, 1.0 / aspect), max(1.0, aspect)
    columns, rows = [], []
    for corner in corners:
        to = corner - middle
        nearer = away / (away - to.dot(front)) if kept.camera_distance_mm > 0 else 1.0
        columns.append(to.dot(right) / right.length_squared * nearer + width / 2)
        rows.append(to.dot(up) / up.length_squared * nearer + height / 2)
    render.use_border, render.use_crop_to_border = True, False
    render.border_min_x, render.border_max_x = (_share(x, width) for x in _spread(columns))
    render.border_min_y, render.border_max_y = (_share(y, height) for y in _spread(rows))


def _depth_scale(item: bpy.types.Object, evaluated: bpy.types.Object) -> float:
    """Of the shape as it is: a Displace modifier's strength may be animated."""
    kept = item.data.portrait_relief
    modifier = evaluated.modifiers.get(relief_object.DISPLACE_NAME) if kept.displaced else None
    if modifier is None:
        return kept.applied_depth_scale
    return modifier.strength / relief_object.displacement_per_mm(item.data)


def _spread(places: list[float]) -> tuple[float, float]:
    return min(places) - BORDER_PX, max(places) + BORDER_PX


def _share(place: float, size: int) -> float:
    return min(1.0, max(0.0, place / size))


def _set_render(made: bpy.types.Scene, scene: bpy.types.Scene, engine: str, samples: int, path: Path) -> None:
    render = made.render
    render.engine = engine
    render.film_transparent = True
    render.use_compositing = render.use_sequencer = False
    render.dither_intensity = 0.0
    # Samples lie in the pixels' middles: there the texture's texels are met exactly, and nothing is blurred.
    render.filter_size = 0.01
    if engine == "CYCLES":
        made.cycles.device = scene.cycles.device
        made.cycles.samples = samples
        made.cycles.use_denoising = _can_denoise()
        made.cycles.filter_width = 0.01
    else:
        made.eevee.taa_render_samples = samples
    if bpy.app.version >= (5, 0, 0):
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode, render.image_settings.color_depth = "RGBA", "8"
    made.display_settings.display_device = "sRGB"
    made.view_settings.view_transform, made.view_settings.look = "Standard", "None"
    made.view_settings.exposure, made.view_settings.gamma = 0.0, 1.0
    render.use_file_extension = False
    render.filepath = str(path)


def _can_denoise() -> bool:
    """Some distributions build Blender without the denoiser; Cycles would render nothing then."""
    try:
        import _cycles  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    return bool(_cycles.with_openimagedenoise)
