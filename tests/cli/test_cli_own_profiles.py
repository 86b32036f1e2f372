"""A user's own profile at the command line: from the project's folder, by path, and broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.runs import Desk, next_command, starts

OWN = """\
[tool.llmdoctor.profiles.own]
extends = "cpu"
title = "What our service runs on"

[[tool.llmdoctor.profiles.own.packages]]
name = "sentencepiece"
spec = ">=0.2,<0.3"

[[tool.llmdoctor.profiles.own.exclusions]]
code = "own-no-windows"
os = ["windows"]
reason = "nobody has tried"
source = "us"
checked = "2026-11-20"
"""
LINUX = ("--assume", "os=linux,python=3.12")


@pytest.fixture
def own(desk: Desk) -> Desk:
    (desk.project / "pyproject.toml").write_text(OWN)
    return desk


def test_a_profile_of_the_project_is_planned_and_says_where_it_comes_from(own: Desk) -> None:
    shown = own.run("plan", "--profile", "own", *LINUX, "--verbose").stdout
    assert "own into .venv" in shown
    assert "sentencepiece" in shown
    told = " ".join(shown.split())
    assert f"own comes from the project's {own.project}/pyproject.toml, extends cpu" in told
    made = own.json("plan", "--profile", "own", *LINUX)
    assert made["feasible"]
    assert made["profiles"] == ["own"]
    assert "sentencepiece" in [item["name"] for item in made["packages"]]


def test_the_list_and_the_page_of_a_profile_name_its_origin(own: Desk) -> None:
    place = f"{own.project}/pyproject.toml"
    for words in (("profiles",), ("profiles", "own")):
        shown = " ".join(own.run(*words).stdout.split())
        assert "What our service runs on" in shown
        assert f"the project's {place}, extends cpu" in shown
    rows = {row["name"]: row for row in own.json("profiles")["profiles"]}
    wanted = {"kind": "project", "place": place, "package": "", "extends": ["cpu"]}
    assert rows["own"]["origin"] == wanted
    assert rows["cpu"]["origin"]["kind"] == "builtin"


def test_a_broken_profile_is_a_row_of_the_list_and_an_error_where_it_is_asked_for(
    own: Desk,
) -> None:
    with (own.project / "pyproject.toml").open("a") as file:
        file.write('[tool.llmdoctor.profiles.bad]\nextends = "cpuu"\n')
    site = own.project.parent / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[llmdoctor.profiles]\nacme = acme:gone.toml\n")
    own.environ["PYTHONPATH"] = str(site)
    shown = " ".join(own.run("profiles").stdout.split())
    assert "✗ bad" in shown
    assert "did you mean 'cpu'?" in shown
    assert "from the package acme 1.0 it has no file acme/gone.toml" in shown
    listed = own.json("profiles")
    assert [(row["name"], row["origin"]["kind"]) for row in listed["broken"]] == [
        ("bad", "project"),
        ("acme", "package"),
    ]
    assert "own" in [row["name"] for row in listed["profiles"]]
    for name in ("bad", "acme"):
        for command in (("plan", "--profile"), ("check", "--profile"), ("profiles",)):
            said = own.refused(*command, name)
            assert starts(next_command(said), own.project, own.environ)


def test_a_profile_is_looked_for_in_the_project_that_is_checked(own: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project, own.project = own.project, elsewhere
    assert "no profile is called 'own'" in own.refused("check", "--profile", "own")
    report = own.json("check", "--profile", "own", "--project", str(project))
    assert report["profiles"] == ["own"]
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    own.project = below
    assert own.json("check", "--profile", "own")["profiles"] == ["own"]


def test_an_exclusion_of_ones_own_can_be_overridden(own: Desk) -> None:
    words = ("plan", "--profile", "own", "--assume", "os=windows", "--format", "json")
    assert "--allow own-no-windows" in own.run(*words, code=1).stdout
    own.run(*words, "--allow", "own-no-windows")
    assert "no such code" in own.refused("plan", "--profile", "cpu", "--allow", "own-no-windows")


def test_a_profile_in_a_file_is_named_by_its_path_in_what_to_type_next(own: Desk) -> None:
    own.project.joinpath("mine.toml").write_text('name = "mine"\nextends = "cpu"\n')
    (own.project / "env").mkdir()
    (own.project / "env" / "thesis.txt").touch()
    said = own.run("install", "--profile", "mine.toml", "--env", "env", "--yes", code=2).stderr
    assert "--profile mine.toml" in next_command(said)


def test_profiles_that_contradict_each_other_are_refused_from_the_tables_alone(own: Desk) -> None:
    text = 'name = "other"\nkind = "addon"\ntitle = "T"\nsummary = "S."\n'
    package = '[[packages]]\nname = "sentencepiece"\nspec = "==0.1.99"\n'
    own.project.joinpath("other.toml").write_text(text + package)
    made = own.json("plan", "--profile", "own", "--profile", "other.toml", *LINUX, code=1)
    first = made["reasons"][0]
    assert (made["feasible"], first["code"]) == (False, "contradiction")
    assert "own asks for sentencepiece>=0.2,<0.3" in first["text"]
    assert "other asks for sentencepiece==0.1.99" in first["text"]


def test_a_manifest_that_cannot_be_read_does_not_end_a_plan_of_ours(own: Desk) -> None:
    manifest = own.project / "pyproject.toml"
    manifest.unlink()
    manifest.symlink_to(manifest.name)  # round and round
    own.run("plan", "--profile", "cpu", *LINUX)
    said = own.refused("plan", "--profile", "own", *LINUX)
    assert "cannot read" in said
    assert "pyproject.toml" in said
