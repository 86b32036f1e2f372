"""What is said of the packages in a lock file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmdoctor.hardware import private

Origin: TypeAlias = Literal["index", "url", "path", "git", "folder"]


@dataclass(frozen=True)
class Unfit:
    """A package that installing the lock here asks for, though none of its files is for here.

    `kind` and `made_for` are those of the file that is nearest: for another platform, another
    Python, a newer glibc. `address` is set where the file has one of its own (a URL, or a path in
    the project). Every optional group and extra is left out of what is asked for.
    """

    name: str
    version: str | None = None
    origin: Origin = "index"
    kind: Literal["python", "platform", "glibc"] = "platform"
    made_for: str = ""
    files: tuple[str, ...] = ()
    address: str | None = field(default=None, metadata=private("text"))
    line: int | None = None  # of its name in the lock
