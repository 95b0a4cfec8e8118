# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo made ready for the model, and what a report says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from backend.imaging.crop import CropBox
from backend.imaging.face_finding import Face
from backend.imaging.load import Photo
from backend.model.joint_model import Reference
from backend.model.pipeline import JointPortraitOutput


@dataclass
class Portrait:
    """A photo made ready: head found, crop framed, identity encoded. Serves all frames of a job.

    Attributes:
        photo: the upright photo.
        crop: what the model sees.
        crop_side_mm: mm of an average-sized head across the crop, as the model sees it.
        faces: all faces found (empty where the crop was given by hand).
        face: the face that was taken, or None.
        crop_rgb: [1, 3, R, R] in 0..1 on the model's device.
        reference: the identity's features.
        read: what the model sees in the crop over several views.
        seen: what it sees in the crop as it is, the first of these views.
        coverage: float [R, R] 0..1, the head in the crop, its outline drawn by the picture.
        seconds: time of each phase.
    """

    photo: Photo
    crop: CropBox
    crop_side_mm: float
    faces: list[Face]
    face: Face | None
    crop_rgb: torch.Tensor
    reference: Reference
    read: JointPortraitOutput
    seen: JointPortraitOutput
    coverage: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def mm_per_px(self) -> float:
        """mm of an average-sized head per pixel of the photo."""
        return self.crop_side_mm / self.crop.side

    def report(self, depth_mm: np.ndarray, seconds: dict[str, float]) -> dict[str, Any]:
        """What a result's report says of photo, crop, faces and depth [H, W], and the times of all phases: those
        before, and `seconds`."""
        inside = np.isfinite(depth_mm)
        warnings = [] if inside.any() else ["The model sees no head in the crop; move or enlarge it."]
        return {
            "photo": {
                "name": self.photo.name,
                "size": [self.photo.width, self.photo.height],
                **self.photo.metadata,
            },
            "crop": self.crop.to_list(),
            "crop_side_mm": round(self.crop_side_mm, 2),
            "faces": [{"number": n, **face.to_dict()} for n, face in enumerate(self.faces, 1)],
            "face_number": None if self.face is None else self.faces.index(self.face) + 1,
            "depth_range_mm": [float(depth_mm[inside].min()), float(depth_mm[inside].max())]
            if inside.any()
            else None,
            "seconds": {name: round(value, 4) for name, value in {**self.seconds, **seconds}.items()},
            "warnings": warnings,
        }
