"""Former environments go by an explicit command, and nothing else goes."""

from __future__ import annotations

import json

from install.conftest import World
from llmdoctor.system.trees import frees
from support.tree import assert_same_tree, snapshot

INSTALL = ("install", "--profile", "cpu", "--yes", "--no-smoke")


def test_pruning_asks_removes_the_backup_and_leaves_the_environment(lived_in: World) -> None:
    lived_in.run(*INSTALL)
    (backup,) = lived_in.leftovers()
    before = snapshot(lived_in.project)
    declined = lived_in.run("history", "--prune", code=1)  # no terminal to answer at
    assert backup in declined.stderr
    assert_same_tree(before, snapshot(lived_in.project))

    venv = snapshot(lived_in.venv)
    done = lived_in.json("history", "--prune", "--yes")
    assert done["outcome"] == "pruned"
    assert [item["path"].rpartition("/")[2] for item in done["backups"]] == [backup]
    assert lived_in.leftovers() == []
    assert_same_tree(venv, snapshot(lived_in.venv))
    assert "no longer there" in lived_in.run("undo", "--yes", code=2).stderr
    assert lived_in.json("history", "--prune", "--yes")["outcome"] == "nothing to prune"


def test_a_backup_that_is_younger_stays(lived_in: World) -> None:
    lived_in.run(*INSTALL)
    assert lived_in.json("history", "--prune", "--yes", "--older-than", "1")["backups"] == []
    assert len(lived_in.leftovers()) == 1


def test_what_a_run_that_never_ended_needs_stays(lived_in: World) -> None:
    lived_in.run(*INSTALL)
    (journal,) = (lived_in.folder / "state").glob("runs/*/journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["type"] == "end"
    journal.write_text("".join(lines[:-1]))
    assert lived_in.json("history", "--prune", "--yes")["backups"] == []
    assert len(lived_in.leftovers()) == 1


def test_a_pruning_that_was_cut_off_is_finished_by_the_next(lived_in: World) -> None:
    lived_in.run(*INSTALL)
    (backup,) = lived_in.leftovers()
    (lived_in.project / backup).rename(lived_in.project / f"{backup}-pruned")
    lived_in.run("history", "--prune", "--yes")
    assert lived_in.leftovers() == []


def test_room_counts_what_is_not_shared(world: World) -> None:
    folder = world.folder / "backup"
    folder.mkdir()
    (folder / "own").write_bytes(b"x" * 100)
    (folder / "again").hardlink_to(folder / "own")
    (world.folder / "elsewhere").write_bytes(b"y" * 1000)
    (folder / "shared").hardlink_to(world.folder / "elsewhere")
    assert frees(str(folder)) == 100


def test_that_there_is_nothing_to_prune_is_said_in_words(world: World) -> None:
    nothing = "nothing to prune: no run that has ended keeps a former environment\n"
    assert world.run("history", "--prune").stdout == nothing
    assert "of more than 1 day ago" in world.run("history", "--prune", "--older-than", "1").stdout


def test_options_of_pruning_alone_are_refused(world: World) -> None:
    assert "belong to --prune" in world.run("history", "--older-than", "3", code=2).stderr
    assert (
        "no number of days" in world.run("history", "--prune", "--older-than", "x", code=2).stderr
    )
