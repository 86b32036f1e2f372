"""What holds for every choice on every machine.

The tables are read here as TOML and wheels by their file names, past the resolver's own ways.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from llmdoctor import plan, profiles, tables
from llmdoctor.errors import UsageError
from llmdoctor.machine import Gpu
from llmdoctor.paths import profiles_dir
from llmdoctor.plan import Choice, Target
from llmdoctor.profile import Profile
from llmdoctor.resolve import resolve

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KNOWN = tuple(profiles.builtin().values())
STACKS = tuple(profile for profile in KNOWN if profile.kind == "stack")
CAUSES = {path.stem for path in (profiles_dir() / "tables" / "causes").glob("*.toml")}


@cache
def raw(name: str) -> dict[str, Any]:
    return tomllib.loads((profiles_dir() / "tables" / f"{name}.toml").read_text("utf-8"))


TORCH, DRIVER, GPU = raw("torch"), raw("driver"), raw("gpu")
XFORMERS, BITSANDBYTES, TRITON = raw("xformers"), raw("bitsandbytes"), raw("triton")
CODE_RULES = {row["code"]: row for group in GPU["code"] for row in group["rows"]}
WHEELS = {
    wheel.url: wheel
    for package in ("flash-attn", "flash-attn-3", "mamba-ssm", "causal-conv1d")
    for wheel in tables.wheels_of(package)
}

# --- machines and wishes

UNKNOWN = (Gpu(0, "Unheard Of", None), *(Gpu(0, "Unheard Of", cc) for cc in ("9.9", "12.7", "8.8")))
GPUS = st.sampled_from([Gpu(0, name, cc) for name, cc in tables.gpu_names()])
COMMON = st.sampled_from(
    [
        Gpu(0, name, tables.capability_of(name))
        for name in (
            "GTX 1080 Ti", "V100", "T4", "A100", "RTX 3090", "RTX 4090", "H100", "GH200", "B200",
            "RTX 5090", "GB10",
        )
    ]
)  # fmt: skip
DRIVERS = (
    "390.157", "470", "470.256.02", "525", "525.53", "525.60.13", "527.41", "535.183.01", "550",
    "560.94", "570", "570.26", "572.16", "575.57.08", "576.02", "580", "580.00", "580.65.06",
    "580.88",
    "595.71.05", "999",
)  # fmt: skip
GLIBCS = ("2.12", "2.17", "2.27", "2.28", "2.31", "2.34", "2.35", "2.39", "2.42")
USUAL = ("3.10", "3.11", "3.12", "3.13", "3.14")


def numbered(gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    return tuple(replace(gpu, index=index) for index, gpu in enumerate(gpus))


TARGETS = st.builds(
    Target,
    os=st.sampled_from(["linux"] * 4 + ["windows"] * 2 + ["macos", "freebsd", "unknown"]),
    arch=st.sampled_from(["x86_64"] * 3 + ["aarch64", "arm64", "riscv64", "unknown"]),
    glibc=st.sampled_from([None, *GLIBCS]),
    musl=st.sampled_from([False] * 5 + [True]),
    python=st.sampled_from(USUAL)
    | st.sampled_from(("3.8", "3.9", "3.13t", "3.14t", "3.15", "2.7")),
    driver=st.none() | st.sampled_from(DRIVERS),
    driver_missing=st.sampled_from([False] * 5 + [True]),
    gpus=COMMON.map(lambda gpu: (gpu,))
    | st.lists(GPUS | st.sampled_from(UNKNOWN), max_size=3).map(numbered)
    | st.lists(COMMON, max_size=3).map(numbered),
    wsl=st.sampled_from([None] * 4 + [1, 2]),
    ram=st.sampled_from([None, None, 10**8, 10**10]),
    assumed=st.booleans(),
    gpus_note=st.sampled_from([None, None, "CUDA_VISIBLE_DEVICES hides RTX 4090"]),
)
WANTED = st.lists(st.sampled_from(KNOWN), min_size=1, max_size=4, unique_by=lambda p: p.name)
VARIANTS = st.sampled_from(["auto"] * 4 + ["cpu", "cu124", "cu126", "cu128", "cu130", "cu132"])
CODES = ("memory", "no-gpu", *(gate.code for profile in KNOWN for gate in profile.exclusions))
ALLOWED = st.sampled_from([(), (), ("no-gpu",), CODES]) | st.lists(
    st.sampled_from(CODES), unique=True
).map(tuple)
every = settings(deadline=None, max_examples=120)


def attempt(
    wanted: Sequence[Profile], target: Target, variant: str = "auto", allow: Sequence[str] = ()
) -> Choice | None:
    """The choice; None for a wish that cannot be meant, whatever the machine."""
    try:
        return resolve(wanted, KNOWN, target, variant=variant, allow=allow)
    except UsageError:
        return None


# --- what a plan may contain, by the tables and by the wheels' names


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def serves(codes: Sequence[str], device: str, cuda: str) -> bool:
    """Machine code runs on its own major from its own minor on, but for the table's exceptions."""
    for code in codes:
        rule = CODE_RULES.get(code, {})
        lifted = "lifted_from" in rule and number(cuda) >= number(rule["lifted_from"])
        if "only" in rule:
            if device in rule["only"]:
                return True
        elif device not in rule.get("exclude", ()) or lifted:
            mine, theirs = number(code), number(device)
            if mine[0] == theirs[0] and mine[1] <= theirs[1]:
                return True
    return False


