"""Carry out a plan, or take it back: an environment is never left changed by a run that failed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Protocol

from llmdoctor.errors import (
    CannotFinishError,
    FailedRunError,
    InterruptedRunError,
    RollbackIncompleteError,
    RolledBackError,
    UnreadableError,
)
from llmdoctor.failure import Log, Watcher
from llmdoctor.journal import Entry, Journal, digest, entries, journal_path
from llmdoctor.plan import (
    Recheck,
    Remove,
    Run,
    SetAside,
    Smoke,
    Snapshot,
    Step,
    Tell,
    Verify,
    Write,
)
from llmdoctor.promises import broken
from llmdoctor.proof import Proof
from llmdoctor.rollback import MARK_OF_CHILDREN, inside, keep, keep_modes, owner, take_back
from llmdoctor.smoke import prove
from llmdoctor.system import System
from llmdoctor.system.readonly import ReadOnly
from llmdoctor.verify import problems


class Work(Protocol):
    """What is carried out as one, all of it or nothing: an install's plan, or a fix's repairs.

    `command` and `subjects` are what the journal calls it. All of it is about one `environment`,
    and about files outside it.
    """

    @property
    def command(self) -> str:
        """What carries it out: install, fix."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Profiles, or codes of findings."""

    @property
    def environment(self) -> str:
        """The path of the environment that it is about."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is done, in order."""


