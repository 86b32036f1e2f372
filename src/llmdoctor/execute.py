"""Carry out a plan, or take it back: an environment is never left changed by a run that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from llmdoctor.errors import (
    CannotFinishError,
    InterruptedRunError,
    RollbackIncompleteError,
    RolledBackError,
    UnreadableError,
)
from llmdoctor.journal import Entry, Journal, entries, journal_path
from llmdoctor.plan import Plan, Run, SetAside, Smoke, Snapshot, Step, Tell, Verify, Write
from llmdoctor.proof import Proof
from llmdoctor.rollback import keep, owner, take_back
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
    begun: list[Step] = []
    finished = 0
    proof: Proof | None = None
    try:
        for number, step in enumerate(plan.steps):
            watch.step(number + 1, len(plan.steps), step.text)
            if isinstance(step, Run) and step.creates and system.kind(step.creates) is not None:
                # somebody made it while the plan was read: it is theirs, and stays
                raise StepFailedError(f"{step.creates} has appeared since the plan was made")
            if isinstance(step, Write):
                keep(system, step, journal.id, number)
            journal.begin(number, step)
            begun.append(step)
            proof = _do(system, step, watch) or proof
            journal.done(number)
            finished += 1
        journal.end("kept")
    except KeyboardInterrupt:
        _give_back(system, plan, journal, (begun, finished), "interrupted")
        raise InterruptedRunError(
            "interrupted; " + _as_before(plan), next_command="llmdoctor history"
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, the environment goes back
        expected = isinstance(error, (StepFailedError, OSError, UnreadableError))
        why = str(error) if expected else f"{type(error).__name__}: {error}"
        _give_back(system, plan, journal, (begun, finished), why)
        failed = RolledBackError(f"{why}\n{_as_before(plan)}", next_command=_next(plan))
        failed.proof = error.proof if isinstance(error, StepFailedError) else None
        raise failed from (None if expected else error)
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


def _give_back(
    system: System, plan: Plan, journal: Journal, begun: tuple[list[Step], int], why: str
) -> None:
    """Undo what was begun, whatever signals come in meanwhile, and whatever the journal takes."""
    steps, finished = begun
    entry = Entry(journal.id, plan.environment, (), "", tuple(steps), finished)
    with system.uninterrupted():
        left = take_back(system, entry)
        try:
            journal.end("incomplete" if left else "restored")
        except OSError as error:  # the next run on this environment finds nothing left to undo
            why += f"\n(the journal could not be closed: {error})"
    if left:
        raise RollbackIncompleteError(
            f"{why}\n{plan.environment} could not be put back completely:\n" + "\n".join(left),
            next_command=f"llmdoctor undo {journal.id}",
        )


def unfinished(system: System, environment: str) -> tuple[Entry, ...]:
    """Runs on that environment that never ended, newest first.

    Raises:
        CannotFinishError: one of them has a journal that this version cannot read.
    """
    found = [entry for entry in reversed(entries(system)) if entry.environment == environment]
    for entry in found:
        if entry.outcome == "unreadable, not ended":
            raise CannotFinishError(
                f"run {entry.id} on {environment} never ended, and its journal cannot be read: "
                + journal_path(system, entry.id),
                next_command="llmdoctor --version",
            )
    return tuple(entry for entry in found if entry.outcome in (None, "incomplete"))


def recover(system: System, environment: str) -> tuple[Entry, ...]:
    """Take back runs on that environment that were cut off. Call it under the environment's lock.

    Gives them with their outcome: restored, or abandoned where the environment is no longer theirs.

    Raises:
        RollbackIncompleteError: something could not be put back.
    """
    found = unfinished(system, environment)
    for entry in found:
        whose = owner(system, entry)
        left = take_back(system, entry, whose)
        kept = [step.to for step in entry.begun if isinstance(step, (Snapshot, SetAside))]
        back = whose != "somebody" or (kept and all(system.kind(path) is None for path in kept))
        outcome = "restored" if back else "abandoned"
        Journal(system, entry.id).end("incomplete" if left else outcome)
        if left:
            raise RollbackIncompleteError(
                f"run {entry.id} was cut off and cannot be taken back completely:\n"
                + "\n".join(left),
                next_command="llmdoctor history",
            )
    return tuple(entry for entry in entries(system) if entry.id in {run.id for run in found})


def _as_before(plan: Plan) -> str:
    made = any(isinstance(step, (Snapshot, SetAside)) for step in plan.steps)
    if made:
        return f"{plan.environment} is as it was before"
    created = any(isinstance(step, Run) and step.creates for step in plan.steps)
    return f"{plan.environment} was removed again" if created else "nothing was changed"


def _next(plan: Plan) -> str:
    return f"llmdoctor check --env {plan.environment}"