def cuda_of(variant: str) -> str:
    return f"{variant[2:4]}.{variant[4:]}"


def torch_row(version: str) -> dict[str, Any]:
    (row,) = (row for row in TORCH["release"] if version in row["patches"])
    return row  # type: ignore[no-any-return]


def cxx11_abi(row: dict[str, Any], variant: str, arch: str) -> bool | None:
    return row.get("cxx11_abi_variant", {}).get(variant, row["cxx11_abi"].get(arch))  # type: ignore[no-any-return]


def tag_fits(tag: Tag, target: Target) -> bool:
    """Whether pip would take a tag on the target's CPython."""
    python = "cp" + target.python.replace(".", "")
    if tag.abi == "abi3":
        right = not python.endswith("t") and int(tag.interpreter[3:]) <= int(python[3:])
    else:
        right = (tag.interpreter, tag.abi) == (python.removesuffix("t"), python)
    if target.os == "windows":
        return right and tag.platform == {"x86_64": "win_amd64"}.get(target.arch, "win_arm64")
    if target.os != "linux" or target.musl or not tag.platform.endswith(f"_{target.arch}"):
        return False
    named = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
    if match := re.match(r"manylinux_(\d+)_(\d+)_", tag.platform):
        needed = f"{match[1]}.{match[2]}"
    else:
        needed = named.get(tag.platform.removesuffix(f"_{target.arch}"), "0")
        right &= needed != "0" or tag.platform == f"linux_{target.arch}"
    return right and (target.glibc is None or number(needed) <= number(target.glibc))


def against_torch(choice: Choice) -> list[str]:
    """What is wrong with the chosen torch on the target."""
    target, variant = choice.target, str(choice.variant)
    row, platform = torch_row(str(choice.torch)), f"{target.os}-{target.arch}"
    wrong = [] if target.python in row["python"] else ["Python"]
    for limit in row.get("python_only", ()):
        here = limit.get("on", platform) == platform
        if limit["python"] == target.python and not (
            here and limit.get("version", choice.torch) == choice.torch
        ):
            wrong.append("Python of this patch or platform")
    if variant == "cpu" and (elsewhere := places_of_the_cpu_index(row)).keys() == {platform}:
        wrong += [] if target.python in elsewhere[platform] else ["Python on this platform"]
    else:
        wrong += [] if platform in row["pypi"] else ["platform"]
    if target.os == "linux":
        needed = row.get("glibc_variant", {}).get(variant, row["glibc"].get(target.arch))
        if target.musl or (target.glibc and number(target.glibc) < number(needed)):
            wrong.append("libc")
    if variant == "cpu":
        return wrong
    builds = [b for b in row["builds"] if (b["variant"], b["on"]) == (variant, platform)]
    if not builds or not builds[0].get("confirmed", True):
        return [*wrong, "build"]
    codes = TORCH["code"][builds[0]["code"]]
    for gpu in target.gpus:
        if not (gpu.compute_capability and serves(codes, gpu.compute_capability, cuda_of(variant))):
            wrong.append(f"kernels for {gpu.name}")
    return wrong + against_driver(target, variant)


