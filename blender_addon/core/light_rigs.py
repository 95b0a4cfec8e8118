# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait photographer's light rigs as a table, and where their lights stand when the key is moved. No bpy.

Directions are degrees as seen from the camera that took the photo: azimuth 0 is where the viewer stands, + is to the
right of the picture, 90 beside the head, 180 behind it; elevation + is above. Distances and sizes are in head sizes
(the longer side of the relief).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

# A white matt surface that faces the key is as bright in the picture as one of radiance 1: irradiance pi.
KEY_IRRADIANCE_W_M2 = math.pi
WARMTH_MIRED = (
    100.0  # a warmth of 1 shifts every light by so much: 5000 K becomes 3333 K, and -1 makes it 10000 K
)
COOLEST_K, WARMEST_K = 15_000.0, 1_800.0
_NEUTRAL_K = 5_500.0


class Follows(Enum):
    """What a light does when the artist moves the rig's direction."""

    KEY = "KEY"  # is the light that is moved
    PAIR = "PAIR"  # stays the mirror image of the key across the head
    SIDE = "SIDE"  # stays, but changes sides when the key does


@dataclass(frozen=True)
class RigLight:
    """One area light. `share` is its irradiance on the head in relation to a key's."""

    name: str
    azimuth_deg: float
    elevation_deg: float
    distance: float
    size: float  # a disc's diameter
    share: float
    kelvin: float
    follows: Follows = Follows.SIDE


@dataclass(frozen=True)
class LightRig:
    """A named rig; its first light is the key."""

    identifier: str
    label: str
    description: str
    lights: tuple[RigLight, ...]

    @property
    def key(self) -> RigLight:
        return self.lights[0]

    def directions_deg(self, azimuth_deg: float, elevation_deg: float) -> list[tuple[float, float]]:
        """(azimuth, elevation) of each light when the key stands at the given direction."""
        crossed = azimuth_deg * self.key.azimuth_deg < 0
        found = []
        for light in self.lights:
            if light.follows is Follows.KEY:
                found.append((azimuth_deg, elevation_deg))
            elif light.follows is Follows.PAIR:
                found.append((-azimuth_deg, elevation_deg))
            else:
                found.append((-light.azimuth_deg if crossed else light.azimuth_deg, light.elevation_deg))
        return found


_KEY, _PAIR = Follows.KEY, Follows.PAIR
RIGS: tuple[LightRig, ...] = (
    LightRig(
        "THREE_POINT",
        "Three-Point",
        "A key from one side, a soft fill from the other, and a light from behind that parts the head from the dark",
        (
            RigLight("Key", -45, 30, 3.0, 1.0, 1.0, 4800, _KEY),
            RigLight("Fill", 40, 5, 3.5, 2.0, 0.22, 6200),
            RigLight("Back", 128, 35, 3.0, 0.8, 1.3, 6500),
        ),
    ),
    LightRig(
        "REMBRANDT",
        "Rembrandt",
        "A high key from the side; the nose's shadow leaves a triangle of light on the far cheek",
        (
            RigLight("Key", -48, 42, 3.0, 0.45, 1.25, 4300, _KEY),
            RigLight("Fill", 35, 5, 3.5, 2.0, 0.07, 5600),
        ),
    ),
    LightRig(
        "BUTTERFLY",
        "Butterfly",
        "A high key straight in front, with a butterfly's shadow under the nose, and a reflector from below",
        (
            RigLight("Key", 0, 52, 2.5, 0.6, 1.2, 5300, _KEY),
            RigLight("Reflector", 0, -40, 2.5, 1.5, 0.16, 5600),
        ),
    ),
    LightRig(
        "SPLIT",
        "Split",
        "A key at right angles to the view: one half of the face is lit, the other lies in the dark",
        (
            RigLight("Key", -90, 8, 3.0, 0.5, 1.6, 5000, _KEY),
            RigLight("Fill", 20, 5, 3.5, 2.0, 0.025, 6500),
        ),
    ),
    LightRig(
        "RIM",
        "Rim",
        "Two lights from behind that draw the head's outline; the face stays dark",
        (
            RigLight("Rim", -118, 22, 3.0, 0.8, 2.6, 5600, _KEY),
            RigLight("Second Rim", 118, 22, 3.0, 0.8, 2.6, 7000, _PAIR),
            RigLight("Fill", 0, 15, 3.5, 2.5, 0.06, 6500),
        ),
    ),
    LightRig(
        "WINDOW",
        "Window",
        "A large soft daylight from the side, and what the room throws back",
        (
            RigLight("Window", -68, 14, 1.8, 2.2, 1.15, 6600, _KEY),
            RigLight("Room", 75, 0, 3.0, 3.0, 0.14, 4400),
        ),
    ),
)
BY_IDENTIFIER = {rig.identifier: rig for rig in RIGS}


def towards(azimuth_deg: float, elevation_deg: float) -> tuple[float, float, float]:
    """Unit vector from the head to the light: (to the picture's right, up, to the viewer)."""
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    level = math.cos(elevation)
    return math.sin(azimuth) * level, math.sin(elevation), math.cos(azimuth) * level


def disc_power_w(irradiance_w_m2: float, distance: float, diameter: float) -> float:
    """Power of a disc that shines with so much irradiance on a surface that faces it, on its axis.

    A Lambertian disc of radius R and radiance L gives pi L R^2 / (R^2 + d^2) there, and emits pi L pi R^2 in all.
    """
    return irradiance_w_m2 * math.pi * (distance**2 + (diameter / 2) ** 2)


def warmed_kelvin(kelvin: float, warmth: float) -> float:
    """A light's colour temperature after the warmth slider (-1 to 1). Equal steps in mireds look equal."""
    mired = 1e6 / kelvin + WARMTH_MIRED * warmth
    return min(COOLEST_K, max(WARMEST_K, 1e6 / max(mired, 1.0)))


def kelvin_rgb(kelvin: float) -> tuple[float, float, float]:
    """Linear Rec. 709 colour of a black body, white at 5500 K (daylight film), with a luminance of 1.

    The Planckian locus by the cubic fit of Kang et al., "Design of Advanced Color Temperature Control System for HDTV
    Applications" (2002), 1667 to 25000 K; each channel is divided by its value at 5500 K (von Kries on Rec. 709).
    """
    rgb = [max(0.0, a / b) for a, b in zip(_locus_rgb(kelvin), _locus_rgb(_NEUTRAL_K), strict=True)]
    luminance = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]
    return rgb[0] / luminance, rgb[1] / luminance, rgb[2] / luminance


def _locus_rgb(kelvin: float) -> tuple[float, float, float]:
    t = 1000.0 / min(25_000.0, max(1_667.0, kelvin))
    if kelvin <= 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    big_x, big_z = x / y, (1 - x - y) / y  # of XYZ with Y = 1
    return (
        3.2406255 * big_x - 1.5372080 - 0.4986286 * big_z,
        -0.9689307 * big_x + 1.8757561 + 0.0415175 * big_z,
        0.0557101 * big_x - 0.2040211 + 1.0569959 * big_z,
    )
