"""Saved machines, as `check --format json` writes them, and what the doctor says of each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from checks.judging import case
from llmdoctor import wire
from llmdoctor.checks import CHECKS, run_checks
from llmdoctor.machine import Machine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDERS = sorted(path.parent for path in Path(__file__).parents[1].glob("cases/*/expect.toml"))


def test_there_are_saved_machines() -> None:
    assert len(FOLDERS) >= 14


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_first_error_is_the_root_cause(folder: Path) -> None:
    expect = tomllib.loads((folder / "expect.toml").read_text("utf-8"))
    machine = wire.load(Machine, json.loads((folder / "machine.json").read_text("utf-8")))
    verdicts = run_checks(case(machine, *expect["profiles"]))
    findings = [finding for verdict in verdicts for finding in verdict.findings]
    causes = [finding.cause for finding in findings if finding.severity == "error"]
    assert [f"{finding.code} {finding.severity}" for finding in findings] == expect["findings"]
    assert (causes[0] if causes else "healthy") == expect["cause"]
    skipped = {verdict.code for verdict in verdicts if verdict.outcome == "skip"}
    assert skipped >= set(expect.get("skipped", ()))
    assert not any(verdict.outcome == "crash" for verdict in verdicts)
    for argv in (argv for item in findings if item.remedy for argv in item.remedy.commands):
        inside = machine.environment.kind in ("venv", "conda", "broken")
        if argv[:2] == ("llmdoctor", "install") and inside:
            assert argv[argv.index("--env") + 1] == machine.environment.path, argv
    declared = {check.code: check for check in CHECKS}
    for finding in findings:
        assert declared[finding.code].may_name(finding.cause), finding
