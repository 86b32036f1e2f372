"""Checks of other packages: asked for by name, told with their origin, never in the way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.runs import Desk

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "own-checks.md"


def offer(desk: Desk, module: str, value: str = "acme_checks:CHECKS") -> None:
    """A package as it lies in site-packages, beside llmdoctor."""
    site = desk.folder / "site"
    info = site / "acme_checks-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "acme_checks.py").write_text(module, "utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-checks\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[llmdoctor.checks]\nacme = {value}\n")
    desk.environ["PYTHONPATH"] = str(site)


def example() -> str:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(text).replace('"3.12."', '"2."')


def rows(desk: Desk, *words: str, code: int = 0) -> dict[str, tuple[str, str | None]]:
    document = desk.json("check", "--select", "HOST001", *words, code=code)
    return {item["code"]: (item["outcome"], item["reason"]) for item in document["verdicts"]}


def test_the_documented_check_runs_where_it_is_named_and_only_there(desk: Desk) -> None:
    desk.environment()
    offer(desk, "print('imported')\n" + example())
    assert rows(desk).keys() == {"HOST001"}
    listed = desk.run("check", "--list", "--select", "HOST001").stdout
    assert "--checks acme  of acme-checks 1.2" in listed
    assert "imported" not in listed
    out = desk.run(
        "check", "--select", "HOST001", "--checks", "acme", "--fail-on", "warning", code=1
    )
    assert "warning ACME001: Python is the one that Acme supports" in out.stdout
    (desk.project / "pyproject.toml").write_text('[tool.llmdoctor]\nchecks = ["acme"]\n')
    assert "ACME001" in desk.run("check", "--select", "HOST001").stdout


@pytest.mark.parametrize(
    ("module", "value", "why"),
    [
        ("import nowhere_at_all\n", "acme_checks:CHECKS", "ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)\n", "acme_checks:CHECKS", "SystemExit: 3"),
        ("CHECKS = 1\n", "acme_checks:CHECKS", "TypeError: acme_checks:CHECKS is no tuple"),
        ("", "acme_checks:CHECKS", "AttributeError"),
        (None, "acme_checks:CHECKS", "llmdoctor's own check is called TORCH001"),
        ("double", "acme_checks:CHECKS", "another of these checks is called ACME001"),
    ],
)
def test_a_broken_one_is_a_crash_of_its_own(
    module: str | None, value: str, why: str, desk: Desk
) -> None:
    made = {None: example().replace("ACME001", "TORCH001"), "double": example() + "CHECKS *= 2\n"}
    offer(desk, made.get(module, str(module)), value)
    told = rows(desk, "--checks", "acme", code=3)
    outcome, reason = told["acme"]
    assert outcome == "crash"
    assert "acme-checks 1.2" in str(reason)
    assert why in str(reason)
    assert told.keys() == {"HOST001", "acme"}
    words = ("check", "--select", "HOST001", "--checks", "acme")
    assert "✗ acme crash: " in desk.run(*words, code=3).stdout
    assert desk.run(*words, "--quiet", code=3).stdout == "1 check crashed: acme\n"
    desk.run(*words, "--fail-on", "never")


def test_every_report_says_what_a_check_of_others_looks_for_and_whose_it_is(desk: Desk) -> None:
    desk.environment()
    offer(desk, example())
    words = ("check", "--select", "HOST001", "--checks", "acme")
    title = "Python is the one that Acme supports (of acme-checks 1.2)"
    for name in ("junit", "sarif", "html"):
        assert title in desk.run(*words, "--format", name).stdout, name
    origins = {item["code"]: item["origin"] for item in desk.json(*words)["verdicts"]}
    assert origins == {"HOST001": None, "ACME001": "acme-checks 1.2"}
    again = "llmdoctor check --select HOST001 --checks acme --from FILE"
    assert again in desk.run(*words, "--format", "markdown").stdout


def test_a_name_that_nobody_offers_is_refused(desk: Desk) -> None:
    said = desk.refused("check", "--checks", "acme")
    assert "no installed package has checks called 'acme'" in said


IGNORE = '[[tool.llmdoctor.ignore]]\ncode = "ACME"\nreason = "known"\nuntil = 2999-01-31\n'


def policy(desk: Desk, text: str) -> None:
    (desk.project / "pyproject.toml").write_text(text)


def test_select_and_ignore_know_the_codes_of_those_that_are_named(desk: Desk) -> None:
    desk.environment()
    offer(desk, example())
    words = ("check", "--checks", "acme", "--fail-on", "never")
    alone = desk.json(*words, "--select", "acme001")
    assert [item["code"] for item in alone["verdicts"]] == ["ACME001"]
    without = desk.json(*words, "--select", "HOST001", "--ignore", "ACME")
    assert [item["code"] for item in without["verdicts"]] == ["HOST001"]
    said = desk.refused(*words, "--select", "ACNE001")
    assert "did you mean 'ACME001'?" in said
    assert "no check's code begins with 'ACME001'" in desk.refused("check", "--select", "ACME001")
    listed = desk.run("check", "--list", "--checks", "acme", "--select", "ACME").stdout
    assert listed.splitlines()[0] == (
        "ACME001  warning  Python is the one that Acme supports (of acme-checks 1.2)"
    )


def test_a_policy_knows_the_codes_of_the_checks_that_it_names(desk: Desk) -> None:
    desk.environment()
    offer(desk, example())
    policy(desk, '[tool.llmdoctor]\nchecks = ["acme"]\nselect = ["ACME001"]\n')
    words = ("check", "--fail-on", "warning")
    assert desk.run("check", "--list").stdout.count("ACME001") == 1
    assert "warning ACME001" in desk.run(*words, code=1).stdout
    policy(desk, '[tool.llmdoctor]\nchecks = ["acme"]\nselect = ["ACME001"]\n' + IGNORE)
    document = desk.json(*words, code=0)
    assert [item["reason"] for item in document["known"]] == ["ignored until 2999-01-31: known"]
    policy(desk, IGNORE)
    assert "ignore of ACME: no check's code begins with 'ACME'" in desk.refused("check")
    desk.run("check", "--checks", "acme", "--select", "HOST001")
    policy(desk, '[tool.llmdoctor]\nchecks = ["acne"]\n')
    assert "HOST001" in desk.run("check", "--list").stdout, "it names what is right"
    said = desk.refused("check")
    assert "[tool.llmdoctor] checks: no installed package has checks called 'acne'" in said
    assert "did you mean 'acme'?" in said


def test_codes_of_checks_that_cannot_be_loaded_hide_no_crash(desk: Desk) -> None:
    offer(desk, "import nowhere_at_all\n")
    policy(desk, '[tool.llmdoctor]\nchecks = ["acme"]\nselect = ["ACME001"]\n' + IGNORE)
    document = desk.json("check", code=3)
    assert document["summary"]["crashed"] == ["acme"]
    assert [(item["code"], item["outcome"]) for item in document["verdicts"]] == [("acme", "crash")]
    assert "acme  crash" in desk.run("check", "--list", "--checks", "acme", code=3).stdout
