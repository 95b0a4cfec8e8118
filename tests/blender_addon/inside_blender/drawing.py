# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws panels, menus and dialogs without a window, where Blender gives no layout (popups crash or hang there).

The stand-in has the functions of the running Blender's own `UILayout`, and refuses what that would refuse: unknown
functions, arguments, icons, properties, operators with their arguments, menus and lists.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bpy

WIDTH_PX = 300  # of the sidebar
_LAYOUT = bpy.types.UILayout.bl_rna
_NUMBERS = {"INT": (int,), "FLOAT": (int, float), "BOOLEAN": (bool, int)}


class Drawn:
    """What was drawn: the operators (with the arguments they were given), the menus, and every text."""

    def __init__(self) -> None:
        self.operators: list[tuple[str, dict[str, object]]] = []
        self.menus: list[str] = []
        self.properties: list[tuple[str, str]] = []
        self.texts: list[str] = []


class OperatorArguments:
    """What `layout.operator` returns: takes only arguments that the operator has."""

    def __init__(self, name: str, given: dict[str, object]) -> None:
        vars(self).update(_struct=_operator_struct(name), _given=given)

    def __setattr__(self, name: str, value: object) -> None:
        struct = vars(self)["_struct"]
        assert name in struct.properties, f"{struct.identifier} has no argument {name}"
        item = struct.properties[name]
        if item.type == "ENUM":
            assert value in item.enum_items, f"{struct.identifier}.{name} cannot be {value!r}"
        vars(self)["_given"][name] = value


class StandInLayout:
    drawn: Drawn

    def __init__(self, drawn: Drawn) -> None:
        vars(self)["drawn"] = drawn

    def __setattr__(self, name: str, value: object) -> None:
        assert name in _LAYOUT.properties, f"a layout has no {name}"
        item = _LAYOUT.properties[name]
        assert not item.is_readonly, name
        _check_value(f"layout.{name}", item, value)
        vars(self)[name] = value

    def __getattr__(self, name: str) -> Any:
        if name in _LAYOUT.properties:
            return _LAYOUT.properties[name].default
        assert name in _LAYOUT.functions, f"a layout has no function {name}"
        return lambda *values, **named: self._called(name, values, named)

    def _called(self, name: str, values: tuple, named: dict[str, Any]) -> object:
        function = _LAYOUT.functions[name]
        taken = [item for item in function.parameters if not item.is_output]
        assert len(values) <= len(taken), f"{name} takes no {len(values)} values"
        given = dict(zip((item.identifier for item in taken), values, strict=False))
        assert not set(given) & set(named), f"{name}: given twice"
        given |= named
        unknown = set(given) - {item.identifier for item in taken}
        assert not unknown, f"{name} takes no {unknown}"
        for item in taken:
            if item.identifier in given:
                _check_value(f"{name}({item.identifier})", item, given[item.identifier])
            else:
                assert not item.is_required, f"{name} needs {item.identifier}"
        self.drawn.texts += [given[key] for key in ("text", "heading") if given.get(key)]
        checked = _CHECKS.get(name)
        if checked is not None:
            return checked(self.drawn, given)
        parts = [item for item in function.parameters if item.is_output and item.type == "POINTER"]
        layouts = tuple(StandInLayout(self.drawn) for _ in parts)
        return layouts[0] if len(layouts) == 1 else layouts or None


def _check_value(what: str, item: bpy.types.Property, value: object) -> None:
    if item.type == "ENUM":
        assert value in item.enum_items, f"{what} cannot be {value!r}"
    elif item.type == "STRING":
        assert isinstance(value, str), f"{what} cannot be {value!r}"
    elif item.type in _NUMBERS:
        assert isinstance(value, _NUMBERS[item.type]), f"{what} cannot be {value!r}"


def _operator_struct(name: str) -> bpy.types.Struct:
    group, _dot, short = name.partition(".")
    return getattr(getattr(bpy.ops, group), short).get_rna_type()  # KeyError where there is none


def _check_property(data: Any, name: str) -> None:
    assert data is not None, f"nothing has no {name}"
    assert name in data.bl_rna.properties, f"{data.bl_rna.identifier} has no {name}"


