# SPDX-License-Identifier: GPL-3.0-or-later
"""A sculpted relief carried onto the photo's own pixels.

What an artist changes in depth shows in a portrait in two ways: what comes nearer gets larger, as a camera at the
portrait's distance sees it, and the skin is shaded by its new slopes. Both have a closed form. The pixels are moved by
the perspective of the old and the new depth, and multiplied by the ratio of the shading of new and old normals under
the light that is fitted to the photo's skin (`face_light`). Where the mesh tells how its points moved (`scene_flow`),
the pixels go with them. Neither cast shadows nor highlights follow. Where nothing changed, every byte stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from backend.errors import InputError
from backend.imaging.crop import CropBox, crop_to_window, extract_crop, extract_map
from backend.imaging.delighting import harmonics
from backend.imaging.face_light import fit_face_light
from backend.imaging.load import Photo
from backend.imaging.matte import fill_outside, nearest_outside, smoothstep
from backend.imaging.scene_flow import flow_on_grid, grid_places, sampled, undragged
from backend.imaging.shading import linear_to_srgb, normals_from_depth, srgb_to_linear
from backend.imaging.transfer import transfer_edit

CAMERA_DISTANCE_MM = (
    1000.0  # to the head's centre, where the photo does not say: a portrait lens at half length
)
_NEAREST_CAMERA_MM = 350.0
_WORK_SIDE_PX = 1024  # largest grid; the depth holds nothing finer
# A depth map drawn from a mesh lies too near on slopes, by a share of its cells that is fitted and taken off. What
# then is left (default and adaptive reliefs of three photos, untouched: at most 0.7 and 1.4 mm, 1.1 and 1.6 times
# that share) is no sculpting.
_NOISE_MM, _NOISE_PER_BIAS = 0.05, 1.6
_NOISE_SIGMA_MM = 2.0
_BIAS_ROUNDS, _BIAS_SPREAD_MM, _MOST_BIAS_PX = 8, 0.02, 2.0
_BIAS_LEAVES = 0.2
_RIM_MM = 6.0  # the outline's depth is the least certain: the bias is not fitted there
_NORMAL_SIGMA_MM = 1.5  # shading of finer wrinkles than the depth holds would be noise
_MOST_GAIN, _LEAST_SHADING = 2.5, 0.15
_SHADE_REACH_MM = 3 * _NORMAL_SIGMA_MM
_SURROUNDINGS_MM = 20.0  # over which what lies beside the head gives way to a larger outline
_RIM_SIGMA_MM = 3.0  # each point beside the head follows the nearest of the rim: no streaks where that jumps
_FLOW_FADES = 2.5  # times the longest drag: how far beside the head the flow of its rim goes
_INVERSION_ROUNDS = 10
_SAME_SHARE, _SAME_MM = 0.8, 25.0


@dataclass(frozen=True)
class Sculpting:
    """What was sculpted, on a square grid [W, W] over `crop`, whose pixels are whole pixels of the photo or more.

    Attributes:
        crop: where the grid lies in the photo.
        mm_per_px: of the grid.
        photo_mm, photo_coverage: float32, the depth that belongs to the photo, NaN outside the head, and its head 0..1.
        before_mm: float32, the depth before the sculpting of what is now at each place; NaN outside the sculpted head.
        change_mm: float32, nearer = larger; exactly 0 where nothing was sculpted.
        coverage: float32 0..1, the sculpted head.
        overlap: share of the given depth that lies on the photo's head, 0..1.
        offset_mm: median distance of the unsculpted depth from the photo's, taking off what a mesh adds.
        flow: float32 [W, W, 2], where in the photo each place's surface lay, minus the place, in crop sides (x right, y
            down), before perspective enlarges it; exactly 0 where nothing was dragged. None: nothing was.
    """

    crop: CropBox
    mm_per_px: float
    photo_mm: np.ndarray
    photo_coverage: np.ndarray
    before_mm: np.ndarray
    change_mm: np.ndarray
    coverage: np.ndarray
    overlap: float
    offset_mm: float
    flow: np.ndarray | None = None

    @property
    def touched(self) -> np.ndarray:
        """Bool [W, W]: what was sculpted."""
        changed = self.change_mm != 0
        return changed if self.flow is None else changed | (self.flow != 0).any(axis=-1)

    @property
    def longest_drag_mm(self) -> float:
        """How far the surface was moved sideways where it was moved most."""
        if self.flow is None:
            return 0.0
        return float(np.linalg.norm(self.flow, axis=-1).max()) * len(self.flow) * self.mm_per_px

    @property
    def of_this_head(self) -> bool:
        """Whether the given depth can be a sculpted form of the photo's, and not the depth of something else."""
        return self.overlap >= _SAME_SHARE and self.offset_mm <= _SAME_MM


