"""Which groups and extras of a Poetry project carry a profile: pure, from its manifest.

A project says it itself:

    [tool.llmdoctor.groups]
    flashattn = ["triton", "flashattn"]

or a group or extra has the profile's name, or is found by what it requires.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmdoctor import project_table
from llmdoctor.errors import ProfileError
from llmdoctor.probe import manifest as said
from llmdoctor.probe.toml import get
from llmdoctor.profile import Profile

_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")


class NotCarriedError(Exception):
    """The project does not carry the profile: in words."""


@dataclass(frozen=True)
class Carriers:
    """What carries the profiles beside the main dependencies, as the manifest spells it."""

    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """The options of `poetry install` that choose them."""
        groups = ("--with", ",".join(self.groups)) if self.groups else ()
        return (*groups, *(word for name in self.extras for word in ("--extras", name)))


def carriers(manifest: Mapping[str, Any], profiles: Sequence[Profile]) -> Carriers:
    """The groups and extras that carry all the profiles.

    Raises:
        NotCarriedError: a declared group does not exist, or nothing requires what a profile is.
    """
    found = [_of(dict(manifest), profile) for profile in profiles]
    return Carriers(
        tuple(dict.fromkeys(name for one in found for name in one.groups)),
        tuple(dict.fromkeys(name for one in found for name in one.extras)),
    )


def _of(manifest: dict[str, Any], profile: Profile) -> Carriers:
    groups = {_normal(name): name for name in said.groups(manifest) if name != "main"}
    extras = {_normal(name): name for name in said.extras(manifest)}
    declared = _groups(manifest).get(profile.name)
    if declared is not None:
        return _declared(declared, profile.name, groups, extras)
    own = _normal(profile.name)
    if own in groups or own in extras:
        return Carriers((groups[own],)) if own in groups else Carriers(extras=(extras[own],))
    wanted = {_normal(want.name) for want in profile.packages}
    wanted |= {"torch"} if profile.torch else set()
    main, by_group, by_extra = _required(manifest)
    rest = wanted - main
    chosen = tuple(name for name, names in by_group.items() if names & rest)
    rest -= {name for group in chosen for name in by_group[group]}
    more = tuple(name for name, names in by_extra.items() if names & rest)
    if not (wanted & main or chosen or more):
        there = ", ".join(["main", *groups.values()])
        raise NotCarriedError(
            f"no group of the project requires anything of profile {profile.name} "
            f"({', '.join(sorted(wanted))}); it has {there}"
            + (f", and the extras {', '.join(extras.values())}" if extras else "")
        )
    return Carriers(chosen, more)


def _groups(manifest: dict[str, Any]) -> dict[str, Any]:
    try:
        mine = project_table.of_manifest(manifest, project_table.FILE)
        return mine.tables("groups", "the profiles and their groups") if mine else {}
    except ProfileError as error:
        raise NotCarriedError(error.message) from None


def _declared(
    value: object, profile: str, groups: Mapping[str, str], extras: Mapping[str, str]
) -> Carriers:
    where = f"[tool.llmdoctor.groups] {profile}"
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise NotCarriedError(f"{where}: expected a list of names of groups")
    names = [name for name in value if name != "main"]
    for name in names:
        if _normal(name) not in {**groups, **extras}:
            there = ", ".join(["main", *groups.values(), *extras.values()])
            raise NotCarriedError(f"{where}: there is no group {name!r} (there are: {there})")
    return Carriers(
        tuple(groups[_normal(name)] for name in names if _normal(name) in groups),
        tuple(extras[_normal(name)] for name in names if _normal(name) not in groups),
    )


def _required(
    manifest: dict[str, Any],
) -> tuple[set[str], dict[str, set[str]], dict[str, set[str]]]:
    """Names that the main dependencies, each group, and each extra require."""
    poetry = get(manifest, "tool", "poetry", "dependencies")
    table = poetry if isinstance(poetry, dict) else {}
    optional = {
        _normal(key)
        for key, value in table.items()
        if isinstance(value, dict) and value.get("optional") is True
    }
    main = (_names(get(manifest, "project", "dependencies")) | _names(table)) - optional
    groups = {
        name: _names(get(manifest, "tool", "poetry", "group", name, "dependencies"))
        | _names(get(manifest, "dependency-groups", name))
        for name in said.groups(manifest)
        if name != "main"
    }
    extras = {
        name: _names(get(manifest, "project", "optional-dependencies", name))
        | _names(get(manifest, "tool", "poetry", "extras", name))
        for name in said.extras(manifest)
    }
    return main, groups, extras


def _names(value: object) -> set[str]:
    """Names of a table of Poetry's, or of a list of PEP 508 texts."""
    texts = list(value) if isinstance(value, (dict, list)) else []
    found = (_NAME.match(text) for text in texts if isinstance(text, str))
    return {_normal(match[1]) for match in found if match} - {"python"}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
