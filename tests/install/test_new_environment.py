"""Installing where there is nothing yet."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from install.conftest import World
from support.index import closed_port

INSTALLERS = pytest.mark.parametrize("installer", ["uv", "pip"])


@INSTALLERS
def test_a_new_environment_holds_exactly_the_resolved_set(world: World, installer: str) -> None:
    done = world.json(
        "install", "--profile", "cpu", "--yes", "--no-smoke", "--installer", installer
    )
    assert done["outcome"] == "kept"
    meant = {package["name"]: package["version"] for package in done["packages"]}
    assert meant["torch"] == "2.13.0+cpu"
    found = {name.replace("_", "-"): version for name, version in world.versions().items()}
    if installer == "pip":
        assert found.pop("pip")
        found.pop("setuptools", None)
    assert found == meant


@INSTALLERS
def test_torch_comes_from_its_index_and_nothing_else_does(world: World, installer: str) -> None:
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke", "--installer", installer)
    assert world.index.asked("/whl/cpu/*torch-2.13.0*")
    assert not world.index.asked("/whl/cpu/transformers*")
    assert not world.index.asked("/simple/torch/*whl")


@INSTALLERS
@pytest.mark.parametrize("fault", ["404", "disconnect", "wrong-hash"])
def test_a_download_that_breaks_leaves_nothing_behind(
    world: World, installer: str, fault: str
) -> None:
    world.index.fail("/simple/*peft-0.21.2*.whl", fault)
    done = world.json("install", "--profile", "cpu", "--yes", "--installer", installer, code=4)
    assert done["outcome"] == "restored"
    assert not world.venv.exists()
    assert world.leftovers() == []
    said = Path(done["log"]).read_text("utf-8")
    assert "peft" in said


def test_an_environment_that_cannot_be_proven_is_removed_again(world: World) -> None:
    done = world.json(
        "install", "--profile", "cpu", "--yes", code=4
    )  # the tiny torch proves nothing
    assert done["outcome"] == "restored"
    assert "smoke test" in done["error"]
    assert not world.venv.exists()


def test_an_empty_folder_is_an_empty_folder_again_after_a_failure(world: World) -> None:
    world.venv.mkdir()
    world.run("install", "--profile", "cpu", "--yes", code=4)
    assert world.venv.is_dir()
    assert list(world.venv.iterdir()) == []
    assert world.leftovers() == []


def test_without_an_answer_nothing_is_done(world: World) -> None:
    failed = world.run("install", "--profile", "cpu", code=1)
    assert "--yes" in failed.stderr
    assert not world.venv.exists()


def test_plan_shows_what_install_would_do_and_changes_nothing(world: World) -> None:
    plan = world.json("plan", "--profile", "cpu")
    assert plan["feasible"]
    assert [step["kind"] for step in plan["steps"]] == [
        "run",
        "write",
        "write",
        "run",
        "verify",
        "smoke",
    ]
    assert not world.venv.exists()
    assert not (world.folder / "state").exists()


@INSTALLERS
@pytest.mark.parametrize("cut_short", [False, True], ids=["lost", "cut-short"])
def test_a_file_that_a_package_lost_on_the_way_is_repaired(
    world: World, installer: str, cut_short: bool
) -> None:
    """Its version is right, and uv's cache shares the bytes of an installed file."""
    from support.venvs import site_packages

    words = ("install", "--profile", "cpu", "--yes", "--no-smoke", "--installer", installer)
    world.run(*words)
    whole = {
        path: path.read_bytes()
        for name in ("peft/__init__.py", "torch/cuda/__init__.py")
        for path in [site_packages(world.venv) / name]
    }
    for path in whole:
        if cut_short:
            with path.open("r+b") as file:
                file.truncate(1)
        else:
            path.unlink()
    done = world.json(*words)
    moved = {package["name"]: package["before"] for package in done["packages"]}
    assert moved == {"peft": "0.21.2", "torch": "2.13.0+cpu"}
    assert {path: path.read_bytes() for path in whole} == whole


def test_the_settings_of_the_users_project_do_not_reach_uv(world: World) -> None:
    del world.environ["UV_NO_CONFIG"]
    settings = '[tool.uv.pip]\ntarget = "elsewhere"\n'
    (world.project / "pyproject.toml").write_text(settings)
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    assert not (world.project / "elsewhere").exists()


def test_pip_installs_into_the_environment_also_where_it_is_told_to_use_the_users_folder(
    world: World,
) -> None:
    world.environ["PIP_CONFIG_FILE"] = str(world.folder / "pip.conf")
    (world.folder / "pip.conf").write_text("[install]\nuser = true\n")
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke", "--installer", "pip")
    assert world.versions()["peft"] == "0.21.2"


@INSTALLERS
@pytest.mark.parametrize("place", ["near", "~/near"])
def test_a_folder_of_wheels_may_be_named_from_where_the_user_stands_or_lives(
    world: World, installer: str, place: str
) -> None:
    home = Path(world.environ["HOME"])
    near = (home if place.startswith("~") else world.project) / "near"
    near.parent.mkdir(exist_ok=True)
    world.wheels.rename(near)
    with closed_port() as nowhere:
        world.environ |= {"LLMDOCTOR_TORCH_INDEX": nowhere, "PIP_NO_INDEX": "1"}
        world.run(
            "install", "--profile", "cpu", "--yes", "--no-smoke", "--installer", installer,
            "--find-links", place,
        )  # fmt: skip
    assert world.versions()["torch"] == "2.13.0+cpu"
    assert world.index.requests == [], "pip is told to ask no index, and uv is told by us"


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_the_password_of_a_mirror_is_in_no_file_that_others_can_read(world: World) -> None:
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    state = world.folder / "state"
    assert [path for path in (state, *state.rglob("*")) if path.stat().st_mode & 0o077] == []


def test_pip_settings_that_cannot_be_read_end_the_plan_where_nothing_else_names_the_index(
    world: World,
) -> None:
    settings = world.folder / "pip.conf"
    settings.write_text("[global]\nindex-url = https://a/\nindex-url = https://b/\n")
    world.environ["PIP_CONFIG_FILE"] = str(settings)
    plan = world.json("plan", "--profile", "cpu")
    assert str(settings) in [item["candidate"] for item in plan["rejected"]]
    del world.environ["PIP_INDEX_URL"]
    failed = world.run("plan", "--profile", "cpu", code=3)
    assert f"{settings} cannot be read" in failed.stderr
