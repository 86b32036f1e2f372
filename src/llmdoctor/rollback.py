"""Take back the steps of a run, from what its journal says and what lies on disk."""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

from llmdoctor import pip_config, wire
from llmdoctor.errors import UnreadableError
from llmdoctor.installers import uv as uv_installer
from llmdoctor.journal import Entry, digest, runs_dir
from llmdoctor.machine import MARK
from llmdoctor.plan import Run, SetAside, Snapshot, Write
from llmdoctor.system import Modes, System

Owner: TypeAlias = Literal["run", "somebody", "unknown"]


def keep(system: System, step: Write, run_id: str, number: int) -> None:
    """Keep the bytes that a file has before a step writes it; call it before the step begins."""
    former = system.read_bytes(step.path)
    if former is not None:
        system.write_bytes(_kept(system, run_id, number), former)


def keep_modes(system: System, modes: Modes, run_id: str, number: int) -> None:
    """Keep the permission bits of what a step has cloned: a link shares them with its original."""
    system.write_bytes(_kept(system, run_id, number), json.dumps(wire.dump(modes)).encode())


def inside(system: System, environment: str, path: str) -> bool:
    """Whether a path lies in an environment, and so goes and comes back with its tree."""
    return system.flavour(environment) in system.flavour(path).parents


def files(system: System, entry: Entry) -> dict[int, Write]:
    """The user's files that a run wrote outside its environment, by the number of their step."""
    own = f"{runs_dir(system)}/{entry.id}"
    return {
        number: step
        for number, step in enumerate(entry.begun)
        if isinstance(step, Write)
        and not inside(system, entry.environment, step.path)
        and not inside(system, own, step.path)
    }


def changed_since(system: System, entry: Entry, number: int) -> bool:
    """Whether somebody else wrote the file of that step after the run did."""
    step = entry.begun[number]
    assert isinstance(step, Write)
    now = system.read_bytes(step.path)
    if now is None or number not in entry.wrote:
        return False
    former = system.read_bytes(_kept(system, entry.id, number))
    return now != former and digest(now) != entry.wrote[number]


def owner(system: System, entry: Entry) -> Owner:
    """Whose environment lies at the run's path.

    After a run was cut off its user may have removed the remains and made another environment
    there. The mark tells; a run that was cut off before its mark leaves it unknown.
    """
    if system.kind(entry.environment) is None:
        return "run"
    for number, step in enumerate(entry.begun):
        if isinstance(step, Write) and step.path == f"{entry.environment}/{MARK}":
            if system.read_text(step.path) == step.content:
                return "run"
            return "somebody" if number < entry.finished else "unknown"
    return "unknown"


# A variable of every program that a run starts, with the run's own folder: identifiers of two users
# may be equal. A doctor that is killed outright takes its own child along, and not what that child
# has started: pip under ensurepip, a compiler under a build. What still runs would write into the
# environment that is put back.
MARK_OF_CHILDREN = "LLMDOCTOR_RUN"


def take_back(system: System, entry: Entry, whose: Owner = "run") -> tuple[str, ...]:
    """Undo a run's steps, last first. What could not be undone comes back as text.

    Each undoing looks at what is on disk and may be repeated: it can itself have been cut off.
    What is surely the run's own leaves the path by one rename and is removed after that, so that
    a half-removed tree never lies at the path. Where nobody can tell (`whose` is unknown), nothing
    at the path is removed: it goes to `unclear`. What is somebody's stays.
    """
    system.end_marked(MARK_OF_CHILDREN, f"{runs_dir(system)}/{entry.id}")
    left = []
    # What was built in the place of something that was set aside goes when that is put back, and
    # only then: once it is back, the same path holds what must stay.
    kept_apart = {step.path for step in entry.begun if isinstance(step, SetAside)}
    for number in range(len(entry.begun) - 1, -1, -1):
        step = entry.begun[number]
        try:
            if isinstance(step, Snapshot) and (number >= entry.finished or whose == "unknown"):
                _remove(system, step.to)  # a clone of what was not changed yet: the mark is first
            elif isinstance(step, Snapshot) and step.in_place and whose != "somebody":
                _restore(system, entry, number, step)
            elif isinstance(step, (Snapshot, SetAside)) and whose != "somebody":
                _put_back(system, entry, number, step, whose)
            elif isinstance(step, Write) and not inside(system, entry.environment, step.path):
                _rewrite(system, entry, number)
            elif isinstance(step, Run) and step.undo:
                _run_back(system, step)
            elif (
                isinstance(step, Run)
                and step.creates
                and step.creates not in kept_apart
                and whose != "somebody"
            ):
                _clear(system, entry, step.creates, whose)
        except _NotUndoneError as error:
            left.append(f"  {step.text}: {error}")
        except (OSError, UnreadableError) as error:
            left.append(f"  {step.text}: cannot be undone: {error}")
    try:
        _remove(system, _failed(entry))
    except (_NotUndoneError, UnreadableError) as error:
        left.append(f"  {error}")
    return tuple(left)


