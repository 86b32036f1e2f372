"""A folder as a value: what is in it, and a readable difference between two moments."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

_LINES_SHOWN = 40


@dataclass(frozen=True)
class Entry:
    """One path: *kind* is "file", "dir", "link" or "other"; size and sha256 belong to files alone."""

    kind: str
    mode: int
    target: str | None = None
    size: int | None = None
    sha256: str | None = None
    mtime_ns: int | None = None


def snapshot(
    folder: Path, *, mtime: bool = False, ignore: Collection[str] = ()
) -> dict[str, Entry]:
    """Every path below *folder* (posix, relative; "." is the folder itself), links not followed.

    An absent folder gives an empty dict, an empty one gives only ".". *ignore* holds bare names,
    such as "__pycache__", which are left out with all below them.
    """
    found: dict[str, Entry] = {}
    pending = [(folder, ".")] if os.path.lexists(folder) else []
    while pending:
        path, name = pending.pop()
        found[name] = entry = _entry(path, mtime)
        if entry.kind == "dir":
            children = (child for child in path.iterdir() if child.name not in ignore)
            pending += [(c, c.name if name == "." else f"{name}/{c.name}") for c in children]
    return dict(sorted(found.items()))


def tree_difference(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> list[str]:
    """One line per difference: `+ added`, `- removed`, `~ changed: what from -> to`."""
    lines = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if old is None or new is None:
            entry = old or new
            lines.append(f"{'+' if old is None else '-'} {path} ({entry.kind if entry else ''})")
        else:
            pairs = [(f.name, getattr(old, f.name), getattr(new, f.name)) for f in fields(Entry)]
            changes = [f"{n} {_show(n, a)} -> {_show(n, b)}" for n, a, b in pairs if a != b]
            lines.append(f"~ {path}: {', '.join(changes)}")
    return lines


def assert_same_tree(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
    """Raise an AssertionError which lists the differences, if there are any."""
    lines = tree_difference(before, after)
    if lines:
        rest = [f"... and {len(lines) - _LINES_SHOWN} more"] if len(lines) > _LINES_SHOWN else []
        head = f"the tree changed in {len(lines)} place(s):"
        raise AssertionError("\n".join([head, *lines[:_LINES_SHOWN], *rest]))


def _entry(path: Path, mtime: bool) -> Entry:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    time = status.st_mtime_ns if mtime else None
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", mode, target=str(path.readlink()), mtime_ns=time)
    if stat.S_ISDIR(status.st_mode):
        return Entry("dir", mode, mtime_ns=time)
    if stat.S_ISREG(status.st_mode):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Entry("file", mode, size=status.st_size, sha256=digest, mtime_ns=time)
    return Entry("other", mode, mtime_ns=time)


def _show(name: str, value: object) -> str:
    if name == "mode" and isinstance(value, int):
        return oct(value)
    return value[:12] if name == "sha256" and isinstance(value, str) else str(value)
