"""Findings that are known: accepted by the project's policy, or written down in a baseline.

A known finding is taken out of the report and named with its reason, never silently dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from llmdoctor import __version__, saved, wire
from llmdoctor.errors import UsageError
from llmdoctor.finding import Finding, Known, Report, Verdict
from llmdoctor.policy import Ignore
from llmdoctor.system import System

SCHEMA = "baseline/1"


@dataclass(frozen=True)
class Entry:
    """One finding of a baseline; code and title are for its reader, the mark decides."""

    mark: str
    code: str
    title: str = ""


@dataclass(frozen=True)
class Baseline:
    """The findings that a project has decided to live with for now."""

    schema: str
    llmdoctor: str
    findings: tuple[Entry, ...]


def fingerprints(findings: Sequence[Finding]) -> list[str]:
    """A mark for each finding, the same in the next run, and no two alike in this one."""
    seen: Counter[str] = Counter()
    marks = []
    for item in findings:
        what = "\n".join((item.code, item.cause or "", item.title))  # no path: checkouts move
        seen[what] += 1
        told = f"{what}\n{seen[what]}".encode(errors="replace")
        marks.append(hashlib.sha256(told).hexdigest())
    return marks


def baseline(report: Report) -> str:
    """All findings of a report, to be known from now on, as text."""
    marks = fingerprints(report.findings)
    entries = (
        Entry(mark, item.code, item.title)
        for mark, item in zip(marks, report.findings, strict=True)
    )
    return json.dumps(wire.dump(Baseline(SCHEMA, __version__, tuple(entries))), indent=1)


def read(system: System, path: str) -> Baseline:
    """A baseline from its file.

    Raises:
        UsageError: it is absent, or is no baseline of this schema.
    """
    again = "llmdoctor check --write-baseline known.json"
    data = saved.document(system, path, "--baseline", schema=SCHEMA, next_command=again)
    try:
        return wire.load(Baseline, data)
    except wire.WireError as error:
        raise UsageError(f"--baseline {path}: {error}", next_command=again) from None


def without_ignored(report: Report, ignores: Sequence[Ignore]) -> Report:
    """The report without the findings that a policy accepts."""

    def why(item: Finding, _: str) -> str | None:
        return next(
            (rule.text for rule in ignores if item.code.upper().startswith(rule.code.upper())), None
        )

    return _without(report, why)


def without_baseline(report: Report, known: Baseline) -> Report:
    """The report without the findings that a baseline holds."""
    marks = {entry.mark for entry in known.findings}
    return _without(report, lambda _, mark: "in the baseline" if mark in marks else None)


def gone(report: Report, known: Baseline) -> tuple[Entry, ...]:
    """What the baseline holds and the report, as it was before, no longer finds."""
    found = set(fingerprints(report.findings))
    return tuple(entry for entry in known.findings if entry.mark not in found)


def _without(report: Report, why: Callable[[Finding, str], str | None]) -> Report:
    marks = iter(fingerprints(report.findings))
    verdicts: list[Verdict] = []
    known: list[Known] = list(report.known)
    for verdict in report.verdicts:
        reasons = [why(item, next(marks)) for item in verdict.findings]
        pairs = list(zip(verdict.findings, reasons, strict=True))
        known += (Known(item, reason) for item, reason in pairs if reason is not None)
        rest = tuple(item for item, reason in pairs if reason is None)
        if verdict.findings and not rest:
            said = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
            verdict = replace(verdict, outcome="skip", findings=(), reason=said)  # noqa: PLW2901
        else:
            verdict = replace(verdict, findings=rest)  # noqa: PLW2901
        verdicts.append(verdict)
    return replace(report, verdicts=tuple(verdicts), known=tuple(known))
