"""What the stack rests on is held: no later step replaces torch, Triton or NVIDIA's packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from install.conftest import World
from support.tree import assert_same_tree, snapshot
from support.wheels import fake_torch

INSTALLERS = pytest.mark.parametrize("installer", ["uv", "pip"])
HELD = {"torch": "2.13.0+cpu", "triton": "3.5.1", "nvidia-cublas-cu12": "12.6.4.1"}
ADDON = """
name = "own"
kind = "addon"
title = "An add-on of somebody's"
summary = "A package that looks at torch."
imports = ["shiny"]

[[packages]]
name = "shiny"
"""


@pytest.fixture
def stacked(world: World, tmp_path: Path) -> World:
    """An installed stack whose torch needs the other two, and an index with newer ones of each."""
    needs = [f"{name}=={version}" for name, version in HELD.items() if name != "torch"]
    torch = fake_torch(tmp_path / "held", "2.13.0", None, requires=needs)
    world.index.add("held/whl/cpu", torch)
    world.environ["LLMDOCTOR_TORCH_INDEX"] = world.index.url("held/whl").rstrip("/")
    world.index.add(
        "simple",
        fake_torch(tmp_path / "newer", "2.99.0", "13.0", local_in_metadata=False),
        world.wheel("triton", "3.5.1"),
        world.wheel("triton", "3.9.0"),
        world.wheel("nvidia-cublas-cu12", "12.6.4.1"),
        world.wheel("nvidia-cublas-cu12", "12.9.9.9"),
    )
    (world.project / "own.toml").write_text(ADDON)
    world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
    return world


def held(world: World) -> dict[str, str]:
    found = {name.replace("_", "-"): version for name, version in world.versions().items()}
    return {name: found[name] for name in HELD}


@INSTALLERS
@pytest.mark.parametrize("needs", [["torch"], ["torch>=2", "triton>=3", "nvidia-cublas-cu12"]])
def test_an_addon_that_would_take_a_newer_one_leaves_what_is_there(
    stacked: World, installer: str, needs: list[str]
) -> None:
    stacked.index.add("simple", stacked.wheel("shiny", "1.0", requires=needs))
    words = ("--profile", "cpu", "--profile", "own.toml", "--installer", installer)
    done = stacked.json("install", *words, "--yes", "--no-smoke")
    assert [package["name"] for package in done["packages"]] == ["shiny"]
    assert held(stacked) == HELD
    assert stacked.versions()["shiny"] == "1.0"


@INSTALLERS
@pytest.mark.parametrize("needs", ["torch>=2.14", "triton>=3.6", "nvidia-cublas-cu12==12.9.9.9"])
def test_an_addon_that_needs_another_one_is_refused_by_name(
    stacked: World, installer: str, needs: str
) -> None:
    stacked.index.add("simple", stacked.wheel("shiny", "1.0", requires=[needs]))
    before = snapshot(stacked.project)
    words = ("--profile", "cpu", "--profile", "own.toml", "--installer", installer)
    failed = stacked.run("install", *words, "--yes", "--no-smoke", code=1)
    assert "shiny" in failed.stderr
    assert needs.partition(">")[0].partition("=")[0] in failed.stderr
    assert held(stacked) == HELD
    assert_same_tree(before, snapshot(stacked.project))


@INSTALLERS
def test_a_package_that_got_worse_after_it_was_resolved_brings_nothing_along(
    stacked: World, installer: str
) -> None:
    """The wheel asks for more than the index said: what is installed is the resolved set alone."""
    honest = stacked.wheel("shiny", "1.0")
    stacked.index.add("simple", honest)
    worse = stacked.wheel("shiny", "1.0", requires=["torch>=2.99"])
    stacked.index.put(f"simple/{worse.name}", worse.read_bytes())
    words = ("--profile", "cpu", "--profile", "own.toml", "--installer", installer)
    stacked.run("install", *words, "--yes", "--no-smoke", code=4)  # its digest is another one
    assert held(stacked) == HELD
