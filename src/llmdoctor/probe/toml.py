"""TOML as a value, or what is wrong with it and where."""

from __future__ import annotations

import re
import sys
from typing import Any


def parse_toml(text: str, name: str) -> tuple[dict[str, Any], str | None]:
    """The tables of a TOML file, or none and what is wrong, with its line.

    Conflict markers are looked for first: as TOML they are only an "invalid statement".
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    if problem := conflict(text, name):
        return {}, problem
    try:
        return tomllib.loads(text), None
    except tomllib.TOMLDecodeError as error:
        return {}, f"{name} is not valid TOML: {error}"
    except RecursionError:
        return {}, f"{name} is not valid TOML: nested too deeply"


def conflict(text: str, name: str) -> str | None:
    """Where an unresolved git merge begins, else None."""
    match = re.search(r"^(?:<{7}|>{7}) ", text, re.MULTILINE)
    if not match:
        return None
    line = text.count("\n", 0, match.start()) + 1
    return f"{name} holds the conflict markers of an unresolved merge (line {line})"


def line_of(text: str, pattern: str) -> int | None:
    """The number of the first line in which a pattern is found; "^" is the start of a line."""
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else None


def get(table: object, *keys: str) -> object:
    """The value below nested tables, None where one of them is absent or no table."""
    for key in keys:
        if not isinstance(table, dict):
            return None
        table = table.get(key)
    return table


def as_table(value: object) -> dict[str, Any]:
    """The value where it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value where it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """The strings of an array."""
    return [item for item in as_list(value) if isinstance(item, str)]
