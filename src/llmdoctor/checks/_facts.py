"""Questions that several checks ask, as pure predicates over a case.

Checks see nothing of each other. A check whose symptom follows from a deeper cause asks the
predicate that the deeper check asks, and says so instead of repeating it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmdoctor.checks._framework import Case
from llmdoctor.machine import Gpu, Machine, Torch
from llmdoctor.visible import visible

if TYPE_CHECKING:
    from llmdoctor.profile import TorchPin
    from llmdoctor.tables import DriverFloor, TorchRelease


def requires_gpu(case: Case) -> bool:
    """Whether a wanted profile is of no use without an NVIDIA GPU."""
    return any(
        profile.needs_gpu or (profile.torch is not None and "cpu" not in profile.torch.variants)
        for profile in case.profiles
    )


def wants_cuda(case: Case) -> bool:
    """Whether a CUDA build of torch was chosen for the wanted profiles."""
    return bool(case.choice and (case.choice.variant or "").startswith("cu"))


def capability(gpu: Gpu) -> str | None:
    """The compute capability that the driver gives, or the table for that name; None: unknown."""
    if gpu.compute_capability and len(parts(gpu.compute_capability)) == 2:
        return gpu.compute_capability
    from llmdoctor.tables import capability_of

    return capability_of(gpu.name)


def usable_torch(case: Case) -> Torch | None:
    """The installed torch, where its files can be imported and tell their version."""
    torch = case.machine.environment.torch
    return torch if torch and torch.problem is None and torch.version else None


def cuda_major(torch: Torch) -> int | None:
    """The CUDA major that torch is built for; None for other builds, and where nobody said it."""
    numbers = parts(torch.cuda or "")
    return numbers[0] if numbers else None


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


def driver_readings(machine: Machine) -> tuple[str, ...]:
    """Every source's driver version, as evidence."""
    return tuple(f"driver {reading.value} ({reading.source})" for reading in machine.nvidia.driver)


def errors_said(machine: Machine) -> tuple[str, ...]:
    """Every source's error, in its own words, as evidence."""
    return tuple(f"{reading.source}: {reading.value}" for reading in machine.nvidia.errors)


def hardware_seen(machine: Machine) -> tuple[str, ...]:
    """NVIDIA's devices on the bus, as evidence."""
    return tuple(
        f"PCI {device.address} {device.vendor}:{device.device} "
        f"({device.driver or 'no kernel module'})"
        for device in machine.nvidia.pci
        if device.vendor == "10de"
    )


def driver_os(machine: Machine) -> str:
    """Whose driver versions count: under WSL the driver is the one of Windows."""
    return "windows" if machine.host.wsl else machine.host.system


def driver_floor_unmet(case: Case) -> DriverFloor | None:
    """The driver that the installed torch's CUDA needs, where the one here is older; else None."""
    torch, machine = usable_torch(case), case.machine
    driver = machine.nvidia.driver_version
    if torch is None or torch.cuda is None or driver is None:
        return None
    from llmdoctor.tables import driver_floor, is_older_driver

    floor = driver_floor(torch.cuda, driver_os(machine))
    capabilities = map(capability, machine.nvidia.gpus)
    return floor if floor and is_older_driver(driver, floor.version, capabilities) else None


def driver_before_gpu(case: Case) -> tuple[Gpu, DriverFloor] | None:
    """The visible GPU that asks most of the driver, and what, where the driver is older; else None.

    Whatever torch is installed: a driver does not bring up a GPU that came after it.
    """
    machine = case.machine
    driver = machine.nvidia.driver_version
    if driver is None:
        return None
    from llmdoctor.tables import gpu_driver, is_older_driver

    unmet = [
        (gpu, floor)
        for gpu in visible(machine).gpus
        if (cc := capability(gpu))
        and (floor := gpu_driver(cc, driver_os(machine)))
        and is_older_driver(driver, floor.version, [cc])
    ]
    return max(unmet, key=lambda pair: parts(pair[1].version), default=None)


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


def sentence(problem: str) -> str:
    """A problem as a sentence; the name of a file at its start stays as it is written."""
    first = problem.partition(" ")[0].rstrip(".:")
    return f"{problem if '.' in first else problem[:1].upper() + problem[1:]}".rstrip(".") + "."


def line_in(problem: str) -> int | None:
    """The line that a message of the TOML reader names."""
    match = re.search(r"\bline (\d+)", problem)
    return int(match[1]) if match and "from its [" not in problem else None
