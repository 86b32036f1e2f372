from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import (
    GB10,
    LINUX,
    RTX_4090,
    RTX_5090,
    T4,
    WINDOWS,
    driver,
    judge,
    named,
    only,
    remedy,
    venv,
)
from llmdoctor.checks._built_for import Built, built_for
from llmdoctor.finding import Verdict
from llmdoctor.machine import Gpu, Library, Machine, Note, Package, Torch

ABI = "+cu12torch2.9cxx11abitrue"
WHEEL = "flash_attn-2.8.3+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"


def on(torch: str | None, *packages: Package, gpu: Gpu = RTX_4090, **variables: str) -> Machine:
    environment = venv(*packages, torch=torch)
    nvidia = driver("580.65.06", gpu)
    return Machine(host=LINUX, nvidia=nvidia, environment=environment, variables=variables)


def of(code: str, torch: str, *versions: str) -> Verdict:
    """One check's verdict on a machine with packages written as "name version"."""
    return judge(code, on(torch, *map(named, versions)))


@pytest.mark.parametrize(
    ("version", "torch", "cuda", "abi"),
    [
        ("2.8.3+cu12torch2.9cxx11abitrue", "2.9", 12, True),
        ("2.3.1+cu13torch2.10cxx11abifalse", "2.10", 13, False),
        ("2.8.3+cu128torch2.9", "2.9", 12, None),
        ("2.7.4+cu124torch2.6.0cxx11abifalse", "2.6", 12, False),
        ("2.1.2+pt26cu124", "2.6", 12, None),
        ("2.1.2+pt210cu126", "2.10", 12, None),
        ("0.3.2+cu128.torch2.7.0", "2.7", 12, None),
        ("1.0.0+torch2.8", "2.8", None, None),
    ],
)
def test_what_local_versions_say_of_a_build(
    version: str, torch: str, cuda: int | None, abi: bool | None
) -> None:
    said = version.partition("+")[2]
    assert built_for(Package("some-extension", version)) == Built(said, torch, cuda, abi)


def test_a_build_is_also_told_by_the_wheel_that_the_installer_wrote_down() -> None:
    assert built_for(Package("flash-attn", "2.8.3", origin=WHEEL)) == Built(
        "cu12torch2.8cxx11abiTRUE", "2.8", 12, cxx11_abi=True
    )
    assert built_for(Package("flash-attn", "2.8.3", origin="flash_attn-2.8.3.whl")) is None


def test_versions_that_name_no_build_say_nothing() -> None:
    for name, version in (
        ("flash-attn", "2.8.3"),
        ("torch", "2.9.1+cu126"),
        ("torchvision", "0.24.1+cu126"),
        ("llama-cpp-python", "0.3.1+cu124"),
        ("some-extension", "1.0+g3f2a"),
    ):
        assert built_for(Package(name, version)) is None


@pytest.mark.parametrize(
    ("torch", "version", "words"),
    [
        ("2.8.0+cu126", f"2.8.3{ABI}", "torch 2.9"),
        ("2.9.1+cu130", f"2.8.3{ABI}", "CUDA 13.0"),
        ("2.6.0+cu124", "2.7.4+cu12torch2.6cxx11abitrue", "from before C++11"),
        ("2.9.1+cu126", "2.8.3+cu12torch2.9cxx11abifalse", "the C++11 ABI"),
    ],
)
def test_an_extension_for_another_torch(torch: str, version: str, words: str) -> None:
    finding = only(of("EXT001", torch, f"flash-attn {version}"))
    assert (finding.cause, finding.severity) == ("ext-abi-mismatch", "error")
    assert words in finding.detail
    assert remedy(finding).commands[0][:4] == ("llmdoctor", "install", "--profile", "flashattn")


def test_an_extension_for_this_torch_passes_and_without_torch_nothing_is_said() -> None:
    assert of("EXT001", "2.9.1+cu128", f"flash-attn 2.8.3{ABI}").outcome == "pass"
    assert of("EXT001", "2.9.1+cu128", "flash-attn 2.8.3").outcome == "pass"
    assert judge("EXT001", on(None, Package("flash-attn", f"2.8.3{ABI}"))).outcome == "skip"


