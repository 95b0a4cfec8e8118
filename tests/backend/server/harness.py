# SPDX-License-Identifier: GPL-3.0-or-later
"""A real backend process for tests, and a small client for it on the standard library alone."""

from __future__ import annotations

import http.client
import io
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TOKEN = "a-token-for-tests"
REPOSITORY = Path(__file__).resolve().parents[3]
WAIT_S = 90.0
CROP = [140, 20, 256]
"""The head in :func:`astronaut`."""


def astronaut(scale: int = 1) -> bytes:
    """The 512 x 512 photo of Eileen Collins that comes with scikit-image, ``scale`` times, as JPEG."""
    from skimage import data

    image = Image.fromarray(data.astronaut())
    image = image.resize((512 * scale, 512 * scale))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def multipart(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    """(body, content type) of a form."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, (file_name, content) in files.items():
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n\r\n'
        )
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """The code of an error answer."""
        return self.json()["error"]["code"]


class Backend:
    """``python -m backend serve`` on the tiny checkpoint; a context manager."""

    def __init__(self, checkpoint: Path, folder: Path, *options: str, token: str | None = TOKEN) -> None:
        self.log_file = folder / "backend.log"
        self.temp_dir = folder / "temp"
        self.temp_dir.mkdir(exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("PORTRAIT_RELIEF_TOKEN", None)
        if token is not None:
            environment["PORTRAIT_RELIEF_TOKEN"] = token
        command = [
            sys.executable,
            "-m",
            "backend",
            "serve",
            "--device",
            "cpu",
            "--checkpoint",
            str(checkpoint),
        ]
        command += ["--log-file", str(self.log_file), "--temp-dir", str(self.temp_dir), *options]
        self.process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.first_line = json.loads(self.process.stdout.readline())
        self.port: int = self.first_line["port"]

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *_exception: object) -> None:
        assert (
            self.process.stdin is not None
            and self.process.stdout is not None
            and self.process.stderr is not None
        )
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.process.stderr.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> Answer:
        """One request with the right token, unless ``headers`` says otherwise (an empty value drops one)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        all_headers = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
        try:
            connection.request(
                method, path, body, {key: value for key, value in all_headers.items() if value}
            )
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def health(self) -> dict[str, Any]:
        return self.request("GET", "/v1/health").json()

    def health_seconds(self) -> float:
        """How long one answer takes. On a busy machine a single one says little: take the median of several."""
        started = time.monotonic()
        self.health()
        return time.monotonic() - started

    def submit(
        self,
        request: Mapping[str, Any] | str,
        photo: bytes | None = None,
        depth: bytes | None = None,
        name: str = "a.jpg",
        flow: bytes | None = None,
    ) -> Answer:
        files = {} if photo is None else {"portrait": (name, photo)}
        for field, content in (("depth", depth), ("flow", flow)):
            if content is not None:
                files[field] = (f"{field}.npy", content)
        text = request if isinstance(request, str) else json.dumps(request)
        body, content_type = multipart({"request": text}, files)
        return self.request("POST", "/v1/jobs", body, {"Content-Type": content_type})

    def drive(
        self, driver: bytes, name: str, portrait: bytes | None = None, client_job_id: str = "", **drive: Any
    ) -> Answer:
        """A job in mode ``drive``; ``drive`` is the request's part of that name."""
        files = {"driver": (name, driver)}
        if portrait is not None:
            files["portrait"] = ("a.jpg", portrait)
        request = {"mode": "drive", "drive": drive, "client_job_id": client_job_id}
        body, content_type = multipart({"request": json.dumps(request)}, files)
        return self.request("POST", "/v1/jobs", body, {"Content-Type": content_type})

    def start_job(self, photo: bytes, **request: Any) -> str:
        answer = self.submit({"mode": "generate", "crop": CROP, **request}, photo)
        assert answer.status == 202, answer.content
        return answer.json()["job_id"]

    def job(self, job_id: str) -> dict[str, Any]:
        return self.request("GET", f"/v1/jobs/{job_id}").json()

    def wait_job(self, job_id: str, until: Callable[[dict[str, Any]], bool] | None = None) -> dict[str, Any]:
        """Poll until ``until`` holds, or until the job has finished."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            job = self.job(job_id)
            if job["state"] in ("done", "failed", "cancelled") or (until is not None and until(job)):
                return job
            time.sleep(0.02)
        raise AssertionError(f"still {job} after {WAIT_S} s\n{self.log()}")

    def wait_health(self, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            health = self.health()
            if until(health):
                return health
            time.sleep(0.05)
        raise AssertionError(f"still {health} after {WAIT_S} s\n{self.log()}")

    def wait_ready(self) -> int:
        """Wait for the worker; returns its process id."""
        return self.wait_health(lambda health: health["status"] == "ok")["worker_pid"]

    def frame(self, job_id: str, index: int, picture: str, file_format: str) -> bytes:
        answer = self.request("GET", f"/v1/jobs/{job_id}/frames/{index}/{picture}?format={file_format}")
        assert answer.status == 200, answer.content
        return answer.content

    def array(self, job_id: str, index: int, picture: str) -> np.ndarray:
        return np.load(io.BytesIO(self.frame(job_id, index, picture, "npy")), allow_pickle=False)

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""
