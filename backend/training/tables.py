# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of an evaluation as Markdown tables, as they stand in the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.training.axes import AXES

Summary = Mapping[str, Any]
NOTHING = "–"
NAMES = {"model": "model", "mean_head": "mean head", "flat": "flat", "copy": "copy the reference"}

REGIONS = ("whole", "mouth", "eyes")
PICTURE_HEADINGS = (
    *(f"{region} PSNR / SSIM / gradient error" for region in REGIONS),
    "what should not change, dB",
)

# heading, key, key of the row to beat (in brackets), format
AXIS_COLUMNS: Sequence[tuple[str, str, str | None, str]] = (
    ("pictures", "depth_samples", None, "d"),
    ("face MAE mm (mean head)", "depth_model_face_mae_mm", "depth_mean_head_face_mae_mm", ".2f"),
    ("head RMSE mm", "depth_model_head_rmse_mm", None, ".2f"),
    ("face normals °", "depth_model_face_normal_deg", None, ".1f"),
    ("IoU", "depth_coverage_iou", None, ".3f"),
    ("face place mm", "depth_model_face_place_mm", None, ".1f"),
    ("still pairs", "joint_still_samples", None, "d"),
    ("mouth dB (copy)", "joint_still_model_mouth_pooled_psnr_db", "joint_still_copy_mouth_pooled_psnr_db", ".1f"),
    ("eyes dB (copy)", "joint_still_model_eyes_pooled_psnr_db", "joint_still_copy_eyes_pooled_psnr_db", ".1f"),
    ("mouth response", "joint_still_mouth_pooled_response", None, ".2f"),
    ("seen, still", "joint_still_witnessed", None, "d"),
    ("expression error (copy)", "joint_still_model_expression_error", "joint_still_copy_expression_error", ".3f"),
    ("seen, turned", "joint_turned_witnessed", None, "d"),
    ("pose error ° (copy)", "joint_turned_model_pose_error_deg", "joint_turned_copy_pose_error_deg", ".1f"),
)  # fmt: skip


def cell(summary: Summary, key: str, form: str) -> str:
    """The formatted number, a dash where nothing was measured."""
    value = summary.get(key)
    return NOTHING if value is None else f"{value:{form}}"


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def depth_table(summary: Summary) -> list[str]:
    """Depth of a picture, beside the mean head and a flat plane."""
    rows = []
    for name in ("model", "mean_head", "flat"):
        errors = [
            cell(summary, f"depth_{name}_{part}_{kind}_mm", ".2f")
            for part in ("head", "face")
            for kind in ("rmse", "mae")
        ]
        angles = [cell(summary, f"depth_{name}_{part}_normal_deg", ".1f") + "°" for part in ("head", "face")]
        rows.append([NAMES[name], *errors, " / ".join(angles)])
    headings = ["depth from a picture", "head RMSE mm", "head MAE mm", "face RMSE mm", "face MAE mm"]
    shift, scale, jpeg = (
        cell(summary, f"depth_jitter_{name}_mm", ".2f") for name in ("shift", "rescale", "jpeg")
    )
    lines = [
        *markdown([*headings, "normals head / face"], rows),
        "",
        f"Coverage IoU {cell(summary, 'depth_coverage_iou', '.3f')}; scale of the head off by "
        f"{cell(summary, 'depth_extent_error_percent', '.1f')} %; {summary['depth_samples']} pictures.",
    ]
    if "depth_background_coverage_iou" in summary:
        grey, drawn = (
            f"coverage IoU {cell(summary, f'depth_{name}_coverage_iou', '.3f')}, as the editor follows the picture's "
            f"colours {cell(summary, f'depth_{name}_followed_iou', '.3f')}, face RMSE "
            f"{cell(summary, f'depth_{name}_face_rmse_mm', '.2f')} mm"
            for name in ("first", "background")
        )
        lines += ["", f"First picture of each shot on grey: {grey}; before drawn backgrounds: {drawn}."]
    if "depth_model_face_place_mm" in summary:
        place, middle = (
            cell(summary, f"depth_{name}_face_place_mm", ".1f") for name in ("model", "identity")
        )
        lines += [
            "",
            f"The face frame takes a point of the face for one {place} mm beside it on the canonical face; a face "
            f"taken to be average, upright and in the middle, {middle} mm.",
        ]
    if "depth_model_read_mm" in summary:
        read, neutral = (
            f"{cell(summary, f'depth_{name}_read_mm', '.2f')} mm ({cell(summary, f'depth_{name}_read_error', '.3f')})"
            for name in ("model", "neutral")
        )
        lines += [
            "",
            f"The expression read from a picture moves the canonical face beside the true one by {read}; a neutral "
            f"face {neutral}: root mean square over the face (mean error of a coefficient).",
        ]
    if shift != NOTHING:
        lines += [
            "",
            f"A still picture's depth changes by {shift} mm when it is shifted by a pixel, {scale} mm when rescaled by "
            f"3 %, {jpeg} mm when recompressed as JPEG (median over the head).",
        ]
    return lines