def installs(entry: Entry) -> tuple[str, ...]:
    """What a run made outside every environment, by programs that take it back themselves."""
    return tuple(
        step.made for step in entry.begun if isinstance(step, Run) and step.undo and step.made
    )


def unclear(entry: Entry) -> str:
    """Where what lay at the run's path goes when nobody can tell whose it is."""
    return f"{entry.environment}.llmdoctor-{entry.id}-unclear"


def _failed(entry: Entry) -> str:
    """Where the run's own tree goes on its way out."""
    return f"{entry.environment}.llmdoctor-{entry.id}-failed"


class _NotUndoneError(Exception):
    """What is where after an undoing that failed."""


def _remove(system: System, path: str) -> None:
    if system.kind(path) is not None:
        try:
            system.remove(path)
        except OSError as error:
            raise _NotUndoneError(f"{path} is left over, remove it: {error}") from None


def _run_back(system: System, step: Run) -> None:
    if step.made is not None and system.kind(step.made) is None:
        return
    # the journal keeps no variables, which may hold passwords: they are as pip is configured now
    env = uv_installer.environment(pip_config.read(system), system.environ)
    done = system.run(step.undo, env=env, timeout=step.timeout)
    if not done.ok:
        why = done.err.strip()[-500:] or done.problem or f"exit code {done.code}"
        raise _NotUndoneError(f"`{' '.join(step.undo)}` did not take it back: {why}")


def _rewrite(system: System, entry: Entry, number: int) -> None:
    path, kept = entry.begun[number].path, _kept(system, entry.id, number)  # type: ignore[union-attr]
    former = system.read_bytes(kept)
    if changed_since(system, entry, number):
        before = "there was none" if former is None else f"as it was: {kept}"
        raise _NotUndoneError(f"{path} was changed by somebody else since, and stays ({before})")
    if former is None:
        _remove(system, path)
    elif system.read_bytes(path) != former:
        try:
            system.write_bytes(path, former)
        except OSError as error:
            raise _NotUndoneError(f"{path} was changed, as it was: {kept}: {error}") from None


def _put_back(
    system: System, entry: Entry, number: int, step: Snapshot | SetAside, whose: Owner
) -> None:
    """Rename the kept tree back to its place; the changed one goes only once that has happened."""
    path, kept = step.path, step.to
    if system.kind(kept) is None:
        return
    try:
        _set_modes(system, entry, number, kept)
        _clear(system, entry, path, whose)
        system.rename(kept, path)
    except OSError as error:
        gone = _failed(entry) if whose == "run" else unclear(entry)
        changed = path if system.kind(path) is not None else gone
        raise _NotUndoneError(
            f"the former {path} is at {kept}, the changed one at {changed}: {error}"
        ) from None


def _set_modes(system: System, entry: Entry, number: int, clone: str) -> None:
    """Give a clone its files' own modes again.

    Where none are on record (an older version's run, a power cut) the files alone are what counts.
    """
    try:
        record = json.loads(system.read_text(_kept(system, entry.id, number)) or "null")
        modes = wire.load(Modes, record)
    except ValueError:
        return
    system.set_modes(clone, modes)


def _restore(system: System, entry: Entry, number: int, step: Snapshot) -> None:
    """Put the files back one by one. The clone leaves its path before half of it can be gone."""
    leaving = f"{step.to}-restored"
    if system.kind(step.to) is not None:
        try:
            _set_modes(system, entry, number, step.to)
            system.restore_tree(step.to, step.path)
            system.rename(step.to, leaving)
        except OSError as error:
            raise _NotUndoneError(
                f"{step.path} is put back in part, and its former files are at {step.to}: {error}"
            ) from None
    _remove(system, leaving)


def _clear(system: System, entry: Entry, path: str, whose: Owner) -> None:
    """Take what lies at the path away from it, by one rename."""
    if system.kind(path) is None:
        return
    if whose == "run":
        _remove(system, _failed(entry))
        system.rename(path, _failed(entry))
    else:
        system.rename(path, unclear(entry))


def _kept(system: System, run_id: str, number: int) -> str:
    """Where a step keeps what it needs to be undone, such as the former bytes of a file.

    Nothing there: there was no file.
    """
    return f"{runs_dir(system)}/{run_id}/{number}.kept"
