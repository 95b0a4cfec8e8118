# SPDX-License-Identifier: GPL-3.0-or-later
"""Render one shot: pose every frame, run Cycles, turn its passes into arrays, write one .npz."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.training.render.assets import HeadAssets
from backend.training.render.distributions import ShotSpec, sample_shot
from backend.training.render.encoding import (
    FACE_REGIONS,
    encode_light,
    encode_normals,
    encode_regions,
    light_scale,
)
from backend.training.render.face_hair import FaceHair, face_hair_of
from backend.training.render.face_paint import wrinkle_depths
from backend.training.render.frames import FrameSpec
from backend.training.render.geometry import hair_shells, head_topology, project, vertex_normals
from backend.training.render.glasses import GlassesMesh, glasses_of
from backend.training.render.hair_strands import Strands, strands_of
from backend.training.render.identity import Identity, head_marks, sample_identity
from backend.training.render.landmarks import (
    LANDMARK_NAMES,
    chief_landmarks,
    place_landmarks,
    region_boxes,
    visible_landmarks,
)
from backend.training.render.lighting import LIGHT_GROUPS, own_gains
from backend.training.render.passes import (
    exposure_gain,
    motion_to_reference,
    read_light,
    read_passes,
    region_masks,
)
from backend.training.render.posing import pose_vertices, rotation, turn_with_head
from backend.training.render.scene import HeadScene
from backend.training.render.shot_format import FORMAT_VERSION


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


def camera_of(shot: ShotSpec, resolution_px: int) -> dict[str, float | list[float]]:
    """The pinhole camera of a shot: focal length and principal point in pixels, distance of the picture's origin."""
    centre = [resolution_px * (0.5 + share) for share in shot.offset]
    focal_px = resolution_px * shot.distance_mm / shot.span_mm
    return {
        "focal_px": focal_px,
        "centre_px": centre,
        "distance_mm": shot.distance_mm,
        "side_px": resolution_px,
    }


def pack_light(
    groups: np.ndarray, reference_coverage: np.ndarray, shot: ShotSpec
) -> tuple[np.ndarray, dict[str, Any]]:
    """Expose the shot, and encode its light groups.

    Args:
        groups: linear, straight alpha, unexposed [K, G, H, W, 3].
        reference_coverage: of the first frame [H, W], 0..1.

    Returns:
        codes uint8 [K, G, H, W, 3] (`encoding.decode_light` with the scales below gives exposed linear light), and
        what reads them: "groups", names; "scale" [G]; "own" [G], the gains that make the shot's own light; "mean"
        [G, 3], mean linear RGB on the first frame's head; "exposure", the gain that is in all of it.
    """
    own = own_gains(shot.spare_light)
    seen = np.tensordot(np.array(own), groups[0], 1)
    gain = exposure_gain(seen, reference_coverage, shot.exposure)
    exposed = groups * gain
    scales = [light_scale(exposed[:, index]) for index in range(len(LIGHT_GROUPS))]
    codes = np.stack([encode_light(exposed[:, index], scale) for index, scale in enumerate(scales)], 1)
    head = reference_coverage > 0.9
    mean = exposed[0][:, head].mean(1) if head.any() else exposed[0].mean((1, 2))
    record = {"groups": LIGHT_GROUPS, "scale": scales, "own": own, "mean": mean.tolist(), "exposure": gain}
    return codes, record


def _byte(share: np.ndarray) -> np.ndarray:
    """0..1 -> uint8."""
    return np.clip(share * 255 + 0.5, 0, 255).astype(np.uint8)


