# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliders from a mesh's shape keys and from a Live Link Face recording."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty

from ..core import arkit, live_link
from ..scene import driving
from ..translations import say, say_error
from .expression import set_sliders


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


class PORTRAIT_RELIEF_OT_import_live_link(bpy.types.Operator):
    bl_idname = "portrait_relief.import_live_link"
    bl_label = "Import Face Recording"
    bl_description = "Write a Live Link Face recording (CSV) as keyframes of the sliders"
    bl_options = {"REGISTER", "UNDO"}

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
        description="Take the recording's first frame as the actor's neutral face, and the portrait's as its own",
        default=True,
    )
    use_pose: BoolProperty(
        name="Head Pose",
        description="Also the head's turn; its signs depend on how the phone was held, so look at the first result",
        default=False,
    )
    mirror: BoolProperty(name="Mirror", description="Swap the left and the right side", default=False)

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        self.start_frame = context.scene.frame_current
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath))
        try:
            recording = live_link.read(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
            reason = say("it is no text") if isinstance(error, UnicodeDecodeError) else say_error(error)
            text = say("{name} is no Live Link Face recording: {reason}", name=path.name, reason=reason)
            self.report({"ERROR"}, text)
            return {"CANCELLED"}
        if self.relative:
            recording = live_link.relative_to_first(recording)
        if self.mirror:
            recording = live_link.mirrored(recording)
        wanted = arkit.ARKIT_NAMES + (arkit.POSE_NAMES if self.use_pose else ())
        names = [name for name in recording.names if name in wanted]
        scene = context.scene
        span = driving.write_keyframes(
            scene, recording, start_frame=self.start_frame, strength=self.strength, names=names
        )
        if self.use_pose and any(name in names for name in arkit.POSE_NAMES):
            scene.portrait_relief.use_pose = True
        scene.frame_set(scene.frame_current)  # the sliders show this frame of it
        self.report({"INFO"}, say("{count} sliders over {span} frames", count=len(names), span=span))
        return {"FINISHED"}


CLASSES = (PORTRAIT_RELIEF_OT_read_shape_keys, PORTRAIT_RELIEF_OT_import_live_link)