class StepFailedError(Exception):
    """A step did not do what it is for."""

    def __init__(
        self, message: str, proof: Proof | None = None, unimportable: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.proof = proof
        self.unimportable = unimportable  # modules


@dataclass(frozen=True)
class Done:
    """A plan that was carried out and kept. `backup` is where the former environment lies."""

    run: str
    proof: Proof | None
    backup: str | None


def execute(system: System, work: Work, journal: Journal, watch: Watcher) -> Done:
    """Carry out the steps under their journal.

    Raises:
        RolledBackError: a step failed; the environment is as it was.
        InterruptedRunError: the user stopped it; the environment is as it was.
        RollbackIncompleteError: something could not be put back; the message says what is where.
    """
    journal.start(work.environment, work.subjects, work.command)
    log = Log(watch)
    begun: list[Step] = []
    finished = 0
    proof: Proof | None = None
    try:
        for number, step in enumerate(work.steps):
            log.step(number + 1, len(work.steps), step.text)
            if isinstance(step, Run) and step.creates and system.kind(step.creates) is not None:
                # somebody made it while the plan was read: it is theirs, and stays
                raise StepFailedError(f"{step.creates} has appeared since the plan was made")
            if isinstance(step, Remove) and not inside(system, work.environment, step.path):
                raise StepFailedError(f"{step.path} is not in {work.environment}, and stays")
            if isinstance(step, (Remove, Write)) and inside(system, work.environment, step.path):
                _see_guarded(begun, step)
            if isinstance(step, Write):
                keep(system, step, journal.id, number)
            journal.begin(number, step)
            begun.append(step)
            proof = _do(system, number, step, log, journal, guarded=_guarded(begun)) or proof
            journal.done(number)
            finished += 1
        journal.end("kept")
    except KeyboardInterrupt:
        _give_back(system, work, journal, (begun, finished), "interrupted")
        raise InterruptedRunError(
            "interrupted; " + _as_before(work), next_command="llmdoctor history"
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, the environment goes back
        expected = isinstance(error, (StepFailedError, OSError, UnreadableError))
        why = str(error) if expected else f"{type(error).__name__}: {error}"
        failed: FailedRunError
        try:
            _give_back(system, work, journal, (begun, finished), why)
        except RollbackIncompleteError as incomplete:
            failed = incomplete
        else:
            failed = back = RolledBackError(f"{why}\n{_as_before(work)}", next_command=_next(work))
            if isinstance(error, StepFailedError):
                back.proof, back.unimportable = error.proof, error.unimportable
        log.keep(system, f"{journal.folder}/output.log", why, failed)
        raise failed from (None if expected else error)
    backups = [step.to for step in work.steps if isinstance(step, (Snapshot, SetAside))]
    return Done(journal.id, proof, backups[0] if backups else None)


def _do(
    system: System, number: int, step: Step, watch: Watcher, journal: Journal, *, guarded: bool
) -> Proof | None:
    if isinstance(step, Run):
        done = system.run(
            step.argv,
            env={**step.env, MARK_OF_CHILDREN: journal.folder},
            cwd=step.cwd,
            timeout=step.timeout,
            on_line=watch.line,
        )
        if not done.ok:
            why = done.problem or f"exit code {done.code}"
            said = (done.err.strip() or done.out.strip())[-2000:]
            raise StepFailedError(f"could not {step.text}: {why}\n{said}".rstrip())
    elif isinstance(step, Snapshot):
        cloned = system.clone_tree(step.path, step.to, copy=step.copy)
        keep_modes(system, cloned.modes, journal.id, number)
    elif isinstance(step, (Write, Remove, SetAside)):
        _change(system, step)
    elif isinstance(step, Verify):
        if found := problems(system, step, bytecode=guarded):
            raise StepFailedError(
                "\n  ".join(["the installed environment is not right:", *(p.text for p in found)]),
                unimportable=tuple(problem.module for problem in found if problem.module),
            )
    elif isinstance(step, Smoke):
        proof = prove(
            system,
            step.path,
            tell=lambda beat: None if beat.passing else watch.line(str(beat)),
            bytecode=guarded,
        )
        if doubt := _why_not_proven(proof, step):
            raise StepFailedError(doubt, proof)
        return proof
    elif isinstance(step, Recheck):
        if wrong := _still_wrong(system, step):
            raise StepFailedError("what was found is not mended:\n" + "\n".join(wrong))
    else:
        assert isinstance(step, Tell)
        watch.line(step.text)
    return None


def _change(system: System, step: Write | Remove | SetAside) -> None:
    if isinstance(step, Write):
        system.write_bytes(step.path, step.content.encode())
    elif isinstance(step, Remove):
        system.remove(step.path)
    else:
        system.rename(step.path, step.to)


def _see_guarded(begun: list[Step], step: Write | Remove) -> None:
    """See that what is done inside the environment goes away again when the run is undone."""
    if not _guarded(begun):
        raise StepFailedError(f"{step.path}: an environment is changed under guard only")


def _guarded(begun: list[Step]) -> bool:
    """Whether all that is in the environment goes away again when the run is undone."""
    return any(
        isinstance(step, (Snapshot, SetAside)) or (isinstance(step, Run) and bool(step.creates))
        for step in begun
    )


def _still_wrong(system: System, step: Recheck) -> list[str]:
    """What a second look finds that should be gone, and errors that were not there before."""
    from llmdoctor.diagnose import Question, judge_closely

    question = Question(
        step.profiles,
        environment=step.environment,
        project=step.project,
        ignore=("PY007",),  # a run that has not ended: this one
    )
    _, verdicts = judge_closely(ReadOnly(system), question)
    found = [item for verdict in verdicts for item in verdict.findings]
    return [
        f"  {item.key}\n    {item.detail}"
        for item in found
        if item.key in step.gone or (item.severity == "error" and item.key not in step.before)
    ]


def _why_not_proven(proof: Proof, step: Smoke) -> str | None:
    """Why the proof does not do; None where what is promised passed."""
    if step.promises:
        lines = broken(step.promises, proof.rows)
        head = "the smoke test did not show what is promised:"
    else:
        bad = [row for row in proof.rows if row.bad]
        lines = tuple(f"{row.name}: {row.outcome}: {row.detail}" for row in bad)
        head = f"the smoke test failed in {len(bad)} of {len(proof.rows)} rows:"
    if proof.problem and (lines or not step.promises):
        return f"the smoke test could not prove the environment: {proof.problem}"
    if lines or (not step.promises and not proof.passed):
        return "\n  ".join([head, *lines])
    return None


def _give_back(
    system: System, work: Work, journal: Journal, begun: tuple[list[Step], int], why: str
) -> None:
    """Undo what was begun, whatever signals come in meanwhile, and whatever the journal takes."""
    steps, finished = begun
    wrote = {
        number: digest(step.content.encode())
        for number, step in enumerate(steps)
        if isinstance(step, Write)
    }
    entry = Entry(journal.id, work.environment, (), "", tuple(steps), finished, wrote=wrote)
    with system.uninterrupted():
        left = take_back(system, entry)
        try:
            journal.end("incomplete" if left else "restored")
        except OSError as error:  # the next run on this environment finds nothing left to undo
            why += f"\n(the journal could not be closed: {error})"
    if left:
        raise RollbackIncompleteError(
            f"{why}\n{work.environment} could not be put back completely:\n" + "\n".join(left),
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
        system.end_marked(MARK_OF_CHILDREN, Journal(system, entry.id).folder)
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


def _as_before(work: Work) -> str:
    made = any(isinstance(step, (Snapshot, SetAside)) for step in work.steps)
    if made:
        return f"{work.environment} is as it was before"
    if any(isinstance(step, Run) and step.creates for step in work.steps):
        return f"{work.environment} was removed again"
    if any(isinstance(step, Run) and step.undo for step in work.steps):
        return "what was installed for this user is as it was before"
    wrote = any(isinstance(step, Write) for step in work.steps)
    return "every file is as it was before" if wrote else "nothing was changed"


def _next(work: Work) -> str:
    """What to look at: the environment, or where there is none again, this machine."""
    guarded = any(isinstance(step, (Snapshot, SetAside)) for step in work.steps)
    made = any(isinstance(step, Run) and step.creates for step in work.steps)
    there = () if made and not guarded else ("--env", work.environment)
    return shlex.join(["llmdoctor", "check", *there])
