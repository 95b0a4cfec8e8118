# SPDX-License-Identifier: GPL-3.0-or-later
"""Connected pieces of a grid."""

from __future__ import annotations

import numpy as np


def label(mask: np.ndarray, right_link: np.ndarray, down_link: np.ndarray) -> np.ndarray:
    """int [R, C]: the number of the piece that each cell of `mask` belongs to; anything where the mask is False.

    Runs of connected cells in a row are labelled with numpy; only the few links between runs go through Python.

    Args:
        mask: bool [R, C].
        right_link: bool [R, C-1]: whether a cell is connected to the one right of it.
        down_link: bool [R-1, C]: whether a cell is connected to the one below it.
    """
    starts = mask.copy()
    starts[:, 1:] &= ~right_link
    run = np.cumsum(starts.ravel()).reshape(mask.shape) - 1
    links = np.stack([run[:-1][down_link], run[1:][down_link]], 1)
    # Two runs that touch do so side by side: without the repetitions few links are left.
    links = links[np.concatenate([[True], (links[1:] != links[:-1]).any(1)])] if len(links) else links
    root = list(range(max(1, int(starts.sum()))))

    def find(node: int) -> int:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for first, second in links.tolist():
        a, b = find(first), find(second)
        if a != b:
            root[max(a, b)] = min(a, b)
    return np.array([find(node) for node in range(len(root))])[run]


def label_touching(mask: np.ndarray) -> np.ndarray:
    """`label` of cells that touch over an edge."""
    return label(mask, mask[:, :-1] & mask[:, 1:], mask[:-1] & mask[1:])
