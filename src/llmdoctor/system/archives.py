"""What is in a zip file, without unpacking it."""

from __future__ import annotations

import fnmatch
import stat
import zipfile
import zlib
from collections.abc import Sequence
from typing import Literal

from llmdoctor.system import Archive, Member

_TEXT_LIMIT = 4 * 1024 * 1024
_CHUNK = 1 << 20


def look(path: str, texts: Sequence[str]) -> Archive:
    """The members of a zip file, and the text of those that match; see `System.archive`."""
    try:
        with zipfile.ZipFile(path) as opened:
            members = tuple(
                Member(info.orig_filename, info.file_size, _kind(info))
                for info in opened.infolist()
            )
            read = {
                info.filename: opened.read(info)[:_TEXT_LIMIT].decode("utf-8", "replace")
                for info in opened.infolist()
                if any(fnmatch.fnmatchcase(info.filename, glob) for glob in texts)
                and info.file_size <= _TEXT_LIMIT
            }
            return Archive(members, read, _damage(opened))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError) as error:
        return Archive(problem=f"it is no whole zip file: {error}")
    except (EOFError, RuntimeError, ValueError, OSError) as error:
        return Archive(problem=f"it cannot be read: {error}")


def _kind(info: zipfile.ZipInfo) -> Literal["file", "folder", "link"]:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link"
    return "folder" if info.is_dir() else "file"


def _damage(opened: zipfile.ZipFile) -> str | None:
    """Every member is read once, so that a checksum that is wrong shows now."""
    for info in opened.infolist():
        try:
            with opened.open(info) as member:
                while member.read(_CHUNK):
                    pass
        except (zipfile.BadZipFile, zlib.error, EOFError):
            return f"it is damaged: {info.filename} is not what its checksum says"
    return None
