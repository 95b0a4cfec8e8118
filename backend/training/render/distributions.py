# SPDX-License-Identifier: GPL-3.0-or-later
"""Every random axis of the data set in one place: what is drawn, from which distribution, in which unit.

A *shot* is one identity in one camera, light and hair; its frames differ in expression and, less, in head pose.
Frame 0 is the reference picture of the shot. All numbers are drawn from the shot's seed alone.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from backend.training.render.frames import FRAMES_PER_SHOT, FrameSpec, sample_frames
from backend.training.render.lighting import LIGHT_KINDS, Light, sample_lights, sample_spare, warmth

TEST_SEEDS_FROM = 1_000_000  # identities from here up are the test split: never trained on
SPAN_MM = (320.0, 470.0)  # side of the rendered square at the head's centre plane
CAMERA_DISTANCE_MM = (450.0, 2600.0)  # log-uniform: 24 to 135 mm lenses at portrait framing
YAW_SIGMA_DEG, PITCH_SIGMA_DEG, ROLL_SIGMA_DEG = 20.0, 9.0, 6.0
YAW_LIMIT_DEG, PITCH_LIMIT_DEG, ROLL_LIMIT_DEG = 75.0, 30.0, 30.0
WIDE_POSE_CHANCE = 0.15  # of a pose drawn evenly between the limits instead
HAIR_STYLES = ("bald", "buzz", "shell", "mesh", "strands")
HAIR_CHANCES = (0.08, 0.08, 0.04, 0.05, 0.75)


@dataclass(frozen=True)
class StrandStyle:
    """One way to wear hair, as `hair_strands` grows it.

    Attributes:
        length_dm: range that the shot's length is drawn from.
        comb: "forward", "back", "part" (away from the parting) or "up".
        lift: 0 lies flat at the root, 1 stands on the skin.
        gravity: how soon strands hang once they leave the skin.
        volume_dm: how high over the skin the outermost strands lie.
        curl_dm: range of the curls' radius; turns_per_dm: how tight they are.
        wildness, clumping, unevenness: of direction, towards clumps, of length; shares of 1.
        count, points: strands, and points a strand; radius_dm: thickness at the root.
        hem_dm: height over the eyes that long hair is cut at, however long its strands are.
        women: share of the style's wearers that are women, to bias the draw.
    """

    length_dm: tuple[float, float]
    comb: str
    lift: float
    gravity: float
    volume_dm: float
    curl_dm: tuple[float, float] = (0.0, 0.0)
    turns_per_dm: float = 0.0
    wildness: float = 0.25
    clumping: float = 0.3
    unevenness: float = 0.12
    count: int = 6500
    points: int = 9
    radius_dm: float = 0.0075
    hem_dm: tuple[float, float] | None = None
    women: float = 0.5


STRAND_STYLES: dict[str, StrandStyle] = {
    "crop": StrandStyle((0.12, 0.32), "forward", 0.45, 0.1, 0.08, women=0.1, points=6),
    "side_part": StrandStyle((0.4, 0.8), "part", 0.3, 0.25, 0.12, women=0.15),
    "swept_back": StrandStyle((0.5, 1.0), "back", 0.35, 0.12, 0.13, women=0.25),
    "tousled": StrandStyle(
        (0.4, 0.8), "forward", 0.55, 0.2, 0.18, (0.0, 0.03), 1.5, wildness=0.6, women=0.35
    ),
    "curly": StrandStyle(
        (0.5, 1.0), "part", 0.5, 0.3, 0.22, (0.03, 0.07), 3.0, 0.45, 0.5, points=18, count=5000
    ),
    "afro": StrandStyle(
        (0.4, 0.9), "up", 0.95, 0.0, 0.22, (0.03, 0.05), 4.5, 0.5, 0.35, points=16, count=6000
    ),
    "bob": StrandStyle(
        (1.6, 2.2), "part", 0.14, 0.7, 0.15, (0.0, 0.03), 0.8, hem_dm=(-1.5, -0.7), women=0.92, points=14
    ),
    "long": StrandStyle(
        (2.8, 3.8), "part", 0.12, 0.75, 0.12, (0.0, 0.02), 0.6, hem_dm=(-3.0, -1.6), women=0.88, points=16
    ),
    "wavy": StrandStyle(
        (1.8, 3.2),
        "part",
        0.25,
        0.65,
        0.20,
        (0.03, 0.07),
        0.9,
        0.35,
        0.4,
        hem_dm=(-2.4, -0.7),
        points=18,
        women=0.9,
    ),
    "pulled_back": StrandStyle((0.5, 0.9), "back", 0.04, 0.2, 0.06, wildness=0.1, women=0.8, points=10),
}
HEADWEAR = ("none", "beanie", "scarf")
HEADWEAR_CHANCES = (0.92, 0.05, 0.03)
MAKEUP_CHANCE = 0.5  # of women; strength evenly 0.2 to 1
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
FRINGE_CHANCE = 0.4
HAIR_COLOURS = (  # linear RGB albedo: black, dark brown, brown, auburn, blond, grey, white
    (0.012, 0.010, 0.010),
    (0.030, 0.018, 0.012),
    (0.075, 0.040, 0.022),
    (0.120, 0.045, 0.020),
    (0.300, 0.190, 0.090),
    (0.220, 0.210, 0.200),
    (0.520, 0.500, 0.470),
)
SKIN_DARK = np.array([0.055, 0.026, 0.016])  # linear albedo ends, after measured skin reflectances
SKIN_LIGHT = np.array([0.660, 0.420, 0.320])
IRIS_COLOURS = (
    (0.06, 0.03, 0.015),
    (0.14, 0.08, 0.03),
    (0.10, 0.13, 0.06),
    (0.10, 0.17, 0.26),
    (0.2, 0.22, 0.22),
)


@dataclass
class Glasses:
    """Rims as superellipses (squareness 2 is an ellipse), in dm; `drop` lowers the middle of the lower rim (aviators),
    `cat_eye_dm` raises the outer corner."""

    kind: str
    half_width_dm: float
    half_height_dm: float
    squareness: float
    thickness_dm: float
    drop: float
    cat_eye_dm: float
    colour: tuple[float, float, float]
    metallic: bool
    tinted: bool


GLASSES_CHANCE = 0.2
TINTED_CHANCE = 0.12  # of those
GLASSES_KINDS: dict[str, tuple[float, float, float, float, float]] = {
    # half width, half height, squareness, drop, cat eye
    "round": (0.23, 0.22, 2.0, 0.0, 0.0),
    "oval": (0.25, 0.16, 2.2, 0.0, 0.0),
    "rectangle": (0.26, 0.16, 4.5, 0.0, 0.0),
    "wayfarer": (0.27, 0.20, 3.4, 0.0, 0.03),
    "aviator": (0.28, 0.20, 2.6, 0.35, 0.0),
    "cat_eye": (0.26, 0.17, 2.8, 0.0, 0.08),
}


@dataclass
class ShotSpec:
    """All parameters of a shot; written beside its frames."""

    seed: int
    span_mm: float
    distance_mm: float
    body_yaw_deg: float
    camera_pitch_deg: float
    camera_roll_deg: float
    offset: tuple[float, float]  # picture shift in shares of the span
    skin: tuple[float, float, float]
    skin_roughness: float
    freckles: float
    blotch: float
    lip_tint: float
    hair_style: str
    hair_mesh: str | None
    hair_colour: tuple[float, float, float]
    hair_length_dm: float
    beard: str
    brow_weight: float
    iris: tuple[float, float, float]
    cloth: tuple[float, float, float]
    neckline_dm: float  # height of the collar on the base mesh
    light_kind: str
    world_strength: float
    world_top: tuple[float, float, float]
    world_bottom: tuple[float, float, float]
    exposure: float  # picture value that the 60th percentile of head luminance is brought to (linear)
    lights: list[Light] = field(default_factory=list)
    spare_light: Light | None = None  # rendered into the group "fill", off in the shot's own light
    frames: list[FrameSpec] = field(default_factory=list)
    hairline_dm: float = 8.08  # height of the hair's edge over the forehead, on the base mesh
    glasses: Glasses | None = None
    headwear: str = "none"
    headwear_colour: tuple[float, float, float] = (0.1, 0.1, 0.1)
    headwear_edge_dm: float = 7.72  # height of a beanie's edge over the brows, on the base mesh
    makeup: float = 0.0
    lipstick: tuple[float, float, float] = (0.3, 0.03, 0.03)
    eye_shadow: tuple[float, float, float] = (0.1, 0.06, 0.06)
    wrinkles: float = 0.0  # 0 smooth .. 1 lined at rest
    strand_style: str | None = None
    strand_length_dm: float = 0.0
    strand_curl_dm: float = 0.0
    strand_part_dm: float = 0.0  # where the parting lies, towards the subject's left
    strand_fringe: bool = False
    strand_hem_dm: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def _tint(rng: np.random.Generator, colour: tuple[float, ...], spread: float) -> tuple[float, float, float]:
    r, g, b = np.array(colour) * np.exp(rng.normal(0, spread) + rng.normal(0, spread * 0.3, 3))
    return (float(r), float(g), float(b))


def _fabric(rng: np.random.Generator) -> tuple[float, float, float]:
    """Linear albedo of a cloth: mostly muted, dark as often as bright, one in six vivid."""
    bright = float(np.exp(rng.uniform(np.log(0.02), np.log(0.75))))
    vivid = rng.random() < 1 / 6
    saturation = float(rng.uniform(0.6, 0.95) if vivid else rng.beta(1.3, 3.0))
    pure = np.array(colorsys.hsv_to_rgb(rng.random(), 1.0, 1.0))
    r, g, b = bright * (1 - saturation + saturation * pure)
    return (float(r), float(g), float(b))


AXES = ("light", "yaw", "pitch", "roll", "distance", "hair", "strands", "glasses", "headwear", "tone")


def axis_draws(seed: int) -> dict[str, float]:
    """One number in 0..1 an axis that the evaluation looks along.

    Training draws them at random. The test split walks through a Sobol sequence, so that its first N shots cover
    every axis as evenly as N can.
    """
    if seed < TEST_SEEDS_FROM:
        values = np.random.default_rng([seed, 12]).random(len(AXES))
    else:
        index = seed - TEST_SEEDS_FROM
        sequence = qmc.Sobol(len(AXES), scramble=True, rng=np.random.default_rng(20261124))
        values = sequence.fast_forward(index).random(1)[0] if index else sequence.random(1)[0]
    return dict(zip(AXES, (float(v) for v in values), strict=True))


def _choose(names: Sequence[str], chances: Sequence[float], draw: float, even: bool) -> str:
    """The name that `draw` (0..1) falls on; `even` gives each name the same share."""
    weights = np.ones(len(names)) if even else np.array(chances, dtype=float)
    edges = np.cumsum(weights / weights.sum())
    return names[min(int(np.searchsorted(edges, draw, side="right")), len(names) - 1)]


def _angle(draw: float, sigma: float, limit: float, even: bool) -> float:
    """A pose angle in degrees: normal, with a share spread evenly to the limits; evenly alone in the test split."""
    if even:
        return (2 * draw - 1) * limit
    if draw < WIDE_POSE_CHANCE:
        return (2 * draw / WIDE_POSE_CHANCE - 1) * limit
    inner = (draw - WIDE_POSE_CHANCE) / (1 - WIDE_POSE_CHANCE)
    return float(np.clip(sigma * ndtri(np.clip(inner, 1e-4, 1 - 1e-4)), -limit, limit))


def sample_shot(seed: int, gender: float, age: float, hair_meshes: list[str]) -> ShotSpec:
    """Draw everything but the identity's shape; `gender` and `age` (0..1) bias beard, brows and hair colour."""
    rng = np.random.default_rng([seed, 2])
    axes, even = axis_draws(seed), seed >= TEST_SEEDS_FROM
    tone = axes["tone"] ** (1.0 if even else 0.8)
    skin = np.exp((1 - tone) * np.log(SKIN_DARK) + tone * np.log(SKIN_LIGHT)) * np.exp(
        rng.normal(0, [0.08, 0.06, 0.08])
    )
    weights = np.array([0.22, 0.24, 0.2, 0.08, 0.12, 0.02 + 0.4 * age**2, 0.01 + 0.3 * age**2])
    if tone < 0.45:  # light hair on dark skin is rare, and dyed
        weights[3:5] *= 0.15
    hair_colour = HAIR_COLOURS[int(rng.choice(len(HAIR_COLOURS), p=weights / weights.sum()))]
    headwear = _choose(HEADWEAR, HEADWEAR_CHANCES, axes["headwear"], False)
    style = _choose(HAIR_STYLES, HAIR_CHANCES, axes["hair"], False) if headwear == "none" else "bald"
    mesh = str(rng.choice(hair_meshes)) if hair_meshes and style == "mesh" else None
    beard = "none"
    if gender > 0.55 and rng.random() < 0.55:
        beard = str(rng.choice(BEARDS[1:]))
    light_kind = _choose(list(LIGHT_KINDS), list(LIGHT_KINDS.values()), axes["light"], even)
    lights, strength = sample_lights(np.random.default_rng([seed, 13]), light_kind)
    strands = {}
    if style == "strands":
        strands = _strands(np.random.default_rng([seed, 9]), gender, axes["strands"], even)
    r, g, b = (float(min(c, 0.9)) for c in skin)
    iris_chances = (0.72, 0.24, 0.02, 0.01, 0.01) if tone < 0.45 else (0.35, 0.25, 0.12, 0.18, 0.1)
    near, far = np.log(CAMERA_DISTANCE_MM)
    return ShotSpec(
        seed=seed,
        span_mm=float(rng.uniform(*SPAN_MM)),
        distance_mm=float(np.exp(near + (far - near) * axes["distance"])),
        body_yaw_deg=_angle(axes["yaw"], YAW_SIGMA_DEG, YAW_LIMIT_DEG, even),
        camera_pitch_deg=_angle(axes["pitch"], PITCH_SIGMA_DEG, PITCH_LIMIT_DEG, even),
        camera_roll_deg=_angle(axes["roll"], ROLL_SIGMA_DEG, ROLL_LIMIT_DEG, even),
        offset=(float(rng.normal(0, 0.02)), float(rng.normal(0, 0.02))),
        skin=(r, g, b),
        skin_roughness=float(rng.uniform(0.34, 0.62)),
        freckles=float(max(0.0, rng.normal(-0.3, 0.6))),
        blotch=float(rng.uniform(0.0, 0.25)),
        lip_tint=float(np.clip(rng.normal(0.45 + 0.25 * (1 - gender), 0.25), 0.05, 1.0)),
        hair_style=style,
        hair_mesh=mesh,
        hair_colour=_tint(rng, hair_colour, 0.3),
        hair_length_dm=float(rng.uniform(0.04, 0.32)),
        beard=beard,
        brow_weight=float(rng.uniform(0.35, 1.0)),
        iris=_tint(rng, IRIS_COLOURS[int(rng.choice(len(IRIS_COLOURS), p=iris_chances))], 0.25),
        cloth=_fabric(rng),
        neckline_dm=float(rng.uniform(5.45, 6.05)),
        light_kind=light_kind,
        world_strength=strength,
        world_top=warmth(rng, 0.18),
        world_bottom=_tint(rng, (0.5, 0.5, 0.5), 0.4),
        exposure=float(np.exp(rng.normal(np.log(0.15 + 0.22 * tone), 0.22))),
        lights=lights,
        spare_light=sample_spare(np.random.default_rng([seed, 15]), lights),
        frames=sample_frames(rng, FRAMES_PER_SHOT),
        hairline_dm=float(
            np.clip(np.random.default_rng([seed, 10]).normal(8.06 + 0.08 * gender * age, 0.07), 7.9, 8.4)
        ),
        glasses=sample_glasses(np.random.default_rng([seed, 11]), axes["glasses"]),
        headwear=headwear,
        **_looks(np.random.default_rng([seed, 14]), gender, age),
        **strands,
    )


