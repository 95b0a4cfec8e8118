# SPDX-License-Identifier: GPL-3.0-or-later
"""Every random axis of the data set in one place: what is drawn, from which distribution, in which unit.

A *shot* is one identity in one camera, light and hair; its frames differ in expression and, less, in head pose.
Frame 0 is the reference picture of the shot. All numbers are drawn from the shot's seed alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from backend.model.expression_names import ARKIT_NAMES

TEST_SEEDS_FROM = 1_000_000  # identities from here up are the test split: never trained on
FRAMES_PER_SHOT = 5
SPAN_MM = (320.0, 470.0)  # side of the rendered square at the head's centre plane
CAMERA_DISTANCE_MM = (450.0, 2600.0)  # log-uniform: 24 to 135 mm lenses at portrait framing
YAW_SIGMA_DEG, PITCH_SIGMA_DEG, ROLL_SIGMA_DEG = 20.0, 9.0, 6.0
YAW_LIMIT_DEG, PITCH_LIMIT_DEG, ROLL_LIMIT_DEG = 60.0, 26.0, 20.0
FRAME_POSE_SIGMA_DEG = (8.0, 5.0, 4.0)  # head turned again for some of the frames of a shot
FRAME_POSE_CHANCE = 0.3
HAIR_STYLES = ("bald", "buzz", "shell", "mesh", "strands")
HAIR_CHANCES = (0.08, 0.08, 0.06, 0.10, 0.68)


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

# Plausible faces; strengths at 1. One-sided entries make winks and crooked smiles.
PLAUSIBLE: dict[str, dict[str, float]] = {
    "smile": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "laugh": {
        "mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "jawOpen": 0.45, "cheekSquintLeft": 0.8,
        "cheekSquintRight": 0.8, "eyeSquintLeft": 0.5, "eyeSquintRight": 0.5,
    },
    "surprise": {
        "jawOpen": 0.6, "browInnerUp": 0.9, "browOuterUpLeft": 0.9, "browOuterUpRight": 0.9,
        "eyeWideLeft": 0.9, "eyeWideRight": 0.9,
    },
    "wink_left": {"eyeBlinkLeft": 1.0, "cheekSquintLeft": 0.6, "mouthSmileLeft": 0.5},
    "wink_right": {"eyeBlinkRight": 1.0, "cheekSquintRight": 0.6, "mouthSmileRight": 0.5},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "squint": {"eyeSquintLeft": 0.9, "eyeSquintRight": 0.9, "browDownLeft": 0.5, "browDownRight": 0.5},
    "angry": {"browDownLeft": 1.0, "browDownRight": 1.0, "mouthPressLeft": 0.8, "mouthPressRight": 0.8,
              "noseSneerLeft": 0.4, "noseSneerRight": 0.4},
    "disgust": {"noseSneerLeft": 1.0, "noseSneerRight": 1.0, "mouthUpperUpLeft": 0.8, "mouthUpperUpRight": 0.8,
                "browDownLeft": 0.5, "browDownRight": 0.5},
    "sad": {"mouthFrownLeft": 0.9, "mouthFrownRight": 0.9, "browInnerUp": 0.9},
    "pucker": {"mouthPucker": 1.0},
    "speech_o": {"mouthFunnel": 0.8, "jawOpen": 0.3},
    "speech_a": {"jawOpen": 0.5, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3},
    "speech_e": {"mouthStretchLeft": 0.8, "mouthStretchRight": 0.8, "jawOpen": 0.2},
    "speech_m": {"mouthRollLower": 0.7, "mouthRollUpper": 0.7, "mouthPressLeft": 0.4, "mouthPressRight": 0.4},
    "jaw_wide": {"jawOpen": 1.0},
    "brows_up": {"browInnerUp": 1.0, "browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
    "teeth": {"mouthUpperUpLeft": 0.9, "mouthUpperUpRight": 0.9, "mouthLowerDownLeft": 0.9,
              "mouthLowerDownRight": 0.9, "jawOpen": 0.12},
    "cheeks": {"cheekPuff": 1.0, "mouthPucker": 0.3},
    "crooked_left": {"mouthSmileLeft": 0.8, "mouthLeft": 0.5},
    "crooked_right": {"mouthSmileRight": 0.8, "mouthRight": 0.5},
}  # fmt: skip


@dataclass
class Light:
    """An area light on a sphere round the head: angles in degrees (0, 0 is the camera), size and power relative."""

    azimuth_deg: float
    elevation_deg: float
    size_dm: float
    power: float
    colour: tuple[float, float, float]


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
class FrameSpec:
    """One frame: ARKit values in 0..1 and the head's own turn on the neck in degrees."""

    expression: dict[str, float]
    head_pose_deg: tuple[float, float, float]


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
    world_strength: float
    world_top: tuple[float, float, float]
    world_bottom: tuple[float, float, float]
    exposure: float  # picture value that the 60th percentile of head luminance is brought to (linear)
    lights: list[Light] = field(default_factory=list)
    frames: list[FrameSpec] = field(default_factory=list)
    hairline_dm: float = 8.08  # height of the hair's edge over the forehead, on the base mesh
    glasses: Glasses | None = None
    strand_style: str | None = None
    strand_length_dm: float = 0.0
    strand_curl_dm: float = 0.0
    strand_part_dm: float = 0.0  # where the parting lies, towards the subject's left
    strand_fringe: bool = False
    strand_hem_dm: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def _clipped_normal(rng: np.random.Generator, sigma: float, limit: float) -> float:
    return float(np.clip(rng.normal(0, sigma), -limit, limit))


