"""Packages that do not fit each other, or the profile: the fewest of them are installed anew."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from uv import find_uv_bin

from cli.runs import Desk
from install.conftest import World
from support import venvs
from support.index import LoopbackIndex
from support.tree import assert_same_tree, snapshot
from support.wheels import build_wheel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX environments are repaired")

SERVED: tuple[tuple[str, str, Sequence[str]], ...] = (
    ("transformers", "5.23.0", ["huggingface-hub>=1.0", "tokenizers>=0.22,<0.23"]),
    ("huggingface-hub", "0.30.0", ["tqdm"]),
    ("huggingface-hub", "1.1.0", ["tqdm"]),
    ("tokenizers", "0.21.0", []),
    ("tokenizers", "0.22.0", ["huggingface-hub"]),
    ("tokenizers", "0.23.0", ["huggingface-hub"]),
    ("tqdm", "4.67", []),
    ("tqdm", "4.99", []),
    ("xformers", "0.0.32", ["torch==2.8.0"]),
    ("xformers", "0.0.33", ["torch==2.9.1"]),
)


@pytest.fixture
def served(desk: Desk, loopback_index: LoopbackIndex, tmp_path: Path) -> Desk:
    wheels = [build_wheel(tmp_path, n, v, requires=needs) for n, v, needs in SERVED]
    desk.environ["PIP_INDEX_URL"] = loopback_index.add("simple", *wheels)
    return desk


def stack(desk: Desk, **versions: str) -> Path:
    """An environment of some of what is served, torch 2.8.0+cu126, and a package of the user's."""
    env = desk.environment()
    for name, version in versions.items():
        dashed = name.replace("_", "-")
        (needs,) = [row[2] for row in SERVED if row[:2] == (dashed, version)]
        venvs.install_fake_dist(env, dashed, version, requires=needs)
    venvs.install_fake_torch(env, "2.8.0", "12.6")
    venvs.install_fake_dist(env, "mine", "1.0", requires=["tqdm==4.67"])
    return env


def pip_check(environ: dict[str, str], env: Path) -> subprocess.CompletedProcess[str]:
    argv = [find_uv_bin(), "pip", "check", "--python", str(venvs.python_of(env))]
    return subprocess.run(argv, capture_output=True, text=True, env=environ)


def details(done: dict[str, list[dict[str, object]]]) -> set[object]:
    return {tuple(repair["details"]) for repair in done["repairs"]}  # type: ignore[arg-type]


def test_only_what_is_asked_for_in_a_wrong_version_moves(served: Desk) -> None:
    env = stack(
        served, transformers="5.23.0", huggingface_hub="0.30.0", tokenizers="0.21.0", tqdm="4.67"
    )
    before = snapshot(served.project)
    found = served.json("check", "--select", "PKG002", code=1)["findings"]
    assert {item["cause"] for item in found} == {
        "hf-hub-version-conflict",
        "tokenizers-version-conflict",
    }
    assert pip_check(served.environ, env).returncode == 1
    shown = served.run("fix", "--select", "PKG002", code=1)
    assert "huggingface-hub: 0.30.0 → 1.1.0" in shown.stdout
    assert_same_tree(before, snapshot(served.project))

    done = served.json("fix", "--select", "PKG002", "--yes", code=0)
    assert done["outcome"] == "kept", done
    moved = ("huggingface-hub: 0.30.0 → 1.1.0", "tokenizers: 0.21.0 → 0.22.0")
    assert details(done) == {moved}
    assert len(done["repairs"]) == 2
    assert sum("packages that fit" in text for text in done["steps"]) == 1
    assert served.json("check", "--select", "PKG002", code=0)["findings"] == []
    checked = pip_check(served.environ, env)
    assert checked.returncode == 0, checked.stderr
    assert served.json("fix", "--select", "PKG002", "--yes", code=0)["steps"] == []
    served.run("undo", "--yes")
    assert_same_tree(before, snapshot(served.project))


