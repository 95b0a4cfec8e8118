# SPDX-License-Identifier: GPL-3.0-or-later
"""Symmetric editing and the overall strength of the sliders."""

from __future__ import annotations

import bpy
import pytest


def test_a_moved_slider_takes_the_other_side_along_only_while_symmetric(addon):
    settings = bpy.context.scene.portrait_relief
    settings.mouthSmileLeft = 0.4
    assert settings.mouthSmileRight == 0.0
    settings.symmetric = True
    settings.mouthSmileLeft = 0.7
    assert settings.mouthSmileRight == pytest.approx(0.7)
    settings.eyeBlinkRight = 0.3
    assert settings.eyeBlinkLeft == pytest.approx(0.3)
    settings.jawOpen = 0.5  # has no other side
    settings.jawLeft = 0.6  # a jaw does not move to both sides
    assert settings.jawRight == 0.0
    settings.symmetric = False
    settings.mouthSmileRight = 0.1
    assert settings.mouthSmileLeft == pytest.approx(0.7)


def test_presets_and_mirroring_keep_their_sides_apart_while_symmetric(addon):
    settings = bpy.context.scene.portrait_relief
    settings.mouthSmileLeft, settings.yaw = 0.8, 10.0
    settings.symmetric = True
    bpy.ops.portrait_relief.mirror_expression()
    assert (settings.mouthSmileLeft, settings.mouthSmileRight) == (0.0, pytest.approx(0.8))
    assert settings.yaw == pytest.approx(-10.0)


def test_the_overall_strength_multiplies_what_is_sent_and_never_exceeds_one(addon):
    from blender_addon import requests

    settings = bpy.context.scene.portrait_relief
    settings.jawOpen, settings.browInnerUp = 0.4, 0.9
    settings.expression_strength = 0.5
    assert requests.expression(settings) == {"jawOpen": 0.2, "browInnerUp": 0.45}
    settings.expression_strength = 2.0
    assert requests.expression(settings) == {"jawOpen": 0.8, "browInnerUp": 1.0}
    assert settings.jawOpen == pytest.approx(0.4)


def test_the_overall_strength_can_be_keyframed(addon):
    from blender_addon import requests
    from blender_addon.scene import driving

    scene = bpy.context.scene
    settings = scene.portrait_relief
    settings.jawOpen = 0.8
    for frame, value in ((1, 0.0), (11, 1.0)):
        settings.expression_strength = value
        settings.keyframe_insert("expression_strength", frame=frame)
    scene.frame_set(11)
    assert requests.expression(settings) == {"jawOpen": 0.8}
    scene.frame_set(1)  # not {}: at 0 the photo's own mouth would come back
    assert requests.expression(settings) == {"jawOpen": driving.LEAST_DRIVEN}


def test_what_takes_keyframes_is_what_a_frame_is_made_of(addon):
    """Anything else would move on the screen and change nothing."""
    from blender_addon import build_properties, export_properties, light_properties, properties

    groups = {
        "settings": properties.PortraitReliefSettings,
        "mesh": properties.PortraitReliefMesh,
        "built": build_properties.PortraitReliefBuild,
        "light": light_properties.PortraitReliefLight,
        "export": export_properties.PortraitReliefExport,
    }
    keyed = {
        (name, prop.identifier)
        for name, group in groups.items()
        for prop in group.bl_rna.properties
        if prop.is_animatable and not prop.is_hidden and prop.type in {"FLOAT", "INT", "BOOLEAN", "ENUM"}
    }
    from blender_addon.core import arkit

    sliders = {*arkit.ARKIT_NAMES, *arkit.POSE_NAMES, "expression_strength", "keep_unset", "use_pose"}
    assert keyed == {("settings", name) for name in sliders}
