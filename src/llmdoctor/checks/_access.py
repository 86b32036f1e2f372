"""Can a CUDA program reach a GPU, and if not, what is the first thing in its way?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from llmdoctor.checks._facts import requires_gpu, usable_torch
from llmdoctor.checks._framework import Case, Skip
from llmdoctor.machine import Machine, Torch

Access: TypeAlias = Literal[
    "works",
    "mismatch",
    "wsl1",
    "container",
    "unloaded",
    "missing",
    "failing",
    "blocked",
    "absent",
    "unknown",
]

# A reason that has a check of its own, as far as a source's error tells it.
Trouble: TypeAlias = Literal["fabric", "compat", "unknown", "denied", "lost"]

# Words of NVML, nvidia-smi and the CUDA runtime. A reading holds either the text or the constant.
_MISMATCH = (
    "driver/library version mismatch",
    "lib_rm_version_mismatch",
    "librmversionmismatch",
    "error 803",
    "unsupported display driver",
)
_UNLOADED = (
    "driver not loaded",
    "driver_not_loaded",
    "couldn't communicate with the nvidia driver",
    "can't communicate with the nvidia driver",
)
_NO_DRIVER = ("no nvidia driver",)
_TOO_OLD = ("driver on your system is too old", "driver version is insufficient")
_BROKEN = ("cudagetdevicecount", "cuda driver initialization failed", "can't initialize nvml")
# What CUDA, NVML and nvidia-smi say where a check of its own knows the reason.
_TROUBLES: dict[Trouble, tuple[str, ...]] = {
    "fabric": ("error 802", "system not yet initialized", "system_not_ready"),
    "compat": ("error 804", "forward compatibility was attempted"),
    "unknown": ("error 999", "cuda unknown error"),
    "denied": (
        "nvmlinit: nvmlerror_nopermission",
        "failed to initialize nvml: insufficient permissions",
    ),
    "lost": ("gpu is lost", "gpu_is_lost", "gpuislost", "fallen off the bus"),
}

# The bus and the kernel module see hardware, also in a container: no program can use it by that.
_KERNEL_SOURCES = ("pci", "/proc", "/sys")

_WHY: dict[Access, str] = {
    "mismatch": "the NVIDIA kernel module and the driver's libraries have different versions",
    "wsl1": "WSL 1 has no GPU",
    "container": "no GPU reaches the container",
    "unloaded": "the NVIDIA driver is installed but not loaded",
    "missing": "there is no NVIDIA driver",
    "failing": "the NVIDIA driver answers with an error",
    "blocked": "the NVIDIA driver is there, and CUDA does not reach it",
    "absent": "no NVIDIA GPU is visible",
    "unknown": "whether there is an NVIDIA GPU could not be seen",
}


def gpu_access(case: Case) -> Access:
    """Whether a CUDA program can reach a GPU, and if not, what is the first thing in its way."""
    machine = case.machine
    nvidia, host = machine.nvidia, machine.host
    if says(machine, _MISMATCH):
        return "mismatch"
    if host.wsl == 1:
        return "wsl1"
    if _is_blocked(machine):
        return "blocked"
    if any(gpu.source not in _KERNEL_SOURCES for gpu in nvidia.gpus):
        return "works"
    seen = nvidia.present or bool(nvidia.driver) or (_hides_bus(machine) and bool(nvidia.library))
    given = nvidia.device_nodes and nvidia.library  # what a container is given with its GPU
    meant = seen or requires_gpu(case) or _reported_cuda(machine)
    if host.container and not given and meant:
        return "container"
    if says(machine, _NO_DRIVER):
        return "missing"
    return _driver_state(case, seen=seen)


def _is_blocked(machine: Machine) -> bool:
    """Whether GPUs that the driver's tools list are of no use: by CUDA's own words, or as seen."""
    waits = machine.nvidia.fabric in ("not started", "in progress")
    told = trouble(machine) in ("fabric", "compat", "unknown")
    return told or waits or bool(machine.nvidia.denied)


def _driver_state(case: Case, *, seen: bool) -> Access:
    """Why no GPU answers on the machine itself; `seen`: hardware or a kernel module is there."""
    machine, nvidia = case.machine, case.machine.nvidia
    own = tuple(reading for reading in nvidia.errors if reading.source != "torch")
    if not seen:
        if _reported_cuda(machine) and machine.cuda.nvcc_version:
            return "missing"  # CUDA was installed for a GPU
        if any(reading.source in _KERNEL_SOURCES for reading in nvidia.errors):
            return "unknown"
        if not (_hides_bus(machine) and requires_gpu(case)):
            return "absent"
    if says(machine, _UNLOADED):
        return "unloaded"
    if own:
        return "failing"
    if all(reading.source in _KERNEL_SOURCES for reading in nvidia.driver):
        return "missing"
    return "failing" if nvidia.present else "unknown"  # a report that lists no GPUs


def _reported_cuda(machine: Machine) -> bool:
    """Whether somebody reports a CUDA build of torch, and nobody looked at the bus."""
    torch = machine.environment.torch
    return bool(machine.note("pci") and torch and torch.cuda)


def access_or_skip(case: Case) -> Access | Skip:
    """The same, for a check that has nothing to say without a look, or where no GPU is wanted.

    What torch or a tool says of CUDA is enough of a look, where a report leaves the hardware out.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    if reason := unseen(case.machine):
        return Skip(reason)
    access = gpu_access(case)
    return Skip(_WHY[access]) if access == "unknown" else access


def unseen(machine: Machine) -> str | None:
    """Why nothing can be said of driver and GPU: nobody looked, and no error tells of them."""
    note = machine.note("nvidia")
    if note is None or (note.status == "unsaid" and _tells(machine)):
        return None
    return f"could not look: {note.detail}"


def _tells(machine: Machine) -> bool:
    return trouble(machine) is not None or says(machine, (*_MISMATCH, *_TOO_OLD, *_BROKEN))


def too_old(machine: Machine) -> bool:
    """Whether torch said that the driver is too old for it."""
    return says(machine, _TOO_OLD)


def why_no_gpu(case: Case) -> str | None:
    """What keeps CUDA programs from a GPU, in words; None when nothing does."""
    access = gpu_access(case)
    return None if access == "works" else _WHY[access]


def rocm_torch(case: Case) -> Torch | None:
    """A ROCm build of torch where no NVIDIA GPU answers and no profile is wanted, else None.

    Its GPU is of another maker, which nothing here looks at. A profile would replace it.
    """
    torch = usable_torch(case)
    wanted = torch and torch.hip and not case.profiles and gpu_access(case) != "works"
    return torch if wanted else None


def trouble(machine: Machine) -> Trouble | None:
    """What the errors name, where that is one of the reasons with a check of its own."""
    return next((name for name, words in _TROUBLES.items() if says(machine, words)), None)


def says(machine: Machine, words: Iterable[str]) -> bool:
    """Whether any NVIDIA source's error holds one of these words."""
    said = "\n".join(reading.value for reading in machine.nvidia.errors).lower()
    return any(word in said for word in words)


def _hides_bus(machine: Machine) -> bool:
    """WSL has no PCI bus and Windows' is not read: not seeing a GPU there proves nothing."""
    return machine.host.wsl is not None or machine.host.system == "windows"
