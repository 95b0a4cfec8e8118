# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's rotation from yaw, pitch and roll: one convention for the renderer, the model and the artist's sliders."""

from __future__ import annotations

import numpy as np


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """Rotation [3, 3] in Y-up axes, vectors as columns. yaw +: towards the subject's left (+X); pitch +: looks up;
    roll +: the head tilts clockwise as a viewer in front sees it (the crown moves to the picture's right, +X)."""
    y, p, r = np.radians([yaw_deg, pitch_deg, roll_deg])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
