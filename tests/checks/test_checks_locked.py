from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import LINUX, MACOS, judge, only, remedy, venv
from llmdoctor import wire
from llmdoctor.locked import Unfit
from llmdoctor.machine import Lock, Machine, Note, Project, Tool

FOREIGN = Unfit(
    "fakefa",
    "1.0",
    "url",
    "platform",
    "Windows x86_64",
    ("fakefa-1.0-cp312-cp312-win_amd64.whl",),
    "https://x.invalid/fakefa-1.0-cp312-cp312-win_amd64.whl",
    12,
)
BY_PATH = replace(FOREIGN, origin="path", address="wheels/fakefa-1.0-cp312-cp312-win_amd64.whl")
CUDA_ONLY = Unfit("torch", "2.9.1", "index", "platform", "Linux x86_64", ("a.whl", "b.whl"))
OLD = Unfit("old", "1.0", "index", "python", "Python 3.9", ("old-1.0-cp39-cp39-linux_x86_64.whl",))
GLIBC = Unfit("new", "1.0", "index", "glibc", "glibc 2.39", ("new.whl",))
ALL = ("LOCK003", "LOCK004", "LOCK005", "LOCK006")


def machine(*unfit: Unfit, tool: str = "poetry", **facts: object) -> Machine:
    name = {"poetry": "poetry.lock", "uv": "uv.lock", "pip": "pylock.toml"}[tool]
    lock = Lock(f"/srv/p/{name}", tool, packages=3, unfit=unfit, **facts)  # type: ignore[arg-type]
    project = Project("/srv/p", "pyproject.toml", tool, lock=lock)
    return Machine(host=LINUX, environment=venv(python="3.12.4"), project=project)


def test_a_url_wheel_for_another_platform() -> None:
    finding = only(judge("LOCK003", machine(FOREIGN)))
    assert (finding.cause, finding.severity, finding.line) == ("wheel-tag-mismatch", "error", 12)
    assert "installing from it fails" in finding.detail
    assert "sys_platform == 'win32' and platform_machine == 'AMD64'" in remedy(finding).summary
    assert judge("LOCK004", machine(FOREIGN)).outcome == "pass"


def test_a_path_wheel_that_poetry_installs_without_looking() -> None:
    finding = only(judge("LOCK003", machine(BY_PATH)))
    assert "without looking" in finding.detail
    assert "fails" in only(judge("LOCK003", machine(BY_PATH, tool="uv"))).detail


@pytest.mark.parametrize(
    ("version", "command"),
    [("1.8.5", ("poetry", "lock", "--no-update")), ("2.3.4", ("poetry", "lock"))],
)
def test_locking_again_is_the_command_of_the_poetry_that_is_here(
    version: str, command: tuple[str, ...]
) -> None:
    here = replace(machine(FOREIGN), tools=(Tool("poetry", "/bin/poetry", version),))
    assert remedy(only(judge("LOCK003", here))).commands == (command,)
    uv = remedy(only(judge("LOCK003", machine(FOREIGN, tool="uv"))))
    assert uv.commands == (("uv", "lock"),)


def test_wheels_for_other_platforms_only() -> None:
    on_a_mac = replace(machine(CUDA_ONLY, tool="uv"), host=MACOS)
    finding = only(judge("LOCK004", on_a_mac))
    assert (finding.cause, finding.severity) == ("no-wheel-for-platform", "error")
    assert finding.evidence == ("torch 2.9.1 is for Linux x86_64, 2 files",)
    of_poetry = only(judge("LOCK004", machine(CUDA_ONLY, GLIBC)))
    assert of_poetry.cause == "poetry-no-wheel-for-python"
    assert only(judge("LOCK004", machine(GLIBC))).cause == "glibc-too-old"


def test_no_file_for_this_python() -> None:
    finding = only(judge("LOCK005", machine(OLD)))
    assert finding.cause == "poetry-no-wheel-for-python"
    assert "3.12.4" in finding.detail
    assert remedy(finding).commands == (("poetry", "update", "--lock", "old"),)
    of_uv = only(judge("LOCK005", machine(OLD, tool="uv")))
    assert of_uv.cause == "no-wheel-for-python"
    assert remedy(of_uv).commands == (("uv", "lock", "--upgrade-package", "old"),)
    assert judge("LOCK004", machine(OLD)).outcome == "pass"


def test_ordinary_packages_from_the_pytorch_index() -> None:
    finding = only(judge("LOCK006", machine(strays=("numpy 2.1.0", "requests 2.28.1"))))
    assert (finding.cause, finding.severity) == (None, "warning")
    assert finding.evidence == ("numpy 2.1.0", "requests 2.28.1")


def test_a_lock_of_a_later_format() -> None:
    assert only(judge("LOCK007", machine(tool="uv", lock_version="2.0"))).severity == "error"
    assert only(judge("LOCK007", machine(tool="pip", lock_version="2.0"))).code == "LOCK007"
    for tool, version in (("uv", "1.7"), ("pip", "1.1")):
        assert judge("LOCK007", machine(tool=tool, lock_version=version)).outcome == "pass"
    assert judge("LOCK007", machine(lock_version="3.0")).outcome == "skip", "POETRY002 says it"


@pytest.mark.parametrize("code", ALL)
def test_a_lock_that_is_right_passes_and_what_was_not_looked_at_is_skipped(code: str) -> None:
    right = machine()
    assert judge(code, right).outcome == "pass"
    assert judge(code, Machine()).outcome == "skip"
    assert right.project is not None
    assert right.project.lock is not None
    for lock in (None, Lock("p"), Lock("p", packages=1, problem="not valid TOML")):
        assert (
            judge(code, replace(right, project=replace(right.project, lock=lock))).outcome == "skip"
        )
    large = replace(right, notes=(Note("lock", "failed", "larger than 8 MiB"),))
    assert judge(code, large).outcome == "skip"


def test_what_a_lock_says_is_saved_and_read_back() -> None:
    before = machine(FOREIGN, OLD, strays=("numpy 1",))
    assert wire.load(Machine, wire.dump(before)) == before
    older = wire.dump(before)
    for key in ("packages", "unfit", "strays"):
        del older["project"]["lock"][key]
    assert judge("LOCK003", wire.load(Machine, older)).outcome == "skip"


def test_a_uv_lock_that_says_otherwise_than_the_manifest() -> None:
    said = ("dependencies: torch is locked for another wish",)
    finding = only(judge("LOCK002", machine(tool="uv", differs=said)))
    assert (finding.cause, finding.severity, finding.evidence) == (None, "warning", said)
    assert remedy(finding).commands == (("uv", "lock"),)
    assert judge("LOCK002", machine(tool="uv", differs=())).outcome == "pass"
    assert judge("LOCK002", machine(tool="uv")).outcome == "skip"
