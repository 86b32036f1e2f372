"""Carry out a plan, or take it back: an environment is never left changed by a run that failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from llmdoctor.errors import InterruptedRunError, RollbackIncompleteError, RolledBackError
from llmdoctor.journal import Entry, Journal, entries
from llmdoctor.plan import Plan, Run, SetAside, Smoke, Snapshot, Step, Tell, Verify, Write
from llmdoctor.proof import Proof
from llmdoctor.smoke import prove
from llmdoctor.system import System
from llmdoctor.verify import problems


class Watcher(Protocol):
    """Who is told how a run goes on."""

    def step(self, number: int, total: int, text: str) -> None:
        """A step begins."""

    def line(self, text: str) -> None:
        """A program that a step runs says something."""


class StepFailedError(Exception):
    """A step did not do what it is for."""

    def __init__(self, message: str, proof: Proof | None = None) -> None:
        super().__init__(message)
        self.proof = proof


@dataclass(frozen=True)
class Done:
    """A plan that was carried out and kept. `backup` is where the former environment lies."""

    run: str
    proof: Proof | None
    backup: str | None


def execute(system: System, plan: Plan, journal: Journal, watch: Watcher) -> Done:
    """Carry out the plan's steps under its journal.

    Raises:
        RolledBackError: a step failed; the environment is as it was.
        InterruptedRunError: the user stopped it; the environment is as it was.
        RollbackIncompleteError: something could not be put back; the message says what is where.
    """
    journal.start(plan.environment, plan.choice.profiles)
    proof: Proof | None = None
    try:
        for number, step in enumerate(plan.steps):
            watch.step(number + 1, len(plan.steps), step.text)
            journal.begin(number, step)
            proof = _do(system, step, watch) or proof
            journal.done(number)
    except KeyboardInterrupt:
        _give_back(system, plan, journal, "interrupted")
        raise InterruptedRunError(
            "interrupted; " + _as_before(plan), next_command="llmdoctor history"
        ) from None
    except (StepFailedError, OSError) as error:
        _give_back(system, plan, journal, str(error))
        failed = RolledBackError(f"{error}\n{_as_before(plan)}", next_command=_next(plan))
        failed.proof = error.proof if isinstance(error, StepFailedError) else None
        raise failed from None
    journal.end("kept")
    backups = [step.to for step in plan.steps if isinstance(step, (Snapshot, SetAside))]
    return Done(journal.id, proof, backups[0] if backups else None)


def _do(system: System, step: Step, watch: Watcher) -> Proof | None:
    if isinstance(step, Run):
        done = system.run(step.argv, env=step.env, timeout=step.timeout, on_line=watch.line)
        if not done.ok:
            why = done.problem or f"exit code {done.code}"
            said = (done.err.strip() or done.out.strip())[-2000:]
            raise StepFailedError(f"could not {step.text}: {why}\n{said}".rstrip())
    elif isinstance(step, Write):
        system.write_bytes(step.path, step.content.encode())
    elif isinstance(step, Snapshot):
        system.clone_tree(step.path, step.to)
    elif isinstance(step, SetAside):
        system.rename(step.path, step.to)
    elif isinstance(step, Verify):
        if found := problems(system, step):
            raise StepFailedError("the installed environment is not right:\n" + "\n".join(found))
    elif isinstance(step, Smoke):
        proof = prove(system, step.path)
        if not proof.passed:
            raise StepFailedError(_why_not_proven(proof), proof)
        return proof
    else:
        assert isinstance(step, Tell)
        watch.line(step.text)
    return None


def _why_not_proven(proof: Proof) -> str:
    if proof.problem:
        return f"the smoke test could not prove the environment: {proof.problem}"
    bad = [row for row in proof.rows if row.outcome not in ("pass", "skip")]
    lines = [
        f"  {row.backend}/{row.kernel}/{row.mode}/{row.dtype}: {row.outcome}: {row.detail}"
        for row in bad
    ]
    return "\n".join([f"the smoke test failed in {len(bad)} of {len(proof.rows)} rows:", *lines])


def _give_back(system: System, plan: Plan, journal: Journal, why: str) -> None:
    """Undo what the journal says was begun, whatever signals come in meanwhile."""
    with system.uninterrupted():
        entry = next(entry for entry in entries(system) if entry.id == journal.id)
        left = take_back(system, entry)
        journal.end("incomplete" if left else "restored")
    if left:
        raise RollbackIncompleteError(
            f"{why}\n{plan.environment} could not be put back completely:\n" + "\n".join(left),
            next_command=f"llmdoctor undo {journal.id}",
        )


def take_back(system: System, entry: Entry) -> tuple[str, ...]:
    """Undo a run's steps, last first. What could not be undone comes back as text.

    Each undoing looks at what is on disk and may be repeated: it can itself have been cut off.
    """
    left = []
    for number in range(len(entry.begun) - 1, -1, -1):
        step = entry.begun[number]
        undo: Callable[[System], None] | None = None
        if isinstance(step, Snapshot):
            complete = number < entry.finished
            undo = _put_back(step.path, step.to) if complete else _removal(step.to)
        elif isinstance(step, SetAside):
            undo = _put_back(step.path, step.to)
        elif isinstance(step, Run) and step.creates is not None:
            undo = _removal(step.creates)
        try:
            if undo is not None:
                undo(system)
        except OSError as error:
            left.append(f"  {step.text}: {error}")
    return tuple(left)


def _removal(path: str) -> Callable[[System], None]:
    return lambda system: system.remove(path)


def _put_back(path: str, kept: str) -> Callable[[System], None]:
    """Rename the kept tree back to its place; the changed one goes only once that has happened."""

    def undo(system: System) -> None:
        failed = f"{kept}-failed"
        if system.kind(kept) is not None:
            if system.kind(path) is not None:
                system.remove(failed)
                system.rename(path, failed)
            system.rename(kept, path)
        system.remove(failed)

    return undo


def unfinished(system: System, environment: str) -> tuple[Entry, ...]:
    """Runs on that environment that never ended, newest first."""
    return tuple(
        entry
        for entry in reversed(entries(system))
        if entry.environment == environment and entry.outcome in (None, "incomplete")
    )


def recover(system: System, environment: str) -> tuple[Entry, ...]:
    """Take back runs on that environment that were cut off. Call it under the environment's lock.

    Raises:
        RollbackIncompleteError: something could not be put back.
    """
    found = unfinished(system, environment)
    for entry in found:
        left = take_back(system, entry)
        Journal(system, entry.id).end("incomplete" if left else "restored")
        if left:
            raise RollbackIncompleteError(
                f"run {entry.id} was cut off and cannot be taken back completely:\n"
                + "\n".join(left),
                next_command="llmdoctor history",
            )
    return found


def _as_before(plan: Plan) -> str:
    made = any(isinstance(step, (Snapshot, SetAside)) for step in plan.steps)
    if made:
        return f"{plan.environment} is as it was before"
    created = any(isinstance(step, Run) and step.creates for step in plan.steps)
    return f"{plan.environment} was removed again" if created else "nothing was changed"


def _next(plan: Plan) -> str:
    return f"llmdoctor check --env {plan.environment}"