def _operator(drawn: Drawn, given: dict[str, Any]) -> OperatorArguments:
    arguments: dict[str, object] = {}
    drawn.operators.append((given["operator"], arguments))
    made = OperatorArguments(given["operator"], arguments)
    if not given.get("text") and "text" not in given:
        drawn.texts.append(_operator_struct(given["operator"]).name)
    return made


def _property(drawn: Drawn, given: dict[str, Any]) -> None:
    data, name = given["data"], given["property"]
    _check_property(data, name)
    if given.get("index", -1) >= 0:
        assert given["index"] < data.bl_rna.properties[name].array_length
    drawn.properties.append((data.bl_rna.identifier, name))


def _menu(drawn: Drawn, given: dict[str, Any]) -> None:
    assert hasattr(bpy.types, given["menu"]), f"there is no menu {given['menu']}"
    drawn.menus.append(given["menu"])


def _list(_drawn: Drawn, given: dict[str, Any]) -> None:
    assert hasattr(bpy.types, given["listtype_name"]), f"there is no list {given['listtype_name']}"
    _check_property(given["dataptr"], given["propname"])
    _check_property(given["active_dataptr"], given["active_propname"])


def _identifier(drawn: Drawn, given: dict[str, Any]) -> None:
    _property(drawn, given)
    for role in ("new", "open", "unlink"):
        if given.get(role):
            _operator_struct(given[role])


_CHECKS: dict[str, Callable[[Drawn, dict[str, Any]], object]] = {
    "operator": _operator,
    "prop": _property,
    "menu": _menu,
    "template_list": _list,
    "template_ID": _identifier,
}


class _Self:
    """Stands for an instance that only Blender can make: a panel, a menu, a dialog with its arguments' defaults."""

    def __init__(self, cls: type, struct: Any, values: dict[str, object]) -> None:
        vars(self).update(cls=cls, bl_rna=struct, **values)

    def __getattr__(self, name: str) -> object:
        cls, struct = vars(self)["cls"], vars(self)["bl_rna"]
        found = getattr(cls, name, None)
        if isinstance(found, types.FunctionType):
            return types.MethodType(found, self)
        if found is None and name in struct.properties:
            return struct.properties[name].default
        return found


class _Instead:
    """Something of Blender's with some values replaced."""

    def __init__(self, real: Any, **values: object) -> None:
        vars(self).update(values, _real=real)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_real"], name)


def _context(real: bpy.types.Context) -> Any:
    """Without a window the interface's scale is 0 and sidebars have no width."""
    system = _Instead(real.preferences.system, ui_scale=1.0)
    return _Instead(
        real,
        preferences=_Instead(real.preferences, system=system),
        region=types.SimpleNamespace(width=WIDTH_PX),
    )


def draw(cls: type, context: bpy.types.Context, drawn: Drawn, **values: object) -> bool:
    """All drawing functions of a class of the add-on, where its poll lets it draw. Says whether it did."""
    poll = getattr(cls, "poll", None)
    is_operator = issubclass(cls, bpy.types.Operator)
    if not is_operator and isinstance(poll, types.MethodType) and not poll(context):
        return False
    struct = _operator_struct(cls.bl_idname) if is_operator else cls.bl_rna
    for name in ("draw_header", "draw_header_preset", "draw"):
        function = getattr(cls, name, None)
        if isinstance(function, types.FunctionType):
            function(_Self(cls, struct, {"layout": StandInLayout(drawn), **values}), _context(context))
    return True


def draw_function(function: Callable[[Any, bpy.types.Context], None], context: bpy.types.Context) -> Drawn:
    """An entry that is appended to a menu of Blender's."""
    drawn = Drawn()
    function(types.SimpleNamespace(layout=StandInLayout(drawn)), context)
    return drawn


@contextmanager
def editor(kind: str, image: bpy.types.Image | None = None) -> Iterator[bpy.types.Context]:
    """The context of the sidebar of a "VIEW_3D" or "IMAGE_EDITOR"."""
    area = next(area for area in bpy.context.screen.areas if area.type not in {"VIEW_3D", "PROPERTIES"})
    if kind == "VIEW_3D":
        area = next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D")
    area.type = kind
    if kind == "IMAGE_EDITOR":
        area.spaces.active.image = image
    region = next(region for region in area.regions if region.type == "UI")
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region):
        yield bpy.context
