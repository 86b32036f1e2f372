"""A manifest while it is changed: whole tables as text, single values through tomlkit.

tomlkit keeps what stands around a value. A table that it takes out loses the comment above the
next one, and of a list of tables with others in between it takes out nothing: so these are lines.
Whatever was done is looked at afterwards: nothing but the places that were meant has changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from llmdoctor.probe.toml import get, parse_toml

_HEADER = re.compile(r"^[ \t]*\[{1,2}([^\[\]#\n]+)\]{1,2}[ \t]*(?:#.*)?$", re.MULTILINE)
_BESIDE = re.compile(r"[ \t]*(?:#.*)?")  # a line that says nothing: blank, or a comment
_FILE = "pyproject.toml"

Place: TypeAlias = tuple[str, ...]  # keys from the outermost table inwards


class NotWritableError(Exception):
    """A manifest that cannot be changed as it is written: in words."""


class Draft:
    """The text of a manifest, what was changed in it, and where."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.changes: list[str] = []
        self._touched: set[Place] = set()

    def at(self, *keys: str) -> Any:  # noqa: ANN401 - whatever stands there
        """The value at a place, as plain data; None where there is none."""
        return get(parse_toml(self.text, _FILE)[0], *keys)

    def edit(self, place: Place, change: Callable[[Any], None], key: str | None = None) -> None:
        """Change the table or list at a place through tomlkit; of a table that key alone."""
        import tomlkit

        document = tomlkit.parse(self.text)
        value: Any = document
        for step in place:
            value = value[step]
        change(value)
        self.text = tomlkit.dumps(document)
        self._touched.add(place if key is None else (*place, key))

    def put(self, place: Place, key: str, value: object) -> None:
        """Set a key that a table has; the comment behind it stays."""
        self.edit(place, lambda table: table.__setitem__(key, inline(value)), key)

    def drop(self, place: Place, key: str) -> None:
        """Take a key out of a table."""
        self.edit(place, lambda table: table.pop(key), key)

    def append(self, place: Place, lines: Iterable[str]) -> None:
        """Add a table: behind others of its kind, else behind its neighbours, else at the end.

        tomlkit moves the tables of a list together where others stand between them.
        """
        self._touched.add(place)
        self._add(place, lines)

    def extend(self, place: Place, key: str, lines: Sequence[str]) -> None:
        """Add the lines of a key at the end of a table, with its header where there is none."""
        self._touched.add((*place, key))
        for keys, start, end in self._sections():
            if keys == place:
                self._insert(start, end, lines)
                return
        self._add(place, [f"[{'.'.join(place)}]", *lines])

    def _add(self, place: Place, lines: Iterable[str]) -> None:
        sections = self._sections()
        for length in range(len(place), 1, -1):
            near = [at for at in sections if at[0][:length] == place[:length]]
            if near:
                self._insert(*near[-1][1:], ["", *lines])
                return
        end = "" if self.text.endswith("\n") else "\n"
        self.text += "\n".join([end, *lines, ""])

    def _insert(self, start: int, end: int, lines: Iterable[str]) -> None:
        """Put lines behind the last one that says something in a part of the text."""
        rows = self.text[start:end].split("\n")
        while _BESIDE.fullmatch(rows[-1]):
            rows.pop()
        at = start + len("\n".join(rows))
        self.text = "\n".join([self.text[:at], *lines]) + (self.text[at:] or "\n")

    def cut(self, place: Place, wanted: Callable[[str], bool] = lambda _: True) -> None:
        """Take out a table and those below it; of a list of tables those that are `wanted`.

        Comments above the next table are that one's, and stay.
        """
        self._touched.add(place)
        for keys, start, end in reversed(self._sections()):
            body = self.text[start:end]
            if keys[: len(place)] != place or not wanted(body):
                continue
            rows = body.split("\n")
            last = len(rows)
            while _BESIDE.fullmatch(rows[last - 1]):
                last -= 1
            rest = rows[last:]
            while len(rest) > 1 and not rest[0].strip():
                rest.pop(0)
            after = "\n".join(rest) + self.text[end:]
            before = self.text[:start]
            self.text = before + after if after.strip() else before.rstrip("\n") + "\n"

    def see(self, before: str) -> None:
        """See that nothing else than what was meant has changed.

        Raises:
            NotWritableError: it has, or the text is no TOML any more.
        """
        old, _ = parse_toml(before, _FILE)
        new, problem = parse_toml(self.text, _FILE)
        if problem or _without(old, self._touched) != _without(new, self._touched):
            places = " and ".join(".".join(place) for place in sorted(self._touched))
            raise NotWritableError(
                f"{places} cannot be changed the way pyproject.toml is written: give each its own "
                "[table], and nothing inline or with dots in a key"
            )

    def _sections(self) -> list[tuple[Place, int, int]]:
        """Each table's keys, with where its header begins and its text ends."""
        found = list(_HEADER.finditer(self.text))
        ends = [*(match.start() for match in found), len(self.text)][1:]
        return [
            (tuple(key.strip(" \t\"'") for key in match[1].split(".")), match.start(), end)
            for match, end in zip(found, ends, strict=True)
        ]


def inline(value: object) -> Any:  # noqa: ANN401 - an item of tomlkit
    """A value as it stands behind its key, tables in braces; `as_string()` is its text."""
    import tomlkit

    if not isinstance(value, dict):
        return tomlkit.item(value)
    table = tomlkit.inline_table()
    table.update(value)
    return table


def line(key: str, value: object) -> str:
    """A key and its value in a line."""
    return f"{key} = {inline(value).as_string()}"


def _without(data: Any, touched: set[Place], at: Place = ()) -> Any:  # noqa: ANN401
    """The data without what may change, and without tables that hold nothing else."""
    if not isinstance(data, dict):
        return data
    found = {
        key: _without(value, touched, (*at, key))
        for key, value in data.items()
        if (*at, key) not in touched
    }
    above = {place[: len(at) + 1] for place in touched if place[: len(at)] == at}
    return {key: value for key, value in found.items() if value != {} or (*at, key) not in above}


def explicit(draft: Draft, place: Place, name: str, url: str, mark: tuple[str, str | bool]) -> str:
    """See that a list of indexes has one of that address for torch alone; gives its name.

    `mark` is the key that says so, and its value.
    """
    known = {item.get("name"): item for item in draft.at(*place) or []}
    key, value = mark
    for other, item in known.items():
        there = str(item.get("url", "")).rstrip("/")
        if other and item.get(key) == value and there == url.rstrip("/"):
            return str(other)
    if name in known:
        draft.cut(place, lambda body: f'name = "{name}"' in body)
    rows = [f"{word} = {json.dumps(said)}" for word, said in (("name", name), ("url", url), mark)]
    draft.append(place, [f"[[{'.'.join(place)}]]", *rows])
    draft.changes.append(f"{place[-1]} {name}, explicit: {url}")
    return name
