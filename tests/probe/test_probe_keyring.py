"""What the keyring's answer is read from, and when nobody is asked. The real one: tests/fix."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmdoctor.machine import Machine, Project, Tool
from llmdoctor.probe.closer import look_closer
from llmdoctor.probe.keyring import PROGRAM, SECONDS, keyring_answer
from llmdoctor.system import Completed
from probe.described import Described, door

ASK = f"/opt/poetry/bin/python -I -B {PROGRAM} {SECONDS:g}"
MACHINE = Machine(
    tools=(Tool("poetry", "/usr/bin/poetry", "2.5.1", "/opt/poetry"),),
    project=Project("/home/ann/project", "pyproject.toml", "poetry", keyring=True),
    variables={"DBUS_SESSION_BUS_ADDRESS": "set"},
)


@pytest.mark.parametrize(
    ("out", "answer"),
    [
        ("asking\nanswers\n", "answers"),
        ("asking\nlocked\n", "locked"),
        ("asking\nfails InitError\n", "fails InitError"),
        ("asking\n", "silent"),
        ("absent\n", "absent"),
    ],
)
def test_an_answer_is_a_word(out: str, answer: str) -> None:
    assert keyring_answer(door(Described(answers={ASK: out})), MACHINE) == answer


def test_a_poetry_whose_python_hangs_is_a_note_and_no_answer() -> None:
    hung = Completed(tuple(ASK.split()), None, problem="timeout")
    seen = look_closer(door(Described(answers={ASK: hung})), MACHINE)
    assert seen.project
    assert seen.project.keyring_answer is None
    assert [(note.reader, "timeout" in note.detail) for note in seen.notes] == [("keyring", True)]


@pytest.mark.parametrize(
    "machine",
    [
        replace(MACHINE, variables={}),
        replace(MACHINE, variables={**MACHINE.variables, "DISPLAY": "set"}),
        replace(MACHINE, variables={**MACHINE.variables, "WAYLAND_DISPLAY": "set"}),
        replace(MACHINE, tools=()),
        replace(MACHINE, tools=(Tool("poetry", "/usr/bin/poetry"),)),
        replace(MACHINE, project=None),
        replace(MACHINE, project=Project("/p", "pyproject.toml", "poetry", keyring=False)),
    ],
)
def test_nobody_is_asked_where_that_could_open_a_window_or_poetry_would_not(
    machine: Machine,
) -> None:
    assert keyring_answer(door(Described(answers={ASK: "asking\nanswers\n"})), machine) is None
