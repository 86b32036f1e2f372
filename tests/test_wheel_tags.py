"""Whether an installed wheel can run: judged without `packaging`, and as `packaging` judges it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import compatible_tags, cpython_tags

from checks.judging import ARM, LINUX, MACOS, WINDOWS
from llmdoctor.machine import Host, Libc
from llmdoctor.wheel_tags import misfit

X86 = ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64", "linux_x86_64")
PLACES = {
    LINUX: X86,
    ARM: ("manylinux_2_28_aarch64", "manylinux2014_aarch64", "linux_aarch64"),
    WINDOWS: ("win_amd64",),
    MACOS: ("macosx_14_0_arm64", "macosx_11_0_universal2", "macosx_12_0_arm64"),
}


@given(
    st.sampled_from(list(PLACES)),
    st.sampled_from([(3, 10), (3, 12), (3, 14)]),
    st.booleans(),
    st.data(),
)
def test_every_tag_that_packaging_takes_fits(
    host: Host, python: tuple[int, int], free_threaded: bool, data: st.DataObject
) -> None:
    end = "t" if free_threaded else ""
    abi = f"cp3{python[1]}{end}"
    tags = [
        *cpython_tags(python, [abi], PLACES[host]),
        *compatible_tags(python, f"cp3{python[1]}", PLACES[host]),
    ]
    tag = str(data.draw(st.sampled_from(tags)))
    assert misfit((tag,), f"3.{python[1]}.1{end}", host) is None, tag


@pytest.mark.parametrize(
    ("tag", "host", "python", "kind", "made_for"),
    [
        ("cp312-cp312-win_amd64", LINUX, "3.12.4", "platform", "Windows x86_64"),
        ("cp312-cp312-win_arm64", WINDOWS, "3.12.4", "platform", "Windows aarch64"),
        ("cp312-cp312-win32", WINDOWS, "3.12.4", "platform", "Windows i686"),
        ("cp312-cp312-manylinux_2_28_aarch64", LINUX, "3.12.4", "platform", "Linux aarch64"),
        ("cp312-cp312-linux_x86_64", ARM, "3.12.4", "platform", "Linux x86_64"),
        ("cp312-cp312-macosx_11_0_x86_64", MACOS, "3.12.4", "platform", "macOS x86_64"),
        ("py3-none-macosx_11_0_arm64", LINUX, "3.12.4", "platform", "macOS aarch64"),
        ("cp311-cp311-manylinux_2_28_x86_64", LINUX, "3.12.4", "python", "Python 3.11"),
        ("cp313-cp313t-manylinux_2_28_x86_64", LINUX, "3.13.1", "python", "Python 3.13t"),
        ("cp313-cp313-win_amd64", WINDOWS, "3.13.0t", "python", "Python 3.13"),
        ("cp313-abi3-linux_x86_64", LINUX, "3.12.4", "python", "Python 3.13"),
        ("pp310-pypy310_pp73-linux_x86_64", LINUX, "3.10.1", "python", "the interpreter pp310"),
        ("cp312-cp312-manylinux_2_39_x86_64", LINUX, "3.12.4", "glibc", "glibc 2.39"),
    ],
)
def test_a_tag_of_another_place_is_told(
    tag: str, host: Host, python: str, kind: str, made_for: str
) -> None:
    assert misfit((tag,), python, host) == (kind, made_for)


def test_one_tag_that_fits_is_enough() -> None:
    tags = ("cp312-cp312-win_amd64", "cp312-cp312-manylinux_2_17_x86_64")
    assert misfit(tags, "3.12.4", LINUX) is None
    assert misfit(("py2.py3-none-any",), "3.12.4", LINUX) is None


def test_the_nearest_wrong_is_told() -> None:
    tags = ("cp312-cp312-manylinux_2_39_x86_64", "cp311-cp311-manylinux_2_28_x86_64")
    assert misfit(tags, "3.12.4", LINUX) == ("glibc", "glibc 2.39")


def test_what_is_not_known_is_no_misfit() -> None:
    assert misfit((), "3.12.4", LINUX) is None
    assert misfit(("odd",), "3.12.4", LINUX) is None
    assert misfit(("cp312-cp312-win_amd64",), None, LINUX) is None
    assert misfit(("cp312-cp312-win_amd64",), "3.12.4", Host()) is None
    assert misfit(("cp312-cp312-plan9_mips",), "3.12.4", LINUX) is None
    musl = Host("linux", "x86_64", libc=Libc("musl", "1.2"))
    assert misfit(("cp312-cp312-musllinux_1_2_x86_64",), "3.12.4", musl) is None


def test_a_wheel_for_the_other_c_library_is_told() -> None:
    musl = Host("linux", "x86_64", libc=Libc("musl", "1.2"))
    for tag in ("manylinux_2_28_x86_64", "manylinux2014_x86_64"):
        found = misfit((f"cp312-cp312-{tag}",), "3.12.4", musl)
        assert found == ("platform", "Linux x86_64 with glibc")
    found = misfit(("cp312-cp312-musllinux_1_2_x86_64",), "3.12.4", LINUX)
    assert found == ("platform", "Linux x86_64 with musl")
    unknown = Host("linux", "x86_64")
    assert misfit(("cp312-cp312-musllinux_1_2_x86_64",), "3.12.4", unknown) is None
    assert misfit(("cp312-cp312-linux_x86_64",), "3.12.4", musl) is None
