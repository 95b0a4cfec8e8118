# SPDX-License-Identifier: GPL-3.0-or-later
"""One job from request to arrays: a state machine that is advanced by ticks and never waits.

Every exchange carries the job's own id and every status answer must repeat it, so an answer that belongs to an
earlier job is dropped. Cancelling sends DELETE for exactly this job, also when the backend was still receiving it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np

from . import arrays, backend_errors, errors, protocol
from .backend_process import Deadlines
from .errors import AddonError, Problem
from .exchange import Address, Answer, BadAnswerError, Exchange, ExchangeError
from .steps import Steps, advance

POLL_INTERVAL_S = 0.2
Parts = tuple[tuple[str, str], ...]
Maps = Mapping[str, bytes | bytearray]
# What is made of a job's input while it is PREPARING, by the names of JobInput's fields.
Made = Mapping[str, Any]
PARTS: Parts = (("rgb", "png"), ("depth", "npy"), ("coverage", "npy"))


Part = bytes | memoryview | np.ndarray  # of a finished frame
_READERS: dict[str, Callable[[bytes | memoryview], Part]] = {
    "png": arrays.checked_png,
    "npy": arrays.read_npy,
    "json": bytes,
}


class JobState(Enum):
    PREPARING = "PREPARING"  # what is to be sent
    WAITING = "WAITING"  # for the backend to be ready
    UPLOADING = "UPLOADING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DOWNLOADING = "DOWNLOADING"
    CANCELLING = "CANCELLING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class FrameInput:
    """One picture of a sequence: coefficients in 0..1, angles in degrees; what is absent is left to the photo."""

    expression: Mapping[str, float]
    pose: Mapping[str, float]


@dataclass(frozen=True)
class JobInput:
    """What is sent. `portrait` is an image file's content; `maps` are .npy files' contents by their fields' names,
    "depth" and perhaps "flow".

    `frames` makes a sequence of mode "generate" out of it; `expression` and `pose` are not used then. `face` is the
    protocol's index from 0, None to let the backend choose; the panel counts from 1.
    """

    mode: str  # "depth" | "generate" | "appearance"
    portrait: bytes
    portrait_name: str
    expression: Mapping[str, float] = field(default_factory=dict)
    pose: Mapping[str, float] = field(default_factory=dict)
    steps: int | None = None
    seed: int = 0
    face: int | None = None
    crop: tuple[int, int, int] | None = None  # left, top, side in pixels of the upright photo
    drawn_crop: tuple[int, int, int] | None = (
        None  # as the panel has it, on the photo as it is stored; not sent
    )
    maps: Maps = field(default_factory=dict)
    label: str = ""
    frames: tuple[FrameInput, ...] = ()

    @property
    def kind(self) -> str:
        """Which button made this job, for "Try Again"."""
        return self.mode

    @property
    def parts(self) -> Parts:
        """What is fetched of every frame: (part, format)."""
        return PARTS

    def files(self) -> dict[str, tuple[str, bytes | bytearray]]:
        """What is uploaded: field -> (file name, content)."""
        maps = {name: (f"{name}.npy", content) for name, content in self.maps.items()}
        return {"portrait": (self.portrait_name, self.portrait), **maps}

    def result(self, parts: Mapping[str, Part], info: dict) -> Any:
        """A frame's result from its parts and the backend's word of it. Raises BadAnswerError."""
        return _frame_result(parts, info)

    def request(self, client_job_id: str) -> dict[str, object]:
        frames = [{"expression": dict(frame.expression), "pose": dict(frame.pose)} for frame in self.frames]
        return {
            **({"frames": frames} if frames else {}),
            "mode": self.mode,
            "expression": dict(self.expression),
            "pose": dict(self.pose),
            "steps": self.steps,
            "seed": self.seed,
            "crop": list(self.crop) if self.crop else None,
            "face": self.face,
            "client_job_id": client_job_id,
        }


@dataclass(frozen=True)
class FrameResult:
    """One frame at the photo's size. depth_mm is NaN outside the head, nearer = larger."""

    rgb_png: bytes | memoryview  # a large one stays where it came: a copy takes more than a tick may
    depth_mm: np.ndarray  # float32 [H, W]
    coverage: np.ndarray  # float32 [H, W], 0..1
    mm_per_px: float
    info: dict


