"""What would work instead of a combination that does not: resolved, not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmdoctor import tables
from llmdoctor.plan import Alternative, Target
from llmdoctor.profile import Profile
from llmdoctor.resolve.builds import against_hardware, anchor_of, driver_needed
from llmdoctor.resolve.stacks import Attempt, attempts, cpu_only, stacks_for


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
    found: dict[tuple[str, ...], Alternative] = {}
    names = tuple(profile.name for profile in wanted)
    if driver := _driver_that_helps(tried, wanted, known, target, variant, allow):
        text = f"with a newer NVIDIA driver: these builds need {driver} or newer"
        found[names] = Alternative(names, text)
    seen = {names} if variant == "auto" else set()
    for profiles, text in _near(wanted, known, target, variant):
        asked = tuple(profile.name for profile in profiles)
        if not asked or asked in seen:
            continue
        seen.add(asked)
        near = attempts(profiles, known, target, "auto", allow)[-1]
        if near.fits and near.names not in found:
            label = f"{text} (torch {near.pin.version}+{near.candidates[-1].variant})"
            found[near.names] = Alternative(near.names, label)
    return tuple(found.values())


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
    if wrong.isdisjoint({"driver-too-old", "driver-missing"}):
        return None
    newer = replace(target, driver=None, driver_missing=False)  # a driver that is not known: any
    updated = attempts(wanted, known, newer, variant, allow)[-1]
    chosen = updated.candidates[-1].variant
    return driver_needed(chosen, target) if updated.fits and chosen != "cpu" else None
