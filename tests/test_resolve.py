"""The resolver's choices: the plans that must come out, and what holds for every machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from packaging.specifiers import SpecifierSet

from llmdoctor import profiles, tables, tags
from llmdoctor.errors import UsageError
from llmdoctor.machine import Gpu
from llmdoctor.plan import Choice
from llmdoctor.profile import Exclusion, Profile, TorchPin, Want
from llmdoctor.resolve import marker_environment, python_range, resolve
from llmdoctor.target import assume

KNOWN = tuple(profiles.builtin().values())
MAINLINE, LEGACY, FLASH = (profiles.find(name) for name in ("mainline", "legacy", "flashattn"))


def choose(names: str, *pairs: str, variant: str = "auto", allow: Sequence[str] = ()) -> Choice:
    wanted = [profiles.find(name) for name in names.split()]
    return resolve(wanted, KNOWN, assume(pairs or ["gpu=none"]), variant=variant, allow=allow)


def codes(choice: Choice) -> set[str]:
    return {reason.code for reason in choice.reasons}


def causes(choice: Choice) -> set[str | None]:
    return {reason.cause for reason in choice.reasons}


# --- the plans that must come out

GH200 = "arch=aarch64,gpu=GH200 480GB,driver=560.35.03"
GB10 = "arch=aarch64,gpu=NVIDIA GB10,driver=580.95.05"
RTX_4090 = "gpu=RTX 4090,driver=560.35.03"


@pytest.mark.parametrize(
    ("names", "pairs", "torch", "variant"),
    [
        ("mainline", "gpu=RTX 4090,driver=535.183.01", "2.9.1", "cu126"),
        ("mainline", "gpu=RTX 4090,driver=560.28.03", "2.9.1", "cu126"),
        ("mainline", "gpu=RTX 4090,driver=525.60.13", "2.9.1", "cu126"),
        ("legacy", "gpu=RTX 4090,driver=535.183.01", "2.6.0", "cu124"),
        ("mainline flashattn", RTX_4090, "2.9.1", "cu126"),
        ("legacy flashattn", RTX_4090, "2.6.0", "cu124"),
        ("mainline", "gpu=RTX 5090,driver=570.86.15", "2.9.1", "cu128"),
        ("mainline", "gpu=RTX 5090,driver=580.95.05", "2.9.1", "cu128"),
        ("mainline", "gpu=RTX 5090", "2.9.1", "cu128"),
        ("mainline", "gpu=GTX 1080 Ti,driver=580.95.05", "2.9.1", "cu126"),
        ("mainline", "gpu=GTX 1080 Ti,driver=580.88,os=windows", "2.9.1", "cu126"),
        ("mainline", "gpu=Tesla T4,driver=535.183.01", "2.9.1", "cu126"),
        ("mainline", "gpu=H100,driver=535.183.01", "2.9.1", "cu126"),
        ("mainline", GH200, "2.9.1", "cu126"),
        ("mainline", GB10, "2.9.1", "cu128"),
        ("mainline", "arch=aarch64", "2.9.1", "cpu"),
        ("cpu", "arch=aarch64", "2.13.0", "cpu"),
        ("mainline", "gpu=none", "2.9.1", "cpu"),
        ("cpu", "gpu=none", "2.13.0", "cpu"),
        ("cpu", RTX_4090, "2.13.0", "cpu"),
        ("mainline", "os=macos,arch=arm64", "2.9.1", "cpu"),
        ("cpu", "os=macos,arch=arm64", "2.13.0", "cpu"),
        ("mainline", "os=windows", "2.9.1", "cpu"),
        ("legacy", "glibc=2.17,gpu=RTX 4090,driver=535.183.01", "2.6.0", "cu124"),
        ("mainline", "gpu=RTX 4090,gpu=RTX 3090,driver=560.35.03", "2.9.1", "cu126"),
        ("mainline", "gpu=RTX 4090,gpu=RTX 5090,driver=570.86.15", "2.9.1", "cu128"),
        ("mainline", "wsl=2,gpu=RTX 4090,driver=560.94", "2.9.1", "cu126"),
        ("mainline", "python=3.10,gpu=none", "2.9.1", "cpu"),
        ("mainline", "python=3.14,gpu=none", "2.9.1", "cpu"),
    ],
)
def test_the_build_that_fits(names: str, pairs: str, torch: str, variant: str) -> None:
    choice = choose(names, pairs)
    assert choice.feasible, choice.reasons
    assert (choice.torch, choice.variant) == (torch, variant)
    assert choice.profiles == tuple(names.split())


@pytest.mark.parametrize(
    ("names", "pairs", "cause", "says"),
    [
        ("mainline", "gpu=RTX 4090,driver=520.61.05", "driver-too-old", "525.60.13 or newer"),
        ("mainline", "gpu=RTX 4090,driver=none", "driver-missing", "no NVIDIA driver answers"),
        ("mainline", "gpu=Tesla K80,driver=470.57", "gpu-dropped-by-torch", "capability 3.7"),
        ("mainline", "gpu=Tesla K80,driver=535.1", "gpu-dropped-by-torch", "capability 3.7"),
        ("legacy", "gpu=RTX 5090,driver=570.86", "gpu-too-new-for-torch", "capability 12.0"),
        ("mainline", "glibc=2.17", "glibc-too-old", "needs glibc 2.28, this system has 2.17"),
        ("mainline", "python=3.9", "no-wheel-for-python", "3.9 is outside >=3.10,<3.15"),
        ("mainline", "python=3.15", "no-wheel-for-python", "3.15 is outside >=3.10,<3.15"),
        ("legacy", "python=3.14", "no-wheel-for-python", "3.14 is outside"),
        ("mainline", "os=macos,arch=x86_64", "no-wheel-for-platform", "Intel Macs with 2.2.2"),
        ("mainline flashattn", "gpu=none", "no-nvidia-gpu", "needs an NVIDIA GPU"),
        ("mainline triton", "os=macos,arch=arm64", "no-nvidia-gpu", "needs an NVIDIA GPU"),
        ("mainline flashattn", "gpu=Tesla T4,driver=560.35", "gpu-too-old-for-flash-attn", "8.0"),
        ("legacy triton", GH200, "no-wheel-for-platform", "only from 3.5.0"),
        (
            "mainline",
            "gpu=GTX 1080 Ti,gpu=RTX 5090,driver=580.95.05",
            "gpu-too-new-for-torch",
            "no kernels for RTX 5090",
        ),
        ("mainline", "wsl=1,gpu=RTX 4090,driver=560.94", "wsl1-no-gpu", "WSL 1 has no GPU"),
        (
            "mainline",
            "wsl=2,gpu=RTX 4090,driver=526.98",  # newer than Linux's floor, older than Windows'
            "driver-too-old",
            "527.41 or newer",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_cause(
    names: str, pairs: str, cause: str, says: str
) -> None:
    choice = choose(names, pairs)
    assert not choice.feasible
    assert cause in causes(choice), choice.reasons
    assert any(says in reason.text for reason in choice.reasons), choice.reasons


def test_musl_has_no_torch_at_all() -> None:
    for names in ("mainline", "legacy", "cpu"):
        target = replace(assume(["gpu=none"]), musl=True, glibc=None)
        choice = resolve([profiles.find(names)], KNOWN, target)
        assert not choice.feasible
        assert any("musl" in reason.text for reason in choice.reasons)
        assert choice.alternatives == ()


@pytest.mark.parametrize("driver", ["525.60.13", "570.86.15", "580.95.05", "999"])
@pytest.mark.parametrize("system", ["linux", "windows"])
def test_blackwell_never_gets_cu126_and_pascal_never_cu128(driver: str, system: str) -> None:
    new = choose("mainline", f"os={system},gpu=RTX 5090,driver={driver}")
    assert new.variant != "cu126"
    assert any("cu126" in item.candidate for item in new.rejected)
    old = choose("mainline", f"os={system},gpu=GTX 1080 Ti,driver={driver}")
    assert old.variant in ("cu126", None)
    forced = [
        choose("mainline", f"os={system},gpu=GTX 1080 Ti,driver={driver}", variant=variant)
        for variant in ("cu128", "cu130")
    ]
    assert not any(choice.feasible for choice in forced)
    assert all(choice.variant is None for choice in forced)


def test_cuda_13_needs_the_driver_of_its_own_family() -> None:
    assert not choose("mainline", "gpu=RTX 4090,driver=575.57.08", variant="cu130").feasible
    assert choose("mainline", "gpu=RTX 4090,driver=580.65.06", variant="cu130").feasible


def requirement(choice: Choice, name: str) -> str | None:
    return next((item.text for item in choice.requirements if item.name == name), None)


def test_flash_attn_on_windows_is_a_windows_wheel_and_its_own_triton() -> None:
    choice = choose("mainline flashattn", "os=windows,gpu=RTX 4090,driver=560.94,python=3.12")
    assert choice.feasible
    wheel = next(item for item in choice.requirements if item.name == "flash-attn")
    assert wheel.source == "wheel"
    assert str(wheel.url).endswith("-cp312-cp312-win_amd64.whl")
    assert "torch2.9" in str(wheel.url)
    assert requirement(choice, "triton-windows") == "triton-windows>=3.5,<3.6"
    assert requirement(choice, "triton") is None
    assert choice.imports == ("torch", "transformers", "peft", "accelerate", "flash_attn")


def test_flash_attn_on_linux_is_a_wheel_of_the_chosen_cuda() -> None:
    choice = choose("mainline flashattn", RTX_4090 + ",python=3.12")
    wheel = next(item for item in choice.requirements if item.name == "flash-attn")
    name = str(wheel.url).rpartition("/")[2].replace("%2B", "+")
    assert "+cu126torch2.9" in name
    assert tags.fits(name, choice.target)
    assert requirement(choice, "triton") == "triton==3.5.1"
    assert any(reason.code == "wheel" for reason in choice.reasons)
    assert any("flash-attn 2.8.3, official" in item.candidate for item in choice.rejected)


# --- add-ons alone, alternatives, the user's own wishes


def test_addons_alone_choose_the_first_stack_that_carries_them() -> None:
    choice = choose("flashattn", RTX_4090)
    assert choice.profiles == ("mainline", "flashattn")
    assert choose("flashattn triton mistral3", RTX_4090).profiles[0] == "mainline"


def test_addons_alone_fall_back_to_the_next_stack_and_say_why() -> None:
    old = choose("triton", "glibc=2.17,gpu=RTX 4090,driver=535.183.01")
    assert old.profiles == ("legacy", "triton")
    assert any("torch 2.9.1+cu126" in item.candidate for item in old.rejected)


def test_addons_alone_that_fit_no_stack_name_every_build_of_every_stack() -> None:
    choice = choose("flashattn", "gpu=RTX 4090,driver=520.61.05")
    assert not choice.feasible
    seen = {item.candidate for item in choice.rejected}
    for stack in (MAINLINE, LEGACY):
        assert stack.torch is not None
        assert {f"torch {stack.torch.version}+{name}" for name in stack.torch.variants} <= seen


def test_a_forced_build_finds_the_stack_that_has_it() -> None:
    choice = choose("flashattn", RTX_4090, variant="cu124")
    assert (choice.profiles, choice.variant) == (("legacy", "flashattn"), "cu124")


@pytest.mark.parametrize(
    ("names", "pairs", "instead"),
    [
        ("mainline flashattn", "gpu=Tesla T4,driver=560.35", ("mainline",)),
        ("mainline", "glibc=2.17,gpu=RTX 4090,driver=535.183.01", ("legacy",)),
        ("mainline", "gpu=RTX 4090,driver=520.61.05", ("cpu",)),
        ("legacy flashattn", "gpu=RTX 5090,driver=570.86.15", ("mainline", "flashattn")),
        ("flashattn", "gpu=none", ("mainline",)),
        ("mainline", "gpu=GTX 1080 Ti,gpu=RTX 5090,driver=580.95.05", ("cpu",)),
    ],
)
def test_an_alternative_is_offered(names: str, pairs: str, instead: tuple[str, ...]) -> None:
    choice = choose(names, pairs)
    assert not choice.feasible
    assert instead in {item.profiles for item in choice.alternatives}
    for item in choice.alternatives:
        if item.fits_here:
            assert choose(" ".join(item.profiles), pairs).feasible
            assert "(torch " in item.text


def test_a_build_that_was_asked_for_is_the_only_one_tried() -> None:
    choice = choose("mainline", RTX_4090, variant="cu128")
    assert (choice.variant, choice.rejected) == ("cu128", ())
    assert choose("mainline", RTX_4090, variant="cpu").variant == "cpu"


def test_a_build_that_was_asked_for_and_does_not_fit_gets_the_one_that_does_as_alternative() -> (
    None
):
    choice = choose("mainline", "gpu=RTX 5090,driver=570.86.15", variant="cu126")
    assert not choice.feasible
    assert choice.alternatives[0].profiles == ("mainline",)
    assert "2.9.1+cu128" in choice.alternatives[0].text


def test_a_build_that_the_stack_lacks_is_a_usage_error_that_names_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"mainline has no build 'cu118'.*cu126, cu128, cu130"):
        choose("mainline", variant="cu118")
    with pytest.raises(UsageError, match="have no build 'cu118'"):
        choose("flashattn", variant="cu118")


def test_two_stacks_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="mainline and legacy are two stacks") as caught:
        choose("mainline legacy")
    assert caught.value.next_command == "llmdoctor plan --profile mainline"


def test_an_addon_of_other_stacks_says_which_it_goes_with() -> None:
    choice = choose("legacy mistral3", RTX_4090)
    assert not choice.feasible
    assert any(re.search("goes with mainline.*, not with legacy", r.text) for r in choice.reasons)
    assert ("mainline", "mistral3") in {item.profiles for item in choice.alternatives}


def test_addons_that_share_no_stack_are_a_usage_error() -> None:
    other = replace(FLASH, name="other", stacks=("gone",))
    with pytest.raises(UsageError, match="no stack carries flashattn and other"):
        resolve([FLASH, other], KNOWN, assume([RTX_4090]))


def test_an_exclusion_counts_where_it_applies_and_is_overridden_by_its_code() -> None:
    ban = Exclusion("arm-broken", "it hangs", "a test", "2026-11-20", arch=("aarch64",))
    banned = replace(MAINLINE, exclusions=(ban,))
    known = (banned, *KNOWN)
    arm, x86 = assume(["arch=aarch64"]), assume(["gpu=none"])
    refused = resolve([banned], known, arm)
    assert not refused.feasible
    assert any("--allow arm-broken" in reason.text for reason in refused.reasons)
    assert resolve([banned], known, arm, allow=["arm-broken"]).feasible
    assert resolve([banned], known, x86).feasible


def test_an_exclusion_of_one_build_leaves_the_others() -> None:
    ban = Exclusion("cu126-broken", "x", "a test", "2026-11-20", variants=("cu126",))
    choice = resolve([replace(MAINLINE, exclusions=(ban,))], KNOWN, assume([RTX_4090]))
    assert choice.variant == "cu128"


def own_addon(*wants: Want) -> Profile:
    return Profile("own", "addon", "Own", "An add-on of one's own.", packages=wants)


def test_an_addon_that_needs_no_gpu_does_not_lead_to_the_processor_where_there_is_one() -> None:
    choice = resolve([own_addon()], KNOWN, assume(["gpu=RTX 4090,driver=520.61.05"]))
    assert not choice.feasible
    assert ("cpu", "own") in {item.profiles for item in choice.alternatives}
    assert resolve([own_addon()], KNOWN, assume(["gpu=none"])).variant == "cpu"


def test_two_bounds_on_one_package_both_hold() -> None:
    addon = own_addon(Want("numpy", "<2.2"), Want("transformers", ">=5.0.0,<5.1.0"))
    choice = resolve([MAINLINE, addon], KNOWN, assume(["gpu=none"]))
    assert requirement(choice, "numpy") == "numpy>=1.26.0,<2.2"
    assert requirement(choice, "transformers") == "transformers>=5.0.0,<5.1.0"


def test_a_marker_picks_the_package_of_the_targets_python() -> None:
    assert requirement(choose("cpu", "python=3.12"), "transformers") != requirement(
        choose("cpu", "python=3.10"), "transformers"
    )


def test_a_torch_that_the_table_lacks_is_said_and_never_guessed() -> None:
    pin = TorchPin("9.9.9", ("cu126", "cpu"), "the future", "a test")
    own = replace(MAINLINE, name="future", torch=pin)
    choice = resolve([own], (*KNOWN, own), assume([RTX_4090]))
    assert not choice.feasible
    assert codes(choice) == {"torch-unknown"}
    assert "torch 9.9.9 is not in the table of" in choice.reasons[0].text


def test_a_stack_of_ones_own_is_held_to_the_wheels_of_each_build_and_platform() -> None:
    def own(version: str, *variants: str) -> Profile:
        return replace(MAINLINE, python="", torch=TorchPin(version, variants, "own", "a test"))

    old = assume(["glibc=2.17,gpu=RTX 4090,driver=535.183.01"])
    assert resolve([own("2.6.0", "cu124")], KNOWN, old).feasible
    assert not resolve([own("2.6.0", "cu126")], KNOWN, old).feasible
    windows = assume(["os=windows,python=3.13"])
    choice = resolve([own("2.5.1", "cpu")], KNOWN, windows)
    assert not choice.feasible
    assert "has wheels for Python 3.9, 3.10, 3.11, 3.12, not for 3.13" in choice.reasons[0].text
    assert resolve([own("2.5.1", "cpu")], KNOWN, replace(windows, os="linux")).feasible


def test_the_python_of_an_addon_counts_as_that_of_a_stack_does() -> None:
    young = replace(own_addon(), python=">=3.12", python_reason="it says so")
    assert resolve([MAINLINE, young], KNOWN, assume(["python=3.12"])).feasible
    choice = resolve([MAINLINE, young], KNOWN, assume(["python=3.11"]))
    assert [reason.text for reason in choice.reasons if reason.code == "python"] == [
        "own needs Python >=3.12 (it says so), this is 3.11"
    ]


def test_what_is_built_for_one_torch_comes_from_the_index_of_its_build() -> None:
    choice = choose("mainline xformers", RTX_4090)
    (item,) = (item for item in choice.requirements if item.name == "xformers")
    assert item.source == "torch"
    assert re.fullmatch(r"xformers==\d.*", item.text)


# --- marker variables


def test_markers_of_a_target_are_those_of_an_interpreter_there() -> None:
    from packaging.markers import Marker, default_environment

    windows = marker_environment(assume(["os=windows,python=3.11"]))
    assert set(windows) >= set(default_environment())
    for text in (
        "sys_platform == 'win32'",
        "platform_system == 'Windows' and os_name == 'nt'",
        "python_version == '3.11' and python_full_version >= '3.11'",
        "platform_machine == 'AMD64'",
        "implementation_name == 'cpython'",
    ):
        assert Marker(text).evaluate(dict(windows)), text
    macos = marker_environment(assume(["os=macos,arch=arm64"]))
    assert Marker("sys_platform == 'darwin' and platform_machine == 'arm64'").evaluate(dict(macos))


# --- memory, Pythons and what is only guessed


def test_too_little_memory_refuses_the_profiles_that_state_a_need_unless_allowed() -> None:
    small = choose("cpu", "gpu=none", "ram=256MB")
    assert (small.feasible, codes(small)) == (False, {"memory"})
    assert "--allow memory" in small.reasons[0].text
    assert choose("cpu", "gpu=none", "ram=256MB", allow=["memory"]).feasible
    assert choose("cpu", "gpu=none", "ram=512MB").feasible
    assert choose("mainline", "gpu=none", "ram=256MB").feasible  # states none


def test_a_free_threaded_python_is_refused_as_that() -> None:
    target = replace(assume(["gpu=none"]), python="3.13t")
    choice = resolve([profiles.find("cpu")], KNOWN, target)
    assert not choice.feasible
    assert "3.13t is free-threaded" in choice.reasons[0].text
    assert causes(choice) == {"no-wheel-for-python"}


def test_the_range_of_python_is_what_all_of_them_allow() -> None:
    assert python_range([MAINLINE], KNOWN) == MAINLINE.python
    assert python_range([LEGACY, FLASH], KNOWN) == LEGACY.python
    retention = profiles.find("retention")
    assert python_range([MAINLINE, retention], KNOWN) == f"{MAINLINE.python},{retention.python}"
    assert python_range([profiles.find("cpu"), MAINLINE], KNOWN) == MAINLINE.python  # once


def test_add_ons_alone_take_the_range_of_the_stack_that_carries_them() -> None:
    assert FLASH.python == ""
    assert not SpecifierSet(python_range([FLASH], KNOWN)).contains("3.15.0")
    assert SpecifierSet(python_range([FLASH], KNOWN)).contains("3.12.4")
    orphan = Profile("lone", "addon", "Lone", "", python=">=3.11", stacks=("gone",))
    assert python_range([orphan], KNOWN) == ">=3.11"


def test_the_notes_of_profiles_and_wheels_are_among_the_reasons() -> None:
    choice = choose("mainline flashattn", RTX_4090)
    texts = [reason.text for reason in choice.reasons]
    assert f"mainline: {MAINLINE.notes[0]}" in texts
    found = tables.find_wheel(
        "flash-attn", "2.9.1", "cu126", "3.12", "linux", "x86_64", "2.35", ("8.9",)
    )
    notes = [note for note in found.notes if note]
    assert notes
    assert {f"flash-attn: {note}" for note in notes} <= set(texts)


def test_a_feature_says_what_works_instead_of_it() -> None:
    t4 = choose("mainline flashattn", "gpu=Tesla T4,driver=560.35")
    assert "SDPA" in t4.alternatives[0].text
    old = choose("mainline xformers", "gpu=GTX 1080 Ti,driver=560.35")
    assert "gpu-too-old-for-flash-attn" not in causes(old)
    assert "SDPA" not in old.alternatives[0].text


def test_a_driver_that_is_too_old_is_answered_with_the_one_that_is_needed() -> None:
    choice = resolve([profiles.find("mainline")], KNOWN, assume(["gpu=RTX 4090,driver=520.61.05"]))
    assert not choice.feasible
    assert "525.60.13 or newer" in choice.alternatives[0].text
    assert choice.alternatives[0].profiles == ("mainline",)


@pytest.mark.parametrize(("driver", "feasible"), [("525", True), ("525.53", False), ("520", False)])
def test_a_driver_branch_is_judged_as_the_branch(driver: str, feasible: bool) -> None:
    mainline = profiles.find("mainline")
    choice = resolve([mainline], KNOWN, assume([f"gpu=RTX 4090,driver={driver}"]))
    assert choice.feasible is feasible


# --- drivers that know a GPU, stacks for one machine, builds for another one


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ("gpu=RTX 5090,driver=535.183.01", "RTX 5090 needs driver 570 or newer"),
        ("gpu=RTX 5090,driver=560", "RTX 5090 needs driver 570 or newer"),
        ("gpu=B200,driver=550.54.14", "B200 needs driver 570 or newer"),
        ("os=windows,gpu=RTX 5080,driver=566.36", "RTX 5080 needs driver 570 or newer"),
        ("wsl=2,gpu=RTX 5080,driver=566.36", "RTX 5080 needs driver 570 or newer"),
        ("gpu=RTX 4090,gpu=RTX 5090,driver=550.54.14", "RTX 5090 needs driver 570 or newer"),
        ("arch=aarch64,gpu=GB10,driver=570.86.15", "GB10 needs driver 575 or newer"),
    ],
)
def test_a_driver_older_than_the_gpu_is_refused_and_the_one_it_needs_named(
    pairs: str, says: str
) -> None:
    choice = choose("mainline", pairs)
    assert not choice.feasible
    reason = next(reason for reason in choice.reasons if reason.text.startswith(says))
    assert (reason.code, reason.cause) == ("driver-too-old", "driver-too-old")
    assert choice.alternatives[0].profiles == ("mainline",)
    assert says.removesuffix(" or newer").rpartition(" ")[2] in choice.alternatives[0].text


def test_the_first_driver_branch_of_a_gpu_is_enough_and_a_plan_says_what_the_gpu_needs() -> None:
    for driver in ("570", "570.26"):
        choice = choose("mainline", f"gpu=RTX 5090,driver={driver}")
        assert choice.variant == "cu128"
        assert "RTX 5090 needs driver 570 or newer" in [reason.text for reason in choice.reasons]


def test_a_gpu_that_is_older_than_every_cuda_adds_no_driver_of_its_own() -> None:
    choice = choose("mainline", "gpu=GTX 1080 Ti,driver=525.60.13")
    assert choice.feasible
    assert not [reason for reason in choice.reasons if "1080 Ti needs driver" in reason.text]


GB10_ALONE = "arch=aarch64,gpu=GB10,driver=580.95.05"


@pytest.mark.parametrize(
    "pairs",
    ["gpu=RTX 4090,driver=580.95.05", GH200.replace("560.35.03", "580.95.05"), "gpu=RTX 5090"],
)
def test_a_stack_for_one_kind_of_machine_is_not_offered_on_another(pairs: str) -> None:
    gone = replace(own_addon(), stacks=("legacy", "gb10"))
    choice = resolve([gone], KNOWN, assume([pairs + ",python=3.14"]))
    assert not choice.feasible
    assert not [item for item in choice.alternatives if "gb10" in item.profiles]
    reasons = [item.reason for item in choice.rejected if "2.10.0" in item.candidate]
    assert reasons
    assert all("gb10 is for aarch64" in reason for reason in reasons)
    assert choose("gb10", pairs).feasible  # named, it is taken


def test_on_its_own_machine_such_a_stack_is_offered() -> None:
    assert ("gb10",) in {item.profiles for item in choose("legacy", GB10_ALONE).alternatives}
    gone = replace(own_addon(), stacks=("gb10",))
    assert resolve([gone], KNOWN, assume([GB10_ALONE])).profiles == ("gb10", "own")


def test_a_build_for_another_machine_needs_its_variant_and_its_code() -> None:
    refused = choose("mainline flashattn", variant="cu126")
    assert causes(refused) == {"no-nvidia-gpu"}
    assert "(override: --allow no-gpu)" in refused.reasons[0].text
    allowed = choose("mainline flashattn", variant="cu126", allow=["no-gpu"])
    assert (allowed.feasible, allowed.variant) == (True, "cu126")
    assert any("%2Bcu126torch2.9" in str(item.url) for item in allowed.requirements)
    (said,) = (reason.text for reason in allowed.reasons if reason.code == "no-gpu")
    assert "no NVIDIA GPU is there" in said
    assert "525.60.13" in said


def test_without_a_variant_that_code_changes_nothing_and_says_so() -> None:
    assert choose("mainline", allow=["no-gpu"]).variant == "cpu"
    refused = choose("mainline flashattn", allow=["no-gpu"])
    assert not refused.feasible
    assert "counts together with --variant" in refused.reasons[0].text


def test_a_build_for_another_machine_still_has_to_exist_for_this_system() -> None:
    mac = choose("mainline", "os=macos,arch=arm64", variant="cu126", allow=["no-gpu"])
    assert causes(mac) == {"no-wheel-for-platform"}
    old = choose("mainline", "glibc=2.17", variant="cu126", allow=["no-gpu"])
    assert causes(old) == {"glibc-too-old"}


def test_a_gpu_that_is_there_is_judged_also_where_none_is_needed() -> None:
    choice = choose("mainline", "gpu=GTX 1080 Ti", variant="cu128", allow=["no-gpu"])
    assert causes(choice) == {"gpu-dropped-by-torch"}


# --- several GPUs of which some are lost


def instead(choice: Choice) -> list[str]:
    """The ways out that ask for something to be set or replaced."""
    return [item.text for item in choice.alternatives if not item.fits_here]


def only(indices: str, names: str, build: str) -> str:
    order = "CUDA_DEVICE_ORDER=PCI_BUS_ID"  # else CUDA's numbers are not those of nvidia-smi
    return f"with {order} CUDA_VISIBLE_DEVICES={indices}: {names} alone, torch {build}"


def test_each_part_of_a_mixed_machine_that_works_is_named_with_its_numbers_and_build() -> None:
    choice = choose("mainline", "gpu=GTX 1080 Ti,gpu=RTX 5090,driver=580.95.05")
    assert instead(choice) == [
        only("0", "GTX 1080 Ti", "2.9.1+cu126"),
        only("1", "RTX 5090", "2.9.1+cu128"),
    ]
    assert all(item.profiles == ("mainline",) for item in choice.alternatives[:2])
    kepler = choose("mainline", "gpu=RTX 4090,gpu=Tesla K80,gpu=Tesla T4,gpu=Tesla K20")
    assert instead(kepler) == [only("0,2", "RTX 4090 and Tesla T4", "2.9.1+cu126")]


def test_every_gpu_that_a_build_loses_is_named_with_it() -> None:
    choice = choose("mainline", "gpu=Tesla K80,gpu=Tesla T4,gpu=Tesla K20,gpu=Tesla K80")
    text = choice.reasons[0].text
    assert "no kernels for Tesla K80 (compute capability 3.7) and Tesla K20" in text
    assert text.count("Tesla K80") == 1


def test_a_gpu_that_an_addon_does_not_serve_can_be_hidden_from_it() -> None:
    choice = choose("mainline flashattn", "gpu=GTX 1080 Ti,gpu=RTX 4090,driver=580.95.05")
    assert instead(choice) == [only("1", "RTX 4090", "2.9.1+cu126")]
    alone = choose("flashattn", "gpu=GTX 1080 Ti,gpu=RTX 4090,driver=580.95.05")
    assert instead(alone) == [only("1", "RTX 4090", "2.9.1+cu126")]
    assert alone.alternatives[0].profiles == ("mainline", "flashattn")


def test_a_gpu_that_nobody_knows_can_be_hidden_too() -> None:
    target = assume(["gpu=RTX 4090,driver=560.35.03"])
    target = replace(target, gpus=(*target.gpus, Gpu(1, "Unheard Of")))
    choice = resolve([MAINLINE], KNOWN, target)
    assert codes(choice) >= {"gpu-unknown"}
    assert instead(choice) == [only("0", "RTX 4090", "2.9.1+cu126")]


def test_what_does_not_hang_on_one_gpu_is_not_answered_with_the_others() -> None:
    old = choose("mainline", "gpu=GTX 1080 Ti,gpu=RTX 5090,python=3.9")
    assert instead(old) == []
    stale = choose("mainline", "gpu=GTX 1080 Ti,gpu=RTX 4090,driver=470.57")
    assert [text.partition(":")[0] for text in instead(stale)] == ["with a newer NVIDIA driver"]


# --- what a driver can help


JETSON = "arch=aarch64,glibc=2.39,gpu=Jetson AGX Thor,driver="


@pytest.mark.parametrize(
    ("pairs", "variant"),
    [(JETSON + "580.00", "cu130"), (JETSON + "575.00", None), ("gpu=B200,driver=580.00", "cu128")],
)
def test_the_driver_of_jetpack_is_judged_as_its_branch_and_no_other_is(
    pairs: str, variant: str | None
) -> None:
    assert choose("mainline", pairs).variant == variant
    assert not choose("mainline", "gpu=B200,driver=580.00", variant="cu130").feasible


@pytest.mark.parametrize("machine", ["gpu=Tesla K80", "gpu=Tesla K80,driver=none"])
def test_a_gpu_that_no_build_serves_is_said_before_the_driver(machine: str) -> None:
    choice = choose("mainline", machine)
    assert choice.reasons[0].code == "gpu-architecture"
    assert instead(choice) == []


def test_an_unknown_gpu_without_a_driver_lacks_the_driver_first() -> None:
    target = replace(
        assume(["os=linux"]), driver_missing=True, gpus=(Gpu(0, "NVIDIA device 2684"),)
    )
    assert "driver-missing" in causes(resolve([MAINLINE], KNOWN, target))


def with_cuda_11() -> Profile:
    return replace(MAINLINE, python="", torch=TorchPin("2.6.0", ("cu118",), "own", "a test"))


def test_a_driver_that_has_forgotten_one_of_the_gpus_is_not_proposed() -> None:
    machine = assume(["gpu=Tesla K80,gpu=RTX 4090,driver=470.57"])  # 8.9 runs from 520 on
    choice = resolve([with_cuda_11()], KNOWN, machine)
    assert "driver-too-old" in codes(choice)
    assert not [text for text in instead(choice) if "newer NVIDIA driver" in text]
    alone = resolve([with_cuda_11()], KNOWN, assume(["gpu=Tesla K80,driver=418.87"]))
    (text,) = instead(alone)
    assert "need 450.80.02 or newer, and the 470 branch is the last for Tesla K80" in text


def test_the_last_branch_of_a_gpu_refuses_nothing() -> None:
    assert choose("mainline", "gpu=GTX 1080 Ti,driver=595.71.05").feasible
    assert resolve([with_cuda_11()], KNOWN, assume(["gpu=Tesla K80,driver=999"])).feasible


# --- gates, and platforms that the index of the CPU builds serves alone


def test_a_gate_names_the_wheel_behind_it() -> None:
    behind = choose("mainline flashattn", GH200, allow=["arm64-flash-attn"])
    wheel = next(item for item in behind.requirements if item.source == "wheel")
    filename = str(wheel.url).rpartition("/")[2].replace("%2B", "+")
    refused = choose("mainline flashattn", GH200)
    gates = [reason.text for reason in refused.reasons if reason.code == "arm64-flash-attn"]
    assert len(gates) == 1
    assert gates[0].endswith(f"which takes {filename})")
    assert any("SDPA" in item.text for item in refused.alternatives)


def test_a_gate_says_where_there_is_no_wheel_behind_it() -> None:
    choice = choose("mainline flashattn", JETSON + "580.00")
    assert any(
        re.search(r"--allow arm64-flash-attn, but no prebuilt flash-attn wheel", reason.text)
        for reason in choice.reasons
    )


@pytest.mark.parametrize(
    ("python", "feasible"), [("3.10", False), ("3.11", True), ("3.13", True), ("3.14", False)]
)
def test_windows_on_arm64_has_the_cpu_build_of_some_pythons(python: str, feasible: bool) -> None:
    choice = choose("cpu", f"os=windows,arch=arm64,python={python}")
    assert choice.feasible is feasible
    assert choice.variant == ("cpu" if feasible else None)
    if not feasible:
        assert "has wheels for Python 3.11, 3.12, 3.13" in choice.reasons[0].text
    assert tables.pypi_default_variant("2.13.0", "windows", "aarch64") is None


# --- what is said first, and what is not offered


@pytest.mark.parametrize("python", ["3.8", "3.15"])
def test_a_python_that_does_not_do_is_said_first_with_one_that_does(python: str) -> None:
    choice = choose("mainline", f"python={python}")
    assert choice.reasons[0].code == "python"
    assert choice.alternatives[0].text.startswith("take Python 3.12: --assume python=3.12")


def test_a_live_machine_takes_its_python_from_an_option() -> None:
    live = replace(assume(["python=3.8"]), assumed=False)
    assert "--python 3.12" in resolve([MAINLINE], KNOWN, live).alternatives[0].text


def test_a_glibc_that_is_too_old_has_a_container_image_as_way_out() -> None:
    text = choose("mainline", "glibc=2.17").alternatives[0].text
    assert "glibc 2.28 or newer" in text
    assert "container image" in text


def test_a_stack_whose_memory_is_not_known_is_no_way_out_of_too_little() -> None:
    choice = choose("cpu", "ram=256MB")
    assert codes(choice) == {"memory"}
    assert choice.alternatives == ()


def test_a_jetson_is_never_offered_another_driver() -> None:
    choice = choose("mainline", "arch=aarch64,gpu=Thor,driver=540.4.0")
    assert "driver-too-old" in codes(choice)
    assert [text for text in instead(choice) if "driver" in text] == []
    said = next(reason.text for reason in choice.reasons if reason.code == "driver-too-old")
    assert said.endswith("a Jetson's driver comes with JetPack")


def test_a_driver_that_is_judged_by_its_branch_says_so() -> None:
    choice = choose("mainline", "arch=aarch64,gpu=Thor,driver=580.00")
    said = next(reason.text for reason in choice.reasons if reason.code == "driver")
    assert said.endswith("(it is judged as its branch, 580)")
    exact = choose("mainline", RTX_4090)
    assert not any("branch" in reason.text for reason in exact.reasons)
