# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sculpted relief makes of a picture, against renders of heads that were sculpted alike.

python -m backend.training.sculpted --assets ASSETS --out data/sculpted --count 12 --sheet sculpted.png

Each head of the test split, seen from the front in its own light, is rendered as it is, with its nose, chin, cheeks
and brow pushed towards the camera, and with its jaw, nose and mouth dragged sideways. The picture of the unsculpted
head and the depth that the model reads from it, moved alike, with the scene flow of that, is what the editor is given;
the render of the sculpted head is the truth, cast shadows and highlights included.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from backend.editor import DEFAULT_CHECKPOINT
from backend.imaging.contact_sheet import contact_sheet
from backend.imaging.crop import CropBox
from backend.imaging.matte import nearest_outside
from backend.imaging.scene_flow import drag
from backend.imaging.sculpting import carry_sculpting, follow_flow
from backend.model.ensemble import VIEWS
from backend.model.pipeline import JointPortraitPipeline
from backend.training import metrics
from backend.training.augment import CROP_SIDE_MM
from backend.training.dataset import EXTRA_ARRAYS, Shot, load_shot
from backend.training.evaluation import evaluation_crop, picture_of
from backend.training.render.assets import HeadAssets
from backend.training.render.cli import RESOLUTION_PX, shot_path
from backend.training.render.distributions import TEST_SEEDS_FROM, ShotSpec
from backend.training.render.frames import FrameSpec
from backend.training.render.landmarks import LANDMARK_NAMES, landmark_vertices
from backend.training.tables import markdown

SAMPLES = 12  # a change of a few grey levels must not drown in what denoising leaves
FRONT_MM = 45.0  # what lies farther behind a landmark is not pushed with it
LEAST_STRENGTH = 1e-3
SHOWN_MM = 0.5  # a picture is compared where the push is larger, and a little round it
ROUND_MM = 10.0
FACE_CUT = np.s_[56:216, 48:208]  # of the standard crop at 256 px, for the sheet


@dataclass(frozen=True)
class Push:
    """A smooth bump: its landmark, offset and widths (x right, y up), how far it goes towards the camera and sideways
    (x right, y up), in mm."""

    landmark: str
    offset_mm: tuple[float, float]
    width_mm: tuple[float, float]
    height_mm: float
    drag_mm: tuple[float, float] = (0.0, 0.0)

    def at(self, x_mm: np.ndarray, y_mm: np.ndarray, mark_mm: np.ndarray) -> np.ndarray:
        """How far it moves what lies at places in the plane of the picture: mm to the right, up and nearer [..., 3];
        `mark_mm` [2 or 3] is where the landmark is."""
        across = (x_mm - mark_mm[0] - self.offset_mm[0]) / self.width_mm[0]
        up = (y_mm - mark_mm[1] - self.offset_mm[1]) / self.width_mm[1]
        strength = np.exp(-0.5 * (across**2 + up**2))
        return np.where(strength > LEAST_STRENGTH, strength, 0)[..., None] * np.array(
            [*self.drag_mm, self.height_mm]
        )


def _both_sides(
    landmark: str,
    offset: tuple[float, float],
    width: tuple[float, float],
    height: float,
    drag: tuple[float, float] = (0.0, 0.0),
) -> tuple[Push, Push]:
    # The subject's left is at the picture's right.
    return (
        Push(f"left_{landmark}", offset, width, height, drag),
        Push(f"right_{landmark}", (-offset[0], offset[1]), width, height, (-drag[0], drag[1])),
    )


SCULPTINGS: Mapping[str, tuple[Push, ...]] = {
    "nose longer": (Push("nose_tip", (0, 0), (9, 12), 14),),
    "nose wider": _both_sides("nose_wing", (2, 0), (6, 8), 8),
    "chin stronger": (Push("chin", (0, 0), (16, 12), 12),),
    "cheeks fuller": _both_sides("cheek", (0, 0), (15, 18), 10),
    "brow heavier": _both_sides("brow_3", (0, -2), (16, 6), 7),
    "jaw slimmer": _both_sides("jaw_5", (0, 0), (16, 20), 0, (-7, 2)),
    "nose turned up": (Push("nose_tip", (0, 0), (10, 9), 2, (0, 5)),),
    "mouth wider": _both_sides("mouth_corner", (0, 0), (9, 8), 0, (5, 3)),
}


