"""An install on a disk that fills up is taken back; one that cannot fit is not begun."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from install.conftest import World
from support.index import LoopbackIndex
from support.tree import assert_same_tree, snapshot

SIZE = 3 * 2**20


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root can mount a tiny file system")
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a tiny file system: {done.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leave: int) -> None:
    """Leave that many bytes free."""
    usage = os.statvfs(folder)
    with (folder / "filling").open("wb") as file:
        file.write(b"x" * max(0, usage.f_bavail * usage.f_frsize - leave))


@pytest.fixture
def cramped(tiny: Path, tmp_path: Path, loopback_index: LoopbackIndex) -> World:
    """A world whose project lies on the tiny disk, with everything else where there is room."""
    world = World(tmp_path, loopback_index)
    world.project = tiny / "project"
    world.project.mkdir()
    world.venv = world.project / ".venv"
    return world


def test_an_install_that_cannot_fit_is_not_begun(cramped: World) -> None:
    told = cramped.run("install", "--profile", "cpu", "--yes", "--no-smoke", code=1)
    assert "free" in told.stdout
    assert not cramped.venv.exists()


@pytest.mark.parametrize("leave", [4_096, 60_000, 150_000])
@pytest.mark.parametrize("there", [False, True], ids=["new", "existing"])
def test_a_disk_that_fills_up_leaves_everything_as_before(
    there: bool, leave: int, cramped: World
) -> None:
    if there:
        from support.venvs import make_venv

        make_venv(cramped.venv)
    # room for a part of it
    big = cramped.wheel("tokenizers", "0.23.0", modules={"tokenizers/__init__.py": "#" * 200_000})
    cramped.index.add("simple", big)
    before = snapshot(cramped.venv)
    fill(cramped.project.parent, leave)
    done = cramped.json(
        "install", "--profile", "cpu", "--yes", "--no-smoke", "--allow", "HOST005", code=4
    )
    assert done["outcome"] == "restored"
    assert_same_tree(before, snapshot(cramped.venv))
    assert cramped.leftovers() == []


def test_a_full_disk_under_the_journal_is_said_and_nothing_is_done(
    cramped: World, tiny: Path
) -> None:
    cramped.environ["LLMDOCTOR_STATE_DIR"] = str(tiny / "state")
    fill(tiny, 0)
    told = cramped.run("install", "--profile", "cpu", "--yes", "--allow", "HOST005", code=3)
    assert "no space left on device" in told.stderr
    assert "next: " in told.stderr
    assert not cramped.venv.exists()
