"""What a manifest asks for beside what a uv.lock wrote down of it, package by package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from llmdoctor.probe.toml import get
from llmdoctor.probe.uv_markers import Condition, marker_of, signatures

_Wish = tuple[NormalizedName, frozenset[str]]  # a name and its extras
_Told = tuple[str, SpecifierSet, Condition]  # from where, which versions, where it is wanted
_PLACES = ("git", "directory", "editable", "virtual", "path")  # as a lock calls them


class Wishes:
    """Requirements of one manifest of a workspace, as uv would write them down.

    `sources` are its own and, behind them, the workspace's; `indexes` are addresses by name.
    """

    def __init__(
        self, sources: Mapping[str, object], indexes: Mapping[str, str], pythons: SpecifierSet
    ) -> None:
        self._sources = {canonicalize_name(name): value for name, value in sources.items()}
        self._indexes = indexes
        self._pythons = pythons

    def differences(self, wanted: list[str], locked: object, where: str) -> Iterator[str]:
        """What is in one and not in the other, or said otherwise; nothing where uv says it."""
        ours: dict[_Wish, list[_Told]] = {}
        theirs: dict[_Wish, list[_Told]] = {}
        try:
            for read in map(Requirement, wanted):
                wish = (canonicalize_name(read.name), frozenset(read.extras))
                ours.setdefault(wish, []).extend(self._told(read))
            for item in locked if isinstance(locked, list) else ():
                wish = (canonicalize_name(item["name"]), frozenset(item.get("extras") or ()))
                theirs.setdefault(wish, []).append(_locked(item))
        except (InvalidRequirement, InvalidMarker, InvalidSpecifier, KeyError, TypeError):
            return
        for wish in sorted({*ours, *theirs}, key=lambda wish: (wish[0], sorted(wish[1]))):
            shown = wish[0] + (f"[{','.join(sorted(wish[1]))}]" if wish[1] else "")
            if wish not in theirs:
                yield f"{where}: {shown} is not in the lock"
            elif wish not in ours:
                yield f"{where}: {shown} is in the lock alone"
            elif not self._same(ours[wish], theirs[wish]):
                yield f"{where}: {shown} is locked for another wish"

    def _told(self, read: Requirement) -> Iterator[_Told]:
        """A requirement, once for each choice of source that [tool.uv.sources] gives it."""
        source = self._sources.get(canonicalize_name(read.name))
        choices = source if isinstance(source, list) else [source]
        others: list[Marker] = []
        for choice in choices:
            own = _of_choice(choice)
            yield self._from(choice, read), read.specifier, Condition(_both(read.marker, own))
            others += [own] if own is not None else []
        if len(others) == len(choices):  # where none of them is meant, the default index is
            yield _address(read.url), read.specifier, Condition(read.marker, tuple(others))

    def _from(self, source: object, read: Requirement) -> str:
        if not isinstance(source, dict):
            return _address(read.url)
        if "index" in source:
            return _address(self._indexes.get(str(source["index"])))
        return _address(source["url"]) if "url" in source else "place"

    def _same(self, ours: list[_Told], theirs: list[_Told]) -> bool:
        every = [*ours, *theirs]
        try:
            held = signatures([condition for _, _, condition in every], self._pythons)
        except (ValueError, KeyError):
            return True
        told = [(*one[:2], where) for one, where in zip(every, held, strict=True)]
        one, other = (
            {item for item in part if any(item[-1])}  # uv leaves out what is wanted nowhere
            for part in (told[: len(ours)], told[len(ours) :])
        )
        return one == other


def _locked(item: dict[str, Any]) -> _Told:
    source = "place" if any(key in item for key in _PLACES) else item.get("index", item.get("url"))
    return (
        source if source == "place" else _address(source),
        SpecifierSet(item.get("specifier") or ""),
        Condition(marker_of(item.get("marker"))),
    )


def _of_choice(choice: object) -> Marker | None:
    """Where a choice of source is meant.

    Raises:
        KeyError: in one group alone, which is not in what a lock wrote down.
    """
    if get(choice, "group") is not None:
        raise KeyError("group")
    extra = get(choice, "extra")
    own = marker_of(f"extra == '{canonicalize_name(str(extra))}'" if extra is not None else None)
    marker = get(choice, "marker")
    return _both(marker_of(str(marker) if marker is not None else None), own)


def _both(one: Marker | None, other: Marker | None) -> Marker | None:
    if one is None or other is None:
        return one or other
    return Marker(f"({one}) and ({other})")


def _address(url: str | None) -> str:
    """An address as a lock has it: without a password. One without a host is only a place."""
    scheme, mark, rest = (url or "").partition("://")
    if url and (not mark or scheme.startswith(("git+", "file"))):
        return "place"
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}".partition("#")[0].rstrip("/")
