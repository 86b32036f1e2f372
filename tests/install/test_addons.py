"""A stack with an add-on whose wheel lies outside every index: FlashAttention on an RTX 4090."""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from install.conftest import World
from llmdoctor import tables
from llmdoctor.mirrors import mirrored
from support.index import closed_port
from support.nvml import RTX_4090, nvml_env
from support.wheels import build_wheel, fake_torch

HERE = "{}.{}".format(*sys.version_info[:2])
FLASH = {
    "flash_attn/__init__.py": "import flash_attn_2_cuda, torch\n",
    "flash_attn_2_cuda.py": "",
}
needs_linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason=f"the fake driver and the wheels are for Linux x86_64, this is {sys.platform}",
)


class Workstation:
    """The small world with the mainline stack in its indexes and the catalogue's own addresses."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.environ["LLMDOCTOR_GITHUB"] = world.index.url().rstrip("/")
        world.index.add("whl/cu126", fake_torch(world.wheels, "2.9.1", "12.6"))
        world.index.add(
            "simple",
            *(world.wheel("triton", version) for version in ("3.5.1", "3.6.0")),
            world.wheel("triton-windows", "3.5.1.post24", tag="cp312-cp312-win_amd64"),
            world.wheel("triton-windows", "3.6.0.post26", tag="cp312-cp312-win_amd64"),
            world.wheel("transformers", "5.0.1", requires=["tokenizers>=0.22"]),
            world.wheel("transformers", "5.1.0", requires=["tokenizers>=0.22"]),
            world.wheel("peft", "0.18.1", requires=["torch", "transformers"]),
            world.wheel("accelerate", "1.12.0", requires=["torch"]),
            world.wheel("einops", "0.8.2"),
        )

    def offer(
        self,
        python: str,
        os: str,
        glibc: str | None,
        *,
        local_in_metadata: bool = False,
        avoid: tuple[str, ...] = (),
        modules: dict[str, str] = FLASH,
    ) -> tuple[str, str]:
        """Serve the wheel that the catalogue names for that machine: its address and version."""
        found = tables.find_wheel(
            "flash-attn", "2.9.1", "cu126", python, os, "x86_64", glibc, ("8.9",), avoid
        )
        assert found.best is not None, f"the catalogue has no flash-attn for Python {python}"
        address = mirrored(found.best.url, self.world.environ)
        version, _, tag = found.best.filename.removesuffix(".whl").partition("-")[2].partition("-")
        wheel = build_wheel(
            self.world.wheels, "flash-attn", version, requires=["torch"], tag=tag, modules=modules,
            local_in_metadata=local_in_metadata,
        )  # fmt: skip
        path = address.removeprefix(self.world.index.url()).replace("%2B", "+")
        self.world.index.put(path, wheel.read_bytes())
        return address, version


@pytest.fixture
def workstation(world: World) -> Workstation:
    return Workstation(world)


@pytest.fixture
def with_gpu(workstation: Workstation, fake_nvml: Path) -> Workstation:
    workstation.world.environ |= nvml_env(
        fake_nvml, driver="560.28.03", cuda=12060, gpus=[RTX_4090]
    )
    return workstation


@needs_linux
@pytest.mark.parametrize("told", [False, True], ids=["in the name alone", "in METADATA too"])
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_flash_attention_is_installed_from_the_catalogues_own_address(
    with_gpu: Workstation, installer: str, told: bool
) -> None:
    """The build stands in the file name of the official wheels, and not in their METADATA."""
    world = with_gpu.world
    world.ready_for(installer)
    address, version = with_gpu.offer(HERE, "linux", platform.libc_ver()[1], local_in_metadata=told)
    done = world.json(
        "install", "--profile", "mainline", "--profile", "flashattn", "--yes", "--no-smoke",
        "--installer", installer,
    )  # fmt: skip
    assert done["outcome"] == "kept"
    assert done["torch"]["variant"] == "cu126"
    assert [(gpu["name"], gpu["compute_capability"]) for gpu in done["target"]["gpus"]] == [
        ("NVIDIA GeForce RTX 4090", "8.9")
    ]
    assert done["target"]["driver"] == "560.28.03"
    packages = {package["name"]: package for package in done["packages"]}
    assert packages["flash-attn"]["source"] == "wheel"
    assert packages["flash-attn"]["url"] == address
    found = world.versions()
    assert found["torch"] == "2.9.1+cu126"
    assert found["flash_attn"] == (version if told else version.partition("+")[0])
    assert found["triton"] == "3.5.1"
    assert found["transformers"] == "5.0.1"
    assert found["einops"] == "0.8.2"
    assert world.index.asked("/whl/cu126/*torch-2.9.1*")
    assert not world.index.asked("/simple/flash-attn/*")
    assert not world.index.asked("/simple/torch/*whl")
    again = world.json("plan", "--profile", "flashattn")
    assert again["packages"] == [], "the second time there is nothing to do"


@needs_linux
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_flash_attention_of_another_build_is_replaced(
    with_gpu: Workstation, installer: str
) -> None:
    """Both call themselves 2.8.3 inside; the one in the environment was built for another torch."""
    world = with_gpu.world
    world.ready_for(installer)
    address, _ = with_gpu.offer(HERE, "linux", platform.libc_ver()[1])
    install = ("install", "--profile", "flashattn", "--yes", "--no-smoke", "--installer", installer)
    assert world.json(*install)["outcome"] == "kept"
    other = re.sub(r"torch[0-9.]+", "torch2.8", address.rpartition("/")[2])
    (note,) = world.venv.rglob("flash_attn-*.dist-info/direct_url.json")
    told = json.loads(note.read_text("utf-8"))
    note.unlink()  # not edited in place: uv's cache shares its bytes
    note.write_text(json.dumps({**told, "url": f"https://example.org/{other}"}), "utf-8")
    done = world.json(*install)
    assert [package["name"] for package in done["packages"]] == ["flash-attn"]
    (note,) = world.venv.rglob("flash_attn-*.dist-info/direct_url.json")
    assert file_of(json.loads(note.read_text("utf-8"))["url"]) == file_of(address)


@needs_linux
def test_an_addon_alone_brings_its_stack(with_gpu: Workstation) -> None:
    with_gpu.offer(HERE, "linux", platform.libc_ver()[1])
    plan = with_gpu.world.json("plan", "--profile", "flashattn")
    assert plan["feasible"]
    assert plan["profiles"] == ["mainline", "flashattn"]


def file_of(address: str) -> str:
    return unquote(address).rpartition("/")[2]


@needs_linux
def test_where_a_wheel_does_not_come_the_next_one_of_the_catalogue_is_taken(
    with_gpu: Workstation,
) -> None:
    world, glibc = with_gpu.world, platform.libc_ver()[1]
    first, _ = with_gpu.offer(HERE, "linux", glibc)
    second, _ = with_gpu.offer(HERE, "linux", glibc, avoid=(file_of(first),))
    world.index.fail(f"*{file_of(first)}", "404")
    done = world.run("install", "--profile", "flashattn", "--yes", "--no-smoke")
    assert f"{file_of(first)}: " in done.stderr
    assert "HTTP 404" in done.stderr
    (note,) = world.venv.rglob("flash_attn-*.dist-info/direct_url.json")
    assert file_of(json.loads(note.read_text("utf-8"))["url"]) == file_of(second)


@needs_linux
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_where_a_wheel_does_not_load_the_next_one_of_the_catalogue_is_tried(
    with_gpu: Workstation, installer: str
) -> None:
    world, glibc = with_gpu.world, platform.libc_ver()[1]
    broken = {**FLASH, "flash_attn_2_cuda.py": "raise ImportError('undefined symbol: _ZN3c10')"}
    first, _ = with_gpu.offer(HERE, "linux", glibc, modules=broken)
    second, _ = with_gpu.offer(HERE, "linux", glibc, avoid=(file_of(first),))
    done = world.run(
        "install", "--profile", "flashattn", "--yes", "--no-smoke", "--installer", installer
    )
    assert "undefined symbol" in done.stderr
    assert f"{file_of(first)} cannot be imported here" in done.stderr
    (note,) = world.venv.rglob("flash_attn-*.dist-info/direct_url.json")
    assert file_of(json.loads(note.read_text("utf-8"))["url"]) == file_of(second)
    assert world.leftovers() == []


@needs_linux
def test_where_no_other_wheel_can_be_had_the_failure_is_the_first_one_s(
    with_gpu: Workstation,
) -> None:
    world, glibc = with_gpu.world, platform.libc_ver()[1]
    broken = {**FLASH, "flash_attn_2_cuda.py": "raise ImportError('undefined symbol: _ZN3c10')"}
    with_gpu.offer(HERE, "linux", glibc, modules=broken)
    done = world.json("install", "--profile", "flashattn", "--yes", "--no-smoke", code=4)
    assert done["outcome"] == "restored"
    assert "undefined symbol" in done["error"]
    assert world.leftovers() == []


@needs_linux
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_catalogue_address_without_its_wheel_leaves_nothing_behind(
    with_gpu: Workstation, installer: str
) -> None:
    """The catalogue says what release workflows were configured to build, not what they built."""
    world = with_gpu.world
    world.run(
        "install", "--profile", "mainline", "--profile", "flashattn", "--yes", "--no-smoke",
        "--installer", installer, code=1,
    )  # fmt: skip
    assert not world.venv.exists()
    assert world.leftovers() == []


def test_a_windows_machine_is_planned_from_here_with_every_package(
    workstation: Workstation,
) -> None:
    address, version = workstation.offer("3.12", "windows", None)
    plan = workstation.world.json(
        "plan", "--profile", "mainline", "--profile", "flashattn",
        "--assume", "os=windows,gpu=RTX 4090,driver=560.94,python=3.12", "--resolve",
    )  # fmt: skip
    assert plan["feasible"]
    assert plan["torch"]["variant"] == "cu126"
    packages = {package["name"]: package for package in plan["packages"]}
    assert packages["flash-attn"]["url"] == address
    assert address.endswith("cp312-cp312-win_amd64.whl")
    assert packages["flash-attn"]["version"] == version
    assert packages["triton-windows"]["version"] == "3.5.1.post24"
    assert packages["torch"]["version"] == "2.9.1+cu126"
    assert "triton" not in packages


def test_a_mac_is_planned_from_here_with_the_torch_that_only_a_newer_macos_takes(
    world: World,
) -> None:
    """By itself uv resolves for macOS 13; torch's wheels ask for 14 since 2.12."""
    tag = "cp312-none-macosx_14_0_arm64"
    mac = fake_torch(world.folder, "2.13.0", None, tag=tag, local_in_metadata=False)
    world.index.add("simple", mac)
    plan = world.json(
        "plan", "--profile", "cpu", "--assume", "os=macos,arch=arm64,python=3.12", "--resolve"
    )
    assert plan["feasible"]
    packages = {package["name"]: package["version"] for package in plan["packages"]}
    assert packages["torch"] == "2.13.0"


