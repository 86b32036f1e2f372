"""What judging gives: findings with remedies, a verdict for each check, the report of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from llmdoctor.machine import Machine

Severity = Literal["error", "warning", "note"]
Safety = Literal["safe", "ask", "manual"]
Outcome = Literal["pass", "fail", "skip", "crash"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")  # worst first


@dataclass(frozen=True)
class Remedy:
    """The way out. `commands` are argument vectors, so that they can be shown, copied and run.

    safe: changes nothing that cannot be taken back; ask: changes something the user owns;
    manual: only a person can do it (drivers, hardware, system packages).
    """

    summary: str
    safety: Safety = "manual"
    commands: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with what was seen and what to do.

    `line` is the line of the file that `where` names, or of the project's manifest where `where` is
    the project; None for what has no place in a file.
    """

    code: str
    cause: str | None
    severity: Severity
    title: str
    detail: str = ""
    evidence: tuple[str, ...] = ()
    where: str | None = None
    remedy: Remedy | None = None
    url: str | None = None
    line: int | None = None

    @property
    def key(self) -> str:
        """What tells it from the others of one look: a check can find several things."""
        return f"{self.code}: {self.title}"


@dataclass(frozen=True)
class Verdict:
    """What one check said. `reason` tells why it was skipped, or how it crashed.

    `title` is what a check of another package looks for, and `origin` that package; those of ours
    stand in the catalogue.
    """

    code: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    reason: str | None = None
    title: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Known:
    """A finding that is not told as one, and why: a policy or a baseline accepts it."""

    finding: Finding
    reason: str


@dataclass(frozen=True)
class Report:
    """A whole `check`: what was seen, what was judged, and what this machine can do.

    `base` is the way to the project from the folder in which the command runs, with "/": a pipeline
    counts its files from there. None: the project lies elsewhere.
    """

    machine: Machine
    verdicts: tuple[Verdict, ...] = ()
    can: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()
    profiles: tuple[str, ...] = field(default=())
    known: tuple[Known, ...] = ()
    base: str | None = "."

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, most fundamental first: checks run from the hardware up."""
        return tuple(finding for verdict in self.verdicts for finding in verdict.findings)

    @property
    def crashed(self) -> tuple[str, ...]:
        """The codes of the checks that crashed: what they look for is unknown, not absent."""
        return tuple(verdict.code for verdict in self.verdicts if verdict.outcome == "crash")

    def count(self, severity: Severity) -> int:
        """How many findings have that severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def worst(self) -> Severity | None:
        """The worst severity found; None on a clean machine."""
        return next((severity for severity in SEVERITIES if self.count(severity)), None)
