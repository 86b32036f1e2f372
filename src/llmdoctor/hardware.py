"""What the hardware, its driver and the system around it are: one half of a `Machine`.

The rules of `machine` hold here too; everything is imported from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


def private(role: Literal["path", "text", "variable", "secret"]) -> dict[str, str]:
    """Mark a field for `redact.redact`.

    A path, a sentence that may quote one, a variable's value, or what never leaves the machine.
    """
    return {"private": role}


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
    jetson: str | None = None  # release of a Jetson's system software: "36.4.3"
    # Variables that name a certificate file or folder which is not there.
    lost_certificates: tuple[str, ...] = ()
    # Windows: whether programs may use paths above 260 characters, and which libraries of the
    # Visual C++ runtime are not in System32.
    long_paths: bool | None = None
    runtime_missing: tuple[str, ...] = ()


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

    role: str  # environment, home, temp, cache, models
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


UNNAMED = "NVIDIA GPU, not named"  # the name of one that a report counts and does not name


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
    mig_devices: int | None = None  # instances that programs can use, where MIG is on

    @property
    def unnamed(self) -> bool:
        """Whether a report leaves open which GPU it is: not named, or shortened too far."""
        shortened = self.name == UNNAMED or self.name.endswith("...")
        return shortened and self.compute_capability is None


@dataclass(frozen=True)
class Nvidia:
    """What every source says about NVIDIA hardware and its driver.

    `driver` and `cuda` (the highest CUDA the driver speaks) are rival readings; `gpus` comes from
    the best source that answered. `errors` are the words of sources that are there and fail, and of
    torch (source "torch") where a report quotes them.
    """

    driver: tuple[Reading, ...] = ()
    cuda: tuple[Reading, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    pci: tuple[PciDevice, ...] = ()
    device_nodes: tuple[str, ...] = ()
    library: str | None = None  # the NVML library that the loader finds
    errors: tuple[Reading, ...] = ()
    modules: tuple[str, ...] = ()  # of the driver, as far as they are loaded: nvidia, nvidia_uvm
    denied: tuple[str, ...] = ()  # device nodes that this user may not open for writing
    modprobe: bool | None = None  # nvidia-modprobe is there: it makes device nodes when needed
    nvswitches: int = 0  # NVSwitch bridges on the PCI bus
    fabric: Literal["not started", "in progress", "completed"] | None = None  # by NVML
    fabric_manager: Literal["running", "stopped", "absent"] | None = None  # None: not looked for

    @property
    def driver_cuda(self) -> tuple[str, ...]:
        """What the driver says of the highest CUDA it speaks; not the CUDA of a torch that runs."""
        said = (item.value for item in self.cuda if item.source != "torch.cuda.is_available")
        return tuple(dict.fromkeys(said))

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
    gcc: int | None = None  # newest GCC major that its own header accepts
    stub: bool = False  # has a libcuda.so to link against


@dataclass(frozen=True)
class Cuda:
    """CUDA toolkits; `nvcc` is the one that PATH finds and `home` what CUDA_HOME says."""

    home: str | None = field(default=None, metadata=private("path"))
    nvcc: str | None = field(default=None, metadata=private("path"))
    nvcc_version: str | None = None
    toolkits: tuple[Toolkit, ...] = ()


@dataclass(frozen=True)
class Library:
    """A shared library that programs get by its name, seen as a file and never loaded.

    found: LD_LIBRARY_PATH, compat (a folder of cuda-compat that the loader's configuration names),
    conda (the environment's lib), system. `version` is what the file behind the links is called.
    """

    name: str  # libcublasLt
    found: str
    path: str = field(metadata=private("path"))
    version: str | None = None

    @property
    def major(self) -> str | None:
        """The number in the name that programs ask for: libcublasLt.so.12 has 12."""
        return self.version.partition(".")[0] if self.version else None
