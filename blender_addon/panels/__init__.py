# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels: the same in the sidebars of the 3D View and of the Image Editor."""

from . import export, expression, job, light, relief, results

# A parent is registered before its children; each file lists its own in that order.
CLASSES = (
    *job.CLASSES,
    *expression.CLASSES,
    *results.CLASSES,
    *relief.CLASSES,
    *light.CLASSES,
    *export.CLASSES,
)