def places_of_the_cpu_index(row: dict[str, Any]) -> dict[str, list[str]]:
    return {place["on"]: place["python"] for place in row.get("cpu_index", ())}


def against_driver(target: Target, variant: str) -> list[str]:
    if not target.gpus:
        return []
    if target.driver_missing or target.wsl == 1:
        return ["no driver"]
    if target.driver is None:
        return []
    os = "windows" if target.wsl else target.os
    branches = {cc for row in DRIVER["jetpack"] for cc in row["capabilities"]}
    by_branch = not branches.isdisjoint({gpu.compute_capability for gpu in target.gpus})
    here = age(target.driver.partition(".")[0] if by_branch else target.driver)
    (floor,) = (row[os] for row in DRIVER["floor"] if row["cuda"] == variant[2:4] and os in row)
    known = [
        row[os]
        for row, gpu in itertools.product(DRIVER["gpu"], target.gpus)
        if gpu.compute_capability in row["capabilities"] and os in row
    ]
    return [f"driver {need}" for need in (floor, *known) if here < number(need)]


def age(driver: str) -> tuple[float, ...]:
    """Drivers in order; a branch ("525") stands for the newest of its builds."""
    return (*number(driver),) if "." in driver else (*number(driver), float("inf"))


def against_wheel(item: plan.Requirement, choice: Choice) -> list[str]:
    """What is wrong with a wheel, by the name of its file and what the catalogue says of it."""
    target, variant = choice.target, str(choice.variant)
    filename = str(item.url).rpartition("/")[2].replace("%2B", "+")
    name, version, _, wheel_tags = parse_wheel_filename(filename)
    wrong = [] if name == item.name else ["name"]
    if not any(tag_fits(tag, target) for tag in wheel_tags):
        wrong.append("tags")
    local = re.fullmatch(
        r"cu(\d\d)(\d?)torch(\d+\.\d+)(?:\.\d+)?(?:cxx11abi(true|false))?(?:git.*)?",
        str(version.local),
    )
    assert local, filename
    row = torch_row(str(choice.torch))
    if (local[1], local[3]) != (variant[2:4], row["minor"]):
        wrong.append("CUDA or torch")
    if target.os == "linux":
        own = {"true": True, "false": False}.get(
            local[4], cxx11_abi(row, f"cu{local[1]}{local[2]}", target.arch)
        )
        if own is None or own != cxx11_abi(row, variant, target.arch):
            wrong.append("C++ ABI")
    entry = WHEELS[str(item.url)]
    if target.os == "linux" and target.glibc and filename.endswith(f"-linux_{target.arch}.whl"):
        needed = glibc_of_the_build(item.name, str(version.public), target.arch, entry.origin)
        wrong += [] if number(target.glibc) >= number(needed) else ["glibc of its build"]
    cuda = f"{local[1]}.{local[2]}" if local[2] else cuda_of(variant)
    for gpu in target.gpus:
        capability = str(gpu.compute_capability)
        if not serves(entry.architectures or (), capability, cuda) or capability in entry.wrong:
            wrong.append(f"kernels for {gpu.name}")
    return wrong


def glibc_of_the_build(package: str, version: str, arch: str, origin: str) -> str:
    """What a wheel that promises nothing asks for, by the table of its publisher."""
    table = raw(
        f"wheels/{'flash-attn-community' if origin == 'community' else f'{package}-official'}"
    )
    rows = [
        row
        for row in table["glibc"]
        if row.get("package", package) == package
        and row.get("arch", arch) == arch
        and number(row["since"]) <= number(version)
    ]
    return str(rows[-1]["version"])


