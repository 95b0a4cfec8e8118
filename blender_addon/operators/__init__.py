# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators: thin; what they do lies in runtime, requests, scene and core."""

from . import backend, expression, install, jobs, results

CLASSES = (*backend.CLASSES, *install.CLASSES, *jobs.CLASSES, *expression.CLASSES, *results.CLASSES)
