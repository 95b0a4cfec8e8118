# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions from a driver's photo, image sequence or movie.

``footage`` reads pictures, ``landmarker`` measures the face in each, ``recording`` keeps what was measured,
``motion`` makes another head's motion of it, ``drive`` is the way through all four.
"""
