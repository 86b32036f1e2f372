"""A bundle: made where a network is, installed where none is, and believed in nothing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from install.conftest import World
from install.test_addons import Workstation, needs_linux, with_gpu, workstation
from support.index import LoopbackIndex, closed_port
from support.tree import assert_same_tree, snapshot
from support.wheels import fake_torch
from test_schemas import keeps

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["with_gpu", "workstation"]
INSTALLERS = pytest.mark.parametrize("installer", ["uv", "pip"])
HERE = "{}.{}".format(*sys.version_info[:2])


SIZE = 200_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of some kilobytes."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root can mount a file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Bundler:
    """Somebody who makes a bundle of the CPU stack and carries it to a machine without network."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.folder / "bundle"
        self.asked = 0

    @property
    def wheels(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "wheels").iterdir())

    @property
    def manifest(self) -> Path:
        return self.folder / "pylock.toml"

    def make(self, *words: str, code: int = 0) -> Any:
        return self.world.json("bundle", "--profile", "cpu", *words, str(self.folder), code=code)

    def carry(self, nowhere: str) -> None:
        """To another machine: another path, empty caches, and nobody answers."""
        there = self.world.folder / "stick"
        self.folder.rename(there)
        self.folder = there
        for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "LLMDOCTOR_CACHE_DIR"):
            self.world.environ[name] = str(self.world.folder / "empty" / name)
        self.world.environ |= {"PIP_INDEX_URL": nowhere, "LLMDOCTOR_TORCH_INDEX": nowhere}
        self.world.environ |= {
            "PIP_FIND_LINKS": f"{nowhere}links.html",
            "UV_DEFAULT_INDEX": nowhere,
        }
        self.asked = len(self.world.index.requests)

    def install(self, *words: str, code: int = 0) -> Any:
        done = self.world.json(
            "install", "--bundle", str(self.folder), "--yes", "--no-smoke", *words, code=code
        )
        assert len(self.world.index.requests) == self.asked, "nobody may be asked"
        return done

    def refused(self, code: int) -> str:
        """An install that leaves everything as it is; gives what is said."""
        before = snapshot(self.world.project)
        done = self.world.run(
            "install", "--bundle", str(self.folder), "--yes", "--no-smoke", code=code
        )
        assert_same_tree(before, snapshot(self.world.project))
        return " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def bundler(world: World) -> Bundler:
    return Bundler(world)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that somebody else has made."""
    with LoopbackIndex() as index:
        maker = Bundler(World(tmp_path_factory.mktemp("elsewhere"), index))
        maker.make()
        return maker.folder


@pytest.fixture
def carried(bundler: Bundler, made: Path) -> Iterator[Bundler]:
    """It lies on a machine without a network."""
    shutil.copytree(made, bundler.folder)
    with closed_port() as nowhere:
        bundler.carry(nowhere)
        yield bundler


@INSTALLERS
def test_a_bundle_is_all_that_an_install_needs(carried: Bundler, installer: str) -> None:
    done = carried.install("--installer", installer)
    assert (done["outcome"], done["installer"]) == ("kept", installer)
    found = carried.world.versions()
    assert (found["torch"], found["transformers"]) == ("2.13.0+cpu", "5.23.0")
    assert done["source"] == f"the bundle {carried.folder}"


@INSTALLERS
def test_an_environment_keeps_what_the_bundle_does_not_hold(
    lived_in: World, installer: str
) -> None:
    bundler = Bundler(lived_in)
    bundler.make()
    with closed_port() as nowhere:
        bundler.carry(nowhere)
        done = bundler.install("--installer", installer)
        moved = {item["name"]: item["before"] for item in done["packages"]}
        assert moved["tokenizers"] == "0.20.0"
        assert lived_in.versions()["mine"] == "1.0"
        again = bundler.install("--installer", installer)
        assert again["packages"] == []
        lived_in.run("undo", "--yes")
    assert lived_in.versions()["tokenizers"] == "0.20.0"


def test_the_manifest_is_a_lock_with_size_and_hash_of_each_file(bundler: Bundler) -> None:
    done = bundler.make()
    keeps(done)
    told = tomllib.loads(bundler.manifest.read_text("utf-8"))
    assert told["lock-version"] == "1.0"
    assert told["tool"]["llmdoctor"]["schema"] == "bundle/1"
    files = [package["wheels"][0] for package in told["packages"]]
    assert sorted(Path(file["path"]).name for file in files) == bundler.wheels
    assert {file["hashes"]["sha256"] for file in files} == {
        file["sha256"] for file in done["files"]
    }
    assert done["fetched"] == len(done["files"]) == len(bundler.wheels)


def test_a_bundle_for_another_system_is_made_here_and_refused_here(bundler: Bundler) -> None:
    """Its torch has a wheel for macOS alone, and nothing of this machine's plays a part."""
    tag = "cp312-none-macosx_14_0_arm64"
    mac = fake_torch(bundler.world.folder / "mac", "2.13.0", None, tag=tag, local_in_metadata=False)
    bundler.world.index.add("simple", mac)
    done = bundler.make("--assume", "os=macos,arch=arm64,python=3.12")
    assert done["outcome"] == "complete"
    assert mac.name in bundler.wheels
    bundler.asked = len(bundler.world.index.requests)
    refused = bundler.install(code=1)
    assert refused["outcome"] == "not feasible"
    here = f"{platform.system().lower()} {platform.machine()}"
    assert refused["reasons"][0]["text"] == (
        f"the bundle was made for macos arm64, and this is {here}"
    )
    assert "llmdoctor bundle --profile cpu --assume" in refused["alternatives"][0]["text"]
    assert not bundler.world.venv.exists()