def against_pin(item: plan.Requirement, choice: Choice) -> list[str]:
    """What is wrong with a package that follows from torch and comes from an index."""
    target, variant = choice.target, str(choice.variant)
    platform = f"{target.os}-{target.arch}"
    spec = str(Requirement(item.text).specifier)
    if item.name == "triton":
        line = ".".join(map(str, number(spec)[:2]))
        pythons = {row["line"]: row["python"] for row in TRITON["python"]}.get(line)
        wrong = [] if platform in {row["on"] for row in TRITON["wheels"]} else ["platform"]
        wrong += [] if spec == torch_row(str(choice.torch))["triton"][choice.torch] else ["torch"]
        return wrong + (["Python"] if pythons is not None and target.python not in pythons else [])
    if item.name == "triton-windows":
        return [] if target.os == "windows" else ["platform"]
    if item.name == "xformers":
        (row,) = (row for row in XFORMERS["release"] if f"=={row['version']}" == spec)
        wrong = [] if platform in row["on"] else ["platform"]
        wrong += [] if variant in row["builds"] else ["CUDA"]
        wrong += [] if SpecifierSet(row["torch"]).contains(str(choice.torch)) else ["torch"]
    elif item.name == "bitsandbytes":
        (row,) = (row for row in BITSANDBYTES["release"] if f"=={row['version']}" == spec)
        wrong = [] if platform in row["on"] else ["platform"]
        wrong += [] if cuda_of(variant) in row["cuda"] else ["CUDA"]
        wrong += [] if SpecifierSet(row["torch"]).contains(str(choice.torch)) else ["torch"]
        if target.os == "linux" and target.glibc and platform in row["on"]:
            wrong += [] if number(target.glibc) >= number(row["on"][platform]) else ["glibc"]
    else:
        return []
    return wrong


def against_plan(choice: Choice) -> list[str]:
    """Everything in a feasible plan that does not fit its target."""
    wrong = against_torch(choice)
    for item in choice.requirements:
        found = against_wheel(item, choice) if item.source == "wheel" else against_pin(item, choice)
        wrong += [f"{item.text}: {what}" for what in found]
    for profile in map(profiles.find, choice.profiles):
        if not SpecifierSet(profile.python).contains(choice.target.python.removesuffix("t")):
            wrong.append(f"Python of {profile.name}")
    return wrong


# --- (a) no plan contains what does not fit


@every
@given(WANTED, TARGETS, VARIANTS, ALLOWED)
def test_no_plan_contains_anything_that_does_not_fit(
    wanted: list[Profile], target: Target, variant: str, allow: tuple[str, ...]
) -> None:
    choice = attempt(wanted, target, variant, allow)
    if choice is None or not choice.feasible:
        return
    assert against_plan(choice) == []
    assert {profile.name for profile in wanted} <= set(choice.profiles)
    asked = variant == "cpu" or any(profile.name == "cpu" for profile in wanted)
    if choice.variant == "cpu":
        assert asked or not target.gpus
    elif not target.gpus:
        assert "no-gpu" in allow
        assert choice.variant == variant  # never a guess, only what was asked for
        assert "no-gpu" in {reason.code for reason in choice.reasons}


