"""What the resolver does not look at: origins, promises, and bounds without a version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from llmdoctor.plan import Choice, Reason
from llmdoctor.profile import Profile
from llmdoctor.profiles.bounds import satisfiable


def combined(choice: Choice, profiles: Sequence[Profile]) -> Choice:
    """The choice with its profiles' promises and origins, refused where two of them contradict.

    uv names such a contradiction as well, once it is asked; a plan from the tables never asks it.
    `profiles`: all that the choice can name.
    """
    chosen = [profile for name in choice.profiles for profile in profiles if profile.name == name]
    origins = tuple(
        Reason("origin", f"{profile.name} comes from {profile.origin.text}")
        for profile in chosen
        if profile.origin.kind != "builtin"
    )
    against = tuple(_contradictions(choice, chosen)) if choice.feasible else ()
    feasible = choice.feasible and not against
    promises = (
        item
        for profile in chosen
        for item in profile.promises
        if item.on == "cpu" or choice.variant != "cpu"
    )
    # Where a profile comes from explains what is chosen; it is nothing against it.
    return replace(
        choice,
        feasible=feasible,
        promises=tuple(dict.fromkeys(promises)) if feasible else (),
        reasons=(*against, *choice.reasons, *(origins if feasible else ())),
    )


def _contradictions(choice: Choice, profiles: Sequence[Profile]) -> Iterator[Reason]:
    """Packages of which no version does: each profile by itself has passed `rules`."""
    for item in choice.requirements:
        if item.source != "index" or satisfiable(item.text.removeprefix(item.name)):
            continue
        asked = [
            f"{profile.name} asks for {want.name}{want.spec}"
            for profile in profiles
            for want in profile.packages
            if want.name == item.name and want.spec
        ]
        text = f"no version of {item.name} is all of these: {', '.join(asked)}"
        yield Reason("contradiction", text, "resolution-conflict")
