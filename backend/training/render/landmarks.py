# SPDX-License-Identifier: GPL-3.0-or-later
"""Named landmarks: vertices of the base mesh (hm08), the same on every identity and under every expression.

The names follow the usual 68 points (brows, eyes, nose, lips, jaw) with pupils, ears, cheeks and forehead added.
"Left" is the subject's left, which lies on the picture's right.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from backend.training.render.assets import BODY_VERTICES, HeadAssets
from backend.training.render.distributions import ShotSpec
from backend.training.render.geometry import project
from backend.training.render.identity import head_marks

_MIDDLE = {
    "forehead": 5192, "nasion": 133, "nose_bridge_upper": 131, "nose_bridge_lower": 201, "nose_tip": 294,
    "subnasale": 317, "upper_lip_top": 466, "upper_lip_bottom": 474, "lower_lip_top": 493,
    "lower_lip_bottom": 492, "chin": 5225,
}  # fmt: skip
_LEFT = {
    "jaw_1": 12360, "jaw_2": 11712, "jaw_3": 7614, "jaw_4": 7597, "jaw_5": 7461, "jaw_6": 10364, "jaw_7": 7616,
    "jaw_8": 11898,
    "brow_1": 7008, "brow_2": 7003, "brow_3": 7002, "brow_4": 7004, "brow_5": 11868,
    "eye_inner": 6850, "eye_upper_inner": 6841, "eye_upper": 6785, "eye_upper_outer": 6790, "eye_outer": 6808,
    "eye_lower_outer": 6820, "eye_lower": 6828, "eye_lower_inner": 6834,
    "nose_wing": 7099, "nostril": 7077,
    "lip_bow": 7216, "upper_lip_side": 7207, "mouth_corner": 7182, "lower_lip_side": 7165, "lower_lip_edge": 7235,
    "mouth_inner_corner": 7190, "upper_lip_inner": 11964, "lower_lip_inner": 7236,
    "ear_top": 12034, "ear_back": 12044, "ear_lobe": 12019, "tragus": 12032,
    "cheek": 11909,
}  # fmt: skip
LANDMARK_NAMES = (
    *_MIDDLE,
    *(f"{side}_{name}" for side in ("left", "right") for name in (*_LEFT, "pupil")),
)
VISIBLE_TOLERANCE_MM = 8.0  # a landmark this far behind what the pixels round it show is hidden
_PUPIL_DM = 0.012  # how far behind the front of the eyeball the vertices end whose mean is the pupil


@lru_cache(maxsize=2)
def landmark_vertices(assets: HeadAssets) -> tuple[np.ndarray, ...]:
    """Base vertices of each of `LANDMARK_NAMES`; more than one where their mean is meant."""
    rest = assets.vertices
    found = {name: np.array([index]) for name, index in _MIDDLE.items()}
    for name, index in _LEFT.items():
        found[f"left_{name}"] = np.array([index])
        mirrored = np.linalg.norm(rest[:BODY_VERTICES] - rest[index] * (-1, 1, 1), axis=1)
        found[f"right_{name}"] = np.array([mirrored.argmin()])
    for side in ("left", "right"):
        ball = assets.groups[f"helper-{side[0]}-eye"]
        front = rest[ball, 2]
        found[f"{side}_pupil"] = ball[front > front.max() - _PUPIL_DM]
    return tuple(found[name] for name in LANDMARK_NAMES)


def place_landmarks(assets: HeadAssets, base: np.ndarray, centre_z_dm: float, shot: ShotSpec) -> np.ndarray:
    """Where the landmarks are in the picture.

    Args:
        base: posed base mesh [19158, 3] in the camera's frame (dm).
        centre_z_dm: of the head's centre there.

    Returns:
        [L, 3] float32: x and y in shares of the picture (y down; times the side in px for pixels), Z in mm.
    """
    place = project(np.stack([base[ids].mean(0) for ids in landmark_vertices(assets)]), shot)
    place[:, 2] = (place[:, 2] - centre_z_dm) * 100
    return place.astype(np.float32)


def visible_landmarks(places: np.ndarray, depth_mm: np.ndarray, eyeball: np.ndarray) -> np.ndarray:
    """Which landmarks [L, 3] no surface hides, bool [L].

    Args:
        depth_mm: [S, S] Z of the frame, NaN where there is nothing.
        eyeball: where eyeballs are seen, bool [S, S]: lids are too thin to tell from them by depth.
    """
    size = len(depth_mm)
    column, row = (np.floor(places[:, axis] * size).astype(int) for axis in (0, 1))
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    padded = np.pad(np.nan_to_num(depth_mm.astype(np.float32), nan=-np.inf), 1, constant_values=-np.inf)
    column, row = column.clip(0, size - 1), row.clip(0, size - 1)
    # One pixel to each side: on the outline the pixel itself may show what lies behind.
    around = np.stack([padded[row + j, column + i] for j in range(3) for i in range(3)])
    near = (np.abs(around - places[:, 2]) < VISIBLE_TOLERANCE_MM).any(0)
    pupil = np.array([name.endswith("_pupil") for name in LANDMARK_NAMES])
    return inside & near & (~pupil | eyeball[row, column])


def region_boxes(assets: HeadAssets, base: np.ndarray, shot: ShotSpec) -> dict[str, list[float]]:
    """Boxes [u0, v0, u1, v1] in shares of the picture round the mouth and each eye (of the subject)."""
    boxes = {}
    lips = np.unique(assets.faces[assets.region_faces("lips_solid")])
    lids = np.unique(assets.faces[assets.region_faces("eyelids_solid")])
    left = assets.vertices[lids, 0] > 0
    for name, ids in (("mouth", lips), ("left_eye", lids[left]), ("right_eye", lids[~left])):
        place = project(base[ids], shot)[:, :2]
        boxes[name] = [round(float(t), 5) for t in (*place.min(0), *place.max(0))]
    return boxes


def chief_landmarks(
    assets: HeadAssets, base: np.ndarray, centre_z_dm: float, shot: ShotSpec
) -> dict[str, list[float]]:
    """The seven points that all formats have (u, v in shares of the picture, depth in mm): nose tip, chin, crown, eye
    centres, mouth corners."""
    rest, marks = assets.vertices, head_marks(assets)
    lips = np.unique(assets.faces[assets.region_faces("lips_solid")])
    body = np.flatnonzero((np.abs(rest[:BODY_VERTICES, 0]) < 0.02) & (rest[:BODY_VERTICES, 1] > 6.7))
    points = {
        "nose_tip": base[body[rest[body, 2].argmax()]],
        "chin": base[marks.chin],
        "crown": base[marks.crown],
        "left_eye": base[assets.groups["joint-l-eye"]].mean(0),
        "right_eye": base[assets.groups["joint-r-eye"]].mean(0),
        "left_mouth_corner": base[lips[rest[lips, 0].argmax()]],
        "right_mouth_corner": base[lips[rest[lips, 0].argmin()]],
    }
    place = project(np.stack(list(points.values())), shot)
    place[:, 2] = (place[:, 2] - centre_z_dm) * 100
    return {name: [round(float(t), 4) for t in row] for name, row in zip(points, place, strict=True)}
