"""A diagnosis judges the machine as it is, and reports it without naming anybody."""

from __future__ import annotations

import json

import pytest

from llmdoctor import wire
from llmdoctor.diagnose import Question, diagnose
from llmdoctor.install.patient import absolute
from probe.described import Described, door


def broken(environment: str, house: str) -> Described:
    files = {f"{environment}/pyvenv.cfg": "home = /usr/bin\n"}
    return Described(house=house, here="/srv", files=files, folders={"/srv"})


@pytest.mark.parametrize(
    ("environment", "house", "typed"),
    [
        ("/home/ann/a b/v", "/home/ann", "~/a b/v"),
        ("/home/bob/v", "/root", "/home/bob/v"),
        ("/srv/v", "/home/ann", "/srv/v"),
    ],
)
def test_a_command_names_the_environment_that_was_looked_at(
    environment: str, house: str, typed: str
) -> None:
    machine = door(broken(environment, house))
    report = diagnose(machine, Question(environment=environment, project="/srv"))
    (finding,) = [item for item in report.findings if item.code == "PY002"]
    assert finding.remedy is not None
    *_, (*_, option, path, last) = finding.remedy.commands
    assert (option, path, last) == ("--env", typed, "--fresh")
    assert absolute(machine, path) == environment
    assert report.machine.environment.path == finding.where


def test_everything_but_commands_names_nobody() -> None:
    report = diagnose(door(broken("/home/bob/v", "/root")), Question(environment="/home/bob/v"))
    verdicts = json.dumps([wire.dump(item) for item in report.verdicts])
    assert verdicts.count("bob") == sum(
        word.count("bob")
        for finding in report.findings
        if finding.remedy
        for argv in finding.remedy.commands
        for word in argv
    )
    assert "bob" not in json.dumps(wire.dump(report.machine))


@pytest.mark.parametrize("option", ["environment", "project"])
def test_every_path_may_begin_with_the_home_folder(option: str) -> None:
    machine = broken("/home/ann/v", "/home/ann")
    question = Question(environment="~/v") if option == "environment" else Question(project="~")
    machine.files["/home/ann/.venv/pyvenv.cfg"] = ""
    report = diagnose(door(machine), question)
    shown = {"environment": "~/v", "project": "~/.venv"}
    assert report.machine.environment.path == shown[option]
