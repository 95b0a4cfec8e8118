# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain functions that make and change Blender data: images, the relief's mesh and material, the import."""
