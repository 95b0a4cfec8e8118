# SPDX-License-Identifier: GPL-3.0-or-later
"""Version of the shots' files: raised whenever the same seed gives other pictures or other arrays."""

FORMAT_VERSION = 2
