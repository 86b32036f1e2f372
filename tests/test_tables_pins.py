"""Packages pinned by torch: the one release that fits a place, or why there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from llmdoctor import tables
from llmdoctor.tables import NoPin, Pin, Place, pin_for
from llmdoctor.tables.read import numbers, read_table

MAINLINE = Place("2.9.1", "cu126", "3.12", "linux", "x86_64", "2.35")


def pinned(package: str, **changed: object) -> Pin:
    found = pin_for(package, replace(MAINLINE, **changed))  # type: ignore[arg-type]
    assert isinstance(found, Pin), found
    return found


def refused(package: str, **changed: object) -> str:
    found = pin_for(package, replace(MAINLINE, **changed))  # type: ignore[arg-type]
    assert isinstance(found, NoPin), found
    assert found.package == package
    return found.reason


def test_an_unknown_package_is_a_key_error_that_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="xformers"):
        pin_for("no-such-package", MAINLINE)


@pytest.mark.parametrize("package", tables.pinned_packages())
def test_a_torch_the_table_lacks_is_said_for_every_package(package: str) -> None:
    with pytest.raises(tables.UnknownRelease):
        pin_for(package, replace(MAINLINE, torch="2.16.0"))


def test_triton_is_the_pin_of_the_triton_table_under_the_name_of_the_platform() -> None:
    assert pinned("triton").specifier == "==3.5.1"
    assert pinned("triton", os="windows", glibc=None).package == "triton-windows"
    assert "aarch64 only from 3.5.0" in refused("triton", torch="2.6.0", arch="aarch64")


# --- xformers


@pytest.mark.parametrize(
    ("torch", "variant", "version"),
    [
        ("2.6.0", "cu126", "0.0.29.post3"),
        ("2.9.0", "cu130", "0.0.33.post1"),
        ("2.9.1", "cu126", "0.0.33.post2"),
        ("2.10.0", "cu130", "0.0.34"),
        ("2.13.0", "cu130", "0.0.35"),
    ],
)
def test_xformers_is_the_release_made_for_that_very_torch(
    torch: str, variant: str, version: str
) -> None:
    pin = pinned("xformers", torch=torch, variant=variant)
    assert pin.specifier == f"=={version}"
    assert pin.torch_index  # PyPI has one CUDA build only, under the same version


def test_a_build_of_xformers_that_is_inferred_is_said_to_be_unverified() -> None:
    assert pinned("xformers", variant="cu126").notes == ()
    assert any("unverified" in note for note in pinned("xformers", variant="cu128").notes)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"arch": "aarch64"}, "wheels for linux-x86_64 and windows-x86_64 only"),
        ({"os": "macos", "arch": "arm64", "variant": "cpu"}, "wheels for linux-x86_64"),
        ({"variant": "cpu"}, "not for cpu"),
        ({"torch": "2.13.0", "variant": "cu132"}, "not for cu132"),
        ({"torch": "2.6.0", "python": "3.13"}, "no wheel for Python 3.13"),
        ({"python": "3.14t"}, "no wheel for Python 3.14t"),
        ({"glibc": "2.27"}, "needs glibc 2.28, here is 2.27"),
        ({"torch": "2.9.1", "variant": "cu118"}, "not for cu118"),
        ({"torch": "2.3.1", "variant": "cu121"}, "no xformers release"),
    ],
)
def test_no_xformers_is_said_with_its_reason(changed: dict[str, str], why: str) -> None:
    assert why in refused("xformers", **changed)


# --- bitsandbytes


@pytest.mark.parametrize("variant", ["cu124", "cu126", "cu128", "cu130", "cu132"])
def test_bitsandbytes_is_the_newest_release_with_a_library_for_the_variant(variant: str) -> None:
    torch = {"cu124": "2.6.0", "cu132": "2.13.0"}.get(variant, "2.9.1")
    assert pinned("bitsandbytes", torch=torch, variant=variant).specifier == "==0.50.2"


def test_an_older_bitsandbytes_is_taken_where_only_it_has_the_library() -> None:
    # 0.50 dropped the library for CUDA 12.9.
    assert pinned("bitsandbytes", torch="2.8.0", variant="cu129").specifier == "==0.49.2"


def test_an_older_bitsandbytes_is_taken_for_a_python_or_torch_that_the_newest_left() -> None:
    assert pinned("bitsandbytes", torch="2.8.0", python="3.9").specifier == "==0.48.2"
    assert pinned("bitsandbytes", torch="2.3.1", variant="cu121").specifier == "==0.49.2"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"capabilities": ("5.2",)}, "no kernels for compute capability 5.2"),
        ({"variant": "cu128", "capabilities": ("6.1",)}, "no kernels for compute capability 6.1"),
        ({"variant": "cu130", "capabilities": ("8.9", "7.0")}, "compute capability 7.0"),
        ({"variant": "cpu"}, "is taken for CUDA builds"),
        ({"glibc": "2.17"}, "needs glibc 2.24"),
        ({"os": "linux", "arch": "ppc64le"}, "no wheel for linux ppc64le"),
    ],
)
def test_no_bitsandbytes_is_said_with_its_reason(changed: dict[str, object], why: str) -> None:
    assert why in refused("bitsandbytes", **changed)


def test_gb10_has_bitsandbytes() -> None:
    gb10 = {"arch": "aarch64", "torch": "2.10.0", "capabilities": ("12.1",)}
    assert pinned("bitsandbytes", variant="cu130", **gb10).specifier == "==0.50.2"
    assert pinned("bitsandbytes", variant="cu128", **gb10).specifier == "==0.50.2"


# --- companions


def test_companions_follow_torch_and_one_nobody_read_is_said() -> None:
    assert pinned("torchao").specifier == ">=0.15.0,<0.16.0"
    assert pinned("torchvision", torch="2.10.0").specifier == "==0.25.0"
    assert "does not say which torchao goes with torch 2.13.0" in refused("torchao", torch="2.13.0")


def test_every_companion_is_given_for_a_torch_of_the_table_as_a_specifier() -> None:
    for row in read_table("companions")["package"]:
        for torch, spec in row["for"].items():
            assert tables.torch_release(torch).version == torch
            assert SpecifierSet(spec)


# --- the rows


def test_every_xformers_build_is_a_variant_of_its_torch() -> None:
    for row in read_table("xformers")["release"]:
        torch = row["torch"].removeprefix("==").removeprefix(">=")
        release = tables.torch_release(torch)
        for variant, status in row["builds"].items():
            assert release.publishes(variant, "linux", "x86_64"), f"{row['version']} {variant}"
            assert status in {"secondary", "unverified"}


def test_every_xformers_python_has_a_torch_too() -> None:
    for row in read_table("xformers")["release"]:
        release = tables.torch_release(row["torch"].removeprefix("==").removeprefix(">="))
        assert set(row.get("python", ())) <= set(release.python), row["version"]


def test_bitsandbytes_has_kernels_on_record_for_every_library_on_every_processor() -> None:
    codes = read_table("bitsandbytes")["code"]
    for row in read_table("bitsandbytes")["release"]:
        for platform in row["on"]:
            arch = platform.partition("-")[2]
            if arch in {"x86_64", "aarch64"}:
                for cuda in row["cuda"]:
                    assert any(
                        code["arch"] == arch and numbers(code["cuda"]) <= numbers(cuda)
                        for code in codes
                    ), f"{row['version']} {platform} {cuda}"


@given(data=st.data())
def test_a_pin_fits_in_every_respect(data: st.DataObject) -> None:
    release = data.draw(st.sampled_from(tables.torch_releases()))
    platform = data.draw(
        st.sampled_from(
            [("linux", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64"), ("macos", "arm64")]
        )
    )
    place = Place(
        release.version,
        data.draw(st.sampled_from(["cpu", *(v for v in release.variants if v[:2] == "cu")])),
        data.draw(st.sampled_from(release.python)),
        *platform,
        data.draw(st.sampled_from([None, "2.17", "2.28", "2.35"])),
        tuple(data.draw(st.lists(st.sampled_from(sorted(read_table("gpu")["generation"]))))),
    )
    for package in tables.pinned_packages():
        found = pin_for(package, place)
        assert found.reason
        if isinstance(found, NoPin):
            continue
        assert SpecifierSet(found.specifier)
        if package in {"xformers", "bitsandbytes"}:
            version = found.specifier.removeprefix("==")
            row = next(r for r in read_table(package)["release"] if r["version"] == version)
            assert place.platform in row["on"]
            assert SpecifierSet(row["torch"]).contains(release.version)
        if package == "xformers":
            assert place.variant in row["builds"]
            assert place.os != "linux" or numbers(place.glibc or row["glibc"]) >= numbers(
                row["glibc"]
            )
        if package == "bitsandbytes":
            assert tables.cuda_of_variant(place.variant) in row["cuda"]
