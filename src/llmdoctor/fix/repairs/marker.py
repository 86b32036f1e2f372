"""LOCK003: a wheel by address is told in pyproject.toml for which platform it is, and locked again.

Locking again alone would change nothing: the address comes from the manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from llmdoctor.checks.locked import marker_for
from llmdoctor.finding import Finding
from llmdoctor.fix.relock import differences, relock
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.locked import Unfit
from llmdoctor.plan import Write
from llmdoctor.probe.manifest import poetry_tables
from llmdoctor.probe.toml import get


def say_platform(bench: Bench, found: Finding) -> Repair:
    """Markers at the entries of the manifest that name the wheels; comments and order stay."""
    system, project = bench.system, bench.machine.project
    if project is None or project.lock is None or project.problem:
        return manual(found)
    import tomlkit

    path = system.real_path(str(system.flavour(project.root, "pyproject.toml")))
    before, lock = system.read_text(path) or "", system.read_text(project.lock.path) or ""
    document = tomlkit.parse(before)
    details = []
    for item in project.lock.unfit:
        if item.origin == "index":
            continue
        if item.kind != "platform":
            return manual(found, f"{item.name} is for {item.made_for}: no marker mends that")
        if not _mark(document, item):
            return manual(found, f"{item.name} stands in no entry of its own, without a marker")
        details.append(f"{item.name}: only where {marker_for(item)}")
    manifest = tomlkit.dumps(document)
    made = relock(bench, manifest, lock)
    if made.why:
        return manual(found, made.why)
    return Repair(
        found.key,
        found.code,
        "ask",
        "Say in pyproject.toml for which platform the wheel is, and lock again; pins stay.",
        (
            Write("say for which platform the wheel is", path, manifest),
            Write("put the renewed lock in place", system.real_path(project.lock.path), made.text),
        ),
        details=(*details, *differences(lock, made.text)),
    )


def _mark(document: dict[str, Any], item: Unfit) -> bool:
    """Add the marker to each entry that names the wheel and has none; False where none does."""
    marker, marked = marker_for(item), False
    for entry in poetry_tables(document):
        if item.address in (entry.get("url"), entry.get("path")) and "markers" not in entry:
            _put(entry, "markers", marker)
            marked = True
    for entries in _lists(document):
        for number, text in enumerate(entries):
            if isinstance(text, str) and str(item.address) in text and ";" not in text:
                entries[number] = f"{text.rstrip()} ; {marker}"
                marked = True
    return marked


def _put(entry: MutableMapping[str, Any], key: str, value: str) -> None:
    """Add a key; to a table in braces with the blanks that it is written with."""
    from tomlkit.items import InlineTable

    if isinstance(entry, InlineTable) and not entry.as_string().startswith("{ "):
        entry.append(key, value)
    else:
        entry[key] = value


def _lists(document: object) -> Iterator[list[Any]]:
    """Lists of requirements as PEP 621 and PEP 735 write them."""
    tables = (get(document, "project", "optional-dependencies"), get(document, "dependency-groups"))
    named = [value for table in tables for value in _values(table)]
    for value in (get(document, "project", "dependencies"), *named):
        if isinstance(value, list):
            yield value


def _values(table: object) -> list[Any]:
    return list(table.values()) if isinstance(table, dict) else []
