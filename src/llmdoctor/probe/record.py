"""RECORD: the files that an installed distribution consists of, and which of them are gone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from llmdoctor.machine import Environment, Package
from llmdoctor.probe.packages import normalise, parse_folder_name
from llmdoctor.probe.paths import join, parent, separator
from llmdoctor.system import System

_NAMED = 3  # files of one package that are named


class Row(NamedTuple):
    """One file as it is written there: path from site-packages, "sha256=…", length in bytes."""

    path: str
    digest: str
    size: str


def parse_record(text: str) -> list[Row]:
    """The rows of a RECORD without compiled bytecode, which comes and goes.

    Raises:
        csv.Error: it is none: a power cut leaves zeros, or a quote that nothing ends.
    """
    rows = csv.reader(text.splitlines())
    return [Row(*row[:3]) for row in rows if len(row) >= 3 and not row[0].endswith(".pyc")]


def dist_infos(system: System, sites: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Every dist-info folder: normalised name, version, path."""
    for site in sites:
        for entry in system.names(site) or ():
            known = parse_folder_name(entry) if entry.endswith(".dist-info") else None
            if known and entry[0] not in "~-":
                yield normalise(known[0]), known[1], join(system, site, entry)


def read_rows(system: System, dist_info: str) -> list[Row]:
    """The rows of that dist-info's RECORD; none where it has lost it, or it cannot be read."""
    try:
        return parse_record(system.read_text(join(system, dist_info, "RECORD")) or "")
    except csv.Error:
        return []


def place_of(system: System, dist_info: str, row: Row) -> str:
    """Where that file lies."""
    if row.path.startswith("/"):
        return row.path
    return f"{parent(system, dist_info)}{separator(system)}{row.path}"


def lost_files(system: System, dist_info: str) -> list[str]:
    """Files of its RECORD that are gone, or shorter than they were.

    A RECORD without rows has lost them. Longer files were edited by somebody. Scripts outside
    site-packages are written anew by whoever moves an environment, so that their length says
    nothing.
    """
    rows = read_rows(system, dist_info)
    lost = [] if rows or system.kind(join(system, dist_info, "RECORD")) is None else ["RECORD"]
    for row in rows:
        size = system.size(place_of(system, dist_info, row))
        outside = row.path.startswith(("..", "/"))
        if size is None or (row.size.isdigit() and size < int(row.size) and not outside):
            lost.append(row.path)
    return lost


def with_lost_files(system: System, environment: Environment) -> Environment:
    """The environment with what each of its packages has lost: every file is looked for.

    Takes some tenths of a second for a stack with torch, which is why a plain check does not.
    """
    if environment.kind != "venv":
        return environment
    lost: dict[tuple[str, str], list[str]] = {}
    for name, version, folder in dist_infos(system, environment.site_packages):
        lost[name, version] = lost_files(system, folder)[:_NAMED]

    def told(package: Package) -> Package:
        files = None if package.borrowed else lost.get((package.name, package.version))
        return package if files is None else replace(package, lost=tuple(files))

    return replace(environment, packages=tuple(map(told, environment.packages)))
