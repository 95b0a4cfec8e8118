# SPDX-License-Identifier: GPL-3.0-or-later
"""The edit carried from the model's crop to the full-size photo.

Where the model moved what was there, the photo's own pixels are moved at full resolution, brighter or darker where
light falls on them otherwise; where it drew something new (the inside of a mouth, closed lids), its drawing is laid
in with its low frequencies matched to the photo; everywhere else the photo's bytes stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backend.imaging.crop import CropBox, Window, crop_to_window, extract_crop
from backend.imaging.matte import fill_outside, smoothstep

_MOTION_BLUR_MODEL_PX = 0.7  # the crop's pixels must not show as steps in the photo's
# Weight of generated content: below the first it is noise, above the second it is taken whole. The model's blend
# is a probability that the photo shows this point; under an even chance the photo's own pixel is the better guess,
# and much sharper.
_DRAWN_NOISE = 0.35
_DRAWN_SURE = 0.75
_REGION_REACH = 0.06  # of the side: how far round the head an edit may uncover or cover background
_LIGHT_REACH = 0.015  # the same for light on the skin: it fades before it falls on what is behind
_DIFFERENCE_NOISE = 0.03  # of RGB 0..1, for models without motion
_DIFFERENCE_SURE = 0.12
_EDGE_FADE = 0.05  # of the side: nothing changes at the crop's edge, so that it leaves no seam
_MATCH_SIGMA = 0.03  # of the side: colours are matched above this size, features below it are the model's
_STRIP_PIXELS = 4_000_000
# Skin drawn out to several times its length (a closing lid) shows each pore as a scratch along it. From the first
# stretch on it is averaged across, over up to so many pixels of the model's to either side.
_STRETCHED, _STRETCHED_MOST = 2.0, 6.0
_ACROSS_MODEL_PX = 2.0
_ACROSS_LEAST_PX = 0.25  # of the photo
_ACROSS_STEPS = (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0)


def transfer_edit(
    photo: np.ndarray,
    crop: CropBox,
    generated_rgb: np.ndarray,
    motion: np.ndarray | None = None,
    blend: np.ndarray | None = None,
    head: np.ndarray | None = None,
    shading: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The edited photo at full size.

    Args:
        photo: uint8 [H, W, 3].
        crop: where the model looked.
        generated_rgb: float [R, R, 3] 0..1, the model's own drawing of the target (not composited).
        motion: float [R, R, 2], where in the photo this pixel's content is, minus this pixel, in crop sides; exactly 0
            where nothing moves.
        blend: float [R, R]; 1 = take the moved photo, 0 = take the drawing. Without motion and blend the
            drawing is laid in where it differs from the photo.
        head: float [R, R] 0..1, the head before and after the edit; farther from it nothing changes.
        shading: float [R, R] > 0, what the moved photo is multiplied by; exactly 1 where light stays as it is.

    Returns:
        rgb uint8 [H, W, 3], and changed bool [H, W]: outside it every byte equals the photo's.
    """
    resolution = generated_rgb.shape[0]
    reference = extract_crop(photo, crop, resolution)
    if motion is None or blend is None:
        flow = np.zeros((resolution, resolution, 2), np.float32)
        difference = cv2.GaussianBlur(np.abs(generated_rgb - reference).max(axis=-1), (0, 0), 1.0)
        drawn = smoothstep(difference, _DIFFERENCE_NOISE, _DIFFERENCE_SURE)
    else:
        flow = cv2.GaussianBlur(
            np.asarray(motion, np.float32), (0, 0), _MOTION_BLUR_MODEL_PX, borderType=cv2.BORDER_REPLICATE
        )
        drawn = smoothstep(1.0 - np.clip(blend, 0.0, 1.0), _DRAWN_NOISE, _DRAWN_SURE)
    fade = _edge_fade(resolution)
    if head is not None:
        fade = fade * _near(head, _REGION_REACH * resolution)
    flow, drawn = flow * fade[..., None], (drawn * fade).astype(np.float32)
    light = np.zeros((resolution, resolution), np.float32)
    if shading is not None:
        on_head = 1.0 if head is None else _near(head, _LIGHT_REACH * resolution)
        light = (np.log(shading) * fade * on_head).astype(np.float32)
    moved = warp_crop(reference, flow) * np.exp(light)[..., None]
    edit = _Edit(flow, _across(flow), light, drawn, match_colours(generated_rgb, moved, drawn))

    height, width = photo.shape[:2]
    out, changed = photo.copy(), np.zeros((height, width), bool)
    touched = (np.abs(flow).max(axis=-1) > 0) | (light != 0) | (drawn > 0)
    window = _touched_window(crop, touched, width, height)
    for strip in window.strips(_STRIP_PIXELS) if window else ():
        _edit_strip(photo, crop, strip, edit, out, changed)
    return out, changed


