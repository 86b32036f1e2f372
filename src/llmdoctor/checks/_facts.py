"""Questions that several checks ask, as pure predicates over a case.

Checks see nothing of each other. A check whose symptom follows from a deeper cause asks the
predicate that the deeper check asks, and says so instead of repeating it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

from llmdoctor.checks._framework import Case
from llmdoctor.machine import Gpu, Machine, Torch

if TYPE_CHECKING:
    from llmdoctor.profile import TorchPin
    from llmdoctor.tables import TorchRelease

Access: TypeAlias = Literal[
    "works", "mismatch", "wsl1", "container", "unloaded", "missing", "failing", "absent"
]

# Words of NVML, nvidia-smi and the CUDA runtime. A reading holds either the text or the constant.
_MISMATCH = ("driver/library version mismatch", "lib_rm_version_mismatch", "error 803")
_UNLOADED = (
    "driver not loaded",
    "driver_not_loaded",
    "couldn't communicate with the nvidia driver",
    "can't communicate with the nvidia driver",
)
_NO_DRIVER = ("no nvidia driver",)

_KERNEL_SOURCES = ("/proc", "/sys")  # the kernel module alone does not make a working driver

_WHY: dict[Access, str] = {
    "mismatch": "the NVIDIA kernel module and the driver's libraries have different versions",
    "wsl1": "WSL 1 has no GPU",
    "container": "the container was started without the GPU",
    "unloaded": "the NVIDIA driver is installed but not loaded",
    "missing": "there is no NVIDIA driver",
    "failing": "the NVIDIA driver answers with an error",
    "absent": "no NVIDIA GPU is visible",
}


def gpu_access(case: Case) -> Access:
    """Whether a CUDA program can reach a GPU, and if not, what is the first thing in its way."""
    machine = case.machine
    nvidia, host = machine.nvidia, machine.host
    if says(machine, _MISMATCH):
        return "mismatch"
    if host.wsl == 1:
        return "wsl1"
    if any(gpu.source != "pci" for gpu in nvidia.gpus):
        return "works"
    if any(reading.source not in _KERNEL_SOURCES for reading in nvidia.driver):
        # A driver that answers and lists nothing: in a container the device was not passed in.
        return "container" if host.container else "absent"
    seen = nvidia.present or bool(nvidia.driver)
    if host.container and not nvidia.device_nodes and (seen or requires_gpu(case)):
        return "container"
    if says(machine, _NO_DRIVER):
        return "missing"
    if not seen and not (hardware_unknown(machine) and requires_gpu(case)):
        return "absent"
    if says(machine, _UNLOADED):
        return "unloaded"
    return "failing" if nvidia.errors else "missing"


def why_no_gpu(case: Case) -> str | None:
    """What keeps CUDA programs from a GPU, in words; None when nothing does."""
    access = gpu_access(case)
    return None if access == "works" else _WHY[access]


def says(machine: Machine, words: Iterable[str]) -> bool:
    """Whether any NVIDIA source's error holds one of these words."""
    said = "\n".join(reading.value for reading in machine.nvidia.errors).lower()
    return any(word in said for word in words)


def hardware_unknown(machine: Machine) -> bool:
    """Whether an NVIDIA GPU may be there although no bus shows one: WSL 2 hides the PCI bus."""
    return machine.host.wsl == 2 or machine.note("nvidia.pci") is not None


def requires_gpu(case: Case) -> bool:
    """Whether a wanted profile is of no use without an NVIDIA GPU."""
    return any(
        profile.needs_gpu or (profile.torch is not None and "cpu" not in profile.torch.variants)
        for profile in case.profiles
    )


def visible_gpus(machine: Machine) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves: CUDA stops reading at the first unknown entry."""
    gpus = machine.nvidia.gpus
    value = machine.variables.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return gpus
    seen: list[Gpu] = []
    for entry in (part.strip() for part in value.split(",")):
        if re.fullmatch(r"[0-9]+", entry):
            found = next((gpu for gpu in gpus if gpu.index == int(entry)), None)
        elif entry.startswith("MIG-"):
            return gpus  # a slice of one of them, and nothing here says of which
        else:
            if entry.startswith("GPU-") and any(gpu.uuid is None for gpu in gpus):
                return gpus  # a redacted report does not tell which one is meant
            found = next((g for g in gpus if entry and (g.uuid or "").startswith(entry)), None)
        if found is None:
            break
        seen.append(found)
    return tuple(seen)


def capability(gpu: Gpu) -> str | None:
    """The compute capability that the driver gives, or the table for that name."""
    if gpu.compute_capability is not None:
        return gpu.compute_capability
    from llmdoctor.tables import capability_of

    return capability_of(gpu.name)


def usable_torch(case: Case) -> Torch | None:
    """The installed torch, where its files can be imported and tell their version."""
    torch = case.machine.environment.torch
    return torch if torch and torch.problem is None and torch.version else None


def release_of(version: str) -> TorchRelease | None:
    """What the table knows of that torch; None for one that it lacks."""
    from llmdoctor.tables import UnknownRelease, torch_release

    try:
        return torch_release(version)
    except UnknownRelease:
        return None


def pin(case: Case) -> TorchPin | None:
    """The torch that the wanted stack is anchored to."""
    return next((profile.torch for profile in case.profiles if profile.torch), None)


def wanted_torch(case: Case) -> str | None:
    """The torch version that the wanted profiles install."""
    if case.choice and case.choice.torch:
        return case.choice.torch
    anchor = pin(case)
    return anchor.version if anchor else None


def driver_os(machine: Machine) -> str:
    """Whose driver versions count: under WSL the driver is the one of Windows."""
    return "windows" if machine.host.wsl else machine.host.system


def parts(version: str) -> tuple[int, ...]:
    """The numbers of a version, for ordering: "3.12.4" -> (3, 12, 4)."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def size(count: int) -> str:
    """Bytes as people read them: 6600000000 -> "6.6 GB"."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"
