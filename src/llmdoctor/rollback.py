"""Take back the steps of a run, from what its journal says and what lies on disk."""

from __future__ import annotations

from llmdoctor.errors import UnreadableError
from llmdoctor.journal import Entry, runs_dir
from llmdoctor.plan import MARK, Run, SetAside, Snapshot, Write
from llmdoctor.system import System


def keep(system: System, step: Write, run_id: str, number: int) -> None:
    """Keep the bytes that a file has before a step writes it; call it before the step begins."""
    former = system.read_bytes(step.path)
    if former is not None:
        system.write_bytes(_kept(system, run_id, number), former)


def still_there(system: System, entry: Entry) -> bool:
    """Whether the environment at the run's path is the one that the run worked on.

    After a run was cut off its user may have removed the remains and made another environment
    there: that one is nobody's to take back. A run that was cut off before its mark, or whose
    environment is gone, has nothing there that could be lost.
    """
    for step in entry.begun[: entry.finished]:
        if isinstance(step, Write) and step.path == f"{entry.environment}/{MARK}":
            there = system.kind(entry.environment) is not None
            return not there or system.read_text(step.path) == step.content
    return True


def take_back(system: System, entry: Entry) -> tuple[str, ...]:
    """Undo a run's steps, last first. What could not be undone comes back as text.

    Each undoing looks at what is on disk and may be repeated: it can itself have been cut off.
    """
    left = []
    # What was built in the place of something that was set aside goes when that is put back, and
    # only then: once it is back, the same path holds what must stay.
    set_aside = {step.path for step in entry.begun if isinstance(step, SetAside)}
    mark = f"{entry.environment}/{MARK}"
    for number in range(len(entry.begun) - 1, -1, -1):
        step = entry.begun[number]
        try:
            if isinstance(step, Snapshot) and number >= entry.finished:
                _remove(system, step.to)  # half a clone of what was not changed yet
            elif isinstance(step, (Snapshot, SetAside)):
                _put_back(system, step.path, step.to)
            elif isinstance(step, Write) and step.path != mark:  # the mark goes with its tree
                _rewrite(system, step.path, _kept(system, entry.id, number))
            elif isinstance(step, Run) and step.creates and step.creates not in set_aside:
                _remove(system, step.creates)
        except _NotUndoneError as error:
            left.append(f"  {step.text}: {error}")
        except (OSError, UnreadableError) as error:
            left.append(f"  {step.text}: cannot be undone: {error}")
    return tuple(left)


class _NotUndoneError(Exception):
    """What is where after an undoing that failed."""


def _remove(system: System, path: str) -> None:
    if system.kind(path) is not None:
        try:
            system.remove(path)
        except OSError as error:
            raise _NotUndoneError(f"{path} is left over, remove it: {error}") from None


def _rewrite(system: System, path: str, kept: str) -> None:
    former = system.read_bytes(kept)
    if former is None:
        _remove(system, path)
    elif system.read_bytes(path) != former:
        try:
            system.write_bytes(path, former)
        except OSError as error:
            raise _NotUndoneError(f"{path} was changed, as it was: {kept}: {error}") from None


def _put_back(system: System, path: str, kept: str) -> None:
    """Rename the kept tree back to its place; the changed one goes only once that has happened."""
    failed = f"{kept}-failed"
    if system.kind(kept) is not None:
        try:
            if system.kind(path) is not None:
                _remove(system, failed)
                system.rename(path, failed)
            system.rename(kept, path)
        except OSError as error:
            changed = path if system.kind(path) is not None else failed
            raise _NotUndoneError(
                f"the former {path} is at {kept}, the changed one at {changed}: {error}"
            ) from None
    _remove(system, failed)


def _kept(system: System, run_id: str, number: int) -> str:
    """Where a written file's former bytes lie; nothing there: there was no file."""
    return f"{runs_dir(system)}/{run_id}/{number}.kept"
