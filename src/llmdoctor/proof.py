"""What running an environment's attention backends gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llmdoctor import wire

Outcome = Literal["pass", "fail", "skip", "crash", "timeout"]


@dataclass(frozen=True)
class SmokeRow:
    """One backend and kernel in one mode and dtype on one device.

    `error` is the measured number nearest to its gate `tolerance`; `ran_as` is the kernel that was
    really seen running; `peak_bytes` is None where it cannot be observed; `attention` is what
    transformers calls the backend (its attn_implementation), None where it knows none.
    """

    backend: str
    kernel: str
    mode: str  # infer, train, lora, generate
    dtype: str
    device: str  # cpu, cuda:0
    outcome: Outcome
    seconds: float | None = None
    peak_bytes: int | None = None
    error: float | None = None
    tolerance: float | None = None
    ran_as: str | None = None
    detail: str | None = None
    attention: str | None = None

    @property
    def name(self) -> str:
        """What `--only` matches."""
        return "/".join((self.backend, self.kernel, self.mode, self.dtype))

    @property
    def bad(self) -> bool:
        """Whether it says that something does not work."""
        return self.outcome not in ("pass", "skip")


@dataclass(frozen=True)
class Beat:
    """Where a proof is while it runs: `row` has just ended; with None, `doing` begins.

    `done` rows of `total` on this device have ended; `total` 0 is the time before its first row.
    """

    doing: str
    done: int = 0
    total: int = 0
    row: SmokeRow | None = None

    @property
    def passing(self) -> bool:
        """Whether the next beat says it as well: a row that has only begun."""
        return self.row is None and self.total > 0

    def __str__(self) -> str:
        count = f"{self.done}/{self.total} " if self.total else ""
        ended = self.row
        if ended is None:
            return f"{count}{self.doing}"
        seconds = "" if ended.seconds is None else f", {ended.seconds:.1f} s"
        return f"{count}{ended.name} on {ended.device}: {ended.outcome}{seconds}"


@dataclass(frozen=True)
class Proof:
    """All rows of one environment. `problem` says why there are none, or why some are missing.

    `asked`: the options by which only a part of the rows was asked for, as they were typed.
    """

    rows: tuple[SmokeRow, ...] = ()
    environment: dict[str, object] = field(default_factory=dict)
    problem: str | None = None
    asked: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether something ran, and nothing that ran went wrong."""
        outcomes = {row.outcome for row in self.rows}
        return self.problem is None and "pass" in outcomes and outcomes <= {"pass", "skip"}

    @property
    def devices(self) -> tuple[str, ...]:
        """What it ran on, in that order."""
        return tuple(dict.fromkeys(row.device for row in self.rows))


SCHEMA = "smoke/1"


def of_document(data: Mapping[str, Any]) -> Proof:
    """A proof from its JSON document (smoke/1).

    Raises:
        WireError: it is none.
    """
    kept = {key: data[key] for key in ("rows", "environment", "problem", "asked") if key in data}
    return wire.load(Proof, kept)
