# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered shots in memory, and batches drawn from them.

Everything stays uint8 / float16 in memory; crops, warps and photometric augmentation run on whole batches in torch
on the training device, so that nothing waits for a data loader.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.errors import InputError
from backend.model.expression_names import ARKIT_NAMES, POSE_NAMES
from backend.training.face_points import FacePoints, face_points
from backend.training.hair_surface import face_hair_area, hair_volume, head_surface
from backend.training.relight import ShotLight, mix, own_light
from backend.training.render.assets import HeadAssets
from backend.training.render.encoding import FACE_REGIONS, decode_normals, decode_region

POSE_UNIT_DEG = 30.0
ARRAYS = ("depth_mm", "coverage", "face", "motion", "visible")
# With light groups (from format 3 on), and without.
PICTURE_ARRAYS = {True: ("light", "alpha"), False: ("rgba",)}
EXTRA_ARRAYS = ("normal", "regions", "landmarks", "landmarks_visible")  # format 3, kept when asked for
DEPTH_LIMIT_MM = 400.0  # farther points (shoulders seen past the neck) are of no use
HAIR_REACH_MM, FACE_HAIR_REACH_MM = 14.0, 6.0  # gaps between strands that are closed
REGIONS = (("mouth",), ("left_eye", "right_eye"))  # boxes of the renderer that count as one region
REGION_MARGIN = 0.35  # boxes are widened by this share of their size on each side
EXPRESSION_SIZE = len(ARKIT_NAMES) + len(POSE_NAMES)


def _mirror_columns() -> tuple[list[int], list[float]]:
    """Column order and signs that turn expression values into those of the mirrored picture."""

    def other(name: str) -> str:
        if name.endswith("Left"):
            return name[:-4] + "Right"
        return name[:-5] + "Left" if name.endswith("Right") else name

    order = [ARKIT_NAMES.index(other(name)) for name in ARKIT_NAMES]
    order += [len(ARKIT_NAMES) + i for i in range(3)]
    return order, [1.0] * len(ARKIT_NAMES) + [-1.0, 1.0, -1.0]


MIRROR_ORDER, MIRROR_SIGN = _mirror_columns()


@dataclass
class Shot:
    """One shot: arrays of its K frames and their parameters.

    Attributes:
        arrays: rgba uint8 [K, S, S, 4] (straight alpha), or light uint8 [K, G, S, S, 3] (`encoding.encode_light`) and
            alpha uint8 [K, S, S]; depth_mm float16 [K, S, S] (0 where `solid` is 0); solid, coverage, face, visible
            uint8 [K, S, S]; motion float16 [K, S, S, 2] in shares of the picture (to frame 0). If asked for, and of
            format 3: normal uint8 [K, S, S, 2] (`encoding.decode_normals`), regions uint8 [K, S, S] (bits of
            `encoding.FACE_REGIONS`), landmarks float32 [K, L, 3] and landmarks_visible uint8 [K, L].
        values: expression and pose [K, 54] float32 in the model's units.
        span_mm: side of the picture at the head's centre plane.
        centre: of the head in shares of the picture (x, y).
        parameters: everything the renderer wrote.
        light: how the light groups are read; None where the picture has its light for good.
        points: of the face in each frame, where the assets that it was made from are at hand.
    """

    seed: int
    arrays: dict[str, np.ndarray]
    values: np.ndarray
    span_mm: float
    centre: tuple[float, float]
    parameters: dict[str, Any]
    light: ShotLight | None = None
    points: list[FacePoints] | None = None

    def picture(self, frame: int) -> np.ndarray:
        """The frame in the light it was rendered in: sRGB and straight alpha, uint8 [S, S, 4]."""
        rgba = _pictures([self], [frame], "cpu", None)[0]
        return (rgba.permute(1, 2, 0) * 255).round().byte().numpy()

    @property
    def frames(self) -> int:
        """Number of frames K."""
        return len(self.values)


def expression_values(expression: dict[str, float], pose_deg: tuple[float, float, float]) -> np.ndarray:
    """[54] float32: ARKit coefficients, then yaw, pitch, roll in units of 30 degrees."""
    row = [expression.get(name, 0.0) for name in ARKIT_NAMES]
    return np.array([*row, *(angle / POSE_UNIT_DEG for angle in pose_deg)], dtype=np.float32)