def _looks(rng: np.random.Generator, gender: float, age: float) -> dict[str, Any]:
    """Headwear's cloth, make-up and wrinkles."""
    wears = gender < 0.45 and rng.random() < MAKEUP_CHANCE
    lips = ((0.35, 0.02, 0.03), (0.28, 0.06, 0.06), (0.10, 0.012, 0.02), (0.45, 0.12, 0.14))
    lids = ((0.08, 0.05, 0.04), (0.05, 0.05, 0.07), (0.16, 0.07, 0.08), (0.06, 0.08, 0.10))
    return {
        "headwear_colour": _fabric(rng),
        "headwear_edge_dm": float(np.clip(rng.normal(7.74, 0.07), 7.6, 7.95)),
        "makeup": float(rng.uniform(0.2, 1.0)) if wears else 0.0,
        "lipstick": _tint(rng, lips[int(rng.integers(len(lips)))], 0.25),
        "eye_shadow": _tint(rng, lids[int(rng.integers(len(lids)))], 0.3),
        "wrinkles": float(np.clip(1.1 * age + rng.normal(0, 0.15), 0, 1)),
    }


def sample_glasses(rng: np.random.Generator, draw: float) -> Glasses | None:
    """None for most `draw`s (0..1); wire frames are thin and metallic, plastic ones thick and of any colour."""
    if draw >= GLASSES_CHANCE:
        return None
    kind = str(rng.choice(list(GLASSES_KINDS)))
    width, height, squareness, drop, cat_eye = GLASSES_KINDS[kind]
    size = rng.uniform(0.9, 1.12)
    metallic = bool(rng.random() < 0.4)
    plastic = _tint(
        rng, ((0.012, 0.01, 0.009), (0.07, 0.03, 0.012), (0.2, 0.2, 0.22))[int(rng.integers(3))], 0.5
    )
    wire = ((0.55, 0.5, 0.42), (0.5, 0.5, 0.52), (0.04, 0.04, 0.045))[int(rng.integers(3))]
    return Glasses(
        kind=kind,
        half_width_dm=float(width * size),
        half_height_dm=float(height * size * rng.uniform(0.92, 1.08)),
        squareness=squareness,
        thickness_dm=float(rng.uniform(0.007, 0.011) if metallic else rng.uniform(0.014, 0.028)),
        drop=drop,
        cat_eye_dm=cat_eye,
        colour=wire if metallic else plastic,
        metallic=metallic,
        tinted=bool(rng.random() < TINTED_CHANCE),
    )


def _strands(rng: np.random.Generator, gender: float, draw: float, even: bool) -> dict[str, Any]:
    """The strand_... fields of a shot; women wear other styles more often, nobody one of them only."""
    weights = [0.15 + s.women * (1 - gender) + (1 - s.women) * gender for s in STRAND_STYLES.values()]
    name = _choose(list(STRAND_STYLES), weights, draw, even)
    style = STRAND_STYLES[name]
    return {
        "strand_style": name,
        "strand_length_dm": float(rng.uniform(*style.length_dm)),
        "strand_curl_dm": float(rng.uniform(*style.curl_dm)),
        "strand_part_dm": float(rng.choice([-0.32, 0.0, 0.32], p=[0.35, 0.3, 0.35]) + rng.normal(0, 0.05)),
        "strand_hem_dm": float(rng.uniform(*style.hem_dm)) if style.hem_dm else None,
        "strand_fringe": bool(style.comb in ("part", "forward") and rng.random() < FRINGE_CHANCE),
    }
