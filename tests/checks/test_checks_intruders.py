from __future__ import annotations

from dataclasses import replace

from checks.judging import LINUX, WINDOWS, judge, only, remedy, venv
from llmdoctor.machine import Environment, Machine, Note, Package


def on(environment: Environment, **variables: str) -> Machine:
    return Machine(host=LINUX, environment=environment, variables=variables)


def test_pythonhome_beside_an_environment_is_an_error_and_unset() -> None:
    finding = only(judge("PY008", on(venv(), PYTHONHOME="/opt/python")))
    assert finding.evidence == ("PYTHONHOME=/opt/python",)
    assert "unset PYTHONHOME" in remedy(finding).summary
    windows = Machine(host=WINDOWS, environment=venv(), variables={"PYTHONHOME": "C:\\Python"})
    assert "Remove-Item Env:PYTHONHOME" in remedy(only(judge("PY008", windows))).summary


def test_pythonhome_is_nobodys_business_without_an_environment_and_absent_it_passes() -> None:
    assert judge("PY008", on(venv())).outcome == "pass"
    system = Environment("system", version="3.12.1")
    assert judge("PY008", on(system, PYTHONHOME="/opt/python")).outcome == "skip"


def test_modules_on_pythonpath_that_hide_the_environments_are_named() -> None:
    shadowed = replace(venv(), shadows=("/opt/ros/python/numpy",))
    finding = only(judge("PY009", on(shadowed, PYTHONPATH="/opt/ros/python")))
    assert (finding.severity, finding.evidence) == ("warning", ("/opt/ros/python/numpy",))


def test_a_pythonpath_that_hides_nothing_passes() -> None:
    assert judge("PY009", on(venv(), PYTHONPATH="/srv/project/src")).outcome == "pass"


THEIRS = Package("torch", "2.4.0")


def test_the_users_own_packages_hide_those_of_a_conda_environment() -> None:
    conda = replace(
        venv(torch="2.9.1+cu126"), kind="conda", user_site="/home/a/s", user_packages=(THEIRS,)
    )
    finding = only(judge("PY010", on(conda)))
    assert finding.evidence == ("torch 2.4.0 hides 2.9.1+cu126",)
    assert finding.severity == "warning"
    assert "PYTHONNOUSERSITE" in remedy(finding).summary


def test_a_conda_environment_that_shares_nothing_with_the_users_folder_passes() -> None:
    conda = replace(venv(), kind="conda", user_site="/home/a/s", user_packages=(THEIRS,))
    assert judge("PY010", on(conda)).outcome == "pass"
    same = replace(conda, packages=(THEIRS,))
    assert judge("PY010", on(same)).outcome == "pass"


def test_what_a_venv_with_system_packages_takes_from_the_user_is_a_note() -> None:
    shared = replace(
        venv(THEIRS, Package("six", "1.17")),
        system_site_packages=True,
        user_site="/home/a/s",
        user_packages=(THEIRS, Package("six", "1.17")),
    )
    finding = only(judge("PY010", on(shared)))
    assert (finding.severity, finding.evidence) == ("note", ("torch 2.4.0",))
    newer = replace(shared, packages=(Package("torch", "2.9.1"),))
    assert judge("PY010", on(newer)).outcome == "pass"


def test_a_plain_venv_does_not_read_the_users_folder() -> None:
    assert judge("PY010", on(venv())).outcome == "skip"


def test_scripts_of_another_python_are_named() -> None:
    stale = replace(venv(), stale_scripts=("/srv/project/.venv/bin/pip",))
    finding = only(judge("PY011", on(stale)))
    assert finding.evidence == ("/srv/project/.venv/bin/pip",)
    assert "--fresh" in remedy(finding).commands[0]
    assert judge("PY011", on(venv())).outcome == "pass"


def test_scripts_of_a_moved_environment_follow_from_the_move() -> None:
    moved = replace(venv(), stale_scripts=("/x/bin/pip",), problem="it was made at /y, and moved")
    assert "PY002" in (judge("PY011", on(moved)).reason or "")


def test_nothing_is_said_of_what_a_report_leaves_out() -> None:
    machine = Machine(environment=venv(), notes=(Note("files", "unsaid", "x"),))
    assert [judge(code, machine).outcome for code in ("PY010", "PY011")] == ["skip", "skip"]
