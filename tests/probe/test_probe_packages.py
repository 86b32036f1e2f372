"""Installed distributions, whole and damaged."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from llmdoctor.machine import Note
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.packages import Installed, normalise, read_packages
from llmdoctor.system.local import Local
from probe.described import Described, dist_info, door
from support import venvs


def read(env: Path, notes: list[Note] | None = None) -> Installed:
    folders = (str(venvs.site_packages(env)),)
    return read_packages(Local(), folders, Guard("environment", [] if notes is None else notes))


def test_every_fact_of_a_wheel_is_read(env: Path) -> None:
    venvs.install_fake_dist(
        env, "Flash_Attn", "2.8.3", requires=["torch", "einops>=0.8"], local_tag="cu12torch2.9",
        tag="cp312-cp312-win_amd64", installer="uv",
        direct_url={"url": "file:///src", "dir_info": {"editable": True}},
    )  # fmt: skip
    (package,) = read(env).packages
    assert package.name == "flash-attn"
    assert package.version == "2.8.3+cu12torch2.9"
    assert package.requires == ("torch", "einops>=0.8")
    assert package.tags == ("cp312-cp312-win_amd64",)
    assert (package.installer, package.record, package.editable) == ("uv", True, True)


def test_same_packages_as_importlib_metadata_in_the_tests_own_environment() -> None:
    folders = tuple(path for path in sys.path if path.endswith("site-packages"))
    mine = {(p.name, p.version) for p in read_packages(Local(), folders, Guard("x", [])).packages}
    theirs = {
        (normalise(d.metadata["Name"]), d.version)
        for d in importlib.metadata.distributions(path=list(folders))
    }
    assert mine == theirs


def test_leftovers_of_an_interrupted_pip_are_no_packages(env: Path) -> None:
    venvs.leave_dangling(env, "torch", "2.9.1")
    venvs.leave_dangling(env, "six", "1.0", prefix="-")
    found = read(env)
    assert found.packages == ()
    site = venvs.site_packages(env)
    names = ("~orch-2.9.1.dist-info", "-ix-1.0.dist-info")
    assert set(found.leftovers) == {str(site / name) for name in names}


def test_two_versions_of_one_distribution_both_stay(env: Path) -> None:
    venvs.duplicate_dist(env, "idna", "3.4", "3.20")
    assert sorted(p.version for p in read(env).packages) == ["3.20", "3.4"]


def test_missing_record_is_told(env: Path) -> None:
    venvs.without_file(venvs.install_fake_dist(env, "attrs", "26.1.0"), "RECORD")
    assert [p.record for p in read(env).packages] == [False]


def test_missing_metadata_leaves_name_and_version_of_the_folder(env: Path) -> None:
    venvs.without_file(venvs.install_fake_dist(env, "some_thing", "1.2"), "METADATA")
    assert [(p.name, p.version) for p in read(env).packages] == [("some-thing", "1.2")]


def test_requirements_behind_a_long_header_are_found(env: Path) -> None:
    info = venvs.install_fake_dist(env, "numpy", "2.1.0")
    licence = "License: " + "\n        text" * 4000
    (info / "METADATA").write_text(
        f"Name: numpy\nVersion: 2.1.0\n{licence}\nRequires-Dist: x\n\nbody"
    )
    assert read(env).packages[0].requires == ("x",)


def test_egg_info_folders_and_files_count() -> None:
    site = "/usr/lib/python3/dist-packages"
    machine = Described(
        files={
            f"{site}/six-1.16.0.egg-info/PKG-INFO": "Name: six\nVersion: 1.16.0\n\n",
            f"{site}/PyYAML-6.0.egg-info": "Name: PyYAML\nVersion: 6.0\n",
            f"{site}/foo-1.0-py3.11.egg-info/PKG-INFO": "",
            f"{site}/foo-1.0-py3.11.egg-info/installed-files.txt": "",
        }
    )
    found = read_packages(door(machine), (site,), Guard("x", []))
    assert {(p.name, p.version, p.record) for p in found.packages} == {
        ("six", "1.16.0", False),
        ("pyyaml", "6.0", False),
        ("foo", "1.0", True),
    }


def test_denied_metadata_leaves_the_name_and_one_note() -> None:
    site = "/e"
    files = {
        **dist_info(site, "numpy", "2.1.0", tag="x"),
        **dist_info(site, "torch", "2.9.1", tag="x"),
        **dist_info(site, "six", "1.17.0", tag="x"),
    }
    denied = {f"{site}/{name}.dist-info/METADATA" for name in ("numpy-2.1.0", "torch-2.9.1")}
    notes: list[Note] = []
    machine = Described(files=files, denied=denied)
    found = read_packages(door(machine), (site,), Guard("environment", notes))
    assert {(p.name, p.version) for p in found.packages} == {
        ("numpy", "2.1.0"), ("torch", "2.9.1"), ("six", "1.17.0"),
    }  # fmt: skip
    (note,) = notes
    assert "and 1 more" in note.detail


def test_the_wheel_that_an_address_named_is_kept_without_its_folders(env: Path) -> None:
    wheel = "flash_attn-2.8.3%2Bcu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
    url = f"https://user:secret@example.org/releases/v2.8.3/{wheel}"
    venvs.install_fake_dist(env, "flash_attn", "2.8.3", direct_url={"url": url})
    (package,) = read(env).packages
    assert package.origin == wheel.replace("%2B", "+")


def test_an_origin_that_is_no_wheel_is_left_out(env: Path) -> None:
    venvs.install_fake_dist(env, "six", "1.17.0", direct_url={"url": "file:///src/six"})
    assert read(env).packages[0].origin is None


def test_missing_metadata_and_missing_files_are_told(env: Path) -> None:
    venvs.without_file(venvs.install_fake_dist(env, "attrs", "26.1.0"), "METADATA")
    venvs.install_fake_dist(env, "peft", "0.18.0", files={})
    venvs.install_fake_dist(env, "numpy", "2.3.1")
    venvs.install_fake_dist(env, "any-other", "1.0", files={})  # need not be imported by that name
    found = {p.name: (p.metadata, p.present) for p in read(env).packages}
    assert found == {
        "attrs": (False, True),
        "peft": (True, False),
        "numpy": (True, True),
        "any-other": (True, True),
    }


def test_an_editable_package_lies_elsewhere(env: Path) -> None:
    origin = {"url": "file:///src", "dir_info": {"editable": True}}
    venvs.install_fake_dist(env, "peft", "0.18.0", files={}, direct_url=origin)
    assert read(env).packages[0].present


def test_the_libraries_of_bitsandbytes_are_listed(env: Path) -> None:
    names = ("libbitsandbytes_cpu.so", "libbitsandbytes_cuda126.so")
    files = {f"bitsandbytes/{name}": "" for name in (*names, "__init__.py")}
    venvs.install_fake_dist(env, "bitsandbytes", "0.49.2", files=files)
    assert read(env).packages[0].libraries == names


def test_the_folders_of_an_interrupted_pip_are_leftovers_too(env: Path) -> None:
    (venvs.site_packages(env) / "~orch").mkdir()
    (venvs.site_packages(env) / "-odd-name").mkdir()  # somebody's own
    assert read(env).leftovers == (str(venvs.site_packages(env) / "~orch"),)
