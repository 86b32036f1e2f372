"""Poetry is missing, too old, or in the environment that it syncs: installed for the user by uv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.runs import Desk, assert_nothing_to_repair, check_sees
from support import venvs
from support.index import LoopbackIndex
from support.poetry_projects import poetry_project
from support.tree import assert_same_tree, snapshot
from support.wheels import build_wheel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX environments are repaired")


def poetry_wheel(folder: Path, version: str) -> Path:
    """A program of Poetry's name that tells its version, for a real `uv tool install`."""
    return build_wheel(
        folder,
        "poetry",
        version,
        requires=["cleo"],
        modules={
            "poetry/__init__.py": f"def main():\n    print('Poetry (version {version})')\n",
            f"poetry-{version}.dist-info/entry_points.txt": "[console_scripts]\npoetry = poetry:main\n",
        },
    )


@pytest.fixture
def user(desk: Desk, loopback_index: LoopbackIndex, tmp_path: Path) -> Desk:
    """Somebody at a project that Poetry 2.5.1 locked, with ~/.local/bin on PATH and no Poetry."""
    wheels = [poetry_wheel(tmp_path, version) for version in ("1.8.5", "2.5.1", "2.6.0")]
    url = loopback_index.add("simple", *wheels, build_wheel(tmp_path, "cleo", "2.1.0"))
    desk.environ["PIP_INDEX_URL"] = url
    desk.environ["PATH"] = f"{desk.environ['HOME']}/.local/bin:/usr/bin:/bin"
    poetry_project(desk.project)
    return desk


def says_poetry(desk: Desk) -> str | None:
    """What the Poetry says that PATH finds; None where it finds none."""
    program = shutil.which("poetry", path=desk.environ["PATH"])
    if program is None:
        return None
    done = subprocess.run([program], capture_output=True, text=True, env=desk.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def repaired(desk: Desk, code: str) -> None:
    assert check_sees(desk, code)
    done = desk.json("fix", "--select", code, "--yes", code=0)
    assert done["outcome"] == "kept", done
    assert_nothing_to_repair(desk, code)
    assert not check_sees(desk, code)


def uv_tool(desk: Desk, *words: str) -> None:
    from uv import find_uv_bin

    env = {**desk.environ, "UV_DEFAULT_INDEX": desk.environ["PIP_INDEX_URL"]}
    subprocess.run([find_uv_bin(), "tool", *words], check=True, capture_output=True, env=env)


def test_a_missing_poetry_is_installed_for_the_user_and_uninstalled_again(user: Desk) -> None:
    before = snapshot(user.project)
    assert says_poetry(user) is None
    shown = user.run("fix", "--select", "POETRY001", code=1).stdout
    assert "$ uv tool install poetry==2.5.1" in shown
    assert "taken back by: uv tool uninstall poetry" in shown
    assert says_poetry(user) is None

    repaired(user, "POETRY001")
    assert says_poetry(user) == "Poetry (version 2.5.1)"
    user.run("undo", "--yes")
    assert says_poetry(user) is None
    assert_same_tree(before, snapshot(user.project))


def test_a_poetry_that_is_too_old_is_renewed_and_comes_back(user: Desk) -> None:
    uv_tool(user, "install", "poetry==1.8.5")
    before = snapshot(user.project)
    repaired(user, "POETRY002")
    assert says_poetry(user) == "Poetry (version 2.5.1)"
    user.run("undo", "--yes")
    assert says_poetry(user) == "Poetry (version 1.8.5)"
    assert_same_tree(before, snapshot(user.project))


def test_a_poetry_in_the_projects_environment_moves_out(user: Desk) -> None:
    env = user.environment()
    venvs.install_fake_dist(env, "cleo", "2.1.0")
    venvs.install_fake_dist(env, "poetry", "2.5.1", requires=["cleo"])
    venvs.add_script(env, "poetry", "print('inside')\n")
    user.environ["PATH"] = f"{env}/bin:{user.environ['PATH']}"  # activated, as one types it
    record = venvs.dist_info(env, "poetry", "2.5.1") / "RECORD"
    record.write_text(record.read_text() + "../../../bin/poetry,,\n")
    before = snapshot(user.project)
    assert says_poetry(user) == "inside"
    repaired(user, "POETRY003")
    assert says_poetry(user) == "Poetry (version 2.5.1)"
    names = {path.name for path in venvs.site_packages(env).glob("*.dist-info")}
    assert names == {"cleo-2.1.0.dist-info"}
    user.run("undo", "--yes")
    assert_same_tree(before, snapshot(user.project))
    assert not (Path(user.environ["HOME"]) / ".local" / "bin" / "poetry").exists()


def test_a_poetry_of_the_lock_stays_in_the_environment(user: Desk) -> None:
    venvs.install_fake_dist(user.environment(), "poetry", "2.5.1")
    with (user.project / "poetry.lock").open("a") as file:
        file.write('\n[[package]]\nname = "poetry"\nversion = "2.5.1"\nfiles = []\n')
    before = snapshot(user.project)
    told = user.json("fix", "--select", "POETRY003", "--yes", code=1)
    assert "a sync keeps it" in told["repairs"][0]["details"][0]
    assert_same_tree(before, snapshot(user.project))


def test_nothing_is_installed_where_path_would_not_find_it(user: Desk) -> None:
    user.environ["PATH"] = "/usr/bin:/bin"
    told = user.json("fix", "--select", "POETRY001", "--yes", code=1)
    assert "is not on PATH" in told["repairs"][0]["details"][0]
    assert told["repairs"][0]["commands"] == [["uv", "tool", "install", "poetry"]]
    assert not (Path(user.environ["HOME"]) / ".local").exists()


def test_a_version_that_cannot_be_had_leaves_no_poetry(user: Desk) -> None:
    lock = user.project / "poetry.lock"
    lock.write_text(lock.read_text().replace("Poetry 2.5.1", "Poetry 2.5.0"))
    before = snapshot(user.project)
    told = user.run("fix", "--select", "POETRY001", "--yes", code=4)
    assert "as it was before" in told.stderr
    assert says_poetry(user) is None
    assert_same_tree(before, snapshot(user.project))
