# SPDX-License-Identifier: GPL-3.0-or-later
"""A 3D View that shows the relief as it is lit, and the way back to how the view was."""

from __future__ import annotations

import contextlib
import json

import bpy

from .relit_still import cycles_or_eevee

# Material Preview is EEVEE whatever the scene renders with, so that only Cycles needs the scene's engine; where that is
# Workbench, a view has no Material Preview.
_SHADING = {
    "EEVEE": {"type": "MATERIAL", "use_scene_lights": True, "use_scene_world": True},
    "CYCLES": {"type": "RENDERED", "use_scene_lights_render": True, "use_scene_world_render": True},
}


def begin(scene: bpy.types.Scene, space: bpy.types.SpaceView3D, engine: str, before: str = "") -> str:
    """Shows the scene's own lights and world in the view. Raises AddonError without Cycles.

    `before` is what an earlier `begin` returned, where the view was not brought back since. Returns what `end` needs.
    """
    identifier = cycles_or_eevee(engine)
    if before:
        end(scene, space, before)
    changes = _SHADING[engine]
    kept: dict[str, object] = {"shading": {name: getattr(space.shading, name) for name in changes}}
    if engine == "CYCLES" or scene.render.engine == "BLENDER_WORKBENCH":
        kept["engine"] = scene.render.engine
        scene.render.engine = identifier
    for name, value in changes.items():
        setattr(space.shading, name, value)
    return json.dumps(kept)


def end(scene: bpy.types.Scene, space: bpy.types.SpaceView3D, before: str) -> None:
    """Brings view and engine back to what they were before `begin`."""
    kept = json.loads(before)
    for name, value in kept["shading"].items():
        setattr(space.shading, name, value)
    if "engine" in kept:
        known = {"BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"}  # one engine, named anew in 5.0
        engine = cycles_or_eevee("EEVEE") if kept["engine"] in known else kept["engine"]
        # An engine that this Blender does not have: the present one stays.
        with contextlib.suppress(TypeError):
            scene.render.engine = engine
