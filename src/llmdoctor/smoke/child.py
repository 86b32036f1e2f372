"""One child of a proof: started, watched record by record, ended when its row's time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdoctor import wire
from llmdoctor.installers import CLEARED
from llmdoctor.proof import Beat, SmokeRow
from llmdoctor.records import last_words, parse_records
from llmdoctor.system import Completed, System

Tell = Callable[[Beat], None]

# What CUDA says when a process cannot use the GPU any more: errors 214, 700, 702, 710 and 714 to
# 719, after which "the process must be terminated and relaunched" (CUDA runtime API, cudaError_t).
# torch and Triton put their own words before these.
POISON = (
    "uncorrectable ECC error encountered",
    "an illegal memory access was encountered",
    "the launch timed out and was terminated",
    "device-side assert triggered",
    "hardware stack error",
    "an illegal instruction was encountered",
    "misaligned address",
    "operation not supported on global/shared address space",
    "invalid program counter",
    "unspecified launch failure",
)


@dataclass(frozen=True)
class Limits:
    """Seconds that a child may be silent, by what it is doing; each is far above what is seen."""

    listing: float = 60.0
    imports: float = 300.0  # torch from a cold network drive
    row: float = 120.0
    leaving: float = 20.0  # after its last word


@dataclass(frozen=True)
class Child:
    """What became of one: the `rows` it finished, and how it ended.

    `finished`: it has run everything it was asked for. Otherwise `trouble` says why it has not,
    unless a row is to blame, which is then the last of `rows`.
    """

    rows: tuple[SmokeRow, ...]
    records: tuple[dict[str, Any], ...]
    finished: bool
    trouble: str | None = None

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Its records of one type."""
        return [record for record in self.records if record["type"] == kind]


def run_child(
    system: System,
    command: Sequence[str],
    names: Sequence[str],
    limits: Limits,
    tell: Tell,
    before: int,
) -> Child:
    """Run the rows of these names. `before` rows of the device have ended already: for `tell`."""
    with system.scratch() as folder:
        out = str(Path(folder) / "rows.jsonl")
        globs = [word for name in names for word in ("--only", name)]
        # a child that dies leaves its temporary files behind: they go with this folder
        env = {**CLEARED, "TMPDIR": folder, "TEMP": folder, "TMP": folder}
        report = _Report(system, out, limits, tell, (before, before + len(names)))
        done = system.run(
            (*command, "--out", out, *globs),
            env=env,
            timeout=limits.imports + limits.leaving + (limits.row + 1) * len(names),
            stop_when=report.look,
        )
        report.read()
    return _judge(report, done)


class _Report:
    """The records of a child as they are written, and since when the last one is the last."""

    def __init__(
        self, system: System, path: str, limits: Limits, tell: Tell, count: tuple[int, int]
    ) -> None:
        self._system = system
        self._path = path
        self._limits = limits
        self._tell = tell
        self._before, self._total = count
        self._size = 0
        self._since = time.monotonic()
        self.records: list[dict[str, Any]] = []

    def look(self) -> str | None:
        """Why the child is to be ended now, if it is."""
        if self._system.size(self._path) != self._size:
            self.read()
        if self.records and poisoned(self.records[-1]):
            return "poisoned"
        return "timeout" if time.monotonic() - self._since > self.patience else None

    def read(self) -> None:
        """Take in what is new, up to a row that poisoned the process: the rest is its echo."""
        text = self._system.read_text(self._path) or ""
        self._size = len(text)  # the child writes ASCII
        records = parse_records(text)
        for record in records[len(self.records) :]:
            if self.records and poisoned(self.records[-1]):
                return
            self.records.append(record)
            self._since = time.monotonic()
            self._say(record)

    @property
    def patience(self) -> float:
        """Seconds that the child may take for what it is doing."""
        doing = self.records[-1]["type"] if self.records else None
        return {
            "start": self._limits.row,
            "row": self._limits.leaving,
            "done": self._limits.leaving,
        }.get(str(doing), self._limits.imports)

    def _say(self, record: dict[str, Any]) -> None:
        """Tell it, unless it is a row that could not even begin: the report has its reason."""
        done = self._before + sum(one["type"] == "row" for one in self.records)
        if record["type"] == "importing":
            self._tell(Beat(f"importing {record['package']}"))
        elif record["type"] == "start":
            self._tell(Beat(_words(record["row"]), done, self._total))
        elif record["type"] == "row" and record.get("seconds"):
            self._tell(Beat(_words(record), done, self._total, _row(record)))


def poisoned(record: dict[str, Any]) -> bool:
    """Whether this is a row after which the process can do nothing more on its GPU."""
    if record["type"] != "row" or record["outcome"] == "pass" or record["device"] == "cpu":
        return False
    return any(words in str(record["detail"]) for words in POISON)


def _judge(report: _Report, done: Completed) -> Child:
    records = tuple(report.records)
    rows = [_row(record) for record in records if record["type"] == "row"]
    last: dict[str, Any] = records[-1] if records else {"type": None}
    if last["type"] == "done":
        return Child(tuple(rows), records, finished=True)
    if poisoned(last):
        return Child(tuple(rows), records, finished=False)
    ended = _ended(done, report.patience)
    if last["type"] == "start":
        outcome = "timeout" if done.problem == "timeout" else "crash"
        rows.append(_row({**last["row"], "outcome": outcome, "detail": ended}))
        return Child(tuple(rows), records, finished=False)
    where = _importing(records)
    return Child(
        tuple(rows), records, finished=False, trouble=f"the smoke test ended {where}: {ended}"
    )


def _ended(done: Completed, patience: float) -> str:
    """How a child ended, in one line."""
    if done.problem == "timeout":
        return f"took longer than {patience:g} s, and was ended"
    if done.problem == "killed by signal 9":
        return "killed by signal 9, as the system does when memory runs out"
    # after these words Python's fault handler lists every frame and module
    fatal = [line for line in done.err.splitlines() if line.startswith("Fatal Python error: ")]
    return f"{done.problem or done.code}: {fatal[-1][20:]}" if fatal else last_words(done)


def _importing(records: Sequence[dict[str, Any]]) -> str:
    begun = [record["package"] for record in records if record["type"] == "importing"]
    ended = [record["package"] for record in records if record["type"] == "import"]
    return f"while importing {begun[-1]}" if len(begun) > len(ended) else "outside any row"


def _row(record: dict[str, Any]) -> SmokeRow:
    """A record of a row; what a newer child says of it beyond our words is left out."""
    known = SmokeRow.__dataclass_fields__
    return wire.load(SmokeRow, {key: value for key, value in record.items() if key in known})


def _words(row: dict[str, Any]) -> str:
    kernel = "" if row["kernel"] == "default" else f" {row['kernel']}"
    return f"{row['backend']}{kernel} {row['mode']} {row['dtype']}"
