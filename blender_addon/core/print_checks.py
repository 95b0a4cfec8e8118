# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at before a piece is written: named findings with numbers, a sentence and what mends them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from .base_shapes import BaseShape, SolidSettings
from .export_checks import check_mesh
from .height_grid import ReliefSurface
from .print_solid import Piece
from .wording import listed, worded

# Part of a relief's area that may lie below an overhang before it is worth a word.
HIDDEN_SHARE = 0.005
OVERHANG_SHARE = 0.01
# Facets that are nearly at the limit must not be told twice.
ANGLE_TOLERANCE_DEG = 0.5


class Severity(Enum):
    OK = "OK"
    WARNING = "Warning"
    ERROR = "Error"


@dataclass(frozen=True)
class Finding:
    """One check. `change` maps settings (fields of SolidSettings) to values with which it would pass."""

    name: str
    severity: Severity
    value: float
    sentence: str
    change: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """What the printer or mill can do."""

    bed_mm: tuple[float, float, float] = (220.0, 220.0, 250.0)
    thinnest_mm: float = 0.8
    overhang_deg: float = 45.0  # from the vertical, for a piece that lies on its back
    most_faces: int = 2_000_000


def check_piece(
    piece: Piece, surface: ReliefSurface, settings: SolidSettings, limits: Limits
) -> list[Finding]:
    """All findings, worst first. `surface` is the relief that the piece was made of."""
    found = [
        _relief(surface),
        *_closed(piece, settings),
        _hidden(surface, settings),
        _thickness(piece, settings, limits),
        _overhang(piece, settings, limits),
        _faces(piece, settings, limits),
        _size(piece.size_mm, settings, limits),
    ]
    return worst_first(found)


def check_height_map(
    size_mm: tuple[float, float, float], surface: ReliefSurface, settings: SolidSettings, limits: Limits
) -> list[Finding]:
    """What matters of a height map for milling: overlaps and the machine's travel."""
    return worst_first([_relief(surface), _hidden(surface, settings), _size(size_mm, settings, limits)])


def worst_first(findings: list[Finding]) -> list[Finding]:
    rank = [Severity.ERROR, Severity.WARNING, Severity.OK]
    return sorted(findings, key=lambda finding: rank.index(finding.severity))


def changes(findings: list[Finding]) -> dict[str, object]:
    """The settings that mend what can be mended, errors first."""
    out: dict[str, object] = {}
    for finding in findings:
        for name, value in finding.change.items():
            out.setdefault(name, value)
    return out


def _relief(surface: ReliefSurface) -> Finding:
    faults = check_mesh(surface.points, surface.triangles, surface.uv).faults
    if not faults:
        return Finding("relief", Severity.OK, 0, "The relief itself has no faults.")
    text = worded(
        "The relief has {faults}. Smooth or delete these places in sculpt or edit mode.",
        faults=listed(faults),
    )
    return Finding("relief", Severity.WARNING, len(faults), text)


def _closed(piece: Piece, settings: SolidSettings) -> list[Finding]:
    report = check_mesh(piece.points, piece.triangles, np.zeros((0, 2)))
    ends = np.concatenate([piece.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]).astype(np.int64)
    twice = len(ends) - len(np.unique(ends[:, 0] * len(piece.points) + ends[:, 1]))
    findings = []
    if report.open_edges:
        close = {"shape": BaseShape.OUTLINE} if settings.shape is BaseShape.SURFACE else {}
        findings.append(
            Finding(
                "watertight",
                Severity.WARNING,
                report.open_edges,
                worded(
                    "Not watertight: {count} open edges. It cannot be printed; give it a base.",
                    count=report.open_edges,
                ),
                close,
            )
        )
    else:
        findings.append(Finding("watertight", Severity.OK, 0, "Watertight."))
    faults = report.non_manifold_edges + twice
    if faults:
        findings.append(
            Finding(
                "manifold",
                Severity.ERROR,
                faults,
                worded(
                    "Not manifold: {count} edges with more than two faces or faces that look both ways. "
                    "Choose a base; a solid is built anew.",
                    count=faults,
                ),
                {"shape": BaseShape.OUTLINE} if settings.shape is BaseShape.SURFACE else {},
            )
        )
    else:
        findings.append(Finding("manifold", Severity.OK, 0, "Manifold."))
    if report.not_finite or report.degenerate_faces:
        count = report.not_finite + report.degenerate_faces
        findings.append(
            Finding(
                "degenerate",
                Severity.WARNING,
                count,
                worded(
                    "{count} faces without area or vertices that are not finite. "
                    "Merge by distance in edit mode, or choose a base.",
                    count=count,
                ),
                {"shape": BaseShape.OUTLINE} if settings.shape is BaseShape.SURFACE else {},
            )
        )
    else:
        findings.append(Finding("degenerate", Severity.OK, 0, "No degenerate faces."))
    return findings


def _hidden(surface: ReliefSurface, settings: SolidSettings) -> Finding:
    area = surface.flat_areas()
    share = float(-area[area < 0].sum() / max(np.abs(area).sum(), 1e-12))
    if share <= HIDDEN_SHARE:
        return Finding("overlap", Severity.OK, share, "The relief does not overlap itself.")
    if settings.shape is BaseShape.SURFACE:
        text = worded("{share:.1%} of the relief overlap themselves. Mills cannot reach there.", share=share)
    else:
        text = worded(
            "{share:.1%} of the relief overlap themselves. "
            "A solid has only what is seen from the front; smooth these places in sculpt mode to keep them.",
            share=share,
        )
    return Finding("overlap", Severity.WARNING, share, text)


