"""The steps of a plan, as data: what is run, written, moved and proven.

Everything is imported from `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmdoctor.profile import Promise


@dataclass(frozen=True)
class Run:
    """Run a program. What it `creates` does not exist before and is removed when taken back.

    `undo` is the command that takes back what it did outside the environment, due for as long as
    `made` is there.
    """

    text: str
    argv: tuple[str, ...]
    env: dict[str, str | None] = field(default_factory=dict)
    timeout: float = 3600.0
    creates: str | None = None
    cwd: str | None = None
    undo: tuple[str, ...] = ()
    made: str | None = None
    kind: Literal["run"] = "run"


@dataclass(frozen=True)
class Write:
    """Write a file; its former bytes are kept."""

    text: str
    path: str
    content: str
    kind: Literal["write"] = "write"


@dataclass(frozen=True)
class Remove:
    """Remove something inside an environment; the snapshot that was taken of it keeps it."""

    text: str
    path: str
    kind: Literal["remove"] = "remove"


@dataclass(frozen=True)
class Snapshot:
    """Clone an environment beside itself, to be put back if anything fails.

    By hard links, or (`copy`) byte by byte: for an installer that writes into files that are there.
    `in_place`: the environment cannot be renamed, so `to` lies in it, and its files are put back
    one by one.
    """

    text: str
    path: str
    to: str
    copy: bool = False
    in_place: bool = False
    kind: Literal["snapshot"] = "snapshot"


@dataclass(frozen=True)
class SetAside:
    """Move an environment aside by rename."""

    text: str
    path: str
    to: str
    kind: Literal["set-aside"] = "set-aside"


@dataclass(frozen=True)
class Verify:
    """See that exactly these versions are there, whole, and can be imported."""

    text: str
    path: str
    expect: dict[str, str]  # normalised name -> version
    imports: tuple[str, ...] = ()
    torch: str | None = None  # what torch/version.py has to say
    variant: str | None = None
    wheels: dict[str, str] = field(default_factory=dict)  # name -> file, of what has an address
    kind: Literal["verify"] = "verify"


@dataclass(frozen=True)
class Smoke:
    """Prove the environment by running its attention backends.

    `promises` decide; without any, whatever was run has to pass.
    """

    text: str
    path: str
    promises: tuple[Promise, ...] = ()
    kind: Literal["smoke"] = "smoke"


@dataclass(frozen=True)
class Recheck:
    """See that findings are gone, and that no error is there that was not there before.

    Findings are written as `Finding.key` gives them. `environment` None: the one that a look finds.
    """

    text: str
    project: str
    gone: tuple[str, ...]
    before: tuple[str, ...] = ()  # all that were there
    environment: str | None = None
    profiles: tuple[str, ...] = ()
    kind: Literal["recheck"] = "recheck"


@dataclass(frozen=True)
class Tell:
    """Something only a person can do, or should know."""

    text: str
    kind: Literal["tell"] = "tell"


Step: TypeAlias = Run | Write | Remove | Snapshot | SetAside | Verify | Smoke | Recheck | Tell