def test_every_extension_is_judged_not_only_flash_attention() -> None:
    found = of("EXT001", "2.9.1+cu126", "torch-scatter 2.1.2+pt26cu124", f"causal-conv1d 1.6{ABI}")
    assert only(found).title == "torch-scatter was built for another torch"


def test_a_cuda_alone_counts_for_what_asks_for_torch() -> None:
    package = Package("auto-gptq", "0.7.1+cu118", requires=("torch>=2.0",))
    finding = only(judge("EXT001", on("2.9.1+cu126", package)))
    assert finding.cause == "binary-needs-other-cuda-major"


def test_beside_a_cpu_torch_it_follows_from_that() -> None:
    machine = on("2.9.1+cpu", Package("flash-attn", f"2.8.3{ABI}"))
    finding = only(judge("EXT001", machine))
    assert (finding.cause, finding.severity) == ("torch-cpu-wheel", "warning")
    assert "TORCH003" in finding.detail
    assert judge("EXT001", machine, "cpu").outcome == "pass"


@pytest.mark.parametrize(
    ("torch", "package", "words"),
    [
        ("2.9.1+cu126", "torchvision 0.23.0", "goes with torchvision 0.24"),
        ("2.9.1+cu126", "torchaudio 2.8.0", "goes with torchaudio 2.9"),
        ("2.9.1+cu126", "torchvision 0.24.1+cpu", "it is the cpu build"),
        ("2.9.1+cu130", "torchvision 0.24.1+cu126", "it is the cu126 build"),
        ("2.9.1+cu128", "torchaudio 2.9.1+cu126", "it is the cu126 build"),
    ],
)
def test_torchvision_and_torchaudio_that_are_not_the_pair(
    torch: str, package: str, words: str
) -> None:
    finding = only(of("EXT002", torch, package))
    assert (finding.cause, finding.severity) == ("torchvision-torch-mismatch", "error")
    assert words in finding.detail


@pytest.mark.parametrize(
    ("torch", "package"),
    [
        ("2.9.1+cu126", "torchvision 0.24.1+cu128"),  # the same major is enough
        ("2.9.1+cu126", "torchvision 0.24.0"),
        ("2.9.1+cpu", "torchvision 0.24.1+cpu"),
        (
            "2.10.0.dev20251008",
            "torchaudio 2.8.0.dev20251008",
        ),  # nightlies have numbers of their own
        ("2.15.0", "torchvision 0.30.0"),
    ],
)
def test_pairs_and_what_is_not_known_pass(torch: str, package: str) -> None:
    assert of("EXT002", torch, package).outcome == "pass"


def test_what_the_metadata_pins_is_judged_once() -> None:
    pinned = Package("torchvision", "0.23.0", requires=("torch==2.8.0",))
    machine = on("2.9.1+cu126", pinned)
    assert judge("EXT002", machine).outcome == "pass"
    assert only(judge("PKG002", machine)).cause == "torchvision-torch-mismatch"


def test_xformers_of_a_list_without_metadata_is_judged_by_the_table() -> None:
    finding = only(of("EXT003", "2.9.1+cu126", "xformers 0.0.29.post3"))
    assert (finding.cause, finding.severity) == ("xformers-torch-mismatch", "error")
    assert of("EXT003", "2.6.0+cu126", "xformers 0.0.29.post3").outcome == "pass"
    assert "begins with 0.0.22" in (of("EXT003", "2.9.1+cu126", "xformers 0.0.1").reason or "")
    assert of("EXT003", "2.9.1+cu126").outcome == "skip"
    pinned = Package("xformers", "0.0.29.post3", requires=("torch==2.6.0",))
    assert "PKG002" in (judge("EXT003", on("2.9.1+cu126", pinned)).reason or "")


def test_triton_and_torchao_that_do_not_go_with_torch() -> None:
    found = of("EXT004", "2.9.1+cu126", "triton 3.4.0", "torchao 0.14.1").findings
    assert [finding.severity for finding in found] == ["warning", "warning"]
    assert found[0].detail.startswith("torch 2.9.1+cu126 goes with triton==3.5.1")
    assert of("EXT004", "2.9.1+cu126", "triton 3.5.1", "torchao 0.15.0").outcome == "pass"
    assert of("EXT004", "2.9.1+cpu", "triton 3.4.0").outcome == "pass"  # none is needed there
    assert of("EXT004", "9.9.1+cu126", "triton 3.4.0").outcome == "pass"