def _picture_rows(summary: Summary, group: str) -> list[list[str]]:
    """The generated and the copied picture of a group, region by region."""
    rows = []
    for name in ("model", "copy"):
        keys = [f"{group}_{name}_{region}" for region in REGIONS]
        cells = [
            f"{cell(summary, f'{key}_pooled_psnr_db', '.2f')} dB / {cell(summary, f'{key}_ssim', '.3f')} / "
            f"{cell(summary, f'{key}_gradient_error', '.4f')}"
            for key in keys
        ]
        rows.append([NAMES[name], *cells, cell(summary, f"{group}_{name}_identity_pooled_psnr_db", ".2f")])
    return rows


def appearance_table(summary: Summary) -> list[str]:
    """Pictures that the network generates for the true depth of a driven frame, beside copying the reference."""
    if not summary["appearance_samples"]:
        return []
    responses = ", ".join(
        f"{region} {cell(summary, f'appearance_{region}_pooled_response', '.2f')}" for region in REGIONS
    )
    return [
        *markdown(
            ["picture from depth (head still)", *PICTURE_HEADINGS], _picture_rows(summary, "appearance")
        ),
        "",
        f"The target's true depth and coverage are given with the reference, no expression. Response: {responses}; "
        f"{summary['appearance_samples']} pairs.",
    ]


def picture_table(summary: Summary) -> list[str]:
    """Generated pictures with the head still, beside copying the reference; one sentence of the turned ones."""
    rows = _picture_rows(summary, "joint_still")

    def of(key: str, form: str) -> str:
        return cell(summary, key, form)

    sharpness = ", ".join(f"{region} {of(f'joint_still_{region}_sharpness', '.2f')}" for region in REGIONS)
    lines = [
        *markdown(["expression edit (head still)", *PICTURE_HEADINGS], rows),
        "",
        f"Response to the expression: mouth {of('joint_still_mouth_pooled_response', '.2f')}, eyes "
        f"{of('joint_still_eyes_pooled_response', '.2f')} (1 is the whole true change; a plain mean over pairs gives "
        f"{of('joint_still_mouth_response', '.2f')} and {of('joint_still_eyes_response', '.2f')}); "
        f"{summary['joint_still_samples']} pairs. Sharpness against the truth: {sharpness}.",
        "",
        f"Motion where surface moves: response {of('joint_still_motion_response', '.2f')}, squared error "
        f"{of('joint_still_motion_error', '.2f')} of the motion's own.",
        "",
        f"Depth generated with the picture: face RMSE {of('joint_model_face_rmse_mm', '.2f')} mm, MAE "
        f"{of('joint_model_face_mae_mm', '.2f')} mm, coverage IoU {of('joint_coverage_iou', '.3f')}.",
    ]
    if summary["joint_turned_samples"]:
        lines += [
            "",
            f"Head turned: response of the whole picture {of('joint_turned_whole_pooled_response', '.2f')}, PSNR "
            f"{of('joint_turned_model_whole_pooled_psnr_db', '.2f')} dB, of copying "
            f"{of('joint_turned_copy_whole_pooled_psnr_db', '.2f')} dB; {summary['joint_turned_samples']} pairs.",
        ]
    if "joint_turn_model_whole_psnr_db" in summary:
        pose = ""
        if "joint_turn_model_pose_error_deg" in summary:
            pose = (
                f" MediaPipe sees the head's pose off by {of('joint_turn_model_pose_error_deg', '.1f')} degrees "
                f"({of('joint_turn_copy_pose_error_deg', '.1f')})."
            )
        lines += [
            "",
            f"Turned by the depth that is read from the reference, as the editor does it: face "
            f"{of('joint_turn_model_face_psnr_db', '.2f')} dB (copying {of('joint_turn_copy_face_psnr_db', '.2f')}), "
            f"whole {of('joint_turn_model_whole_psnr_db', '.2f')} dB "
            f"({of('joint_turn_copy_whole_psnr_db', '.2f')}), mean over pairs that differ by the turn alone.{pose}",
        ]
    return lines


