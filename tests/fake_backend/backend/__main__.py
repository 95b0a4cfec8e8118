# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP server with the protocol of the real backend and a mode for each failure (see README.md)."""

from __future__ import annotations

import email
import email.policy
import http.server
import json
import math
import os
import struct
import sys
import threading
import time
import zlib
from array import array
from typing import Any

MODE = os.environ.get("FAKE_BACKEND_MODE", "ok")
TOKEN = os.environ.get("PORTRAIT_RELIEF_TOKEN", "")
PROTOCOL = 99 if MODE == "wrong_protocol" else 1
STEPS = {"slow": 30}.get(MODE, 2)
STEP_S = 0.1 if MODE in ("slow", "hang", "crash", "stuck") else 0.01
ERRORS = {
    "oom": (
        "out_of_memory",
        "There is not enough memory for this picture.",
        "Scale the photo down, close other programs, or choose the CPU as device if the GPU is full.",
    ),
    "no_face": (
        "no_face",
        "No face was found in portrait.png.",
        "Choose a photo in which the face is well visible.",
    ),
}
JOBS: dict[str, dict] = {}


def png(width: int, height: int, grey: int) -> bytes:
    rows = b"".join(b"\0" + _row(width, y, height, grey) for y in range(height))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    out = b"\x89PNG\r\n\x1a\n"
    for kind, data in parts:
        out += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return out


