# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that needs no bpy: protocol, jobs, backend process, names, depth <-> vertices, files.

Only the standard library and numpy, so it runs and is tested in any Python 3.11.
"""
