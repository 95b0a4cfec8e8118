# SPDX-License-Identifier: GPL-3.0-or-later
"""``portrait-relief serve``: the front process from its first to its last moment."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from backend.errors import BackendUnavailable, InputError
from backend.server import lifetime, logs
from backend.server.app import create_app
from backend.server.jobs import JobBoard
from backend.server.limits import Deadlines, Limits
from backend.server.supervisor import Supervisor
from backend.server.temp_folder import PrivateFolder, remove_stale_folders
from backend.server.worker_process import WorkerChoice
from backend.version import PROTOCOL_VERSION, VERSION

TOKEN_VARIABLE = "PORTRAIT_RELIEF_TOKEN"
_FORCE_EXIT_S = 8.0
LOGGER = logging.getLogger("portrait_relief.serve")


@dataclass(frozen=True)
class ServeOptions:
    port: int = 0
    no_token: bool = False
    checkpoint: str | None = None
    device: str = "auto"
    precision: str = "auto"
    log_file: Path | None = None
    temp_dir: Path | None = None
    exit_with_stdin: bool | None = None
    """None: exit with stdin if it is a pipe or a socket."""
    limits: Limits = field(default_factory=Limits)
    deadlines: Deadlines = field(default_factory=Deadlines)


def serve(options: ServeOptions) -> int:
    """Serve until shutdown, a signal, or the end of stdin. Raises InputError or BackendUnavailable before it
    listens.
    """
    token = os.environ.get(TOKEN_VARIABLE) or None
    if token is None and not options.no_token:
        raise InputError(
            f"The environment variable {TOKEN_VARIABLE} is not set, so every program could use this backend.",
            "Set it to a long random text, or give --no-token if that is what you want.",
            code="no_token",
        )
    has_owner = lifetime.stdin_has_owner() if options.exit_with_stdin is None else options.exit_with_stdin
    if has_owner:
        lifetime.die_with_parent("SIGTERM")
    lifetime.tie_children_to_this_process()
    logs.set_up_logging(options.log_file)
    for folder in remove_stale_folders(options.temp_dir):
        LOGGER.info("removed %s, left by a process that is gone", folder)
    listener = _listen(options.port)
    private = PrivateFolder(options.temp_dir)
    # Spooled uploads and EXR files go there too, so that nothing is left behind whatever happens.
    tempfile.tempdir = str(private.path)
    # uvicorn raises the signal again after its shutdown; the default would end us before the folder is
    # removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        asyncio.run(_serve(options, None if options.no_token else token, listener, private.path, has_owner))
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
        private.remove()
    return 0


async def _serve(
    options: ServeOptions, token: str | None, listener: socket.socket, folder: Path, has_owner: bool
) -> None:
    board = JobBoard(folder, options.limits)
    port = listener.getsockname()[1]

    def stop() -> None:
        server.should_exit = True

    def started() -> None:
        hello = {"port": port, "protocol": PROTOCOL_VERSION, "pid": os.getpid(), "version": VERSION}
        announce(sys.stdout.fileno(), hello)
        # From here on stdout stays open and silent: an owner that reads only one line must not fill the pipe.
        sys.stdout = sys.stderr
        LOGGER.info("version %s listens on 127.0.0.1:%d, files in %s", VERSION, port, folder)
        if has_owner:
            # Setting a flag needs no lock: the server looks at it ten times a second.
            lifetime.when_stdin_ends(stop, force_exit_after_s=_FORCE_EXIT_S)

    app = create_app(
        board=board,
        supervisor=lambda: Supervisor(
            board,
            options.deadlines,
            WorkerChoice(options.checkpoint, options.device, options.precision),
        ),
        limits=options.limits,
        token=token,
        started=started,
        request_stop=stop,
    )
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        loop="asyncio",
        http="h11",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    await server.serve(sockets=[listener])


def announce(descriptor: int, hello: dict[str, object]) -> None:
    """Write the first line in one call.

    An owner may give stdout and stderr the same file; ``print`` on an unbuffered stream writes the line's end
    apart, and a record of the logging thread between the two made the line unreadable.
    """
    os.write(descriptor, (json.dumps(hello) + "\n").encode())


def _listen(port: int) -> socket.socket:
    """Our own listening socket: the port is ours before anyone is told of it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise BackendUnavailable(
            f"Port {port} cannot be used ({error.strerror}).", "Leave --port out: a free one is chosen then."
        ) from None
    listener.listen(64)
    listener.setblocking(False)
    return listener
