# SPDX-License-Identifier: GPL-3.0-or-later
"""The joint RGB and depth diffusion model. Import from the modules; this page imports nothing heavy."""
