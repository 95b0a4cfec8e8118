# SPDX-License-Identifier: GPL-3.0-or-later
"""Means over rows, and the tables made of them, against rows written by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backend.training.aggregate import by_axis, means, summarise
from backend.training.axes import AXES
from backend.training.tables import tables


def row(mode: str, turned: bool = False, light: str = "window", **numbers: float) -> dict[str, Any]:
    bins = {f"axis_{axis}": "one" for axis in AXES} | {"axis_light": light}
    return {"mode": mode, "seed": 1, "frame": 1, "pose_changes": turned, **bins, **numbers}


def test_psnr_is_pooled_over_the_squared_error() -> None:
    found = means([row("joint", model_mouth_psnr_db=20.0), row("joint", model_mouth_psnr_db=99.0)])
    assert found["model_mouth_psnr_db"] == pytest.approx(59.5)
    assert found["model_mouth_pooled_psnr_db"] == pytest.approx(20 + 10 * math.log10(2))


def test_responses_are_weighted_by_what_should_change() -> None:
    rows = [
        row("joint", mouth_response=1.0, mouth_change_mse=3.0),
        row("joint", mouth_response=-1.0, mouth_change_mse=1.0),
    ]
    assert means(rows)["mouth_response"] == 0.0
    assert means(rows)["mouth_pooled_response"] == pytest.approx(0.5)


def test_what_a_row_does_not_have_or_know_is_left_out() -> None:
    rows = [row("depth", a=1.0), row("depth", a=math.nan), row("depth", b=math.nan)]
    assert means(rows) == {"a": 1.0}


def test_groups_and_bins_hold_their_own_rows() -> None:
    rows = [
        row("depth", error_mm=1.0),
        row("joint", error_mm=2.0),
        row("joint", turned=True, light="top", error_mm=4.0),
    ]
    summary = summarise(rows, {"depth": [0.3, 0.1, 0.2]})
    assert summary["depth_error_mm"] == 1.0 and summary["joint_error_mm"] == 3.0
    assert summary["joint_still_error_mm"] == 2.0 and summary["joint_turned_error_mm"] == 4.0
    assert summary["joint_samples"] == 2 and summary["depth_seconds_a_frame"] == 0.2
    light = by_axis(rows)["light"]
    assert list(light) == ["top", "window"]
    assert light["top"]["joint_turned_error_mm"] == 4.0 and light["top"]["depth_samples"] == 0
    assert light["window"]["depth_error_mm"] == 1.0


def test_tables_show_what_was_measured_and_a_dash_for_the_rest() -> None:
    rows = [row("depth", model_face_mae_mm=4.2, mean_head_face_mae_mm=9.4), row("joint")]
    text = tables(summarise(rows, {}), by_axis(rows))
    (line,) = [line for line in text.splitlines() if line.startswith("| light | window")]
    assert "4.20 (9.40)" in line and "–" in line
    assert "MediaPipe" not in text
    rows[1]["witnessed_percent"] = 0.0
    assert "found no face" in tables(summarise(rows, {}), by_axis(rows))
    rows[1] |= {"found_percent": 100.0, "model_expression_error": 0.125}
    assert "0.125" in tables(summarise(rows, {}), by_axis(rows))