def load_shot(path: Path, extras: Sequence[str] = ()) -> Shot:
    """Read one .npz of the renderer, of formats 1 to 5.

    Args:
        extras: those of `EXTRA_ARRAYS` (all: three bytes a pixel more) that are kept too, where there are any.

    Raises:
        InputError: the file is damaged or of another format; names it.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            parameters = json.loads(str(data["parameters"]))
            names = [*ARRAYS, *PICTURE_ARRAYS["light" in data], *extras]
            arrays = {name: data[name] for name in names if name in data or name not in EXTRA_ARRAYS}
            light = ShotLight.from_parameters(parameters["light"]) if "light" in data else None
            known = np.abs(np.nan_to_num(arrays["depth_mm"], nan=np.inf)) < DEPTH_LIMIT_MM
            arrays["solid"] = known.astype(np.uint8)
            depth = np.where(known, arrays["depth_mm"], np.float16(0))
            if "hair" in data:  # shots of before there were strands have none
                px_per_mm = depth.shape[-1] / parameters["shot"]["span_mm"]
                depth, skin = head_surface(
                    depth, known, data["hair"] / 255, arrays["face"] / 255, HAIR_REACH_MM * px_per_mm
                )
                arrays["face"] = np.rint(255 * skin).astype(np.uint8)
                if "regions" in data:
                    reach_px = FACE_HAIR_REACH_MM * px_per_mm
                    depth = hair_volume(depth, known, face_hair_area(data["regions"], reach_px), reach_px)
            arrays["depth_mm"] = depth
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is not a readable shot of the data set ({error}).",
            "Delete it and run render-dataset again; it renders what is missing.",
            code="bad_shot",
        ) from error
    shot = parameters["shot"]
    values = np.stack([expression_values(f["expression"], f["pose_deg"]) for f in parameters["frames"]])
    centre = (0.5 + shot["offset"][0], 0.5 + shot["offset"][1])
    return Shot(parameters["identity"]["seed"], arrays, values, shot["span_mm"], centre, parameters, light)


class ShotLibrary:
    """All shots of a folder in memory, or the first `limit`; `refresh` adds those rendered since.

    Formats may be mixed.

    Args:
        assets: MPFB data that they were rendered from; gives each its face points.
        extras: as in `load_shot`.
    """

    def __init__(
        self,
        folder: str | Path,
        limit: int | None = None,
        assets: HeadAssets | None = None,
        extras: Sequence[str] = (),
    ):
        self.folder, self.limit, self.assets, self.extras = Path(folder), limit, assets, extras
        self.shots: list[Shot] = []
        self._known: set[Path] = set()
        self.refresh()
        if not self.shots:
            raise InputError(
                f"There are no rendered shots (shot_*.npz) in {self.folder}.",
                "Run portrait-relief render-dataset first, or name the folder it wrote.",
                code="empty_dataset",
            )

    def refresh(self) -> int:
        """Read new files; returns how many."""
        new = sorted(set(self.folder.glob("shot_*.npz")) - self._known)
        if self.limit is not None:
            new = new[: max(0, self.limit - len(self.shots))]
        for path in new:
            shot = load_shot(path, self.extras)
            if self.assets is not None:
                shot.points = face_points(self.assets, shot.parameters)
            self.shots.append(shot)
            self._known.add(path)
        return len(new)

    @property
    def paired(self) -> list[Shot]:
        """The shots that hold a driven frame beside the reference: what joint batches are drawn from."""
        return [shot for shot in self.shots if shot.frames > 1]

    @property
    def frames(self) -> int:
        """Number of frames in memory."""
        return sum(shot.frames for shot in self.shots)


@dataclass
class RawFrames:
    """Frames of a batch as float tensors at the renderer's size [B, c, S, S], nothing resampled yet."""

    rgba: Tensor  # straight alpha, 0..1
    depth: Tensor  # mm, 0 where `solid` is 0
    solid: Tensor  # 1 where depth is known
    coverage: Tensor
    face: Tensor
    motion: Tensor
    visible: Tensor
    boxes: Tensor  # [B, 3, 4] left, top, right, bottom of mouth and eyes in shares of the picture, widened
    normal: Tensor | None = (
        None  # [B, 3, S, S] x right, y up, z towards the camera; NaN for shots that have none
    )
    masks: Tensor | None = (
        None  # [B, 8, S, S] the regions of `encoding.FACE_REGIONS`; NaN for shots that have none
    )