@dataclass(frozen=True)
class _Edit:
    """What is done to the crop [R, R]: motion in crop sides, how far to either side of where it leads the photo is
    averaged (crop sides), change of brightness (natural logarithm), weight of the drawing, and the drawing."""

    motion: np.ndarray
    across: np.ndarray
    light: np.ndarray
    drawn: np.ndarray
    drawing: np.ndarray


def _across(motion: np.ndarray) -> np.ndarray:
    """Where the photo is drawn out, the direction in it that is not, as long as it is to be averaged to either side;
    float32 [R, R, 2] in crop sides, 0 elsewhere.

    The ellipse that a pixel's circle has in the photo is found from the motion's slopes (Heckbert, Fundamentals of
    Texture Mapping and Image Warping, 1989, sec. 3.5): the longer its axes' ratio, the more is the photo drawn out.
    """
    resolution = motion.shape[0]
    down, right = (np.gradient(motion * resolution, axis=axis) for axis in (0, 1))  # [R, R, 2] each
    xx, xy, yx, yy = 1 + right[..., 0], down[..., 0], right[..., 1], 1 + down[..., 1]
    a, b, c = xx * xx + xy * xy, xx * yx + xy * yy, yx * yx + yy * yy
    middle, away = (a + c) / 2, np.hypot((a - c) / 2, b)
    longer, shorter = np.sqrt(middle + away), np.sqrt(np.maximum(middle - away, 0))
    length = smoothstep(longer / np.maximum(shorter, 1e-3), _STRETCHED, _STRETCHED_MOST)
    angle = np.arctan2(2 * b, a - c) / 2
    axis = np.stack([np.cos(angle), np.sin(angle)], -1)
    return (axis * (length * _ACROSS_MODEL_PX / resolution)[..., None]).astype(np.float32)