def witness_table(summary: Summary) -> list[str]:
    """What MediaPipe sees of the generated pictures; nothing where it was not asked."""
    if "joint_witnessed_percent" not in summary:
        return []
    if "joint_found_percent" not in summary:
        return ["MediaPipe found no face in any pair of reference and target."]
    rows = []
    for name in ("model", "copy"):
        numbers = (
            (f"joint_still_{name}_expression_error", ".3f"),
            (f"joint_still_{name}_landmark_error_mm", ".2f"),
            (f"joint_turned_{name}_landmark_error_mm", ".2f"),
            (f"joint_turned_{name}_pose_error_deg", ".2f"),
            (f"joint_{name}_landmark_depth_mae_mm", ".2f"),
        )
        rows.append([NAMES[name], *(cell(summary, key, form) for key, form in numbers)])
    read = cell(summary, "joint_read_landmark_depth_mae_mm", ".2f")
    rows.append(["depth read from the true picture", *[NOTHING] * 4, read])
    headings = [
        "as MediaPipe sees it",
        "expression error (still)",
        "landmarks mm (still)",
        "landmarks mm (turned)",
        "head pose ° (turned)",
        "depth at the landmarks mm",
    ]
    return [
        *markdown(headings, rows),
        "",
        f"{summary['joint_still_witnessed']} still and {summary['joint_turned_witnessed']} turned pairs. "
        f"Response by MediaPipe's own coefficients {cell(summary, 'joint_still_expression_pooled_response', '.2f')}. "
        f"It finds the face in reference and target of {cell(summary, 'joint_witnessed_percent', '.0f')} % of the "
        f"pairs, and in {cell(summary, 'joint_found_percent', '.0f')} % of these in the generated picture too.",
    ]


def axis_table(axes: Mapping[str, Mapping[str, Summary]]) -> list[str]:
    """One row a bin of every axis."""
    rows = []
    for axis, bins in axes.items():
        for name, summary in bins.items():
            cells = []
            for _, key, baseline, form in AXIS_COLUMNS:
                text = cell(summary, key, form)
                if baseline is not None and text != NOTHING:
                    text += f" ({cell(summary, baseline, form)})"
                cells.append(text)
            rows.append([AXES[axis].text, name, *cells])
    return markdown(["axis", "bin", *(column[0] for column in AXIS_COLUMNS)], rows)


def tables(summary: Summary, axes: Mapping[str, Mapping[str, Summary]]) -> str:
    """Everything that is printed of an evaluation."""
    times = ", ".join(
        f"{cell(summary, f'{mode}_seconds_a_frame', '.2f')} s {what}"
        for mode, what in (("depth", "to read a picture's depth"), ("joint", "to generate a frame"))
    )
    blocks = [
        depth_table(summary),
        picture_table(summary),
        appearance_table(summary),
        witness_table(summary),
        axis_table(axes),
        [f"{times}."],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)
