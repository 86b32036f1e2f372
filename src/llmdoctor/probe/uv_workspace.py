"""The manifests that one uv.lock is for: the project's own, and those of its workspace."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llmdoctor.probe.paths import join
from llmdoctor.probe.toml import as_table, get, parse_toml, strings
from llmdoctor.system import System

_VARIABLES = ("RESOLUTION", "PRERELEASE", "FORK_STRATEGY", "EXCLUDE_NEWER", "CONFIG_FILE")


@dataclass(frozen=True)
class Workspace:
    """`members` are manifests by folder, "." for the project's own.

    `settings` are those of the resolver, None where they can come from elsewhere as well: uv.toml
    of the user or of the system, or a variable.
    """

    members: dict[str, dict[str, Any]]
    settings: dict[str, Any] | None = field(default_factory=dict)

    @property
    def root(self) -> dict[str, Any]:
        """The manifest that the lock lies beside."""
        return self.members["."]


def read_workspace(system: System, folder: str, manifest: dict[str, Any]) -> Workspace:
    """Read what a uv.lock in `folder` is for.

    Raises:
        UnreadableError: a file of it is denied.
    """
    found = {".": manifest}
    for path in _members(system, folder, get(manifest, "tool", "uv", "workspace")):
        text = system.read_text(join(system, folder, path, "pyproject.toml"))
        if text is not None:
            found[path] = parse_toml(text, f"{path}/pyproject.toml")[0]
    return Workspace(found, _settings(system, folder, manifest))


def _members(system: System, root: str, workspace: object) -> Iterator[str]:
    left_out = [_plain(pattern) for pattern in strings(get(workspace, "exclude"))]
    for pattern in strings(get(workspace, "members")):
        plain = _plain(pattern)
        begun = "/" if plain.startswith("/") else ""
        for path in _matches(system, root, begun, plain.removeprefix("/").split("/")):
            if path and not any(fnmatch.fnmatchcase(path, out) for out in left_out):
                yield path


def _matches(system: System, root: str, begun: str, parts: list[str]) -> Iterator[str]:
    """The folders that a pattern of "*", "?" and "[...]" names; "**" is any number of folders."""
    if not parts:
        yield begun
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _matches(system, root, begun, rest)
    elif not set(part) & set("*?["):
        yield from _matches(system, root, _below(begun, part), rest)
        return
    for name in system.names(join(system, root, begun)) or ():
        path = _below(begun, name)
        if part == "**" and not name.startswith("."):
            kind = system.kind(join(system, root, path))
            if kind == "folder":
                yield from _matches(system, root, path, parts)
            elif kind == "link" and not rest:  # may lead back here: it matches and is not entered
                yield path
        elif part != "**" and fnmatch.fnmatchcase(name, part):
            yield from _matches(system, root, path, rest)


def _below(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder else name


def _settings(system: System, folder: str, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """uv.toml beside the manifest hides [tool.uv] of it, as far as the resolver is concerned."""
    home = system.environ.get("XDG_CONFIG_HOME") or join(system, system.home(), ".config")
    elsewhere = (join(system, home, "uv", "uv.toml"), "/etc/uv/uv.toml")
    if any(system.environ.get(f"UV_{name}") for name in _VARIABLES):
        return None
    if not system.environ.get("UV_NO_CONFIG") and any(map(system.exists, elsewhere)):
        return None
    text = system.read_text(join(system, folder, "uv.toml"))
    if text is not None:
        return parse_toml(text, "uv.toml")[0]
    return as_table(get(manifest, "tool", "uv"))


def _plain(pattern: str) -> str:
    return pattern.removeprefix("./").rstrip("/")