def from_the_front(shot: ShotSpec) -> ShotSpec:
    """The shot seen straight, with nothing before the face, a frame a sculpting after the head as it is."""
    return replace(
        shot, body_yaw_deg=0.0, camera_pitch_deg=0.0, camera_roll_deg=0.0, offset=(0.0, 0.0), glasses=None,
        headwear="none", beard="none", frames=[FrameSpec({}, (0.0, 0.0, 0.0))] * (1 + len(SCULPTINGS)),
    )  # fmt: skip


def render_sculpted(assets: HeadAssets, folder: Path, seeds: list[int]) -> None:
    """Render what is missing in `folder`: frame 0 as it is, then one frame a sculpting."""
    from backend.training.render.shot import PosedFrame, ShotRenderer

    ids = dict(zip(LANDMARK_NAMES, landmark_vertices(assets), strict=True))

    def reshaped(number: int, pose: PosedFrame) -> PosedFrame:
        head = pose.head.copy()
        for push in () if number == 0 else list(SCULPTINGS.values())[number - 1]:
            mark = pose.base[ids[push.landmark]].mean(0) * 100
            x, y, z = pose.head.T * 100
            head += push.at(x, y, mark) / 100 * (z > mark[2] - FRONT_MM)[:, None]
        return replace(pose, head=head)

    missing = [seed for seed in seeds if not _is_rendered(shot_path(folder, seed))]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        renderer = ShotRenderer(assets, RESOLUTION_PX, SAMPLES, threads=1)
        for seed in tqdm(missing, unit="head", disable=None):
            renderer.render(seed, shot_path(folder, seed), from_the_front, reshaped)


def _is_rendered(path: Path) -> bool:
    """Whether all of today's sculptings are in the file."""
    return path.exists() and load_shot(path).frames == 1 + len(SCULPTINGS)


def pushed(shot: Shot, name: str, depth_mm: np.ndarray) -> np.ndarray:
    """How far a sculpting moves what each pixel of the standard crop shows (`depth_mm` [R, R], finite): pixels right
    and down and mm nearer [R, R, 3], as `scene_flow.drag` takes it."""
    side = depth_mm.shape[0]
    distance = shot.parameters["camera"]["distance_mm"]
    axis = ((np.arange(side) + 0.5) / side - 0.5) * CROP_SIDE_MM
    x, y = (values * (1 - depth_mm / distance) for values in np.meshgrid(axis, -axis))
    marks = dict(zip(LANDMARK_NAMES, shot.arrays["landmarks"][0], strict=True))
    total = np.zeros((*depth_mm.shape, 3))
    for push in SCULPTINGS[name]:
        u, v, z = marks[push.landmark]
        mark = (np.array([u - 0.5, 0.5 - v]) * shot.span_mm) * (1 - z / distance)
        total += push.at(x, y, mark) * (depth_mm > z - FRONT_MM)[..., None]
    shown = side / CROP_SIDE_MM / (1 - depth_mm / distance)  # pixels a mm at that depth
    return total * np.stack([shown, -shown, np.ones_like(shown)], -1)


