"""Everything observed about one machine: the one value that checks and the resolver judge.

Rival sources stay side by side, because their disagreement is itself a diagnosis. `None` and an
empty tuple mean *looked and found nothing*; where nobody could look, a `Note` says so, and what
depends on that reader is skipped with its reason instead of passed.

Sizes are bytes. Versions are strings as their source writes them. Compute capabilities are written
"8.9". Paths are written as the machine itself writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SCHEMA = 1
MARK = ".llmdoctor"  # a file in an environment: the run of ours that made or changed it last

Status = Literal["denied", "failed", "timeout", "unsaid"]


def private(role: Literal["path", "text", "variable", "secret"]) -> dict[str, str]:
    """Mark a field for `redact.redact`.

    A path, a sentence that may quote one, a variable's value, or what never leaves the machine.
    """
    return {"private": role}


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
class Reading:
    """One source's answer to a question that several sources answer."""

    source: str
    value: str


@dataclass(frozen=True)
class Libc:
    """The C library that binary wheels are tagged for."""

    name: Literal["glibc", "musl"]
    version: str


@dataclass(frozen=True)
class Host:
    """Operating system and what it runs in: `wsl` is 1 or 2, `container` names the kind."""

    system: str = "unknown"  # linux, windows, macos
    arch: str = "unknown"  # as wheels spell it: x86_64, aarch64, arm64
    distribution: str | None = None
    distribution_version: str | None = None
    kernel: str | None = None
    libc: Libc | None = None
    wsl: int | None = None
    container: str | None = None


@dataclass(frozen=True)
class Cpu:
    """The processor; `threads` counts what the system schedules on."""

    model: str | None = None
    vendor: str | None = None
    threads: int | None = None
    flags: tuple[str, ...] = ()  # only the instruction sets that LLM kernels ask for


@dataclass(frozen=True)
class Memory:
    """Main memory; `limit` is the control group's, where one is set."""

    total: int | None = None
    available: int | None = None
    swap: int | None = None
    limit: int | None = None
    shm: int | None = None  # size of /dev/shm


@dataclass(frozen=True)
class Disk:
    """Room where something will be written."""

    role: str  # environment, home, temp, cache
    path: str = field(metadata=private("path"))
    total: int = 0
    free: int = 0
    writable: bool = True


@dataclass(frozen=True)
class PciDevice:
    """A display or 3D controller on the PCI bus, seen with or without a driver."""

    address: str
    vendor: str  # "10de" is NVIDIA
    device: str
    driver: str | None = None  # the kernel module that holds it


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU as `source` describes it."""

    index: int
    name: str
    compute_capability: str | None = None
    memory: int | None = None
    uuid: str | None = field(default=None, metadata=private("secret"))
    pci: str | None = None
    mig: bool | None = None
    source: str = "nvml"


@dataclass(frozen=True)
class Nvidia:
    """What every source says about NVIDIA hardware and its driver.

    `driver` and `cuda` (the highest CUDA the driver speaks) are rival readings; `gpus` comes from
    the best source that answered. `errors` are the words of sources that are there and fail.
    """

    driver: tuple[Reading, ...] = ()
    cuda: tuple[Reading, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    pci: tuple[PciDevice, ...] = ()
    device_nodes: tuple[str, ...] = ()
    library: str | None = None  # the NVML library that the loader finds
    errors: tuple[Reading, ...] = ()

    @property
    def driver_version(self) -> str | None:
        """The version that the driver's own user-space library or kernel module gives."""
        by_source = {reading.source: reading.value for reading in self.driver}
        for source in ("nvml", "nvidia-smi", "/proc", "/sys", "assumed", "report"):
            if source in by_source:
                return by_source[source]
        return None

    @property
    def present(self) -> bool:
        """Whether any source has seen NVIDIA hardware."""
        return bool(self.gpus) or any(device.vendor == "10de" for device in self.pci)


@dataclass(frozen=True)
class Toolkit:
    """A CUDA toolkit on disk."""

    path: str = field(metadata=private("path"))
    version: str | None = None
    nvcc: bool = False
    source: str = "disk"


@dataclass(frozen=True)
class Cuda:
    """CUDA toolkits; `nvcc` is the one that PATH finds and `home` what CUDA_HOME says."""

    home: str | None = field(default=None, metadata=private("path"))
    nvcc: str | None = field(default=None, metadata=private("path"))
    nvcc_version: str | None = None
    toolkits: tuple[Toolkit, ...] = ()


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
    libraries: tuple[str, ...] = ()  # of bitsandbytes: the files that it chooses from


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

    def package(self, name: str) -> Package | None:
        """The installed distribution of that normalised name."""
        return next((package for package in self.packages if package.name == name), None)


@dataclass(frozen=True)
class Lock:
    """A project's lock file; `manifest_hashes` are what each Poetry computes from the manifest.

    Keys of `manifest_hashes`: "1.x", "2.0", "2.3" — the first Poetry that hashes that way.
    """

    path: str = field(metadata=private("path"))
    tool: str = "poetry"
    generator: str | None = None
    lock_version: str | None = None
    content_hash: str | None = None
    manifest_hashes: dict[str, str] = field(default_factory=dict)
    problem: str | None = field(default=None, metadata=private("text"))


@dataclass(frozen=True)
class Project:
    """The project in the folder that was asked about."""

    root: str = field(metadata=private("path"))
    manifest: str | None = None  # its file name
    tool: str | None = None  # poetry, uv, pip
    requires_python: str | None = None
    lock: Lock | None = None
    problem: str | None = field(default=None, metadata=private("text"))


@dataclass(frozen=True)
class Machine:
    """One look at one machine."""

    schema: int = SCHEMA
    taken: str | None = None  # ISO 8601, UTC
    host: Host = field(default_factory=Host)
    cpu: Cpu = field(default_factory=Cpu)
    memory: Memory = field(default_factory=Memory)
    disks: tuple[Disk, ...] = ()
    nvidia: Nvidia = field(default_factory=Nvidia)
    cuda: Cuda = field(default_factory=Cuda)
    compilers: tuple[Tool, ...] = ()
    tools: tuple[Tool, ...] = ()
    environment: Environment = field(default_factory=Environment)
    project: Project | None = None
    variables: dict[str, str] = field(default_factory=dict, metadata=private("variable"))
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
