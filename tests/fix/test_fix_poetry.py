"""Locks and keyrings, with a Poetry that is real: `nox` says where, `nox -s poetry` brings six."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.runs import Desk, assert_nothing_to_repair, check_sees
from fix.poetries import real, run_poetry
from llmdoctor.finding import Finding
from llmdoctor.fix import Bench, relock
from llmdoctor.fix.repairs import keyring
from llmdoctor.machine import Machine, Project
from llmdoctor.system.local import Local
from support.index import LoopbackIndex
from support.poetry_projects import poetry_project, pyproject_text, read_lock
from support.tree import assert_same_tree, snapshot
from support.wheels import build_wheel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links to programs")


@pytest.fixture
def stale(desk: Desk, poetry: Path, loopback_index: LoopbackIndex, tmp_path: Path) -> Desk:
    """A project locked by that Poetry with alpha 1.0; then alpha 2.0 comes out and beta is wanted."""
    url = loopback_index.add("simple", build_wheel(tmp_path, "alpha", "1.0"))
    source = f'[[tool.poetry.source]]\nname = "mirror"\nurl = "{url}"\npriority = "primary"\n'
    text = pyproject_text("tool.poetry", dependencies={"alpha": ">=1.0"}, extra=source)
    (desk.project / "pyproject.toml").write_text(text)
    done = run_poetry(desk, poetry, "lock", "--no-interaction")
    assert done.returncode == 0, done.stdout + done.stderr
    loopback_index.add("simple", build_wheel(tmp_path, "alpha", "2.0"))
    loopback_index.add("simple", build_wheel(tmp_path, "beta", "1.0"))
    wanted = pyproject_text(
        "tool.poetry", dependencies={"alpha": ">=1.0", "beta": ">=1.0"}, extra=source
    )
    (desk.project / "pyproject.toml").write_text(wanted)
    return desk


@real
def test_a_stale_lock_is_renewed_with_its_pins_kept(stale: Desk, poetry: Path) -> None:
    before = snapshot(stale.project)
    assert check_sees(stale, "LOCK002")
    done = stale.json("fix", "--select", "LOCK002", "--yes", code=0)
    assert done["outcome"] == "kept", done
    (repair,) = done["repairs"]
    assert repair["details"] == ["beta: absent → 1.0"]
    versions = {item["name"]: item["version"] for item in read_lock(stale.project)["package"]}
    assert versions == {"alpha": "1.0", "beta": "1.0"}
    checked = run_poetry(stale, poetry, "check", "--lock")
    assert "poetry.lock" not in checked.stderr, checked.stderr
    assert not (stale.project / ".venv").exists()
    assert_nothing_to_repair(stale, "LOCK002")
    assert not check_sees(stale, "LOCK002")
    stale.run("undo", "--yes")
    assert_same_tree(before, snapshot(stale.project))


@real
def test_a_lock_that_cannot_be_renewed_stays(stale: Desk) -> None:
    manifest = stale.project / "pyproject.toml"
    manifest.write_text(manifest.read_text().replace("beta", "gamma"))
    before = snapshot(stale.project)
    told = stale.json("fix", "--select", "LOCK002", "--yes", code=1)
    assert [item["safety"] for item in told["repairs"]] == ["manual"]
    assert "did not renew it" in told["repairs"][0]["details"][0]
    assert_same_tree(before, snapshot(stale.project))


STALE = Finding("LOCK002", None, "error", "stale")


def bench(system: Local, project: Path, scratch: Path, keep: str = "local") -> Bench:
    machine = Machine(project=Project(str(project), "pyproject.toml", "poetry"))
    return Bench(system, machine, str(scratch), lambda _: None, keep)  # type: ignore[arg-type]


def test_without_poetry_a_stale_lock_is_left_to_its_reader(desk: Desk) -> None:
    poetry_project(desk.project)
    path = desk.project / "pyproject.toml"
    path.write_text(path.read_text().replace(">=3.10", ">=3.9"))
    desk.environ["PATH"] = str(desk.folder / "nothing")
    told = desk.json("fix", "--select", "LOCK002", "--yes", code=1)
    assert told["repairs"][0]["details"] == ["Poetry is not here, or its version is not known"]


def test_locks_are_compared_by_names_and_versions() -> None:
    package = '[[package]]\nname = "{}"\nversion = "{}"\n'
    old = package.format("alpha", "1.0") + package.format("gone", "3")
    new = package.format("alpha", "1.1") + package.format("new", "2")
    assert relock.differences(old, new) == (
        "alpha: 1.0 → 1.1",
        "gone: 3 → gone",
        "new: absent → 2",
    )
    assert relock.differences(old, old.replace("\n", "\r\n")) == (
        "all 2 packages keep their versions",
    )


@pytest.mark.parametrize(
    ("former", "after"),
    [
        (None, "[keyring]\nenabled = false\n"),
        (
            "# ours\n[virtualenvs]\nin-project = true # here\n",
            "# ours\n[virtualenvs]\nin-project = true # here\n\n[keyring]\nenabled = false\n",
        ),
        ("[keyring]\nenabled = true\n", "[keyring]\nenabled = false\n"),
    ],
)
def test_the_keyring_is_switched_off_and_the_rest_of_the_file_stays(
    former: str | None, after: str, tmp_path: Path
) -> None:
    if former is not None:
        (tmp_path / "poetry.toml").write_text(former)
    made = keyring.switch_off(bench(Local({}), tmp_path, tmp_path), STALE)
    (step,) = made.steps
    assert step.kind == "write"
    assert (step.path, step.content.replace("\n\n", "\n")) == (
        str(tmp_path / "poetry.toml"),
        after.replace("\n\n", "\n"),
    )


def test_the_keyring_is_switched_off_for_the_user_where_that_is_asked(tmp_path: Path) -> None:
    system = Local({"POETRY_CONFIG_DIR": str(tmp_path / "conf"), "HOME": str(tmp_path)})
    (step,) = keyring.switch_off(bench(system, tmp_path, tmp_path, "global"), STALE).steps
    assert step.kind == "write"
    assert step.path == str(tmp_path / "conf" / "config.toml")


def test_the_keyring_of_private_sources_is_kept(tmp_path: Path) -> None:
    source = '[[tool.poetry.source]]\nname = "our-own"\nurl = "https://pkgs.example.org/simple"\n'
    (tmp_path / "pyproject.toml").write_text(source)
    made = keyring.switch_off(bench(Local({}), tmp_path, tmp_path), STALE)
    assert (made.safety, made.steps) == ("manual", ())
    assert "our-own" in made.details[0]
    told = Local({"POETRY_HTTP_BASIC_OUR_OWN_USERNAME": "me"})
    assert keyring.switch_off(bench(told, tmp_path, tmp_path), STALE).steps


@pytest.mark.parametrize("text", ["[keyring\n", "keyring = 1\n"])
def test_settings_that_cannot_be_read_are_left_to_their_reader(text: str, tmp_path: Path) -> None:
    (tmp_path / "poetry.toml").write_text(text)
    made = keyring.switch_off(bench(Local({}), tmp_path, tmp_path), STALE)
    assert (made.safety, made.steps) == ("manual", ())
