# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the active relief's mesh again with other settings."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty

from .. import tasks
from ..core.errors import Problem
from ..scene import built_shape, relief_build
from ..translations import say_whole
from .tasks import TaskOperator


class PORTRAIT_RELIEF_OT_rebuild_relief(TaskOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.rebuild_relief"
    bl_label = "Rebuild Relief"
    bl_description = "Build the active relief again from its depth picture with the settings of this panel"

    overwrite: BoolProperty(
        name="Discard Sculpting",
        description="Also where the relief was sculpted or edited: that is lost",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return relief_build.can_rebuild(context.active_object)

    def invoke(self, context: bpy.types.Context, event) -> set[str]:
        mesh = context.active_object.data
        if relief_build.needs_only_a_normal_map(mesh):
            return self.execute(context)
        if not self.overwrite and built_shape.is_edited(mesh):
            self.overwrite = True  # what the user confirms
            return context.window_manager.invoke_props_dialog(self, width=360)
        return self.execute(context)

    def draw(self, _context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.label(text="This relief was sculpted or edited since it was built.", icon="ERROR")
        column.prop(self, "overwrite")

    def execute(self, context: bpy.types.Context) -> set[str]:
        item = context.active_object
        item_uid = item.session_uid
        steps = relief_build.told_steps(item, overwrite=self.overwrite)

        def tell(problem: Problem) -> None:
            relief_build.show_message(item_uid, say_whole(problem))

        return self.run_task(tasks.Task("rebuild", steps, tell, "Rebuild Relief", item.data.session_uid))


CLASSES = (PORTRAIT_RELIEF_OT_rebuild_relief,)