def test_a_bundle_for_another_python_is_refused(bundler: Bundler) -> None:
    other = "3.12" if HERE != "3.12" else "3.11"
    done = bundler.make("--assume", f"python={other},arch={platform.machine()}")
    assert done["outcome"] == "complete"
    bundler.asked = len(bundler.world.index.requests)
    refused = bundler.install("--python", sys.executable, code=1)
    assert refused["reasons"][0]["text"] == (
        f"the bundle was made for Python {other}, and this is Python {HERE}"
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"x")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda b: spoil(b.folder / "wheels" / b.wheels[0]), "sha256 is "),
        (lambda b: cut(b.folder / "wheels" / b.wheels[0]), "bytes, "),
        (lambda b: (b.folder / "wheels" / b.wheels[0]).unlink(), "is missing"),
        (lambda b: (b.folder / "wheels" / "more.whl").touch(), "more.whl is not in its manifest"),
    ],
    ids=["another byte", "cut short", "missing", "one too many"],
)
def test_a_bundle_that_is_not_what_its_manifest_says_installs_nothing(
    carried: Bundler, harm: Callable[[Bundler], None], said: str
) -> None:
    harm(carried)
    text = carried.refused(1)
    assert said in text
    assert "nothing was installed" in text


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        ('"bundle/1"', '"bundle/2"', 2, "schema is bundle/2, and this llmdoctor reads bundle/1"),
        ('"bundle/1"', '"other/1"', 2, "has not the schema bundle/1"),
        ("wheels/torch-", "../wheels/torch-", 2, "is no wheel in wheels"),
        ("wheels/torch-", "/etc/torch-", 2, "is no wheel in wheels"),
        ("sha256 = ", "md5 = ", 2, "is damaged"),
        ("lock-version", "<<<<<<< x\nlock-version", 2, "conflict markers"),
    ],
    ids=["newer", "another lock", "leaves the folder", "absolute", "without a hash", "no TOML"],
)
def test_a_manifest_that_cannot_be_meant_is_refused(
    carried: Bundler, before: str, after: str, code: int, said: str
) -> None:
    text = carried.manifest.read_text("utf-8")
    assert before in text
    carried.manifest.write_text(text.replace(before, after), "utf-8")
    assert said in carried.refused(code)


