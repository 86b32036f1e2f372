"""Profiles by name, from wherever they come: ours, a file, the project, an installed package.

`places` finds what is written, `extend` puts a profile together with those it builds on, `rules`
says what is wrong with it. docs/reference/own-profiles.md is the same for those who write one.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmdoctor.errors import ProfileError, UsageError
from llmdoctor.profile import Origin, Profile
from llmdoctor.profiles import places
from llmdoctor.profiles.combined import combined
from llmdoctor.profiles.extend import read

__all__ = ["Broken", "Wish", "builtin", "combined", "every", "find", "one", "wish"]


@dataclass(frozen=True)
class Wish:
    """The profiles asked for, and all that a stack for them is looked for among."""

    wanted: tuple[Profile, ...]
    known: tuple[Profile, ...]


@dataclass(frozen=True)
class Broken:
    """A profile that is there and cannot be used, and why."""

    name: str
    origin: Origin
    error: str


@functools.cache
def builtin() -> dict[str, Profile]:
    """Every profile that llmdoctor ships, by name, in alphabetical order."""
    return {name: _shipped(name) for name in places.shipped()}


def find(word: str, project: str = ".") -> Profile:
    """The profile of that name, or the one in the TOML file of that path.

    `project`: the folder in which, or above which, a project's own profiles are looked for.

    Raises:
        UsageError: no profile has that name; gives the nearest.
        ProfileError: it cannot be read as a profile.
    """
    entry = places.locate(word, project)
    if entry is not None:
        return builtin()[word] if entry.origin.kind == "builtin" else read(entry, project)
    text, near = places.unknown(word, project)
    again = shlex.join(["llmdoctor", "plan", "--profile", near]) if near else "llmdoctor profiles"
    raise UsageError(text, next_command=again)


def wish(words: Sequence[str], project: str = ".") -> Wish:
    """The profiles of these words, with ours and the stacks that their add-ons name.

    Raises:
        UsageError, ProfileError: as `find`; two have one name; an add-on names no stack.
    """
    return _with_stacks(tuple(find(word, project) for word in words), project)


def one(word: str, project: str = ".") -> tuple[tuple[Wish, ...], tuple[Broken, ...]]:
    """The wish for one profile, in the shape of `every`. Raises what `wish` raises."""
    return (wish([word], project),), ()


def every(project: str = ".") -> tuple[tuple[Wish, ...], tuple[Broken, ...]]:
    """Every profile that can be named, ours first, and those that are broken.

    A broken one of somebody else is no reason against the others.
    """
    good = [Wish((profile,), tuple(builtin().values())) for profile in builtin().values()]
    broken = []
    for name, origin, problem in places.listed(project):
        if problem:
            broken.append(Broken(name, origin, problem))
            continue
        try:
            good.append(wish([name], project))
        except (ProfileError, UsageError) as error:
            broken.append(Broken(name, origin, error.message))
    return tuple(good), tuple(broken)


def _shipped(name: str) -> Profile:
    return read(places.ours(name), ".")


def _with_stacks(wanted: tuple[Profile, ...], project: str) -> Wish:
    found = {**builtin()}
    for profile in wanted:
        if found.setdefault(profile.name, profile) != profile:
            both = f"{found[profile.name].spelled} and {profile.spelled}"
            raise ProfileError(
                f"{both} are two profiles of the name {profile.name!r}: rename one",
                next_command=shlex.join(["llmdoctor", "profiles", profile.spelled]),
            )
    for profile in wanted:
        for number, name in enumerate(profile.stacks):
            place = f"$.stacks[{number}]"
            found[name] = _stack(profile, place, found.get(name), name, project)
    stacks = [profile for profile in wanted if profile.kind == "stack"]
    return Wish(tuple(_also_on(profile, stacks) for profile in wanted), tuple(found.values()))


def _also_on(addon: Profile, stacks: Sequence[Profile]) -> Profile:
    """The add-on, which goes with whatever extends a stack that it goes with.

    Whether its wheels exist for a torch that such a stack changes, the resolver looks up.
    """
    built_on = {stack.name: set(stack.origin.extends) for stack in stacks}
    more = [name for name, below in built_on.items() if not below.isdisjoint(addon.stacks)]
    return replace(addon, stacks=(*addon.stacks, *more)) if more else addon


def _stack(profile: Profile, place: str, known: Profile | None, name: str, project: str) -> Profile:
    """The stack of that name which an add-on says it goes with."""
    try:
        stack = known or find(name, project)
        problem = None if stack.kind == "stack" else f"{name!r} is an add-on, expected a stack"
    except (ProfileError, UsageError) as error:
        problem = error.message
    if problem is not None:
        raise ProfileError(
            f"{profile.origin.place}: {place}: {problem}",
            next_command=shlex.join(["llmdoctor", "profiles", profile.spelled]),
        )
    return stack
