"""Commands in a project's files, keyrings nobody can unlock, and where torch comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import LINUX, MACOS, judge, only, remedy
from llmdoctor.finding import Finding
from llmdoctor.machine import Lock, Machine, Note, Project, Quoted, Tool, TorchPlace

PROJECT = Project(
    "/srv/project",
    "pyproject.toml",
    "poetry",
    groups=("main", "dev", "gpu"),
    extras=("flash",),
    keyring=True,
)
POETRY = Tool("poetry", "/usr/bin/poetry", "2.1.4")


def told(*commands: str, poetry: str | None = "2.1.4") -> Machine:
    lines = tuple(Quoted("README.md", number, text) for number, text in enumerate(commands, 7))
    tools = (replace(POETRY, version=poetry),) if poetry else ()
    return Machine(host=LINUX, project=replace(PROJECT, commands=lines), tools=tools)


def findings(code: str, machine: Machine) -> tuple[Finding, ...]:
    return judge(code, machine).findings


@pytest.mark.parametrize(
    ("command", "cause", "instead"),
    [
        ("poetry lock --no-update", "poetry2-no-update-removed", ("poetry", "lock")),
        ("poetry lock -v --no-update", "poetry2-no-update-removed", ("poetry", "lock")),
        ("poetry shell", "poetry2-shell-removed", ("poetry", "env", "activate")),
    ],
)
def test_a_command_that_poetry_2_no_longer_has(
    command: str, cause: str, instead: tuple[str, ...]
) -> None:
    finding = only(judge("POETRY004", told("poetry install", command)))
    assert (finding.cause, finding.severity) == (cause, "note")
    assert finding.evidence == (f"README.md, line 8: {command}",)
    assert remedy(finding).commands == (instead,)


def test_what_poetry_1_still_has_is_no_fault_there() -> None:
    assert judge("POETRY004", told("poetry shell", poetry="1.8.5")).outcome == "pass"
    assert judge("POETRY004", told("poetry lock", "poetry install --sync")).outcome == "pass"


def test_without_poetry_the_one_that_wrote_the_lock_counts() -> None:
    machine = told("poetry shell", poetry=None)
    assert judge("POETRY004", machine).outcome == "skip"
    assert machine.project
    lock = Lock("poetry.lock", generator="2.0.1")
    locked = replace(machine, project=replace(machine.project, lock=lock))
    assert judge("POETRY004", locked).outcome == "fail"


@pytest.mark.parametrize(
    "command",
    [
        "poetry install --with nosuch",
        "poetry sync --only=main,nosuch",
        "poetry run x --without nosuch",
    ],
)
def test_a_group_that_is_not_defined(command: str) -> None:
    (finding,) = findings("POETRY005", told(command))
    assert (finding.cause, finding.severity) == ("poetry-group-not-found", "warning")
    assert "'nosuch'" in finding.detail


def test_an_extra_that_is_taken_for_a_group_is_told_apart() -> None:
    (finding,) = findings("POETRY005", told("poetry install --with flash"))
    assert "--extras flash" in remedy(finding).summary


def test_groups_that_are_there_in_any_spelling_pass() -> None:
    assert findings("POETRY005", told("poetry install --with GPU,dev --only main")) == ()


def session(**variables: str) -> Machine:
    return replace(told(), variables={"DBUS_SESSION_BUS_ADDRESS": "set", **variables})


@pytest.mark.parametrize(
    ("machine", "outcome"),
    [
        (session(), "fail"),
        (session(DISPLAY="set"), "pass"),
        (session(WAYLAND_DISPLAY="set"), "pass"),
        (session(PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring"), "pass"),
        (told(), "pass"),
        (replace(session(), project=replace(PROJECT, keyring=False)), "pass"),
        (replace(session(), project=replace(PROJECT, keyring=None)), "skip"),
        (replace(session(), tools=()), "skip"),
        (replace(session(), project=replace(PROJECT, tool="uv")), "skip"),
    ],
)
def test_a_keyring_without_a_screen_to_unlock_it_on(machine: Machine, outcome: str) -> None:
    assert judge("POETRY006", machine).outcome == outcome


@pytest.mark.parametrize("code", ["POETRY004", "POETRY005", "POETRY006", "PROJ003", "PROJ004"])
def test_a_project_that_was_not_looked_at_is_skipped(code: str) -> None:
    noted = Machine(notes=(Note("project", "unsaid", "the report does not say"),))
    assert judge(code, noted).outcome == "skip"


CU128 = "https://download.pytorch.org/whl/cu128"


def uses(tool: str, *, explicit: bool = False, limited: bool = False, url: str = CU128) -> Machine:
    place = TorchPlace("torch-index", url, explicit=explicit, limited=limited)
    return Machine(host=LINUX, project=Project("/p", "pyproject.toml", tool, torch_places=(place,)))


@pytest.mark.parametrize(
    ("tool", "words"), [("poetry", 'priority = "explicit"'), ("uv", "explicit = true")]
)
def test_the_pytorch_index_is_for_torch_alone(tool: str, words: str) -> None:
    finding = only(judge("PROJ003", uses(tool)))
    assert finding.severity == "warning"
    assert words in remedy(finding).summary
    assert judge("PROJ003", uses(tool, explicit=True)).outcome == "pass"
    assert judge("PROJ003", Machine(project=PROJECT)).outcome == "skip"


def test_a_cuda_index_of_uv_without_markers_excludes_macs() -> None:
    assert only(judge("PROJ004", uses("uv"))).severity == "note"
    on_mac = only(judge("PROJ004", replace(uses("uv"), host=MACOS)))
    assert (on_mac.cause, on_mac.severity) == ("uv-index-variant-platform", "error")
    assert judge("PROJ004", uses("uv", limited=True)).outcome == "pass"
    assert judge("PROJ004", uses("uv", url=CU128.replace("cu128", "cpu"))).outcome == "pass"
    of_poetry = only(judge("PROJ004", uses("poetry", explicit=True)))
    assert 'source = "torch-index", markers = ' in remedy(of_poetry).summary
    assert remedy(of_poetry).commands == (("poetry", "lock"),)
    assert judge("PROJ004", uses("poetry", limited=True)).outcome == "pass"
    assert judge("PROJ004", Machine(project=PROJECT)).outcome == "skip"
