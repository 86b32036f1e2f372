"""What a how-to and the tutorial tell to type is typed, in their order, on a workstation of tests.

An RTX 4090 (a fake NVML) and a loopback index with tiny wheels of whatever the plan asks for: so the
commands, their exit codes and what they leave are proven, and no kernel is. `--yes --no-smoke` is
added to `install`; the proof itself is run by tests/test_smoke_parent.py and by the tests' own start.
What only shows a plan for an assumed machine is run by tests/test_docs.py.
"""

from __future__ import annotations

import platform
import re
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from install.conftest import World
from llmdoctor.mirrors import mirrored
from support.nvml import RTX_4090, nvml_env
from support.wheels import build_wheel, fake_torch
from test_docs import ROOT, commands

HERE = "{}.{}".format(*sys.version_info[:2])
DRIVER = "560.28.03"
LOG = "ModuleNotFoundError: No module named 'torch'\n"
PAGES = [*sorted((ROOT / "docs" / "how-to").glob("[!R]*.md")), ROOT / "docs" / "tutorial.md"]
# What a page installs and this workstation cannot have, and how that ends here.
ELSEWHERE = {"flash-attention-arm64.md": "aarch64", "flash-attention-windows.md": "windows"}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason=f"the fake driver and the wheels are for Linux x86_64, this is {sys.platform}",
)


def offered(world: World, profiles: list[str]) -> None:
    """Serve a tiny wheel of each package that the plan names, where it says that it lies."""
    machine = f"os=linux,gpu=RTX 4090,driver={DRIVER},python={HERE},glibc={platform.libc_ver()[1]}"
    words = [word for name in profiles for word in ("--profile", name)]
    made = world.json("plan", *words, "--assume", machine)
    variant = made["torch"]["variant"]
    for package in made["packages"]:
        name, url = package["name"], package["url"]
        if name == "torch":
            cuda = None if variant == "cpu" else f"{variant[2:-1]}.{variant[-1]}"
            world.index.add(
                f"whl/{variant}", fake_torch(world.wheels, made["torch"]["version"], cuda)
            )
        elif url:
            address = mirrored(url, world.environ)
            file = unquote(address).rpartition("/")[2]
            version, _, tag = file.removesuffix(".whl").partition("-")[2].partition("-")
            wheel = build_wheel(world.wheels, name, version, requires=["torch"], tag=tag)
            path = address.removeprefix(world.index.url()).replace("%2B", "+")
            world.index.put(path, wheel.read_bytes())
        elif not list(world.wheels.glob(f"{name}-{(version := lowest(package))}-*")):
            wheel = world.wheel(name, version)
            for index in ("simple", f"whl/{variant}"):  # xformers lies in torch's own
                world.index.add(index, wheel)


def lowest(package: dict[str, Any]) -> str:
    """The oldest release that a requirement takes."""
    found = SpecifierSet(re.sub(r"^[\w.-]+", "", package["requirement"]))
    return max((item.version for item in found if item.operator in ("==", ">=")), key=Version)


def answered(line: str) -> list[str]:
    """The words of a command, with the answers that a person would give."""
    words = shlex.split(line)[1:]
    if words[0] == "install":
        words.append("--no-smoke")
    if (words[0] in ("install", "fix", "undo") or "--write" in words) and "--yes" not in words:
        words.append("--yes")
    return words


def uv_project(world: World) -> None:
    """A project to write into, if there is none yet."""
    manifest = world.project / "pyproject.toml"
    if not manifest.exists():
        manifest.write_text(
            f'[project]\nname = "toy"\nversion = "0"\nrequires-python = "=={HERE}.*"\n\n[tool.uv]\n'
        )
    world.environ.pop("UV_NO_CONFIG", None)
    world.environ["UV_DEFAULT_INDEX"] = world.environ["PIP_INDEX_URL"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_says(page: Path, world: World, fake_nvml: Path) -> None:
    if page.name in ELSEWHERE:
        pytest.skip(f"it installs on {ELSEWHERE[page.name]}: its plans are run by test_docs")
    world.environ |= nvml_env(fake_nvml, driver=DRIVER, cuda=12060, gpus=[RTX_4090])
    world.environ["LLMDOCTOR_GITHUB"] = world.index.url().rstrip("/")
    (world.project / "build.log").write_text(LOG)
    ran = 0
    for line in commands(page):
        words = answered(line)
        if words[0] == "plan" and "--assume" in words and "--write" not in words:
            continue
        if "--build" in words:  # test_build has the sources, the toolkit and the compilers for it
            continue
        if words == ["explain", "-"]:  # what the page pipes into it
            words = ["explain", "build.log"]
        ran += 1
        profiles = [words[n + 1] for n, word in enumerate(words) if word == "--profile"]
        if words[0] == "bundle":
            world.run(*words)
            assert (world.project / words[-1] / "pylock.toml").is_file()
        elif words[0] == "plan":
            offered(world, profiles)
            if "--write" in words:
                uv_project(world)
            world.run(*words)
            assert not world.venv.exists()
        elif words[0] == "install":
            if profiles:
                offered(world, profiles)
            world.run(*words)
            env = words[words.index("--env") + 1] if "--env" in words else ".venv"
            assert (world.project / env / "pyvenv.cfg").is_file()
        elif words[0] == "undo":
            world.run(*words)
            assert not world.venv.exists()
        else:  # what is found, or not proven with wheels that hold nothing, is exit code 1
            done = world.start(*words)
            out, err = done.communicate(timeout=120)
            assert done.returncode in (0, 1), (line, out, err)
            assert "Traceback" not in err
    assert ran


def test_the_pages_that_are_marked_are_there() -> None:
    assert set(ELSEWHERE) <= {page.name for page in PAGES}
