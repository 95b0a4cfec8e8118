# SPDX-License-Identifier: GPL-3.0-or-later
"""Version of the distribution and of the protocol between add-on and backend. Imports nothing."""

VERSION = "0.1.0"
PROTOCOL_VERSION = 1
