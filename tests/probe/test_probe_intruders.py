"""What an environment's Python runs or imports that is not the environment's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmdoctor.machine import Environment, Note
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.intruders import Intruders, read_intruders
from probe.described import Described, dist_info, door
from support import venvs

CONDA = Environment("conda", "/opt/conda", "/opt/conda/bin/python", "3.12.7")
SITE = "/home/ann/.local/lib/python3.12/site-packages"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="scripts are launchers there")


def read(machine: Described, environment: Environment = CONDA) -> Intruders:
    notes: list[Note] = []
    found = read_intruders(door(machine), environment, Guard("environment", notes))
    assert notes == []
    return found


def theirs(site: str = SITE, **environ: str) -> Described:
    return Described(files=dist_info(site, "torch", "2.4.0", tag="x"), environ=environ)


def test_conda_reads_the_users_own_packages() -> None:
    found = read(theirs())
    assert found.user_site == SITE
    assert [(p.name, p.version) for p in found.user_packages] == [("torch", "2.4.0")]


def test_pythonnousersite_keeps_them_out_and_pythonuserbase_moves_them() -> None:
    assert read(theirs(PYTHONNOUSERSITE="1")).user_site is None
    moved = "/data/ann/lib/python3.12/site-packages"
    assert read(theirs(moved, PYTHONUSERBASE="/data/ann")).user_site == moved
    assert read(theirs("/home/ann/.local/lib/python3.11/site-packages")).user_site is None


def test_a_venv_reads_them_only_with_system_packages() -> None:
    venv = Environment("venv", "/e", "/e/bin/python", "3.12.7")
    shared = Environment("venv", "/e", "/e/bin/python", "3.12.7", system_site_packages=True)
    assert read(theirs(), venv).user_site is None
    assert read(theirs(), shared).user_site == SITE
    assert read(theirs(), Environment("system", version="3.12.7")).user_site is None


def test_on_windows_they_lie_in_appdata() -> None:
    site = "C:\\Users\\ann\\AppData\\Roaming\\Python\\Python312\\site-packages"
    machine = Described(
        system="windows",
        files=dist_info(site, "torch", "2.4.0", tag="x", sep="\\"),
        environ={"APPDATA": "C:\\Users\\ann\\AppData\\Roaming"},
        house="C:\\Users\\ann",
        here="C:\\Users\\ann",
    )
    assert read(machine, Environment("conda", "C:\\conda", version="3.12.7")).user_site == site


def test_modules_on_pythonpath_are_found_and_other_files_are_not() -> None:
    machine = Described(
        files={
            "/opt/ros/numpy/__init__.py": "",
            "/opt/ros/rclpy/__init__.py": "",
            "/home/ann/project/src/torch/__init__.py": "",
        },
        environ={"PYTHONPATH": "/opt/ros:/nowhere::src"},
    )
    assert read(machine).shadows == ("/opt/ros/numpy", "/home/ann/project/src/torch")
    assert read(Described()).shadows == ()


def stale(env: Path) -> tuple[str, ...]:
    from llmdoctor.system.local import Local

    environment = Environment("venv", str(env), version="3.12.7")
    return read_intruders(Local(), environment, Guard("x", [])).stale_scripts


@posix_only
def test_scripts_whose_python_is_gone_or_anothers_are_stale(env: Path, tmp_path: Path) -> None:
    other = venvs.make_venv(tmp_path / "other")
    gone = venvs.spoil_shebang(env, "pip")
    anothers = venvs.spoil_shebang(env, "torchrun", str(venvs.python_of(other)))
    venvs.add_script(env, "accelerate")  # its own
    venvs.spoil_shebang(env, "some-tool")  # nobody's concern
    assert set(stale(env)) == {str(gone), str(anothers)}


@posix_only
def test_scripts_of_a_whole_environment_are_its_own_also_through_a_link(
    env: Path, tmp_path: Path
) -> None:
    venvs.add_script(env, "pip")
    (env / "bin" / "hf").write_text("#!/usr/bin/env python3\nprint()\n")
    (tmp_path / "link").symlink_to(env)
    assert stale(env) == ()
    assert stale(tmp_path / "link") == ()


def test_what_cannot_be_read_here_leaves_the_rest_of_the_environment_known() -> None:
    from llmdoctor.machine import Machine
    from llmdoctor.probe import Subject, look

    site = "/home/ann/project/.venv/lib/python3.12/site-packages"
    machine = Described(
        files={
            "/home/ann/project/.venv/pyvenv.cfg": "home = /usr/bin\nversion = 3.12.7\n",
            "/home/ann/project/.venv/bin/python": "",
            **dist_info(site, "torch", "2.9.1", tag="x"),
        },
        environ={"PYTHONPATH": "/root/secret"},
        denied={"/root/secret"},
    )
    seen: Machine = look(door(machine), Subject())
    assert [note.reader for note in seen.notes if "secret" in note.detail] == ["files"]
    assert seen.note("environment") is None
    assert seen.environment.package("torch")
