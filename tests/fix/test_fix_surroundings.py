"""pip that is gone, packages of the base, an environment that is activated elsewhere."""

from __future__ import annotations

import os
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


@pytest.fixture
def served(desk: Desk, loopback_index: LoopbackIndex, tmp_path: Path) -> Desk:
    wheels = [build_wheel(tmp_path, "tqdm", "4.67"), build_wheel(tmp_path, "pip", "24.0")]
    desk.environ["PIP_INDEX_URL"] = loopback_index.add("simple", *wheels)
    return desk


def said(desk: Desk, *argv: str | Path) -> str:
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, env=desk.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def repaired(desk: Desk, code: str) -> None:
    """Repaired, found no longer, and a second fix plans nothing."""
    assert check_sees(desk, code)
    done = desk.json("fix", "--select", code, "--yes", code=0)
    assert done["outcome"] == "kept", done
    assert_nothing_to_repair(desk, code)
    assert not check_sees(desk, code)


def without_pip(desk: Desk) -> Path:
    env = venvs.make_venv(desk.project / ".venv", with_pip=True)
    for path in venvs.site_packages(env).glob("pip*"):
        shutil.rmtree(path)
    return env


def test_pip_comes_back_from_the_base_python(served: Desk) -> None:
    env = without_pip(served)
    before = snapshot(served.project)
    (found,) = served.json("check", "--select", "PY012", code=[0, 1])["findings"]
    assert found["severity"] == "warning"
    repaired(served, "PY012")
    assert f"{env}/lib" in said(served, env / "bin" / "pip", "--version")
    said(served, env / "bin" / "pip", "check")
    served.run("undo", "--yes")
    assert_same_tree(before, snapshot(served.project))


def test_pip_comes_from_the_index_where_the_base_has_none(served: Desk) -> None:
    """As on Debian without python3-venv: the base Python has no ensurepip."""
    env = without_pip(served)
    base, library = served.folder / "base", Path(os.__file__).parent
    (base / "bin").mkdir(parents=True)
    (base / "lib" / library.name).mkdir(parents=True)
    (base / "bin" / "python3").symlink_to(Path(sys.executable).resolve())
    for path in library.iterdir():
        if path.name != "ensurepip":
            (base / "lib" / library.name / path.name).symlink_to(path)
    venvs.set_cfg(env, "home", str(base / "bin"))
    before = snapshot(served.project)
    repaired(served, "PY012")
    assert venvs.dist_info(env, "pip", "24.0").is_dir()
    served.run("undo", "--yes")
    assert_same_tree(before, snapshot(served.project))


def test_an_environment_without_pip_is_whole(served: Desk) -> None:
    served.environment()
    assert served.json("check", "--select", "PY01", code=0)["findings"] == []


def sees_the_users_packages(desk: Desk) -> Path:
    env = desk.environment()
    venvs.set_cfg(env, "include-system-site-packages", "true")
    venvs.install_fake_dist(env, "transformers", "5.0", requires=["tqdm>=4"])
    home = Path(desk.environ["HOME"]) / ".local"
    minor = venvs.site_packages(env).parent.name
    (home / "lib" / minor / "site-packages").mkdir(parents=True)
    venvs.install_fake_dist(home, "tqdm", "4.67")
    return env


def test_base_packages_are_switched_off_where_that_is_asked_for(served: Desk) -> None:
    env = sees_the_users_packages(served)
    before = snapshot(served.project)
    (found,) = served.json("check", "--select", "PY013", code=0)["findings"]
    assert "tqdm 4.67" in found["evidence"]  # beside those of the base interpreter
    (command,) = found["remedy"]["commands"]
    assert command == ["llmdoctor", "fix", "--select", "PY013", "--env", str(env)]
    repaired(served, "PY013")
    code = "import sys, tqdm, transformers; print(tqdm.__file__)"
    assert said(served, venvs.python_of(env), "-c", code).startswith(str(env))
    said(served, sys.executable, "-m", "pip", "--python", venvs.python_of(env), "check")
    served.run("undo", "--yes")
    assert_same_tree(before, snapshot(served.project))


def test_base_packages_are_left_where_nobody_named_them(served: Desk) -> None:
    env = sees_the_users_packages(served)
    before = snapshot(served.project)
    assert served.json("fix", "--select", "PY", "--yes", code=0)["outcome"] == "nothing to repair"
    assert_same_tree(before, snapshot(served.project))
    assert env.is_dir()


def test_a_torch_of_the_base_is_never_cut_off(served: Desk) -> None:
    sees_the_users_packages(served)
    venvs.install_fake_torch(Path(served.environ["HOME"]) / ".local", "2.9.1", "12.6")
    told = served.json("fix", "--select", "PY013", "--yes", code=1)
    assert told["steps"] == []
    assert "torch comes from the base" in told["repairs"][0]["details"][0]


@pytest.mark.parametrize("poetry", [False, True])
def test_another_environment_that_is_activated_is_told_with_the_command(
    served: Desk, poetry: bool
) -> None:
    if poetry:
        poetry_project(served.project)
    env = served.environment()
    other = venvs.make_venv(served.folder / "other")
    served.environ["VIRTUAL_ENV"] = str(other)
    before = snapshot(served.project)
    (found,) = served.json("check", "--select", "PY014", code=[0, 1])["findings"]
    assert found["severity"] == ("warning" if poetry else "note")
    deactivate, activate = found["remedy"]["commands"]
    assert deactivate == ["deactivate"]
    script = f"{' '.join(activate)} && python -c 'import sys; print(sys.prefix)'"
    assert said(served, "bash", "-c", script.replace("~", served.environ["HOME"])) == str(env)
    told = served.json("fix", "--select", "PY014", "--yes", code=int(poetry))
    assert told["outcome"] == "nothing to repair"
    assert_same_tree(before, snapshot(served.project))
    served.environ["VIRTUAL_ENV"] = str(env)
    assert served.json("check", "--select", "PY014", code=0)["findings"] == []
