"""The table files themselves: every row says who told it and when, and the rows agree."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor import tables
from llmdoctor.paths import profiles_dir
from llmdoctor.tables.read import numbers, read_table

NAMES = sorted(
    str(path.relative_to(profiles_dir() / "tables").with_suffix("")).replace("\\", "/")
    for folder in (".", "wheels")
    for path in (profiles_dir() / "tables" / folder).glob("*.toml")
)
MINE = [
    "bitsandbytes",
    "companions",
    "driver",
    "gpu",
    "platform",
    "torch",
    "transformers",
    "triton",
    "wheels/causal-conv1d-official",
    "wheels/flash-attn-community",
    "wheels/flash-attn-official",
    "wheels/mamba-ssm-official",
    "xformers",
]
RELEASES = tables.torch_releases()
STATUSES = {"verified", "secondary", "unverified"}


def rows(table: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row of the arrays of a table file, with a name for the failure message."""
    for key, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from ((f"{key}[{number}]", row) for number, row in enumerate(value))


def test_the_tables_tested_here_are_all_there() -> None:
    assert set(MINE) <= set(NAMES)


@pytest.mark.parametrize("name", MINE)
def test_every_row_says_who_told_it_and_when(name: str) -> None:
    assert date.fromisoformat(tables.table_date(name)) <= date(2027, 12, 31)
    for where, row in rows(read_table(name)):
        assert row.get("source"), f"{name} {where} has no source"
        assert date.fromisoformat(row["checked"]), f"{name} {where}"
        assert row.get("status", "verified") in STATUSES, f"{name} {where}"


def test_every_build_names_a_source_and_a_code_list_that_exist_and_none_is_left_over() -> None:
    table = read_table("torch")
    builds = [build for row in table["release"] for build in row["builds"]]
    places = [place for row in table["release"] for place in row.get("cpu_index", ())]
    assert {row["by"] for row in (*builds, *places)} == set(table["source"])
    assert {build["code"] for build in builds if "code" in build} == set(table["code"])
    for source in table["source"].values():
        assert source["text"]
        assert source["status"] in STATUSES
        assert date.fromisoformat(source["checked"])


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.minor)
def test_every_published_cuda_variant_has_architectures_or_says_why_not(
    release: tables.TorchRelease,
) -> None:
    for build in release.builds:
        assert bool(build.architectures) != bool(build.why), f"{release.minor} {build.variant}"
        assert build.architectures is None or list(build.architectures) == sorted(
            build.architectures, key=numbers
        )
    for variant in release.variants:
        assert any(
            release.publishes(variant, *platform.split("-"))
            for platform in ("linux-x86_64", "linux-aarch64", "windows-x86_64")
        ), f"{release.minor} offers {variant} nowhere"


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.minor)
def test_patches_are_sorted_and_each_has_its_triton(release: tables.TorchRelease) -> None:
    assert list(release.patches) == sorted(release.patches, key=numbers)
    assert all(patch.startswith(f"{release.minor}.") for patch in release.patches)
    for patch in release.patches:
        assert re.fullmatch(r"(==|~=)\d+\.\d+\.\d+", tables.torch_release(patch).triton)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.minor)
def test_the_pypi_default_is_a_variant_published_for_that_platform(
    release: tables.TorchRelease,
) -> None:
    for platform, variant in release.pypi.items():
        assert release.publishes(variant, *platform.split("-")), f"{release.minor} {platform}"


def test_releases_come_in_order_and_every_python_is_a_version() -> None:
    assert [release.minor for release in RELEASES] == [f"2.{minor}" for minor in range(16)]
    for release in RELEASES:
        assert all(re.fullmatch(r"3\.\d+t?", python) for python in release.python)


def test_every_cuda_variant_of_every_release_has_a_driver_floor_on_linux_and_windows() -> None:
    for release in RELEASES:
        for variant in {build.variant for build in release.builds}:
            for os in ("linux", "windows"):
                floor = tables.driver_floor(variant, os)
                assert floor is not None, f"{variant} on {os}"
                assert re.fullmatch(r"\d+(\.\d+)*", floor.version)


def test_no_toolkit_asks_for_a_driver_below_the_floor_of_its_major() -> None:
    seen = 0
    for group in read_table("driver")["toolkit"]:
        for cuda, *_ in group["rows"]:
            for os in ("linux", "windows"):
                own, floor = tables.toolkit_driver(cuda, os), tables.driver_floor(cuda, os)
                assert floor is not None
                if own is not None:
                    seen += 1
                    assert tables.compare_driver(own.version, floor.version) >= 0
    assert seen > 40


def test_no_capability_has_two_first_drivers_and_each_is_one_of_a_gpu_of_the_table() -> None:
    capabilities = [cc for row in read_table("driver")["gpu"] for cc in row["capabilities"]]
    assert len(capabilities) == len(set(capabilities))
    assert set(capabilities) <= {cc for _, cc in tables.gpu_names()}
    assert all("linux" in row for row in read_table("driver")["gpu"])


