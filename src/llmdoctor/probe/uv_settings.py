"""Settings of uv's resolver, as the manifest has them and as uv.lock wrote them down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from packaging.markers import InvalidMarker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from llmdoctor.probe.toml import as_list, as_table, get
from llmdoctor.probe.uv_markers import Condition, Signature, marker_of, signatures

# Of [tool.uv], of the lock's [options], and what stands for leaving it out.
_MODES = (
    ("resolution", "resolution-mode", ("highest",)),
    ("prerelease", "prerelease-mode", ("if-necessary", "if-necessary-or-explicit")),
    ("fork-strategy", "fork-strategy", ("requires-python",)),
)
# The revision of the format that uv 0.13.9 writes (tables/locks.toml). What an older one, such as
# that of 0.9.0, does not tell may have been asked for all the same.
TELLS_ALL = 5
_DAYS = "exclude-newer-package"
_ZONES = dt.timedelta(hours=14)  # a bare date is meant in the zone of who locks


def of_resolver(settings: dict[str, Any], options: object) -> Iterator[str]:
    """Modes and days that differ; `options` is the lock's table of them."""
    for key, written, defaults in _MODES:
        wanted, locked = settings.get(key), get(options, written)
        if (None if wanted in defaults else wanted) != locked:
            yield f"{key} {wanted or defaults[0]}, in the lock {locked or defaults[0]}"
    wanted, locked = settings.get("exclude-newer"), get(options, "exclude-newer")
    span = get(options, "exclude-newer-span")
    if _other_day(wanted, locked, span):
        yield f"exclude-newer {wanted or 'not set'}, in the lock {span or locked or 'not set'}"
    ours, theirs = (
        {canonicalize_name(name): day for name, day in table.items()}
        for table in map(as_table, (settings.get(_DAYS), get(options, _DAYS)))
    )
    for name in sorted({*ours, *theirs}):
        if _other_day(ours.get(name), theirs.get(name), None):
            yield f"exclude-newer-package: {name} is told otherwise in the lock"


def of_project(
    manifest: dict[str, Any], head: dict[str, Any], pythons: SpecifierSet
) -> Iterator[str]:
    """What [tool.uv] says of platforms, conflicts and other packages' metadata."""
    uv, written = get(manifest, "tool", "uv"), get(head, "manifest")
    for key, name in (
        ("environments", "supported-markers"),
        ("required-environments", "required-markers"),
    ):
        if _other_markers(get(uv, key), head.get(name), pythons):
            yield f"{key} are others in the lock"
    package = canonicalize_name(str(get(manifest, "project", "name")))
    ours, theirs = (
        set(_conflicts(of, package)) for of in (get(uv, "conflicts"), head.get("conflicts"))
    )
    # uv adds those of the groups that include another
    if ours - theirs or (theirs - ours and "include-group" not in str(manifest)):
        yield "conflicts are others in the lock"
    excluded = (get(uv, "exclude-dependencies"), get(written, "excludes"))
    names, locked = ({canonicalize_name(str(n)) for n in as_list(of)} for of in excluded)
    if names != locked and (locked or head.get("revision", 0) >= TELLS_ALL):
        yield f"exclude-dependencies: {', '.join(sorted(names ^ locked))} not in both"
    metadata = (get(uv, "dependency-metadata"), get(written, "dependency-metadata"))
    known, told = (set(_metadata(of)) for of in metadata)
    for name in sorted({name for name, *_ in known ^ told}):
        yield f"dependency-metadata: {name} is told otherwise in the lock"


def _other_day(wanted: object, locked: object, span: object) -> bool:
    """A later day finds the same packages and more: uv keeps the lock, and asks no index."""
    if wanted is None or locked is None:
        return wanted is not locked
    try:
        day = dt.datetime.fromisoformat(str(wanted).replace("Z", "+00:00"))
        until = dt.datetime.fromisoformat(str(locked).replace("Z", "+00:00"))
    except ValueError:  # "1 week"
        return span is None
    if span is not None:
        return True
    if day.tzinfo is None:
        day = day.replace(tzinfo=dt.timezone.utc) + dt.timedelta(days=1) + _ZONES
    return day < until


def _other_markers(wanted: object, locked: object, pythons: SpecifierSet) -> bool:
    listed = [wanted] if isinstance(wanted, str) else as_list(wanted)
    theirs = as_list(locked)
    try:
        every = [Condition(marker_of(str(text))) for text in (*listed, *theirs)]
        held = signatures(every, pythons)
    except (InvalidMarker, ValueError, KeyError):
        return False
    return _telling(held[: len(listed)]) != _telling(held[len(listed) :])


def _telling(signs: list[Signature]) -> list[Signature]:
    """Without what holds everywhere or nowhere: uv leaves that out."""
    return [sign for sign in signs if len(set(sign)) > 1]


def _conflicts(value: object, package: str) -> Iterator[frozenset[tuple[str, str, str]]]:
    for items in as_list(value):
        yield frozenset(
            (
                canonicalize_name(str(item.get("package", package))),
                kind,
                canonicalize_name(str(item.get(kind, ""))),
            )
            for item in as_list(items)
            if isinstance(item, dict)
            for kind in ("extra", "group")
            if kind in item or (kind == "group" and "extra" not in item)
        )


def _metadata(value: object) -> Iterator[tuple[str, str, frozenset[tuple[str, SpecifierSet]]]]:
    """Names, versions and requirements; markers are written in many ways and are left out."""
    for item in as_list(value):
        try:
            needs = [Requirement(str(text)) for text in as_list(get(item, "requires-dist"))]
        except InvalidRequirement:
            continue
        wishes = frozenset((canonicalize_name(need.name), need.specifier) for need in needs)
        yield canonicalize_name(str(get(item, "name"))), str(get(item, "version")), wishes