PLACES = (("linux", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64"))
INTERPRETERS = (("3.10", "2.28"), ("3.12", "2.17"), ("3.12", "2.31"), ("3.14", "2.35"))
ONE_OF_EACH = {capability: name for name, capability in tables.gpu_names()}


@pytest.mark.parametrize(("os", "arch"), PLACES)
@pytest.mark.parametrize("driver", ["525.60.13", "570.86.15", "580.95.05"])
def test_every_profile_on_every_generation_gets_only_what_fits(
    os: str, arch: str, driver: str
) -> None:
    feasible = 0
    for (capability, name), (python, glibc), profile in itertools.product(
        ONE_OF_EACH.items(), INTERPRETERS, KNOWN
    ):
        target = Target(
            os=os,
            arch=arch,
            glibc=glibc if os == "linux" else None,
            python=python,
            driver=driver,
            gpus=(Gpu(0, name, capability),),
        )
        choice = resolve([profile], KNOWN, target, allow=CODES)
        if choice.feasible:
            feasible += 1
            assert against_plan(choice) == [], (choice.profiles, target)
    assert feasible > 50  # else nothing was looked at


@every
@given(WANTED, TARGETS, VARIANTS)
def test_a_plan_asks_for_each_package_once_and_for_torch_first(
    wanted: list[Profile], target: Target, variant: str
) -> None:
    choice = attempt(wanted, target, variant)
    if choice is None or not choice.feasible:
        return
    names = [Requirement(item.text).name for item in choice.requirements]
    assert len(names) == len(set(names))
    assert names[0] == "torch"
    assert not {"triton", "triton-windows"} <= set(names)
    assert choice.reasons


# --- (b) every refusal names a rule, every candidate a reason


@every
@given(WANTED, TARGETS, VARIANTS, ALLOWED)
def test_a_refusal_names_its_rules_and_every_candidate_that_was_tried(
    wanted: list[Profile], target: Target, variant: str, allow: tuple[str, ...]
) -> None:
    choice = attempt(wanted, target, variant, allow)
    if choice is None:
        return
    assert all(item.candidate and item.reason for item in choice.rejected)
    assert len(choice.rejected) == len(set(choice.rejected))
    if choice.feasible:
        return
    assert choice.reasons
    for reason in choice.reasons:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", reason.code)
        assert reason.text
        assert reason.cause is None or reason.cause in CAUSES
    assert (choice.variant, choice.torch, choice.requirements) == (None, None, ())
    seen = {item.candidate for item in choice.rejected}
    pin = profiles.find(choice.profiles[0]).torch
    assert pin is not None
    for build in pin.variants if variant == "auto" else (variant,):
        assert f"torch {pin.version}+{build}" in seen


@every
@given(WANTED, TARGETS, VARIANTS, ALLOWED)
def test_what_is_offered_instead_works(
    wanted: list[Profile], target: Target, variant: str, allow: tuple[str, ...]
) -> None:
    choice = attempt(wanted, target, variant, allow)
    if choice is None:
        return
    assert not (choice.feasible and choice.alternatives)
    for item in choice.alternatives:
        there = [profiles.find(name) for name in item.profiles]
        if found := re.search(r"these builds need ([\d.]+) or newer", item.text):
            updated = replace(target, driver=found[1], driver_missing=False)
            assert resolve(there, KNOWN, updated, variant=variant, allow=allow).feasible
            last = [
                row["branch"]
                for row, gpu in itertools.product(DRIVER["last"], target.gpus)
                if gpu.compute_capability in row["capabilities"]
            ]
            assert all(number(found[1])[0] <= int(branch) for branch in last)
        elif found := re.search(r"take Python .*python[ =]([\d.]+)", item.text):
            taken = replace(target, python=found[1])
            assert resolve(there, KNOWN, taken, variant=variant, allow=allow).feasible
        elif found := re.search(r"glibc ([\d.]+) or newer", item.text):
            image = replace(target, glibc=found[1])
            assert resolve(there, KNOWN, image, variant=variant, allow=allow).feasible
        elif found := re.search(r"CUDA_VISIBLE_DEVICES=([\d,]+): .*, torch (.*)$", item.text):
            kept = set(found[1].split(","))
            seen = replace(target, gpus=tuple(g for g in target.gpus if str(g.index) in kept))
            fewer = resolve(there, KNOWN, seen, variant=variant, allow=allow)
            assert 0 < len(seen.gpus) < len(target.gpus)
            assert f"{fewer.torch}+{fewer.variant}" == found[2]
            assert against_plan(fewer) == []
        else:
            assert item.fits_here
            assert resolve(there, KNOWN, target, allow=allow).feasible


@every
@given(WANTED, TARGETS, VARIANTS, ALLOWED)
def test_a_code_that_a_refusal_names_overrides_that_rule(
    wanted: list[Profile], target: Target, variant: str, allow: tuple[str, ...]
) -> None:
    choice = attempt(wanted, target, variant, allow)
    if choice is None or choice.feasible:
        return
    for reason in choice.reasons:
        if found := re.search(r"override: --allow ([a-z0-9-]+)", reason.text):
            again = attempt(wanted, target, variant, (*allow, found[1]))
            assert again is not None
            assert reason not in again.reasons


@every
@given(WANTED, TARGETS, VARIANTS)
def test_only_a_usage_error_is_raised_and_it_does_not_hang_on_the_machine(
    wanted: list[Profile], target: Target, variant: str
) -> None:
    choice = attempt(wanted, target, variant)
    stacks = [profile for profile in wanted if profile.kind == "stack"]
    meant = len(stacks) <= 1 and (attempt(wanted, Target(), variant) is not None)
    assert (choice is not None) == meant


@settings(deadline=None, max_examples=60)
@given(WANTED, TARGETS)
def test_no_reason_speaks_of_python_values(wanted: list[Profile], target: Target) -> None:
    choice = attempt(wanted, target)
    if choice is None:
        return
    said = [*(r.text for r in choice.reasons), *(r.reason for r in choice.rejected)]
    assert not [text for text in said if re.search(r"None|\(\)|\[\]|Target\(|Gpu\(", text)]


# --- (c) deterministic


@settings(deadline=None, max_examples=100)
@given(WANTED, TARGETS, VARIANTS, ALLOWED)
def test_the_same_question_gets_the_same_answer_whatever_was_asked_before(
    wanted: list[Profile], target: Target, variant: str, allow: tuple[str, ...]
) -> None:
    first = attempt(wanted, target, variant, allow)
    for python in USUAL:
        attempt(wanted, replace(target, python=python), variant)
    assert attempt(wanted, target, variant, allow) == first


# --- (d) monotone

OLDER_AND_NEWER = st.tuples(st.sampled_from(DRIVERS), st.sampled_from(DRIVERS)).map(
    lambda pair: sorted(pair, key=age)
)


@every
@given(WANTED, TARGETS, VARIANTS, OLDER_AND_NEWER)
def test_a_newer_driver_never_loses_a_profile(
    wanted: list[Profile], target: Target, variant: str, drivers: list[str]
) -> None:
    old, new = (attempt(wanted, replace(target, driver=driver), variant) for driver in drivers)
    if old is not None and old.feasible:
        assert new is not None
        assert new.feasible
        assert against_plan(new) == []


@every
@given(WANTED, TARGETS, VARIANTS, st.tuples(st.sampled_from(GLIBCS), st.sampled_from(GLIBCS)))
def test_a_newer_glibc_never_loses_a_profile(
    wanted: list[Profile], target: Target, variant: str, glibcs: tuple[str, str]
) -> None:
    old, new = (
        attempt(wanted, replace(target, os="linux", glibc=glibc), variant)
        for glibc in sorted(glibcs, key=number)
    )
    if old is not None and old.feasible:
        assert new is not None
        assert new.feasible
        assert against_plan(new) == []


@pytest.mark.parametrize("profile", KNOWN, ids=lambda profile: profile.name)
@pytest.mark.parametrize(("os", "arch"), PLACES)
def test_each_profile_is_kept_by_every_newer_driver_on_every_generation(
    profile: Profile, os: str, arch: str
) -> None:
    glibc = "2.35" if os == "linux" else None
    for capability, name in ONE_OF_EACH.items():
        had = False
        for driver in sorted(DRIVERS, key=age):
            target = Target(os, arch, glibc, driver=driver, gpus=(Gpu(0, name, capability),))
            feasible = resolve([profile], KNOWN, target).feasible
            assert feasible or not had, (name, driver)
            had = feasible