def test_an_environment_of_another_making_is_told_by_its_versions(carried: Bundler) -> None:
    """As a bundle of another llmdoctor would be, whose profile was another one."""
    text = carried.manifest.read_text("utf-8")
    torch = next(line for line in text.splitlines() if "2.13.0+cpu" in line and "version" in line)
    carried.manifest.write_text(text.replace(torch, torch.replace("2.13.0", "2.12.0")), "utf-8")
    refused = carried.install(code=1)
    assert "the bundle holds torch 2.12.0+cpu, and torch==2.13.0 is wanted" in json.dumps(refused)


def test_a_profile_of_ones_own_is_named_on_both_machines(bundler: Bundler) -> None:
    own = bundler.world.project / "own.toml"
    own.write_text('name = "own"\nextends = "cpu"\n')
    bundler.world.run("bundle", "--profile", str(own), str(bundler.folder))
    with closed_port() as nowhere:
        bundler.carry(nowhere)
        said = bundler.refused(2)
        assert "no profile is called 'own'" in said
        assert "name it by --profile" in said
        assert bundler.install("--profile", str(own))["outcome"] == "kept"


@pytest.mark.parametrize("words", [("--find-links", "x"), ("--variant", "cu126")])
def test_a_bundle_leaves_nothing_to_choose(carried: Bundler, words: tuple[str, str]) -> None:
    done = carried.world.run("install", "--bundle", str(carried.folder), *words, code=2)
    assert f"leave out {words[0]}" in done.stderr


# --- whatever cuts it off


@pytest.mark.parametrize("mode", ["disconnect", "wrong-hash", "403"])
def test_a_file_that_does_not_come_leaves_no_bundle_and_the_next_run_goes_on(
    bundler: Bundler, mode: str
) -> None:
    world = bundler.world
    world.index.fail("*/transformers-*.whl", mode)
    done = bundler.make(code=1)
    assert done["outcome"] == "incomplete"
    assert "transformers-5.23.0" in done["error"]
    assert not bundler.manifest.exists()
    assert not any(
        name.startswith("transformers-") and name.endswith(".whl") for name in bundler.wheels
    )
    assert f"{bundler.folder} is no bundle" in bundler.refused(2)
    world.index.heal()
    before = len(world.index.asked("*/torch-2.13.0*.whl"))
    done = bundler.make()
    assert 0 < done["fetched"] < len(done["files"])
    assert len(world.index.asked("*/torch-2.13.0*.whl")) == before, "it lies there already"
    assert [name for name in bundler.wheels if not name.endswith(".whl")] == []
    assert bundler.make()["fetched"] == 0


def test_a_bundle_that_is_killed_is_gone_on_with(bundler: Bundler) -> None:
    world = bundler.world
    world.index.fail("*/transformers-*.whl", "stall")
    child = world.start("bundle", "--profile", "cpu", str(bundler.folder))
    part = bundler.folder / "wheels" / "transformers-5.23.0-py3-none-any.whl.part"
    world.wait_for(part.with_name(f"{part.name}.json").exists)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not bundler.manifest.exists()
    world.index.heal()
    bundler.make()
    assert [name for name in bundler.wheels if not name.endswith(".whl")] == []
    whole = (world.wheels / part.name.removesuffix(".part")).read_bytes()
    assert part.with_suffix("").read_bytes() == whole


def test_an_interrupted_bundle_ends_as_one(bundler: Bundler) -> None:
    world = bundler.world
    world.index.fail("*/transformers-*.whl", "stall")
    child = world.start("bundle", "--profile", "cpu", str(bundler.folder))
    world.wait_for(lambda: world.index.asked("*/transformers-*.whl"))
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted" in err
    assert not bundler.manifest.exists()


def test_a_bundle_that_does_not_fit_on_the_disk_says_so_and_goes_on_where_there_is_room(
    bundler: Bundler, small: Path
) -> None:
    bundler.folder = small / "bundle"
    usage = os.statvfs(small)
    (small / "filling").write_bytes(bytes(usage.f_bavail * usage.f_frsize - 12_288))
    done = bundler.world.run("bundle", "--profile", "cpu", str(bundler.folder), code=3)
    assert "no space left on device" in done.stderr
    assert not bundler.manifest.exists()
    (small / "filling").unlink()
    assert bundler.make()["outcome"] == "complete"


