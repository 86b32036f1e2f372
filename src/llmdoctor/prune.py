"""Remove former environments that runs have kept: by an explicit command, never by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from llmdoctor.install import hold
from llmdoctor.journal import Entry
from llmdoctor.plan import SetAside, Snapshot
from llmdoctor.system import System
from llmdoctor.undo import runs

_ENDED = ("kept", "undone", "restored", "abandoned")


@dataclass(frozen=True)
class Backup:
    """A former environment. `frees` are the bytes that removing it gives: shared ones stay."""

    run: str
    environment: str
    path: str
    started: str
    frees: int


def backups(system: System, older_than: int = 0) -> tuple[Backup, ...]:
    """Former environments of ended runs that began more than so many days ago, newest first.

    Those of runs that never ended are not among them: they are what such a run is put back from.
    """
    limit = datetime.fromisoformat(system.now()) - timedelta(days=older_than)
    found = []
    for entry in runs(system)[0]:
        path = _kept(entry)
        if entry.outcome not in _ENDED or datetime.fromisoformat(entry.started) > limit:
            continue
        for place in (path, _leaving(path)):
            if system.kind(place) == "folder":
                frees = system.frees(place)
                found.append(Backup(entry.id, entry.environment, place, entry.started, frees))
    return tuple(found)


def remove(system: System, backup: Backup) -> None:
    """Remove one. It leaves its path by a rename: half of it must never be put back.

    Raises:
        CannotFinishError: a run on its environment is going on.
        OSError: it cannot be removed.
    """
    with hold(system, backup.environment):
        leaving = _leaving(backup.path)
        if system.kind(backup.path) is not None and backup.path != leaving:
            system.rename(backup.path, leaving)
        system.remove(leaving)


def _kept(entry: Entry) -> str:
    """Where the run's steps put the former environment; nothing else is ever removed."""
    own = f"{entry.environment}.llmdoctor-{entry.id}"
    within = f"{entry.environment}/.llmdoctor-{entry.id}"
    steps = (step for step in entry.begun if isinstance(step, (Snapshot, SetAside)))
    return next((step.to for step in steps if step.to in (own, within)), own)


def _leaving(path: str) -> str:
    return path if path.endswith("-pruned") else f"{path}-pruned"
