"""What a project's manifest says of groups, extras, and where torch comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from llmdoctor.machine import TorchPlace
from llmdoctor.probe.toml import get, line_of

_TORCH_INDEX = re.compile(r"https?://(?:download|download-r2)\.pytorch\.org/whl\b")


def groups(manifest: dict[str, Any]) -> tuple[str, ...]:
    """The groups that `--with`, `--without` and `--only` know; "main" is always one."""
    found = {"main": None}
    for place in (("tool", "poetry", "group"), ("dependency-groups",)):
        table = get(manifest, *place)
        found.update(dict.fromkeys(table if isinstance(table, dict) else ()))
    if get(manifest, "tool", "poetry", "dev-dependencies") is not None:
        found["dev"] = None
    return tuple(found)


def extras(manifest: dict[str, Any]) -> tuple[str, ...]:
    """The extras of the project."""
    places = (("project", "optional-dependencies"), ("tool", "poetry", "extras"))
    tables = (get(manifest, *place) for place in places)
    return tuple(dict.fromkeys(n for table in tables if isinstance(table, dict) for n in table))


def torch_places(manifest: dict[str, Any], tool: str, text: str) -> tuple[TorchPlace, ...]:
    """The sources (Poetry) or indexes (uv) that are the PyTorch index, one for each build.

    `text` is the manifest as it is written, for the lines.
    """
    found = _of_uv(manifest) if tool == "uv" else _of_poetry(manifest)
    return tuple(
        replace(place, line=line_of(text, rf"^[^#\n]*{re.escape(place.url)}[\"']"))
        for place in found
    )


def _of_poetry(manifest: dict[str, Any]) -> Iterator[TorchPlace]:
    uses = [use for use in poetry_tables(manifest) if use.get("source")]
    for source in _tables(get(manifest, "tool", "poetry", "source")):
        url = source.get("url")
        if not (isinstance(url, str) and _TORCH_INDEX.match(url)):
            continue
        name = str(source.get("name"))
        own = [use for use in uses if str(use["source"]).lower() == name.lower()]
        limited = bool(own) and all("markers" in use or "platform" in use for use in own)
        yield TorchPlace(name, url, source.get("priority") == "explicit", limited)


def poetry_tables(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The dependencies of a Poetry project that are tables: one, or one for each of its choices."""
    poetry = get(manifest, "tool", "poetry")
    groups = get(poetry, "group")
    tables = [get(poetry, "dependencies"), get(poetry, "dev-dependencies")]
    tables += [
        get(g, "dependencies") for g in (groups.values() if isinstance(groups, dict) else ())
    ]
    for table in tables:
        for value in table.values() if isinstance(table, dict) else ():
            yield from _tables(value if isinstance(value, list) else [value])


def _of_uv(manifest: dict[str, Any]) -> Iterator[TorchPlace]:
    limited = get(manifest, "tool", "uv", "environments") is not None
    sources = get(manifest, "tool", "uv", "sources")
    for index in _tables(get(manifest, "tool", "uv", "index")):
        url = index.get("url")
        if not (isinstance(url, str) and _TORCH_INDEX.match(url)):
            continue
        uses = [
            use
            for value in (sources.values() if isinstance(sources, dict) else ())
            for use in (_tables(value) if isinstance(value, list) else _tables([value]))
            if use.get("index") == index.get("name")
        ]
        yield TorchPlace(
            str(index.get("name")),
            url,
            explicit=index.get("explicit") is True,
            limited=limited or (bool(uses) and all("marker" in use for use in uses)),
        )


def _tables(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
