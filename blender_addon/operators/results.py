# SPDX-License-Identifier: GPL-3.0-or-later
"""Import from a folder, and what can be done with a result in the list."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

from ..core import arkit, arrays, picture_settings
from ..core.errors import AddonError
from ..core.jobs import FrameResult
from ..core.picture_settings import PictureSettings
from ..core.relief import ReliefError
from ..core.whole_file import write_whole
from ..scene import images, importing, relief_object
from ..translations import say, say_error, say_whole
from .expression import apply_options, apply_settings

# The parts' names, first as the backend's command line writes them, then as they are called here.
_RGB_NAMES = ("portrait.png", "rgb.png")
EXPRESSION_MODES = ("generate", "appearance")


def read_result_folder(folder: Path) -> FrameResult:
    """portrait.png, depth.npy, coverage.npy (or none) and report.json with mm_per_px -> FrameResult.

    Raises ValueError, OSError or RuntimeError (Blender's own, of a picture) with a readable text.
    """
    rgb_path = next(
        (folder / name for name in _RGB_NAMES if (folder / name).is_file()), folder / _RGB_NAMES[0]
    )
    rgb = arrays.checked_png(rgb_path.read_bytes())
    depth = _read_depth(folder)
    coverage_path = folder / "coverage.npy"
    if coverage_path.is_file():
        coverage = arrays.read_npy(coverage_path.read_bytes())
    else:
        import numpy as np

        coverage = np.isfinite(depth).astype(np.float32)
    info = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    mm_per_px = info.get("mm_per_px") if isinstance(info, dict) else None
    if not isinstance(mm_per_px, (int, float)) or not 0 < mm_per_px < math.inf:
        raise ValueError("report.json names no mm_per_px")
    width, height = arrays.png_size(rgb)
    if depth.shape != (height, width) or coverage.shape != depth.shape:
        raise ValueError("picture, depth and coverage are of different sizes")
    return FrameResult(rgb, depth, coverage, float(mm_per_px), {"report": info})


def _read_depth(folder: Path):
    """depth.npy, or depth.exr read by Blender (both in mm, NaN outside the head)."""
    if (folder / "depth.npy").is_file():
        return arrays.read_npy((folder / "depth.npy").read_bytes())
    path = folder / "depth.exr"
    if not path.is_file():
        raise ValueError("there is neither depth.npy nor depth.exr")
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        image.colorspace_settings.is_data = True
        if not all(image.size):
            raise ValueError("depth.exr cannot be read")
        return images.read_pixels(image)[::-1, :, 0].copy()
    finally:
        bpy.data.images.remove(image)


class PORTRAIT_RELIEF_OT_import_result(bpy.types.Operator):
    bl_idname = "portrait_relief.import_result"
    bl_label = "Import Result"
    bl_description = (
        "Import a result that was saved to a folder: portrait.png, depth.npy or depth.exr, report.json"
    )
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(
        name="Folder", description="The folder that the result was saved to", subtype="DIR_PATH"
    )
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        folder = Path(bpy.path.abspath(self.directory))
        try:
            result = read_result_folder(folder)
            description = importing.Description(
                result_id=uuid.uuid4().hex,
                name=f"{folder.name} Relief",
                mode="import",
                summary=say("From {name}", name=folder.name),
                expression={},
            )
            importing.import_result(context.scene, result, description)
        except (ReliefError, ValueError, OSError, RuntimeError) as error:
            text = say("{name} cannot be imported: {reason}", name=folder.name, reason=say_error(error))
            self.report({"ERROR"}, text)
            return {"CANCELLED"}
        return {"FINISHED"}


class ResultOperator:
    """What all operators have in common that are about one result of the list."""

    bl_options = {"REGISTER", "UNDO"}
    index: IntProperty(name="Result", default=-1, description="-1 is the active one", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return len(context.scene.portrait_relief.results) > 0

    def result(self, context: bpy.types.Context):
        settings = context.scene.portrait_relief
        index = settings.active_result if self.index < 0 else self.index
        return settings.results[index] if 0 <= index < len(settings.results) else None

    def picture(self, context: bpy.types.Context) -> bpy.types.Image | None:
        """The result's picture; that it was deleted is reported."""
        result = self.result(context)
        image = images.find(result.result_id, "rgb") if result else None
        if image is None:
            text = say("The picture of this result was deleted")
            self.report({"WARNING"}, text)  # pyright: ignore[reportAttributeAccessIssue]
        return image


class PORTRAIT_RELIEF_OT_save_picture(ResultOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.save_picture"
    bl_label = "Save Result's Picture"
    bl_description = (
        "Save this result's picture with the settings it was made with in it: chosen as a source again, it gives "
        "them back. Image > Save As leaves them out"
    )
    bl_options = {"REGISTER"}

    filepath: StringProperty(
        name="File", description="The file that is written", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        result = self.result(context)
        if result is None:
            return {"CANCELLED"}
        self.filepath = bpy.path.ensure_ext(bpy.path.clean_name(result.name), ".png")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, _context: bpy.types.Context) -> bool:
        """The file browser's: shows the ending that will be written, and so warns of the right file."""
        right = bpy.path.ensure_ext(self.filepath, ".png")
        changed = right != self.filepath and bool(Path(self.filepath).name)
        if changed:
            self.filepath = right
        return changed

    def execute(self, context: bpy.types.Context) -> set[str]:
        image = self.picture(context)
        if image is None:
            return {"CANCELLED"}
        path = Path(bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".png"))
        try:
            write_whole(path, images.png_of(images.own_png(image)))
        except AddonError as error:
            self.report({"ERROR"}, say_whole(error.problem))
            return {"CANCELLED"}
        except OSError as error:
            reason = error.strerror or str(error)
            self.report({"ERROR"}, say("{name} cannot be written: {reason}", name=path.name, reason=reason))
            return {"CANCELLED"}
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_select_result(ResultOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.select_result"
    bl_label = "Select Relief"
    bl_description = (
        "Show this result's relief and make it the active object; others in the same place are hidden"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        result = self.result(context)
        item = relief_object.find(result.result_id, context.view_layer) if result else None
        if item is None:
            text = say("The relief of this result was deleted, or its collection is switched off")
            self.report({"WARNING"}, text)
            return {"CANCELLED"}
        if context.mode != "OBJECT":
            self.report({"WARNING"}, say("Leave the present mode first"))
            return {"CANCELLED"}
        for other in context.view_layer.objects:
            if other.select_get():
                other.select_set(False)
        relief_object.reveal(item)
        item.select_set(True)
        context.view_layer.objects.active = item
        relief_object.show_alone(item, context.view_layer)
        if self.index >= 0:
            context.scene.portrait_relief.active_result = self.index  # the list tells of what is seen
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_use_result(ResultOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.use_result"
    bl_label = "Use Result as Source"
    bl_description = "Take this result's picture as the next source"

    def execute(self, context: bpy.types.Context) -> set[str]:
        image = self.picture(context)
        if image is None:
            return {"CANCELLED"}
        settings = context.scene.portrait_relief
        settings.source, settings.image = "IMAGE", image
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_recall_expression(ResultOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.recall_expression"
    bl_label = "Recall Expression"
    bl_description = "Set the sliders, seed, steps, face and crop as they were for this result"

    def execute(self, context: bpy.types.Context) -> set[str]:
        result = self.result(context)
        if result is None:
            return {"CANCELLED"}
        settings = context.scene.portrait_relief
        if result.mode == "sequence":
            apply_options(settings, _options(result))
            self.report({"INFO"}, say("Its expressions are keyframes; seed, steps, face and crop are set"))
            return {"FINISHED"}
        if result.mode not in EXPRESSION_MODES:
            self.report({"WARNING"}, say("This result was made without an expression"))
            return {"CANCELLED"}
        given = _asked(json.loads(result.expression or "{}"))
        apply_settings(settings, replace(_options(result), **given))
        return {"FINISHED"}


def _options(result) -> PictureSettings:
    """Seed, steps, face and crop of a result: face and crop as they were asked for, seed and steps as the
    backend tells them, for 0 steps mean as many as the model wants."""
    told = picture_settings.from_report(json.loads(result.report or "{}"))
    asked = json.loads(result.asked or "{}")
    found = told or PictureSettings(result.mode)
    if "face" in asked or result.mode == "appearance":  # the crop of a repaint is the relief's
        crop = asked.get("crop")
        found = replace(found, face=asked.get("face"), crop=tuple(crop) if crop else None)
    return replace(
        found,
        steps=asked.get("steps") if found.steps is None else found.steps,
        seed=asked.get("seed") if found.seed is None else found.seed,
    )


def _asked(values: dict[str, float]) -> dict[str, dict[str, float]]:
    """A result keeps coefficients and pose in one mapping."""
    return {
        "expression": {name: value for name, value in values.items() if name not in arkit.POSE_NAMES},
        "pose": {name: value for name, value in values.items() if name in arkit.POSE_NAMES},
    }


class PORTRAIT_RELIEF_OT_remove_result(ResultOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.remove_result"
    bl_label = "Remove Result from List"
    bl_description = "Take this result off the list; its object and pictures stay"

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.portrait_relief
        index = settings.active_result if self.index < 0 else self.index
        if not 0 <= index < len(settings.results):
            return {"CANCELLED"}
        settings.results.remove(index)
        settings.active_result = max(0, min(settings.active_result, len(settings.results) - 1))
        return {"FINISHED"}


CLASSES = (
    PORTRAIT_RELIEF_OT_import_result,
    PORTRAIT_RELIEF_OT_save_picture,
    PORTRAIT_RELIEF_OT_select_result,
    PORTRAIT_RELIEF_OT_use_result,
    PORTRAIT_RELIEF_OT_recall_expression,
    PORTRAIT_RELIEF_OT_remove_result,
)
