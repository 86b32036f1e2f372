"""Prebuilt wheels: their names are read rightly, and only one that fits is chosen."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor import tables
from llmdoctor.tables import WheelMatch, find_wheel, parse_wheel_name, wheels_of
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

PACKAGES = ("flash-attn", "flash-attn-3", "mamba-ssm", "causal-conv1d")
EVERY = [wheel for package in PACKAGES for wheel in wheels_of(package)]


@pytest.mark.parametrize("package", ["flash-attn", "mamba-ssm", "causal-conv1d"])
def test_every_official_release_expands_to_as_many_wheels_as_its_workflow_builds(
    package: str,
) -> None:
    table = read_table(f"wheels/{package}-official")
    by_hand = Counter(parse_wheel_name(row["filename"]).version for row in table.get("asset", ()))
    made = Counter(wheel.version for wheel in wheels_of(package) if wheel.origin == "official")
    assert made - by_hand == {row["version"]: row["count"] for row in table["release"]}


@pytest.mark.parametrize("package", ["flash-attn", "mamba-ssm", "causal-conv1d"])
def test_every_skipped_cell_names_values_of_its_release(package: str) -> None:
    # A misspelt one would skip nothing.
    for row in read_table(f"wheels/{package}-official")["release"]:
        for skip in row["skipped"]:
            for axis, value in skip.items():
                assert value in (*row.get(axis, ()), *(("FALSE", "TRUE") if axis == "abi" else ()))


def test_every_wheel_has_an_address_that_ends_in_its_name_and_a_caveat() -> None:
    assert {wheel.package for wheel in EVERY} == set(PACKAGES)
    for wheel in EVERY:
        assert wheel.url.startswith("https://github.com/")
        assert wheel.url.rpartition("/")[2].replace("%2B", "+") == wheel.filename
        assert wheel.caveat


def test_every_wheel_says_for_which_gpus_but_those_put_beside_a_release_by_hand() -> None:
    unknown = {wheel.filename for wheel in EVERY if wheel.architectures is None}
    assets = read_table("wheels/flash-attn-official")["asset"]
    assert unknown == {row["filename"] for row in assets}
    for wheel in EVERY:
        for capability in (*(wheel.architectures or ()), *wheel.wrong):
            assert tables.generation_of(capability), wheel.filename


def test_no_wheel_is_listed_twice() -> None:
    urls = Counter(wheel.url for wheel in EVERY)
    assert [url for url, times in urls.items() if times > 1] == []


def test_a_release_whose_tag_is_not_its_version_is_found_under_its_tag() -> None:
    wheel = next(w for w in wheels_of("causal-conv1d") if w.version == "1.6.1")
    assert "/v1.6.1.post4/causal_conv1d-1.6.1%2Bcu" in wheel.url


def test_a_package_the_catalogue_lacks_has_no_wheels() -> None:
    assert wheels_of("xformers") == ()


def test_no_workflow_of_a_tagged_flash_attn_release_covers_torch_2_9_or_later() -> None:
    built = {w.torch for w in wheels_of("flash-attn") if w.origin == "official" and w.architectures}
    assert max(built, key=numbers) == "2.8"


# --- the choice


def test_mainline_takes_a_community_wheel_because_no_workflow_built_an_official_one() -> None:
    match = find_wheel("flash-attn", *MAINLINE)
    assert match.best is not None
    assert match.best.origin == "community"
    assert (match.best.version, match.best.cuda) == ("2.8.3", "12.6")
    assert match.best.caveat in match.notes
    assert reason_for(match, "flash-attn 2.8.3.post1, official") == (
        "none for torch 2.9 (2.4, 2.5, 2.6, 2.7, 2.8)"
    )


def test_an_official_wheel_comes_before_a_community_one() -> None:
    match = find_wheel("flash-attn", "2.8.0", "cu128", "3.12", "linux", "x86_64", "2.35")
    assert match.best is not None
    assert match.best.filename == (
        "flash_attn-2.8.3.post1+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
    )
    assert "official" in reason_for(match, "flash-attn 2.8.3, community")
    assert any("uploaded" in note for note in match.notes)


@pytest.mark.parametrize(("variant", "abi"), [("cu124", "FALSE"), ("cu126", "TRUE")])
def test_the_abi_follows_the_variant_of_torch_2_6(variant: str, abi: str) -> None:
    match = find_wheel("flash-attn", "2.6.0", variant, "3.12", "linux", "x86_64", "2.35")
    assert match.best is not None
    assert f"cxx11abi{abi}" in match.best.filename


def test_a_wheel_built_with_a_torch_of_unknown_abi_is_not_taken_for_torch_2_6() -> None:
    # torch 2.6 was never published for CUDA 12.8, so the name does not tell which of its two ABIs.
    match = find_wheel("flash-attn", "2.6.0", "cu124", "3.12", "linux", "x86_64", "2.35")
    assert "12.8: unknown" in reason_for(match, "flash-attn 2.8.1, community")


def test_another_cuda_of_the_same_major_is_taken_and_said() -> None:
    match = find_wheel("flash-attn", "2.12.1", "cu130", "3.12", "linux", "x86_64", "2.35")
    assert match.best is not None
    assert match.best.cuda == "13.0"
    # torch 2.9 cu130, where the newest builds also exist for 13.1: the own minor wins.
    own = find_wheel("flash-attn", "2.9.1", "cu130", "3.12", "linux", "x86_64", "2.35")
    assert own.best is not None
    assert own.best.cuda == "13.0"
    # Nobody built for torch 2.12 with 12.9.
    other = find_wheel("flash-attn", "2.12.1", "cu129", "3.12", "linux", "x86_64", "2.35")
    assert other.best is not None
    assert other.best.cuda == "12.6"
    assert any("CUDA 12.6 for a torch of CUDA 12.9" in note for note in other.notes)


def test_windows_has_community_wheels_only_and_ignores_glibc() -> None:
    match = find_wheel("flash-attn", "2.9.1", "cu126", "3.12", "windows", "x86_64", None)
    assert match.best is not None
    assert (match.best.origin, match.best.platform_tag) == ("community", "win_amd64")
    assert "windows" in reason_for(match, "flash-attn 2.8.3.post1, official")


def test_an_old_glibc_is_not_given_a_wheel_that_promises_a_newer_one() -> None:
    aarch64 = ("2.10.0", "cu128", "3.12", "linux", "aarch64")
    new, old = (
        find_wheel("flash-attn", *aarch64, "2.34"),
        find_wheel("flash-attn", *aarch64, "2.31"),
    )
    assert new.best is not None
    assert new.best.glibc == "2.34"
    assert old.best is None
    why = reason_for(old, "flash-attn 2.8.3, community")
    assert why == "none for glibc 2.31 (needs 2.34)"


@pytest.mark.parametrize(
    ("package", "torch", "glibc", "version"),
    [
        ("flash-attn", "2.6.0", "2.32", "2.8.3.post1"),
        ("flash-attn", "2.6.0", "2.31", "2.7.4.post1"),  # built on Ubuntu 20.04
        ("flash-attn", "2.6.0", "2.17", "2.8.3"),  # the community's, which promises 2.17
        ("mamba-ssm", "2.6.0", "2.32", "2.3.1"),
        ("mamba-ssm", "2.6.0", "2.31", None),
        ("causal-conv1d", "2.6.0", "2.31", None),
    ],
)
def test_a_wheel_without_a_promise_is_not_taken_below_the_glibc_of_its_build(
    package: str, torch: str, glibc: str, version: str | None
) -> None:
    match = find_wheel(package, torch, "cu124", "3.12", "linux", "x86_64", glibc)
    assert (match.best.version if match.best else None) == version
    if glibc != "2.32":
        why = dict(match.rejected).values()
        assert f"none for glibc {glibc} (needs 2.32)" in why


def test_a_wheel_without_a_promise_says_what_is_known_of_its_build() -> None:
    match = find_wheel("flash-attn", "2.6.0", "cu124", "3.12", "linux", "x86_64", None)
    assert match.best is not None
    assert match.best.glibc is None
    said = "does not say which glibc it needs, by what is known of its build 2.32 (here: unknown)"
    assert any(said in note for note in match.notes)


def test_every_linux_wheel_has_a_glibc_and_no_windows_wheel_has_one() -> None:
    for wheel in EVERY:
        assert (wheel.needs_glibc is None) == wheel.platform_tag.startswith("win"), wheel.filename


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
    wanted = {"package": "flash-attn"} | dict(
        zip(("torch", "variant", "python", "os", "arch", "glibc"), MAINLINE, strict=True)
    )
    match = find_wheel(**{**wanted, **changed})
    assert match.best is None
    assert any(why in reason for _, reason in match.rejected)
    assert all(reason for _, reason in match.rejected)


def test_a_torch_the_table_lacks_is_said_and_no_wheel_is_guessed_for_it() -> None:
    with pytest.raises(tables.UnknownRelease):
        find_wheel("flash-attn", "2.16.0", "cu132", "3.12", "linux", "x86_64", "2.35")


def test_flash_attn_3_takes_the_stable_abi_wheel() -> None:
    match = find_wheel("flash-attn-3", "2.9.1", "cu128", "3.14", "linux", "x86_64", "2.35")
    assert match.best is not None
    assert (match.best.abi_tag, match.best.package) == ("abi3", "flash-attn-3")


RELEASES = tables.torch_releases()
CAPABILITIES = sorted(read_table("gpu")["generation"])


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
    package = data.draw(st.sampled_from(PACKAGES))
    gpus = tuple(data.draw(st.lists(st.sampled_from(CAPABILITIES), max_size=2)))
    match = find_wheel(package, release.version, variant, python, os, arch, glibc, gpus)

    of_package = wheels_of(package)
    taken = set() if match.best is None else {(match.best.version, match.best.origin)}
    everything = {(wheel.version, wheel.origin) for wheel in of_package}
    assert len(match.rejected) == len(everything - taken)

    best = match.best
    if best is None:
        return
    cuda = tables.cuda_of_variant(variant)
    assert best.torch == release.minor
    assert best.cuda.partition(".")[0] == cuda.partition(".")[0]
    assert best.runs_python(python)
    assert best.runs_platform(os, arch)
    if os == "linux":
        assert best.cxx11_abi in (None, release.cxx11_abi(variant, arch))
    if glibc is not None and best.glibc is not None:
        assert numbers(best.glibc) <= numbers(glibc)
    assert numbers(best.triton or "0") <= numbers(release.triton)
    for capability in gpus:
        assert capability not in best.wrong
        assert best.architectures is not None
        own = best.cuda if "." in best.cuda else variant  # the toolkit that compiled it
        assert tables.any_runs_on(best.architectures, capability, own)


@given(data=st.data())
def test_one_gpu_more_never_finds_a_wheel_where_there_was_none(data: st.DataObject) -> None:
    release = data.draw(st.sampled_from(RELEASES))
    variant = data.draw(st.sampled_from([v for v in release.variants if v.startswith("cu")]))
    package = data.draw(st.sampled_from(PACKAGES))
    gpus = tuple(data.draw(st.lists(st.sampled_from(CAPABILITIES), min_size=1, max_size=3)))
    place = (package, release.version, variant, "3.12", "linux", "x86_64", "2.35")
    if find_wheel(*place, gpus).best is not None:
        assert find_wheel(*place, gpus[:-1]).best is not None


# --- the GPUs


def test_a_blackwell_gpu_is_not_given_a_wheel_compiled_before_blackwell() -> None:
    # 2.7.4.post1 was built with CUDA 12.4, the releases after it with 12.9.
    place = ("flash-attn", "2.6.0", "cu126", "3.12", "linux", "x86_64", "2.35")
    match = find_wheel(*place, ("12.0",))
    assert match.best is not None
    assert "12.0" in (match.best.architectures or ())
    assert reason_for(match, "flash-attn 2.7.4.post1, official") == (
        "none for compute capability 12.0 (cu 12: 8.0, 9.0)"
    )


def test_a_wheel_whose_gpus_nobody_knows_comes_last_and_never_where_a_gpu_is_known() -> None:
    match = find_wheel("flash-attn", *MAINLINE)
    assert reason_for(match, "flash-attn 2.8.3, official") == (
        "it fits, but nobody knows which GPUs it was compiled for"
    )
    known = find_wheel("flash-attn", *MAINLINE, ("8.9",))
    assert reason_for(known, "flash-attn 2.8.3, official") == (
        "none known for compute capability 8.9 (cu 12: GPUs not known)"
    )
    assert known.best == match.best


def test_all_gpus_of_a_machine_have_to_be_served_by_one_wheel() -> None:
    assert find_wheel("flash-attn", *MAINLINE, ("8.9", "8.0")).best is not None
    match = find_wheel("flash-attn", *MAINLINE, ("8.9", "7.5"))
    assert match.best is None
    assert any("compute capability 7.5" in reason for _, reason in match.rejected)


# --- Mamba


def test_mamba_on_torch_2_6_takes_the_release_that_accepts_its_triton() -> None:
    match = find_wheel("mamba-ssm", "2.6.0", "cu124", "3.12", "linux", "x86_64", "2.35", ("8.9",))
    assert match.best is not None
    assert (match.best.version, match.best.cxx11_abi) == ("2.3.1", False)
    assert reason_for(match, "mamba-ssm 2.3.2.post1, official") == (
        "none for the Triton of torch 2.6.0, ==3.2.0 (needs 3.5.0 or newer)"
    )


def test_causal_conv1d_is_refused_where_its_code_computes_wrong_numbers() -> None:
    place = ("causal-conv1d", "2.10.0", "cu130", "3.12", "linux", "x86_64", "2.35")
    match = find_wheel(*place, ("10.3",))
    assert match.best is None
    assert any("right numbers" in reason for _, reason in match.rejected)
    assert find_wheel(*place, ("10.0",)).best is not None


@pytest.mark.parametrize("package", ["mamba-ssm", "causal-conv1d"])
def test_a_wheel_for_aarch64_comes_with_what_users_report_of_it(package: str) -> None:
    match = find_wheel(package, "2.10.0", "cu130", "3.12", "linux", "aarch64", "2.39", ("12.1",))
    assert match.best is not None
    assert match.best.platform_tag == "linux_aarch64"
    assert any("GB10" in note for note in match.notes)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"torch": "2.13.0", "variant": "cu130"}, "none for torch 2.13"),
        ({"os": "windows"}, "none for windows x86_64"),
        ({"variant": "cpu"}, "needs a CUDA build of torch"),
        ({"python": "3.14"}, "none for Python 3.14"),
    ],
)
def test_no_mamba_wheel_is_an_answer_with_its_reason(changed: dict[str, str], why: str) -> None:
    wanted = {"torch": "2.9.1", "variant": "cu126", "python": "3.12", "os": "linux"}
    match = find_wheel("mamba-ssm", **{**wanted, **changed}, arch="x86_64", glibc="2.35")
    assert match.best is None
    assert any(why in reason for _, reason in match.rejected)
