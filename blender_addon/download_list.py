# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what an installation downloads: in the preferences, and in the dialog that asks before it."""

from __future__ import annotations

import textwrap

import bpy

from .core.downloads import Downloads, size_text
from .translations import say


def summary(downloads: Downloads) -> str:
    """One sentence: how much is downloaded and how much it takes."""
    if not downloads.recorded:
        return say(
            "{count} packages, sizes not recorded for this choice: plan for {needed} of disk space",
            count=len(downloads.packages),
            needed=size_text(downloads.needed_bytes),
        )
    return say(
        "{count} packages: downloads {download}, takes {disk} on disk",
        count=len(downloads.packages),
        download=size_text(downloads.download_bytes),
        disk=size_text(downloads.disk_bytes),
    )


def draw_packages(layout: bpy.types.UILayout, downloads: Downloads, letters: int) -> None:
    """Large packages in rows with their sizes, the others in lines of up to `letters` letters."""
    column = layout.column(align=True)
    column.use_property_split = False
    for package in downloads.large:
        row = column.split(factor=0.5)
        row.label(text=f"{package.name} {package.version}", translate=False)
        text = say(
            "{download}, {disk} on disk",
            download=size_text(package.download_bytes),
            disk=size_text(package.disk_bytes),
        )
        row.label(text=text, translate=False)
    small = ", ".join(f"{package.name} {package.version}" for package in downloads.small)
    if downloads.large and downloads.small:
        size = size_text(sum(package.download_bytes for package in downloads.small))
        small = say("Together {size}: {names}", size=size, names=small)
    for line in textwrap.wrap(small, letters, break_on_hyphens=False):
        column.label(text=line, translate=False)
    if downloads.recorded:
        text = say("Sizes as of {date}", date=downloads.recorded)
        column.label(text=text, translate=False)
