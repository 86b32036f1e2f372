"""Judging: every check, in order, over one look at a machine.

The order is the argument: hardware before driver, driver before torch. So the first error of a
report is the root cause, and what follows from it comes later or says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmdoctor.checks import (
    around,
    attention,
    bitsandbytes,
    compat,
    compilers,
    cuda,
    deep,
    deep_gpu,
    deep_imports,
    driver,
    driver_state,
    driver_version,
    extensions,
    gpu,
    gpu_sharing,
    host,
    intruders,
    kernels,
    locked,
    messages,
    misfits,
    network,
    packages,
    poetry,
    poetry_use,
    profile,
    project,
    python,
    records,
    shadowing,
    surroundings,
    torch,
    transformers,
)
from llmdoctor.checks._capabilities import capabilities
from llmdoctor.checks._framework import Answer, Case, Check, Skip, check, finding
from llmdoctor.checks._requirements import Unmet, unmet
from llmdoctor.checks._versions import allows
from llmdoctor.errors import UsageError, nearest
from llmdoctor.finding import Finding, Verdict

__all__ = [
    "CHECKS",
    "Answer",
    "Case",
    "Check",
    "Skip",
    "Unmet",
    "allows",
    "build_gates",
    "capabilities",
    "check",
    "finding",
    "gates",
    "run_checks",
    "unmet",
]

CHECKS: tuple[Check, ...] = (
    host.no_torch_for_platform,
    host.glibc_too_old,
    host.memory_too_small,
    host.memory_limited,
    host.disk_too_small,
    host.disk_low,
    host.not_writable,
    surroundings.shm_too_small,
    surroundings.certificates_lost,
    surroundings.hub_offline,
    surroundings.libstdcxx_too_old,
    surroundings.paths_too_short,
    surroundings.runtime_missing,
    network.proxy_fails,
    network.place_unreachable,
    network.certificate_refused,
    network.login_refused,
    network.answers_with_error,
    driver.wsl1,
    driver.container_without_gpu,
    driver.driver_missing,
    driver.driver_mismatch,
    driver.driver_not_loaded,
    driver_state.device_files_denied,
    driver_state.fabric_not_ready,
    compat.compat_in_the_way,
    driver_state.uvm_missing,
    driver_state.gpu_lost,
    driver.driver_failing,
    driver.driver_sources_disagree,
    driver.wsl_library_off_path,
    driver_version.driver_too_old_for_torch,
    driver_version.driver_too_old_for_profile,
    driver_state.cuda_refused,
    gpu.no_gpu,
    gpu_sharing.mig_without_instances,
    gpu.gpus_hidden,
    gpu_sharing.gpu_misnamed,
    gpu_sharing.mig_instances,
    gpu.gpu_too_new,
    gpu.gpu_dropped,
    gpu.gpu_lacks_feature,
    cuda.nvcc_missing,
    cuda.toolkit_of_another_cuda,
    cuda.toolkit_without_gpu,
    cuda.gcc_too_new,
    compilers.c_compiler_missing,
    compilers.headers_missing,
    cuda.build_needs_memory,
    compilers.msvc_missing,
    shadowing.libraries_shadowed,
    shadowing.libcuda_not_linkable,
    python.base_python_gone,
    python.install_cut_off,
    python.environment_damaged,
    python.externally_managed,
    python.python_outside_profile,
    python.python_outside_torch,
    python.python_too_old,
    intruders.python_home_set,
    intruders.python_path_shadows,
    intruders.user_site_leaks,
    intruders.scripts_of_another_python,
    around.pip_gone,
    around.base_packages_seen,
    around.another_activated,
    torch.torch_missing,
    torch.torch_broken,
    torch.torch_without_cuda,
    torch.gpu_packages_on_cpu_torch,
    torch.cpu_build_gpu_unsaid,
    torch.torch_unknown,
    torch.torch_not_wanted,
    torch.allocator_settings,
    records.half_removed_packages,
    records.packages_recorded_twice,
    records.damaged_packages,
    misfits.foreign_wheels,
    misfits.wrong_namesake,
    packages.wanted_packages_missing,
    packages.unmet_requirements,
    misfits.cuda_runtimes,
    misfits.numpy_2_abi,
    extensions.built_for_another_torch,
    extensions.companions_of_another_torch,
    extensions.xformers_of_another_torch,
    extensions.loose_companions,
    extensions.cudnn_of_another_major,
    bitsandbytes.no_library_for_cuda,
    bitsandbytes.cuda_version_override,
    bitsandbytes.outdated_bitsandbytes,
    kernels.half_of_mamba,
    kernels.no_triton_on_windows,
    kernels.no_kernels_for_gpu,
    kernels.ptxas_too_old,
    attention.gpu_below_flash_attention,
    attention.gpu_below_what_models_ask,
    transformers.torch_too_old_for_transformers,
    transformers.torch_load_refused,
    transformers.peft_imports_missing,
    transformers.outside_transformers_range,
    deep.python_does_not_run,
    deep.file_hides_package,
    deep.imported_from_elsewhere,
    deep.library_from_outside,
    deep_imports.import_fails,
    deep_imports.import_crashes,
    deep_imports.import_hangs,
    deep_imports.import_warns,
    deep_gpu.cuda_does_not_start,
    deep_gpu.torch_lacks_code,
    deep_gpu.kernel_fails,
    deep_gpu.two_cuda_runtimes,
    poetry.poetry_absent,
    poetry.poetry_too_old,
    poetry.poetry_inside,
    poetry_use.removed_commands,
    poetry_use.group_not_found,
    poetry_use.keyring_may_block,
    poetry.lock_unreadable,
    poetry.lock_stale,
    locked.unknown_format,
    locked.foreign_address,
    locked.foreign_wheels_only,
    locked.no_file_for_python,
    locked.strays,
    project.manifest_unreadable,
    project.python_outside_project,
    project.torch_source_for_everything,
    project.torch_build_for_some_platforms,
    profile.profile_does_not_fit,
    messages.message_names_cause,
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
    case: Case,
    *,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    others: Sequence[Check] = (),
    strict: bool = True,
) -> tuple[Verdict, ...]:
    """Judge one case: a verdict for each chosen check, in order; see `chosen`."""
    judging = chosen(select, ignore, others, strict=strict)
    return messages.once(check.run(case) for check in judging)


def chosen(
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    others: Sequence[Check] = (),
    *,
    strict: bool = True,
) -> tuple[Check, ...]:
    """The checks whose codes begin with one of `select`, or all, less those of `ignore`.

    `others` are checks of other packages. Each was asked for by name, so `select` leaves one out
    only where it chooses another of them. Not `strict`, a prefix may be that of nobody: of a check
    that could not be loaded.

    Raises:
        UsageError: no code begins with one of the prefixes; gives the nearest.
    """
    wanted, unwanted = _upper(select), _upper(ignore)
    if strict:
        see_known((*wanted, *unwanted), others)
    theirs = wanted if any(_begins(check, wanted) for check in others) else ()
    return tuple(
        check
        for pool, prefixes in ((CHECKS, wanted), (others, theirs))
        for check in pool
        if (not prefixes or _begins(check, prefixes)) and not _begins(check, unwanted)
    )


def see_known(prefixes: Iterable[str], others: Sequence[Check] = ()) -> None:
    """See that some check's code begins with each of the prefixes ("DRV", "GPU003").

    Raises:
        UsageError: none does with one of them; gives the nearest.
    """
    for prefix in _upper(prefixes):
        every = (*CHECKS, *others)
        if prefix and any(_begins(check, (prefix,)) for check in every):
            continue
        families = {check.code.rstrip("0123456789") for check in every}
        near = nearest(prefix, [*sorted(families), *(check.code for check in every)])
        raise UsageError(
            f"no check's code begins with {prefix!r}{near} "
            f"(families: {', '.join(sorted(families))})",
            next_command="llmdoctor check --list",
        )


def _upper(prefixes: Iterable[str]) -> tuple[str, ...]:
    return tuple(prefix.upper() for prefix in prefixes)


def _begins(check: Check, prefixes: tuple[str, ...]) -> bool:
    return check.code.upper().startswith(prefixes)


def gates(case: Case) -> tuple[Finding, ...]:
    """What forbids an install even where the wanted profile fits the machine."""
    for_cpu = case.choice is not None and case.choice.variant == "cpu"
    checks = _GATES if for_cpu else (*_GATES, *_GPU_GATES)
    found = (finding for check in checks for finding in check.run(case).findings)
    return tuple(finding for finding in found if finding.severity == "error")


def build_gates(case: Case) -> tuple[Finding, ...]:
    """What a compilation in the environment would stop at, however it is rated otherwise."""
    checks = (
        cuda.nvcc_missing,
        cuda.toolkit_of_another_cuda,
        cuda.toolkit_without_gpu,
        cuda.gcc_too_new,
        compilers.headers_missing,
        compilers.msvc_missing,
    )
    return tuple(finding for check in checks for finding in check.run(case).findings)


def lock_gates(case: Case) -> tuple[Finding, ...]:
    """What forbids an install from the project's own lock."""
    checks = (poetry.lock_unreadable, poetry.lock_stale, poetry.poetry_too_old)
    found = (finding for check in checks for finding in check.run(case).findings)
    return tuple(finding for finding in found if finding.severity == "error")
