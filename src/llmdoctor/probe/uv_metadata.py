"""Whether a uv.lock is of the manifests as they are now.

uv keeps no hash: it resolves again and compares. But it writes down what the manifests asked for,
and that is compared here. What is not understood counts as equal, so that nothing is told that
`uv lock --check` would not tell as well; it can tell more (another default index, for one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from llmdoctor.probe.locked import Entry, normal
from llmdoctor.probe.toml import get, strings
from llmdoctor.probe.uv_markers import same_pythons
from llmdoctor.probe.uv_settings import TELLS_ALL, of_project, of_resolver
from llmdoctor.probe.uv_wishes import Wishes
from llmdoctor.probe.uv_workspace import Workspace

_LISTS = (  # of [tool.uv], and as the lock calls them
    ("constraint-dependencies", "constraints"),
    ("override-dependencies", "overrides"),
    ("build-constraint-dependencies", "build-constraints"),
)


def differences(
    workspace: Workspace, head: dict[str, Any], entries: tuple[Entry, ...]
) -> tuple[str, ...] | None:
    """What the lock says otherwise than the manifests, in words; None where it cannot be compared.

    `head` are the lock's tables beside its packages.
    """
    root, written = workspace.root, get(head, "manifest")
    project, several = get(root, "project"), get(root, "tool", "uv", "workspace") is not None
    local = {entry.name: entry for entry in entries if entry.origin == "folder"}
    own = [entry for entry in local.values() if entry.address == "."]
    if isinstance(project, dict):
        if project.get("dynamic") or len(own) != 1:
            return None
    elif not several:
        return None
    named = {
        folder: normal(str(name))
        for folder, manifest in workspace.members.items()
        if (name := get(manifest, "project", "name")) is not None
    }
    members = set(map(normal, strings(get(written, "members")))) or {e.name for e in own}
    found = [f"member {name} is not in the lock" for name in sorted({*named.values()} - members)]
    found += [f"member {name} is in the lock alone" for name in sorted(members - {*named.values()})]
    pythons = _range(head.get("requires-python")) or SpecifierSet()
    found += _pythons(workspace, pythons)
    compare = _Comparison(root, head, pythons)
    for folder, name in named.items():
        manifest = workspace.members[folder]
        if name in members & local.keys() and not get(manifest, "project", "dynamic"):
            found += compare.member(manifest, local[name], "" if folder == "." else f"{name}: ")
    if not isinstance(project, dict):
        found += compare.groups(root, get(written, "dependency-groups"), "")
    found += compare.settings(written)
    found += of_project(root, head, pythons)
    if workspace.settings is not None:
        found += of_resolver(workspace.settings, head.get("options"))
    return tuple(found)


def _pythons(workspace: Workspace, locked: SpecifierSet) -> Iterator[str]:
    wanted = {
        str(text)
        for manifest in workspace.members.values()
        if (text := get(manifest, "project", "requires-python"))
    }
    ranges = [one for text in wanted if (one := _range(text)) is not None]
    if len(ranges) == len(wanted) > 0 and not same_pythons(ranges, locked):
        yield f"requires-python {' and '.join(sorted(wanted))}, in the lock {locked}"


class _Comparison:
    """The manifests of a workspace beside what its lock wrote down of each."""

    def __init__(self, root: dict[str, Any], head: dict[str, Any], pythons: SpecifierSet) -> None:
        self._root = root
        self._pythons = pythons
        self._newer = (head.get("revision") or 0) >= TELLS_ALL

    def member(self, manifest: dict[str, Any], entry: Entry, whose: str) -> Iterator[str]:
        """What is otherwise in one manifest; `whose` is put before it."""
        project, told = get(manifest, "project"), entry.metadata
        assert isinstance(project, dict)
        if entry.version and project.get("version") and project["version"] != entry.version:
            yield f"{whose}version {project['version']}, in the lock {entry.version}"
        chosen, locked = get(manifest, "tool", "uv", "default-groups"), told.get("default-groups")
        if self._newer and _choice(chosen) != _choice(locked):
            yield f"{whose}default-groups are others in the lock"
        extras = project.get("optional-dependencies")
        ours, theirs = (set(map(normal, _names(x))) for x in (extras, told.get("provides-extras")))
        yield from (f"{whose}extra {name} is not in both" for name in sorted(ours ^ theirs))
        wishes, listed = self._wishes(manifest), told.get("requires-dist")
        yield from wishes.differences(list(_of_project(project)), listed, f"{whose}dependencies")
        yield from self.groups(manifest, told.get("requires-dev"), whose)

    def groups(self, manifest: dict[str, Any], locked: object, whose: str) -> Iterator[str]:
        """What is otherwise in the groups; not those with a range of Pythons of their own."""
        wishes, ours = self._wishes(manifest), _groups(manifest)
        theirs = {normal(k): v for k, v in locked.items()} if isinstance(locked, dict) else {}
        special = set(map(normal, _names(get(manifest, "tool", "uv", "dependency-groups"))))
        for name in sorted({*ours, *theirs} - special):
            where = f"{whose}group {name}"
            yield from wishes.differences(ours.get(name, []), theirs.get(name), where)

    def settings(self, written: object) -> Iterator[str]:
        """Requirements that the workspace's own manifest lists for other packages."""
        wishes = self._wishes(self._root)
        for key, name in _LISTS:
            listed = strings(get(self._root, "tool", "uv", key))
            yield from wishes.differences(listed, get(written, name), name)

    def _wishes(self, manifest: dict[str, Any]) -> Wishes:
        """A member's sources go before those of its workspace."""
        tables = [get(of, "tool", "uv") for of in (self._root, manifest)]
        sources = _merged(get(table, "sources") for table in tables)
        listed = [get(table, "index") for table in tables]
        items = [item for index in listed if isinstance(index, list) for item in index]
        indexes = {str(get(item, "name")): str(get(item, "url")) for item in items}
        return Wishes(sources, indexes, self._pythons)


def _merged(tables: Iterator[object]) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for table in tables:
        found.update({normal(k): v for k, v in table.items()} if isinstance(table, dict) else {})
    return found


def _of_project(project: dict[str, Any]) -> Iterator[str]:
    """Dependencies as uv writes them down: those of an extra have it in their marker."""
    yield from strings(project.get("dependencies"))
    extras = project.get("optional-dependencies")
    for extra, items in extras.items() if isinstance(extras, dict) else ():
        for text in strings(items):
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
    if older := strings(get(manifest, "tool", "uv", "dev-dependencies")):
        found["dev"] = list(dict.fromkeys([*found.get("dev", []), *older]))
    return found


def _range(text: object) -> SpecifierSet | None:
    try:
        return SpecifierSet(str(text or ""))
    except InvalidSpecifier:
        return None


def _choice(value: object) -> object:
    """Default groups: "all", or a list of names; without either it is `dev`."""
    return set(map(normal, strings(value))) if isinstance(value, list) else value or {"dev"}


def _names(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (dict, list)) else []
