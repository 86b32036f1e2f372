"""What a Poetry project says of requirements, and how it is said anew.

Groups are Poetry's own tables, which 1.8 reads too. Of what the main dependencies have in
[project], the source alone stands in [tool.poetry.dependencies].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmdoctor.write.draft import Draft, NotWritableError, explicit, line
from llmdoctor.write.entries import Entry, extras_in, is_ours, listed, name_in, normal

_GROUPS = ("tool", "poetry", "group")
_MAIN = ("tool", "poetry", "dependencies")
_LIST = ("project", "dependencies")
_SOURCES = ("tool", "poetry", "source")
# What says where a dependency comes from and which one it is; every other key stays.
_WHICH = {
    "version", "url", "path", "file", "git", "branch", "tag", "rev", "subdirectory", "develop",
    "source",
}  # fmt: skip


def main(draft: Draft) -> set[str]:
    """Names that the main dependencies require."""
    texts = draft.at(*_LIST) or []
    return {str(name_in(text)) for text in texts} | {normal(key) for key in draft.at(*_MAIN) or {}}


def groups(draft: Draft) -> dict[str, str]:
    """The groups of the project: as written, by normalised name."""
    return {normal(name): name for name in draft.at(*_GROUPS) or {}}


def names(draft: Draft, group: str) -> set[str]:
    """What a group requires."""
    return {normal(key) for key in draft.at(*_GROUPS, group, "dependencies") or {}}


def said(draft: Draft, name: str, group: str | None) -> object:
    """What is said of a requirement, in the main dependencies or in a group; None: nothing."""
    places = [_MAIN, *([(*_GROUPS, group, "dependencies")] if group else [])]
    tables = [draft.at(*place) or {} for place in places]
    values = [table[key] for table in tables for key in table if normal(key) == name]
    values += [text for text in draft.at(*_LIST) or [] if name_in(text) == name]
    return values or None


def set_main(draft: Draft, entry: Entry, index: str | None) -> None:
    """Change a requirement where the main dependencies have it.

    Raises:
        NotWritableError: it stands there for several platforms or Pythons.
    """
    texts, table = draft.at(*_LIST) or [], draft.at(*_MAIN) or {}
    name = normal(entry.name)
    numbers = [number for number, text in enumerate(texts) if name_in(text) == name]
    key = next((key for key in table if normal(key) == name), None)
    if len(numbers) > 1 or isinstance(table.get(key), list):
        raise NotWritableError(f"{entry.name} stands in the main dependencies more than once")
    if not numbers:
        assert key is not None
        _set(draft, _MAIN, key, _value(entry, index, table[key]))
        return
    (number,) = numbers
    set_text(draft, _LIST, number, entry)
    _source(draft, key or entry.name, table.get(key), index if entry.torch else None)


def set_text(draft: Draft, place: tuple[str, ...], number: int, entry: Entry) -> None:
    """Change one requirement of a list; its extras stay, and its marker where none is needed."""
    before = draft.at(*place)[number]
    _, semicolon, marker = before.partition(" ;" if " @ " in before else ";")
    text = entry.requirement(extras_in(before))
    if semicolon and not entry.markers:
        text += f" ; {marker.strip()}"
    if text.replace(" ", "") != before.replace(" ", ""):
        draft.edit(place, lambda array: array.__setitem__(number, text))
        draft.changes.append(f"{'.'.join(place)}: {before} → {text}")


def _source(draft: Draft, key: str, before: object, index: str | None) -> None:
    """Say beside [project] from which source a package comes."""
    if before is not None and not isinstance(before, dict):
        raise NotWritableError(f"{key} stands in [project] and in [tool.poetry.dependencies]")
    if before is None:
        if index:
            draft.extend(_MAIN, key, [line(key, {"source": index})])
        return
    after = {name: value for name, value in before.items() if name != "source"}
    if index or not is_ours(before.get("source")):
        after = {**before, **({"source": index} if index else {})}
    if after == before:
        return
    if after:
        draft.put(_MAIN, key, after)
    else:
        draft.drop(_MAIN, key)


def set_group(
    draft: Draft, group: str, wanted: Sequence[Entry], owned: set[str], index: str | None
) -> None:
    """Make a group require this, of what is owned by its profile; what else it requires stays."""
    place = (*_GROUPS, group)
    table = draft.at(*place)
    values = {entry.name: _value(entry, index, {}) for entry in wanted}
    if table is None:
        if wanted:
            head = f"[{'.'.join(place)}]"
            rows = [line(name, value) for name, value in values.items()]
            deps = f"[{'.'.join(place)}.dependencies]"
            draft.append(place, [head, "optional = true", "", deps, *rows])
            draft.changes.append(f"group {group}, optional: {listed(values)}")
        return
    before = table.get("dependencies", {})
    keys = {normal(key): key for key in before}
    gone = [key for name, key in keys.items() if name in owned and name not in map(normal, values)]
    if gone and len(gone) == len(before) and not values:
        draft.cut(place)
        draft.changes.append(f"group {group} goes: {listed(gone)}")
        return
    inside = (*place, "dependencies")
    for key in gone:
        draft.drop(inside, key)
        draft.changes.append(f"group {group}: {key} goes")
    for name, value in values.items():
        if (key := keys.get(normal(name))) is not None:
            _set(draft, inside, key, value)
        else:
            draft.extend(inside, name, [line(name, value)])
            draft.changes.append(f"group {group}: {name} {_words(value)}")


def set_index(draft: Draft, name: str, url: str) -> str:
    """See that an explicit source has that address; gives its name."""
    return explicit(draft, _SOURCES, name, url, ("priority", "explicit"))


def drop_index(draft: Draft, name: str) -> None:
    """Take out a source."""
    draft.cut(_SOURCES, lambda body: f'name = "{name}"' in body)


def indexes(draft: Draft) -> dict[str, bool]:
    """The names of the sources, and whether any dependency comes from it."""
    from llmdoctor.probe.manifest import poetry_tables

    manifest = draft.at() or {}
    used = {str(item.get("source")).lower() for item in poetry_tables(manifest)}
    known = [str(item.get("name")) for item in draft.at(*_SOURCES) or []]
    return {name: name.lower() in used for name in known}


def set_places(
    draft: Draft, wanted: Mapping[str, Entry], known: set[str], index: str | None
) -> None:
    """Where packages come from stands at each dependency: there is nothing else to say."""


def _set(draft: Draft, place: tuple[str, ...], key: str, value: object) -> None:
    before = draft.at(*place)[key]
    if before == value:
        return
    draft.put(place, key, value)
    where = f"group {place[3]}" if place[:3] == _GROUPS else "main dependencies"
    draft.changes.append(f"{where}: {key} {_words(before)} → {_words(value)}")


def _value(entry: Entry, index: str | None, before: object) -> str | dict[str, Any]:
    """The value of a dependency; of the former one stays what does not say which it is."""
    kept = before if isinstance(before, dict) else {}
    value = {key: item for key, item in kept.items() if key not in _WHICH}
    value = {"url": entry.url, **value} if entry.url else {"version": entry.spec or "*", **value}
    if entry.markers:
        value["markers"] = entry.markers
    if entry.torch and index:
        value["source"] = index
    return str(value["version"]) if list(value) == ["version"] else value


def _words(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("url") or value.get("version") or value)
    return str(value)
