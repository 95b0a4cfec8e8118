# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole product once, on one photo: see __main__.py."""