def _row(width: int, y: int, height: int, grey: int) -> bytes:
    return b"".join(bytes((grey, x * 255 // width, y * 255 // height)) for x in range(width))


def npy(values: array, width: int, height: int) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values.tobytes()


def half_ball(width: int, height: int) -> tuple[array, array]:
    """Depth of a half ball of radius 100 mm whose centre plane is at 0, NaN around it; and its coverage."""
    depth, coverage = array("f"), array("f")
    radius = 0.4 * min(width, height)
    for y in range(height):
        for x in range(width):
            r = math.hypot(x + 0.5 - width / 2, y + 0.5 - height / 2) / radius
            inside = r < 1 and MODE != "no_head"
            depth.append(100 * math.sqrt(1 - r * r) if inside else math.nan)
            coverage.append(1.0 if inside else 0.0)
    return depth, coverage


def recording(drive: dict) -> bytes:
    """Three frames 0.5 s apart: the jaw opens as far as its strength says, the head turns if it is driven.

    With FAKE_BACKEND_MEASURED (coefficients as JSON) one frame of these.
    """
    if measured := json.loads(os.environ.get("FAKE_BACKEND_MEASURED", "{}")):
        value = {
            "names": list(measured),
            "times_s": [0.0],
            "frames": [list(measured.values())],
            "found": [True],
        }
        return json.dumps(value).encode()
    strength = drive["strength"]
    driven = {"jawOpen": (0.0, 0.4, 0.8)} if strength["jaw"] else {}
    if strength["head"]:
        driven["yaw"] = (0.0, 10.0, 60.0)
    rows = [
        [value[i] * (strength["jaw"] if name == "jawOpen" else 1) for name, value in driven.items()]
        for i in range(3)
    ]
    value = {"names": list(driven), "times_s": [0.0, 0.5, 1.0], "frames": rows, "found": [True] * 3}
    text = json.dumps(value)
    return (text[: len(text) // 2] if MODE == "damaged" else text).encode()


def photo_size(data: bytes) -> tuple[int, int]:
    return struct.unpack(">II", data[16:24]) if data[:4] == b"\x89PNG" else (64, 64)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        sys.stderr.write(f"{format % args}\n")

    def send(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status: int, value: dict) -> None:
        self.send(status, json.dumps(value).encode())

    def refused(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return False
        error = {"code": "wrong_token", "message": "The token is not right.", "hint": "Name the right one."}
        self.send_json(401, {"error": error})
        return True

    def do_GET(self) -> None:
        if self.refused():
            return
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["v1", "health"]:
            health = {"status": "ok", "protocol": PROTOCOL, "version": "0.0-fake"}
            self.send_json(200, health | {"model": {"loaded": True, "worker_memory_bytes": 3 * 2**29}})
        elif parts == ["v1", "capabilities"]:
            self.send_json(200, {"device": {"type": "cpu", "name": "test"}})
        elif len(parts) == 3 and parts[2] in JOBS:
            self.job_state(JOBS[parts[2]], int(self.path.partition("frames_from=")[2] or 0))
        elif len(parts) == 6 and parts[2] in JOBS:
            self.frame_part(JOBS[parts[2]], int(parts[4]), parts[5])
        else:
            self.send_json(
                404, {"error": {"code": "no_such_job", "message": "There is no such job.", "hint": ""}}
            )

    def job_state(self, job: dict, frames_from: int) -> None:
        step = int((time.monotonic() - job["started"]) / STEP_S)
        wanted = job["request"].get("frames") or [job["request"]]
        frame = {"width": job["size"][0], "height": job["size"][1], "mm_per_px": 250.0 / job["size"][1]}
        asked = job["request"]
        report: dict[str, Any] = {"mode": asked["mode"], "crop": asked.get("crop") or [3.2, -2.1, 60.8]}
        told = {"mode": asked["mode"], "steps": asked.get("steps") or 1, "seed": asked.get("seed") or 0}
        report |= {"settings": told, "seconds": {"model": 0.5}}
        frame |= {"depth_min_mm": 0.0, "depth_max_mm": 100.0, "report": report}
        if MODE == "crash" and len(wanted) > 1 and step >= STEPS * 3:  # in the fourth frame
            os._exit(3)
        if step >= 2 and MODE == "crash" and len(wanted) == 1:
            os._exit(3)
        if step >= 2 and MODE == "hang":
            time.sleep(3600)
        if MODE == "garbage":
            self.send(200, b"<html>not what you expect</html>", "text/html")
            return
        state = {"job_id": job["id"], "client_job_id": job["client"], "phase": "denoising", "total": STEPS}
        done = [] if MODE in ("stuck", *ERRORS) else [frame] * min(step // STEPS, len(wanted))
        state |= {"state": "running", "step": min(step - STEPS * len(done), STEPS), "frames_done": len(done)}
        state |= {"frames_total": len(wanted), "frames": done[frames_from:], "error": None, "seconds": 0.0}
        if MODE == "stuck":
            state["step"] = 1
        elif step >= STEPS and MODE in ERRORS:
            code, message, hint = ERRORS[MODE]
            state |= {"state": "failed", "error": {"code": code, "message": message, "hint": hint}}
        elif len(done) == len(wanted):
            state["state"] = "done"
        if job["cancelled"]:
            state["state"] = "cancelled"
        self.send_json(200, state)

    def frame_part(self, job: dict, number: int, part: str) -> None:
        """Frames of a sequence get darker, and flatter by the share that the jaw is open."""
        width, height = job["size"]
        depth, coverage = half_ball(width, height)
        frames = job["request"].get("frames")
        if frames:
            lower = 1 - frames[number]["expression"].get("jawOpen", 0.0)
            depth = array("f", (value * lower for value in depth))
        if part == "recording":
            self.send(200, recording(job["request"]["drive"]))
        elif part == "rgb":
            self.send(200, png(width, height, 200 - number), "image/png")
        elif part == "depth":
            data = npy(depth, width, height)
            self.send(200, data[: len(data) // 2] if MODE == "damaged" else data, "application/octet-stream")
        else:
            self.send(200, npy(coverage, width, height), "application/octet-stream")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.refused():
            return
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        fields: dict[object, Any] = {
            part.get_param("name", header="content-disposition"): part for part in message.iter_parts()
        }
        request = json.loads(fields["request"].get_payload(decode=True))
        job_id = f"server-{len(JOBS)}"
        JOBS[job_id] = {
            "id": job_id,
            "client": request["client_job_id"],
            "request": request,
            "size": photo_size(fields["portrait"].get_payload(decode=True) if "portrait" in fields else b""),
            "started": time.monotonic(),
            "cancelled": False,
        }
        # In one piece: other requests' threads write in between the parts of a print.
        sys.stderr.write(f"request {json.dumps(request)} {sorted(str(name) for name in fields)}\n")
        sys.stderr.flush()
        self.send_json(202, {"job_id": job_id, "state": "queued"})

    def do_DELETE(self) -> None:
        if self.refused():
            return
        job = JOBS.get(self.path.rsplit("/", 1)[-1])
        if job:
            job["cancelled"] = True
            print("cancelled", job["client"], file=sys.stderr, flush=True)
        self.send_json(200, {"state": "cancelled"})


def end_with_owner() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


def main() -> None:
    if MODE == "no_start":
        sys.exit("fake backend: a library is missing")
    threading.Thread(target=end_with_owner, daemon=True).start()
    if MODE == "silent":
        time.sleep(3600)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    line = {"port": server.server_address[1], "protocol": PROTOCOL, "pid": os.getpid(), "version": "0.0-fake"}
    print(json.dumps(line), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
