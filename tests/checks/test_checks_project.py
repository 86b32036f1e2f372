from __future__ import annotations

from dataclasses import replace

from checks.judging import GTX_1080_TI, LINUX, RTX_4090, driver, judge, only, remedy, venv
from llmdoctor.machine import Machine, Project

PROJECT = Project("/srv/project", "pyproject.toml", "poetry", ">=3.10,<3.13")


def test_a_manifest_that_cannot_be_read() -> None:
    problem = "pyproject.toml is not valid TOML: Invalid value (at line 3, column 7)"
    finding = only(judge("PROJ001", Machine(project=replace(PROJECT, problem=problem))))
    assert finding.evidence == (problem,)
    assert judge("PROJ001", Machine(project=PROJECT)).outcome == "pass"
    assert judge("PROJ001", Machine()).outcome == "skip"


def test_python_outside_the_projects_range() -> None:
    machine = Machine(project=PROJECT, environment=venv(python="3.13.0"))
    finding = only(judge("PROJ002", machine))
    assert (finding.cause, finding.severity) == ("poetry-python-unsupported", "error")
    place = ("--env", "/srv/project/.venv")
    assert remedy(finding).commands == (("llmdoctor", "fix", "--select", "PROJ002", *place),)


def test_python_inside_the_projects_range_also_in_poetrys_own_words() -> None:
    machine = Machine(project=PROJECT, environment=venv(python="3.12.9"))
    assert judge("PROJ002", machine).outcome == "pass"
    caret = replace(machine, project=replace(PROJECT, requires_python="^3.12"))
    assert judge("PROJ002", caret).outcome == "pass"


def test_the_projects_range_is_not_judged_without_one_or_without_a_python() -> None:
    silent = replace(PROJECT, requires_python=None)
    strange = replace(PROJECT, requires_python="some python")
    assert judge("PROJ002", Machine(project=PROJECT)).outcome == "skip"
    for project in (None, silent, strange):
        machine = Machine(project=project, environment=venv())
        assert judge("PROJ002", machine).outcome == "skip"


def test_a_profile_that_the_resolver_refuses() -> None:
    machine = Machine(host=LINUX, nvidia=driver("550.54.14", GTX_1080_TI), environment=venv())
    finding = only(judge("PROFILE001", machine, "flashattn"))
    assert finding.cause == "gpu-too-old-for-flash-attn"
    assert ("llmdoctor", "profiles") in remedy(finding).commands


def test_only_what_fits_as_it_is_becomes_a_command() -> None:
    old = Machine(host=LINUX, nvidia=driver("450.80.02", RTX_4090), environment=venv())
    way = remedy(only(judge("PROFILE001", old, "flashattn")))
    assert "with a newer NVIDIA driver" in way.summary
    assert way.commands == (
        ("llmdoctor", "profiles"),
        ("llmdoctor", "install", "--profile", "cpu", "--env", "/srv/project/.venv"),
    )


def test_a_profile_that_fits_passes_and_no_profile_is_not_judged() -> None:
    machine = Machine(host=LINUX, nvidia=driver("550.54.14", RTX_4090), environment=venv())
    assert judge("PROFILE001", machine, "mainline").outcome == "pass"
    assert judge("PROFILE001", machine).outcome == "skip"
