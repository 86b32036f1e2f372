"""DRV: cuda-compat, whose libcuda takes the place of the driver's own."""

from __future__ import annotations

from llmdoctor.checks._access import access_or_skip, trouble
from llmdoctor.checks._facts import driver_readings, errors_said
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.finding import Remedy
from llmdoctor.machine import Library, Machine

COMPAT_GUIDE = "https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html"


@check("DRV013", cause="cuda-compat-804", also=("driver-userlib-mismatch-803",))
def compat_in_the_way(case: Case) -> Answer:
    """A libcuda of cuda-compat hides the driver's own.

    What: Looks for a libcuda in the folders of LD_LIBRARY_PATH and of the loader's configuration,
    and compares its version with the driver's; recognises error 804.

    Why: cuda-compat brings a newer libcuda for an older driver. It works on data-centre GPUs
    alone: on a GeForce CUDA fails with error 804, "forward compatibility was attempted on non
    supported HW". One that is older than the driver fails with error 803.

    Remedy: Take the folder out of LD_LIBRARY_PATH (or the package cuda-compat out of the image),
    and update the driver if a newer CUDA is wanted.

    Known problems: Which RTX workstation cards are supported depends on the model.
    """
    access = access_or_skip(case)
    if isinstance(access, Skip):
        return access
    machine = case.machine
    driver, other = machine.nvidia.driver_version, foreign_libcuda(machine)
    said = trouble(machine) == "compat"
    if other is None and not said:
        if machine.note("libraries") or machine.note("library"):
            return Skip("which libraries LD_LIBRARY_PATH leads to was not looked at")
        return None
    from llmdoctor.tables.drivers import compare_driver
    from llmdoctor.tables.toolkits import compat_on

    older = bool(other and driver and compare_driver(str(other.version), driver) < 0)
    kinds = {compat_on(gpu.name) for gpu in machine.nvidia.gpus}
    if not said and not older and kinds <= {"supported"}:
        return None
    sure = said or older or "refused" in kinds
    if older and other:
        detail = (
            f"libcuda {other.version} is found before the driver's own, {driver}, and is older: "
            "CUDA fails with error 803."
        )
    else:
        seen = f"libcuda {other.version}" if other else "A libcuda of cuda-compat"
        detail = (
            f"{seen} is found before the driver's own{f', {driver}' if driver else ''}. "
            "That works on data-centre GPUs alone; elsewhere CUDA fails with error 804."
        )
    return finding(
        compat_in_the_way,
        detail,
        cause="driver-userlib-mismatch-803" if older and not said else None,
        severity="error" if sure else "warning",
        evidence=(
            *((f"{other.path} ({other.version})",) if other else ()),
            *driver_readings(machine),
            *(f"GPU {gpu.index} {gpu.name}" for gpu in machine.nvidia.gpus),
            *errors_said(machine),
        ),
        where=other.path if other else None,
        remedy=_without_compat(other),
        url=COMPAT_GUIDE,
    )


def foreign_libcuda(machine: Machine) -> Library | None:
    """The libcuda that the loader finds before the driver's own, where it is of another version."""
    driver = machine.nvidia.driver_version
    found = next(
        (
            item
            for item in machine.libraries
            if item.name == "libcuda" and item.found in ("LD_LIBRARY_PATH", "compat")
        ),
        None,
    )
    whole = found is not None and "." in (found.version or "")
    return found if whole and found and driver and found.version != driver else None


def _without_compat(library: Library | None) -> Remedy:
    if library is None or library.found == "LD_LIBRARY_PATH":
        return Remedy(
            "Take the folder with this libcuda out of LD_LIBRARY_PATH where that is set; in an "
            "image, remove the package cuda-compat. A newer CUDA then needs a newer driver."
        )
    return Remedy(
        "Remove the package cuda-compat from the image, or its file in /etc/ld.so.conf.d, and run "
        "ldconfig. A newer CUDA then needs a newer driver."
    )
