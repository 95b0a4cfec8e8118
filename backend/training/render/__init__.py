# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic portrait renderer: MPFB heads in Blender's Cycles (needs the bpy wheel)."""
