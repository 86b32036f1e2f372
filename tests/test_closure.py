"""The closed set: what is pulled in, what moves, and what will be unhappy about it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from llmdoctor import profiles
from llmdoctor.closure import (
    Closure,
    NoSolutionError,
    changes,
    close,
    conflicts,
    only,
    parse_lock,
    preferences,
    same_version,
)
from llmdoctor.installers import manifest
from llmdoctor.installers.uv import platform_options
from llmdoctor.machine import Package
from llmdoctor.mirrors import mirrored
from llmdoctor.plan import Change, Conflict, Requirement, Resolved, Source, Target
from llmdoctor.resolve import marker_environment, resolve
from llmdoctor.system.local import Local
from llmdoctor.target import assume
from support.environment import hermetic_env
from support.index import LoopbackIndex, closed_port
from support.wheels import build_sdist, build_wheel, fake_torch

MARKERS = marker_environment(Target())

LOCK = """\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "flash-attn"
archive = { url = "https://github.com/x/flash_attn-2.8.3%2Bcu126torch2.9-cp312-cp312-linux_x86_64.whl", hashes = { sha256 = "aa" } }

[[packages]]
name = "numpy"
version = "2.0.0"
wheels = [
    { url = "https://host/numpy-2.0.0-cp312-cp312-manylinux_2_28_x86_64.whl", size = 17, hashes = { sha256 = "bb" } },
    { url = "https://host/numpy-2.0.0-py3-none-any.whl", hashes = { sha256 = "cc" } },
]

[[packages]]
name = "old"
version = "1.0"
sdist = { url = "https://host/old-1.0.tar.gz", hashes = { sha256 = "dd" } }