def warp_crop(values: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """``values`` [R, R(, C)] seen through motion [R, R, 2] (crop sides): out(p) = values(p + motion(p))."""
    resolution = motion.shape[0]
    rows, columns = np.mgrid[0:resolution, 0:resolution].astype(np.float32)
    map_x = columns + motion[..., 0].astype(np.float32) * resolution
    map_y = rows + motion[..., 1].astype(np.float32) * resolution
    values = np.ascontiguousarray(values, dtype=np.float32)
    return cv2.remap(values, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def match_colours(drawing: np.ndarray, moved: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The drawing with its low frequencies shifted to the photo's, as seen in the kept surroundings.

    Args:
        drawing: float [R, R, 3] 0..1.
        moved: float [R, R, 3], the photo's crop moved; true where ``drawn`` is 0.
        drawn: float [R, R], weight of the drawing.

    Returns:
        float32 [R, R, 3] 0..1.
    """
    sigma = _MATCH_SIGMA * drawing.shape[0]
    kept = (1.0 - drawn).astype(np.float32)
    weight = cv2.GaussianBlur(kept, (0, 0), sigma)
    offset = cv2.GaussianBlur((moved - drawing).astype(np.float32) * kept[..., None], (0, 0), sigma)
    offset /= np.maximum(weight, 1e-4)[..., None]
    # Far inside a drawn region there is no neighbour to measure at; the offset is continued from its rim.
    return np.clip(drawing + fill_outside(offset, smoothstep(weight, 0.02, 0.2)), 0.0, 1.0).astype(np.float32)


def _edit_strip(
    photo: np.ndarray, crop: CropBox, strip: Window, edit: _Edit, out: np.ndarray, changed: np.ndarray
) -> None:
    """Edit one band of rows of ``out`` and ``changed`` in place."""
    shift = crop_to_window(edit.motion, crop, strip, smooth=True) * np.float32(crop.side)
    weight = crop_to_window(edit.drawn, crop, strip, smooth=True)
    moved_here = np.abs(shift).max(axis=-1) > 1e-3
    touched = moved_here | (weight > 1e-3)
    light = None
    if edit.light.any():
        light = crop_to_window(edit.light, crop, strip, smooth=True)
        touched |= np.abs(light) > 1e-3
    if not touched.any():
        return
    moved = _moved(photo, strip, shift, edit, crop)
    here = photo[strip.slices]
    base = np.where(moved_here[..., None], moved, here.astype(np.float32))
    if light is not None:
        base *= np.exp(light)[..., None]
    drawn_here = crop_to_window(edit.drawing, crop, strip) * 255.0
    mixed = base + (drawn_here - base) * weight[..., None]
    out[strip.slices] = np.where(touched[..., None], np.rint(mixed).clip(0, 255).astype(np.uint8), here)
    changed[strip.slices] = touched


def _moved(photo: np.ndarray, strip: Window, shift: np.ndarray, edit: _Edit, crop: CropBox) -> np.ndarray:
    """The photo seen through `shift` [H, W, 2] px in a band of rows, float32 [H, W, 3] 0..255."""
    rows, columns = np.mgrid[strip.y0 : strip.y1, strip.x0 : strip.x1].astype(np.float32)
    # Only the part of the photo this strip reads: cv2.remap cannot address more than 32767 px and this stays
    # in cache.
    spread = np.abs(edit.across).max() * crop.side
    reach = int(np.ceil(np.abs(shift).max() + spread)) + 8
    y0, y1 = max(0, strip.y0 - reach), min(photo.shape[0], strip.y1 + reach)
    x0, x1 = max(0, strip.x0 - reach), min(photo.shape[1], strip.x1 + reach)
    source, places = photo[y0:y1, x0:x1], np.stack([columns - x0, rows - y0], -1) + shift

    def seen(at: np.ndarray) -> np.ndarray:
        x, y = np.ascontiguousarray(at[..., 0]), np.ascontiguousarray(at[..., 1])
        return cv2.remap(source, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)

    moved = seen(places)
    across = crop_to_window(edit.across, crop, strip, smooth=True) * np.float32(crop.side)
    long = np.hypot(across[..., 0], across[..., 1])
    averaged = long > _ACROSS_LEAST_PX
    if averaged.any():
        rows, columns = np.flatnonzero(averaged.any(axis=1)), np.flatnonzero(averaged.any(axis=0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        total = moved[part].copy()
        for step in _ACROSS_STEPS:
            total += seen(places[part] + across[part] * step)
        share = smoothstep(long[part], _ACROSS_LEAST_PX, 4 * _ACROSS_LEAST_PX)[..., None]
        moved[part] += (total / (1 + len(_ACROSS_STEPS)) - moved[part]) * share
    return moved


def _touched_window(crop: CropBox, touched: np.ndarray, width: int, height: int) -> Window | None:
    """The photo pixels that any touched pixel of the crop [R, R] can reach by interpolation."""
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if not rows.size:
        return None
    step = crop.side / touched.shape[0]
    whole = crop.window(width, height)
    # One crop pixel for the bilinear foot, more where the crop is finer than the photo (blurred first).
    margin = step + 3.0
    window = Window(
        max(whole.x0, int(crop.x + columns[0] * step - margin)),
        max(whole.y0, int(crop.y + rows[0] * step - margin)),
        min(whole.x1, int(crop.x + (columns[-1] + 1) * step + margin) + 1),
        min(whole.y1, int(crop.y + (rows[-1] + 1) * step + margin) + 1),
    )
    return window if window.x1 > window.x0 and window.y1 > window.y0 else None


def _near(head: np.ndarray, reach: float) -> np.ndarray:
    """1 on the head and close to it, falling to 0 at `reach` pixels from it [R, R]."""
    outside = (np.asarray(head) < 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    return (1.0 - smoothstep(distance / max(reach, 1.0), 0.4, 1.0)).astype(np.float32)


def _edge_fade(resolution: int) -> np.ndarray:
    """1 inside, 0 at the crop's edge [R, R]."""
    distance = np.minimum(np.arange(resolution), np.arange(resolution)[::-1]) / max(
        1.0, _EDGE_FADE * resolution
    )
    ramp = smoothstep(distance, 0.2, 1.0)
    return np.minimum(ramp[:, None], ramp[None, :]).astype(np.float32)
