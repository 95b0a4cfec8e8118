# SPDX-License-Identifier: GPL-3.0-or-later
"""Python's garbage collector passes over what was there before work began, and over nothing else."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from blender_addon.core import collector


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    yield
    collector.release()
    assert gc.get_freeze_count() == 0


class Knot:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_is_passed_over_until_the_work_is_done():
    gc.collect()
    before = Knot()
    watched = weakref.ref(before)
    collector.hold()
    collector.hold()
    del before
    looked_at = len(gc.get_objects())
    gc.collect()
    assert watched() is not None and looked_at < gc.get_freeze_count() / 10
    collector.release()
    gc.collect()
    assert watched() is None


def test_garbage_of_the_work_is_collected_meanwhile():
    collector.hold()
    made = Knot()
    watched = weakref.ref(made)
    del made
    gc.collect()
    assert watched() is None


def test_what_another_program_froze_stays_so():
    gc.freeze()
    try:
        collector.hold()
        collector.release()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
