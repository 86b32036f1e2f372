"""Folders and files of this machine, written whole.

What lies in the state folder is its owner's alone: what installers read there may hold credentials.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def make_dir(path: str, state: Path | None) -> None:
    """Make a folder and those above it, where they are not there."""
    place = Path(path)
    if not _is_private(path, state):
        place.mkdir(parents=True, exist_ok=True)
        return
    for folder in (*reversed(place.parents), place):
        folder.mkdir(0o700 if _is_private(str(folder), state) else 0o777, exist_ok=True)


def write(path: str, data: bytes, state: Path | None) -> None:
    """Write a file whole or not at all; the mode of one that is there stays."""
    place = Path(os.path.realpath(path))  # a link stays one: what it leads to is written
    if place.exists() and not place.is_file():  # a pipe, a device: nothing to replace
        place.write_bytes(data)
        return
    make_dir(str(place.parent), state)
    fresh = place.with_name(f"{place.name}.{os.getpid()}.new")
    private = _is_private(path, state)
    try:
        with open(fresh, "wb", opener=_private_opener if private else None) as file:
            file.write(data)
        if not private and place.exists():
            shutil.copymode(place, fresh)
        fresh.replace(place)
    finally:
        fresh.unlink(missing_ok=True)


def append(path: str, line: str, state: Path | None, *, sync: bool) -> None:
    """Append a line; to `sync` is to see it on the disk."""
    place = Path(path)
    make_dir(str(place.parent), state)
    opener = _private_opener if _is_private(path, state) else None
    with open(place, "ab+", opener=opener) as file:
        if file.tell():  # a line that was cut off must not take this one with it
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else "\n" + line
        file.write(line.encode("utf-8", "replace") + b"\n")
        file.flush()
        if sync:
            os.fsync(file.fileno())


def _is_private(path: str, state: Path | None) -> bool:
    return state is not None and Path(os.path.abspath(path)).is_relative_to(state)


def _private_opener(path: str, flags: int) -> int:
    """Open a file that nobody but its owner may read (POSIX; Windows has the folder's rules)."""
    return os.open(path, flags, 0o600)
