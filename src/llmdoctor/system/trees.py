"""Whole folders: removed whatever their modes are, and cloned by hard links."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from llmdoctor.system import Cloned, Modes

CLONE = ".llmdoctor-"  # begins the name of a clone that lies in the folder itself


def remove(place: Path) -> None:
    """Remove a folder, also where read-only folders (unpacked caches) stand in the way."""
    try:
        shutil.rmtree(place)
    except PermissionError:
        _open_up(place)
        shutil.rmtree(place)


def _open_up(place: Path) -> None:
    """Let everything below be removed.

    Files keep their mode where that is enough: a hard link elsewhere would change with them.
    """
    os.chmod(place, stat.S_IRWXU)
    for folder, folders, files in os.walk(place):
        for name in folders if sys.platform != "win32" else (*folders, *files):
            path = f"{folder}{os.sep}{name}"
            if not os.path.islink(path):
                os.chmod(path, stat.S_IRWXU)


@dataclass
class _Count:
    """What a clone is made of; `begin` is where a path begins in a file's name there."""

    begin: int
    linked: int = 0
    copied: int = 0
    modes: dict[str, int] = field(default_factory=dict)


def clone(source: str, target: str, *, link: bool = True) -> Cloned:
    """Clone a folder, by hard links where they are wanted and can be made.

    A clone may lie in the folder itself: then none of those in it is cloned.
    """
    count = _Count(len(target) + 1)
    leave = CLONE if Path(source) in Path(target).parents else None
    _clone(source, target, count, link, leave)
    usual = max(Counter(count.modes.values()).items(), key=itemgetter(1), default=(0o644, 0))[0]
    others = {path: mode for path, mode in count.modes.items() if mode != usual}
    return Cloned(count.linked, count.copied, Modes(usual, others))


def _clone(source: str, target: str, count: _Count, link: bool, leave: str | None = None) -> None:
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            if leave is not None and entry.name.startswith(leave):
                continue
            to = target + os.sep + entry.name
            if entry.is_dir(follow_symlinks=False):
                _clone(entry.path, to, count, link)
                continue
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISREG(mode):
                count.modes[to[count.begin :]] = stat.S_IMODE(mode)
            if link and _linked(entry.path, to):
                count.linked += 1
            else:
                shutil.copy2(entry.path, to, follow_symlinks=False)
                count.copied += 1
    shutil.copystat(source, target)


def set_modes(path: str, modes: Modes) -> None:
    """Give the files of a folder these permission bits, where they have others."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = folder + os.sep + name
            mode = os.lstat(file).st_mode
            wanted = modes.others.get(file[len(path) + 1 :], modes.usual)
            if stat.S_ISREG(mode) and stat.S_IMODE(mode) != wanted:
                os.chmod(file, wanted)


def lay(path: str, to: str, *, link: bool = True) -> None:
    """Give a file another name by a hard link, or by a copy; what had that name is gone."""
    Path(to).unlink(missing_ok=True)
    if not (link and _linked(path, to)):
        shutil.copy2(path, to, follow_symlinks=False)


def _linked(path: str, to: str) -> bool:
    try:
        os.link(path, to, follow_symlinks=False)
    except (OSError, NotImplementedError):  # other device, no hard links, too many links
        return False
    return True


def restore(kept: str, place: str) -> None:
    """Make a folder what its clone is, each file by one rename; clones at its top stay."""
    for name in os.listdir(place):
        if name not in os.listdir(kept) and not name.startswith(CLONE):
            _clear(f"{place}{os.sep}{name}")
    _restore(kept, place)


def _restore(kept: str, place: str) -> None:
    with os.scandir(kept) as entries:
        wanted = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    for name, is_folder in wanted.items():
        source, to = f"{kept}{os.sep}{name}", f"{place}{os.sep}{name}"
        if is_folder:
            if os.path.islink(to) or not os.path.isdir(to):
                _clear(to)
                os.mkdir(to)
            for gone in set(os.listdir(to)) - set(os.listdir(source)):
                _clear(f"{to}{os.sep}{gone}")
            _restore(source, to)
        elif not _is_one(source, to):
            fresh = f"{place}{os.sep}{CLONE}{name}"
            lay(source, fresh)
            if os.path.isdir(to) and not os.path.islink(to):
                _clear(to)
            os.replace(fresh, to)
    shutil.copystat(kept, place)


def _clear(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove(Path(path))
    else:
        Path(path).unlink(missing_ok=True)


def _is_one(one: str, other: str) -> bool:
    """Whether two names are those of one file."""
    try:
        a, b = os.lstat(one), os.lstat(other)
    except FileNotFoundError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def frees(place: str) -> int:
    """Bytes that removing a folder gives: a file with a link elsewhere keeps its own."""
    seen: dict[tuple[int, int], int] = {}
    total = 0
    for folder, _, files in os.walk(place):
        for name in files:
            found = os.lstat(f"{folder}{os.sep}{name}")
            key = (found.st_dev, found.st_ino)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] == found.st_nlink:
                total += found.st_size
    return total
