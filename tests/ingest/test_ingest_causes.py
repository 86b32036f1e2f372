"""The cause that a thread found is among the findings of the report that was pasted in it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from llmdoctor import checks, ingest, profiles, target
from llmdoctor.checks import Case
from llmdoctor.errors import UsageError
from llmdoctor.finding import Finding
from llmdoctor.plan import Target
from llmdoctor.resolve import resolve

CASES = Path(__file__).parents[1] / "cases" / "reports"
WISHES = {"flash-attn-training": ("flashattn",)}  # what was wanted, where it is more than torch


@cache
def reports(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CASES / f"{name}.json").read_text("utf-8"))
    return found


def findings(report: dict[str, Any]) -> list[Finding]:
    try:
        machine = ingest.read(report["input"])
    except UsageError:
        return []
    wanted = tuple(map(profiles.find, WISHES.get(report.get("wanted_profile", ""), ())))
    choice = None
    if wanted:
        python = machine.environment.version or Target().python
        known = tuple(profiles.builtin().values())
        choice = resolve(wanted, known, target.of_machine(machine, python))
    verdicts = checks.run_checks(Case(machine, wanted, choice))
    assert not [verdict for verdict in verdicts if verdict.outcome == "crash"]
    return [item for verdict in verdicts for item in verdict.findings]


def right(report: dict[str, Any]) -> bool:
    found = findings(report)
    if report["cause"] == "healthy":
        return not any(item.severity == "error" for item in found)
    return report["cause"] in {item.cause for item in found}


@pytest.mark.parametrize(
    ("name", "half", "floor"),
    [("shared", None, 0.95), ("more", "tune", 0.90), ("more", "held", 0.90)],
)
def test_the_cause_is_among_the_findings(name: str, half: str | None, floor: float) -> None:
    chosen = [report for report in reports(name) if half is None or report["half"] == half]
    wrong = [report["id"] for report in chosen if not right(report)]
    assert len(wrong) <= (1 - floor) * len(chosen), wrong


@pytest.mark.parametrize("name", ["shared", "more"])
def test_a_healthy_report_gets_no_error(name: str) -> None:
    healthy = [report for report in reports(name) if report["cause"] == "healthy"]
    assert [report["id"] for report in healthy if not right(report)] == []
