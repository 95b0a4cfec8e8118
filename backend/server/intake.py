# SPDX-License-Identifier: GPL-3.0-or-later
"""From the multipart form of POST /v1/jobs to a job whose files lie in its folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from backend.errors import InputError, PortraitReliefError
from backend.model.expression_names import ARKIT_NAMES
from backend.server import uploads
from backend.server.jobs import Job, JobBoard
from backend.server.limits import Limits
from backend.server.request import JobRequest, parse_request


async def receive_job(request: Request, board: JobBoard, limits: Limits) -> Job:
    """Check the form and lay the job's files down; nothing stays behind if anything is wrong.

    Raises:
        InputError: anything about the form, the parameters, the photo or the depth.
        BackendUnavailable: the queue is full. PortraitReliefError: the disk is.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InputError(
            "Jobs are sent as multipart/form-data.",
            "Send the fields 'request' (JSON), 'portrait' (a picture) and, for 'appearance', 'depth' (.npy).",
            code="wrong_content_type",
            http_status=415,
        )
    board.check_queue()
    async with request.form(max_files=3, max_fields=3, max_part_size=limits.request_json_bytes) as form:
        text = form.get("request")
        if isinstance(text, UploadFile):
            text = (await text.read(limits.request_json_bytes + 1)).decode("utf-8", "replace")
        if text is None:
            raise InputError("The field 'request' is missing.", "It holds the parameters as JSON.")
        wanted = parse_request(text, limits=limits, expression_names=ARKIT_NAMES)
        photo, depth = form.get("portrait"), form.get("depth")
        if not isinstance(photo, UploadFile):
            raise InputError("The photo is missing.", "Send it as the file field 'portrait'.")
        if wanted.mode == "appearance" and not isinstance(depth, UploadFile):
            hint = "The mode 'appearance' needs the file field 'depth'."
            raise InputError("The depth is missing.", hint, code="bad_depth")
        # In a thread: decoders and disks may be slow, and the front answers everybody else meanwhile.
        return await run_in_threadpool(
            _lay_down, board, limits, wanted, photo, depth if isinstance(depth, UploadFile) else None
        )


def _lay_down(
    board: JobBoard, limits: Limits, wanted: JobRequest, photo: UploadFile, depth: UploadFile | None
) -> Job:
    name = uploads.safe_file_name(photo.filename)
    size = uploads.photo_size(photo.file, name, limits)
    if wanted.mode != "appearance":
        depth = None
    if depth is not None:
        uploads.check_depth(depth.file, size)
    uploads.check_disk(board.folder, size, len(wanted.frames), limits)
    job_id, folder = board.new_folder()
    try:
        # A folder of its own: no name a client chooses can meet one of ours.
        (folder / "photo").mkdir()
        _copy(photo, folder / "photo" / name)
        if depth is not None:
            _copy(depth, folder / "depth.npy")
        wanted = replace(wanted, photo_file=f"photo/{name}")
        (folder / "request.json").write_text(wanted.to_json(), encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise PortraitReliefError(
            f"The photo cannot be written to {folder} ({error.strerror}).",
            "Free some space or set another folder for temporary files.",
            code="disk_full",
            http_status=507,
        ) from None
    return Job(job_id, wanted, folder)


def _copy(upload: UploadFile, path: Path) -> None:
    upload.file.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(upload.file, target, 2**20)
