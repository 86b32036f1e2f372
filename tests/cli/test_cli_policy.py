"""`[tool.llmdoctor]` of a project and the baseline of its known findings."""

from __future__ import annotations

import json

import pytest

from cli.runs import Desk

PROJECT = '[tool.poetry]\nname = "x"\n'  # without a Poetry on PATH: POETRY001, a warning


def write(desk: Desk, policy: str) -> None:
    (desk.project / "pyproject.toml").write_text(PROJECT + policy, "utf-8")


def ignore(code: str = "POETRY001", reason: str = "CI has none", until: str = "2999-01-31") -> str:
    return f'[[tool.llmdoctor.ignore]]\ncode = "{code}"\nreason = "{reason}"\nuntil = {until}\n'


def found(desk: Desk, *words: str, code: int = 0) -> set[str]:
    document = desk.json("check", "--select", "POETRY", *words, code=code)
    return {item["code"] for item in document["findings"]}


@pytest.fixture
def poor(desk: Desk) -> Desk:
    """A desk without a Poetry."""
    desk.environ["PATH"] = str(desk.folder)
    return desk


def test_a_policy_says_what_the_command_line_does_not(poor: Desk) -> None:
    write(poor, '[tool.llmdoctor]\nselect = ["POETRY001"]\nfail-on = "warning"\nprofile = "cpu"\n')
    document = poor.json("check", code=1)
    assert [verdict["code"] for verdict in document["verdicts"]] == ["POETRY001"]
    assert document["profiles"] == ["cpu"]
    poor.run("check", "--fail-on", "never", code=0)
    assert poor.json("check", "--profile", "mainline", code=1)["profiles"] == ["mainline"]


def test_a_policy_above_the_project_counts_and_one_of_another_machine_does_not(poor: Desk) -> None:
    write(poor, '[tool.llmdoctor]\nfail-on = "warning"\n')
    below = poor.project / "member"
    below.mkdir()
    (below / "pyproject.toml").write_text(PROJECT, "utf-8")
    look = poor.folder / "look.json"
    look.write_text(poor.run("check", "--format", "json", code=1).stdout, "utf-8")
    assert found(poor, "--project", "member", code=1) == {"POETRY001"}
    assert found(poor, "--from", str(look), code=0) == {"POETRY001"}


def test_an_ignored_finding_is_left_out_and_says_why(poor: Desk) -> None:
    write(poor, ignore(code="poetry"))
    document = poor.json("check", "--select", "POETRY001", "--fail-on", "warning", code=0)
    assert document["findings"] == []
    (verdict,) = document["verdicts"]
    assert verdict["outcome"] == "skip"
    assert verdict["reason"] == "ignored until 2999-01-31: CI has none"
    assert [item["reason"] for item in document["known"]] == [verdict["reason"]]
    text = poor.run("check", "--select", "POETRY001", "--verbose").stdout
    assert "1 known finding left out" in text
    assert "CI has none" in text


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (ignore(code="POETRI001"), ("ignore of POETRI001", "did you mean 'POETRY001'")),
        (ignore(reason=" "), ("ignore of POETRY001", "reason is empty")),
        (ignore(until='"soon"'), ("until is 'soon'", "2027-01-31")),
        (ignore(until="2020-01-01"), ("expired on 2020-01-01 (CI has none)", "another day")),
        ('[[tool.llmdoctor.ignore]]\ncode = "GPU"\n', ("ignore[0]", "missing key 'reason'")),
        ('[tool.llmdoctor]\nselect = ["XYZ"]\n', ("select: no check's code begins with 'XYZ'",)),
        ('[tool.llmdoctor]\nfail_on = "never"\n', ("no key 'fail_on'; did you mean 'fail-on'",)),
        ('[tool.llmdoctor]\nfail-on = "note"\n', (".fail-on: expected one of 'error'",)),
        ('[tool.llmdoctor]\nselect = "GPU"\n', (".select: expected a list",)),
        ("[tool]\nllmdoctor = 1\n", ("[tool.llmdoctor]: expected a table",)),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(
    desk: Desk, policy: str, words: tuple[str, ...]
) -> None:
    write(desk, policy)
    said = desk.refused("check")
    for word in ("pyproject.toml [tool.llmdoctor]", *words):
        assert word in said


def test_a_file_that_is_no_toml_is_a_finding_and_no_refusal(desk: Desk) -> None:
    (desk.project / "pyproject.toml").write_text("[tool.llmdoctor\n")
    assert "PROJ001" in desk.run("check", "--select", "PROJ", code=1).stdout


