# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets, reset and mirroring of the sliders."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty

from .. import slider_symmetry
from ..core import arkit, presets
from ..core.picture_settings import PictureSettings
from ..translations import say


def set_sliders(settings, values: dict[str, float]) -> None:
    """Writes coefficients (and pose, where given) to the scene's sliders."""
    with slider_symmetry.paused():
        for name, value in values.items():
            setattr(settings, name, value)


def apply_settings(settings, found: PictureSettings) -> None:
    """Sliders and options of the panel as they were for a picture."""
    set_sliders(settings, {name: found.expression.get(name, 0.0) for name in arkit.ARKIT_NAMES})
    set_sliders(settings, {name: found.pose.get(name, 0.0) for name in arkit.POSE_NAMES})
    # What was left to the photo was not sent, and so not kept.
    settings.keep_unset = any(name not in found.expression for name in arkit.ARKIT_NAMES)
    settings.use_pose = bool(found.pose)
    settings.expression_strength = 1.0  # what was sent held it already
    apply_options(settings, found)


def apply_options(settings, found: PictureSettings) -> None:
    """Steps, seed, face and crop as far as they are told."""
    if found.steps is not None:
        settings.steps = found.steps
    if found.seed is not None:
        settings.seed = found.seed
    if found.face is not None:
        settings.face, settings.use_crop = found.face, found.crop is not None
    if found.crop is not None:
        settings.crop_left, settings.crop_top, settings.crop_side = found.crop


class PORTRAIT_RELIEF_OT_apply_preset(bpy.types.Operator):
    bl_idname = "portrait_relief.apply_preset"
    bl_label = "Apply Expression"
    bl_description = "Set all sliders to a ready expression"
    bl_options = {"REGISTER", "UNDO"}

    preset: EnumProperty(
        name="Expression",
        description="Which of the library's expressions",
        items=[(preset.identifier, preset.label, "") for preset in presets.PRESETS],
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties) -> str:
        return say("Set the sliders to {name}", name=say(presets.BY_IDENTIFIER[properties.preset].label))

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        coefficients = presets.coefficients(self.preset, settings.preset_strength)
        set_sliders(settings, coefficients)
        if not any(coefficients.values()):
            settings.keep_unset = False  # a neutral face is one whose sliders at 0 are meant
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_reset_expression(bpy.types.Operator):
    bl_idname = "portrait_relief.reset_expression"
    bl_label = "Reset Expression"
    bl_description = "Set these sliders to 0"
    bl_options = {"REGISTER", "UNDO"}

    region: EnumProperty(
        name="Region",
        description="Which sliders are set to 0",
        items=[("ALL", "All", ""), ("POSE", "Pose", "")]
        + [(name.upper(), name, "") for name in arkit.REGIONS],
        default="ALL",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        regions = {name.upper(): names for name, names in arkit.REGIONS.items()}
        regions["POSE"] = arkit.POSE_NAMES
        wanted = [arkit.ARKIT_NAMES + arkit.POSE_NAMES] if self.region == "ALL" else [regions[self.region]]
        set_sliders(context.scene.portrait_relief, {name: 0.0 for names in wanted for name in names})
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_mirror_expression(bpy.types.Operator):
    bl_idname = "portrait_relief.mirror_expression"
    bl_label = "Mirror Expression"
    bl_description = "Swap the left and the right side of the expression and the pose"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        values = {name: getattr(settings, name) for name in arkit.ARKIT_NAMES + arkit.POSE_NAMES}
        set_sliders(settings, arkit.mirrored(values))
        return {"FINISHED"}


CLASSES = (
    PORTRAIT_RELIEF_OT_apply_preset,
    PORTRAIT_RELIEF_OT_reset_expression,
    PORTRAIT_RELIEF_OT_mirror_expression,
)
