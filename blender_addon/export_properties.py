# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the Export panel, kept with the scene, and the last report."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .core.base_shapes import BaseShape, SolidSettings
from .core.print_checks import Limits


def _forget_report(chosen: PortraitReliefExport, _context: bpy.types.Context) -> None:
    """A report tells of the settings that it was made with."""
    chosen.report = ""
    chosen.changes += 1


def _millimetres(name: str, description: str, default: float, lowest: float, highest: float, **more):
    # No unit of Blender's: it would be read as metres and shown in the scene's unit.
    return FloatProperty(
        name=name,
        description=f"{description}. In millimetres",
        default=default,
        min=lowest,
        max=highest,
        precision=2,
        step=10,
        options=set(),
        update=_forget_report,
        **more,
    )


class PortraitReliefExport(bpy.types.PropertyGroup):
    """On the scene."""

    format: EnumProperty(
        name="Format",
        description="What kind of file is written",
        items=[
            ("STL", "STL", "Shape only, in millimetres: slicers and CAM"),
            ("3MF", "3MF", "Shape and colour in millimetres: slicers and colour printing"),
            ("OBJ", "OBJ", "Shape in millimetres, with the picture in a file beside it"),
            ("PLY", "PLY", "Shape in millimetres with a colour a vertex"),
            ("GLB", "GLB", "glTF in one file, with the picture inside, in metres"),
            ("USD", "USD", "USD in metres, with the picture in a folder beside it"),
            ("USDZ", "USDZ", "USD in one file, with the picture inside, in metres"),
            ("PNG", "Depth Map PNG", "16-bit greyscale heights for milling; white is highest"),
            ("EXR", "Depth Map EXR", "Heights in millimetres as 32-bit numbers, for milling"),
        ],
        default="STL",
        update=_forget_report,
        options=set(),
    )
    shape: EnumProperty(
        name="Base",
        description="What the relief stands on, which is what makes it printable",
        items=[
            (BaseShape.SURFACE.value, "Surface Only", "The relief as it is: open, not for printing"),
            (BaseShape.OUTLINE.value, "Head Outline", "Walls along the head's outline down to a flat back"),
            (BaseShape.RECTANGLE.value, "Rectangle", "The relief on a rectangular plate"),
            (BaseShape.OVAL.value, "Oval", "The relief on an oval plate"),
            (BaseShape.MEDALLION.value, "Medallion", "The relief on an oval plate with a raised rim"),
        ],
        default=BaseShape.RECTANGLE.value,
        update=_forget_report,
        options=set(),
    )
    size_mm: _millimetres("Size", "Longest side of the finished piece, border included", 100.0, 1.0, 10_000.0)
    relief_height_mm: _millimetres(
        "Relief Height",
        "From the base to the highest point; 0 keeps the head's own depth",
        15.0,
        0.0,
        5_000.0,
    )
    base_mm: _millimetres("Base Thickness", "What lies below the relief", 3.0, 0.01, 1_000.0)
    border_mm: _millimetres("Border", "From the relief to the plate's edge", 5.0, 0.0, 1_000.0)
    rim_mm: _millimetres("Rim Height", "A medallion's rim above its plate", 2.0, 0.0, 1_000.0)
    hollow: BoolProperty(
        name="Hollow", description="Hollow the piece out from its back", update=_forget_report, options=set()
    )
    hollow_wall_mm: _millimetres("Wall", "What stays below the surface and at the edge", 2.0, 0.1, 1_000.0)
    target_faces: IntProperty(
        name="Triangles",
        description="About as many as the file shall have. A surface is never made finer than it is",
        default=200_000,
        min=500,
        max=5_000_000,
        soft_max=2_000_000,
        update=_forget_report,
        options=set(),
    )
    map_px: IntProperty(
        name="Pixels",
        description="Longest side of the depth map in pixels",
        default=1024,
        min=16,
        max=8192,
        update=_forget_report,
        options=set(),
    )
    base_colour: FloatVectorProperty(
        name="Base Colour",
        description="Colour of everything that the head does not cover",
        subtype="COLOR_GAMMA",  # sRGB, as in picture files
        size=3,
        min=0.0,
        max=1.0,
        default=(0.8, 0.78, 0.74),
        options=set(),
    )
    colour_3mf: EnumProperty(
        name="Colour",
        description="How a 3MF file carries the picture",
        items=[
            ("TEXTURE", "Picture", "The picture itself: colour printing services"),
            ("VERTEX", "Per Vertex", "One colour a vertex: slicers that know no pictures"),
            ("NONE", "None", "Shape only"),
        ],
        default="TEXTURE",
        update=_forget_report,
        options=set(),
    )
    bed_mm: FloatVectorProperty(
        name="Bed",
        description="Largest piece that the printer or mill takes: width, depth and height in millimetres",
        size=3,
        min=1.0,
        default=(220.0, 220.0, 250.0),
        precision=0,
        update=_forget_report,
        options=set(),
    )
    thinnest_mm: _millimetres("Minimum Thickness", "What the printer can still print", 0.8, 0.01, 100.0)
    overhang_deg: FloatProperty(
        name="Overhang",
        description="Steepest overhang that prints without support, from the vertical, in degrees",
        default=45.0,
        min=0.0,
        max=89.0,
        precision=0,
        update=_forget_report,
        options=set(),
    )
    # One finding a line: "OK|sentence", "Warning|...", "Error|...".
    report: StringProperty(options={"HIDDEN"})
    report_object: StringProperty(options={"HIDDEN"})
    can_fix: BoolProperty(options={"HIDDEN"})
    changes: IntProperty(options={"HIDDEN", "SKIP_SAVE"})  # of the settings, so far

    def solid_settings(self) -> SolidSettings:
        return SolidSettings(
            shape=BaseShape(self.shape),
            size_mm=self.size_mm,
            relief_height_mm=self.relief_height_mm,
            base_mm=self.base_mm,
            border_mm=self.border_mm,
            rim_mm=self.rim_mm,
            hollow_wall_mm=self.hollow_wall_mm if self.hollow else 0.0,
            target_faces=self.target_faces,
        )

    def limits(self) -> Limits:
        return Limits(
            bed_mm=(self.bed_mm[0], self.bed_mm[1], self.bed_mm[2]),
            thinnest_mm=self.thinnest_mm,
            overhang_deg=self.overhang_deg,
        )

    def apply(self, changes: dict[str, object]) -> None:
        """Fields of SolidSettings -> properties."""
        for name, value in changes.items():
            if name == "hollow_wall_mm" and not value:
                self.hollow = False
            else:
                setattr(self, name, value.value if isinstance(value, BaseShape) else value)


CLASSES = (PortraitReliefExport,)


def add_pointer() -> None:
    bpy.types.Scene.portrait_relief_export = PointerProperty(type=PortraitReliefExport)


def remove_pointer() -> None:
    if hasattr(bpy.types.Scene, "portrait_relief_export"):
        del bpy.types.Scene.portrait_relief_export
