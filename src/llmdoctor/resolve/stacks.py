"""Which stack, and which of its builds: the first that nothing speaks against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from llmdoctor.errors import UsageError
from llmdoctor.plan import Alternative, Choice, Reason, Rejected, Target
from llmdoctor.profile import Profile, TorchPin
from llmdoctor.resolve.addons import Wishes, against_profile
from llmdoctor.resolve.builds import Anchor, against_build, against_hardware, anchor_of, for_build


class Candidate(NamedTuple):
    """One build of a stack, and what speaks against it or against a profile on it: None if it fits.

    `wishes` is what the profiles asked for until then; None where the build itself does not do.
    """

    variant: str
    against: Reason | None
    wishes: Wishes | None = None


class Attempt(NamedTuple):
    """One stack with the add-ons, and its builds in order: only the last one may fit."""

    profiles: tuple[Profile, ...]
    candidates: tuple[Candidate, ...]

    @property
    def fits(self) -> bool:
        """Whether a build of the stack carries every profile."""
        return self.candidates[-1].against is None

    @property
    def names(self) -> tuple[str, ...]:
        """The profiles' names, the stack's first."""
        return tuple(profile.name for profile in self.profiles)

    @property
    def pin(self) -> TorchPin:
        """The stack's torch."""
        return pin_of(self.profiles[0])


