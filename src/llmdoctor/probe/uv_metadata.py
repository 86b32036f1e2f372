"""Whether a uv.lock is of the manifest as it is now.

uv keeps no hash: it resolves again and compares. But it writes down what the manifest asked for,
and that is compared here. What is not understood counts as equal, so that nothing is told that
`uv lock --check` would not tell as well; it can tell more (settings of the resolver, for one).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from llmdoctor.probe.locked import Entry, normal
from llmdoctor.probe.toml import get

_MOST = 5000  # environments in which two markers are compared
# What a platform says of itself: os_name, sys_platform, platform_system.
_PLATFORMS = (
    ("posix", "linux", "Linux"),
    ("nt", "win32", "Windows"),
    ("posix", "darwin", "Darwin"),
    ("other", "other", "Other"),
)
_VARIABLE = re.compile(r"\b([a-z]\w*)\b(?=(?:[^'\"]|'[^']*'|\"[^\"]*\")*$)")
_VALUE = re.compile(r"['\"]([^'\"]*)['\"]")
_Wish = tuple[str, frozenset[str]]  # a name and its extras


def differences(
    manifest: dict[str, Any], head: dict[str, Any], entries: tuple[Entry, ...]
) -> tuple[str, ...] | None:
    """What the lock says otherwise than the manifest, in words; None where it cannot be compared.

    `head` are the lock's tables beside its packages.
    """
    project = get(manifest, "project")
    roots = [entry for entry in entries if entry.origin == "folder" and entry.address == "."]
    if not isinstance(project, dict) or len(roots) != 1:
        return None
    if project.get("dynamic") or get(manifest, "tool", "uv", "workspace") is not None:
        return None
    root, told = roots[0], roots[0].metadata
    wanted = project.get("requires-python")
    sources = get(manifest, "tool", "uv", "sources")
    compare = _Comparison(manifest, sources if isinstance(sources, dict) else {})
    found = []
    if normal(str(project.get("name", ""))) != root.name:
        found.append(f"the project is called {project.get('name')}, in the lock {root.name}")
    if root.version and project.get("version") and project["version"] != root.version:
        found.append(f"version {project['version']}, in the lock {root.version}")
    if wanted and not _same_range(wanted, head.get("requires-python")):
        found.append(f"requires-python {wanted}, in the lock {head.get('requires-python')}")
    extras = get(project, "optional-dependencies")
    ours, theirs = (set(map(normal, _names(x))) for x in (extras, told.get("provides-extras")))
    found += [f"extra {name} is not in both" for name in sorted(ours ^ theirs)]
    found += compare.lists(list(_of_project(project)), told.get("requires-dist"), "dependencies")
    dev = told.get("requires-dev")
    locked_groups = dev if isinstance(dev, dict) else {}
    groups = _groups(manifest)
    for name in sorted({*groups, *map(normal, locked_groups)}):
        written = next((v for k, v in locked_groups.items() if normal(k) == name), None)
        found += compare.lists(groups.get(name, []), written, f"group {name}")
    settings = get(manifest, "tool", "uv")
    for key, name in (("constraint", "constraints"), ("override", "overrides")):
        listed = _strings(get(settings, f"{key}-dependencies"))
        found += compare.lists(listed, get(head, "manifest", name), name)
    return tuple(found)


class _Comparison:
    """Requirements of a manifest beside those that a lock wrote down."""

    def __init__(self, manifest: dict[str, Any], sources: dict[str, Any]) -> None:
        self._sources = {normal(name): value for name, value in sources.items()}
        indexes = get(manifest, "tool", "uv", "index")
        self._indexes = {
            str(get(item, "name")): str(get(item, "url"))
            for item in (indexes if isinstance(indexes, list) else ())
        }
        python = get(manifest, "project", "requires-python")
        self._python = python if isinstance(python, str) else ""

    def lists(self, wanted: list[str], locked: object, where: str) -> Iterator[str]:
        """What is in one and not in the other, or said otherwise."""
        ours: dict[_Wish, list[Requirement]] = {}
        for text in wanted:
            try:
                read = Requirement(text)
            except InvalidRequirement:
                return  # uv says so itself
            ours.setdefault((normal(read.name), frozenset(read.extras)), []).append(read)
        theirs: dict[_Wish, list[dict[str, Any]]] = {}
        for item in locked if isinstance(locked, list) else ():
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                extras = frozenset(map(str, item.get("extras") or ()))
                theirs.setdefault((normal(item["name"]), extras), []).append(item)
        for wish in sorted({*ours, *theirs}, key=lambda wish: (wish[0], sorted(wish[1]))):
            shown = wish[0] + (f"[{','.join(sorted(wish[1]))}]" if wish[1] else "")
            if wish not in theirs:
                yield f"{where}: {shown} is not in the lock"
            elif wish not in ours:
                yield f"{where}: {shown} is in the lock alone"
            elif not self._same(wish[0], ours[wish], theirs[wish]):
                yield f"{where}: {shown} is locked for another wish"

    def _same(self, name: str, ours: list[Requirement], theirs: list[dict[str, Any]]) -> bool:
        source = self._sources.get(name)
        if isinstance(source, list) or len(ours) != len(theirs):
            return isinstance(source, list)  # each choice of a list is an entry of its own
        if len(ours) > 1:
            return True  # which is which cannot be told for certain
        want, have = ours[0], theirs[0]
        if source is None and want.url is None and any(k in have for k in ("git", "directory")):
            return False
        if source is None and (want.url or have.get("url")) and want.url != have.get("url"):
            return False
        if isinstance(source, dict) and set(source) == {"index"}:
            address = self._indexes.get(str(source["index"]))
            if address and str(have.get("index", "")).rstrip("/") != address.rstrip("/"):
                return False
        elif source is None and "index" in have:
            return False
        if not _same_range(str(want.specifier), have.get("specifier") or ""):
            return False
        marker = str(want.marker) if want.marker else ""
        return same_marker(marker, str(have.get("marker") or ""), self._python)


def same_marker(one: str, other: str, python: str) -> bool:
    """Whether two markers hold in the same environments, of those that a project is for.

    Tried in environments made of the values that the markers name; True where one cannot be read.
    """
    if one == other:
        return True
    try:
        markers = [Marker(text) if text else None for text in (one, other)]
        allowed = SpecifierSet(python)
    except (InvalidMarker, InvalidSpecifier):
        return True
    text = f"{one} {other}"
    for values in itertools.islice(_environments(text, allowed), _MOST):
        try:
            held = {marker is None or marker.evaluate(values) for marker in markers}
        except (ValueError, KeyError):
            return True
        if len(held) > 1:
            return False
    return True


def _environments(text: str, allowed: SpecifierSet) -> Iterator[dict[str, str]]:
    """Coherent environments that tell the parts of a marker apart."""
    values = dict.fromkeys(_VALUE.findall(text))
    versions = [f"3.{minor}.{patch}" for minor in range(7, 17) for patch in (0, 1)]
    versions += [value for value in values if re.fullmatch(r"3\.\d+\.\d+", value)]
    pythons = [version for version in dict.fromkeys(versions) if allowed.contains(version)]
    named = set(_VARIABLE.findall(text))
    other = [*values, "other"]
    machines = other if "platform_machine" in named else ["x86_64"]
    extras = ["", *values] if "extra" in named else [""]
    engines = (("cpython", "CPython"), ("pypy", "PyPy"))
    for (os_name, platform, system), machine, extra, engine, full in itertools.product(
        _PLATFORMS, machines, extras, engines, pythons
    ):
        yield {
            "implementation_name": engine[0],
            "implementation_version": full,
            "os_name": os_name,
            "platform_machine": machine,
            "platform_python_implementation": engine[1],
            "platform_release": "",
            "platform_system": system,
            "platform_version": "",
            "python_full_version": full,
            "python_version": ".".join(full.split(".")[:2]),
            "sys_platform": platform,
            "extra": extra,
        }


def _of_project(project: dict[str, Any]) -> Iterator[str]:
    """Dependencies as uv writes them down: those of an extra have it in their marker."""
    yield from _strings(project.get("dependencies"))
    extras = project.get("optional-dependencies")
    for extra, items in extras.items() if isinstance(extras, dict) else ():
        for text in _strings(items):
            head, _, marker = text.partition(";")
            own = f"extra == '{normal(extra)}'"
            gap = " " if "@" in head else ""
            yield f"{head.strip()}{gap};" + (f"({marker.strip()}) and {own}" if marker else own)


def _groups(manifest: dict[str, Any]) -> dict[str, list[str]]:
    """[dependency-groups] with what they include, and uv's own older list of dev-dependencies."""
    table = get(manifest, "dependency-groups")
    named = {normal(n): v for n, v in table.items()} if isinstance(table, dict) else {}

    def of(name: str, seen: tuple[str, ...]) -> Iterator[str]:
        items = named.get(name)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, str):
                yield item
            elif isinstance(get(item, "include-group"), str):
                inner = normal(str(get(item, "include-group")))
                if inner not in seen:
                    yield from of(inner, (*seen, inner))

    found = {name: list(dict.fromkeys(of(name, (name,)))) for name in named}
    if older := _strings(get(manifest, "tool", "uv", "dev-dependencies")):
        found["dev"] = list(dict.fromkeys([*found.get("dev", []), *older]))
    return found


def _same_range(one: object, other: object) -> bool:
    try:
        return SpecifierSet(str(one or "")) == SpecifierSet(str(other or ""))
    except InvalidSpecifier:
        return True


def _names(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (dict, list)) else []


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
