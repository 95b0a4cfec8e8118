# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished result -> packed images, relief object, material and an entry in the scene's list."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import bpy

from ..core import errors
from ..core.errors import AddonError
from ..core.jobs import FrameResult
from ..core.placement import Placement
from ..core.relief import ReliefMesh, ReliefOptions, build_steps
from ..core.steps import Steps, finish, in_worker
from ..translations import say
from . import images, material, relief_build, relief_object
from .relief_object import MeshArrays


@dataclass(frozen=True)
class Description:
    """What is known of a result beside its arrays."""

    result_id: str
    name: str  # what the new datablocks are called after
    mode: str  # "depth" | "generate" | "appearance" | "sequence" | "import"
    summary: str  # one line for the list
    expression: dict[str, float]
    asked: dict[str, object] = field(
        default_factory=dict
    )  # steps, seed, face and crop, as the panel has them


def import_result(scene: bpy.types.Scene, result: FrameResult, description: Description) -> bpy.types.Object:
    """Adds everything to `scene` and selects the relief. Raises ReliefError before anything was added.

    Uses bpy.data only, so it works from a timer, an operator or a script.
    """
    return finish(import_steps(scene, result, description))


def import_steps(
    scene: bpy.types.Scene, result: FrameResult, description: Description
) -> Steps[bpy.types.Object]:
    """`import_result` in small steps, between which the user may do anything.

    An undo there takes away what was made so far, a deleted scene is gone: no step keeps a reference from an earlier
    one, and what is missing is made again. Closing the generator removes what an import that did not end has made.
    Raises ReliefError before anything was added, AddonError when the scene was deleted.
    """
    scene_uid, result_id, name = scene.session_uid, description.result_id, description.name
    settings = scene.portrait_relief
    size, depth_scale = settings.size, settings.depth_scale
    options = replace(ReliefOptions(), density=settings.density)
    relief, arrays, rgb_file, depth_file, head = yield from in_worker(
        _computed(result, options, relief_object.new_place(size), depth_scale)
    )

    def rgb_picture() -> bpy.types.Image:
        return images.find(result_id, "rgb") or images.add_rgb(f"{name} RGB", rgb_file, result_id)

    def pictures() -> tuple[bpy.types.Image, bpy.types.Image]:
        depth = images.find(result_id, "depth") or images.add_depth(f"{name} Depth", depth_file, result_id)
        return rgb_picture(), depth

    def begun_mesh() -> bpy.types.Mesh:
        found = mesh_of(result_id)
        if found is not None:
            return found
        mesh = relief_object.begun_mesh(name, size=size, depth_scale=depth_scale)
        height, width = result.depth_mm.shape
        remember_photo(mesh, relief, result_id, (width, height), result.mm_per_px)
        crop = (result.info.get("report") or {}).get("crop")
        if crop is not None:
            mesh.portrait_relief.crop_px = [round(value) for value in crop]
        mesh.portrait_relief_build.density = options.density
        return mesh

    done = False
    try:
        rgb_picture()
        yield
        pictures()
        yield
        if head is None:
            rgb_picture().preview_ensure()
        else:
            images.set_preview(rgb_picture(), head)
        yield
        while not relief_object.filled_further(begun_mesh(), relief, arrays):
            yield
        yield
        scene, mesh = find_scene(scene_uid), begun_mesh()
        while not relief_object.filled_further(mesh, relief, arrays):  # an undo took it away
            pass
        relief_build.remember_built(mesh)
        mesh.materials.append(material.make(name, *pictures()))
        item = bpy.data.objects.new(name, mesh)
        item.location = scene.cursor.location
        link(scene, item)
        # Named as Blender names the object: two results of one photo are told apart in the list, too.
        list_result(scene, replace(description, name=item.name), result.info.get("report") or {})
        done = True
        return item
    finally:
        if not done:
            drop_begun(result_id)


def mesh_of(result_id: str) -> bpy.types.Mesh | None:
    """The mesh of a result, also a begun one."""
    return next((mesh for mesh in bpy.data.meshes if mesh.portrait_relief.result_id == result_id), None)


def drop_begun(result_id: str) -> None:
    """Takes away what an import that did not end has made of a result's mesh and pictures."""
    for mesh in [mesh for mesh in bpy.data.meshes if mesh.portrait_relief.result_id == result_id]:
        if not mesh.users:
            bpy.data.meshes.remove(mesh)
    for kind in ("rgb", "depth"):
        image = images.find(result_id, kind)
        if image is not None and not image.users:
            bpy.data.images.remove(image)


