# SPDX-License-Identifier: GPL-3.0-or-later
"""Check, mend and write a relief for other programs, printers and mills."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import runtime, tasks
from ..core import print_checks
from ..core.base_shapes import ExportError
from ..core.errors import AddonError, Problem, Remedy
from ..core.print_checks import Finding, Severity
from ..core.steps import Steps
from ..core.wording import told, worded
from ..scene import exporting, importing, sending_back
from ..scene.export_files import FORMATS
from ..translations import say, say_error, say_problem
from .tasks import Report, TaskOperator

_MOST_ROUNDS = 4  # mending one thing may bring up another
_NO_MEMORY = "There is not enough memory. Ask for fewer triangles."


class _ExportOperator:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return sending_back.is_at_hand(cls, context.view_layer.objects.active)

    @staticmethod
    def check_steps(scene: bpy.types.Scene, item: bpy.types.Object) -> Steps[exporting.Checked]:
        """Builds the piece and shows its report, unless the settings were changed meanwhile. Raises AddonError where
        there can be none, which is shown too."""
        scene_uid, name = scene.session_uid, item.name
        changes = scene.portrait_relief_export.changes
        try:
            made = yield from exporting.check_steps(item, scene.portrait_relief_export)
        except (ExportError, MemoryError) as error:
            text = told(error) or _NO_MEMORY
            chosen = importing.find_scene(scene_uid).portrait_relief_export
            show(chosen, name, [Finding("piece", Severity.ERROR, 0, text)])
            raise AddonError(Problem("no_piece", text, "", Remedy.NONE)) from error
        chosen = importing.find_scene(scene_uid).portrait_relief_export
        if chosen.changes == changes:
            show(chosen, name, made.findings)
        return made


def show(chosen, name: str, findings: list[Finding], written: str = "") -> None:
    """Keeps a report for the panel, with what was written before it."""
    lines = [f"{finding.severity.value}|{say_problem(finding.sentence)}" for finding in findings]
    if written:
        lines.insert(0, f"{Severity.OK.value}|{written}")
    chosen.report = "\n".join(lines)
    chosen.report_object = name
    chosen.can_fix = bool(print_checks.changes(findings))


def problems(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is not Severity.OK]


def sentences(findings: list[Finding]) -> str:
    return " ".join(say_problem(finding.sentence) for finding in findings)


class PORTRAIT_RELIEF_OT_check_relief(_ExportOperator, TaskOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.check_relief"
    bl_label = "Check for Export"
    bl_description = "Build the piece and look for faults that printers and other programs stumble over"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and cls.may_begin("check")

    def execute(self, context: bpy.types.Context) -> set[str]:
        steps = self._steps(context.scene, context.view_layer.objects.active)
        return self.run_task(tasks.Task("check", steps, _is_in_the_report))

    def _steps(self, scene: bpy.types.Scene, item: bpy.types.Object) -> Steps[Report]:
        made = yield from self.check_steps(scene, item)
        found = problems(made.findings)
        if found:
            return "WARNING", sentences(found)
        return "INFO", say("No faults: {summary}", summary=made.summary)


def _is_in_the_report(problem: Problem) -> None:
    """A piece that cannot be made stands in the panel's report; anything else is shown as errors are."""
    if problem.code != "no_piece":
        runtime.show_problem(problem)


class PORTRAIT_RELIEF_OT_fix_export(_ExportOperator, TaskOperator, bpy.types.Operator):
    bl_idname = "portrait_relief.fix_export"
    bl_label = "Fix for Export"
    bl_description = "Change the settings so that what the report names is mended"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and cls.may_begin("check")

    def execute(self, context: bpy.types.Context) -> set[str]:
        steps = self.fix_steps(context.scene, context.view_layer.objects.active)
        return self.run_task(tasks.Task("check", steps, _is_in_the_report, "Fix for Export"))

    @classmethod
    def fix_steps(cls, scene: bpy.types.Scene, item: bpy.types.Object) -> Steps[Report]:
        """Checks and mends until nothing is left to mend. Raises AddonError."""
        scene_uid, item_uid = scene.session_uid, item.session_uid
        for _ in range(_MOST_ROUNDS):
            scene = importing.find_scene(scene_uid)
            changes = scene.portrait_relief_export.changes
            made = yield from cls.check_steps(scene, sending_back.find_relief(item_uid))
            wanted = print_checks.changes(made.findings)
            chosen = importing.find_scene(scene_uid).portrait_relief_export
            if chosen.changes != changes:  # by the artist, meanwhile: what was found is not about them
                continue
            if not wanted:
                break
            chosen.apply(wanted)
            yield
        left = problems(made.findings)
        if left:
            return "WARNING", say("Left: {faults}", faults=sentences(left))
        return "INFO", say("No faults left: {summary}", summary=made.summary)


class PORTRAIT_RELIEF_OT_export_relief(_ExportOperator, TaskOperator, bpy.types.Operator):
    """Begun from a button, it goes on by the timer; a script finds the file when the call returns."""

    bl_idname = "portrait_relief.export_relief"
    bl_label = "Export Relief"
    bl_description = "Write the active relief with the settings of the Export panel"

    wait: BoolProperty(
        name="Wait",
        description="Return only when it is done",
        default=True,
        options={"HIDDEN", "SKIP_SAVE"},
    )
    filepath: StringProperty(
        name="File", description="The file that is written", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_glob: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and cls.may_begin("export")

    def invoke(self, context: bpy.types.Context, _event) -> set[str]:
        self.wait = False
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
        steps = self.export_steps(context.scene, item, path)
        return self.run_task(tasks.Task("export", steps, _is_in_the_report, always_ends=True))

    @classmethod
    def export_steps(cls, scene: bpy.types.Scene, item: bpy.types.Object, path: Path) -> Steps[Report]:
        """Checks the piece, shows its report and writes it. Raises AddonError."""
        scene_uid, changes = scene.session_uid, scene.portrait_relief_export.changes
        try:
            asked = exporting.asked(item, scene.portrait_relief_export)
            made = yield from cls.check_steps(scene, item)
            yield from exporting.write_steps(made, asked, path)
        except (ExportError, OSError, RuntimeError, MemoryError) as error:
            reason = say_error(error) or say(_NO_MEMORY)
            text = worded("{name} was not written: {reason}", name=path.name, reason=reason)
            hint = "Choose another folder or format, or close what holds the file."
            raise AddonError(Problem("not_written", text, hint, Remedy.NONE)) from error
        text = f"{path.name}: {made.summary}"
        chosen = importing.find_scene(scene_uid).portrait_relief_export
        if chosen.changes == changes or not chosen.report:
            show(chosen, asked.name, made.findings if chosen.changes == changes else [], text)
        found = problems(made.findings)
        return ("WARNING", f"{text}. {sentences(found)}") if found else ("INFO", text)


CLASSES = (
    PORTRAIT_RELIEF_OT_check_relief,
    PORTRAIT_RELIEF_OT_fix_export,
    PORTRAIT_RELIEF_OT_export_relief,
)
