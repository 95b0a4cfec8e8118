#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records how large the backend's packages are: `python build.py sizes` writes requirements-sizes.json.

pip chooses the wheels of the lock files for each kind of machine, without installing any. A wheel's size is its
file's; what it takes on disk is read from the list of files at the wheel's end, so little is downloaded.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
RECORD = ROOT / "requirements-sizes.json"
PYPI = "https://pypi.org/simple"
TORCH = "https://download.pytorch.org/whl"
PYTHON = "3.11"  # the lock's
TAIL_BYTES = 1 << 18
TIMEOUT_S = 60

_MANYLINUX = tuple(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)) + (
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
)
_MAC = tuple(f"macosx_{major}_0_{kind}" for major in (14, 13, 12, 11) for kind in ("arm64", "universal2")) + (
    "macosx_10_9_universal2",
)


@dataclass(frozen=True)
class Target:
    """One kind of machine. `index` is a folder of PyTorch's own index, empty for what pypi.org has."""

    name: str
    platforms: tuple[str, ...]
    index: str = ""
    linux: bool = False
    windows: bool = False
    lock: str = "requirements.lock"


TARGETS = (
    Target("linux-cuda", _MANYLINUX, linux=True),
    Target("linux-cpu", _MANYLINUX, "cpu", linux=True),
    Target("windows-cpu", ("win_amd64",), windows=True),
    Target("windows-cuda", ("win_amd64",), "cu130", windows=True),
    Target("macos", _MAC),
    Target("linux-faces", _MANYLINUX, lock="requirements-driving.lock"),
    Target("windows-faces", ("win_amd64",), windows=True, lock="requirements-driving.lock"),
    Target("macos-faces", _MAC, lock="requirements-driving.lock"),
)


class RemoteFile(io.RawIOBase):
    """A file on a web server that answers ranges; reads its end once and other parts when they are asked for."""

    def __init__(self, url: str):
        self._url, self._at = url, 0
        request = urllib.request.Request(url, headers={"Range": f"bytes=-{TAIL_BYTES}"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            self._tail = answer.read()
            told = answer.headers.get("Content-Range", "")
        self.size = int(told.rpartition("/")[2]) if told else len(self._tail)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, length: int = -1) -> bytes:
        end = self.size if length is None or length < 0 else min(self.size, self._at + length)
        if self._at >= end:
            return b""
        tail_begin = self.size - len(self._tail)
        if self._at >= tail_begin:
            content = self._tail[self._at - tail_begin : end - tail_begin]
        else:
            request = urllib.request.Request(self._url, headers={"Range": f"bytes={self._at}-{end - 1}"})
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                content = answer.read()
        self._at = end
        return content


def wheel_sizes(url: str) -> tuple[int, int]:
    """(bytes to download, bytes unpacked) of a wheel at an http(s) or file URL. Raises OSError, BadZipFile."""
    if url.startswith("file:"):
        path = Path(urllib.request.url2pathname(urllib.parse.urlparse(url).path))
        size_bytes, file = path.stat().st_size, path.open("rb")
    else:
        file = RemoteFile(url)
        size_bytes = file.size
    with file, zipfile.ZipFile(file) as archive:  # pyright: ignore[reportArgumentType]  # it reads and seeks
        return size_bytes, sum(entry.file_size for entry in archive.infolist())


def requirements_of(target: Target) -> list[str]:
    """The lock's lines for this machine; pip itself would judge their markers by the machine it runs on."""
    lines = []
    for line in (ROOT / target.lock).read_text(encoding="utf-8").splitlines():
        requirement, _semicolon, marker = (part.strip() for part in line.partition(";"))
        if requirement and not requirement.startswith("#") and (not marker or target.windows):
            lines.append(requirement)
    return lines


def chosen_wheels(target: Target, links: str, folder: Path) -> list[tuple[str, str, str]]:
    """(name, version, URL) of the wheels that pip takes for this machine. Raises CalledProcessError.

    Only Linux has packages beyond the lock: those of CUDA, which its torch asks for. pip finds them here because this
    runs on Linux.
    """
    listed = folder / "requirements.txt"
    listed.write_text("\n".join(requirements_of(target)), encoding="utf-8")
    report = folder / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--target", str(folder / "nothing"), "--only-binary", ":all:", "--python-version", PYTHON]
    command += [word for platform in target.platforms for word in ("--platform", platform)]
    command += ["--index-url", PYPI, "--report", str(report), "--requirement", str(listed)]
    command += [] if target.linux else ["--no-deps"]
    if target.index:
        command += ["--find-links", links] if links else ["--extra-index-url", f"{TORCH}/{target.index}"]
    foreign = ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "PIP_NO_INDEX")
    variables = {name: text for name, text in os.environ.items() if name not in foreign}
    variables |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, env=variables, check=True)
    answer = json.loads(report.read_text(encoding="utf-8"))["install"]
    wheels = [
        (one["metadata"]["name"], one["metadata"]["version"], one["download_info"]["url"]) for one in answer
    ]
    torch = next((url for name, _version, url in wheels if name == "torch"), "")
    if target.index and f"{target.index}-" not in torch:
        raise FileNotFoundError(f"no torch for {target.index}: pip took {torch.rpartition('/')[2]}")
    return wheels


def record(target: Target, links: str) -> list[list[str | int]]:
    """Rows of name, version, bytes to download and bytes on disk, the largest download first."""
    with tempfile.TemporaryDirectory(prefix="portrait-relief-sizes-") as folder:
        wheels = chosen_wheels(target, links, Path(folder))
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda wheel: wheel_sizes(wheel[2]), wheels))
    rows: list[list[str | int]] = [
        [name, re.sub(r"\+.*", "", version), *size]
        for (name, version, _url), size in zip(wheels, sizes, strict=True)
    ]
    return sorted(rows, key=lambda row: (-int(row[2]), row[0]))


def to_text(date: str, machines: dict[str, list[list[str | int]]]) -> str:
    """JSON with one package a line, so that differences can be read."""
    parts = []
    for name, rows in machines.items():
        lines = ",\n".join(f"   {json.dumps(row)}" for row in rows)
        parts.append(f"  {json.dumps(name)}: [\n{lines}\n  ]")
    return f'{{\n "recorded": {json.dumps(date)},\n "machines": {{\n' + ",\n".join(parts) + "\n }\n}\n"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="build.py sizes", description=__doc__)
    parser.add_argument("--out", type=Path, default=RECORD, help=f"default: {RECORD.name}")
    parser.add_argument(
        "--torch-links", default="", help=f"folder or page with torch's wheels, instead of {TORCH}"
    )
    arguments = parser.parse_args(argv)
    if sys.platform != "linux":
        print("This runs on Linux only: pip would leave out what torch needs there.", file=sys.stderr)
        return 2
    machines: dict[str, list[list[str | int]]] = {}
    for target in TARGETS:
        try:
            rows = record(target, arguments.torch_links)
        except (OSError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
            if not target.index:
                print(f"{target.name}: {error}", file=sys.stderr)
                return 1
            print(f"{target.name}: left out ({error})", flush=True)
            continue
        machines[target.name] = rows
        download, disk = (sum(int(row[column]) for row in rows) for column in (2, 3))
        print(
            f"{target.name}: {len(rows)} packages, {download / 1e9:.2f} GB, {disk / 1e9:.2f} GB on disk",
            flush=True,
        )
    text = to_text(datetime.date.today().isoformat(), machines)
    arguments.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
