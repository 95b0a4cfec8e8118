# SPDX-License-Identifier: GPL-3.0-or-later
"""What the .blend keeps (settings and results on the scene, displacement on the mesh), and the job it does not keep."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)

from . import slider_symmetry
from .core import arkit, arkit_help
from .core.crop import LARGEST_PX, SMALLEST_PX, largest_side
from .core.errors import Remedy
from .scene import chosen_picture, driving, relief_object


def _depth_scale_changed(settings: PortraitReliefMesh, _context: bpy.types.Context) -> None:
    relief_object.apply_depth_scale(settings.id_data)


def _crop_side_changed(settings: PortraitReliefSettings, _context: bpy.types.Context) -> None:
    image = settings.image if settings.source == "IMAGE" else None
    largest = largest_side(tuple(image.size) if image is not None else None)
    if settings.crop_side > largest:
        settings.crop_side = largest


class PortraitReliefMesh(bpy.types.PropertyGroup):
    """On a relief's mesh: what re-displacing and sending back need. Saved with the mesh."""

    result_id: StringProperty(options={"HIDDEN"})
    depth_scale: FloatProperty(
        name="Depth Scale",
        description="Strength of the relief: 1 is the measured depth, 0 is flat. Sculpted changes stay. To animate it, "
        "keyframe the object's scale in Y",
        default=1.0,
        soft_min=0.0,
        soft_max=2.0,
        min=-10.0,
        max=10.0,
        precision=3,
        update=_depth_scale_changed,
        options=set(),
    )
    applied_depth_scale: FloatProperty(default=1.0, options={"HIDDEN"})
    metres_per_mm: FloatProperty(default=0.001, options={"HIDDEN"})
    mm_per_px: FloatProperty(default=1.0, options={"HIDDEN"})
    camera_distance_mm: FloatProperty(options={"HIDDEN"})  # 0 is orthographic
    displaced: BoolProperty(options={"HIDDEN"})  # flat itself; a modifier gives it its depth
    photo_size_px: IntVectorProperty(size=2, options={"HIDDEN"})
    origin_px: FloatVectorProperty(size=2, options={"HIDDEN"})
    crop_px: IntVectorProperty(
        size=3, options={"HIDDEN"}
    )  # left, top, side; where the backend looked, or zeros


class PortraitReliefResult(bpy.types.PropertyGroup):
    """One imported result. Its object and images carry `result_id`; no reference is kept, so deleting them is free."""

    result_id: StringProperty(options={"HIDDEN"})
    mode: StringProperty(options={"HIDDEN"})
    summary: StringProperty(options={"HIDDEN"})
    details: StringProperty(options={"HIDDEN"})
    report: StringProperty(options={"HIDDEN"})
    expression: StringProperty(options={"HIDDEN"})
    asked: StringProperty(options={"HIDDEN"})  # JSON: steps, seed, face and crop of the panel


