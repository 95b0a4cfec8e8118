# SPDX-License-Identifier: GPL-3.0-or-later
"""From rows of samples to means, whole and by axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from backend.training.axes import AXES, in_order

Rows = Sequence[Mapping[str, Any]]

GROUPS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "depth": lambda row: row["mode"] == "depth",
    "joint": lambda row: row["mode"] == "joint",
    "joint_still": lambda row: row["mode"] == "joint" and not row["pose_changes"],
    "joint_turned": lambda row: row["mode"] == "joint" and row["pose_changes"],
    "appearance": lambda row: row["mode"] == "appearance",
}
"""Name of a group -> which rows are in it: pictures whose depth is read, driven frames, those of them with the head
still, those with the head turned; pictures generated for a given depth."""

WEIGHED = (
    "whole",
    "mouth",
    "eyes",
    "expression",
)  # responses that are also weighted by how much should change


def means(rows: Rows) -> dict[str, float]:
    """Mean of every number over the rows that have it.

    PSNR of a region is also given as the PSNR of the mean squared error over samples ("pooled"), which single perfect
    or hopeless samples do not dominate; the response also as its mean weighted by how much should change, which pairs
    with next to no change do not dominate.
    """
    result: dict[str, float] = {}
    for key in sorted({key for row in rows for key, value in row.items() if isinstance(value, float)}):
        values = np.array([row[key] for row in rows if np.isfinite(row.get(key, np.nan))])
        if not len(values):
            continue
        result[key] = float(values.mean())
        if key.endswith("psnr_db"):
            pooled = -10 * np.log10(np.mean(10 ** (-values / 10)))
            result[key.replace("psnr", "pooled_psnr")] = float(pooled)
    for name in WEIGHED:
        shown = [row for row in rows if np.isfinite(row.get(f"{name}_response", np.nan))]
        weights = [row[f"{name}_change_mse"] for row in shown]
        if sum(weights) > 0:
            responses = [row[f"{name}_response"] for row in shown]
            result[f"{name}_pooled_response"] = float(np.average(responses, weights=weights))
    return result


def summarise(rows: Rows, seconds: Mapping[str, Sequence[float]]) -> dict[str, float | int]:
    """All numbers, each with the name of its group in front; how many samples there are, and how many of them the
    witness saw; median `seconds` a frame by mode."""
    result: dict[str, float | int] = {}
    for group, belongs in GROUPS.items():
        members = [row for row in rows if belongs(row)]
        result[f"{group}_samples"] = len(members)
        result[f"{group}_witnessed"] = sum("model_expression_error" in row for row in members)
        result |= {f"{group}_{key}": value for key, value in means(members).items()}
    result |= {f"{mode}_seconds_a_frame": float(np.median(times)) for mode, times in seconds.items()}
    return result


def by_axis(rows: Rows) -> dict[str, dict[str, dict[str, float | int]]]:
    """Axis -> bin -> what `summarise` says of the rows in it."""
    result: dict[str, dict[str, dict[str, float | int]]] = {}
    for axis in AXES:
        column = f"axis_{axis}"
        bins = in_order(axis, {row[column] for row in rows})
        result[axis] = {name: summarise([row for row in rows if row[column] == name], {}) for name in bins}
    return result
