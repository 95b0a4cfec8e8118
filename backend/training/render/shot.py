# SPDX-License-Identifier: GPL-3.0-or-later
"""Render one shot: pose every frame, run Cycles, turn its passes into arrays, write one .npz."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenEXR

from backend.training.render.assets import BODY_VERTICES, HeadAssets
from backend.training.render.distributions import ShotSpec, sample_shot
from backend.training.render.face_paint import wrinkle_depths
from backend.training.render.frames import FrameSpec
from backend.training.render.geometry import hair_shells, head_topology, project, vertex_normals
from backend.training.render.glasses import GlassesMesh, glasses_of
from backend.training.render.hair_strands import Strands, strands_of
from backend.training.render.identity import Identity, head_marks, sample_identity
from backend.training.render.posing import pose_vertices, rotation, turn_with_head
from backend.training.render.scene import HeadScene
from backend.training.render.shot_format import FORMAT_VERSION

VISIBLE_TOLERANCE_DM = 0.06  # a reference point this far behind the reference's surface is hidden there


@dataclass(frozen=True)
class PosedFrame:
    """Camera-frame vertices (dm, Y up, Z towards the camera; origin: this frame's head centre at depth 0)."""

    base: np.ndarray  # [19158, 3] unrefined base mesh, for landmarks
    head: np.ndarray
    hair: np.ndarray | None
    strands: np.ndarray | None  # [N, K, 3]
    glasses: np.ndarray | None
    pose_deg: tuple[float, float, float]  # of the head against the camera
    centre_dm: np.ndarray  # head centre in the camera frame


def euler_degrees(matrix: np.ndarray) -> tuple[float, float, float]:
    """Inverse of `posing.rotation`: yaw, pitch, roll in degrees."""
    yaw = np.arcsin(np.clip(-matrix[2, 0], -1, 1))
    pitch = np.arctan2(-matrix[2, 1], matrix[2, 2])
    roll = np.arctan2(-matrix[1, 0], matrix[0, 0])
    y, p, r = np.degrees([yaw, pitch, roll])
    return (float(y), float(p), float(r))


def pose_frame(
    assets: HeadAssets,
    identity: Identity,
    shot: ShotSpec,
    frame: FrameSpec,
    strands: Strands | None = None,
    glasses: GlassesMesh | None = None,
) -> PosedFrame:
    """Apply expression, head turn, shells and the body's turn to the camera."""
    topology = head_topology(assets)
    base = pose_vertices(assets, identity, frame.expression, frame.head_pose_deg)
    head = topology.operator @ base
    thickness = hair_shells(assets, shot).thickness
    if thickness.any():
        head = head + thickness[:, None] * vertex_normals(head, topology.quads)
    hair = assets.hair(shot.hair_mesh).fit(base) if shot.hair_mesh else None

    def carried(points: np.ndarray) -> np.ndarray:
        return turn_with_head(points, assets, identity, frame.head_pose_deg)

    turn = rotation(shot.body_yaw_deg, shot.camera_pitch_deg, shot.camera_roll_deg)
    centre = turn @ head_centre_of(base, assets)
    total = turn @ rotation(*frame.head_pose_deg)
    return PosedFrame(
        base @ turn.T,
        head @ turn.T,
        None if hair is None else hair @ turn.T,
        None if strands is None else carried(strands.points) @ turn.T,
        None if glasses is None else carried(glasses.vertices) @ turn.T,
        euler_degrees(total),
        centre,
    )


def head_centre_of(base: np.ndarray, assets: HeadAssets) -> np.ndarray:
    """Centre [3] of a posed head: between crown and chin, brow and back (follows the head's turn)."""
    marks = head_marks(assets)
    return base[[marks.crown, marks.chin, marks.brow, marks.back]].mean(0)


def region_boxes(assets: HeadAssets, base: np.ndarray, shot: ShotSpec) -> dict[str, list[float]]:
    """Boxes [u0, v0, u1, v1] in shares of the picture round the mouth and each eye (of the subject)."""
    boxes = {}
    lips = np.unique(assets.faces[assets.region_faces("lips_solid")])
    lids = np.unique(assets.faces[assets.region_faces("eyelids_solid")])
    left = assets.vertices[lids, 0] > 0
    for name, ids in (("mouth", lips), ("left_eye", lids[left]), ("right_eye", lids[~left])):
        place = project(base[ids], shot)[:, :2]
        boxes[name] = [round(float(t), 5) for t in (*place.min(0), *place.max(0))]
    return boxes


def landmarks(
    assets: HeadAssets, base: np.ndarray, centre_z: float, shot: ShotSpec
) -> dict[str, list[float]]:
    """Named points (u, v in shares of the picture, depth in mm): nose tip, chin, crown, eye centres, mouth corners."""
    rest, marks = assets.vertices, head_marks(assets)
    lips = np.unique(assets.faces[assets.region_faces("lips_solid")])
    body = np.flatnonzero((np.abs(rest[:BODY_VERTICES, 0]) < 0.02) & (rest[:BODY_VERTICES, 1] > 6.7))
    points = {
        "nose_tip": base[body[rest[body, 2].argmax()]],
        "chin": base[marks.chin],
        "crown": base[marks.crown],
        "left_eye": base[assets.groups["joint-l-eye"]].mean(0),
        "right_eye": base[assets.groups["joint-r-eye"]].mean(0),
        "left_mouth_corner": base[lips[rest[lips, 0].argmax()]],
        "right_mouth_corner": base[lips[rest[lips, 0].argmin()]],
    }
    place = project(np.stack(list(points.values())), shot)
    place[:, 2] = (place[:, 2] - centre_z) * 100
    return {name: [round(float(t), 4) for t in row] for name, row in zip(points, place, strict=True)}


def read_passes(path: Path) -> dict[str, np.ndarray]:
    """Channels of a multilayer EXR as float32 arrays: "rgba" [H,W,4], "depth" [H,W], "coverage", "face",
    "hair", "normal" [H,W,3], "reference" [H,W,3]."""
    channels: dict[str, np.ndarray] = {}
    with OpenEXR.File(str(path), separate_channels=True) as file:
        for part in file.parts:
            for name, channel in part.channels.items():
                channels[name] = np.asarray(channel.pixels, dtype=np.float32)

    def pick(*endings: str) -> np.ndarray:
        found = []
        for ending in endings:
            names = [n for n in channels if n.endswith(ending)]
            if not names:
                raise KeyError(f"pass {ending} is not in {sorted(channels)}")
            found.append(channels[names[0]])
        return np.stack(found, -1) if len(found) > 1 else found[0]

    return {
        "rgba": pick("Combined.R", "Combined.G", "Combined.B", "Combined.A"),
        "depth": pick("Depth.Z"),
        "normal": pick("Normal.X", "Normal.Y", "Normal.Z"),
        "coverage": pick("coverage.V" if any(n.endswith("coverage.V") for n in channels) else "coverage.X"),
        "face": pick("face.V" if any(n.endswith("face.V") for n in channels) else "face.X"),
        "hair": pick("hair.V" if any(n.endswith("hair.V") for n in channels) else "hair.X"),
        "reference": pick("reference.R", "reference.G", "reference.B"),
    }


def srgb_from_linear(linear: np.ndarray) -> np.ndarray:
    """Linear light -> sRGB values in 0..1 with a soft shoulder above 0.8, as cameras do."""
    x = np.maximum(linear, 0)
    x = np.where(x > 0.8, 0.8 + 0.2 * (1 - np.exp(-(x - 0.8) / 0.35)), x)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def exposure_gain(rgba: np.ndarray, coverage: np.ndarray, target: float) -> float:
    """Gain that brings the 60th percentile of the head's luminance to `target` (linear), or less where that would
    burn out more than 3 % of the head, as a photographer would expose."""
    luminance = rgba[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    on_head = luminance[coverage > 0.9]
    if not len(on_head):
        return 1.0
    middle, bright = np.percentile(on_head, [60, 97])
    return float(min(target / max(middle, 1e-4), 0.85 / max(bright, 1e-4)))


def motion_to_reference(
    passes: dict[str, np.ndarray], depth_dm: np.ndarray, reference_depth_dm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel's surface point is found in the reference picture.

    Returns:
        motion [H, W, 2] in shares of the picture (x right, y down; 0 where invalid) and visible [H, W] bool.
    """
    size = depth_dm.shape[0]
    alpha = np.maximum(passes["rgba"][..., 3:4], 1e-3)
    # Pass values are averaged over the pixel; dividing by alpha undoes the empty part at the silhouette.
    place = passes["reference"] / alpha
    grid = (np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5) / size
    cols = np.clip((place[..., 0] * size).astype(int), 0, size - 1)
    rows = np.clip((place[..., 1] * size).astype(int), 0, size - 1)
    inside = (place[..., :2] > 0).all(-1) & (place[..., :2] < 1).all(-1)
    solid = passes["rgba"][..., 3] > 0.95
    seen = np.abs(reference_depth_dm[rows, cols] - place[..., 2]) < VISIBLE_TOLERANCE_DM
    motion = np.where(solid[..., None], place[..., :2] - grid, 0)
    return motion.astype(np.float32), solid & inside & seen


class ShotRenderer:
    """Keeps one scene for many shots."""

    def __init__(self, assets: HeadAssets, resolution_px: int, samples: int, threads: int):
        self.assets, self.resolution_px = assets, resolution_px
        self.scene = HeadScene(assets, resolution_px, samples, threads)

    def render(
        self, seed: int, target: Path, change: Callable[[ShotSpec], ShotSpec] = lambda shot: shot
    ) -> ShotSpec:
        """Render all frames of the shot with this seed, as `change` leaves it, into `target` (.npz), atomically."""
        assets = self.assets
        identity = sample_identity(assets, seed)
        shot = change(sample_shot(seed, identity.gender, identity.age, assets.hair_names))
        strands = strands_of(assets, identity, shot)
        glasses = None if shot.glasses is None else glasses_of(assets, identity, shot.glasses)
        posed = [pose_frame(assets, identity, shot, frame, strands, glasses) for frame in shot.frames]
        # The reference's head centre is the picture's centre for all frames of the shot.
        origin = posed[0].centre_dm
        hair_faces = assets.hair(shot.hair_mesh).faces if shot.hair_mesh else None
        hair_rest = assets.hair(shot.hair_mesh).fit(identity.vertices) if shot.hair_mesh else None
        self.scene.set_shot(shot, hair_faces, hair_rest, strands)
        place = project(posed[0].head - origin, shot)
        hair0 = posed[0].hair
        hair_place = None if hair0 is None else project(hair0 - origin, shot)
        self.scene.set_glasses(glasses, shot.glasses)
        glasses_place = None if posed[0].glasses is None else project(posed[0].glasses - origin, shot)
        strand_place = None
        if posed[0].strands is not None:
            strand_place = project(posed[0].strands.reshape(-1, 3) - origin, shot)
        frames: list[dict[str, np.ndarray]] = []
        records = []
        gain, reference_depth = 1.0, np.zeros(0)
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            for number, (frame, pose) in enumerate(zip(shot.frames, posed, strict=True)):
                hair = None if pose.hair is None else pose.hair - origin
                grooves = wrinkle_depths(shot.wrinkles, frame.expression)
                self.scene.set_frame(pose.head - origin, place, hair, hair_place, grooves)
                if pose.strands is not None and strand_place is not None:
                    self.scene.set_strands_frame(pose.strands - origin, strand_place)
                if pose.glasses is not None and glasses_place is not None:
                    self.scene.set_glasses_frame(pose.glasses - origin, glasses_place)
                path = Path(folder) / "frame.exr"
                self.scene.render(path, last_of_shot=number == len(posed) - 1)
                passes = read_passes(path)
                solid = passes["rgba"][..., 3] > 0.5
                depth = np.where(solid, shot.distance_mm / 100 - passes["depth"], -99.0)
                if number == 0:
                    gain = exposure_gain(passes["rgba"], passes["coverage"], shot.exposure)
                    reference_depth = depth
                motion, visible = motion_to_reference(passes, depth, reference_depth)
                alpha = passes["rgba"][..., 3:4]
                colour = srgb_from_linear(passes["rgba"][..., :3] / np.maximum(alpha, 1e-3) * gain)
                rgba = np.concatenate([colour * (alpha > 0), alpha], -1)
                centre_z = pose.centre_dm[2] - origin[2]
                frames.append(
                    {
                        "rgba": np.clip(rgba * 255 + 0.5, 0, 255).astype(np.uint8),
                        "depth_mm": np.where(
                            solid, np.clip((depth - centre_z) * 100, -2000, 2000), np.nan
                        ).astype(np.float16),
                        "coverage": np.clip(passes["coverage"] * 255 + 0.5, 0, 255).astype(np.uint8),
                        "face": np.clip(passes["face"] * 255 + 0.5, 0, 255).astype(np.uint8),
                        "hair": np.clip(passes["hair"] * 255 + 0.5, 0, 255).astype(np.uint8),
                        "motion": motion.astype(np.float16),
                        "visible": visible.astype(np.uint8),
                    }
                )
                records.append(
                    {
                        "expression": frame.expression,
                        "pose_deg": pose.pose_deg,
                        "regions": region_boxes(assets, pose.base - origin, shot),
                        "landmarks": landmarks(assets, pose.base - origin, centre_z, shot),
                    }
                )
        arrays = {key: np.stack([f[key] for f in frames]) for key in frames[0]}
        parameters = {
            "format": FORMAT_VERSION,
            "identity": {
                "seed": identity.seed, "gender": identity.gender, "age": identity.age,
                "ethnicity": identity.ethnicity, "sliders": identity.sliders,
            },
            "shot": shot.to_json(),
            "frames": records,
        }  # fmt: skip
        part = target.with_suffix(".part")
        with open(part, "wb") as file:
            np.savez_compressed(file, parameters=np.array(json.dumps(parameters)), **arrays)
        part.replace(target)
        return shot
