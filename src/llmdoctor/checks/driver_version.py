"""DRV: whether the driver is new enough for the CUDA of a torch build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmdoctor.checks._access import gpu_access, too_old, unseen, why_no_gpu
from llmdoctor.checks._facts import (
    capability,
    driver_before_gpu,
    driver_floor_unmet,
    driver_os,
    driver_readings,
    errors_said,
    parts,
    pin,
    requires_gpu,
    sentence,
    usable_torch,
)
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import get_driver, install_command
from llmdoctor.checks.compat import foreign_libcuda
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Gpu, Machine, Torch

if TYPE_CHECKING:
    from llmdoctor.tables import DriverFloor


@check(
    "DRV008", cause="driver-too-old", also=("driver-old-needs-compat",), readers=("environment",)
)
def driver_too_old_for_torch(case: Case) -> Answer:
    """The NVIDIA driver is too old for the installed torch.

    What: Compares the driver with the first one that knows each visible GPU, and with the lowest
    one that any program of the installed torch's CUDA major needs (minor-version compatibility),
    not with the driver that one toolkit shipped with.

    Why: A CUDA 13 build on a CUDA 12 driver does not start: "The NVIDIA driver on your system is
    too old", and `torch.cuda.is_available()` is False. A driver from before a GPU does not bring
    it up, whatever is installed.

    Remedy: Update the driver, or install a torch built with an older CUDA.

    Known problems: On data-centre GPUs the package cuda-compat lets a newer CUDA run on an older
    driver; where it is found, or a report says that torch sees the GPU, this is a warning.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    torch, machine = usable_torch(case), case.machine
    if reason := unseen(machine):
        return Skip(reason)
    beyond = driver_before_gpu(case) if why_no_gpu(case) is None else None
    if torch is None or torch.cuda is None:
        no_torch = Skip("no CUDA build of torch is installed")
        return _before_gpu(case, *beyond) if beyond else no_torch
    from llmdoctor.tables import driver_floor

    driver, floor = machine.nvidia.driver_version, driver_floor(torch.cuda, driver_os(machine))
    if driver is None and too_old(machine):  # torch's own words, which give no driver version
        return _said_too_old(case, torch, floor.version if floor else None)
    if gpu_access(case) != "unknown" and (why := why_no_gpu(case)):
        return Skip(f"no GPU can be used: {why}")
    if driver is None:
        return Skip("the driver's version is not known")
    if floor is None:
        if machine.host.system == "unknown":
            return Skip("the report does not say which system this is")
        return Skip(f"the driver that CUDA {torch.cuda} needs here is not in the table")
    if driver_floor_unmet(case) is None:
        return _before_gpu(case, *beyond) if beyond else None
    # A look at the libraries, the variable alone, or a report in which torch has found the GPU.
    compat = (
        foreign_libcuda(machine) is not None
        or "compat" in machine.variables.get("LD_LIBRARY_PATH", "")
        or _has_found_it(machine)
    )
    needed = max(floor.version, beyond[1].version if beyond else "0", key=parts)
    remedy = get_driver(case, needed)
    return finding(
        driver_too_old_for_torch,
        f"torch {torch.version} is built with CUDA {torch.cuda}, which needs driver "
        f"{floor.version} or newer; {driver} is installed."
        + (" Only the cuda-compat libraries can make up for it." if compat else ""),
        cause="driver-old-needs-compat" if compat else None,
        severity="warning" if compat else None,
        evidence=(*driver_readings(machine), f"torch {torch.version} (CUDA {torch.cuda})"),
        remedy=remedy
        if beyond
        else Remedy(
            f"{remedy.summary} Or install a torch that this driver runs, if one fits.",
            "ask",
            (install_command(case),),
        ),
        url=floor.source if floor.source.startswith("https://") else None,
    )


def _has_found_it(machine: Machine) -> bool:
    """Whether a report says that torch has found a GPU."""
    return any(item.source == "torch.cuda.is_available" for item in machine.nvidia.cuda)


def _before_gpu(case: Case, gpu: Gpu, floor: DriverFloor) -> Finding:
    return finding(
        driver_too_old_for_torch,
        f"{gpu.name} (compute capability {capability(gpu)}) needs driver {floor.version} or newer, "
        f"whatever torch is installed; {case.machine.nvidia.driver_version} is installed.",
        title="The NVIDIA driver is too old for a GPU",
        severity="warning" if _has_found_it(case.machine) else None,
        evidence=driver_readings(case.machine),
        remedy=get_driver(case, floor.version),
    )


def _said_too_old(case: Case, torch: Torch, floor: str | None) -> Finding:
    return finding(
        driver_too_old_for_torch,
        f"torch {torch.version} says that the driver is too old for its CUDA {torch.cuda}"
        + (f", which needs driver {floor} or newer." if floor else "."),
        evidence=errors_said(case.machine),
        remedy=get_driver(case, floor),
    )


@check("DRV009", cause="driver-too-old", readers=("nvidia",))
def driver_too_old_for_profile(case: Case) -> Answer:
    """The NVIDIA driver is too old for the wanted profile.

    What: Compares the driver with what the chosen torch build and the GPUs need, or, where none
    could be chosen, with the least that any build of the profile's torch needs with them.

    Why: The profile would install and then not find the GPU.

    Remedy: Update the driver, or take a profile with an older CUDA (`llmdoctor profiles`).

    Known problems: The same as of the check for the installed torch.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    if why := why_no_gpu(case):
        return Skip(f"no GPU can be used: {why}")
    anchor, driver = pin(case), case.machine.nvidia.driver_version
    chosen = case.choice.variant if case.choice else None
    if chosen and chosen.startswith("cu"):
        variants: tuple[str, ...] = (chosen,)
    else:
        variants = tuple(v for v in anchor.variants if v.startswith("cu")) if anchor else ()
    if not variants:
        return Skip("no profile with a CUDA build was asked for")
    if driver is None:
        return Skip("the driver's version is not known")
    from llmdoctor.plan import Target
    from llmdoctor.resolve.drivers import against_driver, driver_needed, last_branch
    from llmdoctor.target import of_machine

    target = of_machine(case.machine, case.machine.environment.version or Target().python)
    floors = {variant: driver_needed(variant, target) for variant in variants}
    needs = {variant: floor for variant, floor in floors.items() if floor}
    if len(needs) < len(variants):
        return Skip(f"the driver that {', '.join(variants)} need here is not in the table")
    modest = min(needs, key=lambda variant: parts(needs[variant]))
    reason = against_driver(f"the profile's {modest} build", modest, target)
    if reason is None:
        return None
    lowest, end = needs[modest], last_branch(target)
    beyond = driver_before_gpu(case)
    if beyond and beyond[1].version == lowest:
        return Skip(f"follows from the driver, which is from before {beyond[0].name}")
    gone = end is not None and parts(lowest)[0] > parts(end[0])[0]
    falls_back = chosen == "cpu" and not requires_gpu(case)
    return finding(
        driver_too_old_for_profile,
        sentence(reason.text) + (" It would be installed for the CPU." if falls_back else ""),
        severity="warning" if falls_back else None,
        evidence=(*driver_readings(case.machine), f"builds {', '.join(variants)}"),
        remedy=_without_driver(*end) if end and gone else get_driver(case, lowest),
    )


def _without_driver(branch: str, gpu: str) -> Remedy:
    """Where the driver that is needed has forgotten the GPU."""
    return Remedy(
        f"Take a profile with an older CUDA: the {branch} branch is the last driver for {gpu}.",
        "ask",
        (("llmdoctor", "profiles"),),
    )