def test_a_baseline_holds_what_was_found_and_nothing_that_comes_later(poor: Desk) -> None:
    write(poor, "")
    words = ("--fail-on", "warning")
    said = poor.run("check", "--select", "POETRY", "--write-baseline", "known.json")
    assert "wrote the baseline of 1 finding to" in said.stderr
    printed = poor.run("check", "--select", "POETRY", "--write-baseline", "-").stdout
    assert printed == (poor.project / "known.json").read_text("utf-8")
    assert found(poor, *words, code=1) == {"POETRY001"}
    assert found(poor, *words, "--baseline", "known.json") == set()
    (poor.project / "poetry.lock").write_text("<<<<<<< ours\n")
    document = poor.json("check", *words, "--baseline", "known.json", code=1)
    assert "LOCK001" in {item["code"] for item in document["findings"]}
    assert document["known"] == [
        {
            "code": "POETRY001",
            "title": "This is a Poetry project, and Poetry is not installed",
            "reason": "in the baseline",
        }
    ]


def test_a_baseline_that_is_read_and_written_keeps_what_it_held(poor: Desk) -> None:
    words = ("check", "--select", "POETRY", "--write-baseline", "known.json")
    poor.run(*words)
    before = (poor.project / "known.json").read_text()
    poor.run(*words, "--baseline", "known.json")
    assert (poor.project / "known.json").read_text() == before


def test_what_is_mended_is_told_of_a_baseline(poor: Desk) -> None:
    write(poor, "")
    poor.run("check", "--select", "POETRY", "--write-baseline", "known.json")
    (poor.project / "pyproject.toml").unlink()
    said = poor.run("check", "--select", "POETRY", "--baseline", "known.json").stderr
    assert said == "no longer found, of the 1 in the baseline: POETRY001\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "there is no such file"),
        ("{", "is not JSON"),
        ("[]", "its schema is None, expected 'baseline/1'"),
        ('{"schema": "baseline/2"}', "its schema is 'baseline/2', expected 'baseline/1'"),
        ('{"schema": "baseline/1", "llmdoctor": "0"}', "missing key 'findings'"),
    ],
)
def test_a_baseline_that_is_none_is_refused(desk: Desk, text: str | None, why: str) -> None:
    if text is not None:
        (desk.project / "mine.json").write_text(text)
    said = desk.refused("check", "--baseline", "mine.json")
    assert why in said
    assert "next: llmdoctor check --write-baseline known.json" in said, "and not over that file"


def test_a_baseline_that_cannot_be_written_is_refused_before_the_look(desk: Desk) -> None:
    said = desk.refused("check", "--write-baseline", "nowhere/known.json")
    assert "cannot write the baseline to nowhere/known.json" in said


def test_a_baseline_names_nobody(poor: Desk) -> None:
    write(poor, "")
    poor.run("check", "--write-baseline", "known.json")
    text = (poor.project / "known.json").read_text("utf-8")
    assert str(poor.folder) not in text
    assert json.loads(text)["schema"] == "baseline/1"


def test_the_groups_that_carry_a_profile_are_no_unknown_key(poor: Desk) -> None:
    write(poor, '[tool.llmdoctor.groups]\ncpu = ["main"]\n')
    assert found(poor) == {"POETRY001"}


def test_a_password_in_a_file_of_the_project_is_in_no_report(poor: Desk) -> None:
    write(poor, "")
    (poor.project / "Makefile").write_text(
        "login:\n\tpoetry config http-basic.corp ann hunter2\n\tpoetry config pypi-token.x hunter2\n"
        "\tpoetry publish --username ann --password hunter2\n\tpoetry lock --no-update\n",
        "utf-8",
    )
    text = poor.run("check", "--format", "json").stdout
    assert "poetry lock --no-update" in text
    assert "hunter2" not in text + poor.run("check", "--format", "markdown").stdout


def test_a_profile_s_file_below_a_home_names_nobody(desk: Desk) -> None:
    place = desk.folder / "home" / "ann" / "own.toml"
    place.parent.mkdir(parents=True)
    place.write_text('name = "own"\nextends = "cpu"\n', "utf-8")
    (name,) = desk.json("check", "--profile", str(place), "--fail-on", "never")["profiles"]
    assert "ann" not in name
    assert name.endswith("own.toml")
