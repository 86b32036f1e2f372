"""The compatibility tables answer rightly, and say so where they do not know."""

from __future__ import annotations

import re

import pytest

from llmdoctor import tables
from llmdoctor.tables import NoTriton, TritonPin, UnknownRelease

# --- torch releases


@pytest.mark.parametrize("version", ["2.9.1", "2.9.1+cu126", "2.9"])
def test_a_release_is_found_by_patch_local_version_or_minor(version: str) -> None:
    release = tables.torch_release(version)
    assert (release.version, release.minor) == ("2.9.1", "2.9")


@pytest.mark.parametrize(
    "version",
    ["2.16.0", "2.9.7", "1.13.1", "2.9.0a0+50eac811a6.nv25.09", "2.9.0.dev20250901", "2", ""],
)
def test_a_release_the_table_lacks_is_said_and_never_guessed(version: str) -> None:
    with pytest.raises(UnknownRelease, match="is not in the table of 20") as caught:
        tables.torch_release(version)
    assert f"torch {version} is not in the table of {tables.table_date('torch')}" in str(
        caught.value
    )


def test_two_point_ten_is_not_two_point_one() -> None:
    assert tables.torch_release("2.10").patches == ("2.10.0",)
    assert tables.torch_release("2.1").patches == ("2.1.0", "2.1.1", "2.1.2")


def test_a_python_dropped_within_a_minor_is_missing_from_the_later_patch_only() -> None:
    assert "3.13t" in tables.torch_release("2.12.0").python
    assert "3.13t" not in tables.torch_release("2.12.1").python


def test_a_python_with_wheels_on_one_platform_is_not_offered_on_another() -> None:
    release = tables.torch_release("2.5.1")
    assert "3.13" in release.python_on("linux", "x86_64")
    assert "3.13" not in release.python_on("windows", "x86_64")
    assert release.python_on("windows", "aarch64") == ()


def test_mainline_cu126_has_no_blackwell_code_and_cu128_has() -> None:
    release = tables.torch_release("2.9.1")
    cu126 = release.architectures("cu126", "linux", "x86_64")
    cu128 = release.architectures("cu128", "linux", "x86_64")
    assert cu126 is not None
    assert cu128 is not None
    for blackwell in ("10.0", "12.0", "12.1"):
        assert not tables.any_runs_on(cu126, blackwell, "cu126")
        assert tables.any_runs_on(cu128, blackwell, "cu128")


def test_volta_is_served_by_linux_cu128_of_2_8_to_2_10_only() -> None:
    def serves(version: str, os: str = "linux") -> bool:
        codes = tables.torch_release(version).architectures("cu128", os, "x86_64")
        assert codes is not None
        return tables.any_runs_on(codes, "7.0", "cu128")

    assert [serves(v) for v in ("2.7", "2.8", "2.9", "2.10", "2.11")] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert not serves("2.9", "windows")


def test_gb10_is_served_by_the_aarch64_cu128_build() -> None:
    codes = tables.torch_release("2.10.0").architectures("cu128", "linux", "aarch64")
    assert codes is not None
    assert tables.any_runs_on(codes, "12.1", "cu128")


def test_architectures_tell_cpu_from_unpublished_and_unknown() -> None:
    release = tables.torch_release("2.8.0")
    assert release.architectures("cpu", "macos", "arm64") == ()
    assert release.architectures("cu126", "macos", "arm64") is None
    assert not release.publishes("cu126", "macos", "arm64")
    # Published, but nobody read what it was compiled for.
    assert release.publishes("cu129", "linux", "aarch64")
    assert release.architectures("cu129", "linux", "aarch64") is None


def test_a_variant_only_one_source_lists_is_not_offered_but_named() -> None:
    release = tables.torch_release("2.15.0")
    assert release.variants == ("cpu", "cu132")
    assert release.unconfirmed_variants == ("cu126", "cu130", "cu134")
    assert not release.publishes("cu130", "linux", "x86_64")


