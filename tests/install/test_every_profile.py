"""Every profile by both installers: the same packages; another build of torch is another build.

The shop is stocked from what the resolver chooses, so that a profile which changes brings its wheels
along: each requirement in its lowest version, from the place that it is meant to come from.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement as Parsed
from packaging.version import Version

from install.conftest import World
from llmdoctor import profiles
from llmdoctor.mirrors import mirrored
from llmdoctor.plan import Choice, Requirement
from llmdoctor.resolve import resolve
from llmdoctor.target import assume
from support.index import LoopbackIndex
from support.nvml import RTX_4090, nvml_env
from support.venvs import make_venv
from support.wheels import build_sdist, build_wheel, fake_torch

DRIVER = "580.95.05"
CUDA = {"cpu": None, "cu124": "12.4", "cu126": "12.6", "cu128": "12.8", "cu130": "13.0"}
EVERY = profiles.builtin()
HERE = "{}.{}".format(*sys.version_info[:2])

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason=f"the fake driver and the wheels are for Linux x86_64, this is {sys.platform}",
)


def chosen(name: str, variant: str = "auto") -> Choice:
    """What the resolver takes for this machine: with an RTX 4090, but for the profile `cpu`."""
    gpu = "" if name == "cpu" else f",gpu=RTX 4090,driver={DRIVER}"
    facts = f"os=linux,python={HERE},glibc={platform.libc_ver()[1]}{gpu}"
    return resolve([EVERY[name]], tuple(EVERY.values()), assume([facts]), variant=variant)


def lowest(text: str) -> str:
    """The lowest version that meets a requirement."""
    bounds = [item for item in Parsed(text).specifier if item.operator in ("==", ">=", "~=")]
    return str(max((Version(item.version) for item in bounds), default=Version("1")))


class Shop:
    """An index, a PyTorch index and a GitHub, in which what is put twice lies once."""

    def __init__(self, folder: Path, index: LoopbackIndex) -> None:
        self.folder = folder
        self.index = index
        self._there: set[str] = set()

    def put(self, place: str, wheel: Path) -> None:
        if f"{place}/{wheel.name}" not in self._there:
            self.index.add(place, wheel)
            self._there.add(f"{place}/{wheel.name}")

    def stock(self, choice: Choice) -> None:
        """Everything that a choice asks for; a CUDA build needs NVIDIA's packages of that CUDA."""
        assert choice.feasible, choice.reasons
        variant = str(choice.variant)
        needs = []
        if cuda := CUDA[variant]:
            needs = [f"nvidia-cuda-runtime-cu{cuda.partition('.')[0]}=={cuda}.90"]
            self._simple(needs[0])
        torch = fake_torch(self.folder, str(choice.torch), cuda, requires=needs)
        self.put(f"shop/whl/{variant}", torch)
        for item in choice.requirements:
            if item.url:
                self._at_its_address(item)
            elif item.name != "torch" and item.source == "torch":
                self.put(f"shop/whl/{variant}", self._wheel(item.text))
            elif item.build:
                self.put("shop/simple", build_sdist(self.folder, item.name, lowest(item.text)))
            elif item.name != "torch":
                self._simple(item.text)

    def _simple(self, text: str) -> None:
        self.put("shop/simple", self._wheel(text))

    def _wheel(self, text: str) -> Path:
        return build_wheel(self.folder, Parsed(text).name, lowest(text))

    def _at_its_address(self, item: Requirement) -> None:
        version, _, tag = str(item.wheel).removesuffix(".whl").partition("-")[2].partition("-")
        wheel = build_wheel(
            self.folder, item.name, version, requires=["torch"], tag=tag, local_in_metadata=False
        )
        address = mirrored(str(item.url), {"LLMDOCTOR_GITHUB": self.index.url().rstrip("/")})
        path = address.removeprefix(self.index.url()).replace("%2B", "+")
        self.index.put(path, wheel.read_bytes())


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that has everything of every profile, and mainline's other builds of torch."""
    with LoopbackIndex() as index:
        stocked = Shop(tmp_path_factory.mktemp("shop"), index)
        for name in EVERY:
            stocked.stock(chosen(name))
        for variant in ("cpu", "cu126", "cu128"):
            stocked.stock(chosen("mainline", variant))
        yield stocked


@pytest.fixture
def customer(shop: Shop, tmp_path: Path, fake_nvml: Path) -> World:
    world = World(tmp_path, shop.index)
    world.environ |= nvml_env(fake_nvml, driver=DRIVER, cuda=13000, gpus=[RTX_4090])
    world.environ["PIP_INDEX_URL"] = shop.index.url("shop/simple")
    world.environ["LLMDOCTOR_TORCH_INDEX"] = shop.index.url("shop/whl").rstrip("/")
    world.environ["LLMDOCTOR_GITHUB"] = shop.index.url().rstrip("/")
    return world


def install(world: World, *words: str) -> dict[str, str | None]:
    """Carry it out; gives every package that the plan says will be there, new or not."""
    done = world.json("install", *words, "--yes", "--no-smoke")
    assert done["outcome"] == "kept"
    return {item["name"]: item["version"] for item in done["packages"]}


def found(folder: Path) -> dict[str, str]:
    """The distributions of an environment but those that make one."""
    names = {}
    for info in folder.glob("lib/python3*/site-packages/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        names[name.replace("_", "-")] = version
    return {name: names[name] for name in names if name not in ("pip", "setuptools")}


@pytest.mark.parametrize("name", EVERY)
def test_uv_and_pip_reach_the_same_packages(customer: World, name: str) -> None:
    if name == "cpu":  # with a GPU at hand nobody is given a build that leaves it alone
        del customer.environ["FAKE_NVML"], customer.environ["LD_LIBRARY_PATH"]
    words = ("--profile", name, "--variant", str(chosen(name).variant))
    by_uv = install(customer, *words, "--installer", "uv", "--env", "by-uv")
    make_venv(customer.project / "by-pip", with_pip=True)
    by_pip = install(customer, *words, "--installer", "pip", "--env", "by-pip")
    assert by_uv == by_pip
    assert {want.name for want in EVERY[name].packages} - {"triton"} <= by_uv.keys()
    in_uv, in_pip = (found(customer.project / folder) for folder in ("by-uv", "by-pip"))
    assert in_uv == in_pip
    assert in_uv.keys() == by_uv.keys()
    assert in_uv["torch"] == f"{chosen(name).torch}+{chosen(name).variant}"


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_switching_between_builds_of_torch_really_switches(customer: World, installer: str) -> None:
    """The version without its local tag is the same each time: an installer would call it met."""
    make_venv(customer.venv, with_pip=installer == "pip")
    seen = []
    for variant in ("cpu", "cu126", "cu128"):
        words = ("--profile", "mainline", "--variant", variant, "--installer", installer)
        moved = install(customer, *words)
        assert moved["torch"] == f"2.9.1+{variant}"
        there = found(customer.venv)
        assert there["torch"] == f"2.9.1+{variant}"
        said = next(customer.venv.glob("lib/*/site-packages/torch/version.py")).read_text()
        assert f"cuda: Optional[str] = {CUDA[variant]!r}" in said
        seen.append(there.get("nvidia-cuda-runtime-cu12"))
    assert seen == [None, "12.6.90", "12.8.90"], "what the build needs comes with it"
