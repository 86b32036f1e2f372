from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import judge, only, remedy, venv
from llmdoctor.machine import Lock, Machine, Package, Project, Tool

HASHES = {"1.x": "one", "2.0": "two", "2.3": "three"}
FRESH = Lock("/srv/project/poetry.lock", "poetry", "Poetry 2.1.3", "2.1", "two", HASHES)


def poetry(version: str | None, prefix: str = "/home/u/.local/share/pipx/venvs/poetry") -> Tool:
    return Tool("poetry", "/home/u/.local/bin/poetry", version, prefix)


def project(lock: Lock | None = FRESH, tool: Tool | None = None, kind: str = "poetry") -> Machine:
    found = Project("/srv/project", "pyproject.toml", kind, ">=3.10,<3.13", lock)
    return Machine(project=found, tools=(tool,) if tool else (), environment=venv())


def test_a_poetry_project_without_poetry() -> None:
    finding = only(judge("POETRY001", project()))
    assert finding.severity == "warning"
    assert "poetry" in remedy(finding).commands[0]
    assert judge("POETRY001", project(tool=poetry("2.1.4"))).outcome == "pass"
    assert judge("POETRY001", project(kind="uv")).outcome == "skip"


def test_poetry_1_8_reads_a_lock_of_poetry_2_with_a_warning() -> None:
    finding = only(judge("POETRY002", project(tool=poetry("1.8.5"))))
    assert (finding.cause, finding.severity) == ("poetry-too-old-for-lock", "warning")
    assert remedy(finding).commands == (("pipx", "upgrade", "poetry"),)


def test_a_lock_of_the_next_major_is_not_read_at_all() -> None:
    future = replace(FRESH, lock_version="3.0")
    assert only(judge("POETRY002", project(future, poetry("2.5.1")))).severity == "error"


def test_a_lock_that_poetry_reads_passes_and_unknown_versions_are_skipped() -> None:
    assert judge("POETRY002", project(tool=poetry("2.5.1"))).outcome == "pass"
    old = replace(FRESH, lock_version="1.1")
    assert judge("POETRY002", project(old, poetry("2.5.1"))).outcome == "pass"
    for tool in (None, poetry(None), poetry("3.0.0"), poetry("1.2.0")):
        assert judge("POETRY002", project(tool=tool)).outcome == "skip"


def test_poetry_among_the_projects_own_packages() -> None:
    inside = replace(project(), environment=venv(Package("poetry", "2.1.4")))
    finding = only(judge("POETRY003", inside))
    assert (finding.cause, finding.severity) == ("poetry-removed-itself", "warning")


def test_poetry_started_from_the_projects_own_environment() -> None:
    machine = project(tool=poetry("2.1.4", prefix="/srv/project/.venv"))
    assert judge("POETRY003", machine).outcome == "fail"
    assert judge("POETRY003", project(tool=poetry("2.1.4"))).outcome == "pass"
    assert judge("POETRY003", project(kind="pip")).outcome == "skip"


def test_a_lock_with_conflict_markers_keeps_its_pins() -> None:
    lock = replace(FRESH, problem="poetry.lock holds the conflict markers of a merge (line 3)")
    finding = only(judge("LOCK001", project(lock)))
    assert remedy(finding).commands[0][:3] == ("git", "checkout", "--ours")
    assert judge("LOCK002", project(lock)).outcome == "skip"


def test_a_lock_that_is_cut_off_is_brought_back_and_no_merge_is_named() -> None:
    problem = "poetry.lock has no [metadata] table: it is cut off, or was never whole"
    finding = only(judge("LOCK001", project(replace(FRESH, problem=problem))))
    assert finding.detail.startswith("poetry.lock has no [metadata]")
    assert "merge" not in remedy(finding).summary
    assert remedy(finding).commands[0] == ("git", "checkout", "--", "poetry.lock")


def test_a_readable_lock_passes_and_no_lock_is_skipped() -> None:
    assert judge("LOCK001", project()).outcome == "pass"
    assert judge("LOCK001", project(None)).outcome == "skip"
    assert judge("LOCK001", Machine()).outcome == "skip"


@pytest.mark.parametrize(
    ("version", "command"),
    [("1.8.5", ("poetry", "lock", "--no-update")), ("2.1.4", ("poetry", "lock"))],
)
def test_a_stale_lock_is_renewed_by_the_command_of_that_poetry(
    version: str, command: tuple[str, ...]
) -> None:
    stale = replace(FRESH, content_hash="of an older manifest")
    finding = only(judge("LOCK002", project(stale, poetry(version))))
    assert (finding.cause, finding.severity) == ("poetry-lock-stale", "error")
    assert remedy(finding).commands == (command,)


@pytest.mark.parametrize(
    ("installed", "generator", "content_hash", "outcome"),
    [
        ("1.8.5", "Poetry 1.8.5", "one", "pass"),
        ("1.8.5", "Poetry 2.1.3", "two", "fail"),
        ("2.1.4", "Poetry 2.1.3", "two", "pass"),
        ("2.1.4", "Poetry 2.5.1", "three", "fail"),
        ("2.5.1", "Poetry 2.5.1", "three", "pass"),
        ("2.5.1", "Poetry 2.1.3", "two", "pass"),  # older locks keep their rule
        ("2.5.1", "Poetry 2.5.1", "two", "fail"),  # but not those of its own time
        (None, "Poetry 2.1.3", "two", "pass"),
        (None, "Poetry 2.1.3", "three", "fail"),
        (None, None, "three", "pass"),  # nobody known: any rule will do
        (None, None, "four", "fail"),
        ("3.1.0", "Poetry 3.1.0", "three", "pass"),
    ],
)
def test_which_hash_counts_depends_on_poetry_and_on_who_wrote_the_lock(
    installed: str | None, generator: str | None, content_hash: str, outcome: str
) -> None:
    lock = replace(FRESH, generator=generator, content_hash=content_hash)
    machine = project(lock, poetry(installed) if installed else None)
    assert judge("LOCK002", machine).outcome == outcome


def test_a_lock_without_hashes_is_not_judged() -> None:
    assert judge("LOCK002", project(replace(FRESH, manifest_hashes={}))).outcome == "skip"
    assert judge("LOCK002", project(replace(FRESH, content_hash=None))).outcome == "skip"
    only_old = replace(FRESH, manifest_hashes={"1.x": "one"})
    assert judge("LOCK002", project(only_old, poetry("2.1.4"))).outcome == "skip"
    assert judge("LOCK002", project(replace(FRESH, tool="uv"), kind="uv")).outcome == "skip"
