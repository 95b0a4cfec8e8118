# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliders from a mesh's shape keys and from a Live Link Face recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from .. import requests, runtime
from ..core import arkit, drive_job, live_link
from ..core.errors import AddonError
from ..core.live_link import Recording
from ..scene import driving
from ..translations import say, say_error
from .browsing import ask_for_file
from .drive import OWN_ITEMS
from .expression import set_sliders
from .jobs import JobOperator


class PORTRAIT_RELIEF_OT_read_shape_keys(bpy.types.Operator):
    bl_idname = "portrait_relief.read_shape_keys"
    bl_label = "Read ARKit Shape Keys"
    bl_description = "Set the sliders to what the driving mesh's ARKit shape keys show at this frame"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(driving.driving_keys(context.scene.portrait_relief.driving_object))

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        values = driving.shape_key_values(settings.driving_object, context.view_layer)
        set_sliders(settings, {name: values.get(name, 0.0) for name in arkit.ARKIT_NAMES})
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_import_live_link(JobOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.import_live_link"
    bl_label = "Import Face Recording"
    bl_description = "Write a Live Link Face recording (CSV) as keyframes of the sliders"
    bl_options = {"REGISTER", "UNDO"}
    mode = "drive"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return True  # what needs no backend can be done while it works

    filepath: StringProperty(
        name="File",
        description="The recording that the app wrote, a .csv",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})
    start_frame: IntProperty(
        name="Start Frame", description="The scene's frame that the first keyframe is written to", default=1
    )
    strength: FloatProperty(
        name="Strength", description="Weaker or stronger than the recording", default=1.0, min=0.0, max=2.0
    )
    relative: BoolProperty(
        name="Relative to the First Frame",
        description="Take the recording's first frame as the actor's face at rest, and only what changes from there",
        default=True,
    )
    own: EnumProperty(
        name="Added to",
        description="What relative motion starts from",
        items=OWN_ITEMS,
        default="portrait",
    )
    use_pose: BoolProperty(
        name="Head Pose",
        description="Also the head's turn; its signs depend on how the phone was held, so look at the first result",
        default=False,
    )
    mirror: BoolProperty(name="Mirror", description="Swap the left and the right side", default=False)

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        self.start_frame = context.scene.frame_current
        if runtime.why_no_driving() and not self.properties.is_property_set("own"):
            self.own = "neutral"  # the backend that runs cannot measure the portrait
        return ask_for_file(self, context)

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "start_frame")
        layout.prop(self, "strength")
        row = layout.row()
        row.use_property_split = False  # else half the width cuts its long name off
        row.prop(self, "relative")
        column = layout.column()
        column.active = self.relative
        column.prop(self, "own")
        for name in ("use_pose", "mirror"):
            layout.prop(self, name)

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath))
        try:
            recording = live_link.read(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
            reason = say("it is no text") if isinstance(error, UnicodeDecodeError) else say_error(error)
            text = say("{name} is no Live Link Face recording: {reason}", name=path.name, reason=reason)
            self.report({"ERROR"}, text)
            return {"CANCELLED"}
        if self.mirror:
            recording = live_link.mirrored(recording)
        wanted = arkit.ARKIT_NAMES + (arkit.POSE_NAMES if self.use_pose else ())
        scene = context.scene
        if not self.relative:
            names = [name for name in recording.names if name in wanted]
            span = driving.write_keyframes(
                scene, recording, start_frame=self.start_frame, strength=self.strength, names=names
            )
            if any(name in names for name in arkit.POSE_NAMES):
                scene.portrait_relief.use_pose = True
            scene.frame_set(scene.frame_current)  # the sliders show this frame of it
        else:
            try:
                own = self._own(scene.portrait_relief)
                if own is None:
                    return self._measure_first(scene, recording, wanted)
            except AddonError as error:
                return self.refused(error.problem)
            span = driving.write_relative(
                scene, recording, own, start_frame=self.start_frame, strength=self.strength, wanted=wanted
            )
        count = sum(name in wanted for name in recording.names)
        self.report({"INFO"}, say("{count} sliders over {span} frames", count=count, span=span))
        return {"FINISHED"}

    def _own(self, settings: bpy.types.PropertyGroup) -> dict[str, float] | None:
        """What the motion is added to; None where it is to be measured. Raises AddonError without a portrait."""
        if self.own == "neutral":
            return {}
        if self.own == "given":
            names = arkit.ARKIT_NAMES + (arkit.POSE_NAMES if settings.use_pose else ())
            return {name: getattr(settings, name) for name in names}
        return driving.own_expression(settings, requests.portrait(settings)[0])

    def _measure_first(self, scene: bpy.types.Scene, take: Recording, wanted: tuple[str, ...]) -> set[str]:
        """The backend measures the portrait; the keyframes are written when it has. Raises AddonError."""
        given = drive_job.measure_input(*requests.portrait(scene.portrait_relief))
        given = replace(
            given, take=take, take_strength=self.strength, wanted=wanted, start_frame=self.start_frame
        )
        runtime.submit(scene, given)
        return self.sent()


CLASSES = (PORTRAIT_RELIEF_OT_read_shape_keys, PORTRAIT_RELIEF_OT_import_live_link)
