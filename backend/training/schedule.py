# SPDX-License-Identifier: GPL-3.0-or-later
"""How the learning rate falls."""

from __future__ import annotations

import math

FLOOR = 0.03


def cosine_decay(progress: float) -> float:
    """Share of the learning rate at `progress` 0..1 of a run: a cosine from 1 down to `FLOOR`."""
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress))
