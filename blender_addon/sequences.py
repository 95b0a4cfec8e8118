# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequence that is being made: which frames are wanted, and where those go that come.

`runtime` asks after every tick. What has come is on disk at once: neither a cancelled nor a broken job loses it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from . import storage, user_choices
from .core.jobs import FrameInput, Job, JobInput
from .core.sequence import SequenceFolder, folder_name, frame_key
from .core.steps import Steps
from .scene import importing, sequence_import
from .translations import say

MAX_FRAMES = 512  # a job of the backend takes no more


@dataclass
class Sequence:
    """Attributes:
    wanted: frame -> key, all of them; to_make: those that were missing, in the order in which they were asked for.
    """

    folder: SequenceFolder
    label: str
    wanted: dict[int, str]
    to_make: list[int]
    came: int = 0
    started_s: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        """`Frame 12 of 48, 0:40 left`."""
        done = len(self.wanted) - len(self.to_make) + self.came
        text = say("Frame {number} of {all}", number=min(done + 1, len(self.wanted)), all=len(self.wanted))
        if self.came:
            left_s = (time.monotonic() - self.started_s) / self.came * (len(self.to_make) - self.came)
            text += say(", {time} left", time=f"{int(left_s) // 60}:{int(left_s) % 60:02d}")
        return text


_of_job: dict[str, Sequence] = {}


def folder_of(chosen: str) -> Path:
    """Where sequences go: the chosen folder, below the extension's own while the .blend has no place yet."""
    path = bpy.path.abspath(chosen) if bpy.data.filepath or not chosen.startswith("//") else ""
    return Path(path) if path else storage.folder() / "sequences"


def plan(given: JobInput, frames: dict[int, FrameInput], chosen_folder: str, *, fresh: bool) -> Sequence:
    """What there is and what is missing of the frames (frame -> expression and pose). Raises OSError."""
    folder = SequenceFolder(folder_of(chosen_folder) / folder_name(given.label, given.portrait))
    folder.path.mkdir(
        parents=True, exist_ok=True
    )  # that it cannot be written to is better known now than later
    model = user_choices.get().checkpoint
    wanted = {number: frame_key(given, frame, model) for number, frame in frames.items()}
    return Sequence(folder, given.label, wanted, sorted(wanted) if fresh else folder.missing(wanted))


def begin(job: Job, sequence: Sequence) -> None:
    _of_job.clear()
    _of_job[job.id] = sequence


def of(job: Job | None) -> Sequence | None:
    return _of_job.get(job.id) if job is not None else None


def collect(job: Job) -> None:
    """Writes the frames that came since the last time. Raises OSError."""
    sequence = of(job)
    if sequence is None:
        return
    for result in job.take_results():
        number = sequence.to_make[sequence.came]
        sequence.folder.add(number, sequence.wanted[number], result)
        sequence.came += 1


def import_steps(
    scene: bpy.types.Scene, sequence: Sequence, result_id: str
) -> Steps[bpy.types.Object | None]:
    """The animated relief of all wanted frames that are there; None when there is none.

    Raises ReliefError, ValueError, OSError or AddonError.
    """
    numbers = sequence.folder.finished(sorted(sequence.wanted))
    if not numbers:
        return None
    description = importing.Description(
        result_id=result_id,
        name=f"{sequence.label} Sequence",
        mode="sequence",
        summary=say("Frames {first} to {last}", first=numbers[0], last=numbers[-1]),
        expression={},
    )
    return (yield from sequence_import.import_steps(scene, sequence.folder, numbers, description))