def attempts(
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> list[Attempt]:
    """Every stack that was tried, at least one: only the last may fit. See `resolve`."""
    stacks = [profile for profile in wanted if profile.kind == "stack"]
    addons = [profile for profile in wanted if profile.kind == "addon"]
    if len(stacks) > 1:
        names = " and ".join(profile.name for profile in stacks)
        raise UsageError(
            f"{names} are two stacks; an environment holds one",
            next_command=f"llmdoctor plan --profile {stacks[0].name}",
        )
    candidates = stacks or stacks_for(addons, known)
    if not candidates:
        raise UsageError("no stack carries " + " and ".join(profile.name for profile in addons))
    offering = [stack for stack in candidates if variant in ("auto", *pin_of(stack).variants)]
    if not offering:
        raise _no_such_build(candidates, variant)
    tried = []
    for stack in offering:
        tried.append(_on_stack(stack, addons, target, variant, allow, asked=bool(stacks)))
        if tried[-1].fits:
            break
    return tried


def choice_of(
    tried: Sequence[Attempt], target: Target, alternatives: tuple[Alternative, ...] = ()
) -> Choice:
    """What the attempts come to: the one that fits, or the reasons against the first stack."""
    rejected = tuple(dict.fromkeys(item for attempt in tried for item in _rejected(attempt)))
    best = tried[-1]
    build = best.candidates[-1]
    if build.against is not None or build.wishes is None:
        best = tried[0]
        against = _reasons(best)
        return Choice(
            best.names,
            target,
            feasible=False,
            reasons=(*against, *_on_gpus(target)),
            rejected=rejected,
            alternatives=alternatives,
        )
    reasons = for_build(anchor_of(best.profiles[0]), build.variant, target)
    return Choice(
        profiles=best.names,
        target=target,
        feasible=True,
        torch=best.pin.version,
        variant=build.variant,
        requirements=build.wishes.requirements,
        imports=tuple(dict.fromkeys(n for p in best.profiles for n in p.imports)),
        disk=sum(profile.disk for profile in best.profiles),
        reasons=(*reasons, *_on_gpus(target), *build.wishes.why),
        rejected=rejected,
    )


def _reasons(attempt: Attempt) -> tuple[Reason, ...]:
    """What speaks against the builds, each reason once.

    A gate is one reason, though another wheel lies behind it for each build: the first is named.
    """
    gates = {exclusion.code for profile in attempt.profiles for exclusion in profile.exclusions}
    found: dict[object, Reason] = {}
    for build in attempt.candidates:
        if reason := build.against:
            gate = (reason.code, reason.text.endswith(".whl)"))
            found.setdefault(gate if reason.code in gates else reason, reason)
    # A Python holds for every build, and is replaced most easily; that a build for GPUs needs one
    # says little where the system does not even carry that for the CPU.
    order = {"python": 0}
    if any(reason.code in ("platform", "libc") for reason in found.values()):
        order["no-gpu"] = 2
    return tuple(sorted(found.values(), key=lambda reason: order.get(reason.code, 1)))


def _rejected(attempt: Attempt) -> Iterator[Rejected]:
    """The wheels and builds of one stack that were looked at and not taken."""
    for variant, against, wishes in attempt.candidates:
        yield from wishes.rejected if wishes else ()
        if against:
            label = f"torch {attempt.pin.version}+{variant}"
            yield Rejected(label, against.text.removeprefix(f"{label} "))


def stacks_for(addons: Sequence[Profile], known: Sequence[Profile]) -> list[Profile]:
    """Stacks that every add-on works with; the add-ons' own order first, CPU-only ones last."""
    stacks = {profile.name: profile for profile in known if profile.kind == "stack"}
    order = [name for addon in addons for name in addon.stacks] + ["mainline", *stacks]
    names = [
        name
        for name in dict.fromkeys(order)
        if name in stacks and all(not addon.stacks or name in addon.stacks for addon in addons)
    ]
    return sorted((stacks[name] for name in names), key=cpu_only)


def cpu_only(stack: Profile) -> bool:
    """Whether a stack has no build for a GPU."""
    return stack.torch is not None and stack.torch.variants == ("cpu",)


def pin_of(stack: Profile) -> TorchPin:
    """The torch of a stack; every stack has one."""
    assert stack.torch is not None
    return stack.torch


def python_range(wanted: Sequence[Profile], known: Sequence[Profile]) -> str:
    """The Pythons (PEP 440) that the wanted profiles and the stack under them have in common.

    Add-ons alone are judged with the stack that is tried first for them. "" is any Python.
    """
    stacks = [profile for profile in wanted if profile.kind == "stack"]
    addons = [profile for profile in wanted if profile.kind == "addon"]
    ranges = [profile.python for profile in (*(stacks or stacks_for(addons, known)[:1]), *addons)]
    return ",".join(dict.fromkeys(filter(None, ranges)))


def _on_gpus(target: Target) -> tuple[Reason, ...]:
    return (Reason("visible-gpus", target.gpus_note),) if target.gpus_note else ()


def _no_such_build(stacks: Sequence[Profile], variant: str) -> UsageError:
    names = " and ".join(stack.name for stack in stacks)
    has = dict.fromkeys(name for stack in stacks for name in pin_of(stack).variants)
    return UsageError(
        f"{names} {'has' if len(stacks) == 1 else 'have'} no build {variant!r} "
        f"(there are: {', '.join(has)})",
        next_command=f"llmdoctor plan --profile {stacks[0].name} "
        f"--variant {pin_of(stacks[0]).variants[0]}",
    )


def _on_stack(
    stack: Profile,
    addons: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
    *,
    asked: bool,
) -> Attempt:
    """The first build of one stack that fits with these add-ons, or why there is none.

    `asked`: the user named the stack, so it may be one for other hardware; and a CPU build that
    the user asked for, by stack or by `variant`, may leave a GPU unused.
    """
    profiles = (stack, *addons)
    anchor = anchor_of(stack)
    variants = anchor.torch.variants if variant == "auto" else (variant,)
    forced = variant != "auto" or (asked and cpu_only(stack))
    candidates = []
    for build in _builds(anchor, variants, target, allow, asked, forced):
        if build.against is not None:
            candidates.append(build)
            continue
        candidates.append(_with_profiles(build.variant, profiles, target, allow))
        if candidates[-1].against is None:
            break
    return Attempt(profiles, tuple(candidates))


# A question about a machine asks this of the same few stacks again and again: with each add-on,
# without it, and for every alternative.
@lru_cache(maxsize=64)
def _builds(
    stack: Anchor,
    variants: tuple[str, ...],
    target: Target,
    allow: tuple[str, ...],
    asked: bool,
    forced: bool,
) -> tuple[Candidate, ...]:
    """The builds of a stack, each with what speaks against it by itself."""
    elsewhere = None if asked else against_hardware(stack, target)
    return tuple(
        Candidate(name, elsewhere or against_build(stack, name, target, allow, forced=forced))
        for name in variants
    )


def _with_profiles(
    variant: str, profiles: tuple[Profile, ...], target: Target, allow: tuple[str, ...]
) -> Candidate:
    """A build that fits by itself, with what the profiles say to it."""
    stack = profiles[0]
    wishes = Wishes(pin_of(stack), variant, target, allow)
    for profile in profiles:
        no = against_profile(profile, stack, variant, target, allow) or wishes.add(profile)
        if no is not None:
            return Candidate(variant, no, wishes)
    return Candidate(variant, None, wishes)
