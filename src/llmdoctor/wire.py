"""Frozen dataclasses to JSON and back, with errors that point at the place.

One codec serves snapshots (`Machine`), profiles read from TOML, journals and reports. It knows the
few shapes that our words are made of: scalars, `X | None`, `tuple[X, ...]`, `dict[str, X]`,
`Literal`, nested dataclasses and unions of them (told apart by their `kind` field).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import types
import typing
from typing import Any, TypeVar

from llmdoctor.errors import nearest

T = TypeVar("T")


class WireError(ValueError):
    """A value that does not fit; `path` is its place, such as `$.nvidia.gpus[0].memory`."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}")
        self.path = path
        self.expected = expected


def dump(value: object) -> Any:  # noqa: ANN401 - the result is JSON
    """Give `value` as plain JSON data: dicts, lists, strings, numbers, booleans and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: dump(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [dump(item) for item in value]
    if isinstance(value, dict):
        return {str(key): dump(item) for key, item in value.items()}
    return value


def load(kind: type[T], data: object, path: str = "$") -> T:
    """Build a `kind` from plain JSON data.

    Keys that are left out take the field's default. A key that no field has is refused with the
    nearest name: in a hand-written file it is a slip of the pen.

    Raises:
        WireError: the data does not fit, with the path of the first value that does not.
    """
    result: T = _load(kind, data, path)
    return result


def _load(kind: Any, data: object, path: str) -> Any:  # noqa: ANN401 - one arm for each shape
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _load_dataclass(typing.cast("type", kind), data, path)
    if origin in (types.UnionType, typing.Union):
        return _load_union(typing.get_args(kind), data, path)
    if origin is typing.Literal:
        if data in typing.get_args(kind):
            return data
        raise WireError(path, f"expected one of {_names(typing.get_args(kind))}, got {data!r}")
    if origin is tuple:
        item = typing.get_args(kind)[0]
        if not isinstance(data, list):
            raise WireError(path, f"expected a list, got {_type_name(data)}")
        return tuple(_load(item, value, f"{path}[{n}]") for n, value in enumerate(data))
    if origin is dict:
        if not isinstance(data, dict):
            raise WireError(path, f"expected a table, got {_type_name(data)}")
        item = typing.get_args(kind)[1]
        return {str(key): _load(item, value, f"{path}.{key}") for key, value in data.items()}
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is object or (isinstance(data, kind) and not (kind is int and isinstance(data, bool))):
        return data
    raise WireError(path, f"expected {kind.__name__}, got {_type_name(data)}")


def _load_dataclass(kind: type, data: object, path: str) -> object:
    if not isinstance(data, dict):
        raise WireError(path, f"expected a table, got {_type_name(data)}")
    hints = _hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    for key in data:
        if key not in names:
            meant = nearest(str(key), names) or f"; known: {_names(names)}"
            raise WireError(path, f"unknown key {key!r}{meant}")
    values: dict[str, object] = {}
    for field in dataclasses.fields(kind):
        if field.name in data:
            values[field.name] = _load(hints[field.name], data[field.name], f"{path}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise WireError(path, f"missing key {field.name!r}")
    built: object = kind(**values)
    return built


def _load_union(kinds: tuple[Any, ...], data: object, path: str) -> object:
    if data is None and type(None) in kinds:
        return None
    rest = [kind for kind in kinds if kind is not type(None)]
    if len(rest) == 1:
        return _load(rest[0], data, path)
    if isinstance(data, dict):  # dataclasses of a union are told apart by their `kind` literal
        for kind in rest:
            if dataclasses.is_dataclass(kind):
                (tag,) = typing.get_args(_hints(typing.cast("type", kind))["kind"])
                if data.get("kind") == tag:
                    return _load(kind, data, path)
        raise WireError(path, f"unknown kind {data.get('kind')!r}")
    for kind in rest:
        if isinstance(kind, type) and isinstance(data, kind):
            return data
    raise WireError(path, f"expected one of {_names(k.__name__ for k in rest)}")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a class's fields; `LATE` names those whose module is imported only now."""
    late: dict[str, str] = getattr(kind, "LATE", {})
    found = {name: getattr(importlib.import_module(module), name) for name, module in late.items()}
    return typing.get_type_hints(kind, localns=found or None)


def _names(values: typing.Iterable[object]) -> str:
    return ", ".join(repr(value) for value in values)


def _type_name(value: object) -> str:
    names = {"dict": "a table", "list": "a list", "NoneType": "nothing", "bool": "true or false"}
    name = type(value).__name__
    return names.get(name, f"{name} {value!r}"[:80])