[[packages]]
name = "torch"
version = "2.9.1+cu126"
wheels = [{ path = "../wheels/torch-2.9.1+cu126-py3-none-any.whl", hashes = { sha256 = "ee" } }]
"""


# --- reading a lock


def test_a_lock_is_read_with_the_place_of_every_file() -> None:
    flash = "https://github.com/x/flash_attn-2.8.3%2Bcu126torch2.9-cp312-cp312-linux_x86_64.whl"
    assert parse_lock(LOCK) == (
        Resolved("flash-attn", "2.8.3+cu126torch2.9", "wheel", flash, "aa"),
        Resolved(
            "numpy",
            "2.0.0",
            "index",
            "https://host/numpy-2.0.0-cp312-cp312-manylinux_2_28_x86_64.whl",
            "bb",
            17,
        ),
        Resolved("old", "1.0", "sdist", "https://host/old-1.0.tar.gz", "dd"),
        Resolved("torch", "2.9.1+cu126", "index", None, "ee"),
    )


def test_an_empty_lock_has_no_packages() -> None:
    assert parse_lock('lock-version = "1.0"\n') == ()


def test_a_lock_is_cut_down_to_some_packages_and_stays_a_lock() -> None:
    some = only(LOCK, ["torch", "numpy", "unheard-of"])
    assert [package.name for package in parse_lock(some)] == ["numpy", "torch"]
    assert parse_lock(some) == tuple(p for p in parse_lock(LOCK) if p.name in ("numpy", "torch"))
    assert 'lock-version = "1.0"' in some
    assert parse_lock(only(LOCK, [])) == ()


def test_preferences_are_a_lock_with_each_package_once() -> None:
    text = preferences([Package("a", "1.0"), Package("b", "2.0+cu126"), Package("a", "1.1")])
    assert [(p.name, p.version) for p in parse_lock(text)] == [("a", "1.1"), ("b", "2.0+cu126")]


# --- what changes


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("2.9.1", "2.9.1", True),
        ("2.9.1", "2.9.1+cu126", False),
        ("2.9.1+cu128", "2.9.1+cu126", False),
        ("2.0", "2.0.0", True),
        ("2.8.3+cu12torch2.9cxx11abiTRUE", "2.8.3+cu12torch2.9cxx11abitrue", True),
        ("1.0-rc1", "1.0rc1", True),
        ("not a version", "not a version", True),
        ("not a version", "1.0", False),
        (None, "1.0", False),
    ],
)
def test_versions_are_one_when_the_build_is_one_too(a: str | None, b: str, same: bool) -> None:
    assert same_version(a, b) is same


def test_what_is_there_already_is_no_change() -> None:
    installed = [Package("torch", "2.9.1"), Package("numpy", "2.0"), Package("mine", "1.0")]
    wanted = [Resolved("torch", "2.9.1+cu126"), Resolved("numpy", "2.0.0"), Resolved("new", "3")]
    assert changes(wanted, installed) == (
        Change(Resolved("torch", "2.9.1+cu126"), "2.9.1"),
        Change(Resolved("new", "3"), None),
    )


def test_what_is_damaged_is_installed_again_in_the_same_version() -> None:
    installed = [Package("torch", "2.9.1"), Package("numpy", "2.0.0"), Package("mine", "1.0")]
    wanted = [Resolved("torch", "2.9.1"), Resolved("numpy", "2.0.0")]
    assert changes(wanted, installed) == ()
    assert changes(wanted, installed, frozenset({"torch", "mine"})) == (
        Change(Resolved("torch", "2.9.1"), "2.9.1"),
    )


def moved(name: str, version: str) -> tuple[Change, ...]:
    return (Change(Resolved(name, version), "0"),)


def kept(*requires: str) -> list[Package]:
    return [Package("keeper", "1.0", requires), Package("numpy", "1.26.0"), Package("torch", "2.6")]


def test_a_kept_package_that_will_be_unhappy_is_named_with_its_requirement() -> None:
    found = conflicts(kept("numpy<2"), moved("numpy", "2.0.0"), MARKERS)
    assert found == (Conflict("keeper", "1.0", "numpy<2", "2.0.0"),)


@pytest.mark.parametrize(
    ("requires", "why"),
    [
        ("numpy>=1.20", "it is met"),
        ("numpy", "any version will do"),
        ("numpy<1", "it was unmet before"),
        ("torch<2.6", "torch does not move"),
        ("pillow<1", "it is not installed at all"),
        ("numpy<2; sys_platform == 'win32'", "its marker is false here"),
        ("numpy<2; python_version < '3.8'", "its marker is false here"),
        ("numpy<2; extra == 'legacy'", "nobody asked for the extra"),
        ("numpy<2; (extra == 'a' and sys_platform == 'linux')", "nobody asked for the extra"),
        ("numpy @ https://host/numpy.whl", "no version is named"),
        ("not a requirement at all <<<", "it cannot be read"),
    ],
)
def test_a_requirement_that_does_not_break_is_not_named(requires: str, why: str) -> None:
    assert conflicts(kept(requires), moved("numpy", "2.0.0"), MARKERS) == (), why


@pytest.mark.parametrize(
    "requires", ["numpy<2; sys_platform == 'linux'", "NumPy<2", "numpy[extra]<2", "numpy (<2)"]
)
def test_a_requirement_is_understood_in_every_spelling(requires: str) -> None:
    assert len(conflicts(kept(requires), moved("numpy", "2.0.0"), MARKERS)) == 1


def test_a_package_that_moves_itself_brings_its_new_requirements() -> None:
    installed = kept("numpy<2")
    both = (*moved("numpy", "2.0.0"), *moved("keeper", "2.0"))
    assert conflicts(installed, both, MARKERS) == ()


def test_a_local_version_and_a_pre_release_meet_what_their_base_meets() -> None:
    assert conflicts(kept("torch>=2.6"), moved("torch", "2.9.1+cu126"), MARKERS) == ()
    assert conflicts(kept("torch>=2.6"), moved("torch", "2.10.0rc1"), MARKERS) == ()
    assert len(conflicts(kept("torch<2.7"), moved("torch", "2.9.1+cu126"), MARKERS)) == 1


# --- uv itself


class Resolver:
    """uv with an index of its own, and a cache that no other test has seen."""

    def __init__(self, folder: Path, index: LoopbackIndex) -> None:
        self.folder = folder
        self.index = index
        self.environ = hermetic_env(folder)
        self.wheels = folder / "wheels"

    def wheel(self, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> None:
        self.index.add(
            "simple", build_wheel(self.wheels, name, version, requires=requires, tag=tag)
        )

    def close(
        self,
        *requirements: str,
        installed: tuple[Package, ...] = (),
        text: str | None = None,
        builds: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
    ) -> Closure:
        asked = tuple(Requirement(wish, wish) for wish in requirements)
        source = Source("default", "", "")
        python = "{}.{}".format(*sys.version_info[:2])
        env = {"UV_DEFAULT_INDEX": self.index.create("simple")}
        return close(
            Local(self.environ),
            find_uv_bin(),
            manifest(asked, source, python) if text is None else text,
            sys.executable,
            installed,
            env,
            builds=builds,
            options=options,
        )


@pytest.fixture
def resolver(tmp_path: Path, loopback_index: LoopbackIndex) -> Resolver:
    return Resolver(tmp_path, loopback_index)


def versions(closed: Closure) -> dict[str, str]:
    return {package.name: package.version for package in closed.packages}


def test_what_is_installed_stays_unless_it_must_move(resolver: Resolver) -> None:
    resolver.wheel("app", "1.0", "lib>=1", "other>=2")
    for version in ("1.0", "1.1", "2.0"):
        resolver.wheel("lib", version)
        resolver.wheel("other", version)
    assert versions(resolver.close("app")) == {"app": "1.0", "lib": "2.0", "other": "2.0"}
    installed = (Package("lib", "1.0"), Package("other", "1.0"), Package("stranger", "3.0"))
    closed = resolver.close("app", installed=installed)
    assert versions(closed) == {"app": "1.0", "lib": "1.0", "other": "2.0"}
    assert parse_lock(closed.lock) == closed.packages


def test_nothing_is_built_from_source(resolver: Resolver) -> None:
    resolver.index.add(
        "simple",
        build_sdist(resolver.wheels, "hours", "2.0", build_error="hours of compiling"),
        build_wheel(resolver.wheels, "hours", "1.0"),
    )
    assert versions(resolver.close("hours")) == {"hours": "1.0"}
    with pytest.raises(NoSolutionError, match="hours"):
        resolver.close("hours>1.0")


def test_a_package_that_may_be_built_is_taken_as_source(resolver: Resolver) -> None:
    resolver.index.add("simple", build_sdist(resolver.wheels, "quick", "1.0"))
    (package,) = resolver.close("quick", builds=("quick",)).packages
    assert (package.name, package.version, package.source) == ("quick", "1.0", "sdist")


def test_what_cannot_be_resolved_is_said_in_the_resolvers_words(resolver: Resolver) -> None:
    resolver.wheel("app", "1.0", "lib<1")
    resolver.wheel("lib", "2.0")
    with pytest.raises(NoSolutionError, match="cannot be resolved:\n") as caught:
        resolver.close("app")
    assert "lib<1" in caught.value.message
    assert caught.value.exit_code == 1
    assert caught.value.next_command
    assert tempfile.gettempdir() not in caught.value.message


def test_an_index_that_cannot_be_reached_is_no_solution_and_named(resolver: Resolver) -> None:
    resolver.wheel("app", "1.0")
    with closed_port() as url:
        env = {"UV_DEFAULT_INDEX": url, "UV_HTTP_TIMEOUT": "2"}
        asked = manifest([Requirement("app", "app")], Source("default", "", ""), "3.10")
        with pytest.raises(NoSolutionError, match=r"127\.0\.0\.1"):
            close(Local(resolver.environ), find_uv_bin(), asked, sys.executable, (), env)


def test_torch_comes_from_its_own_index_and_nothing_else_does(resolver: Resolver) -> None:
    url = resolver.index.add(
        "whl/cu126",
        fake_torch(resolver.wheels, "2.9.1", "12.6", requires=["lib"]),
        build_wheel(resolver.wheels / "evil", "lib", "99.0"),
    )
    resolver.wheel("lib", "1.0")
    source = Source("torch-index", "2.9.1+cu126", "", url)
    asked = manifest([Requirement("torch", "torch==2.9.1", "torch")], source, "3.10")
    assert versions(resolver.close(text=asked)) == {"torch": "2.9.1+cu126", "lib": "1.0"}


def test_a_windows_machine_is_resolved_from_another_one(resolver: Resolver) -> None:
    """flash-attn comes from its own address, and Triton is the one for Windows."""
    known = tuple(profiles.builtin().values())
    wanted = [profiles.find("mainline"), profiles.find("flashattn")]
    target = assume(["os=windows,gpu=RTX 4090,driver=560.94,python=3.12"])
    choice = resolve(wanted, known, target)
    environ = {"LLMDOCTOR_GITHUB": resolver.index.url().rstrip("/")}
    requirements = []
    for item in choice.requirements:
        if item.url is None:
            requirements.append(item)
            continue
        address = mirrored(item.url, environ)
        name = address.rpartition("/")[2].replace("%2B", "+")
        version, _, tag = name.removesuffix(".whl").partition("-")[2].partition("-")
        wheel = build_wheel(resolver.wheels, "flash-attn", version, requires=["torch"], tag=tag)
        resolver.index.put(
            address.removeprefix(resolver.index.url()).replace("%2B", "+"), wheel.read_bytes()
        )
        requirements.append(Requirement(item.name, f"{item.name} @ {address}", "wheel", address))
    torch = resolver.index.add(
        "whl/cu126",
        fake_torch(resolver.wheels / "w", "2.9.1", "12.6", tag="cp312-cp312-win_amd64"),
        fake_torch(
            resolver.wheels / "l",
            "2.9.1",
            "12.6",
            tag="cp312-cp312-manylinux_2_28_x86_64",
            requires=["triton==3.5.1; platform_system == 'Linux'"],
        ),
    )
    resolver.wheel("triton-windows", "3.5.1.post24", tag="cp312-cp312-win_amd64")
    resolver.wheel("triton-windows", "3.6.0.post26", tag="cp312-cp312-win_amd64")
    resolver.wheel("colorama", "0.4.6")
    resolver.wheel("transformers", "5.0.1", "colorama; sys_platform == 'win32'")
    for name, version in (("peft", "0.18.1"), ("accelerate", "1.12.0"), ("einops", "0.8.2")):
        resolver.wheel(name, version, "torch" if name != "einops" else "numpy")
    resolver.wheel("numpy", "2.3.0", tag="cp312-cp312-win_amd64")
    resolver.wheel("numpy", "2.4.0", tag="cp312-cp312-manylinux_2_28_x86_64")
    source = Source("torch-index", "2.9.1+cu126", "", torch)
    closed = resolver.close(
        text=manifest(requirements, source, target.python), options=platform_options(target)
    )
    found = versions(closed)
    assert found["torch"] == "2.9.1+cu126"
    assert found["triton-windows"] == "3.5.1.post24"
    assert found["numpy"] == "2.3.0"
    assert found["colorama"] == "0.4.6"
    assert "triton" not in found
    flash = next(package for package in closed.packages if package.name == "flash-attn")
    assert flash.source == "wheel"
    assert flash.version.endswith("+cu126torch2.9")
    assert str(flash.url).endswith("win_amd64.whl")