def test_triton_on_windows_is_another_package() -> None:
    machine = replace(on("2.9.1+cu126", Package("triton-windows", "3.3.1.post21")), host=WINDOWS)
    assert only(judge("EXT004", machine)).title.startswith("triton-windows is not the one")


def test_triton_that_torch_pins_itself_is_judged_by_that() -> None:
    own = Package("torch", "2.9.1+cu126", requires=('triton==3.5.1; platform_system == "Linux"',))
    machine = on("2.9.1+cu126", Package("triton", "3.4.0"))
    packages = (own, Package("triton", "3.4.0"))
    machine = replace(machine, environment=replace(machine.environment, packages=packages))
    assert judge("EXT004", machine).outcome == "pass"
    assert only(judge("PKG002", machine)).title == "torch does not fit the installed triton"


LIBRARIES = ("libbitsandbytes_cpu.so", "libbitsandbytes_cuda121.so", "libbitsandbytes_cuda124.so")


def bnb(version: str = "0.45.5", libraries: tuple[str, ...] = LIBRARIES) -> Package:
    return Package("bitsandbytes", version, libraries=libraries)


def test_bitsandbytes_without_a_library_for_torchs_cuda() -> None:
    finding = only(judge("EXT005", on("2.9.1+cu130", bnb())))
    assert (finding.cause, finding.severity) == ("bnb-no-binary-for-cuda", "error")
    assert finding.evidence == ("bitsandbytes 0.45.5: 12.1, 12.4", "CUDA 13.0")


def test_bitsandbytes_without_any_cuda_library() -> None:
    cpu_only = bnb(libraries=("libbitsandbytes_cpu.so",))
    assert only(judge("EXT005", on("2.6.0+cu124", cpu_only))).cause == "bnb-source-tree-not-built"
    none = on("2.6.0+cu124", bnb("0.48.2", libraries=()))  # a live look that found none at all
    assert only(judge("EXT005", none)).cause == "bnb-source-tree-not-built"


def test_bitsandbytes_with_the_library_or_a_near_one_passes() -> None:
    assert judge("EXT005", on("2.6.0+cu124", bnb())).outcome == "pass"
    assert judge("EXT005", on("2.9.1+cu126", bnb("0.50.2"))).outcome == "pass"
    assert judge("EXT005", on("2.9.1+cu126", bnb("0.45.5"))).outcome == "fail"
    windows = bnb(libraries=("libbitsandbytes_cuda126.dll",))
    assert judge("EXT005", on("2.9.1+cu126", windows)).outcome == "pass"


def test_in_a_report_the_table_tells_the_libraries() -> None:
    assert of("EXT005", "2.9.1+cu130", "bitsandbytes 0.45.5").outcome == "fail"
    assert of("EXT005", "2.9.1+cu130", "bitsandbytes 0.48.2").outcome == "pass"
    assert of("EXT005", "2.9.1+cu130", "bitsandbytes 0.46.1").outcome == "skip"


def test_bitsandbytes_is_not_judged_beside_a_cpu_torch_or_for_the_cpu() -> None:
    assert judge("EXT005", on("2.9.1+cpu", bnb())).outcome == "skip"
    assert judge("EXT005", on("2.9.1+cu130", bnb()), "cpu").outcome == "skip"
    assert judge("EXT005", on("2.9.1+cu130")).outcome == "skip"


def test_bnb_cuda_version_that_names_a_missing_library() -> None:
    machine = on("2.6.0+cu124", bnb(), BNB_CUDA_VERSION="118")
    finding = only(judge("EXT006", machine))
    assert (finding.cause, finding.severity) == ("bnb-cuda-version-override", "error")
    assert "EXT006" in (judge("EXT005", machine).reason or "")


