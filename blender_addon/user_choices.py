# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user chose in the preferences, for all who do not draw them."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from .storage import PACKAGE


@dataclass
class DefaultPreferences:
    """Stands in where the package is registered by a script instead of being enabled as an add-on; the fields are those
    of `preferences.PortraitReliefPreferences`."""

    connection: str = "START"
    backend_python: str = ""
    backend_source: str = ""
    checkpoint: str = ""
    landmarker: str = ""
    device: str = "AUTO"
    device_name: str = ""
    precision: str = "AUTO"
    face_following: bool = False
    install_folder: str = ""
    install_python: str = ""
    package_index: str = ""
    address: str = ""
    token: str = ""


_defaults = DefaultPreferences()


def get() -> DefaultPreferences:
    """The user's preferences; plain, changeable defaults when the package is no enabled add-on."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return addon.preferences if addon and addon.preferences else _defaults  # pyright: ignore[reportReturnType]