def checked_depth(
    depth_mm: np.ndarray, coverage: np.ndarray | None, photo: Photo
) -> tuple[np.ndarray, np.ndarray]:
    """Given depth and coverage as float32 [H, W]; coverage is where depth is a number if it is None.

    Raises:
        InputError: of another size than the photo, or infinite.
    """
    depth_mm = np.asarray(depth_mm, dtype=np.float32)
    inside = np.isfinite(depth_mm)
    coverage = inside.astype(np.float32) if coverage is None else np.asarray(coverage, np.float32)
    for name, values in (("depth", depth_mm), ("coverage", coverage)):
        if values.shape != (photo.height, photo.width):
            raise InputError(
                f"The {name} is {' x '.join(map(str, values.shape[::-1]))} pixels, "
                f"{photo.name} is {photo.width} x {photo.height}.",
                "Give depth of the photo's own size, as the depth estimate returns it.",
                code="depth_size",
            )
    if np.isinf(depth_mm).any() or not np.isfinite(coverage).all():
        raise InputError(
            "The depth holds values that are not finite.",
            "Give millimetres where the head is and NaN outside it.",
            code="bad_depth",
        )
    return depth_mm, coverage


def find_sculpting(
    before_mm: np.ndarray, coverage: np.ndarray, given_mm: np.ndarray, crop: CropBox, crop_side_mm: float
) -> Sculpting:
    """What was changed between two depth maps of the photo's size.

    Args:
        before_mm: float [H, W], NaN outside the head.
        coverage: float [H, W] 0..1, the head of `before_mm`.
        given_mm: float [H, W], NaN outside the head.
        crop: where the model looked.
        crop_side_mm: mm of an average-sized head across it.
    """
    whole, side, mm = _grid_over(crop, crop_side_mm)
    before, cover = extract_map(before_mm, coverage, whole, side)
    given, _ = extract_map(given_mm, np.isfinite(given_mm), whole, side)
    both = np.isfinite(before) & np.isfinite(given)
    known = np.isfinite(given).sum()
    overlap = float(both.sum() / known) if known else 0.0
    if not both.any():
        return Sculpting(whole, mm, before, cover, before, np.zeros_like(cover), cover, overlap, math.inf)
    difference = np.where(both, given - before, 0.0)
    slopes = _slopes(np.where(both, given, np.nan), mm)
    bias_mm = _mesh_bias(difference, slopes, both, mm)
    change = difference - bias_mm[0] * slopes[0] - bias_mm[1] * slopes[1]
    offset = float(np.median(np.abs(change[both])))
    noise = _NOISE_MM + _NOISE_PER_BIAS * float(np.mean(bias_mm))
    sigma = max(_NOISE_SIGMA_MM / mm, 1.0)
    share = cv2.GaussianBlur(both.astype(np.float32), (0, 0), sigma)
    smooth = cv2.GaussianBlur(change * both, (0, 0), sigma) / np.maximum(share, 1e-2)
    change *= smoothstep(np.abs(smooth), noise, 2 * noise) * both
    return Sculpting(whole, mm, before, cover, before, change.astype(np.float32), cover, overlap, offset)


