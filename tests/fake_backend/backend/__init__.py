# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the real package `backend` where the add-on's error paths are tested."""
