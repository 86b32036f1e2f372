"""`plan --write` in real projects: written, locked by the project's own tool, switched, undone."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from install.conftest import World
from llmdoctor import profiles
from llmdoctor.resolve import resolve
from llmdoctor.target import assume
from support.poetrys import POETRIES, put_on_path, run_poetry
from support.tree import assert_same_tree, snapshot
from support.wheels import build_wheel, fake_torch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links to programs")
real = pytest.mark.skipif(not POETRIES, reason="LLMDOCTOR_TEST_POETRY names no Poetry")

HERE = "{}.{}".format(*sys.version_info[:2])
ASSUMED = f"os=linux,arch=x86_64,glibc=2.35,python={HERE},gpu=RTX 4090,driver=580.95.05"
GPU = ("--assume", ASSUMED)
STYLES = ("project", "tool.poetry")


def uv_project(world: World) -> None:
    world.environ.pop("UV_NO_CONFIG")
    world.environ["UV_DEFAULT_INDEX"] = world.environ["PIP_INDEX_URL"]
    (world.project / "pyproject.toml").write_text(
        f'[project]\nname = "toy"  # mine\nversion = "0"\nrequires-python = "=={HERE}.*"\n'
        'dependencies = [\n  "beside",  # what it is about\n]\n\n'
        "[tool.uv]\npackage = false\n\n# how it is checked\n[tool.ruff]\nline-length = 99\n"
    )
    locked = subprocess.run(
        [shutil.which("uv") or "uv", "lock"], cwd=world.project, env=world.environ, check=False
    )
    assert locked.returncode == 0


def poetry_project(world: World, poetry: Path, style: str) -> None:
    put_on_path(world.environ, world.folder, poetry)
    head = {
        "project": f'[project]\nname = "toy"  # mine\nversion = "0"\nrequires-python = "=={HERE}.*"\n'
        'dependencies = [\n  "beside",  # what it is about\n]\n\n[tool.poetry]\npackage-mode = false\n',
        "tool.poetry": '[tool.poetry]\nname = "toy"  # mine\nversion = "0"\ndescription = ""\n'
        f'authors = []\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = "~{HERE}"\n'
        'beside = "*"  # what it is about\n',
    }[style]
    (world.project / "pyproject.toml").write_text(
        f"{head}\n# how it is checked\n[tool.ruff]\nline-length = 99\n\n[[tool.poetry.source]]\n"
        f'name = "mirror"\nurl = "{world.environ["PIP_INDEX_URL"]}"\npriority = "primary"\n'
    )
    said(world, poetry, "lock")


def said(world: World, poetry: Path, *words: str) -> str:
    done = run_poetry(poetry, world.project, world.environ, "--no-interaction", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def stocked(world: World) -> World:
    """The world with both stacks for a GPU, and the wheel of flash-attn for the first of them."""
    every = profiles.builtin()
    chosen = resolve(
        [every["mainline"], every["flashattn"]], tuple(every.values()), assume([ASSUMED])
    )
    (url,) = (item.url for item in chosen.requirements if item.url)
    path = Path(unquote(urlsplit(str(url)).path))
    _, version, tag = path.stem.split("-", 2)
    wheel = build_wheel(
        world.wheels, "flash-attn", version, tag=tag, local_in_metadata=False, requires=["einops"]
    )
    address = world.index.put(str(path), wheel.read_bytes())
    world.environ["LLMDOCTOR_GITHUB"] = f"http://{urlsplit(address).netloc}"
    for release, variant, cuda in (("2.9.1", "cu126", "12.6"), ("2.6.0", "cu124", "12.4")):
        world.index.add(f"whl/{variant}", fake_torch(world.wheels, release, cuda))
    for name, version in (
        ("beside", "1.0"), ("transformers", "5.0.0"), ("transformers", "4.53.1"),
        ("peft", "0.18.0"), ("accelerate", "1.12.0"), ("einops", "0.8.1"), ("triton", "3.5.1"),
    ):  # fmt: skip
        world.index.add("simple", world.wheel(name, version))
    return world


def checked(world: World) -> None:
    """The doctor's own checks of the lock and of the manifest find no error."""
    found = world.json("check", "--select", "LOCK", "--select", "PROJ")
    assert [item for item in found["findings"] if item["severity"] == "error"] == []


