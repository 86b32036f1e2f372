"""The journal of a run: one line before and after each step, on disk before the step begins.

A run's folder is `<state>/runs/<id>/`: `journal.jsonl`, and the files that its installers read.
Whatever ends a run, its journal tells the next one what to take back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from llmdoctor import wire
from llmdoctor.plan import Step
from llmdoctor.system import System


@dataclass(frozen=True)
class Entry:
    """A run as its journal tells it. `outcome` None: it never ended."""

    id: str
    environment: str
    profiles: tuple[str, ...]
    started: str
    begun: tuple[Step, ...]  # steps that began, in order
    finished: int  # how many of them ended well
    outcome: str | None = None  # kept, restored, incomplete, undone


class Journal:
    """Writes one run's journal."""

    def __init__(self, system: System, run_id: str) -> None:
        self._system = system
        self.id = run_id
        self.folder = f"{runs_dir(system)}/{run_id}"
        self._path = f"{self.folder}/journal.jsonl"

    def start(self, environment: str, profiles: tuple[str, ...]) -> None:
        """Open the journal."""
        self._write(
            type="run",
            id=self.id,
            environment=environment,
            profiles=list(profiles),
            started=self._system.now(),
        )

    def begin(self, number: int, step: Step) -> None:
        """Say what is about to be done."""
        self._write(type="begin", number=number, step=_without_secrets(step))

    def done(self, number: int) -> None:
        """Say that it was done."""
        self._write(type="done", number=number)

    def end(self, outcome: str) -> None:
        """Close the journal: kept, restored, incomplete or undone."""
        self._write(type="end", outcome=outcome, at=self._system.now())

    def _write(self, **record: object) -> None:
        self._system.append_line(self._path, json.dumps(record))


def runs_dir(system: System) -> str:
    """Where this user's runs are kept."""
    return f"{system.state_dir()}/runs"


def new_id(system: System) -> str:
    """An identifier that sorts by time."""
    stamp = "".join(char for char in system.now()[:19] if char.isdigit())
    taken = system.names(runs_dir(system)) or ()
    number = 0
    while f"{stamp}-{number}" in taken:
        number += 1
    return f"{stamp}-{number}"


def entries(system: System) -> tuple[Entry, ...]:
    """Every run of this user, oldest first. A journal cut off inside a line still counts."""
    found = []
    for run_id in system.names(runs_dir(system)) or ():
        text = system.read_text(f"{runs_dir(system)}/{run_id}/journal.jsonl")
        if text and (entry := parse(text)):
            found.append(entry)
    return tuple(found)


def parse(text: str) -> Entry | None:
    """Read a journal; None when not even its first line was written."""
    head: dict[str, object] = {}
    begun: list[Step] = []
    finished = 0
    outcome = None
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            break
        if record["type"] == "run":
            head = record
        elif record["type"] == "begin":
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
        profiles=tuple(str(name) for name in head["profiles"]),  # type: ignore[attr-defined]
        started=str(head["started"]),
        begun=tuple(begun),
        finished=finished,
        outcome=outcome,
    )


def _without_secrets(step: Step) -> object:
    """A step as it may lie on disk: variables can carry credentials and are not needed again."""
    data = wire.dump(step)
    if "env" in data:
        data["env"] = {}
    return data
