# SPDX-License-Identifier: GPL-3.0-or-later
"""Training data, training and evaluation of the joint portrait model."""
