# SPDX-License-Identifier: GPL-3.0-or-later
"""Backends that several tests of a file share, and the photo they work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backend.server.harness import Backend, astronaut


@pytest.fixture(scope="session")
def photo() -> bytes:
    """512 x 512 px."""
    return astronaut()


@pytest.fixture(scope="session")
def large_photo() -> bytes:
    """2048 x 2048 px: a frame takes long enough to act while it is made."""
    return astronaut(4)


@pytest.fixture(scope="module")
def backend(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """One backend for all tests of a file that leave it as they found it."""
    with Backend(tiny_checkpoint, tmp_path_factory.mktemp("backend")) as running:
        yield running


@pytest.fixture
def start_backend(tiny_checkpoint: Path, tmp_path: Path) -> Iterator[Callable[..., Backend]]:
    """Start a backend with options of one's own; all are stopped at the end."""
    started: list[Backend] = []

    def start(*options: str, **keywords: str | None) -> Backend:
        started.append(Backend(tiny_checkpoint, tmp_path, *options, **keywords))
        return started[-1]

    yield start
    for one in started:
        one.__exit__()
