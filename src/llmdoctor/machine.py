"""Everything observed about one machine: the one value that checks and the resolver judge.

Rival sources stay side by side, because their disagreement is itself a diagnosis. `None` and an
empty tuple mean *looked and found nothing*; where nobody could look, a `Note` says so, and what
depends on that reader is skipped with its reason instead of passed.

Sizes are bytes. Versions are strings as their source writes them. Compute capabilities are written
"8.9". Paths are written as the machine itself writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from llmdoctor.hardware import (
    Cpu,
    Cuda,
    Disk,
    Gpu,
    Host,
    Libc,
    Library,
    Memory,
    Nvidia,
    PciDevice,
    Reading,
    Toolkit,
    private,
)

if TYPE_CHECKING:  # only what is asked for needs its words
    from llmdoctor.deep import Deep
    from llmdoctor.locked import Unfit
    from llmdoctor.network import Place

__all__ = [
    "MARK",
    "SCHEMA",
    "SPARE_ENVIRONMENT",
    "Cpu",
    "Cuda",
    "Disk",
    "Environment",
    "Gpu",
    "Host",
    "Libc",
    "Library",
    "Lock",
    "Machine",
    "Memory",
    "Note",
    "Nvidia",
    "Package",
    "PciDevice",
    "Project",
    "Quoted",
    "Reading",
    "Status",
    "Tool",
    "Toolkit",
    "Torch",
    "TorchPlace",
    "minor_of",
    "private",
]

SCHEMA = 1
MARK = ".llmdoctor"  # a file in an environment: the run of ours that made or changed it last
SPARE_ENVIRONMENT = ".venv-llm"  # proposed where .venv is taken

Status = Literal["denied", "failed", "timeout", "unsaid"]


def minor_of(python: str) -> str:
    """The minor of a Python: "3.12.4" -> "3.12"; free-threaded: "3.13.0t" -> "3.13t"."""
    minor = ".".join(python.split(".")[:2])
    return f"{minor.removesuffix('t')}t" if python.endswith("t") else minor


@dataclass(frozen=True)
class Note:
    """A reader that could not look, and why."""

    reader: str
    status: Status
    detail: str = field(metadata=private("text"))


@dataclass(frozen=True)
class Tool:
    """A program on PATH: compiler, Poetry, uv, pip, pipx, conda.

    `prefix` is the Python environment that a Python tool is installed in.
    """

    name: str
    path: str = field(metadata=private("path"))
    version: str | None = None
    prefix: str | None = field(default=None, metadata=private("path"))


@dataclass(frozen=True)
class Package:
    """One installed distribution, read from its dist-info without running anything."""

    name: str  # normalised: lower case, runs of -_. become -
    version: str
    requires: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()  # of the wheel it came from
    installer: str | None = None
    record: bool = True  # has a RECORD, without which nothing can uninstall it
    editable: bool = False
    metadata: bool = True  # has a METADATA, without which its requirements are unknown
    present: bool = True  # what it is imported as lies beside it; looked for in a few packages
    origin: str | None = None  # file name of the wheel, where it was installed from an address
    # Of bitsandbytes, the files that it chooses from; None: not looked for.
    libraries: tuple[str, ...] | None = None
    borrowed: bool = False  # lies in the base interpreter's or the user's folder
    # Files of its RECORD that are gone or cut short, the first few; None: not looked for.
    lost: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Torch:
    """The torch build, from `torch/version.py`: package metadata may lack the CUDA variant.

    `problem` says what makes the files on disk unable to be imported.
    """

    version: str | None = None
    cuda: str | None = None
    hip: str | None = None
    problem: str | None = field(default=None, metadata=private("text"))

    @property
    def variant(self) -> str | None:
        """The build as index names spell it: cu126, rocm6.4, cpu; None when unknown."""
        if self.cuda:
            return "cu" + "".join(self.cuda.split(".")[:2])
        if self.hip:
            return "rocm" + ".".join(self.hip.split(".")[:2])
        return "cpu" if self.version else None


@dataclass(frozen=True)
class Environment:
    """A Python environment seen from outside: the patient.

    kind: venv, conda, system (an interpreter of its own), missing (nothing there yet), or broken
    (`problem` says how). `base` is the folder of the interpreter that a venv was made from. The
    `version` of a free-threaded Python ends with t: "3.13.0t".
    """

    kind: Literal["venv", "conda", "system", "missing", "broken"] = "missing"
    path: str | None = field(default=None, metadata=private("path"))
    executable: str | None = field(default=None, metadata=private("path"))
    version: str | None = None
    base: str | None = field(default=None, metadata=private("path"))
    site_packages: tuple[str, ...] = field(default=(), metadata=private("path"))
    externally_managed: bool = False
    system_site_packages: bool = False
    problem: str | None = field(default=None, metadata=private("text"))
    packages: tuple[Package, ...] = ()
    # Half-removed dist-infos: paths, their last parts start with ~ or -.
    leftovers: tuple[str, ...] = field(default=(), metadata=private("path"))
    torch: Torch | None = None
    cut_off: str | None = None  # the run of ours that never ended, or has not ended yet
    # What else its Python reads: the user's own site-packages, and modules that PYTHONPATH puts
    # before those of the environment.
    user_site: str | None = field(default=None, metadata=private("path"))
    user_packages: tuple[Package, ...] = ()
    shadows: tuple[str, ...] = field(default=(), metadata=private("path"))
    # Paths of scripts in bin/ that start another Python than the environment's.
    stale_scripts: tuple[str, ...] = field(default=(), metadata=private("path"))

    pip_gone: bool = False  # pip's scripts are in it, and pip is not
    # Another environment, where one is activated in this shell.
    activated: str | None = field(default=None, metadata=private("path"))
    headers: bool | None = None  # Python.h is there for this Python; None: not looked for

    @property
    def is_none(self) -> bool:
        """Whether what was named is something else: nothing can be installed in its place."""
        return (self.problem or "").startswith("not a Python environment")

    def package(self, name: str) -> Package | None:
        """The installed distribution of that normalised name."""
        return next((package for package in self.packages if package.name == name), None)


@dataclass(frozen=True)
class Lock:
    """A project's lock file; `manifest_hashes` are what each Poetry computes from the manifest.

    Keys of `manifest_hashes`: "1.x", "2.0", "2.3" — the first Poetry that hashes that way.
    """

    LATE: ClassVar = {"Unfit": "llmdoctor.locked"}  # for `wire`

    path: str = field(metadata=private("path"))
    tool: str = "poetry"
    generator: str | None = None
    lock_version: str | None = None
    content_hash: str | None = None
    manifest_hashes: dict[str, str] = field(default_factory=dict)
    problem: str | None = field(default=None, metadata=private("text"))
    hash_line: int | None = None  # the line of the content hash
    packages: int | None = None  # how many it locks; None: they were not looked at
    unfit: tuple[Unfit, ...] = ()  # those that an install here needs and that have no file for here
    # What a uv.lock says otherwise than the manifest, in words; None: not compared.
    differs: tuple[str, ...] | None = field(default=None, metadata=private("text"))
    strays: tuple[str, ...] = ()  # ordinary packages that are locked from the PyTorch index


@dataclass(frozen=True)
class Quoted:
    """A command line in a file of the project: a README, a Makefile, a CI job."""

    file: str
    line: int
    text: str = field(metadata=private("text"))


@dataclass(frozen=True)
class TorchPlace:
    """Where a project's manifest takes torch from; `explicit` and `limited` are for torch alone.

    explicit: only packages that name the index get it. limited: markers say which platforms do.
    """

    name: str
    url: str = field(metadata=private("text"))
    explicit: bool = False
    limited: bool = False
    line: int | None = None  # of the address, in the manifest


@dataclass(frozen=True)
class Project:
    """The project in the folder that was asked about."""

    root: str = field(metadata=private("path"))
    manifest: str | None = None  # its file name
    tool: str | None = None  # poetry, uv, pip
    requires_python: str | None = None
    lock: Lock | None = None
    problem: str | None = field(default=None, metadata=private("text"))
    groups: tuple[str, ...] = ()  # of dependencies, as Poetry names them
    extras: tuple[str, ...] = ()
    torch_places: tuple[TorchPlace, ...] = ()
    commands: tuple[Quoted, ...] = ()  # that start Poetry
    keyring: bool | None = None  # Poetry asks a desktop's keyring; None: not looked for
    # What it said: answers, absent, locked, silent, "fails ERROR", "raises ERROR"; None: not asked.
    keyring_answer: str | None = None


@dataclass(frozen=True)
class Said:
    """A message in a pasted report that shows a cause (a slug), as sure as `explain` says."""

    cause: str
    confidence: str
    line: int
    text: str = field(metadata=private("text"))


@dataclass(frozen=True)
class Machine:
    """One look at one machine."""

    LATE: ClassVar = {"Deep": "llmdoctor.deep", "Place": "llmdoctor.network"}  # for `wire`

    schema: int = SCHEMA
    taken: str | None = None  # ISO 8601, UTC
    host: Host = field(default_factory=Host)
    cpu: Cpu = field(default_factory=Cpu)
    memory: Memory = field(default_factory=Memory)
    disks: tuple[Disk, ...] = ()
    nvidia: Nvidia = field(default_factory=Nvidia)
    cuda: Cuda = field(default_factory=Cuda)
    libraries: tuple[Library, ...] = ()
    compilers: tuple[Tool, ...] = ()
    tools: tuple[Tool, ...] = ()
    environment: Environment = field(default_factory=Environment)
    project: Project | None = None
    variables: dict[str, str] = field(default_factory=dict, metadata=private("variable"))
    deep: Deep | None = None  # what loading shows, where that was asked for
    network: tuple[Place, ...] | None = None  # what servers answered; None: nobody was asked
    said: tuple[Said, ...] = ()  # by what a pasted report quotes, best first
    notes: tuple[Note, ...] = ()

    def note(self, reader: str) -> Note | None:
        """Why that reader could not look; None when it could."""
        return next((note for note in self.notes if note.reader == reader), None)

    def tool(self, name: str) -> Tool | None:
        """The program of that name on PATH."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def disk(self, role: str) -> Disk | None:
        """The room for that role."""
        return next((disk for disk in self.disks if disk.role == role), None)
