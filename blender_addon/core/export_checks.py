# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at before a relief leaves Blender: faults that other programs and printers stumble over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .wording import worded

SPIKE_FACTOR = 30.0


@dataclass(frozen=True)
class MeshReport:
    """Counts of faults; `faults` tells them in words and is empty for a clean mesh."""

    vertices: int
    faces: int
    open_edges: int
    non_manifold_edges: int
    degenerate_faces: int
    not_finite: int
    spikes: int
    uv_outside: int

    @property
    def faults(self) -> tuple[str, ...]:
        words = (
            (self.not_finite, worded("{count} vertices that are not finite", count=self.not_finite)),
            (
                self.non_manifold_edges,
                worded("{count} edges with more than two faces", count=self.non_manifold_edges),
            ),
            (self.degenerate_faces, worded("{count} faces without area", count=self.degenerate_faces)),
            (self.spikes, worded("{count} edges far longer than the others (spikes)", count=self.spikes)),
            (self.uv_outside, worded("{count} UV coordinates outside the picture", count=self.uv_outside)),
        )
        return tuple(text for count, text in words if count)


def check_mesh(positions: np.ndarray, triangles: np.ndarray, uv: np.ndarray) -> MeshReport:
    """positions float [V, 3], triangles int [T, 3], uv float [N, 2] -> a report.

    Open edges are the outline."""
    finite = np.isfinite(positions).all(1)
    corners = np.where(finite[:, None], positions, 0.0)[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    lower, upper = np.minimum(*ends.T), np.maximum(*ends.T)
    counts = np.unique(lower.astype(np.int64) * len(positions) + upper, return_counts=True)[1]
    lengths = np.linalg.norm(positions[lower] - positions[upper], axis=1)
    typical = float(np.median(lengths)) if len(lengths) else 0.0
    return MeshReport(
        vertices=len(positions),
        faces=len(triangles),
        open_edges=int((counts == 1).sum()),
        non_manifold_edges=int((counts > 2).sum()),
        degenerate_faces=int((area <= 1e-12 * max(typical, 1e-9) ** 2).sum()),
        not_finite=int((~finite).sum()),
        spikes=int((lengths > SPIKE_FACTOR * typical).sum()),
        uv_outside=int(((uv < 0) | (uv > 1)).any(1).sum()),
    )
