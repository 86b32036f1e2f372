"""Judging: every check, in order, over one look at a machine.

The order is the argument: hardware before driver, driver before torch. So the first error of a
report is the root cause, and what follows from it comes later or says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from llmdoctor.checks import (
    driver,
    driver_version,
    gpu,
    host,
    packages,
    poetry,
    profile,
    project,
    python,
    torch,
)
from llmdoctor.checks._capabilities import capabilities
from llmdoctor.checks._framework import Case, Check
from llmdoctor.errors import UsageError
from llmdoctor.finding import Finding, Verdict

__all__ = ["CHECKS", "Case", "Check", "capabilities", "gates", "run_checks"]

CHECKS: tuple[Check, ...] = (
    host.no_torch_for_platform,
    host.glibc_too_old,
    host.memory_too_small,
    host.memory_limited,
    host.disk_too_small,
    host.disk_low,
    host.not_writable,
    driver.wsl1,
    driver.container_without_gpu,
    driver.driver_missing,
    driver.driver_mismatch,
    driver.driver_not_loaded,
    driver.driver_failing,
    driver.driver_sources_disagree,
    driver.wsl_library_off_path,
    driver_version.driver_too_old_for_torch,
    driver_version.driver_too_old_for_profile,
    gpu.no_gpu,
    gpu.gpus_hidden,
    gpu.gpu_too_new,
    gpu.gpu_dropped,
    gpu.gpu_lacks_feature,
    python.base_python_gone,
    python.install_cut_off,
    python.environment_damaged,
    python.externally_managed,
    python.python_outside_profile,
    python.python_outside_torch,
    python.python_too_old,
    torch.torch_missing,
    torch.torch_broken,
    torch.torch_without_cuda,
    torch.torch_unknown,
    torch.torch_not_wanted,
    packages.damaged_packages,
    packages.unmet_requirements,
    poetry.poetry_absent,
    poetry.poetry_too_old,
    poetry.poetry_inside,
    poetry.lock_unreadable,
    poetry.lock_stale,
    project.manifest_unreadable,
    project.python_outside_project,
    profile.profile_does_not_fit,
)

_GATES = (
    host.disk_too_small,
    host.not_writable,
)
# A build for the CPU needs no GPU, whatever keeps programs from it.
_GPU_GATES = (
    driver.wsl1,
    driver.container_without_gpu,
    driver.driver_missing,
    driver.driver_mismatch,
    driver.driver_not_loaded,
    driver.driver_failing,
)


def run_checks(
    case: Case, *, select: Iterable[str] = (), ignore: Iterable[str] = ()
) -> tuple[Verdict, ...]:
    """Judge one case: a verdict for each check, in order.

    `select` and `ignore` hold code prefixes ("DRV", "GPU003"); without `select` every check runs.

    Raises:
        UsageError: no code begins with one of the prefixes; gives the nearest.
    """
    wanted, unwanted = _prefixes(select) or ("",), _prefixes(ignore)
    return tuple(
        check.run(case)
        for check in CHECKS
        if check.code.startswith(wanted) and not (unwanted and check.code.startswith(unwanted))
    )


def gates(case: Case) -> tuple[Finding, ...]:
    """What forbids an install even where the wanted profile fits the machine."""
    for_cpu = case.choice is not None and case.choice.variant == "cpu"
    checks = _GATES if for_cpu else (*_GATES, *_GPU_GATES)
    found = (finding for check in checks for finding in check.run(case).findings)
    return tuple(finding for finding in found if finding.severity == "error")


def _prefixes(given: Iterable[str]) -> tuple[str, ...]:
    prefixes = tuple(prefix.upper() for prefix in given)
    for prefix in prefixes:
        if not any(check.code.startswith(prefix) for check in CHECKS) or not prefix:
            from difflib import get_close_matches

            families = {check.code.rstrip("0123456789") for check in CHECKS}
            near = get_close_matches(prefix, [*families, *(check.code for check in CHECKS)], n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"no check's code begins with {prefix!r}{meant} "
                f"(families: {', '.join(sorted(families))})",
                next_command="llmdoctor check --list",
            )
    return prefixes
