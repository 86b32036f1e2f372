"""What would work instead of a combination that does not: resolved, not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmdoctor import tables
from llmdoctor.plan import Alternative, Target
from llmdoctor.profile import Profile
from llmdoctor.resolve.builds import driver_floor_of
from llmdoctor.resolve.stacks import choose, cpu_only, stacks_for


def alternatives(
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: Sequence[str],
) -> tuple[Alternative, ...]:
    """Combinations near the wanted one that are feasible here; see `resolve`."""
    stacks = [profile for profile in wanted if profile.kind == "stack"]
    addons = [profile for profile in wanted if profile.kind == "addon"]
    tries: list[tuple[Sequence[Profile], str]] = []
    if variant != "auto":
        tries.append((wanted, "with the build that fits this machine"))
    for addon in addons:
        rest = [profile for profile in wanted if profile is not addon]
        instead = tables.feature(addon.feature).instead if addon.feature else ""
        tries.append((rest, f"without {addon.name}" + (f": {instead}" if instead else "")))
    if len(addons) > 1:
        tries.append((stacks, "the stack alone, attention through SDPA"))
    others = [stack for stack in stacks_for(addons, known) if stack not in stacks]
    tries += [((other, *addons), f"the {other.name} stack") for other in others]
    tries += [((other,), f"the {other.name} stack alone") for other in others if addons]
    if cpu := next((profile for profile in known if cpu_only(profile)), None):
        tries.append(([cpu], "on the processor, without the GPU"))
    found: dict[tuple[str, ...], Alternative] = {}
    names = tuple(profile.name for profile in wanted)
    if driver := _driver_that_helps(wanted, known, target, variant, allow):
        text = f"with a newer NVIDIA driver: these builds need {driver} or newer"
        found[names] = Alternative(names, text)
    for profiles, text in tries:
        if not profiles or (list(profiles) == list(wanted) and variant == "auto"):
            continue
        choice = choose(profiles, known, target, "auto", tuple(allow))
        if choice.feasible and choice.profiles not in found:
            label = f"{text} (torch {choice.torch}+{choice.variant})"
            found[choice.profiles] = Alternative(choice.profiles, label)
    return tuple(found.values())


def _driver_that_helps(
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: Sequence[str],
) -> str | None:
    """The oldest driver with which the same wish is feasible, where the driver is what is wrong."""
    if not target.gpus or (target.driver is None and not target.driver_missing):
        return None
    newer = replace(target, driver=None, driver_missing=False)  # a driver that is not known: any
    choice = choose(wanted, known, newer, variant, tuple(allow))
    if not choice.feasible or choice.variant is None or choice.variant == "cpu":
        return None
    floor = driver_floor_of(choice.variant, target)
    return floor.version if floor else None
