# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker process: ``python -m backend.server.worker``. Owns torch; speaks JSON lines with the front (see
``messages``).

Three threads: the main one works, one reads stdin (so that a cancellation is seen while the main one
computes), one sends heartbeats. End-of-file on stdin means that the front is gone.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import signal
import sys
import threading
from typing import Any

from backend.errors import PortraitReliefError
from backend.server import lifetime, messages
from backend.server.failures import DEVICE_FAILED

HEARTBEAT_S = 1.0
LOGGER = logging.getLogger("portrait_relief.worker")


class Channel:
    """The worker's end of the pipe pair. Sending is safe from every thread."""

    def __init__(self) -> None:
        # Libraries print: keep the real stdout for messages and let everything else go to stderr.
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._in = lifetime.take_stdin()
        self._lock = threading.Lock()
        self.inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._cancelled: set[str] = set()

    def send(self, kind: str, **content: Any) -> None:
        data = messages.encode({"type": kind, **content})
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._out, data) :]
            except OSError:
                os._exit(0)  # nobody listens any more

    def start_threads(self) -> None:
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def is_cancelled(self, job_id: str) -> bool:
        return job_id in self._cancelled

    def forget(self, job_id: str) -> None:
        self._cancelled.discard(job_id)

    def _read(self) -> None:
        with os.fdopen(self._in, "rb") as stream:
            for line in stream:
                message = messages.decode(line)
                if message["type"] == "cancel":
                    self._cancelled.add(message["job_id"])
                elif message["type"] == "stop":
                    break
                else:
                    self.inbox.put(message)
        os._exit(0)  # computing threads of torch must not delay the end

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(HEARTBEAT_S):
            self.send("heartbeat")


def main() -> int:
    arguments = _parse_arguments()
    lifetime.die_with_parent("SIGKILL", expected_parent=arguments.front_pid)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl+C in a terminal reaches both: the front ends the worker
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    channel = Channel()
    channel.start_threads()
    try:
        # Imported here: this is what takes seconds, and what can fail on a broken installation.
        from backend.server.worker_jobs import Studio

        studio = Studio(
            checkpoint=arguments.checkpoint, device=arguments.device, precision=arguments.precision
        )
        channel.send("ready", capabilities=studio.capabilities())
    except PortraitReliefError as error:
        channel.send("fatal", error=error.to_dict())
        return 3
    except Exception as error:
        LOGGER.exception("the worker cannot start")
        channel.send(
            "fatal",
            error={
                "code": "worker_cannot_start",
                "message": f"The diffusion backend cannot start ({type(error).__name__}: {error}).",
                "hint": "Reinstall the backend from the panel, or run 'portrait-relief doctor'.",
            },
        )
        return 3
    idle_s = arguments.idle_release_s or None
    while True:
        try:
            message = channel.inbox.get(timeout=idle_s)
        except queue.Empty:
            if studio.release():
                channel.send("model", loaded=False, **studio.memory())
            continue
        if message["type"] == "job" and not do_job(studio, channel, message["job_id"], message["folder"]):
            return 4


def do_job(studio: Any, channel: Channel, job_id: str, folder: str) -> bool:
    """Does a job; False when this process cannot do another one."""
    from backend.server.worker_jobs import JobContext

    context = JobContext(job_id, folder, channel.send, channel.is_cancelled)
    error = studio.run(context)
    if error is None:
        channel.send("done", job_id=job_id)
    elif error.code == "cancelled":
        channel.send("cancelled", job_id=job_id)
    else:
        LOGGER.info("job %s failed: %s", job_id, json.dumps(error.to_dict()))
        channel.send("failed", job_id=job_id, error=error.to_dict())
    channel.forget(job_id)
    if error is not None and error.code == DEVICE_FAILED:
        return False
    channel.send("model", loaded=studio.loaded, **studio.memory())
    return True


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Started by the front process, not by people.")
    parser.add_argument("--checkpoint", default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--idle-release-s", type=float, default=0.0)
    parser.add_argument("--front-pid", type=int, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