def _warmth(rng: np.random.Generator, spread: float) -> tuple[float, float, float]:
    shift = rng.normal(0, spread)
    return (float(np.exp(shift)), 1.0, float(np.exp(-shift)))


def _tint(rng: np.random.Generator, colour: tuple[float, ...], spread: float) -> tuple[float, float, float]:
    r, g, b = np.array(colour) * np.exp(rng.normal(0, spread) + rng.normal(0, spread * 0.3, 3))
    return (float(r), float(g), float(b))


def plausible_expression(rng: np.random.Generator, strength: tuple[float, float]) -> dict[str, float]:
    """One named face at a random strength, each coefficient varied by up to a quarter."""
    face = PLAUSIBLE[str(rng.choice(list(PLAUSIBLE)))]
    scale = rng.uniform(*strength)
    return {
        name: float(np.clip(value * scale * rng.uniform(0.75, 1.15), 0, 1)) for name, value in face.items()
    }


def _gaze(rng: np.random.Generator) -> dict[str, float]:
    x, y = float(rng.uniform(-1, 1)) * 0.8, float(rng.uniform(-1, 1)) * 0.6
    left = (
        {"eyeLookOutLeft": x, "eyeLookInRight": x} if x >= 0 else {"eyeLookInLeft": -x, "eyeLookOutRight": -x}
    )
    up = (
        {"eyeLookUpLeft": y, "eyeLookUpRight": y}
        if y >= 0
        else {"eyeLookDownLeft": -y, "eyeLookDownRight": -y}
    )
    return {**left, **up}


def _single(rng: np.random.Generator) -> dict[str, float]:
    """One coefficient near full strength; sided ones are drawn on both sides two times in three."""
    name = str(rng.choice([n for n in ARKIT_NAMES if not n.startswith("eyeLook")]))
    value = float(rng.uniform(0.65, 1.0))
    found = {name: value}
    if name.endswith(("Left", "Right")) and not name.startswith(("jaw", "mouthLeft", "mouthRight")):
        other = name[:-4] + "Right" if name.endswith("Left") else name[:-5] + "Left"
        if other in ARKIT_NAMES and rng.random() < 0.66:
            found[other] = value
    if name == "mouthClose":
        found["jawOpen"] = float(rng.uniform(0.4, 0.9))
    return found


def sample_frames(rng: np.random.Generator, count: int) -> list[FrameSpec]:
    """Frame 0 is how the person looks in the reference photo; the others are what it is driven to."""
    base: dict[str, float] = {}
    kind = rng.random()
    if kind > 0.8:
        base = plausible_expression(rng, (0.4, 1.0))
    elif kind > 0.55:
        base = {
            "mouthSmileLeft": float(rng.uniform(0.1, 0.7)),
            "mouthSmileRight": float(rng.uniform(0.1, 0.7)),
        }
    if rng.random() < 0.25:
        base |= _gaze(rng)
    frames = [FrameSpec(base, (0.0, 0.0, 0.0))]
    for number in range(1, count):
        if number == 1:
            expression = base | _single(rng)
        elif number == 2:
            expression = plausible_expression(rng, (0.7, 1.0))
        elif number == 3:
            expression = plausible_expression(rng, (0.4, 1.0)) | (_gaze(rng) if rng.random() < 0.6 else {})
            expression |= {k: v * 0.6 for k, v in _single(rng).items()}
        else:
            expression = {k: v for _ in range(int(rng.integers(1, 4))) for k, v in _single(rng).items()}
        pose = (0.0, 0.0, 0.0)
        if number >= 2 and rng.random() < FRAME_POSE_CHANCE:
            yaw, pitch, roll = (float(rng.normal(0, s)) for s in FRAME_POSE_SIGMA_DEG)
            pose = (yaw, pitch, roll)
        frames.append(FrameSpec(expression, pose))
    return frames


