"""Toolkits, compilers, headers, and libraries that hide others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import (
    GTX_1080_TI,
    LINUX,
    RTX_4090,
    RTX_5090,
    WINDOWS,
    driver,
    judge,
    only,
    venv,
)
from checks.judging import remedy as way_out
from llmdoctor.machine import (
    Cpu,
    Cuda,
    Gpu,
    Library,
    Machine,
    Memory,
    Note,
    Package,
    Tool,
    Toolkit,
)

GCC = Tool("gcc", "/usr/bin/gcc", "13.2.0")
ENVIRONMENT = replace(venv(torch="2.9.1+cu126"), headers=True)


def kit(version: str, gcc: int | None = None, source: str = "disk") -> Toolkit:
    return Toolkit(f"/usr/local/cuda-{version}", version, nvcc=True, source=source, gcc=gcc)


def machine(*kits: Toolkit, gpu: Gpu = RTX_4090, torch: str = "2.9.1+cu126") -> Machine:
    return Machine(
        host=LINUX,
        cpu=Cpu(threads=32),
        memory=Memory(total=64 * 10**9),
        nvidia=driver("580.65.06", gpu),
        cuda=Cuda(toolkits=kits),
        compilers=(GCC,),
        environment=replace(venv(torch=torch), headers=True),
    )


HEALTHY = machine(kit("12.6", gcc=13))
CODES = [f"CUDA0{number:02}" for number in range(1, 11)]


@pytest.mark.parametrize("code", CODES)
def test_a_healthy_machine_has_no_finding(code: str) -> None:
    assert judge(code, HEALTHY).findings == ()


@pytest.mark.parametrize("code", ["CUDA002", "CUDA003", "CUDA004", "CUDA005"])
def test_a_toolkit_and_compiler_that_fit_pass(code: str) -> None:
    assert judge(code, HEALTHY).outcome == "pass"


def test_no_toolkit_is_no_fault_where_nothing_compiles() -> None:
    assert judge("CUDA001", machine()).outcome == "skip"


def test_a_package_that_compiles_at_run_time_wants_nvcc() -> None:
    environment = venv(Package("flashinfer-python", "0.5.0"), torch="2.9.1+cu126")
    finding = only(judge("CUDA001", replace(machine(), environment=environment)))
    assert (finding.cause, finding.severity) == ("nvcc-missing", "warning")
    assert "flashinfer-python" in finding.detail
    assert judge("CUDA001", replace(HEALTHY, environment=environment)).outcome == "pass"


def test_a_cuda_home_that_holds_nothing_is_named() -> None:
    elsewhere = Cuda(home="/opt/cuda", toolkits=(kit("12.6"),))
    finding = only(judge("CUDA001", replace(HEALTHY, cuda=elsewhere)))
    assert finding.where == "/opt/cuda"
    assert "/usr/local/cuda-12.6" in way_out(finding).summary
    right = Cuda(home="/usr/local/cuda-12.6", toolkits=(kit("12.6", source="CUDA_HOME"),))
    assert judge("CUDA001", replace(HEALTHY, cuda=right)).outcome == "pass"
    report = replace(HEALTHY, cuda=elsewhere, notes=(Note("files", "unsaid", "not said"),))
    assert judge("CUDA001", report).outcome == "skip"


def test_a_toolkit_of_another_major_is_named_and_another_minor_is_fine() -> None:
    finding = only(judge("CUDA002", machine(kit("11.8"))))
    assert (finding.cause, finding.severity) == ("cuda-toolkit-torch-mismatch", "warning")
    assert judge("CUDA002", machine(kit("12.1"))).outcome == "pass"
    assert judge("CUDA002", machine(torch="2.9.1+cpu")).outcome == "skip"


def test_cuda_home_comes_before_path_and_both_before_the_disk() -> None:
    both = machine(kit("11.8"), kit("12.6", source="CUDA_HOME"), kit("11.5", source="PATH"))
    assert judge("CUDA002", both).outcome == "pass"


def test_the_nvcc_of_a_report_is_judged_as_well() -> None:
    report = replace(machine(), cuda=Cuda(nvcc="nvcc", nvcc_version="11.8"))
    assert only(judge("CUDA002", report)).evidence[0] == "nvcc 11.8"


@pytest.mark.parametrize(
    ("version", "gpu", "outcome"),
    [
        ("12.4", RTX_5090, "fail"),
        ("12.8", RTX_5090, "pass"),
        ("13.0", GTX_1080_TI, "fail"),
        ("12.9", GTX_1080_TI, "pass"),
        ("12.6", Gpu(0, "odd"), "skip"),
    ],
)
def test_nvcc_knows_the_gpus_from_its_first_to_its_last_toolkit(
    version: str, gpu: Gpu, outcome: str
) -> None:
    verdict = judge("CUDA003", machine(kit(version), gpu=gpu))
    assert verdict.outcome == outcome
    for found in verdict.findings:  # the next command to type
        assert way_out(found).commands == (("llmdoctor", "check", "--select", "CUDA"),)


def test_the_toolkits_own_header_counts_before_the_table() -> None:
    new = (Tool("gcc", "/usr/bin/gcc", "14.2.0"),)
    told = replace(machine(kit("12.6", gcc=13)), compilers=new)
    assert "its own header" in only(judge("CUDA004", told)).evidence[1]
    assert judge("CUDA004", replace(machine(kit("12.6", gcc=14)), compilers=new)).outcome == "pass"
    untold = replace(machine(kit("12.6")), compilers=new)
    assert "the table" in only(judge("CUDA004", untold)).evidence[1]
    assert judge("CUDA004", replace(machine(kit("99.1")), compilers=new)).outcome == "skip"


def test_gxx_counts_before_gcc() -> None:
    mixed = (Tool("gcc", "/usr/bin/gcc", "14.2.0"), Tool("g++", "/usr/bin/g++", "12.3.0"))
    assert judge("CUDA004", replace(HEALTHY, compilers=mixed)).outcome == "pass"


def test_triton_without_a_c_compiler() -> None:
    bare = replace(HEALTHY, compilers=())
    finding = only(judge("CUDA005", bare))
    assert finding.cause == "c-compiler-missing"
    assert "apt install gcc" in way_out(finding).summary
    fedora = replace(bare, host=replace(LINUX, distribution="fedora"))
    assert "dnf install gcc" in way_out(only(judge("CUDA005", fedora))).summary
    clang = replace(bare, compilers=(Tool("clang", "/usr/bin/clang", "18.1"),))
    assert judge("CUDA005", clang).outcome == "pass"
    assert judge("CUDA005", replace(bare, environment=venv())).outcome == "skip"
    assert (
        judge("CUDA005", replace(bare, notes=(Note("compilers", "unsaid", "-"),))).outcome == "skip"
    )


def test_python_without_its_headers() -> None:
    bare = replace(HEALTHY, environment=replace(ENVIRONMENT, headers=False))
    finding = only(judge("CUDA006", bare))
    assert finding.cause == "python-headers-missing"
    assert "python3.12-dev" in way_out(finding).summary
    assert judge("CUDA006", HEALTHY).outcome == "pass"
    untold = replace(HEALTHY, environment=replace(ENVIRONMENT, headers=None))
    assert judge("CUDA006", untold).outcome == "skip"


def test_more_compilers_than_the_memory_carries() -> None:
    eager = replace(HEALTHY, variables={"MAX_JOBS": "32"})
    finding = only(judge("CUDA007", eager))
    assert (finding.cause, finding.severity) == ("build-oom", "note")
    assert "MAX_JOBS=7" in way_out(finding).summary
    assert judge("CUDA007", replace(eager, variables={"MAX_JOBS": "4"})).outcome == "pass"
    assert judge("CUDA007", HEALTHY).outcome == "skip"
    tight = replace(eager, memory=Memory(total=64 * 10**9, limit=8 * 10**9))
    assert "MAX_JOBS=1`" in way_out(only(judge("CUDA007", tight))).summary


def test_nvcc_on_windows_wants_msvc() -> None:
    windows = replace(HEALTHY, host=WINDOWS, compilers=())
    assert only(judge("CUDA008", windows)).cause == "windows-no-msvc"
    cl = replace(windows, compilers=(Tool("cl", "C:\\cl.exe"),))
    assert judge("CUDA008", cl).outcome == "pass"
    assert judge("CUDA008", HEALTHY).outcome == "skip"


def shadowed(name: str, version: str, package: str, installed: str) -> Machine:
    library = Library(name, "LD_LIBRARY_PATH", f"/opt/cuda/lib64/{name}.so.12", version)
    environment = venv(Package(package, installed), torch="2.9.1+cu126")
    return replace(HEALTHY, libraries=(library,), environment=environment)


@pytest.mark.parametrize(
    ("library", "package", "cause"),
    [
        (("libnvJitLink", "12.1.105"), ("nvidia-nvjitlink-cu12", "12.6.85"),
         "nvjitlink-ld-library-path"),
        (("libcublasLt", "12.1.3.1"), ("nvidia-cublas-cu12", "12.6.4.1"),
         "cublaslt-library-conflict"),
        (("libcudnn", "9.1.0"), ("nvidia-cudnn-cu12", "9.10.2.21"), "cudnn-library-conflict"),
        (("libcudnn", "9.12.0"), ("nvidia-cudnn-cu12", "9.10.2.21"), "cudnn-library-conflict"),
        (("libnccl", "2.18.1"), ("nvidia-nccl-cu12", "2.27.5"), None),
        (("libcublas", "13.0.0.19"), ("nvidia-cublas", "13.1.0.3"), "cublaslt-library-conflict"),
    ],
)  # fmt: skip
def test_a_library_that_hides_the_wheels_own(
    library: tuple[str, str], package: tuple[str, str], cause: str | None
) -> None:
    finding = only(judge("CUDA009", shadowed(*library, *package)))
    assert finding.cause == cause
    assert finding.where == "/opt/cuda/lib64"


@pytest.mark.parametrize(
    ("library", "package"),
    [
        (("libnvJitLink", "12.8.93"), ("nvidia-nvjitlink-cu12", "12.6.85")),  # newer serves
        (("libcublasLt", "11.11.3.6"), ("nvidia-cublas-cu12", "12.6.4.1")),  # another name
        (("libcudnn", "9.10.2"), ("nvidia-cudnn-cu12", "9.10.2.21")),
        (("libcudnn", "9"), ("nvidia-cudnn-cu12", "9.10.2.21")),  # nothing to compare
        (("libcublas", "12.1.3.1"), ("numpy", "2.0")),
    ],
)
def test_a_library_that_hides_nothing_worse(
    library: tuple[str, str], package: tuple[str, str]
) -> None:
    assert judge("CUDA009", shadowed(*library, *package)).outcome == "pass"


def test_libcuda_that_cannot_be_linked_against() -> None:
    place = "/usr/lib/x86_64-linux-gnu/libcuda.so"
    numbered = Library("libcuda", "system", f"{place}.1", "580.65.06")
    bare = replace(machine(), libraries=(numbered,))
    finding = only(judge("CUDA010", bare))
    assert (finding.cause, finding.severity) == ("libcuda-symlink-missing", "note")
    plain = Library("libcuda", "system", place, "580.65.06")
    assert judge("CUDA010", replace(bare, libraries=(numbered, plain))).outcome == "pass"
    stub = Cuda(toolkits=(replace(kit("12.6"), stub=True),))
    assert judge("CUDA010", replace(bare, cuda=stub)).outcome == "pass"
    assert judge("CUDA010", machine()).outcome == "skip"
