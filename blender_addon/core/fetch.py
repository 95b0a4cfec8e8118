# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads one file: `python fetch.py URL TARGET SHA256`. Run as a program of its own, in the backend's environment.

Nothing is downloaded where the file is there already. What comes is compared with the digest before it gets its name,
so the target is whole or not there. Three tries; the last line of the output says why it failed.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import sys
import time
import urllib.request
from pathlib import Path

TRIES = 3
PAUSE_S = 1.0
TIMEOUT_S = 60.0
BLOCK_BYTES = 1 << 16
LARGEST_BYTES = 1 << 28


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def secure() -> ssl.SSLContext:
    """With certifi's certificates too: Python comes without any on macOS."""
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def fetch(url: str, part: Path) -> None:
    """Downloads into `part`, with a line of progress now and then. Raises OSError, ValueError."""
    context = secure() if url.startswith("https:") else None
    with urllib.request.urlopen(url, timeout=TIMEOUT_S, context=context) as answer, part.open("wb") as file:
        total, done, told = int(answer.headers.get("Content-Length") or 0), 0, -1
        while block := answer.read(BLOCK_BYTES):
            file.write(block)
            done += len(block)
            if done > LARGEST_BYTES:
                raise ValueError("it is far too large")
            if total and 20 * done // total != told:
                told = 20 * done // total
                print(f"fetched {done} of {total} bytes", flush=True)
    if total and done < total:
        raise OSError(f"Connection broken: {done} of {total} bytes")


def main(url: str, target: Path, sha256: str) -> int:
    if digest(target) == sha256:
        print(f"{target} is there already", flush=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, TRIES + 1):
        try:
            print(f"from {url}", flush=True)
            fetch(url, part)
            if digest(part) == sha256:
                part.replace(target)
                return 0
            print("ERROR: what was downloaded is another file than expected", flush=True)
        except (OSError, ValueError) as error:
            print(f"ERROR: {error}", flush=True)
        part.unlink(missing_ok=True)
        if attempt < TRIES:
            time.sleep(PAUSE_S)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