def test_every_capability_has_a_generation() -> None:
    gpu = read_table("gpu")
    capabilities = {row["capability"] for row in gpu["gpu"]}
    for group in gpu["code"]:
        for rule in group["rows"]:
            capabilities |= {rule["code"], *rule.get("exclude", ()), *rule.get("only", ())}
    for codes in read_table("torch")["code"].values():
        capabilities |= set(codes)
    assert [cc for cc in sorted(capabilities) if tables.generation_of(cc) is None] == []
    assert tables.generation_of("99.9") is None


def test_no_gpu_name_stands_twice() -> None:
    names = [name.lower() for name, _ in tables.gpu_names()]
    assert sorted(names) == sorted(set(names))


def test_every_windows_triton_line_is_that_of_its_torch_or_notes_why_not() -> None:
    windows = read_table("triton")["windows"]
    for row in windows["line"]:
        assert row["newest"].startswith(row["line"] + ".")
        for minor in row["torch"]:
            same = numbers(tables.torch_release(minor).triton)[:2] == numbers(row["line"])
            assert same != ("note" in row), minor


def in_a_fresh_interpreter(script: str) -> list[str]:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_driver_floor_reads_the_driver_table_and_nothing_else() -> None:
    assert in_a_fresh_interpreter(
        "from llmdoctor.tables import driver_floor; from llmdoctor.tables.read import read_table;"
        "driver_floor('cu126', 'linux'); n = read_table.cache_info().currsize;"
        "read_table('driver'); print(n, read_table.cache_info().currsize)"
    ) == ["1", "1"]


def test_the_wheel_catalogue_is_imported_only_when_asked_for() -> None:
    assert in_a_fresh_interpreter(
        "import sys, llmdoctor.tables as t; before = 'llmdoctor.tables.wheels' in sys.modules;"
        "t.wheels_of; print(before, 'llmdoctor.tables.wheels' in sys.modules)"
    ) == ["False", "True"]


def test_every_public_name_can_be_had_and_an_unknown_one_is_an_attribute_error() -> None:
    assert all(hasattr(tables, name) for name in tables.__all__)
    assert not hasattr(tables, "no_such_name")


# --- properties


@given(
    known=st.sampled_from(tables.gpu_names()),
    prefix=st.sampled_from(["", "NVIDIA ", "NVIDIA GeForce ", "Tesla "]),
    form=st.sampled_from(["", "-PCIe", "-SXM4", " Laptop GPU", " Generation", " PCIe"]),
    memory=st.sampled_from(["", "-80GB", " 24GB", " 16 GB", "-8Q"]),
    case=st.sampled_from([str.lower, str.upper, str.swapcase, str]),
)
def test_every_known_gpu_is_found_under_a_drivers_spelling_of_it(
    known: tuple[str, str], prefix: str, form: str, memory: str, case: Any
) -> None:
    name, capability = known
    assert tables.capability_of(case(f"{prefix}{name}{form}{memory}")) == capability


@given(
    known=st.sampled_from(tables.gpu_names()),
    word=st.sampled_from(["9000", "Turbo", "Ultra", "XTX"]),
)
def test_a_known_name_with_an_unknown_word_is_another_gpu(
    known: tuple[str, str], word: str
) -> None:
    assert tables.capability_of(f"{known[0]} {word}") is None


CAPABILITIES = st.sampled_from(sorted(read_table("gpu")["generation"]))


@given(CAPABILITIES)
def test_code_runs_on_the_gpu_it_was_compiled_for(capability: str) -> None:
    assert tables.runs_on(capability, capability)


@given(CAPABILITIES, CAPABILITIES, st.sampled_from([None, "12.6", "13.0", "13.2", "cu134"]))
def test_code_never_runs_on_an_older_gpu_nor_across_majors(
    code: str, device: str, cuda: str | None
) -> None:
    if tables.runs_on(code, device, cuda) and {code, device} != {"10.1", "11.0"}:
        assert numbers(code)[0] == numbers(device)[0]
        assert numbers(code) <= numbers(device)


@given(CAPABILITIES, CAPABILITIES)
def test_a_newer_cuda_only_ever_lifts_exclusions(code: str, device: str) -> None:
    assert tables.runs_on(code, device, "13.2") or not tables.runs_on(code, device, "12.6")


VERSIONS = st.lists(st.integers(0, 999), min_size=1, max_size=4).map(
    lambda p: ".".join(map(str, p))
)


@given(VERSIONS, VERSIONS)
def test_comparing_drivers_is_antisymmetric_and_ignores_trailing_zeros(a: str, b: str) -> None:
    assert tables.compare_driver(a, b) == -tables.compare_driver(b, a)
    assert tables.compare_driver(a, f"{a}.0") == 0
    assert tables.compare_driver(f"{a}.1", a) == 1
