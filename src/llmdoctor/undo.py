"""Take back a run that was kept."""

from __future__ import annotations

from llmdoctor.errors import RollbackIncompleteError, UsageError
from llmdoctor.install import absolute, hold
from llmdoctor.journal import Entry, Journal, entries
from llmdoctor.plan import Run, SetAside, Snapshot
from llmdoctor.rollback import changed_since, files, installs, owner, take_back
from llmdoctor.system import System


def runs(system: System) -> tuple[tuple[Entry, ...], dict[str, str]]:
    """Every run, newest first, and where the former environments lie that are still there."""
    found = tuple(reversed(entries(system)))
    backups = {
        entry.id: step.to
        for entry in found
        for step in entry.begun
        if isinstance(step, (Snapshot, SetAside)) and system.kind(step.to) is not None
    }
    return found, backups


def find(system: System, run_id: str | None, environment: str, project: str | None = None) -> Entry:
    """The run of that identifier, or the newest on `environment` that can be taken back.

    With a `project` folder, a run that wrote files in it counts as well: Poetry may have made
    another environment since, elsewhere. A run that changed nothing (everything was there already)
    stands in nobody's way.

    Raises:
        UsageError: there is none, it was taken back already, or a later run builds on it.
    """
    known, _ = runs(system)
    open_runs = [
        entry
        for entry in known
        if entry.outcome in ("kept", None, "incomplete")
        and (changes_environment(entry) or files(system, entry) or installs(entry))
    ]
    if run_id is None:
        place = absolute(system, environment)
        folder = absolute(system, project) if project is not None else None
        here = [entry for entry in open_runs if _is_about(system, entry, place, folder)]
        if here:
            return here[0]
        others = {entry.environment: entry.id for entry in reversed(open_runs)}
        told = "".join(f"\n  {run}  {where}" for where, run in others.items())
        raise UsageError(
            f"there is nothing to undo in {place}" + (told and f"; elsewhere:{told}"),
            next_command="llmdoctor history",
        )
    entry = next((entry for entry in known if entry.id == run_id), None)
    if entry is None:
        raise UsageError(f"there is no run {run_id}", next_command="llmdoctor history")
    if entry not in open_runs:
        why = f"is already {entry.outcome}" if entry.outcome != "kept" else "changed nothing"
        raise UsageError(f"run {run_id} {why}", next_command="llmdoctor history")
    later = [other for other in open_runs if other.environment == entry.environment]
    if later[0] is not entry:
        raise UsageError(
            f"run {later[0].id} changed {entry.environment} after {run_id}",
            next_command=f"llmdoctor undo {later[0].id}",
        )
    return entry


def _is_about(system: System, entry: Entry, environment: str, project: str | None) -> bool:
    """Whether a run changed that environment, or files beside it (Poetry's may lie elsewhere)."""
    beside = {system.flavour(environment).parent}
    if project is not None:
        beside.add(system.flavour(project))
    wrote = {system.flavour(step.path).parent for step in files(system, entry).values()}
    return entry.environment == environment or bool(beside & wrote)


def removes(entry: Entry) -> bool:
    """Whether there was no environment before the run, so that undoing removes the folder."""
    return changes_environment(entry) and not any(
        isinstance(step, (Snapshot, SetAside)) for step in entry.begun
    )


def changes_environment(entry: Entry) -> bool:
    """Whether the run made or changed its environment, and not only files outside it."""
    return any(
        isinstance(step, (Snapshot, SetAside)) or (isinstance(step, Run) and bool(step.creates))
        for step in entry.begun
    )


def places(system: System, entry: Entry) -> tuple[str, ...]:
    """What taking a run back puts back: its environment, and files outside it."""
    environment = (entry.environment,) if changes_environment(entry) else ()
    wrote = (step.path for step in files(system, entry).values())
    return (*environment, *dict.fromkeys(wrote), *installs(entry))


def undo(system: System, entry: Entry) -> None:
    """Put the environment of a run back.

    Raises:
        UsageError: its former environment is no longer there.
        RollbackIncompleteError: something could not be put back.
    """
    with hold(system, entry.environment):
        # as it is now: another run may have held the lock
        entry = find(system, entry.id, entry.environment)
        if entry.outcome == "kept":
            _refuse_what_is_gone(system, entry)
        left = take_back(system, entry, owner(system, entry))
        Journal(system, entry.id).end("incomplete" if left else "undone")
    if left:
        raise RollbackIncompleteError(
            f"run {entry.id} could not be taken back completely:\n" + "\n".join(left),
            next_command="llmdoctor history",
        )


def _refuse_what_is_gone(system: System, entry: Entry) -> None:
    for step in entry.begun:
        if isinstance(step, (Snapshot, SetAside)) and system.kind(step.to) is None:
            raise UsageError(
                f"{step.to} is no longer there, so {entry.environment} stays as it is",
                next_command="llmdoctor history",
            )
    for number, step in files(system, entry).items():
        if changed_since(system, entry, number):
            raise UsageError(
                f"{step.path} was changed after run {entry.id}; undoing would lose that",
                next_command="llmdoctor history",
            )
    if owner(system, entry) == "somebody":
        raise UsageError(
            f"{entry.environment} is not the environment that run {entry.id} made any more, "
            "so it stays as it is",
            next_command="llmdoctor history",
        )
