# SPDX-License-Identifier: GPL-3.0-or-later
"""From the multipart form of POST /v1/jobs to a job whose files lie in its folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
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
        InputError: anything about the form, the parameters, the photo, the depth or the driver.
        BackendUnavailable: the queue is full. PortraitReliefError: the disk is.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InputError(
            "Jobs are sent as multipart/form-data.",
            "Send the fields 'request' (JSON), 'portrait' (a picture), for 'appearance' 'depth' and perhaps "
            "'flow' (.npy), and for 'drive' 'driver'.",
            code="wrong_content_type",
            http_status=415,
        )
    board.check_queue()
    async with request.form(max_files=4, max_fields=3, max_part_size=limits.request_json_bytes) as form:
        text = form.get("request")
        if isinstance(text, UploadFile):
            text = (await text.read(limits.request_json_bytes + 1)).decode("utf-8", "replace")
        if text is None:
            raise InputError("The field 'request' is missing.", "It holds the parameters as JSON.")
        wanted = parse_request(text, limits=limits, expression_names=ARKIT_NAMES)
        photo, depth, driver = form.get("portrait"), form.get("depth"), form.get("driver")
        if wanted.drive is not None:
            if not isinstance(driver, UploadFile):
                raise InputError(
                    "The driver is missing.",
                    "Send a photo, a movie or a zip of pictures as the file field 'driver'.",
                    code="unreadable_driver",
                )
            if wanted.drive.own != "portrait" or wanted.drive.motion != "relative":
                photo = None
            elif not isinstance(photo, UploadFile):
                raise InputError("The photo is missing.", "'own' is 'portrait': send the field 'portrait'.")
            return await run_in_threadpool(
                _lay_down_driver,
                board,
                limits,
                wanted,
                driver,
                photo if isinstance(photo, UploadFile) else None,
            )
        if not isinstance(photo, UploadFile):
            raise InputError("The photo is missing.", "Send it as the file field 'portrait'.")
        if wanted.mode == "appearance" and not isinstance(depth, UploadFile):
            hint = "The mode 'appearance' needs the file field 'depth'."
            raise InputError("The depth is missing.", hint, code="bad_depth")
        # In a thread: decoders and disks may be slow, and the front answers everybody else meanwhile.
        shape = {
            name: upload
            for name in ("depth", "flow")
            if wanted.mode == "appearance" and isinstance(upload := form.get(name), UploadFile)
        }
        return await run_in_threadpool(_lay_down, board, limits, wanted, photo, shape)


def _lay_down(
    board: JobBoard, limits: Limits, wanted: JobRequest, photo: UploadFile, shape: Mapping[str, UploadFile]
) -> Job:
    """``shape``: the sculpted relief, by the names of its fields."""
    name = uploads.safe_file_name(photo.filename)
    size = uploads.photo_size(photo.file, name, limits)
    for field, upload in shape.items():
        {"depth": uploads.check_depth, "flow": uploads.check_flow}[field](upload.file, size)
    uploads.check_disk(board.folder, size, len(wanted.frames), limits)
    wanted = replace(wanted, photo_file=f"photo/{name}")
    sculpted = {f"{field}.npy": upload for field, upload in shape.items()}
    return _job(board, wanted, {wanted.photo_file: photo, **sculpted})


def _lay_down_driver(
    board: JobBoard, limits: Limits, wanted: JobRequest, driver: UploadFile, photo: UploadFile | None
) -> Job:
    name = uploads.safe_file_name(driver.filename)
    uploads.check_driver(driver.file, name, board.folder, limits)
    wanted = replace(wanted, driver_file=f"driver/{name}")
    files = {wanted.driver_file: driver}
    if photo is not None:
        photo_name = uploads.safe_file_name(photo.filename)
        uploads.photo_size(photo.file, photo_name, limits)
        wanted = replace(wanted, photo_file=f"photo/{photo_name}")
        files[wanted.photo_file] = photo
    return _job(board, wanted, files)


def _job(board: JobBoard, wanted: JobRequest, files: Mapping[str, UploadFile]) -> Job:
    """``files``: place below the job's folder -> content. What a client named lies in a folder of its own: no
    such name can meet one of ours.
    """
    job_id, folder = board.new_folder()
    try:
        for place, upload in files.items():
            (folder / place).parent.mkdir(exist_ok=True)
            _copy(upload, folder / place)
        (folder / "request.json").write_text(wanted.to_json(), encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise PortraitReliefError(
            f"What was sent cannot be written to {folder} ({error.strerror}).",
            "Free some space or set another folder for temporary files.",
            code="disk_full",
            http_status=507,
        ) from None
    return Job(job_id, wanted, folder)


def _copy(upload: UploadFile, path: Path) -> None:
    upload.file.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(upload.file, target, 2**20)
