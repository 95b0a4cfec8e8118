# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps Python's garbage collector short while work is going on.

A full run looks at every object that Python holds, in Blender more than a hundred thousand: 35 to 90 ms, in whatever
tick happens to trigger it. Between `hold` and `release` it looks only at what was made since.
"""

from __future__ import annotations

import gc

_is_ours = False


def hold() -> None:
    """From now on the collector passes over all that is there. Where another program already has it so, nothing."""
    global _is_ours
    if not _is_ours and not gc.get_freeze_count():
        gc.freeze()
        _is_ours = True


def release() -> None:
    """Everything is looked at again, garbage made before `hold` too."""
    global _is_ours
    if _is_ours:
        gc.unfreeze()
        _is_ours = False