def test_torch_2_6_was_published_with_both_cxx_abis() -> None:
    release = tables.torch_release("2.6.0")
    assert release.cxx11_abi("cu124") is False
    assert release.cxx11_abi("cu126") is True
    assert release.cxx11_abi("cpu", "aarch64") is True
    assert (release.glibc("x86_64"), release.glibc("x86_64", "cu126")) == ("2.17", "2.28")
    assert release.glibc("riscv64") is None
    assert tables.torch_release("2.5.1").cxx11_abi("cu124") is False
    assert tables.torch_release("2.7.1").cxx11_abi("cu126") is True
    assert tables.torch_release("2.5.1").cxx11_abi("cpu", "aarch64") is None
    assert tables.torch_release("2.9.1").cxx11_abi("cu118") is None  # no such build


def test_cudnn_differs_by_variant_where_the_release_says_so() -> None:
    release = tables.torch_release("2.9.1")
    assert (release.cudnn_of("cu128"), release.cudnn_of("cu130")) == ("9.10.2.21", "9.13.0.50")


@pytest.mark.parametrize(
    ("version", "os", "arch", "variant"),
    [
        ("2.6.0", "linux", "x86_64", "cu124"),
        ("2.9.1", "linux", "x86_64", "cu128"),
        ("2.9.1", "linux", "aarch64", "cpu"),
        ("2.11.0", "linux", "aarch64", "cu130"),
        ("2.14.1", "linux", "x86_64", "cu130"),
        ("2.15.0", "linux", "x86_64", "cu132"),
        ("2.15.0", "windows", "x86_64", "cpu"),
        ("2.2.2", "macos", "x86_64", "cpu"),
        ("2.3.0", "macos", "x86_64", None),
    ],
)
def test_what_a_plain_pip_install_gives(
    version: str, os: str, arch: str, variant: str | None
) -> None:
    assert tables.pypi_default_variant(version, os, arch) == variant


# --- drivers


def test_the_floor_is_that_of_the_cuda_major() -> None:
    versions = set()
    for cuda in ("12.6", "12", "cu126", "cu130"):
        floor = tables.driver_floor(cuda, "linux")
        assert floor is not None
        versions.add((cuda, floor.version))
    assert versions == {
        ("12.6", "525.60.13"),
        ("12", "525.60.13"),
        ("cu126", "525.60.13"),
        ("cu130", "580.65.06"),
    }


def test_the_windows_floor_of_cuda_13_is_a_branch_and_says_it_is_unverified() -> None:
    floor = tables.driver_floor("13.0", "windows")
    assert floor is not None
    assert (floor.version, floor.exact, floor.status) == ("580", False, "unverified")
    older = tables.driver_floor("12.8", "windows")
    assert older is not None
    assert (older.version, older.exact) == ("527.41", True)


def test_a_floor_nobody_read_is_none() -> None:
    assert tables.driver_floor("14.0", "linux") is None
    assert tables.driver_floor("8.0", "linux") is None
    assert tables.driver_floor("12.6", "macos") is None


@pytest.mark.parametrize(
    ("capability", "os", "branch"),
    [
        ("8.0", "linux", "450"),
        ("8.6", "linux", "455"),
        ("8.6", "windows", None),  # no source says
        ("8.9", "windows", "520"),
        ("9.0", "linux", "520"),
        ("10.0", "linux", "570"),
        ("12.0", "windows", "570"),
        ("12.1", "linux", "575"),
        ("6.1", "linux", None),
        ("8.7", "linux", None),  # a Jetson: its drivers are numbered otherwise
        ("99.9", "linux", None),
        ("12.0", "macos", None),
    ],
)
def test_the_first_driver_of_a_gpu_is_a_branch_or_unknown(
    capability: str, os: str, branch: str | None
) -> None:
    first = tables.gpu_driver(capability, os)
    assert (first.version if first else None) == branch
    assert first is None or (not first.exact and first.source)


def test_a_toolkit_driver_is_that_of_its_own_release() -> None:
    exact = tables.toolkit_driver("12.6.3", "linux")
    first = tables.toolkit_driver("cu126", "windows")
    assert exact is not None
    assert first is not None
    assert (exact.version, first.version) == ("560.35.05", "560.76")
    assert tables.toolkit_driver("13.0", "windows") is None
    assert tables.toolkit_driver("13.5", "linux") is None


