# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything between a photo on disk and the model's square crop, and back to the photo's own resolution."""