# --- folders that are somebody's


def test_a_folder_with_other_things_in_it_is_left_alone(bundler: Bundler) -> None:
    bundler.folder.mkdir()
    (bundler.folder / "thesis.txt").write_text("mine\n")
    before = snapshot(bundler.folder)
    done = bundler.world.run("bundle", "--profile", "cpu", str(bundler.folder), code=2)
    assert "holds thesis.txt" in done.stderr
    assert_same_tree(before, snapshot(bundler.folder))


def test_somebodys_own_lock_is_not_written_over(bundler: Bundler) -> None:
    bundler.folder.mkdir()
    bundler.manifest.write_text('lock-version = "1.0"\n')
    bundler.world.run("bundle", "--profile", "cpu", str(bundler.folder), code=2)
    assert bundler.manifest.read_text() == 'lock-version = "1.0"\n'


def test_a_wheel_that_no_longer_belongs_is_named_and_stays(bundler: Bundler) -> None:
    bundler.make()
    shutil.copy(
        bundler.world.wheels / "transformers-5.20.2-py3-none-any.whl", bundler.folder / "wheels"
    )
    done = bundler.world.run("bundle", "--profile", "cpu", str(bundler.folder), code=2)
    assert "transformers-5.20.2-py3-none-any.whl" in done.stderr
    assert "transformers-5.20.2-py3-none-any.whl" in bundler.wheels


# --- wheels with an address of their own


@needs_linux
@INSTALLERS
def test_a_wheel_with_an_address_of_its_own_is_bundled_too(
    with_gpu: Workstation, installer: str
) -> None:
    world, bundler = with_gpu.world, Bundler(with_gpu.world)
    address, version = with_gpu.offer(HERE, "linux", platform.libc_ver()[1])
    done = world.json("bundle", "--profile", "flashattn", "--python", HERE, str(bundler.folder))
    bundled = {item["name"]: item for item in done["files"]}
    assert bundled["flash-attn"]["url"] == address
    with closed_port() as nowhere:
        bundler.carry(nowhere)
        world.environ["LLMDOCTOR_GITHUB"] = nowhere
        installed = bundler.install("--installer", installer)
        assert installed["outcome"] == "kept"
        assert installed["torch"]["variant"] == "cu126"
        assert world.versions()["flash_attn"] == version.partition("+")[0]
        again = bundler.install("--installer", installer)
        assert again["packages"] == []


@needs_linux
def test_a_bundle_for_another_gpu_is_refused_with_the_resolvers_reason(
    workstation: Workstation,
) -> None:
    world, bundler = workstation.world, Bundler(workstation.world)
    workstation.offer(HERE, "linux", "2.35")
    facts = f"python={HERE},driver=560.28,gpu=RTX 4090"
    world.run("bundle", "--profile", "flashattn", "--assume", facts, str(bundler.folder))
    bundler.asked = len(world.index.requests)
    refused = bundler.install(code=1)
    assert refused["outcome"] == "not feasible"
    texts = [reason["text"] for reason in refused["reasons"]]
    assert texts[0] == "flashattn of this bundle does not fit this machine"
    assert len(texts) > 1


# --- where files are


@pytest.mark.parametrize("place", ["folder", "address"])
def test_wheels_of_a_folder_are_bundled_too(bundler: Bundler, place: str) -> None:
    world = bundler.world
    with closed_port() as nowhere:
        world.environ |= {"LLMDOCTOR_TORCH_INDEX": nowhere, "PIP_NO_INDEX": "1"}
        near = str(world.wheels) if place == "folder" else world.wheels.as_uri()
        done = bundler.make("--find-links", near)
    assert done["outcome"] == "complete"
    assert len(bundler.wheels) == len(done["files"])
    for wheel in (
        bundler.folder / "wheels"
    ).iterdir():  # what is done to a bundle is not done to the user's own wheels
        assert wheel.stat().st_nlink == 1
