# SPDX-License-Identifier: GPL-3.0-or-later
"""To see what was made: the relief from its front, the relit still in an Image Editor."""

from __future__ import annotations

import bpy

from ..scene import images, relit_still, sending_back, viewing
from ..translations import say


class PORTRAIT_RELIEF_OT_view_relief(bpy.types.Operator):
    bl_idname = "portrait_relief.view_relief"
    bl_label = "View Relief"
    bl_description = "Show the active relief from its front, as large as the 3D View, with its picture on it"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return sending_back.is_at_hand(cls, context.active_object)

    def execute(self, context: bpy.types.Context) -> set[str]:
        area = viewing.view3d(context)
        if area is None:
            self.report({"WARNING"}, say("There is no 3D View to show it in"))
            return {"CANCELLED"}
        viewing.look_at(area, context.active_object)
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_show_still(bpy.types.Operator):
    bl_idname = "portrait_relief.show_still"
    bl_label = "Show Relit Still"
    bl_description = "Show the active relief's relit still in an Image Editor, or in a window of its own"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return still_of(context.active_object) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        shown = viewing.show_picture(context, still_of(context.active_object))
        return {"FINISHED"} if shown else {"CANCELLED"}


def still_of(item: bpy.types.Object | None) -> bpy.types.Image | None:
    """The relit still that was made of this relief."""
    if item is None or not sending_back.is_relief(item):
        return None
    return images.find(item.data.portrait_relief.result_id, relit_still.KIND)


CLASSES = (
    PORTRAIT_RELIEF_OT_view_relief,
    PORTRAIT_RELIEF_OT_show_still,
)