@needs_linux
def test_without_the_torch_index_the_default_indexs_own_build_is_taken_and_named(
    with_gpu: Workstation,
) -> None:
    world = with_gpu.world
    plain = fake_torch(world.folder, "2.9.1", "12.8", local_in_metadata=False)
    world.index.add("simple", plain)
    with closed_port() as nowhere:
        world.environ["LLMDOCTOR_TORCH_INDEX"] = nowhere
        done = world.json("install", "--profile", "mainline", "--yes", "--no-smoke")
    assert (done["outcome"], done["torch"]["variant"]) == ("kept", "cu128")
    rejected = {item["candidate"]: item["reason"] for item in done["rejected"]}
    assert rejected["torch 2.9.1+cu126"] == "no place offers it"
    assert any("unreachable" in reason for reason in rejected.values())


@needs_linux
def test_a_cpu_build_is_never_replaced_by_the_default_indexs_cuda_build(world: World) -> None:
    world.index.add("simple", fake_torch(world.folder, "2.13.0", "13.0", local_in_metadata=False))
    with closed_port() as nowhere:
        world.environ["LLMDOCTOR_TORCH_INDEX"] = nowhere
        refused = world.json("install", "--profile", "cpu", "--yes", code=1)
    assert refused["outcome"] == "not feasible"
    assert not world.venv.exists()