def test_bnb_cuda_version_that_names_another_cuda_or_the_same() -> None:
    other = on("2.6.0+cu124", bnb(), BNB_CUDA_VERSION="121")
    assert only(judge("EXT006", other)).severity == "warning"
    same = on("2.6.0+cu124", bnb(), BNB_CUDA_VERSION="124")
    assert judge("EXT006", same).outcome == "pass"
    assert judge("EXT006", on("2.6.0+cu124", bnb())).outcome == "skip"


def test_bitsandbytes_from_before_it_found_its_libraries() -> None:
    finding = only(of("EXT007", "2.2.2+cu121", "bitsandbytes 0.41.3"))
    assert (finding.cause, finding.severity) == ("bnb-outdated-release", "warning")
    assert of("EXT007", "2.2.2+cu121", "bitsandbytes 0.43.1").outcome == "pass"
    old = on("2.2.2+cu121", Package("bitsandbytes", "0.41.3"))
    assert only(judge("EXT007", replace(old, host=WINDOWS))).severity == "error"


def test_one_half_of_mambas_kernels() -> None:
    finding = only(of("EXT008", "2.9.1+cu126", "mamba-ssm 2.3.1"))
    assert finding.severity == "warning"
    assert "causal-conv1d is missing" in finding.detail
    assert of("EXT008", "2.9.1+cu126", "mamba-ssm 2.3.1", "causal-conv1d 1.6").outcome == "pass"
    assert of("EXT008", "2.9.1+cu126").outcome == "skip"
    report = replace(
        on("2.9.1+cu126", Package("mamba-ssm", "2.3.1")), notes=(Note("packages", "unsaid", "x"),)
    )
    assert judge("EXT008", report).outcome == "skip"


def test_a_rocm_torch_beside_what_was_built_for_cuda() -> None:
    machine = on(None, Package("flash-attn", f"2.8.3{ABI}"))
    rocm = replace(machine.environment, torch=Torch("2.9.1+rocm6.4", hip="6.4.43483"))
    finding = only(judge("EXT001", replace(machine, environment=rocm)))
    assert finding.cause == "rocm-torch-cuda-only-build"


def test_windows_without_its_own_triton_is_a_note() -> None:
    machine = replace(on("2.9.1+cu126"), host=WINDOWS)
    finding = only(judge("EXT010", machine))
    assert (finding.cause, finding.severity) == ("triton-unavailable-on-windows", "note")
    there = replace(on("2.9.1+cu126", Package("triton-windows", "3.5.1.post24")), host=WINDOWS)
    assert judge("EXT010", there).outcome == "pass"
    assert judge("PKG007", there, "triton").outcome == "pass"
    assert judge("PKG007", machine, "triton").outcome == "fail"
    assert judge("EXT010", on("2.9.1+cu126")).outcome == "skip"


OLD_WHEEL = Package("flash-attn", "2.7.3", origin=WHEEL.replace("2.8.3", "2.7.3"))


def test_a_wheel_from_before_blackwell_has_no_kernels_for_it() -> None:
    finding = only(judge("EXT009", on("2.8.0+cu128", OLD_WHEEL, gpu=RTX_5090)))
    assert (finding.cause, finding.severity) == ("ext-no-kernel-for-gpu", "error")
    assert "compiled for 8.0, 9.0" in finding.detail


def test_a_wheel_with_kernels_or_of_unknown_kernels_passes() -> None:
    assert judge("EXT009", on("2.8.0+cu128", OLD_WHEEL)).outcome == "pass"
    built_here = Package("flash-attn", "2.7.3")
    assert judge("EXT009", on("2.8.0+cu128", built_here, gpu=RTX_5090)).outcome == "pass"
    assert judge("EXT009", on("2.8.0+cpu", OLD_WHEEL, gpu=RTX_5090)).outcome == "skip"
    assert judge("EXT009", on("2.8.0+cu128", OLD_WHEEL, gpu=RTX_5090), "cpu").outcome == "skip"


def test_tritons_assembler_that_does_not_know_the_gpu() -> None:
    triton = Package("triton", "3.5.1")
    finding = only(judge("EXT011", on("2.9.1+cu130", triton, gpu=GB10)))
    assert (finding.cause, finding.severity) == ("ptxas-too-old-for-gpu", "error")
    assert "from 3.6.0 on" in finding.detail


