# SPDX-License-Identifier: GPL-3.0-or-later
"""Check, mend and write a relief for other programs, printers and mills."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from ..core import print_checks
from ..core.base_shapes import ExportError
from ..core.print_checks import Finding, Severity
from ..scene import exporting, sending_back
from ..scene.export_files import FORMATS
from ..translations import say, say_error, say_problem

_MOST_ROUNDS = 4  # mending one thing may bring up another


class _ExportOperator:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return sending_back.is_at_hand(cls, context.view_layer.objects.active)

    def checked(self, context: bpy.types.Context) -> exporting.Checked | None:
        """Builds the piece and shows its report; None where there can be none, which is reported too."""
        item, chosen = context.view_layer.objects.active, context.scene.portrait_relief_export
        try:
            made = exporting.check(item, chosen)
        except (ExportError, MemoryError) as error:
            text = say_error(error) or say("There is not enough memory. Ask for fewer triangles.")
            show(chosen, item.name, [Finding("piece", Severity.ERROR, 0, text)])
            self.report({"ERROR"}, text)  # pyright: ignore[reportAttributeAccessIssue]
            return None
        show(chosen, item.name, made.findings)
        return made


def show(chosen, name: str, findings: list[Finding]) -> None:
    """Keeps a report for the panel."""
    chosen.report = "\n".join(
        f"{finding.severity.value}|{say_problem(finding.sentence)}" for finding in findings
    )
    chosen.report_object = name
    chosen.can_fix = bool(print_checks.changes(findings))


def problems(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is not Severity.OK]


def sentences(findings: list[Finding]) -> str:
    return " ".join(say_problem(finding.sentence) for finding in findings)


class PORTRAIT_RELIEF_OT_check_relief(_ExportOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.check_relief"
    bl_label = "Check for Export"
    bl_description = "Build the piece and look for faults that printers and other programs stumble over"

    def execute(self, context: bpy.types.Context) -> set[str]:
        made = self.checked(context)
        if made is None:
            return {"CANCELLED"}
        found = problems(made.findings)
        if found:
            self.report({"WARNING"}, sentences(found))
        else:
            self.report({"INFO"}, say("No faults: {summary}", summary=made.summary))
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_fix_export(_ExportOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.fix_export"
    bl_label = "Fix for Export"
    bl_description = "Change the settings so that what the report names is mended"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen = context.scene.portrait_relief_export
        for _ in range(_MOST_ROUNDS):
            made = self.checked(context)
            if made is None:
                return {"CANCELLED"}
            wanted = print_checks.changes(made.findings)
            if not wanted:
                break
            chosen.apply(wanted)
        left = problems(made.findings)
        if left:
            self.report({"WARNING"}, say("Left: {faults}", faults=sentences(left)))
        else:
            self.report({"INFO"}, say("No faults left: {summary}", summary=made.summary))
        return {"FINISHED"}


class PORTRAIT_RELIEF_OT_export_relief(_ExportOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.export_relief"
    bl_label = "Export Relief"
    bl_description = "Write the active relief with the settings of the Export panel"
    bl_options = {"REGISTER"}

    filepath: StringProperty(
        name="File", description="The file that is written", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_glob: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        suffix = FORMATS[context.scene.portrait_relief_export.format].suffix
        self.filter_glob = f"*{suffix}"
        if not self.filepath:
            name = bpy.path.clean_name(context.view_layer.objects.active.name)
            self.filepath = str(Path(bpy.data.filepath).parent / (name + suffix))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """The file browser's: shows the suffix that will be written, and so warns of the right file."""
        path = Path(self.filepath)
        right = exporting.corrected_path(path, context.scene.portrait_relief_export.format)
        self.filepath = str(right) if path.name else self.filepath
        return right != path

    def execute(self, context: bpy.types.Context) -> set[str]:
        item, chosen = context.view_layer.objects.active, context.scene.portrait_relief_export
        path = Path(bpy.path.abspath(self.filepath))
        if not path.name or path.is_dir():
            self.report({"ERROR"}, say("No file name is given."))
            return {"CANCELLED"}
        path = exporting.corrected_path(path, chosen.format).absolute()
        manager = context.window_manager
        manager.progress_begin(0, 100)
        if context.window is not None:
            context.window.cursor_modal_set("WAIT")
        try:
            made = self.checked(context)
            if made is None:
                return {"CANCELLED"}
            manager.progress_update(40)
            exporting.write(item, chosen, made, path, lambda part: manager.progress_update(100 * part))
        except (ExportError, OSError, RuntimeError) as error:
            text = say("{name} was not written: {reason}", name=path.name, reason=say_error(error))
            self.report({"ERROR"}, text)
            return {"CANCELLED"}
        finally:
            if context.window is not None:
                context.window.cursor_modal_restore()
            manager.progress_end()
        found = problems(made.findings)
        text = f"{path.name}: {made.summary}"
        if found:
            text += ". " + sentences(found)
        self.report({"WARNING" if found else "INFO"}, text)
        return {"FINISHED"}


CLASSES = (
    PORTRAIT_RELIEF_OT_check_relief,
    PORTRAIT_RELIEF_OT_fix_export,
    PORTRAIT_RELIEF_OT_export_relief,
)
