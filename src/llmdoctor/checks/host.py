"""HOST: the system, its C library, memory and disks."""

from __future__ import annotations

from collections.abc import Iterator

from llmdoctor.checks._facts import parts, release_of, size, usable_torch, wanted_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Disk

LOW_DISK = 1_000_000_000  # bytes; below this even small packages fail to unpack

NO_PROFILE = Skip("no profile was asked for, so no size is wanted")


@check("HOST001", cause="no-wheel-for-platform", readers=("host",))
def no_torch_for_platform(case: Case) -> Answer:
    """The wanted torch has no wheel for this platform.

    What: Looks up whether the torch of the wanted profile is published for this operating system
    and processor, and whether the C library is glibc.

    Why: torch is installed from wheels. Where none fits, installers report that no version
    matches, or begin a source build that takes hours.

    Remedy: Use a supported platform: Linux with glibc, Windows x86_64, or macOS on Apple silicon.
    A container image on glibc is enough on a musl distribution such as Alpine.

    Known problems: Vendor builds (Jetson, ROCm, distribution packages) are not in the table.
    """
    version = wanted_torch(case)
    if version is None:
        return Skip("no profile with a torch was asked for")
    release = release_of(version)
    if release is None:
        return Skip(f"torch {version} is not in the table")
    host = case.machine.host
    if "unknown" in (host.system, host.arch):
        return Skip("the operating system or the processor is not known")
    if host.libc and host.libc.name == "musl":
        return finding(
            no_torch_for_platform,
            f"torch {version} is published for glibc only, and this system uses musl.",
            evidence=(f"musl {host.libc.version}",),
            remedy=Remedy("Use a container or distribution on glibc, such as Debian or Ubuntu."),
        )
    if release.publishes("cpu", host.system, host.arch):
        return None
    return finding(
        no_torch_for_platform,
        f"No index has a wheel of torch {version} for {host.system} {host.arch}.",
        evidence=(f"system {host.system}", f"processor {host.arch}"),
        remedy=Remedy(
            "Use Linux, Windows x86_64 or macOS on Apple silicon, and a 64-bit system; "
            "`llmdoctor profiles` shows what fits here.",
            "manual",
            (("llmdoctor", "profiles"),),
        ),
    )


@check("HOST002", cause="glibc-too-old", readers=("host",))
def glibc_too_old(case: Case) -> Answer:
    """The C library is older than the wanted torch needs.

    What: Compares the system's glibc with the manylinux tag of the wanted torch's wheels, and with
    those of the newest torch in the table.

    Why: A wheel for a newer glibc is not offered to an older system at all; forced in, it fails
    on import with "version GLIBC_2.xx not found".

    Remedy: A newer distribution or a container image. glibc cannot be replaced safely in place.

    Known problems: Prebuilt extension wheels (flash-attn) may need a still newer glibc than torch.
    """
    version, libc = wanted_torch(case), case.machine.host.libc
    if libc is None or libc.name != "glibc":
        return Skip("this system has no glibc")
    if version is not None:
        found = _against_glibc(case, version, libc.version, wish=True)
        if found is not None:
            return found
    elif usable_torch(case) is None:
        return Skip("no profile with a torch was asked for, and none is installed")
    from llmdoctor.tables import torch_releases

    return _against_glibc(case, torch_releases()[-1].version, libc.version, wish=False)


def _against_glibc(case: Case, version: str, here: str, *, wish: bool) -> Finding | Skip | None:
    """Whether a torch's wheels ask for a newer glibc; without a wish only worth a note."""
    release = release_of(version)
    if release is None:
        return Skip(f"torch {version} is not in the table")
    variant = case.choice.variant if wish and case.choice else None
    needed = release.glibc(case.machine.host.arch, variant)
    if needed is None:
        return Skip(f"the glibc that torch {version} needs here is not in the table")
    if parts(here) >= parts(needed):
        return None
    return finding(
        glibc_too_old,
        f"torch {version} needs glibc {needed}, and this system has {here}: "
        "installers will find no matching wheel.",
        title=None if wish else "The C library is older than newer torch releases need",
        severity=None if wish else "note",
        evidence=(f"glibc {here}", f"torch {version} needs glibc {needed}"),
        remedy=Remedy(
            "Use a newer distribution, or a container image with a newer one. "
            "`llmdoctor profiles` shows what fits here.",
            "manual",
            (("llmdoctor", "profiles"),),
        ),
    )


@check("HOST003", cause=None, readers=("memory",))
def memory_too_small(case: Case) -> Answer:
    """There is too little memory for the wanted profile.

    What: Compares main memory, and the control group's limit where one is set, with what the
    profile's smoke test was measured to need.

    Why: A process that needs more is killed without a message of its own: a container or a
    batch job just ends with exit status 137.

    Remedy: Give the machine or the container more memory, or load smaller models in bf16.

    Known problems: Memory that other programs hold is not counted.
    """
    needed = max((profile.memory for profile in case.profiles), default=0)
    if not needed:
        return NO_PROFILE if not case.profiles else Skip("the profile states no need of memory")
    memory = case.machine.memory
    if memory.total is None:
        return Skip("the size of the memory is not known")
    have = min(memory.total, memory.limit or memory.total)
    if have >= needed:
        return None
    limited = have < memory.total
    what = "the control group's limit" if limited else "the machine"
    swaps = not limited and have + (memory.swap or 0) >= needed
    return finding(
        memory_too_small,
        f"The profile needs {size(needed)} of memory and {what} gives {size(have)}"
        + (": it will swap and be slow." if swaps else ": processes will be killed."),
        severity="warning" if swaps else "error",
        evidence=(f"memory {size(memory.total)}",)
        + ((f"control group limit {size(have)}",) if limited else ()),
        remedy=Remedy(
            "Raise the limit of the container or job (docker run --memory)."
            if limited
            else "Use a machine with more memory, or add swap."
        ),
    )


