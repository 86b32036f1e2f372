"""`check --format junit|sarif|github|gitlab` as a pipeline runs it."""

from __future__ import annotations

import json
import re
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


# a command line of each command that ends at once, and what its report says in every format
REPORTS = {
    "check": (("--from", LOOK), "LOCK002"),
    "profiles": (("flashattn",), "FlashAttention 2"),
    "plan": (("--profile", "cpu", "--assume", "python=3.12"), "2.13.0"),
    "install": (("--profile", "flashattn"), "needs an NVIDIA GPU"),
    "fix": ((), "nothing to repair"),
    "explain": (("build.log",), "no kernels for"),
    "history": ((), '"runs": \\[\\]|nothing yet'),
}


@pytest.mark.parametrize("command", REPORTS)
def test_a_command_has_the_formats_that_its_help_names(command: str, desk: Desk) -> None:
    words, said = REPORTS[command]
    (desk.project / "build.log").write_text(
        "CUDA error: no kernel image is available for execution on the device\n"
    )
    named = re.search(r"--format ([\w|]+)", desk.run(command, "--help").stdout)
    assert named
    for name in named[1].split("|"):
        done = desk.run(command, *words, "--format", name, "--output", f"r.{name}", code=(0, 1))
        assert done.stdout == "", name
        text = (desk.project / f"r.{name}").read_text("utf-8")
        assert re.search(said, text) or (name == "github" and text.startswith("llmdoctor: ")), name
        if name == "html":
            assert text.startswith("<!DOCTYPE html>")
        if name == "markdown":
            assert text.startswith("## ")


@pytest.mark.parametrize("command", [*REPORTS, "smoke", "undo"])
@pytest.mark.parametrize("name", ["junit", "sarif", "gitlab", "pdf"])
def test_a_format_that_a_command_has_not_is_refused_with_those_it_has(
    command: str, name: str, desk: Desk
) -> None:
    if name in desk.run(command, "--help").stdout.partition("--output")[0]:
        return
    said = desk.refused(command, "--format", name)
    assert f"'{name}' is none of terminal, json, markdown, html" in said
    assert ("is a format of check" in said) is (name != "pdf")


def test_a_job_summary_of_a_log_names_its_cause(desk: Desk) -> None:
    summary = desk.project / "summary.md"
    words = ("explain", "-", "--format", "github")
    log = "CUDA error: no kernel image is available for execution on the device\n"
    done = desk.run(*words, stdin=log, env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert done.stdout.startswith("::error title=gpu-")
    assert "```console\n$ llmdoctor install" in summary.read_text("utf-8")
