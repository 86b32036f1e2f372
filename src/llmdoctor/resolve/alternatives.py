"""What would work instead of a combination that does not: resolved, not guessed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from llmdoctor import tables
from llmdoctor.plan import Alternative, Target
from llmdoctor.profile import Profile
from llmdoctor.resolve.builds import against_hardware, anchor_of, serves
from llmdoctor.resolve.drivers import driver_needed, is_jetson, last_branch
from llmdoctor.resolve.stacks import Attempt, attempts, cpu_only, stacks_for
from llmdoctor.tables.read import numbers

# Beginnings of codes that may speak of one GPU and not of another.
_ABOUT_GPUS = ("gpu-", "compute-", "no-")
_IMAGE = "python:3.12-slim"  # Debian's, whose glibc is newer than any wheel asks for


def alternatives(
    tried: Sequence[Attempt],
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> tuple[Alternative, ...]:
    """Combinations near the wanted one that are feasible here; see `resolve`.

    `tried`: the attempts at the wanted one, none of which near.
    """
    first: list[Alternative] = []
    names = tuple(profile.name for profile in wanted)
    wrong = {build.against.code for build in tried[0].candidates if build.against}
    near_by = (tried, wanted, known, target, variant, allow)
    if "python" in wrong and (pythons := _pythons_that_help(*near_by)):
        first.append(Alternative(names, _take_python(pythons, target)))
    if "libc" in wrong and not target.musl and (glibc := _glibc_that_helps(*near_by)):
        text = f"on a system with glibc {glibc} or newer, or in a container image that has it"
        first.append(Alternative(names, f"{text}, such as {_IMAGE}"))
    if driver := _driver_that_helps(tried, wanted, known, target, variant, allow):
        text = f"with a newer NVIDIA driver: these builds need {driver} or newer"
        if end := last_branch(target):
            text += f", and the {end[0]} branch is the last for {end[1]}"
        first.append(Alternative(names, text))
    first += _with_fewer_gpus(tried, wanted, known, target, variant, allow)
    found: dict[tuple[str, ...], Alternative] = {}
    seen = {names} if variant == "auto" else set()
    for profiles, text in _near(wanted, known, target, variant):
        wish = tuple(profile.name for profile in profiles)
        if not wish or wish in seen:
            continue
        seen.add(wish)
        near = attempts(profiles, known, target, "auto", allow)[-1]
        # Without memory on record nothing says that it takes less than what has too little.
        if "memory" in wrong and not near.profiles[0].memory:
            continue
        if near.fits and near.names not in found:
            build = near.candidates[-1]
            asked = build.wishes.requirements if build.wishes else ()
            compiles = any(item.compiled for item in asked)
            label = f"{text} (torch {near.pin.version}+{build.variant})"
            found[near.names] = Alternative(near.names, label, fits_here=True, compiles=compiles)
    return (*first, *found.values())


def _near(
    wanted: Sequence[Profile], known: Sequence[Profile], target: Target, variant: str
) -> list[tuple[Sequence[Profile], str]]:
    """The combinations to look at, nearest first, and what each of them is."""
    stacks = [profile for profile in wanted if profile.kind == "stack"]
    addons = [profile for profile in wanted if profile.kind == "addon"]
    near: list[tuple[Sequence[Profile], str]] = []
    if variant != "auto":
        near.append((wanted, "with the build that fits this machine"))
    for addon in addons:
        rest = [profile for profile in wanted if profile is not addon]
        instead = tables.feature(addon.feature).instead if addon.feature else ""
        near.append((rest, f"without {addon.name}" + (f": {instead}" if instead else "")))
    if len(addons) > 1:
        near.append((stacks, "the stack alone, attention through SDPA"))
    others = [
        stack
        for stack in stacks_for(addons, known)
        if stack not in stacks and against_hardware(anchor_of(stack), target) is None
    ]
    # Add-ons alone have been tried on every stack; that for the CPU has to be asked for.
    again = [other for other in others if stacks or variant != "auto" or cpu_only(other)]
    near += [((other, *addons), f"the {other.name} stack") for other in again]
    near += [((other,), f"the {other.name} stack alone") for other in others if addons]
    if cpu := next((profile for profile in known if cpu_only(profile)), None):
        near.append(([cpu], "on the processor, without the GPU"))
    return near


def _pythons_that_help(
    tried: Sequence[Attempt],
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> tuple[str, ...]:
    """The Pythons with which the same wish is feasible, oldest first."""
    release = tables.torch_release(tried[0].pin.version)
    usual = [name for name in release.python_on(target.os, target.arch) if not name.endswith("t")]
    return tuple(
        python
        for python in sorted(usual, key=numbers)
        if attempts(wanted, known, replace(target, python=python), variant, allow)[-1].fits
    )


def _take_python(pythons: tuple[str, ...], target: Target) -> str:
    """The usual Python where it is one of them, else the newest, and what to add to the command."""
    usual = Target().python
    python = usual if usual in pythons else pythons[-1]
    option = "--assume python=" if target.assumed else "--python "
    others = f" (those that work: {', '.join(pythons)})" if len(pythons) > 1 else ""
    return f"take Python {python}: {option}{python}{others}"


def _glibc_that_helps(
    tried: Sequence[Attempt],
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> str | None:
    """The oldest glibc that a build of the wished torch needs, where the wish fits with it."""
    release = tables.torch_release(tried[0].pin.version)
    needs = {
        needed
        for build in tried[0].candidates
        if build.against
        and build.against.code == "libc"
        and (needed := release.glibc(target.arch, build.variant))
    }
    for glibc in sorted(needs, key=numbers):
        newer = replace(target, glibc=glibc)
        if attempts(wanted, known, newer, variant, allow)[-1].fits:
            return glibc
    return None


def _driver_that_helps(
    tried: Sequence[Attempt],
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> str | None:
    """The oldest driver with which the same wish is feasible, where the driver is what is wrong."""
    against = [build.against for attempt in tried for build in attempt.candidates]
    wrong = {reason.code for reason in against if reason}
    if wrong.isdisjoint({"driver-too-old", "driver-missing"}) or is_jetson(target):
        return None
    newer = replace(target, driver=None, driver_missing=False)  # a driver that is not known: any
    updated = attempts(wanted, known, newer, variant, allow)[-1]
    chosen = updated.candidates[-1].variant
    if not updated.fits or chosen == "cpu":
        return None
    needed, end = driver_needed(chosen, target), last_branch(target)
    # A driver that has forgotten one of the GPUs is no way out.
    gone = needed and end and numbers(needed)[0] > numbers(end[0])[0]
    return None if gone else needed


def _with_fewer_gpus(
    tried: Sequence[Attempt],
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> Iterator[Alternative]:
    """The same wish on some of the GPUs, where they are different and not all of them can be had.

    The others are hidden from CUDA, which by itself numbers GPUs by speed and not as the driver's
    tools do: so the order is set as well.
    """
    taken: list[frozenset[str]] = []
    for capabilities in _groups(tried[0], wanted, target):
        if any(capabilities <= group for group in taken):
            continue
        kept = tuple(gpu for gpu in target.gpus if gpu.compute_capability in capabilities)
        if kept == target.gpus:
            continue
        near = attempts(wanted, known, replace(target, gpus=kept), variant, allow)[-1]
        build = near.candidates[-1].variant
        if not near.fits or build == "cpu":
            continue
        taken.append(capabilities)
        visible = ",".join(str(gpu.index) for gpu in kept)
        yield Alternative(
            near.names,
            f"with CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES={visible}: "
            f"{' and '.join(gpu.name for gpu in kept)} alone, torch {near.pin.version}+{build}",
        )


def _groups(
    attempt: Attempt, wanted: Sequence[Profile], target: Target
) -> tuple[frozenset[str], ...]:
    """Capabilities of GPUs that may do without the rest: those of each build, then one by one."""
    there = frozenset(gpu.compute_capability for gpu in target.gpus)
    wrong = {build.against.code for build in attempt.candidates if build.against}
    if len(there) < 2 or not any(code.startswith(_ABOUT_GPUS) for code in wrong):
        return ()
    return _groups_of(
        attempt.pin.version,
        tuple(build.variant for build in attempt.candidates),
        target.os,
        target.arch,
        frozenset(filter(None, there)),
        tuple(tables.feature_minimum(item.feature) for item in wanted if item.feature),
    )


@lru_cache(maxsize=4096)
def _groups_of(
    torch: str,
    variants: tuple[str, ...],
    os: str,
    arch: str,
    there: frozenset[str],
    minima: tuple[str, ...],
) -> tuple[frozenset[str], ...]:
    release = tables.torch_release(torch)
    able = [c for c in there if all(numbers(c) >= numbers(minimum) for minimum in minima)]
    builds = [
        frozenset(c for c in able if serves(release, variant, os, arch, c)) for variant in variants
    ]
    single = [frozenset([c]) for c in sorted(frozenset().union(*builds), key=numbers, reverse=True)]
    largest_first = sorted(builds, key=len, reverse=True)
    return tuple(dict.fromkeys(group for group in (*largest_first, *single) if group))
