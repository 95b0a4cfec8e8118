# SPDX-License-Identifier: GPL-3.0-or-later
"""The ARKit coefficients as displacements of the base mesh.

MPFB ships 34 expression units; an ARKit coefficient is a weighted sum of units and face targets, limited to one
side of the face where its name says so, or a smooth analytic motion (jaw and mouth shifts, cheek squint) where
no unit exists. Eye rotation is not a displacement of the skin: `gaze` reads it from the eyeLook coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backend.model.expression_names import ARKIT_NAMES
from backend.training.render.assets import HeadAssets

UNITS = "expression/units/caucasian"
SIDE_BLEND_DM = 0.08  # half width of the soft split between the left and the right side at the face's middle
GAZE_LIMIT_DEG = 28.0

# name without side -> ((target, weight), ...); {s} is the long side name, {c} the short one.
RECIPES: dict[str, tuple[tuple[str, float], ...]] = {
    "eyeBlink": ((f"{UNITS}/eye-{{s}}-closure", 1.0),),
    "eyeSquint": ((f"{UNITS}/eye-{{s}}-slit", 1.0),),
    # The upper lid follows the eye; turning the eyeball itself is `gaze_degrees`.
    "eyeLookDown": ((f"{UNITS}/eye-{{s}}-closure", 0.38),),
    "eyeLookUp": ((f"{UNITS}/eye-{{s}}-opened-up", 0.5),),
    "eyeWide": ((f"{UNITS}/eye-{{s}}-opened-up", 1.6),),
    "jawOpen": ((f"{UNITS}/mouth-open", 0.8),),
    "jawForward": (("chin/chin-prognathism-incr", 0.6),),
    "mouthFunnel": (
        (f"{UNITS}/mouth-eversion", 1.0),
        (f"{UNITS}/mouth-pursing", 0.35),
        (f"{UNITS}/mouth-open", 0.12),
    ),
    "mouthPucker": ((f"{UNITS}/mouth-pursing", 1.0),),
    "mouthSmile": ((f"{UNITS}/mouth-corner-puller", 1.0),),
    "mouthFrown": ((f"{UNITS}/mouth-depression", 1.0),),
    "mouthDimple": ((f"{UNITS}/mouth-retraction", 0.8),),
    "mouthStretch": ((f"{UNITS}/mouth-retraction", 0.7), (f"{UNITS}/mouth-depression", 0.5)),
    "mouthRollLower": (("mouth/mouth-lowerlip-volume-decr", 1.0), ("mouth/mouth-lowerlip-height-decr", 0.8)),
    "mouthRollUpper": (("mouth/mouth-upperlip-volume-decr", 1.0), ("mouth/mouth-upperlip-height-decr", 0.8)),
    "mouthShrugLower": (("mouth/mouth-lowerlip-middle-up", 0.8), ("mouth/mouth-lowerlip-volume-incr", 0.6)),
    "mouthShrugUpper": (("mouth/mouth-upperlip-middle-up", 0.8), ("mouth/mouth-upperlip-volume-incr", 0.5)),
    "mouthPress": ((f"{UNITS}/mouth-compression", 0.8),),
    "mouthLowerDown": ((f"{UNITS}/mouth-depression-retraction", 0.9),),
    "mouthUpperUp": ((f"{UNITS}/mouth-elevation", 1.0),),
    "browDown": ((f"{UNITS}/eyebrows-{{s}}-down", 1.0),),
    "browInnerUp": ((f"{UNITS}/eyebrows-left-inner-up", 1.3), (f"{UNITS}/eyebrows-right-inner-up", 1.3)),
    "browOuterUp": ((f"{UNITS}/eyebrows-{{s}}-extern-up", 1.0), (f"{UNITS}/eyebrows-{{s}}-up", 0.6)),
    "cheekPuff": (("cheek/l-cheek-volume-incr", 1.4), ("cheek/r-cheek-volume-incr", 1.4)),
    "cheekSquint": (("cheek/{c}-cheek-trans-up", 0.5), (f"{UNITS}/eye-{{s}}-slit", 0.35)),
    "noseSneer": ((f"{UNITS}/nose-{{s}}-elevation", 1.0), (f"{UNITS}/mouth-elevation", 0.25)),
}
# Coefficients moved by no unit: a shift of a region, (weight source target, decimetres on x).
SHIFTS: dict[str, tuple[str, float]] = {
    "jawLeft": (f"{UNITS}/mouth-open", 0.09),
    "jawRight": (f"{UNITS}/mouth-open", -0.09),
    "mouthLeft": (f"{UNITS}/mouth-pursing", 0.09),
    "mouthRight": (f"{UNITS}/mouth-pursing", -0.09),
}
MOUTH_CLOSE_SHARE = 0.85  # mouthClose undoes this share of what jawOpen does to the lips


def _side_weight(x: np.ndarray, side: str) -> np.ndarray:
    sign = 1.0 if side == "left" else -1.0
    return np.clip(0.5 + sign * x / (2 * SIDE_BLEND_DM), 0.0, 1.0)


@dataclass(frozen=True)
class ExpressionBasis:
    """`displacements` [51, V, 3] decimetres per unit coefficient, in ARKIT_NAMES order."""

    displacements: np.ndarray

    def apply(self, coefficients: np.ndarray) -> np.ndarray:
        """Sum of displacements [V, 3] for coefficients [51] in 0..1; mouthClose acts on jawOpen's part."""
        return np.tensordot(coefficients, self.displacements, axes=1)


@lru_cache(maxsize=2)
def expression_basis(assets: HeadAssets) -> ExpressionBasis:
    """Build the basis from the target files; eyeLook* rows hold only how the lids follow."""
    base = assets.vertices
    rows = np.zeros((len(ARKIT_NAMES), len(base), 3))
    for row, name in zip(rows, ARKIT_NAMES, strict=True):
        side = "left" if name.endswith("Left") else "right" if name.endswith("Right") else ""
        stem = name.removesuffix("Left").removesuffix("Right")
        if name in SHIFTS:
            source, shift = SHIFTS[name]
            target = assets.target(source)
            size = np.linalg.norm(target.delta, axis=1)
            row[target.index, 0] += shift * np.clip(size / (0.6 * size.max()), 0, 1)
        elif stem in RECIPES:
            for relative, weight in RECIPES[stem]:
                target = assets.target(relative.format(s=side, c=side[:1]))
                delta = weight * target.delta
                # A unit that is already one-sided by its file name needs no split.
                if side and "{" not in relative:
                    delta = delta * _side_weight(base[target.index, 0], side)[:, None]
                row[target.index] += delta
    jaw, close = rows[ARKIT_NAMES.index("jawOpen")], rows[ARKIT_NAMES.index("mouthClose")]
    lips = np.unique(assets.faces[assets.region_faces("lips_solid")])
    close[lips] = -MOUTH_CLOSE_SHARE * jaw[lips]
    return ExpressionBasis(rows)


def gaze_degrees(values: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Eye rotation from the eyeLook coefficients: side -> (towards the subject's left, up) in degrees."""
    angles = {}
    for side, outward in (("Left", 1.0), ("Right", -1.0)):
        horizontal = outward * (values.get(f"eyeLookOut{side}", 0.0) - values.get(f"eyeLookIn{side}", 0.0))
        vertical = values.get(f"eyeLookUp{side}", 0.0) - values.get(f"eyeLookDown{side}", 0.0)
        angles[side.lower()] = (horizontal * GAZE_LIMIT_DEG, vertical * GAZE_LIMIT_DEG * 0.8)
    return angles
