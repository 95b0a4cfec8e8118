# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliders from a driver's photo, keyframes from a driver's movie or pictures. The backend follows the face."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    StringProperty,
)

from .. import requests
from ..core import arkit, drive_job
from ..core.drive_job import DriveInput
from ..core.jobs import JobInput
from .browsing import ask_for_file
from .jobs import JobOperator

_REGION_ITEMS = [(name, name.capitalize(), "", 1 << number) for number, name in enumerate(drive_job.REGIONS)]


OWN_ITEMS = [
    ("portrait", "Photo's Expression", "The expression that is measured in the portrait photo"),
    ("given", "Sliders", "The sliders as they are now"),
    ("neutral", "Neutral", "A neutral face that looks straight ahead"),
]


class _DriveOperator(JobOperator):
    """What a photo and a movie have in common: a file browser, the regions, and the job."""

    layout: bpy.types.UILayout
    mode = "drive"
    filepath: StringProperty(
        name="File",
        description="The photo or movie of the driver",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    strength: FloatProperty(
        name="Strength", description="Weaker or stronger than the driver", default=1.0, min=0.0, max=2.0
    )
    regions: EnumProperty(
        name="Regions",
        description="What follows the driver; the other sliders stay as they are",
        items=_REGION_ITEMS,
        options={"ENUM_FLAG"},
        default=set(drive_job.REGIONS),
    )
    mirror: BoolProperty(name="Mirror", description="Swap the left and the right side", default=False)

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        return ask_for_file(self, context)

    def draw(self, _context: bpy.types.Context) -> None:
        self.layout.use_property_split = True
        self.layout.prop(self, "strength")
        self._draw_regions()
        self.layout.prop(self, "mirror")

    def _draw_regions(self) -> None:
        """In two columns: in one row the file browser's options have room for their first letters only."""
        self.layout.label(text="Regions")
        flow = self.layout.column_flow(columns=2, align=True)
        flow.use_property_split = False
        flow.prop(self, "regions")

    def drive_input(self, context: bpy.types.Context) -> DriveInput:
        raise NotImplementedError

    def what_to_send(self, context: bpy.types.Context) -> tuple[JobInput, None]:
        return self.drive_input(context), None


class PORTRAIT_RELIEF_OT_expression_from_photo(_DriveOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.expression_from_photo"
    bl_label = "Expression from Photo…"
    bl_description = "Set the sliders to the expression of a face in a photo"

    def drive_input(self, _context: bpy.types.Context) -> DriveInput:
        name, content = drive_job.read_driver([Path(bpy.path.abspath(self.filepath))])
        return DriveInput(
            driver=content,
            driver_name=name,
            drive={
                "motion": "absolute",
                "smoothing": 0.0,
                "strength": drive_job.strengths(self.regions, self.strength),
                "mirror": self.mirror,
            },
        )


class PORTRAIT_RELIEF_OT_drive_from_footage(_DriveOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.drive_from_footage"
    bl_label = "Drive from Movie or Images…"
    bl_description = "Write the expressions of a face in a movie or in pictures as keyframes of the sliders"

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    filter_movie: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    motion: EnumProperty(
        name="Motion",
        description="How the driver's movements become the portrait's",
        items=[
            (
                "relative",
                "Relative",
                "The portrait's face moves as far as the driver's does from its neutral one",
            ),
            ("absolute", "Absolute", "The portrait takes the driver's very expression"),
        ],
        default="relative",
    )
    own: EnumProperty(
        name="Added to",
        description="What relative motion starts from",
        items=OWN_ITEMS,
        default="portrait",
    )
    neutral_frame: IntProperty(
        name="Neutral Frame",
        description="The driver's frame, counted from 1, in which its face is neutral; 0 estimates it from all frames",
        min=0,
    )
    smoothing: FloatProperty(
        name="Smoothing", description="Less jitter; fast movements get weaker", default=0.3, min=0.0, max=1.0
    )
    start_frame: IntProperty(
        name="Start Frame", description="The scene's frame that the first keyframe is written to", default=1
    )
    whole_sequence: BoolProperty(
        name="Whole Sequence",
        description="Take all pictures of the numbered sequence that the chosen one belongs to",
        default=True,
    )

    def invoke(self, context: bpy.types.Context, event) -> set[str]:
        self.start_frame = context.scene.frame_current
        return super().invoke(context, event)

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "motion")
        column = layout.column()
        column.active = self.motion == "relative"
        column.prop(self, "own")
        column.prop(self, "neutral_frame")
        for name in ("smoothing", "strength", "start_frame"):
            layout.prop(self, name)
        self._draw_regions()
        for name in ("mirror", "whole_sequence"):
            layout.prop(self, name)

    def drive_input(self, context: bpy.types.Context) -> DriveInput:
        settings, scene = context.scene.portrait_relief, context.scene
        name, content = drive_job.read_driver(self._paths())
        drive: dict[str, object] = {
            "motion": self.motion,
            "smoothing": self.smoothing,
            "neutral_frame": self.neutral_frame - 1 if self.neutral_frame else None,
            "strength": drive_job.strengths(self.regions, self.strength),
            "mirror": self.mirror,
            "own": self.own,
        }
        if name.lower().endswith(".zip"):  # pictures are frames of the scene; a movie has its own times
            drive["frames_per_s"] = scene.render.fps / scene.render.fps_base
        photo = b"", ""
        if self.motion == "relative" and self.own == "portrait":
            photo = requests.portrait(settings)
        if self.own == "given":
            wanted = arkit.ARKIT_NAMES + (arkit.POSE_NAMES if settings.use_pose else ())
            drive["own_values"] = {name: round(getattr(settings, name), 4) for name in wanted}
        return DriveInput(
            portrait=photo[0],
            portrait_name=photo[1],
            driver=content,
            driver_name=name,
            drive=drive,
            start_frame=self.start_frame,
        )

    def _paths(self) -> list[Path]:
        names = [item.name for item in self.files if item.name]
        if len(names) > 1:
            folder = Path(bpy.path.abspath(self.directory))
            return [folder / name for name in sorted(names, key=drive_job.natural_order)]
        path = Path(bpy.path.abspath(self.filepath))
        return drive_job.sequence_of(path) if self.whole_sequence and path.is_file() else [path]


class PORTRAIT_RELIEF_OT_measure_portrait(JobOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.measure_portrait"
    bl_label = "Measure Portrait"
    bl_description = "Measure the portrait's own expression, which the driving mesh's is then added to"
    mode = "drive"

    def what_to_send(self, context: bpy.types.Context) -> tuple[JobInput, None]:
        return drive_job.measure_input(*requests.portrait(context.scene.portrait_relief)), None


CLASSES = (
    PORTRAIT_RELIEF_OT_expression_from_photo,
    PORTRAIT_RELIEF_OT_drive_from_footage,
    PORTRAIT_RELIEF_OT_measure_portrait,
)
