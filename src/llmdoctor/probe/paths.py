"""Paths as the looked-at machine writes them, which need not be the machine that looks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PureWindowsPath

from llmdoctor.errors import nearest
from llmdoctor.system import System


def join(system: System, *parts: str) -> str:
    """Put path parts together in the machine's own spelling."""
    return str(system.flavour(*parts))


def parent(system: System, path: str, levels: int = 1) -> str:
    """The folder that many levels above `path`."""
    pure = system.flavour(path)
    for _ in range(levels):
        pure = pure.parent
    return str(pure)


def name_of(system: System, path: str) -> str:
    """The last part of a path."""
    return system.flavour(path).name


def is_windows(system: System) -> bool:
    """Whether the machine writes paths with a drive and backslashes."""
    return issubclass(system.flavour, PureWindowsPath)


def separator(system: System) -> str:
    """What stands between the parts of a path; for loops in which path objects are too slow."""
    return "\\" if is_windows(system) else "/"


def absolute(system: System, path: str) -> str:
    """`path` seen from the working folder. "~" at its start is the home folder.

    What a report says of a path below the home folder is meant by it: see `redact`.
    """
    if path == "~" or path.startswith(("~/", "~\\")):
        return join(system, system.home(), path[2:])
    if system.flavour(path).is_absolute():  # a machine whose working folder is gone has these still
        return join(system, path)
    return join(system, system.cwd(), path)


def absolute_place(system: System, place: str) -> str:
    """The same of a place that may also be an address ("https://…", "file://…")."""
    return place if "://" in place or place.startswith("file:") else absolute(system, place)


def is_path(system: System, name: str) -> bool:
    """Whether a program is named by its path, and not to be looked for on PATH."""
    return "/" in name or name.startswith("~") or (is_windows(system) and "\\" in name)


def is_folder(system: System, path: str) -> bool:
    """Whether a folder, or a link to one, lies there."""
    kind = system.kind(path)
    return kind == "folder" or (kind == "link" and system.kind(system.real_path(path)) == "folder")


def why_no_folder(system: System, path: str) -> str | None:
    """Why nothing can be taken from a folder of that name; None where it is one."""
    if is_folder(system, path):
        return None
    if system.exists(path):
        return f"{path} is a file, and no folder"
    place = system.flavour(path)
    beside = (name for name in system.names(str(place.parent)) or ())
    near = (name for name in beside if is_folder(system, str(place.with_name(name))))
    return f"there is no folder {path}{nearest(place.name, near)}"


def distinct(system: System, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths, in order, without those that are another spelling (a link) of an earlier one."""
    seen: dict[str, str] = {}
    for path in paths:
        seen.setdefault(system.real_path(path), path)
    return tuple(seen.values())
