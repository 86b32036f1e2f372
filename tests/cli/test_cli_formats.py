"""`check --format junit|sarif|github|gitlab` as a pipeline runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.runs import Desk
from llmdoctor.render import formats

LOOK = str(Path(__file__).parents[1] / "cases" / "stale-lock" / "machine.json")
BEGINS = {"junit": "<?xml ", "sarif": "{", "github": "::error file=poetry.lock,", "gitlab": "["}


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
