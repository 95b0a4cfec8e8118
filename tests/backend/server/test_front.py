# SPDX-License-Identifier: GPL-3.0-or-later
"""What the front process answers, whom it refuses, and what it never does."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import select
import statistics
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.server.limits import Limits
from backend.version import PROTOCOL_VERSION, VERSION
from tests.backend.server.harness import CROP, REPOSITORY, TOKEN, Backend, multipart

JOB = {"mode": "depth", "crop": CROP}


def test_first_line_tells_where_it_listens(backend: Backend) -> None:
    assert backend.first_line == {
        "port": backend.port,
        "protocol": PROTOCOL_VERSION,
        "pid": backend.process.pid,
        "version": VERSION,
    }


def test_health_and_capabilities(backend: Backend) -> None:
    worker_pid = backend.wait_ready()
    health = backend.health()
    assert health["protocol"] == PROTOCOL_VERSION and health["worker_pid"] == worker_pid
    assert health["pid"] == backend.process.pid and health["worker_restarts"] == 0 and health["error"] is None
    capabilities = backend.request("GET", "/v1/capabilities").json()
    assert len(capabilities["expression_names"]) == 51 and "jawOpen" in capabilities["expression_names"]
    assert capabilities["device"]["type"] == "cpu" and capabilities["device"]["memory_total_bytes"] > 2**28
    assert capabilities["checkpoint"]["resolution_px"] == 32 and capabilities["precision"] == "float32"
    assert capabilities["formats"]["depth"] == ["exr", "npy", "png16"]


def test_stdout_is_silent_after_the_first_line(backend: Backend) -> None:
    backend.wait_ready()
    assert backend.process.stdout is not None
    readable, _, _ = select.select([backend.process.stdout], [], [], 0.1)
    assert not readable


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_only_the_worker_loads_torch(backend: Backend) -> None:
    worker_pid = backend.wait_ready()
    assert "libtorch" in Path(f"/proc/{worker_pid}/maps").read_text()
    assert "libtorch" not in Path(f"/proc/{backend.process.pid}/maps").read_text()


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": ""}, 401, "wrong_token"),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401, "wrong_token"),
        ({"Authorization": f"Basic {TOKEN}"}, 401, "wrong_token"),
        ({"Authorization": "Bearer t\xf6ken"}, 401, "wrong_token"),
        ({"Host": "evil.example"}, 403, "wrong_host"),
        ({"Host": "127.0.0.1.evil.example:80"}, 403, "wrong_host"),
        ({"Origin": "https://evil.example"}, 403, "no_web_pages"),
    ],
)
def test_strangers_are_refused(backend: Backend, headers: dict[str, str], status: int, code: str) -> None:
    for method, path in (("GET", "/v1/health"), ("POST", "/v1/shutdown"), ("GET", "/nowhere")):
        answer = backend.request(method, path, headers=headers)
        assert (answer.status, answer.code) == (status, code)
        assert not any(name.lower().startswith("access-control") for name in answer.headers)
    assert backend.health()["status"] in ("ok", "starting")


def test_preflight_of_a_browser_gets_no_permission(backend: Backend) -> None:
    answer = backend.request("OPTIONS", "/v1/jobs", headers={"Access-Control-Request-Method": "POST"})
    assert answer.status == 405
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


def test_both_names_of_this_machine_work(backend: Backend) -> None:
    for host in (f"127.0.0.1:{backend.port}", f"localhost:{backend.port}", "LOCALHOST"):
        assert backend.request("GET", "/v1/health", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/health", 404, "no_such_route"),
        ("GET", "/docs", 404, "no_such_route"),
        ("GET", "/openapi.json", 404, "no_such_route"),
        ("GET", "/v1/shutdown", 405, "wrong_method"),
        ("GET", "/v1/jobs/0123", 404, "no_such_job"),
        ("DELETE", "/v1/jobs/0123", 404, "no_such_job"),
        ("GET", "/v1/jobs/0123/frames/0/rgb", 404, "no_such_job"),
        ("GET", "/v1/jobs/0123/frames/x/rgb", 422, "bad_input"),
        ("GET", "/v1/jobs/..%2F..%2Fetc/frames/0/rgb", 404, "no_such_route"),
    ],
)
def test_addresses_that_lead_nowhere_get_json_errors(
    backend: Backend, method: str, path: str, status: int, code: str
) -> None:
    answer = backend.request(method, path)
    assert (answer.status, answer.code) == (status, code)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("request_json", "status", "code", "hint"),
    [
        ("{not json", 400, "bad_json", ""),
        ("[1, 2]", 400, "bad_json", ""),
        ('{"mode": "depth", "seed": NaN}', 400, "bad_json", ""),
        ("[" * 100_000, 400, "bad_json", ""),
        ({"mode": "paint"}, 422, "bad_input", "depth, generate, appearance"),
        ({"mode": "generate", "expressions": {}}, 422, "bad_input", "expression"),
        ({"mode": "generate", "expression": {"jawopen": 1}}, 422, "unknown_expression", "jawOpen"),
        ({"mode": "generate", "expression": {"smile": 1}}, 422, "unknown_expression", "mouthSmileLeft"),
        ({"mode": "generate", "expression": {"jawOpen": 1.5}}, 422, "out_of_range", ""),
        ({"mode": "generate", "expression": {"jawOpen": True}}, 422, "bad_input", ""),
        ({"mode": "generate", "expression": {"jawOpen": "1"}}, 422, "bad_input", ""),
        ({"mode": "generate", "pose": {"tilt": 1}}, 422, "unknown_pose", "roll"),
        ({"mode": "generate", "pose": {"yaw": 200}}, 422, "out_of_range", ""),
        ({"mode": "generate", "frames": []}, 422, "bad_input", ""),
        ({"mode": "generate", "frames": [{}] * 513}, 422, "too_many_frames", "several jobs"),
        ({"mode": "generate", "frames": [{"expression": {"jaw": 1}}]}, 422, "unknown_expression", "jawOpen"),
        ({"mode": "depth", "frames": [{}]}, 422, "bad_input", ""),
        ({"mode": "generate", "steps": 0}, 422, "out_of_range", ""),
        ({"mode": "generate", "steps": 10**9}, 422, "out_of_range", ""),
        ({"mode": "generate", "seed": -1}, 422, "out_of_range", ""),
        ({"mode": "generate", "crop": [0, 0]}, 422, "bad_crop", ""),
        ({"mode": "appearance"}, 422, "bad_depth", ""),
    ],
)
def test_wrong_requests_are_refused_at_once(
    backend: Backend, photo: bytes, request_json: Any, status: int, code: str, hint: str
) -> None:
    answer = backend.submit(request_json, photo)
    assert (answer.status, answer.code) == (status, code), answer.content
    assert hint in answer.json()["error"]["hint"]


def test_jobs_must_be_multipart(backend: Backend) -> None:
    answer = backend.request(
        "POST", "/v1/jobs", json.dumps(JOB).encode(), {"Content-Type": "application/json"}
    )
    assert (answer.status, answer.code) == (415, "wrong_content_type")
    answer = backend.request("POST", "/v1/jobs", b"nonsense", {"Content-Type": "multipart/form-data"})
    assert answer.status in (400, 422) and answer.json()["error"]["message"]


def test_the_photo_is_needed_and_must_be_one(backend: Backend, photo: bytes) -> None:
    assert backend.submit(JOB).status == 422
    for content in (b"", b"GIF89a", photo[:100], b"%!PS-Adobe-3.0 EPSF-3.0"):
        answer = backend.submit(JOB, content, name="../../holi day.jpg")
        assert answer.code == "unreadable_photo"
        assert "holi day.jpg" in answer.json()["error"]["message"]


def test_pictures_with_too_many_pixels_are_refused_unread(backend: Backend) -> None:
    buffer = io.BytesIO()
    Image.new("1", (8001, 10)).save(buffer, "PNG")
    answer = backend.submit(JOB, buffer.getvalue())
    assert (answer.status, answer.code) == (413, "too_many_pixels")
    bomb = io.BytesIO()
    Image.new("1", (30000, 30000)).save(bomb, "PNG")  # 110 kB that would become 2.7 GB of RGB
    answer = backend.submit(JOB, bomb.getvalue())
    assert (answer.status, answer.code) == (413, "too_many_pixels")


def test_uploads_above_the_limit_are_refused(backend: Backend) -> None:
    body, content_type = multipart({"request": json.dumps(JOB)}, {"portrait": ("a.jpg", bytes(65 * 2**20))})
    answer = backend.request("POST", "/v1/jobs", body, {"Content-Type": content_type})
    assert (answer.status, answer.code) == (413, "too_large")
    assert "64 MiB" in answer.json()["error"]["message"]


def test_bodies_above_the_limit_are_refused_by_their_declared_length(backend: Backend) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(10**10)}
    answer = backend.request("POST", "/v1/jobs", None, headers)
    assert (answer.status, answer.code) == (413, "too_large")


def test_uploads_of_undeclared_length_are_counted(backend: Backend) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", backend.port, timeout=30)
    head = b'--x\r\nContent-Disposition: form-data; name="portrait"; filename="a.jpg"\r\n\r\n'
    chunks = itertools.chain([head], itertools.repeat(bytes(2**20), Limits().body_bytes // 2**20 + 75))
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "multipart/form-data; boundary=x"}
    try:
        with contextlib.suppress(ConnectionError):  # it hangs up in the middle of what it will not read
            connection.request("POST", "/v1/jobs", chunks, headers, encode_chunked=True)
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["error"]["code"] == "too_large"
    finally:
        connection.close()


def test_the_front_answers_others_during_a_large_upload(backend: Backend) -> None:
    body, content_type = multipart({"request": json.dumps(JOB)}, {"portrait": ("a.jpg", bytes(60 * 2**20))})
    uploading = threading.Thread(
        target=backend.request, args=("POST", "/v1/jobs", body, {"Content-Type": content_type})
    )
    uploading.start()
    seconds = [backend.health_seconds()]
    while uploading.is_alive():
        seconds.append(backend.health_seconds())
    assert statistics.median(seconds) < 0.5


def test_without_a_token_it_does_not_start() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backend", "serve"],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3 and done.stdout == ""
    assert "PORTRAIT_RELIEF_TOKEN" in done.stderr and "Traceback" not in done.stderr
