# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators: thin; what they do lies in runtime, requests, scene and core."""

from . import (
    backend,
    crop,
    drive,
    driving,
    export,
    expression,
    history,
    install,
    jobs,
    light,
    own_presets,
    portrait,
    relief,
    results,
    sequence,
    tasks,
    viewing,
)

CLASSES = (
    *backend.CLASSES,
    *install.CLASSES,
    *jobs.CLASSES,
    *expression.CLASSES,
    *own_presets.CLASSES,
    *driving.CLASSES,
    *drive.CLASSES,
    *sequence.CLASSES,
    *portrait.CLASSES,
    *crop.CLASSES,
    *results.CLASSES,
    *history.CLASSES,
    *export.CLASSES,
    *light.CLASSES,
    *relief.CLASSES,
    *tasks.CLASSES,
    *viewing.CLASSES,
)
