# SPDX-License-Identifier: GPL-3.0-or-later
"""Tooltips teach: every property that may be shown says more than its name."""

from __future__ import annotations

from collections.abc import Iterator

import bpy


def _structs() -> Iterator[tuple[str, bpy.types.Struct]]:
    """Every class of the add-on that can hold properties, with what its arguments or fields are."""
    import blender_addon

    for cls in blender_addon._CLASSES:
        if issubclass(cls, bpy.types.Operator):
            group, name = cls.bl_idname.split(".")
            yield cls.bl_idname, getattr(getattr(bpy.ops, group), name).get_rna_type()
        else:
            yield cls.__name__, cls.bl_rna


def _says_more(name: str, description: str) -> bool:
    return len(description.split()) > 1 and description.casefold() not in name.casefold()


def test_every_property_explains_itself(addon):
    seen, silent = 0, []
    for owner, struct in _structs():
        for item in struct.properties:
            if not item.is_runtime or item.is_hidden:
                continue
            seen += 1
            if not _says_more(item.name, item.description):
                silent.append(f"{owner}.{item.identifier}: {item.description!r}")
    assert seen > 150
    assert not silent, "\n".join(silent)


def test_every_operator_explains_itself(addon):
    import blender_addon

    operators = [cls for cls in blender_addon._CLASSES if issubclass(cls, bpy.types.Operator)]
    assert [cls.bl_idname for cls in operators if not _says_more(cls.bl_label, cls.bl_description)] == []


def test_a_slider_tells_what_the_face_does_whose_left_it_is_and_its_arkit_name(addon):
    from blender_addon.core import arkit

    settings = bpy.context.scene.portrait_relief.bl_rna.properties
    told = {name: settings[name].description for name in arkit.ARKIT_NAMES}
    assert len(set(told.values())) == 51
    for name, text in told.items():
        assert text.endswith(f". ARKit: {name}") and len(text) <= 120, text
        side = next((side for side in ("Left", "Right") if name.endswith(side)), None)
        if side is not None:
            assert f"subject's {side.lower()}" in text or f"subject's own {side.lower()}" in text, text
        other = arkit.counterpart(name)
        if other is not None:
            assert told[other] != text
            assert told[other].replace(other, "").replace("right", "left") == text.replace(name, "").replace(
                "right", "left"
            )
