"""Lines of the form `KEY: VALUE`, which most tools print, each with its own padding."""

from __future__ import annotations

import re
from collections.abc import Iterable

_EXAMPLE = re.compile(r"\((?:e\.?g|i\.e|for example)[^()]*\)", re.IGNORECASE)
_DOTS = re.compile(r" \.{3,} ")
_LONGEST_KEY = 64  # characters

# What tools print where they have nothing to say.
NOTHING = frozenset({
    "", "n/a", "na", "none", "could not collect", "no cuda", "not found", "unknown",
    "not available", "not installed", "<fill in>", "no relevant packages", "not set",
})  # fmt: skip

Fields = dict[str, tuple[str, ...]]


def fields_of(lines: Iterable[str]) -> Fields:
    """Every value by its key: lower case, blanks collapsed, without template examples.

    `torch version ...... 2.1` is such a line too.
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        pair = split(line)
        if pair:
            found.setdefault(pair[0], []).append(pair[1])
    return {key: tuple(values) for key, values in found.items()}


def split(line: str) -> tuple[str, str] | None:
    """Key and value of one line; None where it is no such line."""
    if " ..." in line and (dots := _DOTS.search(line)):
        key, value = line[: dots.start()], line[dots.end() :]
    else:
        key, colon, value = line[: _LONGEST_KEY + 1].partition(":")
        if not colon:
            return None
        value += line[_LONGEST_KEY + 1 :]
    if "(" in key:
        key = _EXAMPLE.sub("", key)
    key = " ".join(key.lower().split())
    return (key, value.strip()) if key and len(key) <= _LONGEST_KEY else None


def first(fields: Fields, *keys: str) -> str | None:
    """The first value that says something, under the first of these keys that has one."""
    for key in keys:
        for value in fields.get(key, ()):
            if value.lower() not in NOTHING:
                return value
    return None


def said(fields: Fields, *keys: str) -> bool:
    """Whether one of these keys stands there, whatever its value."""
    return any(key in fields for key in keys)


def boolean(text: str | None) -> bool | None:
    """True and Yes, False and No, as old and new tools write them."""
    return {"true": True, "yes": True, "false": False, "no": False}.get((text or "").lower())
