# SPDX-License-Identifier: GPL-3.0-or-later
"""Random identities: macro targets (gender, age, ethnicity mix) plus face-detail sliders of the base mesh."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from backend.training.render.assets import HeadAssets

ETHNICITIES = ("african", "asian", "caucasian")
DETAIL_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "cheek", "chin", "mouth", "ears", "neck")
OPPOSITES = {
    "decr": "incr",
    "down": "up",
    "in": "out",
    "backward": "forward",
    "compress": "uncompress",
    "concave": "convex",
}
# Sliders that only move the whole head or the trunk: no identity, and they would shift the frame.
EXCLUDED = re.compile(r"head-trans|neck-trans|head-age|measure-|asymm-|head-angle|ear.*-trans|neck-double")
DETAIL_SIGMA = 0.38  # standard deviation of a drawn slider; 1 is MakeHuman's own limit
DETAIL_CHANCE = 0.45  # share of sliders that differ from zero in one identity
ASYMMETRY_SIGMA = 0.10
TEETH_SCALE = (0.86, 0.95, 0.95)
TEETH_BACK_DM = 0.03
UPPER_TEETH_DOWN_DM = 0.06  # else a lifted lip or an open jaw shows a black gap and no teeth


@dataclass(frozen=True)
class Identity:
    """Everything that stays the same for one person. `sliders` and `macros` are written beside each frame."""

    seed: int
    gender: float  # 0 female .. 1 male
    age: float  # 0 young adult .. 1 old
    ethnicity: tuple[float, float, float]
    sliders: dict[str, float] = field(repr=False)
    vertices: np.ndarray = field(
        repr=False
    )  # [19158, 3] dm, neutral, scaled to the average head, origin at its centre


@lru_cache(maxsize=2)
def _sliders(assets: HeadAssets) -> list[tuple[str, str | None]]:
    """(positive target, negative target or None), right sides left out: they follow the left ones."""
    found: list[tuple[str, str | None]] = []
    for folder in DETAIL_FOLDERS:
        names = set(assets.target_names(folder))
        for name in sorted(names):
            if EXCLUDED.search(name) or name.startswith("r-"):
                continue
            ending = name.rsplit("-", 1)[-1]
            if ending in OPPOSITES.values() and any(
                name.removesuffix(ending) + low in names for low, high in OPPOSITES.items() if high == ending
            ):
                continue
            if ending in OPPOSITES and name.removesuffix(ending) + OPPOSITES[ending] in names:
                found.append((f"{folder}/{name.removesuffix(ending)}{OPPOSITES[ending]}", f"{folder}/{name}"))
            else:
                found.append((f"{folder}/{name}", None))
    return found


@dataclass(frozen=True)
class HeadMarks:
    """Base vertices by which size and centre are measured."""

    crown: int
    chin: int
    left: int
    right: int
    back: int
    brow: int


@lru_cache(maxsize=2)
def head_marks(assets: HeadAssets) -> HeadMarks:
    """Pick the marks on the untouched base mesh."""
    v = assets.vertices[:13380]
    head = np.flatnonzero(v[:, 1] > 6.0)

    def nearest(x: float, y: float, z: float) -> int:
        return int(head[np.linalg.norm(v[head] - (x, y, z), axis=1).argmin()])

    skull = head[(v[head, 1] > 7.6) & (v[head, 1] < 8.1)]
    return HeadMarks(
        int(head[v[head, 1].argmax()]),
        nearest(0.0, 6.15, 1.45),
        int(skull[v[skull, 0].argmax()]),
        int(skull[v[skull, 0].argmin()]),
        int(head[v[head, 2].argmin()]),
        nearest(0.0, 7.5, 1.55),
    )


def head_size_dm(vertices: np.ndarray, marks: HeadMarks) -> float:
    """Geometric mean of height, width and depth of the skull in decimetres."""
    height = np.linalg.norm(vertices[marks.crown] - vertices[marks.chin])
    width = np.linalg.norm(vertices[marks.left] - vertices[marks.right])
    depth = np.linalg.norm(vertices[marks.brow] - vertices[marks.back])
    return float((height * width * depth) ** (1 / 3))


def head_centre(vertices: np.ndarray, marks: HeadMarks) -> np.ndarray:
    """The origin of depth [3]: the mean of crown, chin, brow and back of the head."""
    centre = vertices[[marks.crown, marks.chin, marks.brow, marks.back]].mean(0)
    centre[0] = 0.0
    return centre


def _seat_teeth(assets: HeadAssets, vertices: np.ndarray) -> None:
    """Keep teeth and tongue behind the lips: few face targets move them, so they would come through the skin."""
    lips = np.unique(assets.faces[assets.region_faces("lips_solid")])
    inner = np.concatenate(
        [assets.groups[f"helper-{part}"] for part in ("upper-teeth", "lower-teeth", "tongue")]
    )
    moved = (vertices - assets.vertices)[lips].mean(0) - (vertices - assets.vertices)[inner].mean(0)
    vertices[inner] += moved
    middle = vertices[inner].mean(0)
    vertices[inner] = (vertices[inner] - middle) * TEETH_SCALE + middle - (0, 0, TEETH_BACK_DM)
    vertices[assets.groups["helper-upper-teeth"], 1] -= UPPER_TEETH_DOWN_DM


def sample_identity(assets: HeadAssets, seed: int) -> Identity:
    """Draw an identity; the same seed and data folder give the same vertices."""
    rng = np.random.default_rng([seed, 1])
    vertices = assets.vertices.copy()
    gender = float(np.clip(rng.beta(0.7, 0.7), 0, 1))
    age = float(rng.beta(0.8, 1.3))
    ethnicity = rng.dirichlet([0.5, 0.5, 0.5])

    def add(relative: str, amount: float) -> None:
        target = assets.target(relative)
        vertices[target.index] += amount * target.delta

    for name, share in zip(ETHNICITIES, ethnicity, strict=True):
        for sex, sex_share in (("female", 1 - gender), ("male", gender)):
            for years, age_share in (("young", 1 - age), ("old", age)):
                add(f"macrodetails/{name}-{sex}-{years}", float(share * sex_share * age_share))
    sliders: dict[str, float] = {}
    for positive, negative in _sliders(assets):
        if rng.random() > DETAIL_CHANCE:
            continue
        amount = float(np.clip(rng.normal(0, DETAIL_SIGMA), -1, 1))
        if negative is None:
            amount = abs(amount)
        chosen = positive if amount >= 0 else negative
        assert chosen is not None
        folder, name = chosen.split("/")
        sides = [chosen, f"{folder}/r-{name[2:]}"] if name.startswith("l-") else [chosen]
        for side in sides:
            sliders[side] = abs(amount) * float(1 + rng.normal(0, ASYMMETRY_SIGMA))
            add(side, sliders[side])
    for name in rng.choice(assets.target_names("asym"), 4, replace=False):
        if not EXCLUDED.search(name):
            sliders[f"asym/{name}"] = float(rng.uniform(0, 0.35))
            add(f"asym/{name}", sliders[f"asym/{name}"])
    _seat_teeth(assets, vertices)
    marks = head_marks(assets)
    vertices -= head_centre(vertices, marks)
    vertices *= head_size_dm(assets.vertices, marks) / head_size_dm(vertices, marks)
    return Identity(seed, gender, age, tuple(float(e) for e in ethnicity), sliders, vertices)  # type: ignore[arg-type]