def follow_flow(
    photo_mm: np.ndarray,
    coverage: np.ndarray,
    given_mm: np.ndarray,
    flow: np.ndarray,
    crop: CropBox,
    crop_side_mm: float,
) -> Sculpting:
    """What was changed, where the sculpted mesh tells it.

    Args:
        photo_mm, coverage, crop, crop_side_mm: as in `find_sculpting`.
        given_mm: float [H, W], the sculpted depth, NaN outside the sculpted head.
        flow: float [H, W, 3]: photo pixels right and down from each pixel to where its surface lay before, and by how
            many mm that was nearer; all 0 where nothing was sculpted, NaN where it is not known.
    """
    whole, side, mm = _grid_over(crop, crop_side_mm)
    before, cover = extract_map(photo_mm, coverage, whole, side)
    given, sculpted_cover, moved, nearer = flow_on_grid(given_mm, flow, whole, side)
    inside = np.isfinite(given)
    old = np.where(inside, given + nearer, np.nan)
    there = grid_places(side) + moved
    known = sampled(np.isfinite(before), there) > 0.5
    distance = np.abs(sampled(np.nan_to_num(before), there) - old)[inside & known]
    overlap = float((inside & known).sum() / max(inside.sum(), 1))
    return Sculpting(
        crop=whole,
        mm_per_px=mm,
        photo_mm=before,
        photo_coverage=cover,
        before_mm=old.astype(np.float32),
        change_mm=np.where(inside, -nearer, 0).astype(np.float32),
        coverage=sculpted_cover,
        overlap=overlap,
        offset_mm=float(np.median(distance)) if len(distance) else math.inf,
        flow=moved,
    )


def _grid_over(crop: CropBox, crop_side_mm: float) -> tuple[CropBox, int, float]:
    """The whole pixels under a crop, the side of the grid over them, and its mm a cell."""
    whole = CropBox(math.floor(crop.x), math.floor(crop.y), math.ceil(crop.side))  # pixel on pixel
    side = min(int(whole.side), _WORK_SIDE_PX)
    return whole, side, crop_side_mm / crop.side * whole.side / side


def carry_sculpting(
    photo: np.ndarray, sculpting: Sculpting, distance_mm: float = CAMERA_DISTANCE_MM
) -> np.ndarray:
    """The photo as it would look had the head been of the sculpted shape.

    Args:
        photo: uint8 [H, W, 3].
        sculpting: from `find_sculpting`.
        distance_mm: from the camera to the head's centre plane.

    Returns:
        uint8 [H, W, 3]; bytes that no change reaches equal the photo's.
    """
    if not sculpting.touched.any():
        return photo.copy()
    side = sculpting.change_mm.shape[0]
    gain = shading_gain(sculpting, fitted_light(photo, sculpting))
    enlarged = perspective_motion(sculpting, distance_mm)
    places = grid_places(side) + enlarged
    motion = enlarged + sampled(continued_flow(sculpting), places)
    near = np.maximum(sculpting.coverage, sculpting.photo_coverage)
    grid = extract_crop(photo, sculpting.crop, side)
    kept = np.ones((side, side), np.float32)
    moved = transfer_edit(photo, sculpting.crop, grid, motion, kept, near)[0]
    return _multiplied(moved, sculpting.crop, sampled(gain, places))


def fitted_light(photo: np.ndarray, sculpting: Sculpting) -> np.ndarray:
    """The light on the photo's face as spherical harmonics [9] of the normals, see `delighting.harmonics`."""
    depth = sculpting.photo_mm
    picture = extract_crop(photo, sculpting.crop, depth.shape[0])
    return fit_face_light(picture, _normals(depth, sculpting), depth, sculpting.photo_coverage)