@check("HOST004", cause=None, severity="note", readers=("memory",))
def memory_limited(case: Case) -> Answer:
    """A control group limits the memory below what the machine has.

    What: Tells a memory limit of a container, a batch job or a systemd unit.

    Why: Programs see the machine's whole memory, plan with it, and are killed at the limit.

    Remedy: None is needed while the limit is meant. Otherwise start the container with more.

    Known problems: A limit set further up than the visible control group is not seen.
    """
    memory = case.machine.memory
    if memory.total is None or memory.limit is None or memory.limit >= memory.total:
        return None
    return finding(
        memory_limited,
        f"The machine has {size(memory.total)}, but a process is killed above "
        f"{size(memory.limit)}.",
        evidence=(f"memory {size(memory.total)}", f"control group limit {size(memory.limit)}"),
    )


@check("HOST005", cause="disk-full-tmp", readers=("disks",))
def disk_too_small(case: Case) -> Answer:
    """There is too little disk space for the wanted profile.

    What: Compares the room where the environment will be with the profile's measured size.

    Why: An install that runs out of space leaves the environment half changed.

    Remedy: Free space, or put the environment on another disk with `--env`.

    Known problems: Hard links to a package cache on the same disk need less than is asked for.
    """
    needed, torch, choice = wanted_disk(case), usable_torch(case), case.choice
    disk = case.machine.disk("environment")
    if not needed:
        return NO_PROFILE
    if disk is None:
        return Skip("the room for the environment is not known")
    if choice and torch and torch.version:
        there = (torch.version.partition("+")[0], torch.variant)
        if there == (choice.torch, choice.variant):
            return Skip(f"torch {choice.torch} ({choice.variant}) is already in the environment")
    if disk.free >= needed:
        return None
    return finding(
        disk_too_small,
        f"The profile takes {size(needed)} and {size(disk.free)} are free: "
        "the install would stop half-way.",
        evidence=(f"free {size(disk.free)} of {size(disk.total)}",),
        where=disk.path,
        remedy=Remedy(
            f"Free {size(needed - disk.free)} there, or choose another disk with --env.",
            "ask",
            (("uv", "cache", "prune"),),
        ),
    )


@check("HOST006", cause="disk-full-tmp", severity="warning", readers=("disks",))
def disk_low(case: Case) -> Iterator[Finding]:
    """There is little room for downloads, unpacking or the home folder.

    What: Looks at the temporary folder, the package cache and the home folder: they need room
    for the profile's packages too, and some room at any time.

    Why: pip unpacks in the temporary folder, which is often a small disk in memory, and stops
    with "No space left on device" although the environment's disk is empty.

    Remedy: Point TMPDIR (TEMP on Windows) and the cache to a larger disk, or clean the cache.

    Known problems: Wheels that are in the cache already are not counted as present.
    """
    needed = wanted_disk(case)
    for disk in case.machine.disks:
        wanted = needed if disk.role in ("temp", "cache") and needed else LOW_DISK
        if disk.role != "environment" and disk.writable and disk.free < wanted:
            yield finding(
                disk_low,
                f"{size(disk.free)} are free for the {_ROLES.get(disk.role, disk.role)}; "
                f"{size(wanted)} may be needed.",
                title=f"There is little room for the {_ROLES.get(disk.role, disk.role)}",
                evidence=(f"free {size(disk.free)} of {size(disk.total)}",),
                where=disk.path,
                remedy=_make_room(case, disk),
            )


@check("HOST007", cause=None, severity="error", readers=("disks",))
def not_writable(case: Case) -> Iterator[Finding]:
    """A folder that has to be written to is read-only.

    What: Looks whether the environment's place, the temporary folder, the cache and the home
    folder can be written to.

    Why: Without the environment's folder nothing can be installed. Without a cache everything
    is downloaded and compiled again each time.

    Remedy: Choose another folder with `--env`, or have its owner give you write permission.

    Known problems: Quotas and network file systems can refuse a write in spite of permission.
    """
    for disk in case.machine.disks:
        if not disk.writable:
            role = _ROLES.get(disk.role, disk.role)
            yield finding(
                not_writable,
                f"The {role} is there, but this user may not write in it.",
                title=f"The {role} is not writable",
                severity="error" if disk.role in ("environment", "temp") else "warning",
                where=disk.path,
                remedy=Remedy("Set HF_HOME to a folder of your own, or get write permission there.")
                if disk.role == "models"
                else Remedy("Get write permission there, or choose another folder with --env."),
            )


_ROLES = {
    "environment": "environment's folder",
    "home": "home folder",
    "temp": "temporary folder",
    "cache": "package cache",
    "models": "cache of models",
}


def wanted_disk(case: Case) -> int:
    """Bytes that the wanted profiles take in the environment; 0 when none was asked for."""
    if case.choice and case.choice.disk:
        return case.choice.disk
    return sum(profile.disk for profile in case.profiles)


def _make_room(case: Case, disk: Disk) -> Remedy:
    if disk.role == "cache":
        return Remedy("Remove what the cache no longer needs.", "ask", (("uv", "cache", "prune"),))
    if disk.role == "models":
        return Remedy(
            "Set HF_HOME to a folder on a larger disk, or remove models that are no longer used.",
            "ask",
            (("hf", "cache", "ls"),),
        )
    if disk.role == "temp":
        variable = "TEMP" if case.machine.host.system == "windows" else "TMPDIR"
        return Remedy(f"Set {variable} to a folder on a larger disk, or free space there.")
    return Remedy("Free space there.")