def region_box(shot: Shot, frame: int, name: str) -> tuple[float, float, float, float]:
    """Box of "mouth", "left_eye" or "right_eye" with its margin: left, top, right, bottom in shares of the picture."""
    u0, v0, u1, v1 = shot.parameters["frames"][frame]["regions"][name]
    across, down = REGION_MARGIN * (u1 - u0), REGION_MARGIN * (v1 - v0)
    return u0 - across, v0 - down, u1 + across, v1 + down


def gather(
    shots: list[Shot], frames: list[int], device: torch.device | str = "cpu", gains: Tensor | None = None
) -> RawFrames:
    """Stack frame `frames[i]` of `shots[i]`.

    Args:
        gains: light [B, G, 3] for the shots that have groups (`relight.random_light`); their own without. Rows of
            other shots are ignored.
    """

    def stack(name: str) -> Tensor:
        picked = np.stack([s.arrays[name][k] for s, k in zip(shots, frames, strict=True)])
        return torch.from_numpy(picked).to(device)

    names = [name for region in REGIONS for name in region]
    boxes = [[region_box(s, k, name) for name in names] for s, k in zip(shots, frames, strict=True)]
    return RawFrames(
        rgba=_pictures(shots, frames, device, gains),
        depth=stack("depth_mm").float().unsqueeze(1),
        solid=stack("solid").float().unsqueeze(1),
        coverage=stack("coverage").float().unsqueeze(1) / 255,
        face=stack("face").float().unsqueeze(1) / 255,
        motion=stack("motion").float().permute(0, 3, 1, 2),
        visible=stack("visible").float().unsqueeze(1),
        boxes=torch.tensor(boxes, dtype=torch.float32, device=device),
        normal=_extra(shots, frames, "normal", 3, decode_normals, device),
        masks=_extra(shots, frames, "regions", len(FACE_REGIONS), _unpacked, device),
    )


def _pictures(
    shots: Sequence[Shot], frames: Sequence[int], device: torch.device | str, gains: Tensor | None
) -> Tensor:
    """Straight-alpha sRGB [B, 4, S, S] in 0..1: stored as it is, or mixed from light groups."""
    lit = [i for i, shot in enumerate(shots) if shot.light is not None]
    plain = [i for i, shot in enumerate(shots) if shot.light is None]

    def stack(rows: list[int], name: str) -> Tensor:
        return torch.from_numpy(np.stack([shots[i].arrays[name][frames[i]] for i in rows])).to(device)

    size = shots[0].arrays["depth_mm"].shape[-1]
    result = torch.empty(len(shots), 4, size, size, device=device)
    if plain:
        result[plain] = stack(plain, "rgba").permute(0, 3, 1, 2).float() / 255
    if lit:
        lights = [light for shot in shots if (light := shot.light) is not None]
        scale = torch.from_numpy(np.stack([light.scale for light in lights])).to(device)
        chosen = own_light(lights, device) if gains is None else gains[lit]
        result[lit, :3] = mix(stack(lit, "light"), scale, chosen)
        result[lit, 3] = stack(lit, "alpha").float() / 255
    return result


def _extra(
    shots: Sequence[Shot],
    frames: Sequence[int],
    name: str,
    channels: int,
    decode: Callable[[np.ndarray], np.ndarray],
    device: torch.device | str,
) -> Tensor | None:
    """[B, channels, S, S] of an array that only some shots have (NaN elsewhere); None if none has it."""
    if not any(name in shot.arrays for shot in shots):
        return None
    size = shots[0].arrays["depth_mm"].shape[-1]
    result = np.full((len(shots), channels, size, size), np.nan, np.float32)
    for row, (shot, frame) in enumerate(zip(shots, frames, strict=True)):
        if name in shot.arrays:
            result[row] = np.moveaxis(decode(shot.arrays[name][frame]), -1, 0)
    return torch.from_numpy(result).to(device)


def _unpacked(bits: np.ndarray) -> np.ndarray:
    """Region bits [S, S] -> 0 or 1 [S, S, regions]."""
    return np.stack([decode_region(bits, name) for name in FACE_REGIONS], -1)
