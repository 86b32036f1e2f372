"""Whole folders: removed whatever their modes are, and cloned by hard links."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path


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


def clone(source: str, target: str, counts: dict[str, int], *, link: bool = True) -> None:
    """Clone a folder, by hard links where they are wanted and can be made. Counts both."""
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            to = target + os.sep + entry.name
            if entry.is_dir(follow_symlinks=False):
                clone(entry.path, to, counts, link=link)
                continue
            if link and _linked(entry.path, to):
                counts["linked"] += 1
            else:
                shutil.copy2(entry.path, to, follow_symlinks=False)
                counts["copied"] += 1
    shutil.copystat(source, target)


def _linked(path: str, to: str) -> bool:
    try:
        os.link(path, to, follow_symlinks=False)
    except (OSError, NotImplementedError):  # other device, no hard links, too many links
        return False
    return True


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