class PortraitReliefSettings(bpy.types.PropertyGroup):
    """On the scene. The 51 coefficients are added below, one float property each, named as ARKit names them."""

    source: EnumProperty(
        name="Source",
        description="Where the portrait photo comes from",
        items=[
            ("IMAGE", "Image", "A picture that is open in Blender, also painted, packed or generated ones"),
            ("FILE", "File", "A picture file on disk"),
        ],
        default="IMAGE",
        update=chosen_picture.changed,
        options=set(),
    )
    image: PointerProperty(
        name="Image", type=bpy.types.Image, description="The portrait photo", update=chosen_picture.changed
    )
    filepath: StringProperty(
        name="File", description="The portrait photo", subtype="FILE_PATH", update=chosen_picture.changed
    )
    tells_settings: BoolProperty(options={"HIDDEN"})  # the chosen picture is one that we made
    faces: StringProperty(options={"HIDDEN"})  # several that were found in it, see core.found_faces
    faces_of: StringProperty(options={"HIDDEN"})  # which picture that was
    face: IntProperty(
        name="Face",
        description="Which face where there are several, from 1 on the left; 0 takes the largest near the middle",
        min=0,
        max=99,
        options=set(),
    )
    preset_strength: FloatProperty(
        name="Preset Strength",
        description="How strongly the next preset is applied",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options=set(),
    )
    expression_strength: FloatProperty(
        name="Overall Strength",
        description="One factor over all sliders, also those that a mesh or keyframes drive",
        default=1.0,
        min=0.0,
        max=2.0,
        soft_max=1.0,
        subtype="FACTOR",
    )
    symmetric: BoolProperty(
        name="Symmetric",
        description="Moving a slider of one side of the face moves the other side's with it",
        options=set(),
    )
    keep_unset: BoolProperty(
        name="Keep the Rest as in the Photo",
        description="Sliders at 0 that nothing animates are left to the photo instead of being made neutral",
        default=True,
    )
    use_pose: BoolProperty(
        name="Set Head Pose", description="Turn the head; otherwise it stays as it is in the photo"
    )
    use_crop: BoolProperty(
        name="Crop by Hand",
        description="Take this square round the head instead of looking for it: where it is found wrongly",
        options=set(),
    )
    crop_left: IntProperty(
        name="Left", description="Pixels from the photo's left border", min=-100000, max=100000, options=set()
    )
    crop_top: IntProperty(
        name="Top", description="Pixels from the photo's upper border", min=-100000, max=100000, options=set()
    )
    crop_side: IntProperty(
        name="Side",
        description="Pixels; at most four times the photo's longer side",
        default=512,
        min=SMALLEST_PX,
        max=LARGEST_PX,
        update=_crop_side_changed,
        options=set(),
    )
    driving_object: PointerProperty(
        name="Driving Mesh",
        description="A mesh with shape keys named as ARKit names its coefficients; their values are used",
        type=bpy.types.Object,
        poll=lambda _settings, item: bool(driving.driving_keys(item)),
    )
    driving_motion: EnumProperty(
        name="Motion",
        description="What the driving mesh's shape keys do to the portrait's face",
        items=[
            ("absolute", "Absolute", "The portrait takes the very expression that the mesh shows"),
            (
                "relative",
                "Relative to the Portrait",
                "What the mesh shows is added to the expression that was measured in the portrait photo",
            ),
        ],
        default="absolute",
        options=set(),
    )
    own_expression: StringProperty(options={"HIDDEN"})  # JSON: what was measured, and in which photo
    sequence_folder: StringProperty(
        name="Sequences",
        description="Folder for the frames of sequences; while the .blend is not saved, the extension's own is taken",
        subtype="DIR_PATH",
        default="//portrait sequences/",
    )
    steps: IntProperty(
        name="Steps",
        description="Denoising steps; 0 takes what the model was made for",
        min=0,
        max=100,
        options=set(),
    )
    seed: IntProperty(name="Seed", description="Another seed gives another variation", min=0, options=set())
    density: IntProperty(
        name="Density",
        description="Vertices along the head's longer side; never more than the photo has pixels there",
        default=512,
        min=16,
        max=4096,
        soft_max=1024,
        options=set(),
    )
    depth_scale: FloatProperty(
        name="Depth Scale",
        description="Depth scale of the next relief; each relief has its own afterwards",
        default=1.0,
        min=0.0,
        soft_max=2.0,
        max=10.0,
        options=set(),
    )
    size: FloatProperty(
        name="Size",
        description="1 makes an average head life-sized (about 0.25 m)",
        default=1.0,
        min=0.001,
        max=1000.0,
        soft_min=0.1,
        soft_max=10.0,
        options=set(),
    )
    results: CollectionProperty(type=PortraitReliefResult, options={"HIDDEN"})
    active_result: IntProperty(
        name="Result", description="The result that the buttons below the list are about", options=set()
    )


for _name in arkit.ARKIT_NAMES:
    PortraitReliefSettings.__annotations__[_name] = FloatProperty(
        name=arkit.label(_name),
        description=arkit_help.HELP[_name],
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        precision=2,
        update=slider_symmetry.update_of(_name),
    )
for _name in arkit.POSE_NAMES:
    PortraitReliefSettings.__annotations__[_name] = FloatProperty(
        name=_name.capitalize(),
        description=f"{arkit.POSE_HELP[_name]}. In degrees",
        min=-arkit.POSE_LIMIT_DEG,
        max=arkit.POSE_LIMIT_DEG,
        precision=1,
    )


class Progress:
    """What is shown of anything that runs beside Blender. A mixin: Blender gathers its properties with the class's."""

    state: StringProperty(default="IDLE", options={"HIDDEN", "SKIP_SAVE"})
    status: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    progress: FloatProperty(min=0.0, max=1.0, options={"HIDDEN", "SKIP_SAVE"})
    message: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    hint: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    remedy: EnumProperty(
        items=[(remedy.value, remedy.value.capitalize(), "") for remedy in Remedy],
        default=Remedy.NONE.value,
        options={"HIDDEN", "SKIP_SAVE"},
    )


class PortraitReliefInstall(Progress, bpy.types.PropertyGroup):
    """On the window manager: what the preferences and panels show of the backend's installation. Never saved."""

    show_packages: BoolProperty(
        name="Packages",
        description="Every package that is downloaded, with its version and size",
        options={"SKIP_SAVE"},
    )


class PortraitReliefJob(Progress, bpy.types.PropertyGroup):
    """On the window manager: what the panels show of the job and the backend. Never saved."""

    mode: StringProperty(default="generate", options={"HIDDEN", "SKIP_SAVE"})
    error_code: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    backend_state: StringProperty(default="STOPPED", options={"HIDDEN", "SKIP_SAVE"})
    backend_message: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    install: PointerProperty(type=PortraitReliefInstall, options={"HIDDEN", "SKIP_SAVE"})


CLASSES = (
    PortraitReliefMesh,
    PortraitReliefResult,
    PortraitReliefSettings,
    PortraitReliefInstall,
    PortraitReliefJob,
)


def add_pointers() -> None:
    bpy.types.Mesh.portrait_relief = PointerProperty(type=PortraitReliefMesh)
    bpy.types.Scene.portrait_relief = PointerProperty(type=PortraitReliefSettings)
    bpy.types.WindowManager.portrait_relief = PointerProperty(type=PortraitReliefJob)


def remove_pointers() -> None:
    for owner in (bpy.types.Mesh, bpy.types.Scene, bpy.types.WindowManager):
        if hasattr(owner, "portrait_relief"):
            del owner.portrait_relief