def shading_gain(sculpting: Sculpting, light: np.ndarray) -> np.ndarray:
    """Logarithm of what the linear picture is multiplied by where the sculpted surface is, float32 [W, W]; exactly 0
    where nothing was sculpted.

    Args:
        light: [9], see `fitted_light`.
    """
    inside = np.isfinite(sculpting.before_mm)
    before = _normals(sculpting.before_mm, sculpting)
    after = _normals(sculpting.before_mm + sculpting.change_mm, sculpting)
    if sculpting.flow is not None:
        sigma = max(_NORMAL_SIGMA_MM / sculpting.mm_per_px, 0.5)
        before = undragged(before, cv2.GaussianBlur(continued_flow(sculpting), (0, 0), sigma))
    shading = [np.maximum(harmonics(n) @ light, _LEAST_SHADING) for n in (before, after)]
    ratio = np.log(shading[1]) - np.log(shading[0])
    limit = math.log(_MOST_GAIN)
    reached = _reached(sculpting, _SHADE_REACH_MM)
    gain = np.where(inside, limit * np.tanh(ratio / limit), 0.0).astype(np.float32)
    return fill_outside(gain, inside.astype(np.float32)) * np.clip(sculpting.coverage, 0, 1) * reached


def perspective_motion(sculpting: Sculpting, distance_mm: float) -> np.ndarray:
    """Where each pixel's content was before perspective enlarged what came nearer, minus the pixel, in crop sides
    [W, W, 2].

    A camera in front of the head's centre sees a point at depth z enlarged by distance / (distance - z).
    """
    inside = np.isfinite(sculpting.before_mm)
    weight = inside.astype(np.float32)
    change = fill_outside(sculpting.change_mm, weight) * _surroundings(inside, sculpting, _SURROUNDINGS_MM)
    change[~_reached(replace(sculpting, flow=None), _SURROUNDINGS_MM)] = 0
    depth = fill_outside(sculpting.before_mm, weight)
    near = np.maximum(distance_mm - depth - change, _NEAREST_CAMERA_MM / 2)
    growth = ((distance_mm - depth) / near).astype(np.float32)
    place = grid_places(change.shape[0]) - 0.5
    source = place.copy()
    for _ in range(_INVERSION_ROUNDS):  # source * growth(source) = place
        here = sampled(growth, source + 0.5)
        source = place / here[..., None]
    motion = source - place
    motion[here == 1.0] = 0.0
    return motion


def continued_flow(sculpting: Sculpting) -> np.ndarray:
    """The flow of the sculpted surface, and beside it that of its rim, fading away [W, W, 2] in crop sides.

    What lies beside the head follows its outline, or a slimmer jaw would leave the old one standing.
    """
    if sculpting.flow is None:
        return np.zeros((*sculpting.change_mm.shape, 2), np.float32)
    inside = np.isfinite(sculpting.before_mm)
    reach_mm = max(_SURROUNDINGS_MM, _FLOW_FADES * sculpting.longest_drag_mm)  # faster, and it would fold
    sigma = max(_RIM_SIGMA_MM / sculpting.mm_per_px, 0.5)
    flow = nearest_outside(sculpting.flow, inside)
    flow = np.where(inside[..., None], flow, cv2.GaussianBlur(flow, (0, 0), sigma))
    return flow * (_surroundings(inside, sculpting, reach_mm) * _reached(sculpting, reach_mm))[..., None]


def _reached(sculpting: Sculpting, reach_mm: float) -> np.ndarray:
    """Bool [W, W]: what lies within `reach_mm` of something sculpted."""
    return cv2.dilate(sculpting.touched.astype(np.uint8), _disc(reach_mm / sculpting.mm_per_px)) > 0


