"""Profiles that build on another: `extends = "mainline"`, and what is changed of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from llmdoctor import wire
from llmdoctor.errors import ProfileError, nearest
from llmdoctor.profile import SCHEMA, Profile
from llmdoctor.profiles.places import Entry, locate, unknown
from llmdoctor.profiles.rules import check_keys, check_pins
from llmdoctor.wire import WireError

_OWN = ("extends", "remove")  # keys that are gone once a profile is put together
Data = dict[str, Any]


@dataclass(frozen=True)
class _Extension:
    extends: str | None = None
    remove: tuple[str, ...] = ()


def read(entry: Entry, project: str) -> Profile:
    """The whole profile: what it builds on, from the ground up, with its own changes.

    Every profile below it is checked by itself, so that an error names the file it is in.

    Raises:
        ProfileError: a file or key that cannot be meant, a cycle, an unknown parent.
    """
    lineage = _lineage(entry, project)
    data: Data = {}
    ancestors: tuple[str, ...] = ()
    for item in reversed(lineage):
        try:
            profile, data = _on_top(item, data, ancestors)
        except WireError as error:
            raise item.error(str(error)) from None
        ancestors = (profile.name, *ancestors)
    return profile


def _lineage(entry: Entry, project: str) -> list[Entry]:
    """The profile, its parent, and so on to the one that extends none."""
    chain = [entry]
    while True:
        last = chain[-1]
        try:
            known = {key: last.data[key] for key in _OWN if key in last.data}
            extension = wire.load(_Extension, known)
        except WireError as error:
            raise last.error(str(error)) from None
        if extension.extends is None:
            if extension.remove:
                raise last.error("$.remove: there is nothing to take out of without `extends`")
            return chain
        parent = _parent(last, extension.extends, project)
        keys = [item.key for item in chain]
        if parent.key in keys:
            names = [item.label for item in (*chain, parent)]
            loop = " -> ".join(names[keys.index(parent.key) :])
            raise last.error(f"$.extends: goes round in a circle: {loop}")
        chain.append(parent)


def _parent(entry: Entry, word: str, project: str) -> Entry:
    try:
        found = locate(word, project, entry.folder)
    except ProfileError as error:
        again = entry.error("").next_command
        text = f"{entry.where}: $.extends: {error.message}"
        raise ProfileError(text, next_command=error.next_command or again) from None
    if found is None:
        raise entry.error(f"$.extends: {unknown(word, project)[0]}")
    return found


def _on_top(entry: Entry, parent: Data, ancestors: tuple[str, ...]) -> tuple[Profile, Data]:
    """One profile on what lies below it, as a profile and as data for the next one."""
    _check_own(entry, parent, ancestors)
    child = {key: value for key, value in entry.data.items() if key not in _OWN}
    scalars = {key: value for key, value in parent.items() if not isinstance(value, list)}
    inherited = {**scalars, **_given_up(child)}
    inherited.pop("name", None)
    own = {**inherited, **child}
    if isinstance(child.get("torch"), dict) and isinstance(parent.get("torch"), dict):
        own["torch"] = {**_torch(parent["torch"], child["torch"], entry), **child["torch"]}
    check_keys(wire.load(Profile, own))  # its own lists alone: so places are those in its file

    merged = {**own, **_lists(parent, child, entry.data.get("remove", ()))}
    profile = wire.load(Profile, merged)
    profile = replace(profile, origin=replace(entry.origin, extends=ancestors))
    check_pins(profile)
    return profile, merged


def _check_own(entry: Entry, parent: Data, ancestors: tuple[str, ...]) -> None:
    """What a file says of itself, before its place among others is thought of."""
    data = entry.data
    schema = data.get("schema", SCHEMA)
    if isinstance(schema, int) and schema > SCHEMA:  # before its new keys are called unknown
        raise ProfileError(
            f"{entry.where}: schema is {schema}, this llmdoctor reads {SCHEMA}: update it",
            next_command="llmdoctor --version",
        )
    known = [*(item.name for item in fields(Profile) if item.name != "origin"), *_OWN]
    for key in data:  # as `wire` does it, but with the keys that stand in a file
        if key not in known:
            meant = nearest(key, known) or f"; known: {', '.join(known)}"
            raise WireError("$", f"unknown key {key!r}{meant}")
    if entry.name is not None and data.get("name", entry.name) != entry.name:
        raise WireError("$.name", f"expected {entry.name!r}, got {data['name']!r}")
    if ancestors and "kind" in data and data["kind"] != parent["kind"]:
        text = f"it extends {ancestors[0]}, which is of kind {parent['kind']!r}"
        raise WireError("$.kind", f"{text}, got {data['kind']!r}")


def _given_up(child: Data) -> Data:
    """Reasons of the parent that do not hold for what is put in the place of its value."""
    return {"python_reason": ""} if "python" in child else {}


def _torch(parent: Data, child: Data, entry: Entry) -> Data:
    """The parent's anchor; its reason goes with its release and its builds."""
    if child.keys() & {"version", "variants"}:
        return {**parent, "reason": "chosen by the profile itself", "source": entry.where}
    return parent


def _lists(parent: Data, child: Data, remove: tuple[str, ...]) -> Data:
    """Every list of the two: packages by name and marker, others one after the other."""
    found: Data = {}
    for key in dict.fromkeys([*parent, *child]):
        above, below = child.get(key, []), parent.get(key, [])
        if not isinstance(above, list) or not isinstance(below, list):
            continue
        if key == "packages":
            found[key] = _packages(_without(below, remove), above)
        else:
            if key == "imports":
                below = [name for name in below if _normal(name) not in set(map(_normal, remove))]
            found[key] = [*below, *(item for item in above if item not in below)]
    return found


def _without(packages: list[Data], remove: tuple[str, ...]) -> list[Data]:
    """The parent's packages but those that are taken out."""
    names = [row["name"] for row in packages]
    for number, name in enumerate(remove):
        if _normal(name) not in names:
            meant = nearest(name, names) or f"; it has {', '.join(names)}"
            text = f"what is extended asks for no {name!r}{meant}"
            raise WireError(f"$.remove[{number}]", text)
    gone = set(map(_normal, remove))
    return [row for row in packages if row["name"] not in gone]


def _packages(parent: list[Data], child: list[Data]) -> list[Data]:
    """A row of the child takes the place of the parent's of that name and marker."""
    own: dict[tuple[str, str], list[Data]] = {}
    for row in child:
        own.setdefault(_pair(row), []).append(row)
    merged: list[Data] = []
    placed: set[tuple[str, str]] = set()
    for row in parent:
        pair = _pair(row)
        if pair not in own:
            merged.append(row)
        elif pair not in placed:
            merged += own[pair]
            placed.add(pair)
    return [*merged, *(row for row in child if _pair(row) not in placed)]


def _pair(row: Data) -> tuple[str, str]:
    """Name and marker; a marker is the same however it is quoted, spaced or bracketed."""
    from packaging.markers import Marker

    marker = row.get("marker")
    return row["name"], str(Marker(marker)) if marker else ""


def _normal(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
