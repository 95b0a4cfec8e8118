# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes under /v1. Every error is JSON: ``{"error": {"code", "message", "hint"}}``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from backend.errors import BackendUnavailable, InputError, PortraitReliefError
from backend.model.expression_names import ARKIT_NAMES, POSE_NAMES
from backend.server import frames
from backend.server.intake import receive_job
from backend.server.jobs import JobBoard
from backend.server.limits import Limits
from backend.server.request import MODES, POSE_RANGE_DEG
from backend.server.security import Gate
from backend.server.supervisor import FAILED, Supervisor
from backend.version import PROTOCOL_VERSION, VERSION

LOGGER = logging.getLogger("portrait_relief.app")
_VERSIONS_HINT = (
    f"This backend is version {VERSION}, protocol {PROTOCOL_VERSION}: the program that asks may need another."
)
_WRONG_CHOICES = ("unknown_device", "unsupported_precision")  # mended in the preferences, not by the log
_HTTP_CODES = {404: "no_such_route", 405: "wrong_method", 400: "bad_request"}


def create_app(
    *,
    board: JobBoard,
    supervisor: Callable[[], Supervisor],
    limits: Limits,
    token: str | None,
    started: Callable[[], None],
    request_stop: Callable[[], None],
) -> Gate:
    """The ASGI application. ``supervisor`` is called inside the event loop, ``started`` once that runs."""
    state: dict[str, Supervisor] = {}

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        state["supervisor"] = supervisor()
        state["supervisor"].start()
        started()
        yield
        await state["supervisor"].stop()

    app = FastAPI(
        title="Portrait Relief",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    _add_error_handlers(app)

    @app.get("/v1/health")
    async def health() -> dict[str, Any]:
        worker = state["supervisor"]
        return {
            "status": worker.status,
            "protocol": PROTOCOL_VERSION,
            "version": VERSION,
            "pid": os.getpid(),
            "worker_pid": worker.worker_pid,
            "worker_restarts": worker.restarts,
            "model": worker.model,
            "jobs": board.counts(),
            "error": worker.failure.to_dict() if worker.failure else None,
        }

    @app.get("/v1/capabilities")
    async def capabilities() -> dict[str, Any]:
        """``device``, ``precision``, ``checkpoint`` and ``driving`` are null until the worker is ready."""
        return {
            "protocol": PROTOCOL_VERSION,
            "version": VERSION,
            "modes": list(MODES),
            "expression_names": list(ARKIT_NAMES),
            "pose_names": list(POSE_NAMES),
            "pose_range_deg": POSE_RANGE_DEG,
            "formats": frames.formats(),
            "limits": {
                "photo_bytes": limits.photo_bytes,
                "driver_bytes": limits.driver_bytes,
                "side_px": limits.side_px,
                "frames_per_job": limits.frames_per_job,
                "queued_jobs": limits.queued_jobs,
                "steps": limits.steps,
            },
            "device": None,
            "precision": None,
            "checkpoint": None,
            "driving": None,
            **state["supervisor"].capabilities,
        }

    @app.post("/v1/jobs", status_code=202)
    async def submit(request: Request) -> dict[str, str]:
        worker = state["supervisor"]
        if worker.status == FAILED and worker.failure is not None:
            failure = worker.failure
            code = failure.code if failure.code in _WRONG_CHOICES else "worker_failed"
            raise BackendUnavailable(failure.message, failure.hint, code=code)
        job = await receive_job(request, board, limits)
        try:
            board.submit(job)
        except PortraitReliefError:  # the queue has filled meanwhile
            shutil.rmtree(job.folder, ignore_errors=True)
            raise
        worker.wake()
        LOGGER.info("job %s queued: %s, %d frames", job.job_id, job.request.mode, len(job.request.frames))
        return {"job_id": job.job_id, "state": job.state}

    @app.get("/v1/jobs/{job_id}")
    async def job_state(job_id: str, frames_from: int = 0) -> dict[str, Any]:
        return board.get(job_id).to_dict(max(frames_from, 0))

    @app.delete("/v1/jobs/{job_id}")
    async def cancel_or_delete(job_id: str) -> dict[str, str]:
        deleted = board.get(job_id).finished
        job = board.cancel_or_delete(job_id)
        state["supervisor"].wake()
        return {"job_id": job_id, "state": "deleted" if deleted else job.state}

    @app.get("/v1/jobs/{job_id}/frames/{index}/{picture}")
    async def download(job_id: str, index: int, picture: str, format: str | None = None) -> Response:
        job = board.get(job_id)
        if not 0 <= index < len(job.frames):
            raise InputError(
                f"Frame {index} is not there: {len(job.frames)} of {len(job.request.frames)} are done.",
                "Wait until the job is done.",
                code="no_such_frame",
                http_status=404,
            )
        content, media_type = await run_in_threadpool(
            frames.encode, job.folder / f"frame-{index}", picture, format, job.frames[index]
        )
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-store"})

    @app.post("/v1/shutdown", status_code=202)
    async def shutdown() -> dict[str, str]:
        # The answer goes out first.
        asyncio.get_running_loop().call_later(0.05, request_stop)
        return {"state": "stopping"}

    return Gate(app, token=token, body_bytes=limits.body_bytes)


def _add_error_handlers(app: FastAPI) -> None:
    def answer(error: PortraitReliefError) -> JSONResponse:
        return JSONResponse({"error": error.to_dict()}, error.http_status)

    @app.exception_handler(PortraitReliefError)
    async def known(_request: Request, error: PortraitReliefError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        code = _HTTP_CODES.get(error.status_code, "http_error")
        message = f"The request cannot be answered ({error.detail})."
        return answer(PortraitReliefError(message, _VERSIONS_HINT, code=code, http_status=error.status_code))

    @app.exception_handler(RequestValidationError)
    async def validation(_request: Request, error: RequestValidationError) -> JSONResponse:
        where = "; ".join(f"{part['loc'][-1]}: {part['msg']}" for part in error.errors())
        return answer(InputError(f"The address cannot be understood ({where})."))

    @app.exception_handler(json.JSONDecodeError)
    async def bad_json(_request: Request, error: json.JSONDecodeError) -> JSONResponse:
        return answer(InputError(f"This is not JSON: {error}.", code="bad_json", http_status=400))

    @app.exception_handler(Exception)
    async def unknown(_request: Request, error: Exception) -> JSONResponse:
        LOGGER.error("unexpected error", exc_info=error)
        return answer(
            PortraitReliefError(
                f"The backend made a mistake ({type(error).__name__}).",
                "See the log file.",
                code="internal_error",
            )
        )