def test_drivers_compare_by_number_and_not_as_text() -> None:
    assert tables.compare_driver("535.183.01", "525.60.13") == 1
    assert tables.compare_driver("99.0", "525.60.13") == -1
    assert tables.compare_driver("570.26", "570.124.06") == -1
    assert tables.compare_driver("580.88", "580") == 1
    assert tables.compare_driver("580", "580.0.0") == 0


def test_a_variant_names_its_cuda() -> None:
    assert [tables.cuda_of_variant(v) for v in ("cu118", "cu126", "cu130")] == [
        "11.8",
        "12.6",
        "13.0",
    ]
    for other in ("cpu", "rocm6.4", "cu12"):
        with pytest.raises(ValueError, match="not a CUDA variant"):
            tables.cuda_of_variant(other)


# --- GPUs


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("NVIDIA GeForce RTX 4090", "8.9"),
        ("RTX 4090", "8.9"),
        ("rtx4090", "8.9"),
        ("GeForce RTX 4090 Laptop GPU", "8.9"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", "8.9"),
        ("Tesla T4", "7.5"),
        ("A100-SXM4-80GB", "8.0"),
        ("NVIDIA A100 80GB PCIe", "8.0"),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "8.0"),
        ("A100 80 GB", "8.0"),
        ("Tesla V100S-PCIE-32GB", "7.0"),
        ("GRID T4-16Q", "7.5"),
        ("NVIDIA H100 80GB HBM3", "9.0"),
        ("NVIDIA GH200 480GB", "9.0"),
        ("NVIDIA GB10", "12.1"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "12.0"),
        ("NVIDIA GeForce RTX 2080 with Max-Q Design", "7.5"),
        # Names that look like an older or newer generation than they are.
        ("NVIDIA GeForce MX450", "7.5"),
        ("NVIDIA GeForce RTX 2050", "8.6"),
        ("Quadro RTX 6000", "7.5"),
        ("NVIDIA RTX A6000", "8.6"),
        ("NVIDIA RTX 6000 Ada Generation", "8.9"),
        ("NVIDIA GeForce GTX TITAN X", "5.2"),
        ("NVIDIA TITAN X (Pascal)", "6.1"),
    ],
)
def test_a_gpu_is_known_by_every_usual_spelling(name: str, capability: str) -> None:
    assert tables.capability_of(name) == capability


@pytest.mark.parametrize(
    "name",
    ["RTX 9090", "RTX 40", "RTX", "4090", "RTX 6000", "RTX 5070 SUPER", "GTX 750 Tie", "NVIDIA", "", "Radeon RX 7900 XTX",
     "NVIDIA Graphics Device", "NVIDIA device 2684", "A1000000", "RTX 4090 4080"],
)  # fmt: skip
def test_a_gpu_the_table_lacks_is_none_and_never_its_neighbour(name: str) -> None:
    assert tables.capability_of(name) is None


def test_the_nearest_names_are_offered_for_a_typing_mistake() -> None:
    assert tables.nearest_gpu_names("GeForce RTX 4900")[0] in ("RTX 4090", "RTX 3090")
    assert "RTX 5090" in tables.nearest_gpu_names("RTX 5900")
    assert tables.nearest_gpu_names("zzzzzzzzzzzz") == []


def test_desktop_code_skips_jetson_until_the_build_uses_cuda_13_2() -> None:
    assert not tables.runs_on("8.0", "8.7")
    assert not tables.runs_on("8.6", "8.7", "cu130")
    assert tables.runs_on("8.6", "8.7", "13.2")
    assert not tables.runs_on("5.0", "5.3", "13.2")
    assert tables.runs_on("8.7", "8.7")
    assert not tables.runs_on("8.7", "8.9")


def test_thor_runs_code_of_both_its_names() -> None:
    assert tables.runs_on("10.1", "11.0")
    assert tables.runs_on("11.0", "11.0")
    assert not tables.runs_on("10.0", "11.0")
    assert not tables.runs_on("11.0", "12.0")


def test_ada_runs_ampere_code_but_not_the_reverse() -> None:
    assert tables.runs_on("8.6", "8.9")
    assert not tables.runs_on("8.9", "8.6")


