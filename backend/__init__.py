# SPDX-License-Identifier: GPL-3.0-or-later
"""Portrait Relief backend: joint RGB and depth diffusion for portraits. Imports nothing heavy by itself."""
