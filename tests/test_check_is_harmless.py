"""`check` looks and judges: it connects to nothing, changes nothing and imports nothing of the patient."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.audit import AuditedRun, run_audited
from support.environment import hermetic_env
from support.poetry_projects import pyproject_text
from support.tree import assert_same_tree, snapshot
from support.venvs import install_fake_dist, install_fake_torch, make_venv, vanish_base
from system.unprivileged import unprivileged

REPOSITORY = Path(__file__).parents[1]
CHECK = ("-m", "llmdoctor", "check", "--format", "json")


def check(
    *arguments: str, cwd: Path, env: Mapping[str, str], codes: tuple[int, ...] = (0, 1)
) -> AuditedRun:
    run = run_audited([*CHECK, *arguments], cwd=cwd, env=env)
    assert run.returncode in codes, run.stderr
    assert "Traceback" not in run.stderr
    assert run.finished
    assert [event.name for event in run.connections] == []
    assert [tuple(event) for event in run.writes] == []
    for package in ("torch", "transformers", "peft", "pynvml"):
        assert not run.imported(package)
    return run


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "outside").mkdir()
    return hermetic_env(tmp_path / "outside")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_in_an_empty_folder(project: Path, environ: dict[str, str]) -> None:
    run = check(cwd=project, env=environ)
    assert json.loads(run.stdout)["schema"] == "check/1"
    assert list(project.iterdir()) == []


def test_in_a_repository(environ: dict[str, str]) -> None:
    run = check(cwd=REPOSITORY, env=environ)
    assert json.loads(run.stdout)["machine"]["project"]


def test_in_a_poetry_project(project: Path, environ: dict[str, str]) -> None:
    """Poetry itself would make an environment as soon as it is asked where that is."""
    (project / "pyproject.toml").write_text(
        pyproject_text("tool.poetry", dependencies={"torch": "^2.6"})
    )
    (project / "poetry.lock").write_text('[metadata]\nlock-version = "2.0"\n')
    before = snapshot(project.parent, mtime=True)
    run = check(cwd=project, env=environ)
    document = json.loads(run.stdout)
    assert any(finding["code"].startswith("POETRY") for finding in document["findings"])
    assert not any(Path(event.args[0]).name.startswith("poetry") for event in run.processes)
    assert_same_tree(before, snapshot(project.parent, mtime=True))


def test_of_an_environment(project: Path, environ: dict[str, str]) -> None:
    env = make_venv(project / "env")
    install_fake_torch(env, "2.9.1", "12.6")
    install_fake_dist(env, "transformers", "4.40.0", requires=["tokenizers>=0.19"])
    before = snapshot(project, mtime=True)
    run = check("--env", "env", cwd=project, env=environ)
    seen = json.loads(run.stdout)["machine"]["environment"]
    assert {p["name"] for p in seen["packages"]} == {"torch", "transformers"}
    assert seen["torch"]["cuda"] == "12.6"
    assert_same_tree(before, snapshot(project, mtime=True))


def test_of_an_environment_whose_python_is_gone(project: Path, environ: dict[str, str]) -> None:
    vanish_base(make_venv(project / "env"))
    before = snapshot(project, mtime=True)
    run = check("--env", "env", cwd=project, env=environ, codes=(1,))
    assert json.loads(run.stdout)["summary"]["worst"] == "error"
    assert_same_tree(before, snapshot(project, mtime=True))


def test_for_a_profile(project: Path, environ: dict[str, str]) -> None:
    run = check("--profile", "cpu", "--profile", "flashattn", cwd=project, env=environ)
    assert json.loads(run.stdout)["profiles"] == ["cpu", "flashattn"]


def test_as_a_terminal_report(project: Path, environ: dict[str, str]) -> None:
    run = run_audited(["-m", "llmdoctor", "check"], cwd=project, env=environ)
    assert run.returncode in (0, 1)
    assert run.connections == []
    assert run.writes == []


@pytest.mark.parametrize("kept", [(), ("PATH",), ("HOME",)])
def test_without_the_usual_variables(kept: tuple[str, ...], project: Path) -> None:
    run = check(cwd=project, env={name: os.environ.get(name, "/") for name in kept})
    assert json.loads(run.stdout)["findings"] is not None


def test_without_rights(project: Path, environ: dict[str, str]) -> None:
    """Modes count for this user: what may not be read is skipped with the reason, and not passed."""
    env = make_venv(project / "env")
    install_fake_torch(env, "2.9.1", "12.6")
    (site,) = env.glob("lib/python*/site-packages")
    mode = site.stat().st_mode
    site.chmod(0)
    try:
        command = (sys.executable, "-B", *CHECK, "--env", "env")
        done = unprivileged(*command, cwd=project, env=environ)
    finally:
        site.chmod(mode)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    notes = {note["status"] for note in document["machine"]["notes"]}
    assert "denied" in notes
    torch = [v for v in document["verdicts"] if v["code"].startswith("TORCH")]
    assert torch
    assert all(v["outcome"] != "pass" for v in torch)


def test_in_a_folder_that_may_not_be_written(project: Path, environ: dict[str, str]) -> None:
    project.chmod(0o500)
    done = unprivileged(sys.executable, "-B", *CHECK, cwd=project, env=environ)
    project.chmod(0o700)
    assert done.returncode in (0, 1), done.stderr


def test_as_a_user_whom_the_system_does_not_know(environ: dict[str, str]) -> None:
    """A container run with `--user 54321`: no name, no home."""
    if sys.platform == "win32" or os.getuid() != 0:
        pytest.skip("only root can become another user")
    become = """
import os, sys
from llmdoctor.cli import main
check = ["check", "--format", "json"]
main.run([*check, "--output", os.devnull])  # imports what lies where that user may not look
os.setgroups([])
os.setgid(54321)
os.setuid(54321)
sys.argv = ["llmdoctor", *check]
main.main()
"""
    bare = {name: value for name, value in environ.items() if name != "HOME"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-B", "-c", become],
            cwd=folder,
            env=bare,
            capture_output=True,
            text=True,
        )
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["schema"] == "check/1"
