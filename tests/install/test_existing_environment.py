"""Installing into an environment that somebody works in: all of it, or nothing."""

from __future__ import annotations

import shutil
import signal
import sys

import pytest

from install.conftest import World
from support.tree import assert_same_tree, snapshot
from support.venvs import make_venv

INSTALLERS = pytest.mark.parametrize("installer", ["uv", "pip"])


@INSTALLERS
def test_what_the_profile_does_not_speak_of_stays(lived_in: World, installer: str) -> None:
    done = lived_in.json(
        "install", "--profile", "cpu", "--yes", "--no-smoke", "--installer", installer
    )
    found = lived_in.versions()
    assert found["mine"] == "1.0"
    assert (lived_in.venv / "notes.txt").read_text() == "the user's own file\n"
    moved = {package["name"]: package["before"] for package in done["packages"]}
    assert moved["tokenizers"] == "0.20.0"
    assert found["tokenizers"] == "0.22.0"


def test_what_is_new_enough_is_not_touched(lived_in: World) -> None:
    lived_in.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    before = snapshot(lived_in.venv, ignore={".lock"})
    again = lived_in.json("install", "--profile", "cpu", "--yes", "--no-smoke")
    assert again["packages"] == []
    assert again["backup"] is None
    assert_same_tree(before, snapshot(lived_in.venv, ignore={".lock"}))


@INSTALLERS
def test_a_failed_proof_leaves_it_exactly_as_it_was(lived_in: World, installer: str) -> None:
    before = snapshot(lived_in.venv)
    lived_in.run("install", "--profile", "cpu", "--yes", "--installer", installer, code=4)
    assert_same_tree(before, snapshot(lived_in.venv))
    assert lived_in.leftovers() == []


@INSTALLERS
@pytest.mark.parametrize("fault", ["404", "disconnect", "wrong-hash"])
def test_a_broken_download_leaves_it_exactly_as_it_was(
    lived_in: World, installer: str, fault: str
) -> None:
    before = snapshot(lived_in.venv)
    lived_in.index.fail("/simple/*transformers-5.2*.whl", fault)
    lived_in.run(
        "install", "--profile", "cpu", "--yes", "--no-smoke", "--installer", installer, code=4
    )
    assert_same_tree(before, snapshot(lived_in.venv))
    assert lived_in.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_it_exactly_as_it_was(lived_in: World, number: signal.Signals) -> None:
    before = snapshot(lived_in.venv)
    lived_in.index.fail("/simple/*accelerate-*.whl", "hang")
    child = lived_in.start("install", "--profile", "cpu", "--yes", "--no-smoke")
    lived_in.wait_for(lambda: lived_in.index.asked("/simple/*accelerate-*.whl"))
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "as it was before" in err
    assert_same_tree(before, snapshot(lived_in.venv))
    assert lived_in.leftovers() == []


def test_a_run_killed_outright_is_taken_back_by_the_next_one(lived_in: World) -> None:
    before = snapshot(lived_in.venv)
    # transformers is installed already when pip's second phase hangs
    lived_in.index.fail("/simple/*accelerate-*.whl", "hang")
    child = lived_in.start(
        "install", "--profile", "cpu", "--yes", "--no-smoke", "--installer", "pip"
    )
    lived_in.wait_for(lambda: lived_in.index.asked("/simple/*accelerate-*.whl"))
    child.kill()
    child.communicate()
    assert lived_in.leftovers()
    seen = lived_in.json("check", "--env", str(lived_in.venv), code=1)
    assert [found["code"] for found in seen["findings"] if found["severity"] == "error"] == [
        "PY007"
    ]
    lived_in.index.heal()
    told = lived_in.run("install", "--profile", "cpu", "--no-smoke", code=1)  # asks, gets no answer
    assert "had been cut off" in told.stderr
    assert_same_tree(before, snapshot(lived_in.venv))
    assert lived_in.leftovers() == []
    runs = lived_in.json("history")["runs"]
    assert [run["outcome"] for run in runs] == ["restored"]


def test_undo_puts_the_former_environment_back(lived_in: World) -> None:
    before = snapshot(lived_in.venv)
    done = lived_in.json("install", "--profile", "cpu", "--yes", "--no-smoke")
    assert lived_in.versions()["torch"] == "2.13.0+cpu"
    (lived_in.venv / "pyvenv.cfg").chmod(0o600)  # shares its mode with the snapshot's
    lived_in.run("undo", done["run"], "--yes")
    assert_same_tree(before, snapshot(lived_in.venv))
    assert lived_in.leftovers() == []
    lived_in.run("undo", done["run"], "--yes", code=2)