def switched_and_undone(world: World, agrees: Callable[[], None]) -> None:
    """Mainline with FlashAttention, then legacy, each locked; undone one by one, to the byte."""
    before = snapshot(world.project)
    first = world.json(
        "plan", "--profile", "mainline", "--profile", "flashattn", *GPU, "--write", "--yes"
    )
    assert (first["outcome"], first["torch"]["variant"]) == ("written", "cu126")
    assert "beside: " not in " ".join(first["moves"])
    agrees()
    checked(world)
    text = (world.project / "pyproject.toml").read_text()
    assert "# mine" in text
    assert "# what it is about" in text
    assert "\n# how it is checked\n[tool.ruff]\nline-length = 99\n" in text
    mainline = snapshot(world.project)

    again = world.json("plan", "--profile", "flashattn", *GPU, "--write", "--yes")
    assert (again["outcome"], again["files"]) == ("already written", [])
    assert_same_tree(mainline, snapshot(world.project))

    second = world.json("plan", "--profile", "legacy", *GPU, "--write", "--yes")
    assert (second["outcome"], second["torch"]["variant"]) == ("written", "cu124")
    agrees()
    checked(world)
    text = (world.project / "pyproject.toml").read_text()
    for gone in ("mainline", "flashattn", "flash-attn", "cu126"):
        assert gone not in text
    lock = next(world.project.glob("*.lock")).read_text()
    assert "2.6.0+cu124" in lock
    assert "flash-attn" not in lock

    world.run("undo", "--yes")
    assert_same_tree(mainline, snapshot(world.project))
    world.run("undo", "--yes")
    assert_same_tree(before, snapshot(world.project))
    assert not world.venv.exists()


def test_a_uv_project_is_switched_between_stacks_and_back(stocked: World) -> None:
    uv_project(stocked)

    def agrees() -> None:
        argv = [shutil.which("uv") or "uv", "lock", "--check"]
        done = subprocess.run(argv, cwd=stocked.project, env=stocked.environ, capture_output=True)
        assert done.returncode == 0, done.stderr

    switched_and_undone(stocked, agrees)


@real
@pytest.mark.parametrize("poetry", POETRIES, ids=lambda path: path.parent.parent.name)
@pytest.mark.parametrize("style", STYLES)
def test_a_poetry_project_is_switched_between_stacks_and_back(
    stocked: World, poetry: Path, style: str
) -> None:
    if style == "project" and "-1." in poetry.parent.parent.name:
        pytest.skip("Poetry 1 does not read [project]")
    poetry_project(stocked, poetry, style)

    def agrees() -> None:
        done = run_poetry(poetry, stocked.project, stocked.environ, "check", "--lock")
        assert "poetry.lock" not in done.stdout + done.stderr

    switched_and_undone(stocked, agrees)


def test_nobody_says_yes_and_nothing_is_written(stocked: World) -> None:
    uv_project(stocked)
    before = snapshot(stocked.project, mtime=True)
    shown = stocked.run("plan", "--profile", "mainline", *GPU, "--write", code=1)
    assert "group mainline: torch, transformers" in " ".join(shown.stdout.split())
    assert "torch: absent → 2.9.1+cu126" in shown.stdout
    assert "for the machine that is assumed: linux x86_64" in " ".join(shown.stdout.split())
    again = ("llmdoctor", "plan", "--yes", "--profile", "mainline", *GPU, "--write")
    assert shown.stderr.splitlines()[-1] == f"next: {shlex.join(again)}"
    declined = stocked.json("plan", "--profile", "mainline", *GPU, "--write", code=1)
    assert declined["outcome"] == "declined"
    assert_same_tree(before, snapshot(stocked.project, mtime=True))


def test_a_folder_of_wheels_that_pip_is_configured_with_is_no_index_of_a_manifest(
    world: World,
) -> None:
    world.index.add("simple", world.wheel("beside", "1.0"))
    uv_project(world)
    before = snapshot(world.project, mtime=True)
    world.environ |= {"PIP_FIND_LINKS": str(world.wheels), "LLMDOCTOR_TORCH_INDEX": "file:///no"}
    refused = world.run("plan", "--profile", "cpu", "--write", "--yes", code=2)
    assert f"torch comes from {world.wheels}, configured for pip (find-links)" in refused.stderr
    told = refused.stderr.splitlines()[-1]
    assert told == "next: llmdoctor plan --profile cpu --export uv"
    assert_same_tree(before, snapshot(world.project, mtime=True))
    made = world.run(*shlex.split(told)[2:])
    assert f"torch @ {world.wheels.as_uri()}/torch-2.13.0+cpu" in made.stdout


def test_an_index_that_pip_is_configured_with_is_torchs_own_in_a_manifest(world: World) -> None:
    world.index.add("simple", world.wheel("beside", "1.0"))
    uv_project(world)
    world.environ |= {"PIP_EXTRA_INDEX_URL": world.torch, "LLMDOCTOR_TORCH_INDEX": "file:///no"}
    world.run("plan", "--profile", "cpu", "--write", "--yes")
    text = (world.project / "pyproject.toml").read_text()
    assert f'url = "{world.torch}"\nexplicit = true' in text
    assert 'torch = {index = "torch-cpu"}' in text


@real
def test_what_was_written_is_what_install_takes_from_the_lock(world: World) -> None:
    world.index.add("simple", world.wheel("beside", "1.0"))
    poetry_project(world, POETRIES[-1], "tool.poetry")
    words = ("--profile", "cpu", "--env", ".venv")
    written = world.run("plan", *words, "--write", "--yes")
    assert "llmdoctor install --profile cpu" in written.stdout
    installed = world.json("install", *words, "--yes", "--no-smoke")
    assert (installed["outcome"], installed["installer"]) == ("kept", "poetry")
    assert world.versions()["torch"] == "2.13.0+cpu"
    assert world.json("plan", *words, "--write", "--yes")["outcome"] == "already written"
