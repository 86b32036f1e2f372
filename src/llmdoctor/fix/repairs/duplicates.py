"""PKG009: a package that is recorded twice. The record whose files are there stays, the other goes.

Two records come about when an install goes over another one without uninstalling it, or is cut off
between the two. Each lists the digest of every file, so the files say whose they are.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass

from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, in_a_venv, manual
from llmdoctor.fix.repairs.anew import own, reinstalled
from llmdoctor.machine import Environment
from llmdoctor.plan import Remove, Step
from llmdoctor.probe.paths import name_of
from llmdoctor.probe.record import Row, dist_infos, place_of, read_rows
from llmdoctor.system import System

_SMALL = 1 << 18  # bytes; of larger files the length is enough, since torch's take seconds to read


@dataclass(frozen=True)
class _Record:
    """One dist-info of a package, and which of the files that it lists are there as it says."""

    version: str
    folder: str
    rows: tuple[Row, ...]
    there: frozenset[str]

    @property
    def whole(self) -> bool:
        """Whether the files are this version's."""
        return bool(self.rows) and len(self.there) == len({row.path for row in self.rows})


@in_a_venv
def mend(bench: Bench, found: Finding) -> Repair:
    """Take the other record out, with the files that only it lists; reinstall where none is whole.

    Which version is there has to be certain, else the package is left to its reader.
    """
    system, environment = bench.system, bench.machine.environment
    records = _records(system, environment)
    steps: list[Step] = []
    again: list[str] = []
    details = []
    for name, twice in records.items():
        if len({record.version for record in twice}) < 2:
            continue
        live = _live(twice)
        if live is None:
            return manual(
                found, f"which version of {name} is really there cannot be told from its files"
            )
        ghosts = [record for record in twice if record is not live]
        others = {
            row.path
            for rival, theirs in records.items()
            for record in theirs
            if rival != name or record is live
            for row in record.rows
        }
        gone = ghosts if live.whole else twice
        steps += [Remove(f"remove the record of {name} {r.version}", r.folder) for r in gone]
        steps += _strays(system, environment, ghosts, others)
        was = ", ".join(record.version for record in ghosts)
        if live.whole:
            details.append(f"{name}: {live.version} is there and stays; the record of {was} goes")
        else:
            details.append(f"{name}: {live.version} is there in part, and is installed anew")
            again.append(f"{name}=={live.version}")
    if not steps:
        return manual(found, "both records lie in the Python that the environment was made from")
    if again:
        return reinstalled(bench, found, again, steps, tuple(details))
    return Repair(
        found.key,
        found.code,
        "ask",
        "Take out the records of versions that are not there.",
        tuple(steps),
        inside=True,
        details=tuple(details),
    )


def _records(system: System, environment: Environment) -> dict[str, list[_Record]]:
    """The environment's own dist-infos by name; only of what is there twice the files are read."""
    places = defaultdict(list)
    for name, version, folder in dist_infos(system, environment.site_packages):
        if own(system, environment, folder):
            places[name].append((version, folder))
    records: dict[str, list[_Record]] = {}
    for name, twice in places.items():
        records[name] = []
        for version, folder in twice:
            rows = _foreign_rows(system, folder)
            looked = rows if len(twice) > 1 else ()
            there = [row.path for row in looked if _as_listed(system, folder, row)]
            records[name].append(_Record(version, folder, rows, frozenset(there)))
    return records


def _foreign_rows(system: System, folder: str) -> tuple[Row, ...]:
    """What a dist-info lists outside of itself: its own files are always there."""
    inside = f"{name_of(system, folder)}/"
    return tuple(row for row in read_rows(system, folder) if not row.path.startswith(inside))


def _as_listed(system: System, folder: str, row: Row) -> bool:
    place = place_of(system, folder, row)
    size = system.size(place)
    if size is None or row.path.startswith(("..", "/")):  # scripts are written for each place
        return size is not None
    if row.size and str(size) != row.size:
        return False
    algorithm, _, wanted = row.digest.partition("=")
    if algorithm != "sha256" or size > _SMALL:
        return True
    data = system.read_bytes(place) or b""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=") == wanted


def _live(twice: list[_Record]) -> _Record | None:
    """The version whose files are there; None where that is not certain."""
    whole = [record for record in twice if record.whole]
    if whole:
        return whole[0] if len(whole) == 1 else None
    # Of files that one of them alone lists, one was there first and the other has lost its own.
    # Those that both list were written by the one that came last.
    listed = Counter(row.path for record in twice for row in record.rows)
    shared = {path for path, count in listed.items() if count > 1}
    most = max(len(record.there & shared) for record in twice)
    best = [record for record in twice if most and len(record.there & shared) == most]
    return best[0] if len(best) == 1 else None


def _strays(
    system: System, environment: Environment, ghosts: list[_Record], others: set[str]
) -> list[Step]:
    """Files that nothing but the records that go lists."""
    places = {
        place_of(system, record.folder, row): row.path
        for record in ghosts
        for row in record.rows
        if row.path not in others and not row.path.startswith(("..", "/"))
    }
    return [
        Remove(f"remove {path}", place)
        for place, path in places.items()
        if system.kind(place) is not None and own(system, environment, place)
    ]
