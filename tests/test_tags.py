"""A wheel fits exactly where pip would take it."""

from __future__ import annotations

import platform
import sys

import pytest
from packaging.tags import sys_tags

from llmdoctor import tags
from llmdoctor.plan import Target
from llmdoctor.target import assume

THIS_LIBC = platform.libc_ver()
on_glibc = pytest.mark.skipif(
    THIS_LIBC[0] != "glibc" or platform.python_implementation() != "CPython",
    reason=f"needs CPython on glibc to compare with, this is {sys.platform}",
)


def here() -> Target:
    return Target(
        os="linux",
        arch=platform.machine(),
        glibc=THIS_LIBC[1],
        python="{}.{}".format(*sys.version_info[:2]),
    )


@on_glibc
def test_the_tags_of_this_interpreter_are_those_that_pip_takes() -> None:
    assert tags.supported(here()) == frozenset(sys_tags())


LINUX = "python=3.12,glibc=2.28"


@pytest.mark.parametrize(
    ("wheel", "target", "fits"),
    [
        ("toy-1.0-py3-none-any.whl", LINUX, True),
        ("toy-1.0-py2-none-any.whl", LINUX, False),
        ("torch-2.9.1+cu126-cp312-cp312-manylinux_2_28_x86_64.whl", LINUX, True),
        ("torch-2.9.1+cu126-cp312-cp312-manylinux_2_28_x86_64.whl", "glibc=2.27", False),
        ("torch-2.9.1%2Bcu126-cp312-cp312-manylinux_2_28_x86_64.whl", LINUX, False),
        ("torch-2.9.1+cu126-cp311-cp311-manylinux_2_28_x86_64.whl", LINUX, False),
        ("torch-2.9.1+cu126-cp312-cp312t-manylinux_2_28_x86_64.whl", LINUX, False),
        ("torch-2.9.1+cu126-cp312-cp312-manylinux_2_28_aarch64.whl", LINUX, False),
        ("torch-2.9.1+cu126-cp312-cp312-linux_x86_64.whl", LINUX, True),
        ("toy-1.0-cp312-cp312-manylinux1_x86_64.whl", LINUX, True),
        ("toy-1.0-cp312-cp312-manylinux2010_x86_64.whl", LINUX, True),
        ("toy-1.0-cp312-cp312-manylinux2014_x86_64.whl", LINUX, True),
        ("toy-1.0-cp312-cp312-manylinux2014_x86_64.whl", "glibc=2.12", False),
        ("toy-1.0-cp312-cp312-manylinux2010_x86_64.whl", "glibc=2.12", True),
        ("toy-1.0-cp312-cp312-manylinux1_aarch64.whl", "arch=aarch64", False),
        ("toy-1.0-cp312-cp312-manylinux2014_aarch64.whl", "arch=aarch64", True),
        ("toy-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", LINUX, True),
        ("toy-1.0-cp39-abi3-manylinux_2_28_x86_64.whl", LINUX, True),
        ("toy-1.0-cp313-abi3-manylinux_2_28_x86_64.whl", LINUX, False),
        ("toy-1.0-cp312-cp312-musllinux_1_2_x86_64.whl", LINUX, False),
        ("toy-1.0-cp312-cp312-win_amd64.whl", "os=windows", True),
        ("toy-1.0-cp312-cp312-win_arm64.whl", "os=windows", False),
        ("toy-1.0-cp312-cp312-win_arm64.whl", "os=windows,arch=arm64", True),
        ("toy-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "os=windows", False),
        ("toy-1.0-cp312-none-macosx_11_0_arm64.whl", "os=macos,arch=arm64", True),
        ("toy-1.0-cp312-cp312-macosx_14_0_arm64.whl", "os=macos,arch=arm64", True),
        ("toy-1.0-cp312-cp312-macosx_11_0_universal2.whl", "os=macos,arch=arm64", True),
        ("toy-1.0-cp312-cp312-macosx_11_0_x86_64.whl", "os=macos,arch=arm64", False),
        ("toy-1.0-cp312-cp312-macosx_11_0_x86_64.whl", "os=macos,arch=x86_64", True),
        ("toy-1.0-cp312-cp312-win_amd64.whl", LINUX, False),
        ("toy-1.0.tar.gz", LINUX, False),
        ("toy.whl", LINUX, False),
        ("", LINUX, False),
    ],
)
def test_a_wheel_fits_where_its_tags_say(wheel: str, target: str, fits: bool) -> None:
    assert tags.fits(wheel, assume([target])) is fits


def test_musl_takes_no_wheel_that_is_built_for_glibc() -> None:
    musl = Target(musl=True, glibc=None)
    assert not tags.fits("toy-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", musl)
    assert tags.fits("toy-1.0-py3-none-any.whl", musl)