def _computed(
    result: FrameResult, options: ReliefOptions, place: Placement, depth_scale: float
) -> Steps[tuple[ReliefMesh, MeshArrays, bytes, bytes, images.Preview | None]]:
    """The relief, what its mesh is filled with, the files of its picture and its depth picture, and the head for the
    list of results. No bpy."""
    relief = yield from build_steps(result.depth_mm, result.coverage, result.mm_per_px, options)
    arrays = yield from relief_object.array_steps(relief, place, depth_scale)
    depth_file = yield from images.depth_file_steps(result.depth_mm, result.coverage)
    rgb_file = bytes(result.rgb_png)
    head = yield from images.head_preview_steps(rgb_file, result.coverage)
    return relief, arrays, rgb_file, depth_file, head


def find_scene(session_uid: int) -> bpy.types.Scene:
    """Raises AddonError when it was deleted."""
    scene = next((item for item in bpy.data.scenes if item.session_uid == session_uid), None)
    if scene is None:
        raise AddonError(errors.local("scene_removed"))
    return scene


def remember_photo(
    mesh: bpy.types.Mesh, relief: ReliefMesh, result_id: str, size_px: tuple[int, int], mm_per_px: float
) -> None:
    """Notes on the mesh which result it is and how it lies in the photo of `size_px` (width, height)."""
    width, height = size_px
    kept = mesh.portrait_relief
    kept.result_id = result_id
    kept.mm_per_px = mm_per_px
    kept.photo_size_px = size_px
    # Where the object's origin lies in the picture: read back from one vertex, whose UV says its pixel.
    kept.origin_px = (
        float(relief.uv[0, 0]) * width - float(relief.x_mm[0]) / mm_per_px,
        (1.0 - float(relief.uv[0, 1])) * height + float(relief.z_mm[0]) / mm_per_px,
    )


def list_result(scene: bpy.types.Scene, description: Description, report: object) -> None:
    """Adds an entry to the scene's list and makes it the active one."""
    settings = scene.portrait_relief
    entry = settings.results.add()
    entry.name = description.name
    entry.result_id = description.result_id
    entry.mode = description.mode
    entry.summary = description.summary
    entry.report = json.dumps(report)
    entry.details = details(report)
    entry.expression = json.dumps(description.expression)
    entry.asked = json.dumps(description.asked)
    settings.active_result = len(settings.results) - 1


def details(report: object) -> str:
    """`face 1 of 2, seed 3, 2 steps, 1.4 s` from a job's report; empty where it does not tell."""
    known = report if isinstance(report, dict) else {}
    settings, seconds = known.get("settings"), known.get("seconds")
    words = []
    faces, number = known.get("faces"), known.get("face_number")
    if isinstance(faces, list) and len(faces) > 1 and isinstance(number, int):
        words.append(f"face {number} of {len(faces)}")
    if isinstance(settings, dict) and settings.get("seed") is not None:
        steps = settings.get("steps") or 1
        words.append(say("seed {number}", number=settings["seed"]))
        words.append(say("{count} steps", count=steps) if steps != 1 else say("1 step"))
    if isinstance(seconds, dict):
        total = sum(value for value in seconds.values() if isinstance(value, (int, float)))
        words.append(f"{total:.1f} s")
    return ", ".join(words)


def _layer_at_work(scene: bpy.types.Scene) -> bpy.types.ViewLayer | None:
    """The view layer in which a window shows the scene; a timer's own context knows none of the windows."""
    for window in bpy.context.window_manager.windows:
        if window.scene == scene:
            return window.view_layer
    return bpy.context.view_layer if bpy.context.scene == scene else None


def link(scene: bpy.types.Scene, item: bpy.types.Object) -> None:
    """Into the active collection where a window shows `scene`; selection is left alone in edit and sculpt mode."""
    layer = _layer_at_work(scene)
    if layer is None:
        scene.collection.objects.link(item)
        return
    target = layer.active_layer_collection
    collection = target.collection if target else scene.collection
    hidden = not target or target.exclude or target.hide_viewport or collection.hide_viewport
    foreign = collection.library or collection.override_library  # such a collection takes no objects
    (scene.collection if hidden or foreign else collection).objects.link(item)
    active = layer.objects.active
    if active is None or active.mode == "OBJECT":
        for other in layer.objects:
            if other.select_get():
                other.select_set(False)
        if item.visible_get():
            item.select_set(True)
        layer.objects.active = item
    relief_object.show_alone(item, layer)
