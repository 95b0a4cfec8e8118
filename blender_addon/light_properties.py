# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Light panel's sliders set: kept on each relief's object, so that every relief has its own light."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .scene import albedo, hdri, lighting


def _rig_changed(settings: PortraitReliefLight, _context: bpy.types.Context) -> None:
    lighting.update_rig(settings.id_data)


def _hdri_changed(settings: PortraitReliefLight, context: bpy.types.Context) -> None:
    hdri.update_hdri(context.scene, settings.id_data)


_TEXTURES = [
    (albedo.PHOTO, "Photo", "The picture with the light that it was taken in", 0),
    (albedo.ALBEDO, "Albedo", "The picture with its light divided out, for lighting it anew", 1),
]


def _shown_texture(settings: PortraitReliefLight) -> int:
    shown = albedo.shown(settings.id_data)
    return next(number for name, _label, _help, number in _TEXTURES if name == shown)


def _show_texture(settings: PortraitReliefLight, number: int) -> None:
    albedo.show(settings.id_data, _TEXTURES[number][0])


class PortraitReliefLight(bpy.types.PropertyGroup):
    """On a relief's object. What is animated is the rig itself, which is made of plain Blender objects."""

    azimuth: FloatProperty(
        name="Azimuth",
        description="Where the key light stands around the head, in degrees: 0 in front, + to the picture's right",
        default=-45.0,
        min=-180.0,
        max=180.0,
        precision=1,
        options=set(),
        update=_rig_changed,
    )
    elevation: FloatProperty(
        name="Elevation",
        description="How high the key light stands above the middle of the head, in degrees",
        default=30.0,
        min=-89.0,
        max=89.0,
        precision=1,
        options=set(),
        update=_rig_changed,
    )
    strength: FloatProperty(
        name="Strength",
        description="Brightness of all the rig's lights; at 1 a white surface facing the key is just white",
        default=1.0,
        min=0.0,
        soft_max=3.0,
        max=1000.0,
        options=set(),
        update=_rig_changed,
    )
    warmth: FloatProperty(
        name="Warmth",
        description="Makes all the rig's lights warmer, or cooler below 0",
        min=-1.0,
        max=1.0,
        options=set(),
        update=_rig_changed,
    )
    hdri_strength: FloatProperty(
        name="HDRI Strength",
        description="Brightness of the HDRI",
        default=1.0,
        min=0.0,
        soft_max=3.0,
        max=1000.0,
        options=set(),
        update=_hdri_changed,
    )
    hdri_turn: FloatProperty(
        name="HDRI Turn",
        description="Turns the HDRI around the head, in degrees; it also turns with the relief",
        min=-360.0,
        max=360.0,
        soft_min=-180.0,
        soft_max=180.0,
        precision=1,
        options=set(),
        update=_hdri_changed,
    )
    texture: EnumProperty(
        name="Texture",
        description="What the relief's surface is coloured with",
        items=_TEXTURES,
        get=_shown_texture,
        set=_show_texture,
        options=set(),
    )
    coloured: BoolProperty(
        name="Coloured Light",
        description="Also remove the light's colours, for photos lit by lamps of different colours",
        options=set(),
    )
    delight_strength: FloatProperty(
        name="Amount",
        description="How much of the photo's light is removed",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options=set(),
    )
    engine: EnumProperty(
        name="Engine",
        description="What renders the preview and the still",
        items=[
            ("EEVEE", "EEVEE", "Fast, on the graphics card"),
            ("CYCLES", "Cycles", "Slower, with true soft shadows and bounced light"),
        ],
        options=set(),
    )
    samples: IntProperty(
        name="Samples", description="Samples a pixel of the still", default=64, min=1, max=4096, options=set()
    )
    view_before: StringProperty(options={"HIDDEN"})


CLASSES = (PortraitReliefLight,)


def add_pointer() -> None:
    bpy.types.Object.portrait_relief_light = PointerProperty(type=PortraitReliefLight)


def remove_pointer() -> None:
    if hasattr(bpy.types.Object, "portrait_relief_light"):
        del bpy.types.Object.portrait_relief_light
