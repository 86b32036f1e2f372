# ruff: noqa: INP001 - a program, not a package
"""Kill installs, undos and fixes at random moments and see that nothing is ever left half done.

Each try makes a user with an environment and a loopback index, starts a command, sends it a signal
after a random part of the time that the command takes undisturbed, lets the next command clean up,
and compares: the environment is byte for byte as it was, or the run was finished and is whole.
A kill between the making of an environment and its mark leaves one of which nobody can tell whose
it is: it is kept aside, everything else is as it was, and the next command says where it lies.
Run it with `tests` on PYTHONPATH, as the session `faults` of the noxfile does. Not on Windows.

    python tools/random_kills.py [--count 240] [--seed 0] [--only WORDS]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from install.conftest import World
from support.index import LoopbackIndex
from support.tree import Entry, snapshot, tree_difference
from support.venvs import install_fake_dist, make_venv

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
INSTALL = ("install", "--profile", "cpu", "--yes", "--no-smoke")
# No plan comes of it here, and what lies half-done is put back before that is found out.
CLEAN_UP = ("install", "--profile", "cpu", "--variant", "cu126", "--yes")

Tree = dict[str, Entry]


def nothing_there(_: World) -> None:
    """No environment yet."""


def lived_in(world: World) -> None:
    """An environment with packages of the user's own, one of them too old for the profile."""
    make_venv(world.venv, with_pip=False)
    install_fake_dist(world.venv, "mine", "1.0", files={"mine/__init__.py": "x = 1\n"})
    install_fake_dist(world.venv, "tokenizers", "0.20.0", files={"tokenizers/__init__.py": ""})
    (world.venv / "notes.txt").write_text("the user's own file\n")


def installed(world: World) -> None:
    """The same after an install, which an undo can take back."""
    lived_in(world)
    world.run(*INSTALL)


def bundled(world: World) -> None:
    """An environment of the user's own beside a bundle, which stays as it is, too."""
    lived_in(world)
    world.run("bundle", "--profile", "cpu", "bundle")


def moved(world: World) -> None:
    """An environment that was renamed, so that its scripts start another Python."""
    make_venv(world.project / "old")
    (world.project / "old").rename(world.venv)


SCENES: dict[str, tuple[Callable[[World], None], tuple[str, ...]]] = {
    "install, new environment, uv": (nothing_there, INSTALL),
    "install, existing environment, uv": (lived_in, INSTALL),
    "install, existing environment, pip": (lived_in, (*INSTALL, "--installer", "pip")),
    "install --fresh, uv": (lived_in, (*INSTALL, "--fresh")),
    "install --in-place, uv": (lived_in, (*INSTALL, "--in-place")),
    "install --bundle, uv": (bundled, (*INSTALL, "--bundle", "bundle")),
    "undo": (installed, ("undo", "--yes")),
    "fix": (moved, ("fix", "--yes", "--env", ".venv")),
}


class Scene:
    """One situation, with the time that its command takes when nobody disturbs it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._prepare, self.command = SCENES[name]
        began = 0.0

        def whole(world: World) -> Tree:
            nonlocal began
            began = time.monotonic()
            world.run(*self.command)
            return state(world)

        self.after = self._in_a_world(whole)
        self.seconds = time.monotonic() - began

    def _in_a_world(self, act: Callable[[World], Tree]) -> Tree:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            LoopbackIndex() as index,
        ):
            world = World(Path(folder), index)
            self._prepare(world)
            return act(world)

    def kill(self, wait: float, what: signal.Signals) -> tuple[str, list[str]]:
        """The outcome of one try: as before, finished, kept aside; broken, with what differs."""
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            LoopbackIndex() as index,
        ):
            world = World(Path(folder), index)
            self._prepare(world)
            before = state(world)
            child = world.start(*self.command)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=wait)
            child.send_signal(what)
            out, err = child.communicate(timeout=120)
            cleaned = world.start(*CLEAN_UP)
            told = cleaned.communicate(timeout=120)
            after = state(world)
            if not tree_difference(before, after):
                return "as before", []
            if kept_aside(before, after, "".join(told)):
                return "kept aside", []
            if names(after) == names(self.after) and kept(world):
                return "finished", []
            said = [f"exit {child.returncode}", out, err, *told]
            return "broken", [*tree_difference(before, after)[:20], *said]


def state(world: World) -> Tree:
    """The project folder; what a kept run leaves beside the environment is named by its number."""
    tree = snapshot(world.project, mtime=True, ignore={"__pycache__", ".lock"})
    del tree["."]  # its own time changes when anything is made beside the environment
    if ".venv" in tree:  # and that of the environment's when its clone is made in it, in place
        tree[".venv"] = replace(tree[".venv"], mtime_ns=None)
    return tree


def kept_aside(before: Tree, after: Tree, told: str) -> bool:
    """Whether all is as before but for environments that nobody owns, and each was told."""
    unclear = {folder for path in after if (folder := path.partition("/")[0]).endswith("-unclear")}
    rest = {path: entry for path, entry in after.items() if path.partition("/")[0] not in unclear}
    return (
        bool(unclear)
        and all(f"{folder}\n" in told for folder in unclear)
        and (not tree_difference(before, rest))
    )


def names(tree: Tree) -> list[str]:
    """What is there; of kept former environments only that they are."""
    return sorted({path for path in tree if ".llmdoctor-" not in path})


def kept(world: World) -> bool:
    """Whether the newest run says of itself that it was finished."""
    runs = world.json("history")["runs"]
    outcomes = [run["outcome"] for run in runs]
    return bool(outcomes) and all(outcome in ("kept", "undone") for outcome in outcomes)


def main() -> int:
    """Print every broken try and the table; 1 if there is a broken one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="the situations with these words alone")
    options = parser.parse_args()
    # A shell's background job ignores interrupts, and so would every program that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    draw = random.Random(options.seed)  # noqa: S311 - moments to kill at, no secrets
    scenes = [Scene(name) for name in SCENES if options.only in name]
    for scene in scenes:
        print(f"{scene.name}: {scene.seconds:.1f} s undisturbed", flush=True)
    table: Counter[tuple[str, str, str]] = Counter()
    for number in range(options.count):
        scene, what = scenes[number % len(scenes)], draw.choice(SIGNALS)
        wait = draw.uniform(0.05, scene.seconds * 1.02)
        outcome, lines = scene.kill(wait, what)
        table[scene.name, what.name, outcome] += 1
        if lines:
            print(f"try {number}: {scene.name}, {what.name} after {wait:.2f} s: {outcome}")
            print("\n".join(f"    {line}" for line in lines), flush=True)
    for (name, what_name, outcome), count in sorted(table.items()):
        print(f"{count:4}  {outcome:11} {what_name:8}  {name}")
    total = Counter(outcome for (_, _, outcome) in table.elements())
    print(json.dumps({"tries": options.count, "seed": options.seed, **total}))
    return int(total["broken"] > 0)


if __name__ == "__main__":
    sys.exit(main())
