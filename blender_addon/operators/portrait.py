# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the portrait comes from: an open picture, a file, a file dropped onto an editor, the camera's background."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

from .. import runtime
from ..translations import say
from .browsing import ask_for_file

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


def camera_background(scene: bpy.types.Scene) -> bpy.types.Image | None:
    """The first picture behind the scene's camera."""
    camera = scene.camera.data if scene.camera and scene.camera.type == "CAMERA" else None
    pictures = [item.image for item in camera.background_images if item.image] if camera else []
    return pictures[0] if pictures else None


class PORTRAIT_RELIEF_OT_use_editor_image(bpy.types.Operator):
    bl_idname = "portrait_relief.use_editor_image"
    bl_label = "Use Shown Picture as Portrait"
    bl_description = "Take the picture in this Image Editor as the source"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        space = context.space_data
        return space is not None and space.type == "IMAGE_EDITOR" and space.image is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        settings.source, settings.image = "IMAGE", context.space_data.image
        runtime.forget_problem()
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_choose_picture(bpy.types.Operator):
    bl_idname = "portrait_relief.choose_picture"
    bl_label = "Choose Portrait Photo"
    bl_description = "Open a portrait photo as the source"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(
        name="File", description="The portrait photo", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        if self.filepath:  # dropped onto an editor
            return self.execute(context)
        return ask_for_file(self, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        try:
            settings.image = bpy.data.images.load(self.filepath, check_existing=True)
        except RuntimeError as error:
            text = say("{name} cannot be opened: {reason}", name=Path(self.filepath).name, reason=str(error))
            self.report({"ERROR"}, text)
            return {"CANCELLED"}
        settings.source = "IMAGE"
        runtime.forget_problem()
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_use_camera_background(bpy.types.Operator):
    bl_idname = "portrait_relief.use_camera_background"
    bl_label = "Use Camera Background as Portrait"
    bl_description = "Take the camera's background picture as the source"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return camera_background(context.scene) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        settings.source, settings.image = "IMAGE", camera_background(context.scene)
        runtime.forget_problem()
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_choose_face(bpy.types.Operator):
    bl_idname = "portrait_relief.choose_face"
    bl_label = "Choose Face"
    bl_description = (
        "Take this face of the photo; again takes the largest near the middle, as without a choice"
    )
    bl_options = {"REGISTER", "UNDO"}

    number: IntProperty(name="Face", description="Counted from 1 on the left", default=1, min=1, max=99)

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        settings.face = 0 if settings.face == self.number else self.number
        for window in context.window_manager.windows:
            for area in window.screen.areas:
                if area.type == "IMAGE_EDITOR":
                    area.tag_redraw()  # its squares change colour; by itself only the panel is drawn again
        return {"FINISHED"}


class PORTRAIT_RELIEF_FH_portrait(bpy.types.FileHandler):
    bl_idname = "PORTRAIT_RELIEF_FH_portrait"
    bl_label = "Portrait for a Relief"
    bl_import_operator = "portrait_relief.choose_picture"
    bl_file_extensions = ";".join(PICTURE_ENDINGS)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type in {"VIEW_3D", "IMAGE_EDITOR"}


CLASSES = (
    PORTRAIT_RELIEF_OT_use_editor_image,
    PORTRAIT_RELIEF_OT_choose_picture,
    PORTRAIT_RELIEF_OT_use_camera_background,
    PORTRAIT_RELIEF_OT_choose_face,
    PORTRAIT_RELIEF_FH_portrait,
)
