"""The journal of a run: one line before and after each step, on disk before the step begins.

A run's folder is `<state>/runs/<id>/`: `journal.jsonl`, and the files that its installers read.
Whatever ends a run, its journal tells the next one what to take back.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import dataclass, field

from llmdoctor import wire
from llmdoctor.machine import MARK
from llmdoctor.plan import Run, Step, Write
from llmdoctor.system import System


@dataclass(frozen=True)
class Entry:
    """A run as its journal tells it. `outcome` None: it never ended.

    `subjects` are the profiles of an install, or the codes of what a fix repairs.
    """

    id: str
    environment: str
    subjects: tuple[str, ...]
    started: str
    begun: tuple[Step, ...]  # steps that began, in order
    finished: int  # how many of them ended well
    # kept, restored, incomplete, undone, abandoned; unreadable; unreadable, not ended
    outcome: str | None = None
    command: str = "install"
    wrote: dict[int, str] = field(default_factory=dict)  # sha256 of what its Write steps write

    @property
    def title(self) -> str:
        """What the run is called where runs are listed."""
        names = " + ".join(self.subjects)
        return names if self.command == "install" else f"{self.command} {names}"


_ID = re.compile(r"\d{14}-\d{4}")


class Journal:
    """Writes one run's journal."""

    def __init__(self, system: System, run_id: str) -> None:
        self._system = system
        self.id = run_id
        self.folder = f"{runs_dir(system)}/{run_id}"
        self._path = journal_path(system, run_id)

    def start(self, environment: str, subjects: tuple[str, ...], command: str = "install") -> None:
        """Open the journal."""
        self._write(
            type="run",
            id=self.id,
            command=command,
            environment=environment,
            subjects=list(subjects),
            started=self._system.now(),
        )

    def begin(self, number: int, step: Step) -> None:
        """Say what is about to be done."""
        wrote = {"sha256": digest(step.content.encode())} if isinstance(step, Write) else {}
        self._write(type="begin", number=number, step=_without_secrets(step), **wrote)

    def done(self, number: int) -> None:
        """Say that it was done."""
        self._write(type="done", number=number)

    def end(self, outcome: str) -> None:
        """Close the journal: kept, restored, incomplete, undone or abandoned."""
        self._write(type="end", outcome=outcome, at=self._system.now())

    def _write(self, **record: object) -> None:
        self._system.append_line(self._path, json.dumps(record))


def digest(data: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def runs_dir(system: System) -> str:
    """Where this user's runs are kept."""
    return f"{system.state_dir()}/runs"


def new_id(system: System) -> str:
    """An identifier that sorts behind those of all runs before, whatever the clock says.

    It is the time, unless that was set back: `undo` takes the last one for the newest. Two runs
    that begin at once on two environments hardly ever draw the same.
    """
    stamp = "".join(char for char in system.now()[:19] if char.isdigit())
    begun = [name for name in system.names(runs_dir(system)) or () if _ID.fullmatch(name)]
    last, _, number = max(begun, default="-").partition("-")
    if last < stamp:
        return f"{stamp}-{random.randrange(1_000):04}"  # noqa: S311 - not a secret
    following = int(number) + random.randrange(1, 100)  # noqa: S311 - not a secret
    return f"{last}-{following:04}" if following < 10_000 else f"{int(last) + 1}-0000"


def entries(system: System) -> tuple[Entry, ...]:
    """Every run of this user, oldest first. A journal cut off inside a line still counts.

    One that is damaged in another way, or written by another version of llmdoctor, is there as
    "unreadable": it must not stand in the way of work on other environments.
    """
    found = []
    for run_id in system.names(runs_dir(system)) or ():
        text = system.read_text(journal_path(system, run_id)) or ""
        try:
            entry = parse(text)
        except (KeyError, TypeError, ValueError):
            entry = _unreadable(run_id, text)
        if entry is not None:
            found.append(entry)
    return tuple(found)


def journal_path(system: System, run_id: str) -> str:
    """Where a run's journal lies."""
    return f"{runs_dir(system)}/{run_id}/journal.jsonl"


def _unreadable(run_id: str, text: str) -> Entry:
    """What can still be told of a journal whose lines say something unknown."""
    records = []
    for line in text.splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    tables = [record for record in records if isinstance(record, dict)]
    head = next((table for table in tables if table.get("type") == "run"), {})
    ended = any(table.get("type") == "end" for table in tables)
    return Entry(
        id=run_id,
        environment=str(head.get("environment", "")),
        subjects=(),
        started=str(head.get("started", "")),
        begun=(),
        finished=0,
        outcome="unreadable" if ended else "unreadable, not ended",
    )


def parse(text: str) -> Entry | None:
    """Read a journal; None when not even its first line was written.

    A line that was cut off is left out: what it told had not begun, or not ended. Lines may follow
    it, for the next run closes the journal.

    Raises:
        KeyError, TypeError, ValueError: a whole line that says something else.
    """
    head: dict[str, object] = {}
    begun: list[Step] = []
    wrote: dict[int, str] = {}
    finished = 0
    outcome = None
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if record["type"] == "run":
            head = record
        elif record["type"] == "begin":
            if "sha256" in record:
                wrote[len(begun)] = str(record["sha256"])
            begun.append(wire.load(Step, record["step"]))  # type: ignore[arg-type]
        elif record["type"] == "done":
            finished += 1
        else:
            outcome = str(record["outcome"])
    if not head:
        return None
    return Entry(
        id=str(head["id"]),
        environment=str(head["environment"]),
        subjects=tuple(str(name) for name in head["subjects"]),  # type: ignore[attr-defined]
        started=str(head["started"]),
        begun=tuple(begun),
        finished=finished,
        outcome=outcome,
        command=str(head["command"]),
        wrote=wrote,
    )


def _without_secrets(step: Step) -> object:
    """A step as it may lie on disk.

    Variables and written files can carry credentials. Neither is needed again, but for the mark:
    it tells whose an environment is.
    """
    data = wire.dump(step)
    if isinstance(step, Run):
        data["env"] = {}
    if isinstance(step, Write) and not step.path.endswith(f"/{MARK}"):
        data["content"] = ""
    return data