def test_an_assembler_that_knows_the_gpu_or_is_chosen_by_hand_is_not_blamed() -> None:
    old, new = Package("triton", "3.5.1"), Package("triton", "3.6.0")
    assert judge("EXT011", on("2.10.0+cu130", new, gpu=GB10)).outcome == "pass"
    assert judge("EXT011", on("2.9.1+cu130", old)).outcome == "pass"
    by_hand = on("2.9.1+cu130", old, gpu=GB10, TRITON_PTXAS_PATH="/usr/local/cuda/bin/ptxas")
    assert "TRITON_PTXAS_PATH" in (judge("EXT011", by_hand).reason or "")
    assert judge("EXT011", on("2.9.1+cu130", gpu=GB10)).outcome == "skip"
    assert judge("EXT011", on("2.9.1+cu130", old, gpu=GB10), "cpu").outcome == "skip"


def test_flash_attention_on_a_gpu_below_its_own_minimum() -> None:
    machine = on("2.9.1+cu126", Package("flash-attn", "2.8.3"), gpu=T4)
    finding = only(judge("ATTN001", machine))
    assert (finding.cause, finding.severity) == ("gpu-too-old-for-flash-attn", "warning")
    assert "sdpa" in remedy(finding).summary
    assert judge("EXT009", machine).outcome == "pass"  # not said twice
    assert judge("ATTN001", machine, "flashattn").outcome == "pass"  # GPU005 says it


def test_flash_attention_3_is_for_hopper_alone() -> None:
    finding = only(
        judge("ATTN001", on("2.9.1+cu128", Package("flash-attn-3", "3.0.0"), gpu=RTX_5090))
    )
    assert finding.cause == "ext-no-kernel-for-gpu"


def test_flash_attention_on_a_gpu_that_runs_it_passes() -> None:
    assert judge("ATTN001", on("2.9.1+cu126", Package("flash-attn", "2.8.3"))).outcome == "pass"
    assert judge("ATTN001", on("2.9.1+cu126")).outcome == "skip"
    no_gpu = Machine(host=LINUX, environment=venv(Package("flash-attn", "2.8.3")))
    assert judge("ATTN001", no_gpu).outcome == "skip"


@pytest.mark.parametrize(
    ("packages", "found"),
    [
        ("ctranslate2 4.4.0, nvidia-cudnn-cu12 9.1.0.70", True),
        ("ctranslate2 4.5.0, nvidia-cudnn-cu12 9.1.0.70", False),
        ("ctranslate2 4.4.0, nvidia-cudnn-cu12 8.9.2.26", False),
        ("ctranslate2 4.4.0", False),  # nothing says which cuDNN is here
        ("nvidia-cudnn-cu12 9.1.0.70", False),
    ],
)
def test_a_package_that_loads_an_older_cudnn_than_torch_brings(packages: str, found: bool) -> None:
    environment = venv(*map(named, packages.split(", ")), torch="2.6.0+cu124")
    machine = Machine(host=LINUX, environment=environment)
    verdict = judge("EXT012", machine)
    assert (verdict.outcome == "fail") is found
    if found:
        assert only(verdict).cause == "cudnn8-not-on-path"
        library = Library("libcudnn", "LD_LIBRARY_PATH", "/opt/cudnn/libcudnn.so.8", "8.9.7")
        assert judge("EXT012", replace(machine, libraries=(library,))).outcome == "pass"


def test_a_report_that_tells_no_packages_is_told_what_its_gpu_lacks() -> None:
    silent = (Note("environment", "unsaid", "the report does not say"),)
    machine = Machine(
        nvidia=driver("515.65.01", replace(T4, name="Tesla V100", compute_capability="7.0")),
        notes=silent,
    )
    found = only(judge("ATTN002", machine))
    assert (found.severity, found.cause) == ("note", "gpu-too-old-for-flash-attn")
    assert judge("ATTN002", replace(machine, notes=())).outcome == "skip"
    assert (
        judge("ATTN002", replace(machine, nvidia=driver("580.65.06", RTX_4090))).outcome == "pass"
    )
