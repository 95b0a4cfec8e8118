# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the packages' sizes: how one wheel is weighed, and that the record is of today's lock."""

from __future__ import annotations

import http.server
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import package_sizes


class _Ranges(http.server.BaseHTTPRequestHandler):
    """Answers parts of one file, as package indexes do."""

    content = b""
    asked: list[str] = []

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.asked.append(wanted)
        begin, end = wanted.removeprefix("bytes=").split("-")
        whole = len(self.content)
        first = int(begin) if begin else max(0, whole - int(end))
        last = int(end) if begin else whole - 1
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{whole}")
        self.end_headers()
        self.wfile.write(self.content[first : last + 1])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Ranges)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/large-1.0-py3-none-any.whl"
    server.shutdown()
    server.server_close()


def test_a_wheel_is_weighed_by_its_end_only(address: str, tmp_path: Path):
    wheel = tmp_path / "large-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("noise.bin", bytes(range(256)) * 4000)  # stored: 1,024,000 bytes
        archive.writestr("zeros.bin", bytes(50_000), zipfile.ZIP_DEFLATED)
        for number in range(4000):  # a list of files longer than the part that is read first
            archive.writestr(f"{'long' * 8}/{number}.py", b"x")
    expected = (wheel.stat().st_size, 1_024_000 + 50_000 + 4000)
    assert package_sizes.wheel_sizes(wheel.as_uri()) == expected
    _Ranges.content, _Ranges.asked = wheel.read_bytes(), []
    assert package_sizes.wheel_sizes(address) == expected
    assert _Ranges.asked[0] == f"bytes=-{package_sizes.TAIL_BYTES}" and len(_Ranges.asked) < 5


def test_the_record_is_of_the_locks_versions(repository: Path):
    """Fails after a change of requirements.lock: `python build.py sizes` renews the record."""
    told = json.loads((repository / "requirements-sizes.json").read_text(encoding="utf-8"))
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", told["recorded"])
    targets = {target.name: target for target in package_sizes.TARGETS}
    backends, faces = {"linux-cuda", "linux-cpu", "windows-cpu", "macos"}, {"linux", "windows", "macos"}
    assert backends | {f"{name}-faces" for name in faces} <= set(told["machines"]) <= set(targets)
    for name, rows in told["machines"].items():
        recorded = {f"{package}=={version}".lower() for package, version, *_sizes in rows}
        assert {line.lower() for line in package_sizes.requirements_of(targets[name])} <= recorded, name
        assert all(download_bytes > 0 and disk_bytes > 0 for *_name, download_bytes, disk_bytes in rows)
    text = package_sizes.to_text(told["recorded"], told["machines"])
    assert text == (repository / "requirements-sizes.json").read_text(encoding="utf-8")
