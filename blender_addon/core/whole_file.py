# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are there whole or not at all, whenever the program ends."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes beside `path` and moves it there: a new file, so that hard links to the earlier one keep what they had.

    Raises OSError.
    """
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