def sample_shot(seed: int, gender: float, age: float, hair_meshes: list[str]) -> ShotSpec:
    """Draw everything but the identity's shape; `gender` and `age` (0..1) bias beard, brows and hair colour."""
    rng = np.random.default_rng([seed, 2])
    tone = rng.uniform(0, 1) ** 0.8
    skin = np.exp((1 - tone) * np.log(SKIN_DARK) + tone * np.log(SKIN_LIGHT)) * np.exp(
        rng.normal(0, [0.08, 0.06, 0.08])
    )
    weights = np.array([0.22, 0.24, 0.2, 0.08, 0.12, 0.05 + 0.4 * age, 0.03 + 0.3 * age])
    if tone < 0.45:  # light hair on dark skin is rare, and dyed
        weights[3:5] *= 0.15
    hair_colour = HAIR_COLOURS[int(rng.choice(len(HAIR_COLOURS), p=weights / weights.sum()))]
    style = str(rng.choice(HAIR_STYLES, p=HAIR_CHANCES))
    mesh = str(rng.choice(hair_meshes)) if hair_meshes and style == "mesh" else None
    beard = "none"
    if gender > 0.55 and rng.random() < 0.55:
        beard = str(rng.choice(BEARDS[1:]))
    lights = []
    for index in range(int(rng.integers(1, 4))):
        lights.append(
            Light(
                float(rng.normal(0, 58)),
                float(np.clip(rng.normal(25, 25), -35, 85)),
                float(np.exp(rng.uniform(np.log(1.5), np.log(16)))),
                float(np.exp(rng.normal(0 if index == 0 else -1.0, 0.5))),
                _warmth(rng, 0.14),
            )
        )
    strands = _strands(np.random.default_rng([seed, 9]), gender) if style == "strands" else {}
    strength = float(np.exp(rng.normal(-1.3, 0.8)))
    r, g, b = (float(min(c, 0.9)) for c in skin)
    iris_chances = (0.72, 0.24, 0.02, 0.01, 0.01) if tone < 0.45 else (0.35, 0.25, 0.12, 0.18, 0.1)
    return ShotSpec(
        seed=seed,
        span_mm=float(rng.uniform(*SPAN_MM)),
        distance_mm=float(np.exp(rng.uniform(*np.log(CAMERA_DISTANCE_MM)))),
        body_yaw_deg=_clipped_normal(rng, YAW_SIGMA_DEG, YAW_LIMIT_DEG),
        camera_pitch_deg=_clipped_normal(rng, PITCH_SIGMA_DEG, PITCH_LIMIT_DEG),
        camera_roll_deg=_clipped_normal(rng, ROLL_SIGMA_DEG, ROLL_LIMIT_DEG),
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
        cloth=_tint(rng, tuple(rng.uniform(0.01, 0.8, 3)), 0.2),
        neckline_dm=float(rng.uniform(5.45, 6.05)),
        world_strength=strength,
        world_top=_warmth(rng, 0.18),
        world_bottom=_tint(rng, (0.5, 0.5, 0.5), 0.4),
        exposure=float(np.exp(rng.normal(np.log(0.15 + 0.22 * tone), 0.22))),
        lights=lights,
        frames=sample_frames(rng, FRAMES_PER_SHOT),
        hairline_dm=float(
            np.clip(np.random.default_rng([seed, 10]).normal(8.06 + 0.08 * gender * age, 0.07), 7.9, 8.4)
        ),
        glasses=sample_glasses(np.random.default_rng([seed, 11])),
        **strands,
    )


def sample_glasses(rng: np.random.Generator) -> Glasses | None:
    """None for most; wire frames are thin and metallic, plastic ones thick and of any colour."""
    if rng.random() >= GLASSES_CHANCE:
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


def _strands(rng: np.random.Generator, gender: float) -> dict[str, Any]:
    """The strand_... fields of a shot; women wear other styles more often, nobody one of them only."""
    weights = np.array(
        [0.15 + s.women * (1 - gender) + (1 - s.women) * gender for s in STRAND_STYLES.values()]
    )
    name = str(rng.choice(list(STRAND_STYLES), p=weights / weights.sum()))
    style = STRAND_STYLES[name]
    return {
        "strand_style": name,
        "strand_length_dm": float(rng.uniform(*style.length_dm)),
        "strand_curl_dm": float(rng.uniform(*style.curl_dm)),
        "strand_part_dm": float(rng.choice([-0.32, 0.0, 0.32], p=[0.35, 0.3, 0.35]) + rng.normal(0, 0.05)),
        "strand_hem_dm": float(rng.uniform(*style.hem_dm)) if style.hem_dm else None,
        "strand_fringe": bool(style.comb in ("part", "forward") and rng.random() < FRINGE_CHANCE),
    }