def test_feature_minimums_and_where_a_feature_ends_again() -> None:
    names = ("bf16", "fp8", "triton", "flash_attn_2", "flash_attn_3")
    assert [tables.feature_minimum(n) for n in names] == ["8.0", "8.9", "7.0", "8.0", "9.0"]
    assert tables.feature("flash_attn_2").works_on("12.0")
    assert not tables.feature("flash_attn_2").works_on("7.5")
    assert not tables.feature("flash_attn_3").works_on("10.0")
    with pytest.raises(KeyError, match="flash_attn_2"):
        tables.feature("flash_attn_9")


# --- Triton


@pytest.mark.parametrize(
    ("torch", "arch", "specifier"),
    [
        ("2.6.0", "x86_64", "==3.2.0"),
        ("2.9.0", "x86_64", "==3.5.0"),
        ("2.9.1", "x86_64", "==3.5.1"),
        ("2.9.1", "aarch64", "==3.5.1"),
        ("2.15.0", "x86_64", "~=3.9.0"),
    ],
)
def test_linux_gets_the_triton_of_that_very_patch(torch: str, arch: str, specifier: str) -> None:
    pin = tables.triton_for(torch, "linux", arch, "3.12")
    assert isinstance(pin, TritonPin)
    assert (pin.package, pin.specifier) == ("triton", specifier)


def test_windows_gets_triton_windows_of_the_same_line() -> None:
    pin = tables.triton_for("2.6.0", "windows", "x86_64", "3.12")
    assert isinstance(pin, TritonPin)
    assert (pin.package, pin.specifier, pin.newest) == (
        "triton-windows",
        ">=3.2,<3.3",
        "3.2.0.post21",
    )


@pytest.mark.parametrize(
    ("torch", "os", "arch", "python", "why"),
    [
        ("2.6.0", "linux", "aarch64", "3.12", "only from 3.5.0"),
        ("2.9.1", "linux", "ppc64le", "3.12", "no wheels for Linux ppc64le"),
        ("2.9.1", "macos", "arm64", "3.12", "no wheels for macos"),
        ("2.15.0", "windows", "x86_64", "3.12", "has no such line"),
        ("2.3.1", "windows", "x86_64", "3.11", "has no such line"),
        ("2.13.0", "windows", "aarch64", "3.12", "x86_64 only"),
        ("2.2.2", "linux", "x86_64", "3.12", "below Python 3.12 only"),
        ("2.6.0", "linux", "x86_64", "3.13t", "no wheel for Python 3.13t"),
    ],
)
def test_no_triton_is_said_with_its_reason(
    torch: str, os: str, arch: str, python: str, why: str
) -> None:
    answer = tables.triton_for(torch, os, arch, python)
    assert isinstance(answer, NoTriton)
    assert why in answer.reason


# --- the ends of drivers


@pytest.mark.parametrize(
    ("capability", "branch"),
    [("3.7", "470"), ("5.2", "580"), ("6.1", "580"), ("7.0", "580"), ("7.5", None), ("12.0", None)],
)
def test_the_last_driver_branch_of_a_generation(capability: str, branch: str | None) -> None:
    assert tables.last_driver_branch(capability) == branch


def test_no_gpu_ends_before_it_begins() -> None:
    for _, capability in tables.gpu_names():
        first, last = tables.gpu_driver(capability, "linux"), tables.last_driver_branch(capability)
        assert first is None or last is None or tables.compare_driver(first.version, last) <= 0


def test_the_chips_of_jetson_alone_have_drivers_of_jetpack() -> None:
    jetson = {cc for name, cc in tables.gpu_names() if tables.driver_of_jetpack(cc)}
    assert jetson == {"8.7", "11.0"}
    names = [name for name, cc in tables.gpu_names() if cc in jetson]
    assert all(re.search("Jetson|Orin|Thor", name) for name in names)


# --- what the index of the CPU builds serves alone


def test_windows_on_arm64_has_a_cpu_build_and_nothing_else() -> None:
    release = tables.torch_release("2.13.0")
    assert release.publishes("cpu", "windows", "aarch64")
    assert release.python_on("windows", "aarch64") == ("3.11", "3.12", "3.13")
    assert not release.publishes("cu130", "windows", "aarch64")
    assert not tables.torch_release("2.6.0").publishes("cpu", "windows", "aarch64")