def _surroundings(inside: np.ndarray, sculpting: Sculpting, reach_mm: float) -> np.ndarray:
    """1 on the head `inside` [W, W], falling to 0 at `reach_mm` from it."""
    away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5) * sculpting.mm_per_px
    return (1.0 - smoothstep(away / reach_mm, 0.0, 1.0)).astype(np.float32)


def camera_distance_mm(focal_35mm: float | None, width: int, height: int, mm_per_px: float) -> float:
    """From the camera to the head, by the focal length that the photo names (full-frame equivalent, by the diagonal of
    36 x 24 mm); a usual one where it names none."""
    if not focal_35mm:
        return CAMERA_DISTANCE_MM
    focal_px = focal_35mm / math.hypot(36.0, 24.0) * math.hypot(width, height)
    return float(np.clip(focal_px * mm_per_px, _NEAREST_CAMERA_MM, 1e4))


def _multiplied(photo: np.ndarray, crop: CropBox, log_gain: np.ndarray) -> np.ndarray:
    out = photo.copy()
    for strip in crop.window(photo.shape[1], photo.shape[0]).strips():
        gain = crop_to_window(log_gain, crop, strip, smooth=True)
        touched = gain != 0
        pixels = out[strip.slices]
        linear = srgb_to_linear(pixels[touched].astype(np.float32) / 255.0)
        lit = linear_to_srgb(np.clip(linear * np.exp(gain[touched])[:, None], 0.0, 1.0))
        pixels[touched] = np.rint(lit * 255.0).astype(np.uint8)
    return out


def _normals(depth_mm: np.ndarray, sculpting: Sculpting) -> np.ndarray:
    inside = np.isfinite(depth_mm)
    whole = fill_outside(depth_mm, inside.astype(np.float32))
    smooth = cv2.GaussianBlur(whole, (0, 0), max(_NORMAL_SIGMA_MM / sculpting.mm_per_px, 0.5))
    return normals_from_depth(np.where(inside, smooth, np.nan), sculpting.mm_per_px)


def _slopes(depth_mm: np.ndarray, mm_per_px: float) -> tuple[np.ndarray, np.ndarray]:
    """|dz/dx| and |dz/dy| [W, W], 0 outside."""
    normals = np.nan_to_num(normals_from_depth(depth_mm, mm_per_px), nan=0.0)
    steep = np.maximum(normals[..., 2], 1e-3)
    return np.abs(normals[..., 0]) / steep, np.abs(normals[..., 1]) / steep


def _mesh_bias(
    difference: np.ndarray, slopes: tuple[np.ndarray, np.ndarray], both: np.ndarray, mm_per_px: float
) -> np.ndarray:
    """mm [2] by which the given depth lies nearer per unit of slope; sculpted parts are outliers of the fit."""
    deep = cv2.distanceTransform(both.astype(np.uint8), cv2.DIST_L2, 5) * mm_per_px > _RIM_MM
    if deep.sum() < 100:
        return np.zeros(2)
    basis = np.stack([slope[deep] for slope in slopes], axis=1).astype(np.float64)
    values = difference[deep].astype(np.float64)
    weights, found = np.ones(len(values)), np.zeros(2)
    for _ in range(_BIAS_ROUNDS):
        weighted = basis * weights[:, None]
        found = np.linalg.lstsq(weighted.T @ basis, weighted.T @ values, rcond=None)[0]
        residual = values - basis @ found
        spread = max(1.4826 * float(np.median(np.abs(residual))), _BIAS_SPREAD_MM)
        weights = 1.0 / (1.0 + (residual / (2.0 * spread)) ** 2) ** 2
    found = np.clip(found, 0.0, _MOST_BIAS_PX * mm_per_px)
    # A sculpting of most of the head is no bias: a bias explains nearly all of the rest.
    left = float(np.median(np.abs(values - basis @ found)))
    return found if left <= _BIAS_LEAVES * float(found.mean()) else np.zeros(2)


def _disc(radius_px: float) -> np.ndarray:
    size = 2 * max(1, round(radius_px)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
