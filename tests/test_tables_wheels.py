"""Prebuilt wheels: their names are read rightly, and only one that fits is chosen."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor import tables
from llmdoctor.tables import WheelMatch, find_flash_attn, flash_attn_wheels, parse_wheel_name
from llmdoctor.tables.read import numbers, read_table

MAINLINE = ("2.9.1", "cu126", "3.12", "linux", "x86_64", "2.35")


def reason_for(match: WheelMatch, label: str) -> str:
    return dict(match.rejected)[label]


# --- names


def test_an_official_name_gives_the_cuda_major_and_the_abi() -> None:
    name = parse_wheel_name(
        "flash_attn-2.8.3+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
    )
    assert (name.package, name.version, name.torch, name.cuda) == (
        "flash-attn",
        "2.8.3",
        "2.8",
        "12",
    )
    assert name.cxx11_abi is True
    assert (name.python_tag, name.abi_tag, name.platform_tag) == ("cp312", "cp312", "linux_x86_64")


def test_a_community_name_gives_the_cuda_minor_and_no_abi() -> None:
    name = parse_wheel_name("flash_attn-2.8.3%2Bcu128torch2.9-cp313-cp313t-win_amd64.whl")
    assert (name.torch, name.cuda, name.cxx11_abi) == ("2.9", "12.8", None)
    assert name.filename == "flash_attn-2.8.3+cu128torch2.9-cp313-cp313t-win_amd64.whl"


def test_a_three_part_torch_and_a_commit_are_understood() -> None:
    windows = parse_wheel_name(
        "flash_attn-2.7.4+cu124torch2.6.0cxx11abiFALSE-cp312-cp312-win_amd64.whl"
    )
    assert (windows.torch, windows.cuda, windows.cxx11_abi) == ("2.6", "12.4", False)
    three = parse_wheel_name(
        "flash_attn_3-3.0.0+cu128torch2.9gite2743ab-cp39-abi3-linux_x86_64.whl"
    )
    assert (three.package, three.commit, three.abi_tag) == ("flash-attn-3", "e2743ab", "abi3")


@pytest.mark.parametrize(
    "filename",
    [
        "flash_attn-2.8.3-cp312-cp312-linux_x86_64.whl",
        "flash_attn-2.8.3.tar.gz",
        "flash_attn-2.X.X+cuXXX-cp311-cp311-linux_x86_64.whl",
        "flash_attn-2.8.3+cu12torch2.8cxx11abiMAYBE-cp312-cp312-linux_x86_64.whl",
        "",
    ],
)
def test_a_name_of_neither_grammar_is_refused_with_what_was_expected(filename: str) -> None:
    with pytest.raises(ValueError, match=r"cu12torch2\.8cxx11abiTRUE.* or .*cu128torch2\.9"):
        parse_wheel_name(filename)


@given(
    package=st.sampled_from(["flash_attn", "flash_attn_3", "mamba_ssm"]),
    version=st.sampled_from(["2.8.3", "2.7.4.post1", "3.0.0b1"]),
    cuda=st.tuples(st.integers(11, 13), st.none() | st.integers(0, 9)),
    torch=st.tuples(st.integers(2, 3), st.integers(0, 20)),
    abi=st.sampled_from([None, True, False]),
    build=st.none() | st.integers(0, 9),
    python=st.integers(9, 16),
    free_threaded=st.booleans(),
    platform=st.sampled_from(
        ["linux_x86_64", "win_amd64", "manylinux_2_24_x86_64.manylinux_2_28_x86_64"]
    ),
)
def test_a_name_made_of_parts_is_read_back_as_these_parts(
    package: str,
    version: str,
    cuda: tuple[int, int | None],
    torch: tuple[int, int],
    abi: bool | None,
    build: int | None,
    python: int,
    free_threaded: bool,
    platform: str,
) -> None:
    major, minor = cuda
    local = f"cu{major}{'' if minor is None else minor}torch{torch[0]}.{torch[1]}"
    if abi is not None:
        local += f"cxx11abi{str(abi).upper()}"
    tags = f"cp3{python}-cp3{python}{'t' if free_threaded else ''}-{platform}"
    middle = "" if build is None else f"{build}-"
    name = parse_wheel_name(f"{package}-{version}+{local}-{middle}{tags}.whl")

    assert name.package == package.replace("_", "-")
    assert name.version == version
    assert name.cuda == (str(major) if minor is None else f"{major}.{minor}")
    assert name.torch == f"{torch[0]}.{torch[1]}"
    assert name.cxx11_abi is abi
    assert name.build == (None if build is None else str(build))
    assert f"{name.python_tag}-{name.abi_tag}-{name.platform_tag}" == tags


def test_the_stable_abi_serves_later_pythons_but_not_free_threaded_ones() -> None:
    name = parse_wheel_name("flash_attn_3-3.0.0+cu128torch2.9-cp39-abi3-linux_x86_64.whl")
    assert [name.runs_python(p) for p in ("3.8", "3.9", "3.12", "3.13t")] == [
        False,
        True,
        True,
        False,
    ]


def test_free_threaded_and_ordinary_wheels_of_one_python_are_not_mixed() -> None:
    free = parse_wheel_name("flash_attn-2.8.3+cu128torch2.9-cp313-cp313t-linux_x86_64.whl")
    assert (free.runs_python("3.13t"), free.runs_python("3.13")) == (True, False)


def test_the_lowest_of_several_manylinux_tags_is_the_promise() -> None:
    def glibc(platform: str) -> str | None:
        return parse_wheel_name(f"flash_attn-2.8.3+cu128torch2.9-cp312-cp312-{platform}.whl").glibc

    assert glibc("manylinux_2_24_x86_64.manylinux_2_28_x86_64") == "2.24"
    assert glibc("manylinux2014_x86_64.manylinux_2_17_x86_64") == "2.17"
    assert glibc("manylinux1_x86_64") == "2.5"
    assert glibc("linux_x86_64") is None


# --- the catalogue


def test_every_official_release_expands_to_as_many_wheels_as_its_workflow_builds() -> None:
    made = Counter(wheel.version for wheel in flash_attn_wheels() if wheel.origin == "official")
    declared = {
        row["version"]: row["count"] for row in read_table("wheels/flash-attn-official")["release"]
    }
    assert made == declared


def test_every_wheel_has_an_address_that_ends_in_its_name_and_a_caveat() -> None:
    wheels = flash_attn_wheels()
    assert {wheel.package for wheel in wheels} == {"flash-attn", "flash-attn-3"}
    for wheel in wheels:
        assert wheel.url.startswith("https://github.com/")
        assert wheel.url.rpartition("/")[2].replace("%2B", "+") == wheel.filename
        assert wheel.caveat


def test_no_wheel_is_listed_twice() -> None:
    urls = Counter(wheel.url for wheel in flash_attn_wheels())
    assert [url for url, times in urls.items() if times > 1] == []


def test_no_tagged_official_release_covers_torch_2_9_or_later() -> None:
    official = {wheel.torch for wheel in flash_attn_wheels() if wheel.origin == "official"}
    assert max(official, key=numbers) == "2.8"


# --- the choice


def test_mainline_takes_a_community_wheel_because_no_official_one_exists() -> None:
    match = find_flash_attn(*MAINLINE)
    assert match.best is not None
    assert match.best.origin == "community"
    assert (match.best.version, match.best.cuda) == ("2.8.3", "12.6")
    assert match.best.caveat in match.notes
    assert reason_for(match, "flash-attn 2.8.3, official") == (
        "none for torch 2.9 (2.4, 2.5, 2.6, 2.7, 2.8)"
    )


def test_an_official_wheel_comes_before_a_community_one() -> None:
    match = find_flash_attn("2.8.0", "cu128", "3.12", "linux", "x86_64", "2.35")
    assert match.best is not None
    assert match.best.filename == (
        "flash_attn-2.8.3.post1+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
    )
    assert "official" in reason_for(match, "flash-attn 2.8.3, community")
    assert any("uploaded" in note for note in match.notes)


@pytest.mark.parametrize(("variant", "abi"), [("cu124", "FALSE"), ("cu126", "TRUE")])
def test_the_abi_follows_the_variant_of_torch_2_6(variant: str, abi: str) -> None:
    match = find_flash_attn("2.6.0", variant, "3.12", "linux", "x86_64", "2.35")
    assert match.best is not None
    assert f"cxx11abi{abi}" in match.best.filename


def test_a_wheel_built_with_a_torch_of_unknown_abi_is_not_taken_for_torch_2_6() -> None:
    # torch 2.6 was never published for CUDA 12.8, so the name does not tell which of its two ABIs.
    match = find_flash_attn("2.6.0", "cu124", "3.12", "linux", "x86_64", "2.35")
    assert "12.8: unknown" in reason_for(match, "flash-attn 2.8.1, community")


def test_another_cuda_of_the_same_major_is_taken_and_said() -> None:
    match = find_flash_attn("2.12.1", "cu130", "3.12", "linux", "x86_64", "2.35")
    assert match.best is not None
    assert match.best.cuda == "13.0"
    # torch 2.9 cu130, where the newest builds also exist for 13.1: the own minor wins.
    own = find_flash_attn("2.9.1", "cu130", "3.12", "linux", "x86_64", "2.35")
    assert own.best is not None
    assert own.best.cuda == "13.0"
    # Nobody built for torch 2.12 with 12.9.
    other = find_flash_attn("2.12.1", "cu129", "3.12", "linux", "x86_64", "2.35")
    assert other.best is not None
    assert other.best.cuda == "12.6"
    assert any("CUDA 12.6 for a torch of CUDA 12.9" in note for note in other.notes)


def test_windows_has_community_wheels_only_and_ignores_glibc() -> None:
    match = find_flash_attn("2.9.1", "cu126", "3.12", "windows", "x86_64", None)
    assert match.best is not None
    assert (match.best.origin, match.best.platform_tag) == ("community", "win_amd64")
    assert "windows" in reason_for(match, "flash-attn 2.8.3.post1, official")


def test_an_old_glibc_is_not_given_a_wheel_that_promises_a_newer_one() -> None:
    aarch64 = ("2.10.0", "cu128", "3.12", "linux", "aarch64")
    new, old = find_flash_attn(*aarch64, "2.34"), find_flash_attn(*aarch64, "2.31")
    assert new.best is not None
    assert old.best is not None
    assert new.best.glibc == "2.34"
    # A name without a manylinux tag promises nothing, which is said.
    assert old.best.platform_tag == "linux_aarch64"
    assert any("does not say which glibc it needs (here: 2.31)" in note for note in old.notes)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"variant": "cpu"}, "needs a CUDA build of torch"),
        ({"os": "macos", "arch": "arm64"}, "none for macos arm64"),
        ({"torch": "2.15.0", "variant": "cu132"}, "none for torch 2.15"),
        ({"python": "3.9"}, "none for Python 3.9"),
        ({"package": "flash-attn-9"}, "no wheels of that name"),
    ],
)
def test_no_wheel_is_an_answer_with_a_reason_for_every_release(
    changed: dict[str, str], why: str
) -> None:
    wanted = dict(zip(("torch", "variant", "python", "os", "arch", "glibc"), MAINLINE, strict=True))
    match = find_flash_attn(**{**wanted, **changed})
    assert match.best is None
    assert any(why in reason for _, reason in match.rejected)
    assert all(reason for _, reason in match.rejected)


def test_a_torch_the_table_lacks_is_said_and_no_wheel_is_guessed_for_it() -> None:
    with pytest.raises(tables.UnknownRelease):
        find_flash_attn("2.16.0", "cu132", "3.12", "linux", "x86_64", "2.35")


def test_flash_attn_3_takes_the_stable_abi_wheel() -> None:
    match = find_flash_attn(
        "2.9.1", "cu128", "3.14", "linux", "x86_64", "2.35", package="flash-attn-3"
    )
    assert match.best is not None
    assert (match.best.abi_tag, match.best.package) == ("abi3", "flash-attn-3")


RELEASES = tables.torch_releases()


@given(data=st.data())
def test_a_chosen_wheel_fits_in_every_respect_and_every_release_is_accounted_for(
    data: st.DataObject,
) -> None:
    release = data.draw(st.sampled_from(RELEASES))
    variant = data.draw(st.sampled_from([v for v in release.variants if v.startswith("cu")]))
    python = data.draw(st.sampled_from(release.python))
    os, arch = data.draw(
        st.sampled_from(
            [("linux", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64"), ("macos", "arm64")]
        )
    )
    glibc = (
        data.draw(st.sampled_from(["2.17", "2.28", "2.31", "2.35", "2.39"]))
        if os == "linux"
        else None
    )
    match = find_flash_attn(release.version, variant, python, os, arch, glibc)

    of_package = [wheel for wheel in flash_attn_wheels() if wheel.package == "flash-attn"]
    taken = set() if match.best is None else {(match.best.version, match.best.origin)}
    everything = {(wheel.version, wheel.origin) for wheel in of_package}
    assert len(match.rejected) == len(everything - taken)

    best = match.best
    if best is None:
        return
    cuda = tables.cuda_of_variant(variant)
    assert best.torch == release.minor
    assert best.cuda.partition(".")[0] == cuda.partition(".")[0]
    assert best.abi_tag == "cp" + python.replace(".", "")
    assert best.runs_platform(os, arch)
    if os == "linux":
        assert best.cxx11_abi in (None, release.cxx11_abi(variant, arch))
    if glibc is not None and best.glibc is not None:
        assert numbers(best.glibc) <= numbers(glibc)
