"""What will be done, as data: the resolver's choice, the packages, and the steps.

A dry run *is* showing the plan; nothing that carries it out knows whether it was shown before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmdoctor.addresses import file_name
from llmdoctor.machine import Gpu
from llmdoctor.profile import Promise
from llmdoctor.steps import (
    Recheck,
    Remove,
    Run,
    SetAside,
    Smoke,
    Snapshot,
    Step,
    Tell,
    Verify,
    Write,
)

__all__ = [
    "Alternative",
    "Change",
    "Choice",
    "Conflict",
    "Plan",
    "Reason",
    "Recheck",
    "Rejected",
    "Removal",
    "Remove",
    "Requirement",
    "Resolved",
    "Run",
    "SetAside",
    "Smoke",
    "Snapshot",
    "Source",
    "SourceBuild",
    "Step",
    "Target",
    "Tell",
    "Verify",
    "Write",
    "pinned",
]


@dataclass(frozen=True)
class Target:
    """What the resolver decides for: this machine's facts, or assumed ones.

    `driver` None with GPUs means that it is not known; `driver_missing` that there is none. `gpus`
    are the visible ones; `gpus_note` says which are hidden, or why that is not known. `ram` is what
    a process can have before it is killed, so swap counts. `python` is "3.13t" where free-threaded.
    `avoid` are wheel files of the catalogue that did not come, or do not load on this machine.
    """

    os: str = "linux"
    arch: str = "x86_64"
    glibc: str | None = "2.35"
    musl: bool = False
    python: str = "3.12"
    driver: str | None = None
    driver_missing: bool = False
    gpus: tuple[Gpu, ...] = ()
    wsl: int | None = None  # 1 or 2
    ram: int | None = None  # bytes
    assumed: bool = False
    gpus_note: str | None = None
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reason:
    """Why something was chosen, or why nothing could be. `code` is stable; `cause` a slug."""

    code: str
    text: str
    cause: str | None = None


@dataclass(frozen=True)
class Rejected:
    """A candidate that was looked at and not taken."""

    candidate: str
    reason: str


@dataclass(frozen=True)
class Alternative:
    """What would work instead.

    `fits_here`: on the machine as it is, with nothing to be changed or set; `torch` and its build
    are then named in the text. `compiles`: some of it has no wheel, and takes `--build`.
    """

    profiles: tuple[str, ...]
    text: str
    fits_here: bool = False
    compiles: bool = False


@dataclass(frozen=True)
class SourceBuild:
    """How one release of a package is compiled.

    `requires` are its own requirements, `tools` what a build without isolation needs in the
    environment besides. `force` is the variable that keeps setup.py from fetching a wheel.
    `architectures` is the variable that names GPUs ("80;90"), `known` the ones that may stand
    there; both are empty where setup.py decides. `core_minutes` is None where nobody measured it.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    tools: tuple[str, ...]
    force: str
    architectures: str = ""
    known: tuple[str, ...] = ()
    core_minutes: int | None = None


@dataclass(frozen=True)
class Requirement:
    """One requirement in installer terms: `text` is PEP 508, `url` a wheel's address.

    source: index (the default index), torch (the index of the torch build), wheel (`url`).
    """

    name: str
    text: str
    source: Literal["index", "torch", "wheel"] = "index"
    url: str | None = None
    reason: str = ""
    build: bool = False  # may be built from source
    compiled: SourceBuild | None = None  # against the installed torch, after everything else
    profiles: tuple[str, ...] = ()  # those that ask for it

    @property
    def wheel(self) -> str | None:
        """The file name of a wheel that has an address."""
        return file_name(self.url) if self.url else None


@dataclass(frozen=True)
class Choice:
    """What the resolver decided, with everything it looked at and left."""

    profiles: tuple[str, ...]
    target: Target
    feasible: bool
    torch: str | None = None  # "2.9.1"
    variant: str | None = None  # "cu126"
    requirements: tuple[Requirement, ...] = ()
    imports: tuple[str, ...] = ()
    promises: tuple[Promise, ...] = ()
    disk: int = 0
    reasons: tuple[Reason, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    alternatives: tuple[Alternative, ...] = ()

    @property
    def due(self) -> tuple[Promise, ...]:
        """The promises that can be seen kept on this machine: those on a GPU need one."""
        return tuple(item for item in self.promises if item.on == "cpu" or self.target.gpus)


@dataclass(frozen=True)
class Source:
    """Where the chosen torch build comes from.

    kind: torch-index (the PyTorch index), configured (what pip or the command line is configured
    with), default (the installers' own default index). `pin` is the version as the place's
    metadata writes it: with the local tag, or without one where the default index's build is meant.
    `url` is set where the index is to be used for torch alone, `index` where it was found in one of
    pip's, which everything may come from.
    """

    kind: Literal["torch-index", "configured", "default"]
    pin: str
    text: str
    url: str | None = None
    index: str | None = None

    @property
    def by_address(self) -> bool:
        """Whether who knows no more than the pin finds another build, or none."""
        return self.kind == "configured" and self.url is None and "+" in self.pin


def pinned(requirement: Requirement, source: Source | None) -> str:
    """The requirement's text, with torch as its source writes it."""
    if requirement.name == "torch" and source is not None:
        return f"torch=={source.pin}"
    return requirement.text


@dataclass(frozen=True)
class Resolved:
    """One distribution of the closed set; `version` carries the local tag (2.9.1+cu126)."""

    name: str
    version: str
    source: Literal["index", "wheel", "sdist"] = "index"
    url: str | None = None
    sha256: str | None = None
    size: int | None = None

    @property
    def file(self) -> str:
        """The name of its file; "" where its address is not known."""
        return file_name(self.url or "")

    @property
    def wheel(self) -> str | None:
        """The file name of a wheel from an address outside every index."""
        return (self.file or None) if self.source == "wheel" else None


@dataclass(frozen=True)
class Change:
    """What happens to one distribution: `before` None is new; equal versions are another build."""

    package: Resolved
    before: str | None = None


@dataclass(frozen=True)
class Conflict:
    """A kept package whose own requirement the new set does not meet."""

    package: str
    version: str
    requires: str
    found: str | None  # version that it will see; None: not installed


@dataclass(frozen=True)
class Removal:
    """An installed distribution that the installer takes away."""

    name: str
    version: str


@dataclass(frozen=True)
class Plan:
    """Everything an install is going to do."""

    choice: Choice
    environment: str  # path
    installer: str = "uv"
    source: Source | None = None
    changes: tuple[Change, ...] = ()
    kept: int = 0  # distributions that stay as they are
    conflicts: tuple[Conflict, ...] = ()
    steps: tuple[Step, ...] = ()
    removals: tuple[Removal, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every package is known, and not only what was asked for."""
        return bool(self.steps or self.changes or self.kept)

    @property
    def command(self) -> str:
        """What carries it out."""
        return "install"

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the journal calls it."""
        return self.choice.profiles