class Job:
    """Advance with the backend's address; read `state`, `progress`, `problem` and `results`.

    Frames are fetched as soon as they are finished; `take_results` gives them out while the others are being made.
    """

    def __init__(self, job_input: JobInput, deadlines: Deadlines, rest: Steps[Made] | None = None):
        """`rest`: makes what the input still lacks, a few steps a tick."""
        self.input = job_input
        self.id = uuid.uuid4().hex
        self.state = JobState.WAITING if rest is None else JobState.PREPARING
        self.phase = ""
        self.step = 0
        self.total = 0
        self.problem: Problem | None = None
        self.results: list[Any] = []  # FrameResult, or what else `JobInput.result` makes
        self.dropped_answers = 0
        self.started_s = time.monotonic()
        self._preparing = None if rest is None else self._completed(rest)
        self._deadlines = deadlines
        self._exchange: Exchange | None = None
        self._server_id = ""
        self._next_poll_s = 0.0
        self._changed_s = self.started_s
        self._cancel_since_s: float | None = None
        self._delete_sent = False
        self._frames: list[dict] = []  # the backend's word of every finished frame
        self._fetched = 0
        self._fetching = False  # the exchange under way fetches a part of a frame
        self._parts: dict[str, Part] = {}

    @property
    def progress(self) -> float:
        """0..1 for a progress bar."""
        if self.state is JobState.DONE:
            return 1.0
        if self.input.frames:
            return min(1.0, (self._fetched + len(self._parts) / len(PARTS)) / len(self.input.frames))
        if self.state is JobState.DOWNLOADING:
            parts = len(self.input.parts)
            wanted = max(1, len(self._frames) * parts)
            return 0.9 + 0.1 * (self._fetched * parts + len(self._parts)) / wanted
        return 0.9 * min(1.0, self.step / self.total) if self.total else 0.0

    @property
    def frames_fetched(self) -> int:
        """How many frames have come so far."""
        return self._fetched

    def take_results(self) -> list[FrameResult]:
        """The frames that came since the last call, in order; they are not kept here any longer."""
        taken, self.results = self.results, []
        return taken

    def advance(self, address: Address | None, budget_s: float = 0.004) -> None:
        """One tick. `address` is None until the backend is ready."""
        if self.state.ended:
            return
        try:
            if self._cancel_since_s is not None:
                self._advance_cancel(address, budget_s)
            elif self._preparing is not None:
                self._prepare(self._preparing, budget_s)
            elif address is not None:
                self._advance(address, budget_s)
        except ExchangeError as error:
            if self._cancel_since_s is not None:
                self._end(JobState.CANCELLED)
            else:
                code = "bad_answer" if isinstance(error, BadAnswerError) else "backend_unreachable"
                self.fail(errors.local(code, detail=str(error)))
        except AddonError as error:
            if self._cancel_since_s is not None:
                self._end(JobState.CANCELLED)
            else:
                self.fail(error.problem)

    def cancel(self) -> None:
        """Asks for the end; the state becomes CANCELLED within the deadline whatever the backend does."""
        if self.state.ended or self._cancel_since_s is not None:
            return
        self._cancel_since_s = time.monotonic()
        self.state = JobState.CANCELLING
        uploading = self._exchange is not None and self._exchange.path == "/v1/jobs"
        if not self._server_id and not uploading:
            self._end(JobState.CANCELLED)
        elif not uploading:
            self._drop_exchange()

    def fail(self, problem: Problem) -> None:
        if not self.state.ended:
            self.problem = problem
            self._end(JobState.FAILED)

    def _end(self, state: JobState) -> None:
        self._drop_exchange()
        self._preparing = None
        self.state = state

    def _drop_exchange(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def _completed(self, rest: Steps[Made]) -> Steps[None]:
        self.input = replace(self.input, **(yield from rest))

    def _prepare(self, preparing: Steps[None], budget_s: float) -> None:
        try:
            done = advance(preparing, budget_s)
        except (ValueError, ArithmeticError, IndexError, MemoryError) as error:
            raise AddonError(errors.local("preparing_failed", detail=str(error))) from error
        if done:
            self._preparing = None
            self._enter(JobState.WAITING)

    def _advance(self, address: Address, budget_s: float) -> None:
        now_s = time.monotonic()
        if self.state is JobState.WAITING:
            self._exchange = protocol.post_job(address, self.input.request(self.id), self.input.files())
            self._enter(JobState.UPLOADING)
        if self._exchange is None and self.state is not JobState.UPLOADING:
            self._fetching = self._fetched < len(self._frames)
            if self._fetching:
                self._exchange = self._next_part(address)
            elif now_s < self._next_poll_s:
                return
            else:
                self._exchange = protocol.get_job(address, self._server_id, self.id, len(self._frames))
        answer = self._answer(budget_s)
        if answer is None:
            return
        if self.state is JobState.UPLOADING:
            value = protocol.checked(answer).json()
            if not value.get("job_id"):
                raise BadAnswerError("no job is named")
            self._server_id = str(value["job_id"])
            self._enter(JobState.QUEUED)
        elif self._fetching:
            self._take_part(answer)
        else:
            self._take_status(answer, address)

    def _answer(self, budget_s: float) -> Answer | None:
        """The answer of the exchange under way once it is complete and ours."""
        exchange = self._exchange
        if exchange is None:
            return None
        if not exchange.advance(budget_s):
            if time.monotonic() - exchange.last_activity_s > self._deadlines.answer_s:
                raise AddonError(errors.local("backend_unreachable"))
            return None
        self._exchange = None
        if exchange.owner != self.id:
            self.dropped_answers += 1
            return None
        return exchange.answer

    def _take_status(self, answer: Answer, address: Address) -> None:
        status = protocol.parse_job_status(protocol.checked(answer).json())
        now_s = time.monotonic()
        self._next_poll_s = now_s + POLL_INTERVAL_S
        if status.server_id != self._server_id or status.client_job_id not in ("", self.id):
            self.dropped_answers += 1
            return
        if (status.phase, status.step, status.total) != (self.phase, self.step, self.total):
            self._changed_s = now_s
        self.phase, self.step, self.total = status.phase, status.step, status.total
        self._frames += status.frames
        if len(self._frames) > max(1, len(self.input.frames)):
            raise BadAnswerError(f"{len(self._frames)} frames came of {max(1, len(self.input.frames))}")
        if status.state == "failed":
            self.fail(backend_errors.from_backend(status.error or {}))
        elif status.state == "cancelled":
            self._end(JobState.CANCELLED)
        elif status.state == "done":
            if len(self._frames) < max(1, len(self.input.frames)):
                raise BadAnswerError(f"only {len(self._frames)} frames are named")
            self._enter(JobState.DOWNLOADING)
            if self._fetched == len(self._frames):
                self._end(JobState.DONE)
        elif now_s - self._changed_s > self._deadlines.no_progress_s:
            self._exchange = protocol.delete_job(address, self._server_id, self.id)
            self._exchange.advance()
            self.fail(errors.local("no_progress"))
        elif status.state == "running" and self.state is JobState.QUEUED:
            self._enter(JobState.RUNNING)

    def _enter(self, state: JobState) -> None:
        self.state = state
        self._changed_s = time.monotonic()

    def _next_part(self, address: Address) -> Exchange:
        part, fmt = self.input.parts[len(self._parts)]
        return protocol.get_frame_part(address, self._server_id, self._fetched, part, fmt, self.id)

    def _take_part(self, answer: Answer) -> None:
        """Checks one file of a frame; after the last file of the last frame the job is done."""
        part, fmt = self.input.parts[len(self._parts)]
        body = protocol.checked(answer).body
        try:
            self._parts[part] = _READERS[fmt](body)
        except ValueError as error:
            raise BadAnswerError(f"{part}: {error}") from error
        if len(self._parts) == len(self.input.parts):
            self.results.append(self.input.result(self._parts, self._frames[self._fetched]))
            self._parts = {}
            self._fetched += 1
            self._changed_s = time.monotonic()
        if self.state is JobState.DOWNLOADING and self._fetched == len(self._frames):
            self._end(JobState.DONE)

    def _advance_cancel(self, address: Address | None, budget_s: float) -> None:
        waited_s = time.monotonic() - (self._cancel_since_s or 0.0)
        if address is None or waited_s > self._deadlines.cancel_s:
            self._end(JobState.CANCELLED)
            return
        if self._exchange is None:
            if self._delete_sent:
                self._end(JobState.CANCELLED)
                return
            self._exchange = protocol.delete_job(address, self._server_id, self.id)
            self._delete_sent = True
        answer = self._answer(budget_s)
        if answer is not None and not self._server_id:
            # The upload was under way: its answer names the job that must be deleted.
            self._server_id = str(protocol.checked(answer).json().get("job_id") or "")
            self._delete_sent = not self._server_id
        elif answer is not None:
            self._end(JobState.CANCELLED)


def _float32(values: np.ndarray) -> np.ndarray:
    """Without a copy where they are so already: copying 3000 x 3000 takes 20 ms of a tick."""
    return values.astype(np.float32, copy=False)


def _frame_result(parts: Mapping[str, Part], info: dict) -> FrameResult:
    depth, coverage, rgb = parts["depth"], parts["coverage"], parts["rgb"]
    assert isinstance(depth, np.ndarray) and isinstance(coverage, np.ndarray)
    assert not isinstance(rgb, np.ndarray)
    width, height = arrays.png_size(rgb)
    if depth.shape != (height, width) or coverage.shape != depth.shape:
        raise BadAnswerError(
            f"sizes differ: picture {height}x{width}, depth {depth.shape}, coverage {coverage.shape}"
        )
    mm_per_px = info.get("mm_per_px")
    if not isinstance(mm_per_px, (int, float)) or not 0 < mm_per_px < 1000:
        raise BadAnswerError(f"mm_per_px is {mm_per_px!r}")
    return FrameResult(rgb, _float32(depth), _float32(coverage), float(mm_per_px), info)
