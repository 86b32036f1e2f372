"""The profiles that ship: whole, sourced, and at one with the tables and their sources."""

from __future__ import annotations

import itertools
from datetime import date

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from llmdoctor import profiles, tables
from llmdoctor.profile import Profile, Want
from llmdoctor.tables.read import numbers, read_table

EVERY = profiles.builtin()
STACKS = {name: profile for name, profile in EVERY.items() if profile.kind == "stack"}
ADDONS = {name: profile for name, profile in EVERY.items() if profile.kind == "addon"}

# What the three stacks of alexeiv-ai/mp13-llm-engine require (pyproject.toml and
# pyproject.toml_torch_2.6.0 at f3bd7d0, pyproject.toml_gb10 at d8d69a4), beside torch itself.
COMMON = [
    "python", "python-dotenv", "click", "requests", "pydantic", "peft", "datasets", "accelerate",
    "hqq", "numpy", "tiktoken", "matplotlib", "einops", "numexpr", "prompt-toolkit",
    "transformers", "torchao", "xformers", "triton",
]  # fmt: skip
SOURCES = {
    "mainline": COMMON,
    "legacy": COMMON,
    "gb10": [*COMMON, "triton-windows", "flash-attn-3"],
}


def torch_of(stack: Profile) -> str:
    assert stack.torch is not None
    return stack.torch.version


def want(profile: Profile, name: str) -> Want:
    return next(item for item in profile.packages if item.name == name)


def test_these_profiles_ship() -> None:
    assert set(STACKS) == {"cpu", "edge", "gb10", "legacy", "mainline"}
    assert set(ADDONS) == {
        "bitsandbytes", "flashattn", "hqq", "mamba", "mistral3", "retention", "triton", "xformers",
    }  # fmt: skip


@pytest.mark.parametrize("profile", EVERY.values(), ids=EVERY)
def test_every_pin_and_every_gate_says_why_by_whom_and_when(profile: Profile) -> None:
    assert profile.title
    assert profile.summary
    for reason, source, checked in (
        *((want.reason, want.source, want.checked) for want in profile.packages),
        *((gate.reason, gate.source, gate.checked) for gate in profile.exclusions),
    ):
        assert reason
        assert source, reason
        assert date.fromisoformat(checked), reason
    for left in profile.left_out:
        assert left.reason, left
        assert left.source, left
    if profile.python:
        assert profile.python_reason


@pytest.mark.parametrize("name", SOURCES)
def test_every_requirement_of_a_sources_stack_is_taken_over_or_left_out_with_its_reason(
    name: str,
) -> None:
    stack = EVERY[name]
    taken = {item.name for item in stack.packages}
    left = {item.name for item in stack.left_out}
    assert taken.isdisjoint(left)
    assert set(SOURCES[name]) - taken - left == set()


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_stack_leaves_to_an_addon_is_in_that_addon(name: str) -> None:
    named = 0
    for left in EVERY[name].left_out:
        for addon in ADDONS.values():
            if left.reason.startswith(f"in the {addon.name} add-on"):
                named += 1
                assert left.name in {item.name for item in addon.packages}
    assert named == 3  # hqq, torchao and xformers


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_a_stacks_torch_and_python_are_in_the_table(stack: Profile) -> None:
    assert stack.torch is not None
    release = tables.torch_release(stack.torch.version)
    assert set(stack.torch.variants) <= set(release.variants)
    pythons = [f"3.{minor}" for minor in range(8, 20)]
    admitted = [p for p in pythons if SpecifierSet(stack.python).contains(p)]
    assert set(admitted) <= set(release.python)
    assert admitted[-1] == max((p for p in release.python if "t" not in p), key=numbers)


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_a_stacks_transformers_accepts_its_torch_and_its_pythons(stack: Profile) -> None:
    for item in stack.packages:
        if item.name != "transformers":
            continue
        version = next(iter(SpecifierSet(item.spec))).version
        floors = [s.version for s in SpecifierSet(item.spec) if s.operator in {"==", ">="}]
        row = tables.transformers_release(floors[0])
        ranges = tables.transformers_ranges(floors[0])
        assert ranges is not None
        assert SpecifierSet(ranges.torch).contains(torch_of(stack)), version
        for python in tables.torch_release(torch_of(stack)).python:
            if python.endswith("t") or (
                item.marker and not Marker(item.marker).evaluate({"python_version": python})
            ):
                continue
            assert SpecifierSet(row.python).contains(python), f"{item.spec} on Python {python}"


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_no_package_is_pinned_twice_for_one_python(stack: Profile) -> None:
    for python in tables.torch_release(torch_of(stack)).python:
        names = [
            item.name
            for item in stack.packages
            if item.marker is None
            or Marker(item.marker).evaluate(
                {"python_version": python.rstrip("t"), "sys_platform": "linux"}
            )
        ]
        assert len(names) == len(set(names)), python


