"""Profiles: what can be installed. Read from TOML by `profiles.py`; no number lives in code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SCHEMA = 1


@dataclass(frozen=True)
class TorchPin:
    """The anchor of a stack: one torch release, and its builds in order of preference."""

    version: str
    variants: tuple[str, ...]
    reason: str
    source: str


@dataclass(frozen=True)
class Want:
    """One package that a profile installs.

    How its version is found, `origin`:

    - index: `spec` (a PEP 440 specifier) on the package index;
    - triton: the pin that the tables give for the stack's torch, under the name of the platform;
    - table: the release that the tables give for the chosen build of torch (`tables.pin_for`);
    - wheel: a wheel of the catalogue that fits torch, CUDA, ABI, Python and platform.

    `build` allows a package that comes as source only and builds without a compiler. Everything
    else has to come as a wheel.
    """

    name: str
    spec: str = ""
    marker: str | None = None  # PEP 508
    origin: Literal["index", "triton", "table", "wheel"] = "index"
    build: bool = False
    reason: str = ""
    source: str = ""
    checked: str = ""


@dataclass(frozen=True)
class Exclusion:
    """A place where a profile is known not to work. Overridden by `--allow CODE`."""

    code: str
    reason: str
    source: str
    checked: str
    os: tuple[str, ...] = ()
    arch: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()  # build families: cpu, cu124
    cause: str | None = None


@dataclass(frozen=True)
class Hardware:
    """The only machines that a stack is for. On others it is taken where it is named, not else."""

    arch: tuple[str, ...]
    capabilities: tuple[str, ...]  # a GPU of one of these: "12.1"
    reason: str
    source: str
    checked: str


@dataclass(frozen=True)
class Promise:
    """Rows of the smoke test on which it hangs whether an install is kept.

    `rows` is a glob over backend/kernel/mode/dtype. Nothing that it reaches may fail, and each mode
    that it reaches has to pass in one dtype at least. What is promised `on` a GPU is asked for
    where the machine has one, of a build that was made for it.
    """

    rows: str
    reason: str
    on: Literal["cpu", "gpu"] = "cpu"


@dataclass(frozen=True)
class LeftOut:
    """A requirement of a profile's sources that is deliberately not taken over, and why.

    Nothing is installed for it: it is there for whoever compares the profile with its sources.
    """

    name: str
    reason: str
    source: str
    spec: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a profile comes from: filled in by its reader, never written in the profile.

    `place` is its file: as typed for a file, else the whole path. `extends` are the profiles that
    it builds on, by name, nearest first.
    """

    kind: Literal["builtin", "file", "project", "package"] = "builtin"
    place: str = ""
    package: str = ""  # "acme-profiles 1.0"
    extends: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The same in words."""
        words = {
            "builtin": "shipped with llmdoctor",
            "file": f"the file {self.place}",
            "project": f"the project's {self.place}",
            "package": f"the package {self.package}",
        }[self.kind]
        return (
            f"{words}, extends {', which extends '.join(self.extends)}" if self.extends else words
        )


@dataclass(frozen=True)
class Profile:
    """A stack (the torch anchor) or an add-on (combined with a stack)."""

    name: str
    kind: Literal["stack", "addon"]
    title: str
    summary: str
    schema: int = SCHEMA
    python: str = ""  # PEP 440 specifier
    python_reason: str = ""
    torch: TorchPin | None = None
    stacks: tuple[str, ...] = ()  # an add-on that works with these stacks only
    needs_gpu: bool = False
    hardware: Hardware | None = None  # of a stack
    feature: str | None = None  # a row of the GPU table's feature minimums: "flash_attn_2"
    disk: int = 0  # bytes in the environment, measured
    memory: int = 0  # bytes of main memory that the smoke test needs
    packages: tuple[Want, ...] = ()
    imports: tuple[str, ...] = ()  # modules whose import is part of the proof
    promises: tuple[Promise, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = field(default=())
    origin: Origin = Origin()

    @property
    def spelled(self) -> str:
        """How it is named on a command line: one in a file of its own by that file's path."""
        return self.origin.place if self.origin.kind == "file" else self.name