def measure(
    pipeline: JointPortraitPipeline, shot: Shot
) -> tuple[dict[str, dict[str, float]], list[list[np.ndarray]]]:
    """Sculpting -> numbers of the carried picture, of the network's and of the untouched one; and pictures to look at:
    of each sculpting the untouched, the true, the carried and the network's."""
    side = pipeline.settings.resolution_px
    first = evaluation_crop(shot, 0, side)
    read = pipeline(mode="depth", rgb=first.rgb, ensemble_size=len(VIEWS))
    reference = pipeline.encode_reference(first.rgb)
    copy = picture_of(first.rgb)
    coverage = read.coverage[0, 0].numpy()
    depth = np.where(coverage >= 0.5, read.depth_mm[0, 0].numpy(), np.nan)
    true_depth = first.depth[0, 0].numpy()
    head = np.isfinite(true_depth)
    # The read outline is not the true one, and what is dragged inwards comes from beyond it: the push goes on there.
    true_depth = nearest_outside(np.nan_to_num(true_depth), head)
    photo, crop = np.rint(copy * 255).astype(np.uint8), CropBox(0, 0, side)
    numbers: dict[str, dict[str, float]] = {}
    pictures: list[list[np.ndarray]] = []
    for frame, name in enumerate(SCULPTINGS, 1):
        push = pushed(shot, name, true_depth)
        given, flow = drag(depth, push)
        truth = picture_of(evaluation_crop(shot, frame, side).rgb)
        sculpting = follow_flow(depth, coverage, given, flow, crop, CROP_SIDE_MM)
        made = {
            "carried": carry_sculpting(photo, sculpting) / 255.0,
            "network": picture_of(
                pipeline(
                    mode="appearance",
                    reference=reference,
                    depth_mm=torch.from_numpy(given)[None, None],
                    coverage=read.coverage,
                ).rgb
            ),
            "copy": copy,
        }
        reach = 2 * round(ROUND_MM / CROP_SIDE_MM * side) + 1
        mm = np.array([CROP_SIDE_MM / side, CROP_SIDE_MM / side, 1.0])
        shown = np.stack([push * head[..., None], np.nan_to_num(flow)])
        touched = np.linalg.norm(shown * mm, axis=-1).max(0) > SHOWN_MM
        where = cv2.dilate(touched.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
        row = {f"{source}_psnr_db": metrics.psnr(picture, truth, where) for source, picture in made.items()}
        row |= {
            f"{source}_response": metrics.response(made[source], copy, truth, where)
            for source in ("carried", "network")
        }
        row["change_mse"] = float(np.mean((truth - copy)[where] ** 2))
        numbers[name] = row
        pictures.append([copy, truth, made["carried"], made["network"]])
    return numbers, pictures


def table(rows: Mapping[str, list[dict[str, float]]]) -> list[str]:
    """PSNR pooled over heads, and the response weighted by how much should change."""

    def pooled(name: str, source: str) -> float:
        return float(-10 * np.log10(np.mean([10 ** (-row[f"{source}_psnr_db"] / 10) for row in rows[name]])))

    def response(name: str, source: str) -> float:
        weights = [row["change_mse"] for row in rows[name]]
        return float(np.average([row[f"{source}_response"] for row in rows[name]], weights=weights))

    lines = [
        [
            name,
            *(f"{pooled(name, source):.2f} dB" for source in ("carried", "network", "copy")),
            *(f"{response(name, source):.2f}" for source in ("carried", "network")),
        ]
        for name in rows
    ]
    headings = ["sculpted", "carried onto the photo", "the network", "the photo as it is"]
    return markdown([*headings, "response, carried", "response, network"], lines)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.training.sculpted", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--assets", required=True, type=Path, help="MPFB data folder")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder of the renders; what is there is kept"
    )
    parser.add_argument("--count", type=int, default=12, help="heads; default: %(default)s")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet")
    args = parser.parse_args(argv)
    seeds = list(range(TEST_SEEDS_FROM, TEST_SEEDS_FROM + args.count))
    render_sculpted(HeadAssets(args.assets), args.out, seeds)
    pipeline = JointPortraitPipeline.from_pretrained(args.checkpoint)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in SCULPTINGS}
    tiles, labels = [], []
    for seed in tqdm(seeds, unit="head", disable=None):
        numbers, pictures = measure(pipeline, load_shot(shot_path(args.out, seed), extras=EXTRA_ARRAYS))
        for name, row in numbers.items():
            rows[name].append(row)
        number = len(tiles) % len(SCULPTINGS)
        tiles.append([picture[FACE_CUT] for picture in pictures[number]])
        labels.append(list(SCULPTINGS)[number])
    print("\n".join(table(rows)))
    if args.sheet:
        columns = ["photo", "render of the sculpted head", "carried onto the photo", "the network"]
        sheet = contact_sheet(tiles, column_labels=columns, row_labels=labels, tile_px=256)
        Image.fromarray(sheet).save(args.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
