# SPDX-License-Identifier: GPL-3.0-or-later
"""Add-on preferences: which backend to use and where the model lies."""

from __future__ import annotations

import bpy

from .core import protocol
from .core.errors import AddonError
from .core.launch import ENV_PYTHON, ENV_SOURCE
from .panels import check_section, install_section
from .panels.job import draw_wrapped
from .storage import PACKAGE
from .translations import say, say_whole


class PortraitReliefPreferences(bpy.types.AddonPreferences):
    bl_idname = PACKAGE

    connection: bpy.props.EnumProperty(
        name="Backend",
        description="Whether Blender starts the process that holds the model, or finds it running",
        items=[
            ("START", "Start It", "Start the backend with the Python named below"),
            ("ATTACH", "Already Running", "Use a backend that runs already, here or on another machine"),
        ],
        default="START",
    )
    backend_python: bpy.props.StringProperty(
        name="Python",
        description="Python, or the virtual environment's folder, that the package portrait-relief is installed in",
        subtype="FILE_PATH",
    )
    backend_source: bpy.props.StringProperty(
        name="Source Folder",
        description="Folder that holds the package `backend`, to run it from a source checkout",
        subtype="DIR_PATH",
    )
    checkpoint: bpy.props.StringProperty(
        name="Model Folder",
        description="Checkpoint in diffusers layout; empty for the one that comes with the backend",
        subtype="DIR_PATH",
    )
    landmarker: bpy.props.StringProperty(
        name="Face Landmarker",
        description="Another face_landmarker.task than the one that Face Following installs; empty for that one",
        subtype="FILE_PATH",
    )
    device: bpy.props.EnumProperty(
        name="Device",
        description="What the model runs on; takes effect when the backend starts the next time",
        items=[
            ("AUTO", "Automatic", "A CUDA graphics card, else Apple's, else the processor"),
            ("CPU", "Processor", "Slow, but needs no graphics memory"),
            ("CUDA", "CUDA", "The first NVIDIA (or ROCm) graphics card"),
            ("MPS", "Apple", "The graphics part of Apple's chips"),
            ("NAMED", "Other", "By the name that torch has for it, such as cuda:1"),
        ],
    )
    device_name: bpy.props.StringProperty(
        name="Device Name", description="As torch calls it: cuda:1, xpu", default="cuda:0"
    )
    precision: bpy.props.EnumProperty(
        name="Precision",
        description="What the model computes with; takes effect when the backend starts the next time",
        items=[
            ("AUTO", "Automatic", "Full precision: depth is worth more than speed"),
            ("FLOAT32", "Full (float32)", "The most exact depth, on every device"),
            (
                "BFLOAT16",
                "Brain (bfloat16)",
                "Faster on recent processors and graphics cards; depth moves, here and there by millimetres",
            ),
            (
                "FLOAT16",
                "Half (float16)",
                "Less graphics memory, and depth moves less than with bfloat16; not for processors",
            ),
        ],
    )
    face_following: bpy.props.BoolProperty(
        name="Face Following",
        description="Install MediaPipe and its face model too, for expressions from photos and movies",
    )
    install_folder: bpy.props.StringProperty(
        name="Folder",
        description="Folder that the backend is installed in; empty for the extension's own",
        subtype="DIR_PATH",
    )
    install_python: bpy.props.StringProperty(
        name="Base Python",
        description="Python 3.11 or newer to make the environment with; empty for the one that Blender comes with",
        subtype="FILE_PATH",
    )
    package_index: bpy.props.StringProperty(
        name="Extra Index",
        description="Another place to download packages from, such as the one that pytorch.org names for your GPU",
    )
    address: bpy.props.StringProperty(
        name="Address",
        description="Of the running backend: 127.0.0.1:PORT here, https://HOST:PORT on another machine",
    )
    token: bpy.props.StringProperty(
        name="Token", description="The running backend's PORTRAIT_RELIEF_TOKEN", subtype="PASSWORD"
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.row().prop(self, "connection", expand=True)
        if self.connection == "ATTACH":
            layout.prop(self, "address")
            layout.prop(self, "token")
            self._draw_address_problem(layout, context)
        else:
            install_section.draw_section(layout, context, self)
            layout.prop(self, "backend_python")
            layout.prop(self, "backend_source")
            layout.prop(self, "checkpoint")
            layout.prop(self, "landmarker")
            layout.prop(self, "device")
            if self.device == "NAMED":
                layout.prop(self, "device_name")
            layout.prop(self, "precision")
            go_before = say(
                "{python} and {source} in the environment go before these.",
                python=ENV_PYTHON,
                source=ENV_SOURCE,
            )
            draw_wrapped(layout.column(align=True), go_before, context, icon="INFO")
            check_section.draw_section(layout, context)
        row = layout.row(align=True)
        row.operator("portrait_relief.restart_backend", text="Test: Start the Backend", icon="PLAY")
        row.operator("portrait_relief.open_log", text="Open Log", icon="TEXT")
        job = context.window_manager.portrait_relief
        if job.backend_message:
            failed = job.backend_state == "FAILED"
            layout.label(text=job.backend_message, icon="ERROR" if failed else "CHECKMARK")

    def _draw_address_problem(self, layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
        if not self.address:
            return
        try:
            protocol.parse_address(self.address, self.token)
        except AddonError as error:
            draw_wrapped(layout.column(align=True), say_whole(error.problem), context, icon="ERROR")


CLASSES = (PortraitReliefPreferences,)
