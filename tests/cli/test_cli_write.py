"""`plan --write` where nothing can be written: why is said, and nothing is touched."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.runs import Desk, desk, next_command
from support.environment import hermetic_env
from support.index import LoopbackIndex
from support.tree import assert_same_tree, snapshot
from support.wheels import fake_torch
from system.unprivileged import unprivileged

__all__ = ["desk"]

ASSUMED = ("--assume", "os=linux,python=3.12,gpu=RTX 4090,driver=580.95")
WRITE = ("plan", "--profile", "mainline", *ASSUMED, "--write")
UV = '[project]\nname = "toy"\nversion = "0"\nrequires-python = ">=3.12"\n\n[tool.uv]\n'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*WRITE, "--export", "uv"), "--export makes a new file"),
        ((*WRITE, "--build"), "leave out --build"),
        ((*WRITE, "--find-links", "wheels"), "name an index by --index-url"),
        ((*WRITE, "--format", "github"), "another --format"),
        (("plan", "--profile", "cpu", "--yes"), "--yes belongs to --write"),
    ],
)
def test_options_that_do_not_go_together(desk: Desk, words: tuple[str, ...], said: str) -> None:
    assert said in desk.refused(*words)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "there is no pyproject.toml in"),
        ({"requirements.txt": "torch\n"}, "there is no pyproject.toml in"),
        ({"pyproject.toml": '[project]\nname = "toy"\n'}, "no project of Poetry's or uv's"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml is not valid TOML"),
        ({"pyproject.toml": f"{UV}<<<<<<< ours\n"}, "unresolved merge"),
    ],
)
def test_a_folder_without_a_project_to_write_into(
    desk: Desk, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (desk.project / name).write_text(text)
    assert said in desk.refused(*WRITE, "--yes")


def test_a_read_only_manifest_stays(desk: Desk) -> None:
    manifest = desk.project / "pyproject.toml"
    manifest.write_text(UV)
    manifest.chmod(0o444)
    before = snapshot(desk.folder, mtime=True)
    command = (sys.executable, "-B", "-m", "llmdoctor", *WRITE, "--yes")
    done = unprivileged(*command, cwd=desk.project, env=desk.environ)
    assert done.returncode == 2, done.stderr
    assert f"{manifest} is read-only" in done.stderr
    assert next_command(done.stderr).startswith("llmdoctor ")
    assert_same_tree(before, snapshot(desk.folder, mtime=True))


@pytest.fixture
def served(desk: Desk, loopback_index: LoopbackIndex, tmp_path: Path) -> Desk:
    """A uv project, an index that has torch, and nothing of what goes with it."""
    desk.environ = {**desk.environ, **hermetic_env(tmp_path / "outside")}
    desk.environ.pop("UV_NO_CONFIG")
    desk.environ["UV_DEFAULT_INDEX"] = loopback_index.create("simple")
    torch = loopback_index.add("whl/cu126", fake_torch(tmp_path, "2.9.1", "12.6"))
    desk.environ["LLMDOCTOR_TORCH_INDEX"] = torch.rsplit("/cu126", 1)[0]
    (desk.project / "pyproject.toml").write_text(UV)
    return desk


def test_what_cannot_be_locked_changes_nothing_and_the_tool_says_why(served: Desk) -> None:
    before = snapshot(served.project, mtime=True)
    done = served.run(*WRITE, "--yes", code=1)
    assert "nothing was changed" in done.stderr
    assert "uv lock did not renew it" in done.stderr
    found = served.json(*WRITE, "--yes", code=1)
    assert (found["schema"], found["outcome"], found["files"]) == ("write/1", "not feasible", [])
    assert found["error"] in done.stderr
    assert_same_tree(before, snapshot(served.project, mtime=True))


def test_a_machine_for_which_there_is_no_plan_is_told_as_plan_tells_it(served: Desk) -> None:
    before = snapshot(served.project, mtime=True)
    words = ("plan", "--profile", "mainline", "--assume", "os=macos,python=3.12,arch=x86_64")
    done = served.run(*words, "--write", "--yes", code=1)
    assert done.stdout == served.run(*words, code=1).stdout
    assert_same_tree(before, snapshot(served.project, mtime=True))


def test_credentials_of_an_index_do_not_go_into_a_manifest(served: Desk) -> None:
    url = served.environ.pop("LLMDOCTOR_TORCH_INDEX").replace("http://", "http://me:secret@")
    done = served.run(*WRITE, "--mirror", f"torch-index={url}", "--yes", code=2)
    assert "a manifest is shared" in done.stderr
    assert "secret" not in done.stderr
    configured = {"PIP_EXTRA_INDEX_URL": f"{url}/cu126", "LLMDOCTOR_TORCH_INDEX": "file:///no"}
    done = served.run(*WRITE, "--yes", code=2, env=configured)
    assert "a manifest is shared" in done.stderr
    assert "secret" not in done.stderr
