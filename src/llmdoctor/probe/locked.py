"""The packages of a poetry.lock, uv.lock or pylock.toml, in the same words.

Nearly all of a lock are the names and hashes of files, and TOML takes its time with each. So every
list of files is folded into one string before the rest is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from llmdoctor.locked import Origin
from llmdoctor.probe.toml import as_table, get, parse_toml

_FILES = re.compile(
    r"^(?P<key>[\w.\"-]+) = \[\r?\n"
    r"(?P<rows>(?:[ \t]+\{ ?(?:file|url|path) = \"[^\"\\'|\n]*\".*\},?\r?\n)+)\]",
    re.MULTILINE,
)
_ROW = re.compile(r"^[ \t]+\{ ?(?:file|url|path) = \"([^\"]*)\"", re.MULTILINE)
_DEFAULT = "default-groups"
_ORIGINS: dict[str, Origin] = {
    # of Poetry, by the type of its source
    "file": "path",
    "url": "url",
    "git": "git",
    "directory": "folder",
    # of uv and pylock.toml, by their key
    "path": "path",
    "editable": "folder",
    "virtual": "folder",
    "vcs": "git",
}


@dataclass(frozen=True)
class Edge:
    """What a package asks for: another one, perhaps of one version or source, under a marker."""

    name: str
    version: str | None = None
    source: str | None = None  # as `Entry.source` writes it
    marker: str | None = None
    extras: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Entry:
    """One package of a lock, as it is written there.

    `markers` are by group, "" for all; `groups` None: the lock does not say (Poetry 1, uv). `index`
    is the address that it comes from, where that is not the default one.
    """

    name: str
    version: str | None
    origin: Origin = "index"
    source: str = ""
    address: str | None = None
    index: str | None = None
    files: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    markers: dict[str, str] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    extras: dict[str, tuple[Edge, ...]] = field(default_factory=dict)
    dev: dict[str, tuple[Edge, ...]] = field(default_factory=dict)
    forks: tuple[str, ...] = ()  # it is for one of these markers alone
    metadata: dict[str, Any] = field(default_factory=dict)  # what uv wrote down of a manifest


def read_lock(text: str, tool: str) -> tuple[tuple[Entry, ...], dict[str, Any]]:
    """The packages of a lock that is valid TOML, and its other tables; strange ones are left out.

    `tool` is poetry, uv or pip (pylock.toml).
    """
    data, _ = parse_toml(_FILES.sub(_folded, text), "lock")
    tables = data.pop("packages" if tool == "pip" else "package", None)
    make = {"poetry": _of_poetry, "uv": _of_uv, "pip": _of_pylock}[tool]
    older = get(data, "metadata", "files")  # where Poetry 1.0 to 1.2 list the files
    entries = []
    for table in tables if isinstance(tables, list) else ():
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            if isinstance(older, dict):
                table.setdefault("files", older.get(table["name"]))
            entries.append(make(table))
    return tuple(entries), data


def normal(name: str) -> str:
    """A name as every index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def file_of(address: str) -> str:
    """The name of the file at an address or path."""
    path = urlsplit(address).path if "://" in address else address
    return unquote(path).replace("\\", "/").rpartition("/")[2]


def _folded(match: re.Match[str]) -> str:
    names = "|".join(_ROW.findall(match["rows"]))
    return f"{match['key']} = '{names}'"


def _names(value: object) -> tuple[str, ...]:
    """The file names of a folded list, of one that was not, or of a single table."""
    if isinstance(value, str):
        return tuple(file_of(name) for name in value.split("|"))
    tables = value if isinstance(value, list) else [value]
    keys = ("name", "file", "filename", "url", "path")
    found = (next((t[k] for k in keys if k in t), "") for t in tables if isinstance(t, dict))
    return tuple(file_of(name) for name in found if isinstance(name, str) and name)


def _of_poetry(table: dict[str, Any]) -> Entry:
    source = as_table(table.get("source"))
    origin = _ORIGINS.get(str(source.get("type")), "index")
    address = _text(source.get("url"))
    markers, groups = table.get("markers"), table.get("groups")
    return Entry(
        normal(table["name"]),
        _text(table.get("version")),
        origin,
        address=address if origin in ("url", "path") else None,
        index=address if origin == "index" else None,
        files=_names(table.get("files")),
        groups=tuple(map(str, groups)) if isinstance(groups, list) else None,
        markers=_markers({"": markers} if isinstance(markers, str) else markers),
        edges=tuple(_poetry_edges(as_table(table.get("dependencies")))),
    )


def _poetry_edges(table: dict[str, Any]) -> Iterator[Edge]:
    for name, value in table.items():
        for item in value if isinstance(value, list) else [value]:
            said = item if isinstance(item, dict) else {}
            yield Edge(
                normal(name),
                marker=_text(said.get("markers")),
                extras=_texts(said.get("extras")),
                optional=said.get("optional") is True,
            )


def _of_uv(table: dict[str, Any]) -> Entry:
    source = as_table(table.get("source"))
    key = next((key for key in source if key in ("registry", *_ORIGINS)), "registry")
    origin = _ORIGINS.get(key, "index")
    address = _text(source.get(key))
    optional, dev = as_table(table.get("optional-dependencies")), table.get("dev-dependencies")
    return Entry(
        normal(table["name"]),
        _text(table.get("version")),
        origin,
        source=_source(source),
        address=address if origin != "index" else None,
        index=address if origin == "index" else None,
        files=(*_names(table.get("wheels")), *_names(table.get("sdist"))),
        edges=_uv_edges(table.get("dependencies")),
        extras={normal(name): _uv_edges(items) for name, items in optional.items()},
        dev={normal(name): _uv_edges(items) for name, items in as_table(dev).items()},
        forks=_texts(table.get("resolution-markers")),
        metadata={**as_table(table.get("metadata")), _DEFAULT: table.get(_DEFAULT)},
    )


def _uv_edges(items: object) -> tuple[Edge, ...]:
    return tuple(
        Edge(
            normal(item["name"]),
            _text(item.get("version")),
            _source(as_table(item["source"])) if "source" in item else None,
            _text(item.get("marker")),
            _texts(item.get("extra")),
        )
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and isinstance(item.get("name"), str)
    )


def _of_pylock(table: dict[str, Any]) -> Entry:
    key = next((k for k in ("vcs", "directory", "archive") if k in table), None)
    place = as_table(table.get(key or ""))
    address = _text(place.get("url")) or _text(place.get("path"))
    origin: Origin = _ORIGINS.get(key or "", "index")
    if key == "archive":
        origin = "url" if "url" in place else "path"
    marker = table.get("marker")
    return Entry(
        normal(table["name"]),
        _text(table.get("version")),
        origin,
        address=address if key == "archive" else None,
        index=_text(table.get("index")),
        files=(*_names(table.get("wheels")), *_names(table.get("sdist"))),
        markers=_markers({"": marker}),
    )


def _markers(value: object) -> dict[str, str]:
    items = value.items() if isinstance(value, dict) else ()
    return {str(group): marker for group, marker in items if isinstance(marker, str) and marker}


def _source(table: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(table.items()))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
