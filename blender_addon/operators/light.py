# SPDX-License-Identifier: GPL-3.0-or-later
"""The light on a relief: rigs, HDRI, albedo, preview, and the still that lies over the photo."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from .. import runtime, storage, tasks
from ..core import temp_files
from ..core.errors import AddonError
from ..core.light_rigs import RIGS
from ..core.steps import Steps
from ..scene import albedo, hdri, lighting, preview, relit_still, sending_back, viewing
from ..translations import say
from .reporting import ReportingMixin
from .tasks import TaskOperator

_FIRST_RIG = RIGS[0].identifier
_ENGINES = [("EEVEE", "EEVEE", ""), ("CYCLES", "Cycles", "")]
_CHECK_S = 0.1


class _LightOperator(ReportingMixin):
    bl_options = {"REGISTER", "UNDO"}
    reads_shape = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not cls.reads_shape:
            return sending_back.is_relief(context.active_object)
        return sending_back.is_at_hand(cls, context.active_object)

    def tried(self, work: Callable[[], object]) -> set[str]:
        try:
            work()
        except AddonError as error:
            return self.ended(error.problem)
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_apply_light_rig(_LightOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.apply_light_rig"
    bl_label = "Apply Light Rig"
    bl_description = "Light the active relief with this rig, in place of the one it has"

    rig: EnumProperty(
        name="Rig",
        description="Where the lights stand and how soft they are",
        items=[(rig.identifier, rig.label, rig.description) for rig in RIGS],
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties) -> str:
        return next(rig.description for rig in RIGS if rig.identifier == properties.rig)

    def execute(self, context: bpy.types.Context) -> set[str]:
        lighting.apply_rig(context.scene, context.active_object, self.rig)
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_remove_light_rig(_LightOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.remove_light_rig"
    bl_label = "Remove Light Rig"
    bl_description = "Take the active relief's lights away"
    reads_shape = False

    def execute(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"} if lighting.remove_rig(context.active_object) else {"CANCELLED"}


class PORTRAIT_RELIEF_OT_load_hdri(_LightOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.load_hdri"
    bl_label = "Load HDRI"
    bl_description = "Light the scene with a picture of its surroundings; the world it has is kept"

    filepath: StringProperty(
        name="File",
        description="The picture of the surroundings, .hdr or .exr",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.tried(lambda: hdri.apply_hdri(context.scene, context.active_object, self.filepath))


class PORTRAIT_RELIEF_OT_restore_world(bpy.types.Operator):
    bl_idname = "portrait_relief.restore_world"
    bl_label = "Remove HDRI"
    bl_description = "Give the scene the world back that it had before"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return hdri.world_of(context.scene) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        hdri.restore(context.scene)
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_delight(_LightOperator, TaskOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.delight"
    bl_label = "Remove Photo's Light"
    bl_description = "Find the light of the photo by the relief's shape, divide it out, and show what is left"
    bl_options = TaskOperator.bl_options

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and cls.may_begin("delight", context.active_object.data.session_uid)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.run_task(_delighting(context.active_object))


def _delighting(item: bpy.types.Object) -> tasks.Task:
    undo, of = "Remove Photo's Light", item.data.session_uid
    return tasks.Task("delight", _albedo_steps(item), runtime.show_problem, undo, of)


def _albedo_steps(item: bpy.types.Object) -> Steps[None]:
    """Makes it and shows it."""
    item_uid, chosen = item.session_uid, item.portrait_relief_light
    yield from albedo.albedo_steps(item, coloured=chosen.coloured, strength=chosen.delight_strength)
    albedo.show(sending_back.find_relief(item_uid), albedo.ALBEDO)


class PORTRAIT_RELIEF_OT_relight_preview(_LightOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.relight_preview"
    bl_label = "Relight Preview"
    bl_description = "Show the relief lit anew in the 3D View: without the photo's light, and with a rig's"

    engine: EnumProperty(name="Engine", description="What renders the preview", items=_ENGINES)

    def execute(self, context: bpy.types.Context) -> set[str]:
        item, area = context.active_object, viewing.view3d(context)
        if area is None:
            self.report({"ERROR"}, say("There is no 3D View to show it in"))
            return {"CANCELLED"}

        def work() -> None:
            if albedo.has_albedo(item):
                albedo.show(item, albedo.ALBEDO)
            else:  # with a window it is shown as soon as it is there
                runtime.run_task(_delighting(item))
            if lighting.find_rig(item) is None and hdri.world_of(context.scene) is None:
                lighting.apply_rig(context.scene, item, _FIRST_RIG)
            chosen = item.portrait_relief_light
            chosen.view_before = preview.begin(
                context.scene, area.spaces.active, self.engine, chosen.view_before
            )

        return self.tried(work)


class PORTRAIT_RELIEF_OT_end_preview(_LightOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.end_preview"
    bl_label = "End Relight Preview"
    bl_description = "Show the 3D View as it was before; rig and texture stay"
    reads_shape = False

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen, area = context.active_object.portrait_relief_light, viewing.view3d(context)
        if not chosen.view_before or area is None:
            return {"CANCELLED"}
        before, chosen.view_before = chosen.view_before, ""
        preview.end(context.scene, area.spaces.active, before)
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_relit_still(_LightOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.relit_still"
    bl_label = "Render Relit Still"
    bl_description = "Render the relief by the photo's own camera and lay it over the photo, pixel on pixel"

    engine: EnumProperty(
        name="Engine", description="What renders the still", items=_ENGINES, default="CYCLES"
    )
    samples: IntProperty(
        name="Samples", description="Samples a pixel of the still", default=64, min=1, max=4096
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return sending_back.is_at_hand(cls, context.active_object) and not bpy.app.is_job_running("RENDER")

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        """Renders beside the interface, as Blender's own F12 does; Esc cancels."""
        if bpy.app.background:
            return self.execute(context)
        # What was made so far is undone with the operator: no reference is kept, and a name may change meanwhile.
        self._item_uid, self._opened = context.active_object.session_uid, contextlib.ExitStack()
        window_manager, view = context.window_manager, context.preferences.view
        display = view.render_display_type
        try:
            path = self._path(self._opened)
            made = self._scene(context, path)
            self._opened.enter_context(relit_still.held_until_blender_went_round())
            view.render_display_type = "NONE"  # the still is shown when it is finished
            bpy.ops.render.render("INVOKE_DEFAULT", write_still=True, scene=made.name)
        except AddonError as error:
            self._close(context)
            return self.ended(error.problem)
        except Exception:
            self._close(context)
            raise
        finally:
            view.render_display_type = display
        self._rendered = path
        self._timer = window_manager.event_timer_add(_CHECK_S, window=context.window)
        window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER" or bpy.app.is_job_running("RENDER"):
            return {"PASS_THROUGH"}
        try:
            if not self._rendered.is_file():
                self.report({"INFO"}, say("The still was cancelled"))
                return {"CANCELLED"}
            try:
                item = sending_back.find_relief(self._item_uid)
            except AddonError as error:
                return self.ended(error.problem)
            return self._finished(context, item, self._rendered)
        finally:
            self._close(context)

    def cancel(self, context: bpy.types.Context) -> None:
        self._close(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        item = context.active_object
        with contextlib.ExitStack() as opened:
            path = self._path(opened)
            try:
                made = self._scene(context, path)
                bpy.ops.render.render(write_still=True, scene=made.name)
                return self._finished(context, item, path)
            except AddonError as error:
                return self.ended(error.problem)
            finally:
                relit_still.discard_scenes()

    def _path(self, opened: contextlib.ExitStack) -> Path:
        return opened.enter_context(temp_files.temporary_folder(storage.temporary())) / "relit.png"

    def _scene(self, context: bpy.types.Context, path: Path) -> bpy.types.Scene:
        return relit_still.make_scene(
            context.scene, context.active_object, engine=self.engine, samples=self.samples, path=path
        )

    def _finished(self, context: bpy.types.Context, item: bpy.types.Object, path: Path) -> set[str]:
        try:
            image = relit_still.compose(item, path)
        except AddonError as error:
            return self.ended(error.problem)
        viewing.show_picture(context, image)
        text = say("“{name}” is kept in the .blend; the disk beside Show Still saves it", name=image.name)
        self.report({"INFO"}, text)
        return {"FINISHED"}

    def _close(self, context: bpy.types.Context) -> None:
        """Ends what `invoke` began, however far it came."""
        timer = getattr(self, "_timer", None)
        if timer is not None:
            context.window_manager.event_timer_remove(timer)
            self._timer = None
        if not bpy.app.is_job_running(
            "RENDER"
        ):  # else the window was closed; the next still discards the scene
            relit_still.discard_scenes()
        self._opened.close()


CLASSES = (
    PORTRAIT_RELIEF_OT_apply_light_rig,
    PORTRAIT_RELIEF_OT_remove_light_rig,
    PORTRAIT_RELIEF_OT_load_hdri,
    PORTRAIT_RELIEF_OT_restore_world,
    PORTRAIT_RELIEF_OT_delight,
    PORTRAIT_RELIEF_OT_relight_preview,
    PORTRAIT_RELIEF_OT_end_preview,
    PORTRAIT_RELIEF_OT_relit_still,
)
