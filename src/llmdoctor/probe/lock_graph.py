"""Which packages of a lock an install would ask for on this machine.

A lock is for every platform at once. Poetry 2 and pylock.toml write the marker of each package
down; in a uv.lock and in the locks of Poetry 1 it is on the way to the package, so that is walked.
Optional groups and extras are not asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement

from llmdoctor.hardware import Host
from llmdoctor.probe.locked import Edge, Entry, normal
from llmdoctor.probe.toml import get

_NAMES = {
    "linux": ("posix", "linux", "Linux"),
    "macos": ("posix", "darwin", "Darwin"),
    "windows": ("nt", "win32", "Windows"),
}
_MACHINES = {("windows", "x86_64"): "AMD64", ("windows", "aarch64"): "ARM64"}


def marker_values(host: Host, python: str) -> dict[str, str] | None:
    """What CPython of that version says of itself on that machine; None where that is not known."""
    if host.system not in _NAMES or host.arch == "unknown":
        return None
    version = python.removesuffix("t")
    full = version if version.count(".") > 1 else f"{version}.0"
    os_name, platform, system = _NAMES[host.system]
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": os_name,
        "platform_machine": _MACHINES.get((host.system, host.arch), host.arch),
        "platform_python_implementation": "CPython",
        "platform_release": host.kernel or "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": full,
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": platform,
    }


@dataclass
class Here:
    """Whether markers hold on one machine; a marker that nobody can read does not."""

    values: dict[str, str]
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def holds(self, marker: str | None, extras: Iterable[str] = ()) -> bool:
        """Whether a marker holds with one of these extras, or with none."""
        return not marker or any(self._holds(marker, extra) for extra in ("", *extras))

    def _holds(self, marker: str, extra: str) -> bool:
        key = (marker, extra)
        if key not in self._known:
            read = _marker(marker)
            try:
                held = read is not None and read.evaluate({**self.values, "extra": extra})
            except (ValueError, KeyError):
                held = False
            self._known[key] = held
        return self._known[key]


@functools.lru_cache(maxsize=4096)
def _marker(text: str) -> Marker | None:
    try:
        return Marker(text)
    except ValueError:
        return None


def asked_for(
    entries: tuple[Entry, ...], tool: str, manifest: dict[str, Any], here: Here
) -> tuple[Entry, ...]:
    """The packages that an install of this lock asks for here."""
    if tool == "uv":
        return _walk(entries, _roots_of_uv(entries, manifest), here)
    if tool == "poetry" and any(entry.groups is None for entry in entries):
        return _walk(entries, [(edge, "") for edge in roots_of_poetry(manifest)], here)
    groups = {"main", *groups_of_poetry(manifest)}
    return tuple(entry for entry in entries if _is_marked(entry, groups, here))


def _is_marked(entry: Entry, groups: set[str], here: Here) -> bool:
    if entry.groups is None:  # pylock.toml
        return here.holds(entry.markers.get(""))
    return any(
        here.holds(entry.markers.get(group, entry.markers.get("")))
        for group in entry.groups
        if group in groups
    )


def groups_of_poetry(manifest: dict[str, Any]) -> set[str]:
    """The groups that are installed without being named."""
    tables = get(manifest, "tool", "poetry", "group")
    poetry = tables if isinstance(tables, dict) else {}
    standard = get(manifest, "dependency-groups")
    names = {*poetry, *(standard if isinstance(standard, dict) else ())}
    optional = {name for name, table in poetry.items() if get(table, "optional") is True}
    if get(manifest, "tool", "poetry", "dev-dependencies") is not None:
        names.add("dev")
    return {normal(name) for name in names - optional}


def roots_of_poetry(manifest: dict[str, Any]) -> Iterator[Edge]:
    """What the manifest itself asks for; `version` is not filled in."""
    poetry = get(manifest, "tool", "poetry")
    groups = get(poetry, "group")
    tables = [
        get(poetry, "dependencies"),
        get(poetry, "dev-dependencies"),
        *(
            get(group, "dependencies")
            for group in (groups.values() if isinstance(groups, dict) else ())
            if get(group, "optional") is not True
        ),
    ]
    for table in tables:
        for name, value in table.items() if isinstance(table, dict) else ():
            for item in value if isinstance(value, list) else [value]:
                said = item if isinstance(item, dict) else {}
                if normal(name) != "python" and said.get("optional") is not True:
                    yield Edge(
                        normal(name),
                        source=_address(said),
                        marker=_root_marker(said),
                        extras=tuple(map(str, said.get("extras") or ())),
                    )
    yield from _standard(get(manifest, "project", "dependencies"))


def _standard(items: object) -> Iterator[Edge]:
    for item in items if isinstance(items, list) else ():
        try:
            read = Requirement(str(item))
        except InvalidRequirement:
            continue
        marker = str(read.marker) if read.marker else None
        yield Edge(normal(read.name), source=read.url, marker=marker, extras=tuple(read.extras))


def _address(said: dict[str, Any]) -> str | None:
    found = said.get("url") or said.get("path")
    return found if isinstance(found, str) else None


def _root_marker(said: dict[str, Any]) -> str | None:
    """`markers`, and the `platform` that Poetry takes as well."""
    parts = [f"({said['markers']})"] if isinstance(said.get("markers"), str) else []
    if isinstance(said.get("platform"), str):
        parts.append(f"sys_platform == '{said['platform']}'")
    return " and ".join(parts) or None


def _roots_of_uv(entries: tuple[Entry, ...], manifest: dict[str, Any]) -> list[tuple[Edge, str]]:
    """The edges of the project in this folder, with the groups that `uv sync` takes."""
    here = [entry for entry in entries if entry.origin == "folder" and entry.address == "."]
    wanted = get(manifest, "tool", "uv", "default-groups")
    found: list[tuple[Edge, str]] = []
    for entry in here or [entry for entry in entries if entry.origin == "folder"]:
        groups = wanted if isinstance(wanted, list) else ["dev"] if wanted is None else entry.dev
        found += [(edge, "") for edge in entry.edges]
        for group in groups:
            found += [(edge, "") for edge in entry.dev.get(normal(str(group)), ())]
    return found


def _walk(
    entries: tuple[Entry, ...], roots: Iterable[tuple[Edge, str]], here: Here
) -> tuple[Entry, ...]:
    """Every package that an edge leads to whose marker holds.

    `roots` are edges with the extra that they belong to, "" for none. Each package is visited once
    for each set of extras that it is asked for with.
    """
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        named.setdefault(entry.name, []).append(entry)
    reached: dict[int, Entry] = {}
    seen: set[tuple[int, tuple[str, ...]]] = set()
    todo = [edge for edge, extra in roots if here.holds(edge.marker, (extra,))]
    while todo:
        edge = todo.pop()
        for entry in _led_to(edge, named.get(edge.name, ()), here):
            extras = tuple(sorted(map(normal, edge.extras)))
            if (id(entry), extras) in seen:
                continue
            seen.add((id(entry), extras))
            reached[id(entry)] = entry
            for following in (*entry.edges, *(e for x in extras for e in entry.extras.get(x, ()))):
                if following.optional and not following.marker:
                    continue  # Poetry 1 writes the extra into the marker
                if here.holds(following.marker, extras):
                    todo.append(following)
    return tuple(entry for entry in entries if id(entry) in reached)


def _led_to(edge: Edge, candidates: Iterable[Entry], here: Here) -> list[Entry]:
    """The entries that an edge can mean: those of its version and source, where it names one."""
    possible = [
        entry
        for entry in candidates
        if not entry.forks or any(here.holds(fork) for fork in entry.forks)
    ]
    meant = [
        entry
        for entry in possible
        if edge.version in (None, entry.version)
        and (edge.source is None or edge.source in (entry.source, entry.address))
    ]
    return meant or possible