class ShotRenderer:
    """Keeps one scene for many shots."""

    def __init__(self, assets: HeadAssets, resolution_px: int, samples: int, threads: int):
        self.assets, self.resolution_px = assets, resolution_px
        self.scene = HeadScene(assets, resolution_px, samples, threads)

    def _hairs(self, face_hair: FaceHair, pose: PosedFrame, origin: np.ndarray) -> dict[str, np.ndarray]:
        """Points [N, K, 3] of a frame's hairs by the names of their curves, about the picture's centre."""
        found = {"face_hair": face_hair.at(pose.head, head_topology(self.assets).quads) - origin}
        return found if pose.strands is None else {"strands": pose.strands - origin, **found}

    def render(
        self,
        seed: int,
        target: Path,
        change: Callable[[ShotSpec], ShotSpec] = lambda shot: shot,
        reshape: Callable[[int, PosedFrame], PosedFrame] = lambda _number, pose: pose,
    ) -> ShotSpec:
        """Render all frames of the shot with this seed, as `change` leaves it and `reshape` each frame's vertices, into
        `target` (.npz), atomically."""
        assets = self.assets
        identity = sample_identity(assets, seed)
        shot = change(sample_shot(seed, identity.gender, identity.age, assets.hair_names))
        strands = strands_of(assets, identity, shot)
        face_hair = face_hair_of(assets, identity, shot)
        glasses = None if shot.glasses is None else glasses_of(assets, identity, shot.glasses)
        posed = [
            reshape(number, pose_frame(assets, identity, shot, frame, strands, glasses))
            for number, frame in enumerate(shot.frames)
        ]
        # The reference's head centre is the picture's centre for all frames of the shot.
        origin = posed[0].centre_dm
        hair_faces = assets.hair(shot.hair_mesh).faces if shot.hair_mesh else None
        hair_rest = assets.hair(shot.hair_mesh).fit(identity.vertices) if shot.hair_mesh else None
        self.scene.set_shot(shot, hair_faces, hair_rest, strands, face_hair)
        place = project(posed[0].head - origin, shot)
        hair0 = posed[0].hair
        hair_place = None if hair0 is None else project(hair0 - origin, shot)
        self.scene.set_glasses(glasses, shot.glasses)
        glasses_place = None if posed[0].glasses is None else project(posed[0].glasses - origin, shot)
        hairs = [self._hairs(face_hair, pose, origin) for pose in posed]
        hair_places = {name: project(points.reshape(-1, 3), shot) for name, points in hairs[0].items()}
        frames: list[dict[str, np.ndarray]] = []
        lights: list[np.ndarray] = []
        records = []
        reference_depth = np.zeros(0)
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            for number, (frame, pose) in enumerate(zip(shot.frames, posed, strict=True)):
                hair = None if pose.hair is None else pose.hair - origin
                grooves = wrinkle_depths(shot.wrinkles, frame.expression)
                self.scene.set_frame(pose.head - origin, place, hair, hair_place, grooves)
                for name, points in hairs[number].items():
                    self.scene.set_curves_frame(name, points, hair_places[name])
                if pose.glasses is not None and glasses_place is not None:
                    self.scene.set_glasses_frame(pose.glasses - origin, glasses_place)
                written = self.scene.render(Path(folder), last_of_shot=number == len(posed) - 1)
                passes = read_passes(written[0])
                alpha = passes["rgba"][..., 3]
                solid = alpha > 0.5
                depth = np.where(solid, shot.distance_mm / 100 - passes["depth"], -99.0)
                if number == 0:
                    reference_depth = depth
                motion, visible = motion_to_reference(passes, depth, reference_depth)
                centre_z = pose.centre_dm[2] - origin[2]
                depth_mm = np.where(solid, np.clip((depth - centre_z) * 100, -2000, 2000), np.nan)
                masks = region_masks(passes)
                points = place_landmarks(assets, pose.base - origin, centre_z, shot)
                lights.append(read_light(written[1], alpha))
                frames.append(
                    {
                        "alpha": _byte(alpha),
                        "depth_mm": depth_mm.astype(np.float16),
                        "normal": encode_normals(passes["normal"]),
                        "coverage": _byte(passes["coverage"]),
                        "face": _byte(passes["face"]),
                        "hair": _byte(passes["hair"]),
                        "regions": encode_regions(masks),
                        "motion": motion.astype(np.float16),
                        "visible": visible.astype(np.uint8),
                        "landmarks": points,
                        "landmarks_visible": visible_landmarks(points, depth_mm, masks["eyeball"]).astype(
                            np.uint8
                        ),
                    }
                )
                records.append(
                    {
                        "expression": frame.expression,
                        "pose_deg": pose.pose_deg,
                        # Z = 0 of this frame, as a distance from the camera's plane.
                        "zero_distance_mm": round(float(shot.distance_mm - centre_z * 100), 3),
                        "regions": region_boxes(assets, pose.base - origin, shot),
                        "landmarks": chief_landmarks(assets, pose.base - origin, centre_z, shot),
                    }
                )
        arrays = {key: np.stack([f[key] for f in frames]) for key in frames[0]}
        arrays["light"], light = pack_light(np.stack(lights), arrays["coverage"][0] / 255, shot)
        parameters = {
            "format": FORMAT_VERSION,
            "identity": {
                "seed": identity.seed, "gender": identity.gender, "age": identity.age,
                "ethnicity": identity.ethnicity, "sliders": identity.sliders,
            },
            "shot": shot.to_json(),
            "camera": camera_of(shot, self.resolution_px),
            "light": light,
            "region_bits": FACE_REGIONS,
            "landmark_names": LANDMARK_NAMES,
            "frames": records,
        }  # fmt: skip
        part = target.with_suffix(".part")
        with open(part, "wb") as file:
            np.savez_compressed(file, parameters=np.array(json.dumps(parameters)), **arrays)
        part.replace(target)
        return shot
