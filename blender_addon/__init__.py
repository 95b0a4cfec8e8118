# SPDX-License-Identifier: GPL-3.0-or-later
"""Portrait Relief: a portrait photo and an expression become a textured, relightable relief of the head.

The model runs in a local backend process; this package starts it, speaks its protocol and builds Blender data.
Without bpy only `core` can be imported.
"""

from __future__ import annotations

import atexit
import gc
import importlib.util

if importlib.util.find_spec("bpy") is not None:
    import bpy

    # Imports make no garbage; run over all of Blender's objects for some, the collector takes longer than they do.
    _collecting = gc.isenabled()
    gc.disable()
    try:
        from . import (
            build_properties,
            crop_overlay,
            export_properties,
            late_imports,
            light_properties,
            menus,
            operators,
            panels,
            preferences,
            properties,
            runtime,
            sequence_files,
            thumbnails,
            translations,
        )
        from .scene import chosen_picture
    finally:
        if _collecting:
            gc.enable()

    _CLASSES = (
        *properties.CLASSES,
        *export_properties.CLASSES,
        *light_properties.CLASSES,
        *build_properties.CLASSES,
        *preferences.CLASSES,
        *operators.CLASSES,
        *panels.CLASSES,
        *menus.CLASSES,
    )
    _HANDLERS = (
        ("load_pre", runtime.cancel_for_other_file),
        ("load_post", runtime.show_after_load),
        ("load_post", chosen_picture.look_after_load),
        ("load_post", sequence_files.start_over),
        ("load_post", build_properties.start_over),
        ("save_post", sequence_files.after_save),
        ("undo_post", sequence_files.after_undo),
        ("redo_post", sequence_files.after_undo),
        ("undo_post", build_properties.after_undo),
        ("redo_post", build_properties.after_undo),
    )

    def register() -> None:
        translations.register()
        for cls in _CLASSES:
            bpy.utils.register_class(cls)
        properties.add_pointers()
        export_properties.add_pointer()
        light_properties.add_pointer()
        build_properties.add_pointer()
        menus.add()
        crop_overlay.add()
        for name, handler in _HANDLERS:
            getattr(bpy.app.handlers, name).append(handler)
        late_imports.begin()
        if not bpy.app.binary_path:
            # bpy as a Python module crashes or hangs at exit (4.2) when classes are still registered.
            atexit.register(unregister)

    def unregister() -> None:
        atexit.unregister(unregister)
        runtime.close()
        thumbnails.close()
        for name, handler in _HANDLERS:
            handlers = getattr(bpy.app.handlers, name)
            if handler in handlers:
                handlers.remove(handler)
        crop_overlay.remove()
        menus.remove()
        build_properties.remove_pointer()
        light_properties.remove_pointer()
        export_properties.remove_pointer()
        properties.remove_pointers()
        for cls in reversed(_CLASSES):
            bpy.utils.unregister_class(cls)
        translations.unregister()
