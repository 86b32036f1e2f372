"""What a uv project says of requirements, and how it is said anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmdoctor.write.draft import Draft, NotWritableError, explicit, line
from llmdoctor.write.entries import Entry, is_ours, listed, name_in, normal
from llmdoctor.write.poetry import set_text

_GROUPS = ("dependency-groups",)
_LIST = ("project", "dependencies")
_SOURCES = ("tool", "uv", "sources")
_INDEXES = ("tool", "uv", "index")


def main(draft: Draft) -> set[str]:
    """Names that the main dependencies require."""
    return {str(name_in(text)) for text in draft.at(*_LIST) or []}


def groups(draft: Draft) -> dict[str, str]:
    """The groups of the project: as written, by normalised name."""
    return {normal(name): name for name in draft.at(*_GROUPS) or {}}


def names(draft: Draft, group: str) -> set[str]:
    """What a group requires."""
    found = (name_in(text) for text in draft.at(*_GROUPS, group) or [])
    return {name for name in found if name}


def said(draft: Draft, name: str, group: str | None) -> object:
    """What is said of a requirement, in the main dependencies or in a group; None: nothing."""
    texts = [*(draft.at(*_LIST) or []), *((draft.at(*_GROUPS, group) or []) if group else [])]
    found = [text for text in texts if name_in(text) == name]
    places = [v for key, v in (draft.at(*_SOURCES) or {}).items() if normal(key) == name]
    return (found, places) if found else None


def set_main(draft: Draft, entry: Entry, index: str | None) -> None:  # noqa: ARG001 - see set_places
    """Change a requirement where the main dependencies have it.

    Raises:
        NotWritableError: it stands there for several platforms or Pythons.
    """
    found = enumerate(draft.at(*_LIST) or [])
    numbers = [number for number, text in found if name_in(text) == normal(entry.name)]
    if len(numbers) > 1:
        raise NotWritableError(f"{entry.name} stands in the main dependencies more than once")
    set_text(draft, _LIST, numbers[0], entry)


def set_group(
    draft: Draft,
    group: str,
    wanted: Sequence[Entry],
    owned: set[str],
    index: str | None,  # noqa: ARG001 - see set_places
) -> None:
    """Make a group require this, of what is owned by its profile; what else it requires stays."""
    place = (*_GROUPS, group)
    before = draft.at(*place)
    texts = [entry.requirement() for entry in wanted]
    if before is None:
        if texts:
            rows = [f"  {json.dumps(text, ensure_ascii=False)}," for text in texts]
            draft.extend(_GROUPS, group, [f"{group} = [", *rows, "]"])
            draft.changes.append(f"group {group}: {listed(entry.name for entry in wanted)}")
        return
    mine = [text for text in before if name_in(text) in owned]
    if sorted(mine) == sorted(texts):
        return
    if len(mine) == len(before) and not texts:
        draft.drop(_GROUPS, group)
        draft.changes.append(f"group {group} goes: {listed(map(str, before))}")
        return

    def change(array: Any) -> None:  # noqa: ANN401 - an array of tomlkit
        for number in reversed(range(len(before))):
            if before[number] in mine and before[number] not in texts:
                del array[number]
        for text in texts:
            if text not in before:
                array.append(text)

    draft.edit(place, change)
    gone = [text for text in mine if text not in texts]
    come = [text for text in texts if text not in before]
    draft.changes += [f"group {group}: {text} goes" for text in gone]
    draft.changes += [f"group {group}: {text}" for text in come]


def set_index(draft: Draft, name: str, url: str) -> str:
    """See that an explicit index has that address; gives its name."""
    return explicit(draft, _INDEXES, name, url, ("explicit", True))


def drop_index(draft: Draft, name: str) -> None:
    """Take out an index."""
    draft.cut(_INDEXES, lambda body: f'name = "{name}"' in body)


def indexes(draft: Draft) -> dict[str, bool]:
    """The names of the indexes, and whether any package comes from it."""
    values = (draft.at(*_SOURCES) or {}).values()
    uses = [use for value in values for use in (value if isinstance(value, list) else [value])]
    used = {use.get("index") for use in uses if isinstance(use, dict)}
    known = [str(item.get("name")) for item in draft.at(*_INDEXES) or []]
    return {name: name in used for name in known}


def set_places(
    draft: Draft, wanted: Mapping[str, Entry], known: set[str], index: str | None
) -> None:
    """Say which packages come from torch's index, and of no other one that it does.

    `known` are the packages that profiles can ask for: others from such an index are the user's.
    """
    sources = draft.at(*_SOURCES) or {}
    for key, value in sources.items():
        name = normal(key)
        entry = wanted.get(name)
        ours = isinstance(value, dict) and is_ours(value.get("index"))
        if entry is not None and entry.torch and index:
            if value != {"index": index}:
                draft.put(_SOURCES, key, {"index": index})
                draft.changes.append(f"{key} comes from index {index}, before: {value}")
        elif (entry is not None and entry.url) or (ours and (entry or name in known)):
            draft.drop(_SOURCES, key)
            draft.changes.append(f"{key} no longer comes from {value}")
    for entry in wanted.values() if index else ():
        if entry.torch and normal(entry.name) not in map(normal, sources):
            draft.extend(_SOURCES, entry.name, [line(entry.name, {"index": index})])