def test_edge_is_newer_than_every_other_stack_and_known_completely() -> None:
    edge = STACKS["edge"]
    assert edge.torch is not None
    version = edge.torch.version
    assert all(numbers(torch_of(other)) <= numbers(version) for other in STACKS.values())
    release = tables.torch_release(version)
    for variant, (os, arch) in itertools.product(
        edge.torch.variants, [("linux", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64")]
    ):
        codes = release.architectures(variant, os, arch)
        assert codes is not None, f"{variant} on {os} {arch}"
        assert isinstance(tables.triton_for(version, os, arch, "3.12"), tables.TritonPin)
        if variant != "cpu":
            match = tables.find_wheel("flash-attn", version, variant, "3.12", os, arch, "2.39")
            assert match.best is not None, f"{variant} on {os} {arch}"


def test_no_release_after_that_of_edge_is_known_as_completely() -> None:
    """When a later one is, edge should move to it: then this test fails."""
    edge = numbers(torch_of(STACKS["edge"]))
    lines = {
        minor: row
        for row in read_table("triton")["windows"]["line"]
        for minor in row["torch"]
        if row.get("status", "verified") == "verified"
    }
    for release in tables.torch_releases():
        if numbers(release.version) <= edge:
            continue
        variant = next(v for v in release.variants if v.startswith("cu13"))
        wheel = tables.find_wheel(
            "flash-attn", release.version, variant, "3.12", "linux", "x86_64", "2.39"
        )
        assert release.minor not in lines or wheel.best is None, release.version


def test_gb10_is_served_by_every_build_of_its_stack() -> None:
    stack = STACKS["gb10"]
    assert stack.torch is not None
    assert stack.torch.variants == ("cu130", "cu128")
    release = tables.torch_release(stack.torch.version)
    for variant in stack.torch.variants:
        codes = release.architectures(variant, "linux", "aarch64")
        assert codes is not None
        assert tables.any_runs_on(codes, "12.1", variant)
    assert want(stack, "triton").origin == "triton"


@pytest.mark.parametrize("addon", ADDONS.values(), ids=ADDONS)
def test_an_addon_goes_with_a_stack_that_exists_and_works_somewhere(addon: Profile) -> None:
    """On Linux x86_64 with an L4, each of its packages can be had with a stack it names."""
    assert set(addon.stacks) <= set(STACKS)
    fits = []
    for name in addon.stacks or STACKS:
        stack = STACKS[name]
        assert stack.torch is not None
        for variant in stack.torch.variants:
            place = tables.Place(
                torch_of(stack), variant, "3.12", "linux", "x86_64", "2.35", ("8.9",)
            )
            if all(_can_be_had(item, place) for item in addon.packages):
                fits.append(f"{name} {variant}")
    assert fits


def _can_be_had(item: Want, place: tables.Place) -> bool:
    if item.origin == "wheel":
        found = tables.find_wheel(
            item.name, place.torch, place.variant, place.python, place.os, place.arch, place.glibc,
            place.capabilities,
        )  # fmt: skip
        return found.best is not None
    if item.origin in {"table", "triton"}:
        return isinstance(tables.pin_for(item.name, place), tables.Pin)
    return True


def test_whatever_the_tables_pin_is_never_written_out_in_a_profile() -> None:
    for profile in EVERY.values():
        for item in profile.packages:
            if item.name in tables.pinned_packages():
                assert item.origin in {"triton", "table"}, f"{profile.name}: {item.name}"
                assert item.spec == ""
            if tables.wheels_of(item.name):
                assert item.origin == "wheel", f"{profile.name}: {item.name}"


def test_only_the_tables_packages_come_from_the_tables() -> None:
    for profile in EVERY.values():
        for item in profile.packages:
            if item.origin in {"triton", "table"}:
                assert item.name in tables.pinned_packages()
            if item.origin == "wheel":
                assert tables.wheels_of(item.name)


@pytest.mark.parametrize("name", ["flashattn", "mamba", "xformers", "bitsandbytes", "retention"])
def test_an_addon_of_gpu_kernels_asks_for_a_gpu_and_knows_the_lowest(name: str) -> None:
    addon = ADDONS[name]
    assert addon.needs_gpu
    assert addon.feature is not None
    assert numbers(tables.feature_minimum(addon.feature)) >= (5, 0)


def test_mamba_needs_7_5_and_flash_attention_8_0() -> None:
    minimum = {n: tables.feature_minimum(ADDONS[n].feature or "") for n in ("mamba", "flashattn")}
    assert minimum == {"mamba": "7.5", "flashattn": "8.0"}


def test_retention_is_never_the_trading_library_and_is_left_out_off_linux() -> None:
    retention = ADDONS["retention"]
    spec = SpecifierSet(want(retention, "retention").spec)
    assert not spec.contains("0.1.2")
    assert spec.contains("1.0.7")
    (gate,) = retention.exclusions
    assert gate.code == "retention-name-squat"
    assert set(gate.os) == {"windows", "macos"}
    assert retention.python == ">=3.11"


@pytest.mark.parametrize(
    ("name", "code"), [("flashattn", "arm64-flash-attn"), ("mamba", "arm64-mamba")]
)
def test_what_is_left_out_on_arm_is_a_gate_over_wheels_that_exist(name: str, code: str) -> None:
    """Without a wheel behind it, an override would lead nowhere."""
    (gate,) = ADDONS[name].exclusions
    assert (gate.code, gate.arch) == (code, ("aarch64",))
    package = next(item.name for item in ADDONS[name].packages if item.origin == "wheel")
    match = tables.find_wheel(package, "2.10.0", "cu130", "3.12", "linux", "aarch64", "2.39")
    assert match.best is not None


def test_legacy_triton_on_arm_is_a_fact_of_the_tables_and_no_gate() -> None:
    pin = tables.pin_for(
        "triton", tables.Place("2.6.0", "cu126", "3.12", "linux", "aarch64", "2.39")
    )
    assert isinstance(pin, tables.NoPin)
    assert ADDONS["triton"].exclusions == ()


def test_every_gate_has_a_code_of_its_own() -> None:
    codes = [gate.code for profile in EVERY.values() for gate in profile.exclusions]
    assert len(codes) == len(set(codes))


# The wheels that the source's own stacks name. Some were published again since, under a later tag.
SOURCE_WHEELS = [
    "flash_attn-2.8.3+cu128torch2.9-cp312-cp312-win_amd64.whl",
    "flash_attn-2.8.3+cu128torch2.9-cp312-cp312-linux_x86_64.whl",
    "flash_attn-2.8.3+cu128torch2.9-cp312-cp312-linux_aarch64.whl",
    "flash_attn-2.8.3+cu124torch2.6-cp312-cp312-win_amd64.whl",
    "flash_attn-2.8.3+cu124torch2.6-cp312-cp312-linux_x86_64.whl",
    "flash_attn-2.8.3+cu128torch2.6-cp312-cp312-linux_aarch64.whl",
]


def test_every_wheel_that_the_source_names_is_in_the_catalogue() -> None:
    known = {wheel.filename for wheel in tables.wheels_of("flash-attn")}
    assert [name for name in SOURCE_WHEELS if name not in known] == []
