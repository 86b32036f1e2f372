"""Which stack, and which of its builds: the first that nothing speaks against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmdoctor.errors import UsageError
from llmdoctor.plan import Choice, Reason, Rejected, Target
from llmdoctor.profile import Profile, TorchPin
from llmdoctor.resolve.addons import Wishes, against_profile
from llmdoctor.resolve.builds import against_build, for_build


def choose(
    wanted: Sequence[Profile],
    known: Sequence[Profile],
    target: Target,
    variant: str,
    allow: tuple[str, ...],
) -> Choice:
    """The best combination, or every reason against it; see `resolve`."""
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
    best: Choice | None = None
    rejected: tuple[Rejected, ...] = ()
    for stack in offering:
        forced = variant != "auto" or (bool(stacks) and cpu_only(stack))
        choice = _on_stack(stack, addons, target, variant, allow, forced=forced)
        rejected += choice.rejected
        best = best or choice
        if choice.feasible:
            best = choice
            break
    assert best is not None
    return replace(best, rejected=tuple(dict.fromkeys(rejected)))


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
    forced: bool,
) -> Choice:
    """The best build of one stack with these add-ons, or why there is none.

    `forced`: the user asked for this build, so a CPU build may leave a GPU unused.
    """
    pin = pin_of(stack)
    profiles = (stack, *addons)
    names = tuple(profile.name for profile in profiles)
    rejected: list[Rejected] = []
    against: list[Reason] = []
    for candidate in pin.variants if variant == "auto" else (variant,):
        label = f"torch {pin.version}+{candidate}"
        wishes = Wishes(pin, candidate, target)
        no = against_build(stack, candidate, target, forced=forced)
        for profile in () if no else profiles:
            no = against_profile(profile, stack, candidate, target, allow) or wishes.add(profile)
            if no is not None:
                break
        rejected += wishes.rejected
        if no is None:
            return Choice(
                profiles=names,
                target=target,
                feasible=True,
                torch=pin.version,
                variant=candidate,
                requirements=wishes.requirements,
                imports=tuple(dict.fromkeys(n for p in profiles for n in p.imports)),
                disk=sum(profile.disk for profile in profiles),
                reasons=(*for_build(stack, candidate, target), *_on_gpus(target), *wishes.why),
                rejected=tuple(rejected),
            )
        rejected.append(Rejected(label, no.text.removeprefix(f"{label} ")))
        against.append(no)
    reasons = (*dict.fromkeys(against), *_on_gpus(target))
    return Choice(names, target, feasible=False, reasons=reasons, rejected=tuple(rejected))