def _thickness(piece: Piece, settings: SolidSettings, limits: Limits) -> Finding:
    if settings.shape is BaseShape.SURFACE:
        return Finding(
            "thickness", Severity.OK, math.inf, "A surface has no thickness; give it a base to print it."
        )
    if piece.thinnest_mm < limits.thinnest_mm - 1e-3:
        change: dict[str, object] = {}
        if settings.base_mm < limits.thinnest_mm:
            change["base_mm"] = limits.thinnest_mm
        if 0 < settings.hollow_wall_mm < limits.thinnest_mm:
            change["hollow_wall_mm"] = limits.thinnest_mm
        return Finding(
            "thickness",
            Severity.ERROR,
            piece.thinnest_mm,
            worded(
                "Too thin: {found:.2f} mm where {needed:.2f} mm are needed. "
                "Raise the base's or the wall's thickness.",
                found=piece.thinnest_mm,
                needed=limits.thinnest_mm,
            ),
            change,
        )
    if piece.narrow_mm2 > limits.thinnest_mm**2:
        return Finding(
            "thickness",
            Severity.WARNING,
            piece.narrow_mm2,
            worded(
                "{area:.1f} mm² at the outline are narrower than {needed:.2f} mm. "
                "Choose a plate, or a larger size.",
                area=piece.narrow_mm2,
                needed=limits.thinnest_mm,
            ),
            {"shape": BaseShape.OVAL},
        )
    text = worded("At least {found:.2f} mm thick.", found=piece.thinnest_mm)
    return Finding("thickness", Severity.OK, piece.thinnest_mm, text)


def overhang_share(piece: Piece, limit_deg: float) -> float:
    """Part of the surface that leans outwards by more than `limit_deg` from the vertical; what touches the bed is none.

    For a piece that lies on its back.
    """
    corners = piece.points[piece.triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1)
    down = np.degrees(np.arcsin(np.clip(-normal[:, 2] / np.maximum(area, 1e-12), -1, 1)))
    free = corners[:, :, 2].max(1) > float(piece.points[:, 2].min()) + 1e-4
    return float(area[free & (down > limit_deg + ANGLE_TOLERANCE_DEG)].sum() / max(area.sum(), 1e-12))


def _overhang(piece: Piece, settings: SolidSettings, limits: Limits) -> Finding:
    share = overhang_share(piece, limits.overhang_deg)
    if share <= OVERHANG_SHARE:
        text = worded("No overhang beyond {limit:.0f}°.", limit=limits.overhang_deg)
        return Finding("overhang", Severity.OK, share, text)
    hollow = settings.hollow_wall_mm > 0
    text = worded(
        "{share:.0%} of the surface hang over by more than {limit:.0f}°. "
        "That is the hollow's ceiling: print with support, standing, or solid."
        if hollow
        else "{share:.0%} of the surface hang over by more than {limit:.0f}°. Print it with support.",
        share=share,
        limit=limits.overhang_deg,
    )
    return Finding(
        "overhang",
        Severity.WARNING,
        share,
        text,
        {"hollow_wall_mm": 0.0} if hollow else {},
    )


def _faces(piece: Piece, settings: SolidSettings, limits: Limits) -> Finding:
    count = len(piece.triangles)
    if count <= limits.most_faces:
        return Finding("triangles", Severity.OK, count, worded("{count:,} triangles.", count=count))
    return Finding(
        "triangles",
        Severity.WARNING,
        count,
        worded(
            "{count:,} triangles are more than most slicers take ({most:,}). Lower the target.",
            count=count,
            most=limits.most_faces,
        ),
        {"target_faces": min(settings.target_faces, limits.most_faces // 2)},
    )


def _size(size_mm: tuple[float, float, float], settings: SolidSettings, limits: Limits) -> Finding:
    width, height, depth = size_mm
    told = f"{width:.1f} x {height:.1f} x {depth:.1f} mm"
    bed = limits.bed_mm
    fits = [(bed[0] / width, bed[1] / height), (bed[1] / width, bed[0] / height)]
    scale = max(min(pair) for pair in fits)
    too_tall = depth > bed[2] + 1e-3
    if scale >= 1 - 1e-5 and not too_tall:
        return Finding(
            "size", Severity.OK, max(width, height, depth), worded("{size}; fits the bed.", size=told)
        )
    change: dict[str, object] = {}
    if scale < 1:
        change["size_mm"] = math.floor(settings.size_mm * scale * 10) / 10
    if too_tall:
        kept = 0.0 if settings.shape is BaseShape.SURFACE else settings.base_mm
        if bed[2] > kept:
            change["relief_height_mm"] = bed[2] - kept
    return Finding(
        "size",
        Severity.ERROR,
        max(width, height, depth),
        worded(
            "{size} do not fit the bed of {bed}. Make it smaller.",
            size=told,
            bed=f"{bed[0]:g} x {bed[1]:g} x {bed[2]:g} mm",
        ),
        change,
    )
