# SPDX-License-Identifier: GPL-3.0-or-later
"""What every mode of the editor returns, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.imaging.depth_codec import write_coverage_png, write_depth, write_rgb_png


@dataclass
class PortraitResult:
    """A picture and its depth, at the photo's size.

    Attributes:
        rgb: uint8 [H, W, 3]; bytes the edit did not touch equal the photo's.
        depth_mm: float32 [H, W], 0 at the head's centre plane, nearer = larger, NaN outside the head.
        coverage: float32 [H, W] 0..1.
        mm_per_px: mm of an average-sized head per pixel.
        report: JSON-ready: tool, versions, checkpoint, device, settings, crop, faces, seconds, warnings.
    """

    rgb: np.ndarray
    depth_mm: np.ndarray
    coverage: np.ndarray
    mm_per_px: float
    report: dict[str, Any]

    def save(self, folder: str | Path) -> None:
        """Write portrait.png, depth.exr, coverage.png and report.json; all pictures carry the report."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_rgb_png(folder / "portrait.png", self.rgb, self.report)
        write_depth(folder / "depth.exr", self.depth_mm, {**self.report, "mm_per_px": self.mm_per_px})
        write_coverage_png(folder / "coverage.png", self.coverage, self.report)
        text = json.dumps({**self.report, "mm_per_px": self.mm_per_px}, indent=2, ensure_ascii=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