def test_xformers_goes_to_the_torch_that_is_there(served: Desk) -> None:
    env = stack(served, xformers="0.0.33", tqdm="4.67")
    before = snapshot(served.project)
    found = served.json("check", "--select", "PKG002", "--select", "EXT003", code=1)["findings"]
    assert "xformers-torch-mismatch" in {item["cause"] for item in found}
    done = served.json("fix", "--select", "PKG002", "--select", "EXT003", "--yes", code=0)
    assert details(done) == {("xformers: 0.0.33 → 0.0.32",)}
    assert pip_check(served.environ, env).returncode == 0
    code = "import torch, xformers; print(torch.__version__, xformers.__version__)"
    python = str(venvs.python_of(env))
    said = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert said.stdout.split() == ["2.8.0+cu126", "0.0.32"]
    served.run("undo", "--yes")
    assert_same_tree(before, snapshot(served.project))


def test_what_another_package_forbids_is_left_with_the_resolvers_words(served: Desk) -> None:
    env = stack(served, transformers="5.23.0", huggingface_hub="0.30.0", tqdm="4.67")
    venvs.install_fake_dist(env, "tokenizers", "0.22.0")
    venvs.install_fake_dist(env, "ours", "1.0", requires=["huggingface-hub<1"])
    before = snapshot(served.project)
    told = served.json("fix", "--select", "PKG002", "--yes", code=1)
    assert told["steps"] == []
    assert "ours" in told["repairs"][0]["details"][0]
    assert_same_tree(before, snapshot(served.project))


def test_an_environment_that_fits_is_left_alone(served: Desk) -> None:
    stack(served, transformers="5.23.0", huggingface_hub="1.1.0", tokenizers="0.22.0", tqdm="4.67")
    before = snapshot(served.project)
    told = served.json("fix", "--select", "PKG", "--select", "EXT", "--yes", code=0)
    assert told["outcome"] == "nothing to repair"
    assert_same_tree(before, snapshot(served.project))


def test_another_build_of_torch_becomes_the_profiles(tmp_path: Path) -> None:
    with LoopbackIndex() as index:
        world = World(tmp_path, index)
        world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
        venvs.install_fake_dist(world.venv, "mine", "1.0")
        good = snapshot(world.project)
        words = ("fix", "--profile", "cpu", "--yes")
        assert world.json(*words)["outcome"] == "nothing to repair"
        assert_same_tree(good, snapshot(world.project))

        # xformers' install brings the build of the default index, for CUDA
        for path in venvs.site_packages(world.venv).glob("torch*"):
            shutil.rmtree(path)
        venvs.install_fake_torch(world.venv, "2.13.0", "12.6")
        before = snapshot(world.project)
        found = world.json("check", "--profile", "cpu", "--select", "TORCH005")["findings"]
        assert [item["code"] for item in found] == ["TORCH005"]
        done = world.json(*words, "--select", "TORCH005")
        assert done["outcome"] == "kept", done
        assert details(done) == {("torch: 2.13.0+cu126 → 2.13.0+cpu",)}
        assert world.versions()["torch"] == "2.13.0+cpu"
        assert world.versions()["mine"] == "1.0"
        assert pip_check(world.environ, world.venv).returncode == 0
        assert world.json(*words, "--select", "TORCH005")["steps"] == []
        world.run("undo", "--yes")
        assert_same_tree(before, snapshot(world.project))


def test_what_another_profile_would_mend_is_left_to_its_reader(tmp_path: Path) -> None:
    with LoopbackIndex() as index:
        world = World(tmp_path, index)
        world.run("install", "--profile", "cpu", "--yes", "--no-smoke")
        venvs.install_fake_dist(world.venv, "retention", "0.0.1")
        for path in venvs.site_packages(world.venv).glob("torch*"):
            shutil.rmtree(path)
        venvs.install_fake_torch(world.venv, "2.13.0", "12.6")
        before = snapshot(world.project)
        told = world.json("fix", "--profile", "cpu", "--select", "PKG006", "--yes", code=1)
        assert [item["safety"] for item in told["repairs"]] == ["manual"]
        assert "retention" in told["repairs"][0]["commands"][-1]
        assert_same_tree(before, snapshot(world.project))
