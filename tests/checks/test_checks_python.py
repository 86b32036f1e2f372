from __future__ import annotations

from dataclasses import replace

from checks.judging import LINUX, WINDOWS, judge, only, remedy, venv
from llmdoctor.machine import Environment, Machine


def on(environment: Environment) -> Machine:
    return Machine(host=LINUX, environment=environment)


def broken(problem: str) -> Machine:
    return on(replace(venv(), kind="broken", problem=problem))


def test_a_healthy_environment_passes() -> None:
    for code in ("PY001", "PY002", "PY003"):
        assert judge(code, on(venv())).outcome == "pass"


def test_a_base_that_is_gone_keeps_the_old_environment_aside() -> None:
    machine = broken("its base interpreter /usr/bin/python3.11 does not exist any more")
    finding = only(judge("PY001", machine, "cpu"))
    assert finding.cause == "venv-broken-after-python-upgrade"
    place = ("--env", "/srv/project/.venv")
    anew = ("llmdoctor", "install", "--profile", "cpu", *place, "--fresh")
    assert remedy(finding).commands == (
        ("llmdoctor", "fix", "--select", "PY001", *place),
        anew,
    )
    on_windows = replace(machine, host=WINDOWS)  # where a fix leaves it to its owner
    assert remedy(only(judge("PY001", on_windows, "cpu"))).commands == (anew,)
    assert remedy(only(judge("GPU001", machine))).commands == (anew,)
    assert judge("PY002", machine).outcome == "pass"


def test_a_base_of_another_minor_is_the_same_cause() -> None:
    machine = broken("its python is now 3.13, and its packages are in lib/python3.12")
    assert only(judge("PY001", machine)).cause == "venv-broken-after-python-upgrade"


def test_a_missing_pyvenv_cfg_is_damage_of_its_own() -> None:
    machine = broken("pyvenv.cfg is missing: its python takes itself for the base interpreter")
    assert only(judge("PY002", machine)).severity == "error"
    assert judge("PY001", machine).outcome == "pass"


def test_a_folder_that_is_no_environment_is_not_to_be_replaced() -> None:
    problem = "not a Python environment: neither pyvenv.cfg nor conda-meta nor a python is in it"
    finding = only(judge("PY002", broken(problem)))
    assert "--fresh" not in remedy(finding).commands[0]
    assert remedy(finding).commands[0][-2:] == ("--env", ".venv-llm")  # a file is in .venv's place
    elsewhere = Environment("broken", "/srv/photo.jpg", problem=problem)
    for code in ("PY002", "GPU001"):
        found = only(judge(code, on(elsewhere)))
        assert remedy(found).commands == (("llmdoctor", "install", "--profile", "cpu"),)


def test_a_moved_environment_still_works_and_is_a_warning() -> None:
    moved = replace(venv(), problem="it was made at /old/.venv and moved or copied: the scripts")
    assert only(judge("PY002", on(moved))).severity == "warning"


def test_the_systems_own_python_is_not_installed_into() -> None:
    system = Environment("system", "/usr", "/usr/bin/python3", "3.12.3", externally_managed=True)
    finding = only(judge("PY003", on(system)))
    assert finding.cause == "pep668-externally-managed"
    assert remedy(finding).commands[0][:3] == ("python3", "-m", "venv")


def test_windows_is_told_its_own_command() -> None:
    system = Environment("system", "C:\\Python", version="3.12.3", externally_managed=True)
    finding = only(judge("PY003", Machine(host=WINDOWS, environment=system)))
    assert remedy(finding).commands[0][0] == "py"


def test_python_outside_the_profiles_range() -> None:
    finding = only(judge("PY004", on(venv(python="3.9.18")), "cpu"))
    assert finding.cause == "no-wheel-for-python"
    assert "anew with Python 3.10 to 3.14" in remedy(finding).summary
    assert remedy(finding).commands[0][-2:] == ("/srv/project/.venv", "--fresh")


def test_no_install_is_proposed_that_refuses_the_python_that_is_there() -> None:
    """An install takes the Python of an environment that it does not build anew."""
    for code, machine in (
        ("TORCH001", on(venv(python="3.9.18"))),
        ("GPU001", on(venv(python="3.9.18"))),
    ):
        assert remedy(only(judge(code, machine))).commands[0][-1] == "--fresh"
    conda = replace(venv(), kind="conda", path="/opt/conda/envs/llm")
    (command,) = remedy(only(judge("TORCH001", on(conda)))).commands
    assert command[-3:] == ("--env", "/opt/conda/envs/llm", "--in-place")
    system = Environment("system", "/usr", "/usr/bin/python3.9", "3.9.18")
    way = remedy(only(judge("PY006", on(system))))
    assert way.commands == (("llmdoctor", "install", "--profile", "cpu"),)


def test_python_inside_the_range_passes_and_a_new_environment_has_none_yet() -> None:
    assert judge("PY004", on(venv(python="3.12.4")), "cpu").outcome == "pass"
    assert judge("PY004", Machine(), "cpu").outcome == "skip"
    assert judge("PY004", on(venv())).outcome == "skip"


def test_python_without_a_wheel_of_torch() -> None:
    finding = only(judge("PY005", on(venv(python="3.9.18")), "cpu"))
    assert finding.cause == "no-wheel-for-python"
    assert judge("PY005", on(venv(python="3.12.4")), "cpu").outcome == "pass"


def test_an_installed_torch_is_judged_too_and_an_unknown_one_is_not() -> None:
    assert judge("PY005", on(venv(torch="2.9.1+cpu", python="3.9.1"))).outcome == "fail"
    assert judge("PY005", on(venv(torch="2.99.0", python="3.9.1"))).outcome == "skip"
    assert judge("PY005", on(venv())).outcome == "skip"


def test_python_3_8_is_too_old_and_no_error_for_what_works_in_it() -> None:
    finding = only(judge("PY006", on(venv(torch="2.0.0a0", python="3.8.10"))))
    assert (finding.cause, finding.severity) == ("python-too-old", "warning")
    assert only(judge("PY006", on(venv(python="3.8.10")))).severity == "warning"


def test_python_3_12_is_not_too_old_and_a_profile_judges_by_its_own_range() -> None:
    assert judge("PY006", on(venv())).outcome == "pass"
    assert judge("PY006", on(venv(python="3.8.10")), "cpu").outcome == "skip"
    assert judge("PY006", Machine()).outcome == "skip"


def test_a_free_threaded_python_is_outside_every_range_and_named_as_that() -> None:
    machine = on(venv(python="3.13.0t"))
    finding = only(judge("PY004", machine, "mainline"))
    assert "a free-threaded Python takes other wheels" in finding.detail
    assert judge("PY004", on(venv(python="3.13.0")), "mainline").outcome == "pass"


def test_the_wheels_of_a_free_threaded_python_are_not_those_of_its_minor() -> None:
    assert judge("PY005", on(venv(torch="2.15.0+cpu", python="3.13.0"))).outcome == "pass"
    assert judge("PY005", on(venv(torch="2.15.0+cpu", python="3.13.0t"))).outcome == "fail"


def test_an_install_that_was_cut_off_is_named_with_what_takes_it_back() -> None:
    found = only(
        judge("PY007", Machine(environment=Environment("venv", "/e", cut_off="20260101-1")))
    )
    assert remedy(found).commands == (("llmdoctor", "undo", "20260101-1"),)
    assert judge("PY007", Machine(environment=Environment("venv", "/e"))).outcome == "pass"
