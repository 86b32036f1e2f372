"""An environment that cannot be renamed is changed where it lies, and put back file by file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from install.conftest import World
from llmdoctor.system.local import Local
from support.tree import assert_same_tree, snapshot
from support.venvs import install_fake_dist, make_venv

INSTALL = ("install", "--profile", "cpu", "--yes", "--no-smoke")
INSTALLERS = pytest.mark.parametrize("installer", ["uv", "pip"])
PYC = ("__pycache__",)


@pytest.fixture
def mounted(world: World) -> Iterator[World]:
    """A user's environment on a file system of its own, as a container's volume is."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root can mount a file system")
    world.venv.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(world.venv)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a file system: {done.stderr.strip()}")
    try:
        make_venv(world.venv, with_pip=False)
        install_fake_dist(world.venv, "mine", "1.0", files={"mine/__init__.py": "x = 1\n"})
        install_fake_dist(world.venv, "tokenizers", "0.20.0", files={"tokenizers/__init__.py": ""})
        (world.venv / "link.txt").symlink_to("notes.txt")
        yield world
    finally:
        subprocess.run(["umount", "--lazy", str(world.venv)], check=True)


@pytest.fixture
def conda(world: World) -> World:
    """A prefix with a Python of its own and conda's records, as conda makes it."""
    if sys.platform == "win32":
        pytest.skip("made of links")
    here = "python{}.{}".format(*sys.version_info[:2])
    library, real = world.venv / "lib" / here, Path(sysconfig.get_path("stdlib"))
    (library / "site-packages").mkdir(parents=True)
    for entry in real.iterdir():
        if entry.name not in ("site-packages", "dist-packages", "EXTERNALLY-MANAGED"):
            (library / entry.name).symlink_to(entry)
    (world.venv / "bin").mkdir()
    shutil.copy(Path(sys.base_prefix) / "bin" / here, world.venv / "bin" / here)
    (world.venv / "bin" / "python").symlink_to(here)
    records = world.venv / "conda-meta"
    records.mkdir()
    version = "{}.{}.{}".format(*sys.version_info[:3])
    (records / f"python-{version}-h1.json").write_text("{}")
    asked = [str(world.venv / "bin" / "python"), "-c", "import sys; print(sys.prefix)"]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.stdout.strip() != str(world.venv):
        pytest.skip(f"this Python cannot be copied: {done.stderr}{done.stdout}")
    install_fake_dist(world.venv, "tokenizers", "0.20.0", files={"tokenizers/__init__.py": ""})
    return world


def test_an_environment_at_a_mount_point_is_left_alone_unless_it_is_said(mounted: World) -> None:
    before = snapshot(mounted.venv)
    said = mounted.run(*INSTALL, code=2).stderr
    assert "is a mount point: it cannot be renamed" in said
    assert "next: llmdoctor install --profile cpu --no-smoke --in-place" in said
    assert_same_tree(before, snapshot(mounted.venv))


def test_an_empty_mount_point_is_no_place_for_a_new_environment(mounted: World) -> None:
    for path in mounted.venv.iterdir():
        Local().remove(str(path))
    said = mounted.run(*INSTALL, "--in-place", code=2).stderr
    assert "is an empty mount point" in said
    assert list(mounted.venv.iterdir()) == []


@INSTALLERS
def test_it_is_changed_where_it_lies_and_undone_byte_for_byte(
    mounted: World, installer: str
) -> None:
    before = snapshot(mounted.venv, ignore=PYC)
    done = mounted.run(*INSTALL, "--in-place", "--installer", installer)
    assert "is changed in place" in done.stderr
    assert "puts every file back as it was" in " ".join(done.stderr.split())
    versions = mounted.versions()
    assert (versions["tokenizers"], versions["mine"]) == ("0.22.0", "1.0")
    assert mounted.leftovers() == []
    (run,) = (mounted.folder / "state" / "runs").iterdir()
    assert (run / "before.txt").read_text() == "mine==1.0\ntokenizers==0.20.0\n"
    mounted.run("undo", "--yes")
    assert_same_tree(before, snapshot(mounted.venv, ignore=PYC))


@INSTALLERS
def test_an_environment_of_conda_is_changed_and_undone_too(conda: World, installer: str) -> None:
    before = snapshot(conda.venv, ignore=PYC)
    assert "conda environment; without --in-place" in conda.run(*INSTALL, code=2).stderr
    assert_same_tree(before, snapshot(conda.venv, ignore=PYC))
    conda.run(*INSTALL, "--in-place", "--installer", installer)
    versions = conda.versions()
    assert (versions["torch"], versions["tokenizers"]) == ("2.13.0+cpu", "0.22.0")
    next((conda.venv / "conda-meta").iterdir()).chmod(0o600)  # the clone's mode as well
    conda.run("undo", "--yes")
    assert_same_tree(before, snapshot(conda.venv, ignore=PYC))


def test_an_install_that_fails_puts_the_files_back(mounted: World) -> None:
    before = snapshot(mounted.venv, ignore=PYC)
    mounted.index.fail("*/transformers-*.whl", "wrong-hash")
    mounted.run(*INSTALL, "--in-place", code=4)
    assert_same_tree(before, snapshot(mounted.venv, ignore=PYC))


def test_a_run_that_is_killed_is_taken_back_by_the_next(mounted: World) -> None:
    """pip has put torch there when it asks for the rest."""
    before = snapshot(mounted.venv, ignore=PYC)
    mounted.index.fail("*/transformers-*.whl", "stall")
    child = mounted.start(*INSTALL, "--in-place", "--installer", "pip")
    mounted.wait_for(lambda: mounted.index.asked("*/transformers-*.whl"))
    assert "torch" in mounted.versions()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    mounted.index.heal()
    mounted.index.fail("*", "500")
    done = mounted.run(*INSTALL, "--in-place", code=1)
    assert "had been cut off" in done.stderr
    assert_same_tree(before, snapshot(mounted.venv, ignore=PYC))


def test_what_is_kept_in_it_goes_by_command(mounted: World) -> None:
    mounted.run(*INSTALL, "--in-place")
    (kept,) = mounted.venv.glob(".llmdoctor-*")
    mounted.run("history", "--prune", "--yes")
    assert not kept.exists()
    assert mounted.versions()["tokenizers"] == "0.22.0"


@pytest.mark.parametrize("other", [("--fresh",), ("--installer", "poetry")])
def test_in_place_is_no_other_way(world: World, other: tuple[str, ...]) -> None:
    assert "which of the two" in world.run(*INSTALL, "--in-place", *other, code=2).stderr


def test_a_folder_becomes_what_its_clone_is(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "a" / "deep").mkdir(parents=True)
    (place / "b").mkdir()
    for name in ("same", "changed", "gone", "a/deep/gone", "b/becomes a folder"):
        (place / name).write_text(f"{name}\n")
    (place / "link").symlink_to("same")
    before, kept = snapshot(place), place / ".llmdoctor-1"
    Local().clone_tree(str(place), str(kept))
    assert_same_tree(before, snapshot(kept))
    (place / "changed").unlink()
    (place / "changed").write_text("other\n")
    (place / "gone").unlink()
    shutil.rmtree(place / "a")
    (place / "a").write_text("a folder before\n")
    (place / "b" / "becomes a folder").unlink()
    (place / "b" / "becomes a folder" / "more").mkdir(parents=True)
    (place / "new").write_text("new\n")
    (place / "link").unlink()
    (place / "link").symlink_to("new")
    for _ in range(2):  # it may be called again
        Local().restore_tree(str(kept), str(place))
        assert_same_tree(before, snapshot(place, ignore=(kept.name,)))