def test_fresh_sets_the_old_one_aside_and_builds_anew(lived_in: World) -> None:
    before = snapshot(lived_in.venv)
    done = lived_in.json("install", "--profile", "cpu", "--yes", "--no-smoke", "--fresh")
    assert "mine" not in lived_in.versions()
    assert_same_tree(before, snapshot(lived_in.project / done["backup"]))
    lived_in.run("undo", "--yes")
    assert_same_tree(before, snapshot(lived_in.venv))


def test_a_kept_package_that_will_be_unhappy_is_named_before(lived_in: World) -> None:
    from support.venvs import install_fake_dist

    install_fake_dist(lived_in.venv, "old-trainer", "2.0", requires=["tokenizers<0.21"])
    plan = lived_in.json("plan", "--profile", "cpu")
    assert [(c["package"], c["requires"], c["found"]) for c in plan["conflicts"]] == [
        ("old-trainer", "tokenizers<0.21", "0.22.0")
    ]
    shown = lived_in.run("plan", "--profile", "cpu").stdout
    assert "old-trainer 2.0 needs tokenizers<0.21" in shown


def test_another_build_of_the_same_torch_is_replaced(lived_in: World) -> None:
    from support.venvs import install_fake_torch

    install_fake_torch(lived_in.venv, "2.13.0", "13.0")
    done = lived_in.json("install", "--profile", "cpu", "--yes", "--no-smoke")
    moved = {package["name"]: package["before"] for package in done["packages"]}
    assert moved["torch"] == "2.13.0+cu130"
    assert lived_in.versions()["torch"] == "2.13.0+cpu"


def test_the_doctor_does_not_take_away_the_environment_it_runs_in(world: World) -> None:
    world.venv.touch()
    failed = world.run("plan", "--profile", "cpu", "--fresh", "--env", sys.prefix, code=2)
    assert "llmdoctor itself runs in" in failed.stderr
    assert "--env .venv-llm" in failed.stderr


def test_an_environment_that_the_user_made_meanwhile_is_not_taken_back(lived_in: World) -> None:
    lived_in.index.fail("/simple/*accelerate-*.whl", "hang")
    child = lived_in.start("install", "--profile", "cpu", "--yes", "--no-smoke")
    lived_in.wait_for(lambda: lived_in.index.asked("/simple/*accelerate-*.whl"))
    child.kill()
    child.communicate()
    lived_in.index.heal()
    shutil.rmtree(lived_in.venv)
    make_venv(lived_in.venv)
    before = snapshot(lived_in.venv)
    told = lived_in.run("install", "--profile", "cpu", "--no-smoke", code=1)
    assert "is not its any more" in told.stderr
    assert_same_tree(before, snapshot(lived_in.venv))
    assert lived_in.leftovers(), "the former environment stays for the user to look at"


def test_where_all_is_right_nobody_is_asked_and_nothing_runs(world: World) -> None:
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    before, asked = snapshot(world.venv, mtime=True), len(world.index.requests)
    done = world.run("install", "--profile", "cpu", "--yes")
    assert "already right: cpu" in done.stdout
    assert "--smoke" in done.stdout
    assert len(world.index.requests) == asked, "judged from what is there"
    assert_same_tree(before, snapshot(world.venv, mtime=True))
    again = world.json("install", "--profile", "cpu", "--yes")
    assert (again["outcome"], again["packages"], again["steps"]) == ("kept", [], [])


def test_what_is_right_is_proven_again_where_that_is_asked_for(world: World) -> None:
    """The tiny torch of this world proves nothing: so the proof has to have run, and failed."""
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    failed = world.run("install", "--profile", "cpu", "--yes", "--smoke", code=4)
    assert "smoke test" in failed.stderr
    assert world.run("install", "--smoke", "--no-smoke", "--profile", "cpu", code=2).stderr


@pytest.mark.parametrize("spoil", ["a file", "a requirement", "the build", "a metadata"])
def test_what_is_no_longer_right_is_put_right_again(world: World, spoil: str) -> None:
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    site = next(world.venv.glob("lib/python3*/site-packages"))
    if spoil == "a file":
        (site / "peft/__init__.py").unlink()
    elif spoil == "a requirement":
        for path in (*site.glob("tokenizers-*"), site / "tokenizers"):
            shutil.rmtree(path)
    elif spoil == "the build":
        version = site / "torch/version.py"
        text = version.read_text().replace("cuda: Optional[str] = None", "cuda = '12.6'")
        version.unlink()  # its bytes are uv's cache's as well
        version.write_text(text)
    else:
        next(site.glob("peft-*/METADATA")).unlink()
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    done = world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    assert "already right" in done.stdout
