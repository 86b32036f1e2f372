"""The words of `fix`: one repair, what a repairer works with, and the whole plan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmdoctor.finding import Finding, Safety
from llmdoctor.machine import Machine
from llmdoctor.plan import Remove, Step, Write
from llmdoctor.system import System

Keep: TypeAlias = Literal["local", "global", "run"]


@dataclass(frozen=True)
class Repair:
    """How one finding is mended. Without steps only a person can, and `commands` say what to type.

    `steps` act in the environment where `inside`, under a snapshot that the plan puts before them;
    else they write files of the project or of the user, whose former bytes are kept.
    """

    finding: str  # its `key`
    code: str
    safety: Safety
    summary: str
    steps: tuple[Step, ...] = ()
    inside: bool = False
    details: tuple[str, ...] = ()  # what changes, line by line
    commands: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Bench:
    """What a repairer works with: the look, and a door to find out more.

    A repairer changes nothing of the user's: what it has to try it tries in `scratch`, a folder
    that is gone afterwards. `keep` says for whom a setting of Poetry is written, `select` which
    codes were named: some things are changed only for who names them. `profiles` are those that
    the environment is for, and `run` is what the plan becomes.
    """

    system: System
    machine: Machine
    scratch: str
    say: Callable[[str], None]
    keep: Keep = "local"
    select: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    run: str = ""


Repairer: TypeAlias = Callable[[Bench, Finding], Repair | None]


@dataclass(frozen=True)
class FixPlan:
    """Everything that a fix is going to do; the journal calls it by the codes that it repairs.

    `files` is what the plan rests on: a path and the digest of what lies there, None for nothing.
    """

    run: str
    environment: str
    project: str
    repairs: tuple[Repair, ...] = ()
    steps: tuple[Step, ...] = ()
    files: dict[str, str | None] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """What carries it out."""
        return "fix"

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the journal calls it."""
        return tuple(dict.fromkeys(repair.code for repair in self.mends))

    @property
    def mends(self) -> tuple[Repair, ...]:
        """The repairs that are carried out."""
        return tuple(repair for repair in self.repairs if repair.steps)

    @property
    def left(self) -> tuple[Repair, ...]:
        """What only a person can do."""
        return tuple(repair for repair in self.repairs if not repair.steps)


def manual(
    found: Finding, why: str | None = None, commands: tuple[tuple[str, ...], ...] = ()
) -> Repair:
    """A finding that is left to its reader; `why` nothing was planned.

    With the `commands` that help then, or those of its own remedy but for the fix that was tried.
    """
    remedy = found.remedy
    return Repair(
        found.key,
        found.code,
        "manual",
        remedy.summary if remedy else found.detail,
        details=(why,) if why else (),
        commands=commands
        or tuple(
            argv for argv in (remedy.commands if remedy else ()) if argv[:2] != ("llmdoctor", "fix")
        ),
    )


def in_a_venv(repairer: Callable[[Bench, Finding], Repair]) -> Callable[[Bench, Finding], Repair]:
    """A repairer that leaves conda's and the system's packages to their own tools."""

    @functools.wraps(repairer)
    def mend(bench: Bench, found: Finding) -> Repair:
        kind = bench.machine.environment.kind
        if kind != "venv":
            return manual(found, f"a {kind} environment is left to its own tools")
        return repairer(bench, found)

    return mend


def paths(steps: Iterable[Step]) -> tuple[str, ...]:
    """The files that steps write or remove."""
    return tuple(step.path for step in steps if isinstance(step, (Remove, Write)))
