"""Installing through the project's own Poetry, driven for real (`nox -s poetry` brings them all)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from install.conftest import World
from llmdoctor.errors import CannotFinishError
from llmdoctor.install.with_poetry import answer
from llmdoctor.system.local import Local
from support.poetry_projects import poetry_project, pyproject_text
from support.tree import assert_same_tree, snapshot
from support.venvs import install_fake_dist, make_venv
from support.wheels import build_wheel

POETRIES = [Path(path) for path in os.environ.get("LLMDOCTOR_TEST_POETRY", "").split(":") if path]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links to programs")
real = pytest.mark.skipif(not POETRIES, reason="LLMDOCTOR_TEST_POETRY names no Poetry")
WORDS = ("--profile", "cpu", "--installer", "poetry")
INSTALL = ("install", *WORDS, "--yes", "--no-smoke")
_FILES = ("pyproject.toml", "poetry.lock")


class Poetic(NamedTuple):
    """A world whose project is Poetry's: group `cpu` carries the profile, `extra` is beside it."""

    world: World
    poetry: Path

    def call(self, *words: str, environments: str = "of-lock") -> None:
        """Run Poetry; `poetry lock` makes an environment where there is none."""
        done = subprocess.run(
            [str(self.poetry), "--no-interaction", *words],
            cwd=self.world.project,
            env={
                **self.world.environ,
                "POETRY_KEYRING_ENABLED": "false",
                "POETRY_VIRTUALENVS_PATH": str(self.world.folder / environments),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def files(self) -> dict[str, bytes]:
        return {name: (self.world.project / name).read_bytes() for name in _FILES}


def on_path(world: World, program: Path) -> None:
    found = world.folder / "bin"
    found.mkdir()
    (found / "poetry").symlink_to(program)
    world.environ["PATH"] = f"{found}{os.pathsep}{world.environ['PATH']}"
    for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR"):
        world.environ[f"POETRY_{name}"] = str(world.folder / name.lower())


def manifest(world: World, extra: str = "") -> str:
    base = world.torch.rpartition("/whl/")[0]
    sources = (
        f'[[tool.poetry.source]]\nname = "mirror"\nurl = "{base}/simple"\npriority = "primary"\n\n'
        f'[[tool.poetry.source]]\nname = "torch"\nurl = "{world.torch}"\npriority = "explicit"\n'
    )
    groups = (
        "[tool.poetry.group.cpu]\noptional = true\n[tool.poetry.group.cpu.dependencies]\n"
        'torch = {version = "==2.13.0+cpu", source = "torch"}\ntransformers = ">=5.20"\n'
        'peft = "0.21.2"\naccelerate = "1.15.0"\nnumpy = "*"\n\n'
        '[tool.poetry.group.extra.dependencies]\nbeside = "*"\n\n'
    )
    return pyproject_text("tool.poetry", python=">=3.11", extra=groups + sources + extra)


@pytest.fixture(params=POETRIES, ids=lambda path: path.parent.parent.name)
def poetic(request: pytest.FixtureRequest, world: World) -> Poetic:
    world.index.add("simple", world.wheel("beside", "1.0"))
    on_path(world, request.param)
    (world.project / "pyproject.toml").write_text(manifest(world))
    made = Poetic(world, request.param)
    made.call("lock")
    return made


@real
def test_the_group_that_carries_a_profile_is_installed_from_the_lock(poetic: Poetic) -> None:
    world, before = poetic.world, poetic.files()
    done = world.json(*INSTALL)
    assert (done["outcome"], done["installer"]) == ("kept", "poetry")
    assert world.versions() == {
        "torch": "2.13.0+cpu",
        "transformers": "5.23.0",
        "tokenizers": "0.22.0",
        "peft": "0.21.2",
        "accelerate": "1.15.0",
        "numpy": "2.0.0",
        "beside": "1.0",
    }
    assert poetic.files() == before
    again = world.json(*INSTALL)
    assert (again["packages"], again["backup"]) == ([], None)
    world.run("undo", "--yes")
    assert not world.venv.exists()
    assert poetic.files() == before


@real
def test_another_active_environment_is_left_alone(poetic: Poetic) -> None:
    world = poetic.world
    other = make_venv(world.folder / "other")
    before = snapshot(other)
    world.environ |= {"VIRTUAL_ENV": str(other), "CONDA_PREFIX": str(other)}
    world.run(*INSTALL)
    assert world.versions()["torch"] == "2.13.0+cpu"
    assert_same_tree(before, snapshot(other))


@real
def test_the_environment_that_poetry_itself_made_is_meant(poetic: Poetic) -> None:
    world = poetic.world
    poetic.call("run", "python", "--version", environments="envs")
    world.environ["POETRY_VIRTUALENVS_PATH"] = str(world.folder / "envs")
    (own,) = (path for path in (world.folder / "envs").iterdir() if path.is_dir())
    done = world.json(*INSTALL)
    assert done["environment"] == str(own)
    assert not world.venv.exists()


@real
def test_what_the_lock_does_not_list_stays_unless_sync_is_asked_for(poetic: Poetic) -> None:
    world = poetic.world
    make_venv(world.venv)
    install_fake_dist(world.venv, "flash_attn", "2.8.3")
    before = snapshot(world.venv, mtime=True)
    kept = world.json(*INSTALL)
    assert kept["removals"] == []
    assert world.versions()["flash_attn"] == "2.8.3"
    world.run("undo", "--yes")
    assert_same_tree(before, snapshot(world.venv, mtime=True))

    named = world.json("plan", *WORDS, "--sync")
    assert named["removals"] == [{"name": "flash-attn", "version": "2.8.3"}]
    assert_same_tree(before, snapshot(world.venv, mtime=True))
    refused = world.run("install", *WORDS, "--sync", "--no-smoke", code=1)  # nobody says yes
    assert "flash-attn 2.8.3" in refused.stdout
    assert_same_tree(before, snapshot(world.venv, mtime=True))
    world.run(*INSTALL, "--sync")
    assert "flash_attn" not in world.versions()
    world.run("undo", "--yes")
    assert_same_tree(before, snapshot(world.venv, mtime=True))


@real
def test_a_file_that_poetry_writes_into_comes_back_with_its_bytes(poetic: Poetic) -> None:
    world = poetic.world
    make_venv(world.venv)
    install_fake_dist(world.venv, "mine", "1.0", files={"beside/__init__.py": "mine = True\n"})
    before = snapshot(world.venv, mtime=True)
    world.run(*INSTALL)
    world.run("undo", "--yes")
    assert_same_tree(before, snapshot(world.venv, mtime=True))


@real
@pytest.mark.parametrize("fault", ["404", "wrong-hash"])
def test_an_install_that_breaks_leaves_the_environment_as_it_was(
    poetic: Poetic, fault: str
) -> None:
    world = poetic.world
    make_venv(world.venv)
    install_fake_dist(world.venv, "beside", "0.1")
    before, files = snapshot(world.venv, mtime=True), poetic.files()
    world.index.fail("*peft-0.21.2*.whl", fault)
    failed = world.json(*INSTALL, code=4)
    assert failed["outcome"] == "restored"
    assert_same_tree(before, snapshot(world.venv, mtime=True))
    assert poetic.files() == files
    assert world.leftovers() == []


@real
def test_a_lock_that_gives_something_else_is_refused_and_named(poetic: Poetic) -> None:
    world = poetic.world
    text = manifest(world).replace('transformers = ">=5.20"', 'transformers = "5.20.2"')
    (world.project / "pyproject.toml").write_text(text)
    (world.project / "poetry.lock").unlink()
    poetic.call("lock")
    refused = world.json("plan", *WORDS, code=1)
    assert not refused["feasible"]
    assert "transformers 5.20.2" in " ".join(reason["text"] for reason in refused["reasons"])
    assert not world.venv.exists()


@real
def test_a_wheel_for_another_platform_is_refused_before_anything_is_done(poetic: Poetic) -> None:
    world = poetic.world
    wheel = build_wheel(world.wheels, "foreign", "1.0", tag="cp311-cp311-win_amd64")
    url = f"{world.index.add('simple', wheel).rpartition('/simple')[0]}/simple/{wheel.name}"
    line = f'[tool.poetry.group.far.dependencies]\nforeign = {{url = "{url}"}}\n'
    (world.project / "pyproject.toml").write_text(manifest(world, extra=line))
    (world.project / "poetry.lock").unlink()
    poetic.call("lock")
    refused = world.json(*INSTALL, code=1)
    (reason,) = refused["reasons"]
    assert (reason["code"], reason["cause"]) == ("foreign-wheel", "poetry-no-wheel-for-python")
    assert not world.venv.exists()


@real
def test_a_stale_lock_is_refused_with_the_check_that_names_it(poetic: Poetic) -> None:
    world = poetic.world
    path = world.project / "pyproject.toml"
    path.write_text(path.read_text().replace('beside = "*"', 'beside = ">=0.5"'))
    before = snapshot(world.project)
    refused = world.run(*INSTALL, code=1)
    assert "LOCK002" in refused.stdout
    assert_same_tree(before, snapshot(world.project))


@real
def test_auto_takes_poetry_where_the_project_carries_the_profile(poetic: Poetic) -> None:
    assert poetic.world.json("plan", "--profile", "cpu")["installer"] == "poetry"


class TestRefused:
    """What needs no Poetry to be refused; nothing is changed."""

    def refused(self, world: World, *words: str, code: int = 2) -> str:
        before = snapshot(world.project)
        said = world.run(*(words or INSTALL), code=code).stderr
        assert_same_tree(before, snapshot(world.project))
        return said

    def pretend(self, world: World, version: str = "2.5.1") -> None:
        """A Poetry by its dist-info alone: whoever starts it fails."""
        home = make_venv(world.folder / "poetry-home")
        install_fake_dist(home, "poetry", version)
        program = home / "bin" / "poetry"
        program.write_text(f"#!{home}/bin/python\nraise SystemExit('was started')\n")
        program.chmod(0o755)
        on_path(world, program)

    def test_no_project(self, world: World) -> None:
        assert "no pyproject.toml" in self.refused(world)

    def test_no_such_folder(self, world: World) -> None:
        assert "no such folder" in self.refused(world, *INSTALL, "--project", "nowhere")

    def test_a_project_of_another_tool(self, world: World) -> None:
        (world.project / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
        assert "no Poetry project" in self.refused(world)

    def test_no_poetry(self, world: World) -> None:
        world.environ["PATH"] = "/usr/bin:/bin"
        poetry_project(world.project, manifest(world))
        said = self.refused(world)
        assert "not on PATH" in said
        assert "uv tool install poetry" in said

    def test_no_lock(self, world: World) -> None:
        self.pretend(world)
        (world.project / "pyproject.toml").write_text(manifest(world))
        assert "no poetry.lock" in self.refused(world)

    def test_a_poetry_that_nobody_has_looked_at(self, world: World) -> None:
        self.pretend(world, "9.0.0")
        poetry_project(world.project, manifest(world))
        assert "Poetry 9.0.0 is not in the table" in self.refused(world)

    def test_a_group_that_is_declared_and_not_there(self, world: World) -> None:
        self.pretend(world)
        declared = '\n[tool.llmdoctor.groups]\ncpu = ["nosuch"]\n'
        poetry_project(world.project, manifest(world, extra=declared))
        said = self.refused(world)
        assert "'nosuch'" in said
        assert "extra" in said

    def test_a_project_that_carries_nothing_of_it(self, world: World) -> None:
        self.pretend(world)
        poetry_project(world.project)
        assert "no group of the project requires" in self.refused(world)

    def test_a_poetry_that_fails(self, world: World) -> None:
        self.pretend(world)
        poetry_project(world.project, manifest(world))
        assert "was started" in self.refused(world, code=3)

    def test_the_poetry_of_the_environment_itself(self, world: World) -> None:
        self.pretend(world)
        poetry_project(world.project, manifest(world))
        home = str(world.folder / "poetry-home")
        assert "Poetry itself runs in" in self.refused(world, *INSTALL, "--env", home)

    def test_sync_with_another_installer(self, world: World) -> None:
        words = ("install", "--profile", "cpu", "--installer", "pip", "--sync")
        assert "--sync is Poetry's" in self.refused(world, *words)

    def test_a_poetry_that_hangs_is_ended(self, tmp_path: Path) -> None:
        code = "import time; time.sleep(60)"
        with pytest.raises(CannotFinishError, match="did not answer within 1 seconds"):
            answer(Local(), (sys.executable, "-c", code), {}, str(tmp_path), 1.0)
