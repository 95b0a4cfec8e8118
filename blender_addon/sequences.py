# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequence that is being made: which frames are wanted, and where those go that come.

`runtime` asks after every tick. What has come goes to the disk at once, in a thread (15 ms a frame of 1500 px are too
much for a tick): neither a cancelled nor a broken job loses it.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy

from . import requests, storage, user_choices
from .core import errors
from .core.errors import AddonError
from .core.jobs import FrameInput, FrameResult, Job, JobInput
from .core.sequence import SequenceFolder, folder_name, frame_key
from .core.steps import Steps, advance, finish, in_worker
from .core.wording import worded
from .scene import importing, sequence_import
from .translations import say

MAX_FRAMES = 512  # a job of the backend takes no more


@dataclass
class Sequence:
    """Attributes:
    asked: steps, seed, face and crop, for the list of results.
    wanted: frame -> key, all of them; to_make: those that were missing, in the order in which they were asked for.
    """

    folder: SequenceFolder
    label: str
    wanted: dict[int, str]
    to_make: list[int]
    asked: dict[str, object] = field(default_factory=dict)
    came: int = 0
    _first_s: float = 0.0  # when the first came: what is loaded before it tells nothing of the others
    _pending: deque[tuple[int, FrameResult]] = field(default_factory=deque)
    _writing: Steps[None] | None = None

    @property
    def text(self) -> str:
        """`Frame 12 of 48, 0:40 left`."""
        done = len(self.wanted) - len(self.to_make) + self.came
        text = say("Frame {number} of {all}", number=min(done + 1, len(self.wanted)), all=len(self.wanted))
        if self.came > 1:
            left_s = (time.monotonic() - self._first_s) / (self.came - 1) * (len(self.to_make) - self.came)
            text += say(", {time} left", time=f"{int(left_s) // 60}:{int(left_s) % 60:02d}")
        return text

    def take(self, results: list[FrameResult]) -> None:
        """Begins to write the next frames. Raises OSError where one that came cannot be written."""
        for result in results:
            self._first_s = self._first_s or time.monotonic()
            self._pending.append((self.to_make[self.came], result))
            self.came += 1
        self._go_on(wait=False)

    def flush(self) -> None:
        """Returns when all frames that came are written. Raises OSError."""
        self._go_on(wait=True)

    def flush_steps(self) -> Steps[None]:
        """`flush` in steps."""
        while self._pending:
            self._go_on(wait=False)
            yield

    def _go_on(self, *, wait: bool) -> None:
        if self._writing is None:
            self._writing = self._write_steps()
        writing, self._writing = self._writing, None
        try:
            if wait:
                finish(writing)
            elif not advance(writing, 0.0):
                self._writing = writing
        except (OSError, MemoryError):
            self._pending.clear()
            raise

    def _write_steps(self) -> Steps[None]:
        while self._pending:
            yield from in_worker(self._write(*self._pending[0]))
            self._pending.popleft()

    def _write(self, number: int, result: FrameResult) -> Steps[None]:
        self.folder.add(number, self.wanted[number], result)
        yield


_of_job: dict[str, Sequence] = {}


def folder_of(chosen: str) -> Path:
    """Where sequences go: the chosen folder, below the extension's own while the .blend has no place yet."""
    path = bpy.path.abspath(chosen) if bpy.data.filepath or not chosen.startswith("//") else ""
    return Path(path) if path else storage.folder() / "sequences"


def plan(given: JobInput, frames: dict[int, FrameInput], chosen_folder: str, *, fresh: bool) -> Sequence:
    """What there is and what is missing of the frames (frame -> expression and pose). Raises OSError."""
    flush()  # the folder may be the one that an earlier job fills
    folder = SequenceFolder(folder_of(chosen_folder) / folder_name(given.label, given.portrait))
    folder.path.mkdir(
        parents=True, exist_ok=True
    )  # that it cannot be written to is better known now than later
    model = user_choices.get().checkpoint
    wanted = {number: frame_key(given, frame, model) for number, frame in frames.items()}
    to_make = sorted(wanted) if fresh else folder.missing(wanted)
    return Sequence(folder, given.label, wanted, to_make, requests.asked(given))


def begin(job: Job, sequence: Sequence) -> None:
    flush()
    _of_job.clear()
    _of_job[job.id] = sequence


def of(job: Job | None) -> Sequence | None:
    return _of_job.get(job.id) if job is not None else None


def collect(job: Job, *, wait: bool = False) -> None:
    """Begins to write the frames that came since the last time, or writes them. Raises OSError where one that came
    cannot be written."""
    sequence = of(job)
    if sequence is not None:
        sequence.take(job.take_results())
        if wait:
            sequence.flush()


def flush() -> None:
    """Returns when all frames that came are written, as far as they can be."""
    for sequence in _of_job.values():
        with contextlib.suppress(OSError, MemoryError):
            sequence.flush()


def is_writing() -> bool:
    """Whether frames that came wait for the disk: then ticks go on, though their job may have ended."""
    return any(sequence._pending for sequence in _of_job.values())


def finished_of(scene: bpy.types.Scene, job: Job | None) -> Sequence:
    """The frames of the sequence that is being made, or else of the scene's range, that are finished: made from what
    the sliders and settings say now. Raises AddonError where there is none, or no picture, and OSError."""
    sequence = of(job) if job is not None and not job.state.ended else None
    if sequence is None:
        numbers = scene_range(scene)
        given, frames = requests.sequence_input(scene, numbers)
        sequence = plan(given, frames, scene.portrait_relief.sequence_folder, fresh=False)
    else:
        sequence.flush()
    missing = set(sequence.folder.missing(sequence.wanted))
    there = {number: key for number, key in sequence.wanted.items() if number not in missing}
    if not there:
        raise AddonError(errors.local("no_finished_frames"))
    folder = SequenceFolder(sequence.folder.path)  # of its own: the job goes on writing to the other
    return replace(sequence, folder=folder, wanted=there, _pending=deque(), _writing=None)


def scene_range(scene: bpy.types.Scene) -> range:
    """From start to end. Raises AddonError for more frames than one job may have."""
    numbers = range(scene.frame_start, scene.frame_end + 1)
    if len(numbers) > MAX_FRAMES:
        raise AddonError(errors.local("too_many_frames", detail=worded("{count} frames", count=len(numbers))))
    return numbers


def import_steps(
    scene: bpy.types.Scene, sequence: Sequence, result_id: str
) -> Steps[bpy.types.Object | None]:
    """The animated relief of all wanted frames that are there; None when there is none.

    The scene is looked up anew when the frames are written. Raises ReliefError, ValueError, OSError, or AddonError
    also when it was deleted meanwhile.
    """
    return _import_steps(scene.session_uid, sequence, result_id)


def _import_steps(scene_uid: int, sequence: Sequence, result_id: str) -> Steps[bpy.types.Object | None]:
    yield from sequence.flush_steps()
    numbers = sequence.folder.finished(sorted(sequence.wanted))
    if not numbers:
        return None
    description = importing.Description(
        result_id=result_id,
        name=f"{sequence.label} Sequence",
        mode="sequence",
        summary=say("Frames {first} to {last}", first=numbers[0], last=numbers[-1]),
        expression={},
        asked=sequence.asked,
    )
    scene = importing.find_scene(scene_uid)
    return (yield from sequence_import.import_steps(scene, sequence.folder, numbers, description))
