"""`check --format junit|sarif|github|gitlab` as a pipeline runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.runs import Desk
from llmdoctor.render import formats

LOOK = str(Path(__file__).parents[1] / "cases" / "stale-lock" / "machine.json")
BEGINS = {
    "junit": "<?xml ",
    "sarif": "{",
    "github": "::error file=poetry.lock,",
    "gitlab": "[",
    "html": "<!DOCTYPE html>",
}


@pytest.mark.parametrize("name", formats.OF_A_CHECK)
def test_a_file_holds_what_stdout_would(name: str, desk: Desk) -> None:
    words = ("check", "--from", LOOK, "--format", name)
    out = desk.run(*words, code=1).stdout
    assert out.startswith(BEGINS[name])
    assert "LOCK002" in out
    assert desk.run(*words, "--output", "report", "--fail-on", "never").stdout == ""
    assert (desk.project / "report").read_text("utf-8") == out


def test_a_job_summary_is_appended_to(desk: Desk) -> None:
    summary = desk.project / "summary.md"
    summary.write_text("before\n")
    words = ("check", "--from", LOOK, "--format")
    env = {"GITHUB_STEP_SUMMARY": str(summary)}
    desk.run(*words, "junit", code=1, env=env)
    assert summary.read_text() == "before\n"
    desk.run(*words, "github", code=1, env=env)
    told = summary.read_text("utf-8")
    assert told.startswith("before\n## llmdoctor ")
    assert "### error LOCK002: " in told


def test_a_summary_that_cannot_be_written_is_said_and_ends_nothing(desk: Desk) -> None:
    env = {"GITHUB_STEP_SUMMARY": str(desk.project)}
    done = desk.run("check", "--from", LOOK, "--format", "github", code=1, env=env)
    assert "cannot write the job summary" in done.stderr
    assert done.stdout.startswith("::error ")


@pytest.mark.parametrize("name", formats.OF_A_CHECK)
def test_a_saved_look_that_names_somebody_is_redacted(name: str, desk: Desk) -> None:
    look = Path(LOOK).read_text("utf-8").replace("Poetry 2.1.3", "/home/alice/poetry")
    assert "alice" in look
    (desk.project / "look.json").write_text(look)
    out = desk.run("check", "--from", "look.json", "--format", name, code=(0, 1)).stdout
    assert "LOCK002" in out
    assert "alice" not in out


def test_a_page_shows_the_proof_of_a_smoke_report(desk: Desk) -> None:
    rows = [{"backend": "eager", "kernel": "default", "mode": "infer", "dtype": "fp32",
             "device": "cpu", "outcome": "pass", "seconds": 0.5}]  # fmt: skip
    proof = {"schema": "smoke/1", "llmdoctor": "0", "passed": True, "rows": rows}
    (desk.project / "smoke.json").write_text(json.dumps(proof))
    words = ("check", "--from", LOOK, "--smoke", "smoke.json")
    assert "The smoke test passed" in desk.run(*words, "--format", "html", code=1).stdout
    assert "--format html alone" in desk.refused(*words)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting"),
        ('{"schema": "plan/1"}', "expected 'smoke/1'"),
        ('{"schema": "smoke/1", "rows": [{}]}', "missing key 'backend'"),
        (None, "no such file"),
    ],
)
def test_a_smoke_report_that_is_none_is_refused(text: str | None, why: str, desk: Desk) -> None:
    if text is not None:
        (desk.project / "smoke.json").write_text(text)
    assert why in desk.refused("check", "--format", "html", "--smoke", "smoke.json")
