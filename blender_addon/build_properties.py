# SPDX-License-Identifier: GPL-3.0-or-later
"""How each relief's mesh is built from its depth picture: kept on the mesh, so that every relief has its own."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from . import runtime, tasks
from .core.errors import AddonError, Problem
from .scene import relief_build
from .translations import say_whole

# `session_uid` of a mesh, and the settings that a slider had it rebuilt with.
_rebuilt: set[tuple[int, str]] = set()


def _changed(built: PortraitReliefBuild, _context: bpy.types.Context) -> None:
    """Rebuilds at once where that loses nothing; with a window by the timer, and anew where one is at work."""
    item = relief_build.to_rebuild(built.id_data)
    if item is None:
        return
    _rebuilt.add((built.id_data.session_uid, relief_build.signature(built)))
    steps, tell = relief_build.told_steps(item), rebuild_teller(item.session_uid)
    try:
        runtime.run_task(tasks.Task("rebuild", steps, tell, of=built.id_data.session_uid))
    except AddonError as error:  # an update callback cannot report
        tell(error.problem)


@bpy.app.handlers.persistent
def after_undo(_file: object = None, _other: object = None) -> None:
    """Blender makes a slider's undo step before the rebuild that it causes, and there shall be no second one: undo and
    redo come back to a mesh that is not rebuilt yet."""
    for mesh in bpy.data.meshes:
        of, built = mesh.session_uid, mesh.portrait_relief_build
        if tasks.is_busy("rebuild", of) and relief_build.is_up_to_date(mesh):
            tasks.cancel("rebuild", of)  # its settings are undone
        elif (of, relief_build.signature(built)) in _rebuilt:
            _changed(built, bpy.context)


@bpy.app.handlers.persistent
def start_over(_file: object = None, _other: object = None) -> None:
    _rebuilt.clear()


def rebuild_teller(item_uid: int) -> Callable[[Problem], None]:
    """Shows below a relief's settings why it was not rebuilt; that it was sculpted shows there anyway."""

    def tell(problem: Problem) -> None:
        if problem.code != "relief_was_sculpted":
            relief_build.show_message(item_uid, say_whole(problem))

    return tell


class PortraitReliefBuild(bpy.types.PropertyGroup):
    """On a relief's mesh. None of it is animated: each change makes another mesh."""

    auto_update: BoolProperty(
        name="Auto Update",
        description="Rebuild at every change of these settings, as long as the relief was not sculpted",
        default=True,
        options=set(),
    )
    density: IntProperty(
        name="Density",
        description="Vertices along the head's longer side; never more than the photo has pixels there",
        default=512,
        min=16,
        max=4096,
        soft_max=1024,
        options=set(),
        update=_changed,
    )
    grid: EnumProperty(
        name="Grid",
        description="How the relief's surface is divided into faces",
        items=[
            ("UNIFORM", "Uniform", "Quads of equal size, as sculpting and subdividing like them"),
            ("ADAPTIVE", "Adaptive", "Small triangles where the surface bends, large ones where it is even"),
        ],
        options=set(),
        update=_changed,
    )
    tolerance_mm: FloatProperty(
        name="Tolerance",
        description="How far an adaptive grid may lie off the uniform one, in mm",
        default=0.2,
        min=0.001,
        max=20.0,
        soft_max=2.0,
        options=set(),
        update=_changed,
    )
    trim_mm: FloatProperty(
        name="Trim Edge",
        description="Cut this much off along the outline, where the depth is least certain, in mm",
        min=0.0,
        max=100.0,
        soft_max=15.0,
        options=set(),
        update=_changed,
    )
    fill_holes_mm: FloatProperty(
        name="Fill Holes",
        description="Fill holes up to this wide, in mm; 0 leaves them open",
        default=12.0,
        min=0.0,
        max=1000.0,
        soft_max=60.0,
        options=set(),
        update=_changed,
    )
    repair_spikes: BoolProperty(
        name="Remove Spikes",
        description="Take off single points that stand far above or below all around them",
        default=True,
        options=set(),
        update=_changed,
    )
    smoothing: FloatProperty(
        name="Smoothing",
        description="Smooth small bumps of the depth away",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options=set(),
        update=_changed,
    )
    keep_mm: FloatProperty(
        name="Keep Features",
        description="Bumps that stand more than this above their neighbours are features and stay, in mm",
        default=0.6,
        min=0.01,
        max=20.0,
        soft_max=3.0,
        options=set(),
        update=_changed,
    )
    projection: EnumProperty(
        name="Projection",
        description="How the photo's pixels become points in space",
        items=[
            ("ORTHOGRAPHIC", "Orthographic", "Pixels lie straight behind each other; the photo fits exactly"),
            ("PERSPECTIVE", "Perspective", "Pixels lie on the rays of a camera with the focal length below"),
        ],
        options=set(),
        update=_changed,
    )
    focal_mm: FloatProperty(
        name="Focal Length",
        description="Of the photo's camera, as on full frame (36 mm film), in mm",
        default=85.0,
        min=10.0,
        max=2000.0,
        soft_max=200.0,
        options=set(),
        update=_changed,
    )
    back: EnumProperty(
        name="Back",
        description="What the relief has behind its surface",
        items=[
            ("OPEN", "Open", "The surface alone"),
            ("SOLID", "Solid", "Walls along the outline and a flat back"),
            ("PLATE", "Plate", "The solid on a plate as large as the photo, with the photo on it"),
        ],
        options=set(),
        update=_changed,
    )
    thickness_mm: FloatProperty(
        name="Thickness",
        description="From the relief's lowest point to its back, or of the plate, in mm",
        default=8.0,
        min=0.1,
        max=1000.0,
        soft_max=50.0,
        options=set(),
        update=_changed,
    )
    variant: EnumProperty(
        name="Depth By",
        description="What gives the relief its depth",
        items=[
            ("MESH", "Mesh", "The vertices lie where the depth is: for sculpting and export"),
            ("DISPLACE", "Modifier", "A flat mesh with a Displace modifier that reads the depth picture"),
        ],
        options=set(),
        update=_changed,
    )
    normal_map: BoolProperty(
        name="Normal Map",
        description="Shade what is finer than the mesh by a normal map, made from the full depth picture",
        options=set(),
        update=_changed,
    )
    signature: StringProperty(options={"HIDDEN"})
    message: StringProperty(options={"HIDDEN"})
    vertices: IntProperty(options={"HIDDEN"})
    corners: IntProperty(options={"HIDDEN"})


CLASSES = (PortraitReliefBuild,)


def add_pointer() -> None:
    bpy.types.Mesh.portrait_relief_build = PointerProperty(type=PortraitReliefBuild)


def remove_pointer() -> None:
    if hasattr(bpy.types.Mesh, "portrait_relief_build"):
        del bpy.types.Mesh.portrait_relief_build
