"""Installing where there is nothing yet."""

from __future__ import annotations

import pytest

from install.conftest import World

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
    world.index.fail("/simple/*peft-0.21.2*.whl", fault)  # type: ignore[arg-type]
    done = world.json("install", "--profile", "cpu", "--yes", "--installer", installer, code=4)
    assert done["outcome"] == "restored"
    assert not world.venv.exists()
    assert world.leftovers() == []


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


def test_a_file_that_a_package_lost_on_the_way_is_noticed(world: World) -> None:
    """uv's exit code and dist-info are those of a success here: only the RECORD tells."""
    from support.venvs import site_packages

    world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    (site_packages(world.venv) / "peft" / "__init__.py").unlink()
    failed = world.run("install", "--profile", "cpu", "--yes", "--no-smoke", code=4)
    assert "peft" in failed.stderr
