"""Each tool's report, in old and new versions, gives the facts that it prints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest import reports
from ingest.test_ingest_shared import stated
from llmdoctor import ingest
from llmdoctor.machine import Machine, Package

GIB = 1024**3
MIB = 1024**2


def gpus(machine: Machine) -> list[tuple[int, str, int | None, bool | None]]:
    return [
        (gpu.index, gpu.name, gpu.memory and gpu.memory // MIB, gpu.mig)
        for gpu in machine.nvidia.gpus
    ]


def unsaid(machine: Machine) -> set[str]:
    assert {(note.status, note.detail) for note in machine.notes} <= {
        ("unsaid", "the report does not say")
    }
    return {note.reader for note in machine.notes}


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            reports.COLLECT_ENV_1_4,
            {"system": "linux", "arch": "unknown", "distribution": "ubuntu", "glibc": None,
             "python": "3.7", "torch": "1.4.0", "cuda": "10.1", "driver": "430.26",
             "gpus": ["GeForce RTX 2080 Ti", "GeForce GTX 1080"], "nvcc": "10.1.168",
             "runs_cuda": "10.1", "torch_says": [], "gcc": "7.4.0", "packages": 3},
        ),
        (
            reports.COLLECT_ENV_1_13_CONDA_WINDOWS,
            {"system": "windows", "arch": "x86_64", "python": "3.10.9", "torch": "1.13.1",
             "cuda": "11.7", "driver": "528.24", "nvcc": None, "gcc": None, "packages": 4},
        ),
        (
            reports.COLLECT_ENV_2_9_WSL,
            {"system": "linux", "arch": "x86_64", "distribution": "ubuntu", "glibc": "2.39",
             "wsl": 2, "python": "3.13.1t", "torch": "2.9.1+cu128", "cuda": "12.8",
             "driver": "576.02", "threads": 32, "nvcc": "12.8.93"},
        ),
        (
            reports.VLLM,
            {"system": "linux", "arch": "aarch64", "distribution": "rocky", "glibc": "2.34",
             "python": "3.12.12", "torch": "2.11.0+cu130", "cuda": "13.0",
             "driver": "580.95.05", "nvcc": "13.0.88", "gcc": "11.5.0"},
        ),
        (
            reports.TRANSFORMERS_4_20,
            {"system": "linux", "arch": "x86_64", "glibc": None, "python": "3.8.10",
             "torch": "1.12.0+cu113", "cuda": "11.3", "runs_cuda": "11.3",
             "gpus": ["NVIDIA GPU, not named"], "driver": None, "packages": 3},
        ),
        (
            reports.TRANSFORMERS_4_45,
            {"system": "macos", "arch": "arm64", "python": "3.11.9", "torch": "2.4.1",
             "cuda": None, "gpus": [], "torch_says": []},
        ),
        (
            reports.TRANSFORMERS_5,
            {"glibc": "2.35", "python": "3.12.3", "torch": "2.9.1+cu128", "cuda": "12.8",
             "gpus": ["NVIDIA L40S"], "packages": 5},
        ),
        (
            reports.ACCELERATE_0_34,
            {"glibc": "2.31", "torch": "2.4.1+cu121", "gpus": ["NVIDIA H100 80GB HBM3"],
             "packages": 3},
        ),
        (
            reports.ACCELERATE_1_12,
            {"torch": "2.9.0+cpu", "cuda": None, "gpus": [], "torch_says": []},
        ),
        (
            reports.LLAMAFACTORY,
            {"gpus": ["NVIDIA A100-SXM4-80GB"] * 3, "memory": [int(79.25 * GIB)] * 3,
             "torch": "2.3.0+cu121"},
        ),
    ],
    ids=lambda value: value[:50].split("\n")[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_report_states_its_facts(text: str, facts: dict[str, Any]) -> None:
    machine = ingest.read(text)
    assert {key: stated(machine)[key] for key in facts} == facts


def test_vllm_s_variables_are_those_of_the_live_look_without_what_names_a_person() -> None:
    machine = ingest.read(reports.VLLM)
    assert machine.variables == {
        "CUDA_MODULE_LOADING": "LAZY",
        "CUDA_VISIBLE_DEVICES": "0,1",
        "HTTPS_PROXY": "set",
        "LD_LIBRARY_PATH": "/home/<user>/lib:/usr/local/cuda/lib64",
    }
    assert gpus(machine) == [
        (0, "NVIDIA GH200 480GB", None, True),
        (1, "NVIDIA GH200 480GB", None, None),
    ]
    assert "variables" not in unsaid(machine)
    assert machine.environment.package("transformers") == Package("transformers", "5.0.0")


def test_an_accelerate_report_states_the_memory() -> None:
    assert ingest.read(reports.ACCELERATE_1_12).memory.total == int(31.2 * GIB)


@pytest.mark.parametrize(
    ("text", "driver", "cuda", "found"),
    [
        (reports.SMI_331, "331.62", None, [(0, "GeForce GTX 680", 4095, None)]),
        (
            reports.SMI_520_MIG,
            "520.61.05",
            "11.8",
            [(0, "NVIDIA A100 80G...", 81920, True), (1, "NVIDIA GeForce ...", 24576, None)],
        ),
        (reports.SMI_610, "610.43.02", "13.3", [(0, "NVIDIA B200", 183359, False)]),
        (
            reports.SMI_Q,
            "550.54.15",
            "12.4",
            [(0, "NVIDIA H100 PCIe", 81559, True), (1, "Tesla T4", 15360, None)],
        ),
    ],
)
def test_nvidia_smi_lists_its_gpus(
    text: str, driver: str, cuda: str | None, found: list[object]
) -> None:
    machine = ingest.read(text)
    assert machine.nvidia.driver_version == driver
    assert [reading.value for reading in machine.nvidia.cuda] == ([cuda] if cuda else [])
    assert gpus(machine) == found
    assert {"environment", "cuda", "pci"} <= unsaid(machine)
    assert not {"nvidia", "driver"} & unsaid(machine)


@pytest.mark.parametrize(
    ("text", "system"),
    [
        (reports.SMI_520_MIG, "linux"),
        (reports.SMI_520_MIG.replace("Persistence-M", "     TCC/WDDM"), "windows"),
        (reports.SMI_610.replace("Persistence-M", "Driver-Model "), "windows"),
        (reports.SMI_Q, "linux"),  # three numbers: no driver of Windows
        (reports.SMI_Q.replace("550.54.15", "551.86"), "unknown"),
        ("nvidia-nccl-cu12==2.21.5\ntorch==2.5.1\ntransformers==4.47.1\n", "linux"),
        ("pywin32==308\ntorch==2.5.1+cpu\ntransformers==4.47.1\nnumpy==1.26.4\n", "windows"),
        ("torch==2.5.1\ntransformers==4.47.1\nnumpy==1.26.4\n", "unknown"),
    ],
)
def test_what_exists_on_one_system_alone_tells_the_system(text: str, system: str) -> None:
    assert ingest.read(text).host.system == system


def test_versions_typed_by_hand_are_read() -> None:
    machine = ingest.read(f"{reports.SMI_610}\nPython 3.11.9\ntorch 2.5.1+cu121\npeft 0.13.2\n")
    assert machine.environment.torch
    assert machine.environment.torch.cuda == "12.1"
    assert machine.environment.package("peft") == Package("peft", "0.13.2")
    assert (
        ingest.read(f"{reports.SMI_610}\nI think that torch 2.5.1 broke\n").environment.torch
        is None
    )


def test_a_shortened_name_tells_the_capability_only_where_all_it_may_mean_agree() -> None:
    one, other = ingest.read(reports.SMI_520_MIG).nvidia.gpus
    assert (one.compute_capability, other.compute_capability) == ("8.0", None)


def test_a_list_spells_out_what_the_table_shortens_and_keeps_its_memory() -> None:
    listed = """\
GPU 0: NVIDIA A100 80GB PCIe (UUID: GPU-20bed2f5-819b-69ad-8d42-d3e1446080c1)
  MIG 3g.40gb     Device  0: (UUID: MIG-90443af0-2fe6-57fb-86fe-54186d5a6581)
GPU 1: NVIDIA GeForce RTX 4090 (UUID: GPU-20bed2f5-819b-69ad-8d42-d3e1446080c2)
"""
    expected = [
        (0, "NVIDIA A100 80GB PCIe", 81920, True),
        (1, "NVIDIA GeForce RTX 4090", 24576, None),
    ]
    for text in (listed + reports.SMI_520_MIG, reports.SMI_520_MIG + listed):
        assert gpus(ingest.read(text)) == expected


def test_a_csv_query_is_read_by_its_head() -> None:
    text = """\
index, name, driver_version, memory.total [MiB], compute_cap
0, NVIDIA GeForce RTX 4090, 550.54.15, 24564 MiB, 8.9
1, NVIDIA GeForce RTX 3060, 550.54.15, 12288 MiB, 8.6
"""
    machine = ingest.read(text)
    assert gpus(machine) == [
        (0, "NVIDIA GeForce RTX 4090", 24564, None),
        (1, "NVIDIA GeForce RTX 3060", 12288, None),
    ]
    assert [gpu.compute_capability for gpu in machine.nvidia.gpus] == ["8.9", "8.6"]
    assert machine.nvidia.driver_version == "550.54.15"


@pytest.mark.parametrize(
    "said",
    [
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure "
            "that the latest NVIDIA driver is installed and running."
        ),
        "Failed to initialize NVML: Driver/library version mismatch",
        "No devices were found",
    ],
)
def test_the_words_of_a_failing_nvidia_smi_are_kept_for_the_checks(said: str) -> None:
    machine = ingest.read(f"$ nvidia-smi\n{said}\n")
    assert [(item.source, item.value) for item in machine.nvidia.errors] == [("nvidia-smi", said)]
    assert "nvidia" not in unsaid(machine)


@pytest.mark.parametrize(
    ("said", "kept", "cuda"),
    [
        (
            (
                "/home/jane/x/torch/cuda/__init__.py:129: UserWarning: CUDA initialization: The NVIDIA "
                "driver on your system is too old (found version 11040). Please update your GPU driver "
                "(Triggered internally at ../c10/cuda/CUDAFunctions.cpp:108.)"
            ),
            (
                "CUDA initialization: The NVIDIA driver on your system is too old (found version "
                "11040). Please update your GPU driver"
            ),
            ["11.4"],
        ),
        (
            (
                "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 804: forward "
                "compatibility was attempted on non supported HW"
            ),
            (
                "Unexpected error from cudaGetDeviceCount(). Error 804: forward compatibility was "
                "attempted on non supported HW"
            ),
            [],
        ),
    ],
)
def test_torch_s_own_words_are_evidence_without_anybody_s_folder(
    said: str, kept: str, cuda: list[str]
) -> None:
    text = reports.COLLECT_ENV_2_9_WSL.replace("CUDA available: True", "CUDA available: False")
    machine = ingest.read(f"{said}\n{text}")
    assert [(item.source, item.value) for item in machine.nvidia.errors] == [("torch", kept)]
    assert [item.value for item in machine.nvidia.cuda] == cuda
    assert len(machine.nvidia.gpus) == 1


@pytest.mark.parametrize(
    ("text", "kind", "count", "whole"),
    [
        (reports.PIP_LIST, "venv", 9, True),
        (reports.PIP_LIST.partition("tokenizers")[0], "venv", 5, False),
        (reports.PIP_LIST.partition("tokenizers")[0] + "...\n", "venv", 5, False),
        (reports.PIP_LIST.partition("tokenizers")[0] + "\n$ nvidia-smi\n", "venv", 5, True),
        (reports.CONDA_LIST, "conda", 7, True),
        ("torch==2.9.1+cu126\nnumpy==2.0.0\ntransformers==5.0.0\n", "venv", 3, False),
        ("".join(f"name{n:02}==1.{n}\n" for n in range(30)) + "torch==2.1.0\nwheel==0.4\n"
         "transformers==4.45\nxformers==0.0.22\n", "venv", 34, True),
        (("torch @ https://download.pytorch.org/whl/cu121/torch-2.1.0%2Bcu121-cp310-cp310-"
         "linux_x86_64.whl\n-e git+https://github.com/x/y@abc#egg=peft\naccelerate==1.0\n"
         "trl==0.9\nvllm==0.6\n"), "venv", 5, False),
    ],
)  # fmt: skip
def test_a_list_of_packages_is_whole_only_where_nothing_can_be_missing(
    text: str, kind: str, count: int, whole: bool
) -> None:
    machine = ingest.read(text)
    assert machine.environment.kind == kind
    assert len(machine.environment.packages) == count
    assert ("packages" not in unsaid(machine)) is whole


def test_conda_s_torch_and_python_are_those_of_the_environment() -> None:
    environment = ingest.read(reports.CONDA_LIST).environment
    assert environment.version == "3.10.15"
    assert environment.torch is not None
    assert (environment.torch.version, environment.torch.cuda) == ("2.1.0", "12.1")
    assert "jane" not in repr(environment)


def test_pip_s_json_is_a_list_too() -> None:
    rows = [{"name": "torch", "version": "2.4.0+cu121"}, {"name": "pip", "version": "24.0"}]
    for text in (json.dumps(rows), json.dumps(rows, indent=2), f"pip says\n{json.dumps(rows)}\n"):
        environment = ingest.read(text).environment
        assert [package.name for package in environment.packages] == ["torch", "pip"]
        assert environment.torch is not None
        assert environment.torch.cuda == "12.1"


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("torch==2.9.1\npeft==0.18\ntrl==0.9\n", "12.8"),  # what PyPI gives on Linux x86_64
        ("torch==2.9.1\nnvidia-cuda-runtime-cu12==12.6.77\npeft==0.18\n", "12.6"),
        ("torch==2.9.1+cpu\npeft==0.18\ntrl==0.9\n", None),
        ("torch==2.9.1\npeft==0.18\nPlatform: Windows-11-10.0.26100-SP0\n", None),
    ],
)
def test_a_version_without_its_build_is_the_build_of_the_index(text: str, cuda: str | None) -> None:
    torch = ingest.read(text).environment.torch
    assert torch is not None
    assert torch.cuda == cuda


def test_an_interpreter_s_answers_are_read() -> None:
    text = """\
>>> import torch
>>> torch.__version__
'1.8.1+cu102'
>>> torch.cuda.is_available()
False
>>> torch.version.cuda
'10.2'
"""
    machine = ingest.read(text)
    assert machine.environment.torch is not None
    assert machine.environment.torch.cuda == "10.2"
    assert [item.source for item in machine.nvidia.errors] == ["torch"]
    assert "nvidia" in unsaid(machine)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (("Linux gpu01 5.15.0-91-generic #101-Ubuntu SMP Tue Nov 14 2023 x86_64 x86_64 x86_64 "
         "GNU/Linux\n"), {"system": "linux", "arch": "x86_64"}),
        (("Linux pc 4.4.0-19041-Microsoft #1-Microsoft Fri Dec 06 2019 x86_64 x86_64 x86_64 "
         "GNU/Linux\n"), {"system": "linux", "wsl": 1}),
        ("Darwin mac.local 22.1.0 Darwin Kernel Version 22.1.0: root:xnu/RELEASE_ARM64 arm64\n",
         {"system": "macos", "arch": "arm64"}),
        ('NAME="Ubuntu"\nVERSION_ID="22.04"\nID=ubuntu\nPRETTY_NAME="Ubuntu 22.04.3 LTS"\n',
         {"system": "linux", "distribution": "ubuntu"}),
        ("ldd (Ubuntu GLIBC 2.35-0ubuntu3.6) 2.35\n", {"system": "linux", "glibc": "2.35"}),
        ("Python 3.11.7\n", {"python": "3.11.7"}),
        ("nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 11.8, V11.8.89\n",
         {"nvcc": "11.8.89"}),
        (("- OS: Windows 11 WSL2 Ubuntu 22.04\n- GPU: RTX 3090 24GB\n- PyTorch: 2.1.0\n"
         "- Transformers version: 4.30.0\n"), {"system": "linux", "wsl": 2, "torch": "2.1.0",
                                             "gpus": ["RTX 3090 24GB"]}),
        ("1. OS: Ubuntu 18.04\n2. Nvidia Driver:525.105.17\n3. GPU: GTX 1050Ti\n",
         {"distribution": "ubuntu", "driver": "525.105.17", "gpus": ["GTX 1050Ti"]}),
        (("torch version .................... 2.3.0+cu121\ntorch cuda version ............... 12.1\n"
         "nvcc version ..................... 12.0\n"), {"torch": "2.3.0+cu121", "nvcc": "12.0"}),
    ],
)  # fmt: skip
def test_small_programs_lines_are_read(text: str, facts: dict[str, Any]) -> None:
    machine = ingest.read(text)
    assert {key: stated(machine)[key] for key in facts} == facts


def test_the_bus_shows_hardware() -> None:
    (device,) = ingest.read(
        "01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GA102 [GeForce RTX 3090] "
        "[10de:2204] (rev a1)\n"
    ).nvidia.pci
    assert (device.address, device.vendor, device.device) == ("0000:01:00.0", "10de", "2204")


def test_another_maker_s_gpu_is_no_nvidia_gpu() -> None:
    text = reports.COLLECT_ENV_2_9_WSL.replace("+cu128", "+rocm6.4")
    text = text.replace("GPU 0: NVIDIA GeForce RTX 5090", "AMD Radeon RX 7900 XTX (gfx1100)")
    text = text.replace("build PyTorch: 12.8", "build PyTorch: N/A")
    text = text.replace("Nvidia driver version: 576.02", "Nvidia driver version: Could not collect")
    text = text.replace("ROCM used to build PyTorch: N/A", "ROCM used to build PyTorch: 6.4.43483")
    machine = ingest.read(text)
    assert machine.environment.torch is not None
    assert machine.environment.torch.hip is not None
    assert machine.environment.torch.cuda is None
    assert machine.nvidia.gpus == ()
    assert machine.nvidia.cuda == ()


@pytest.mark.parametrize("pip", ["[pip3] torch==2.4.0\n", ""])
def test_a_torch_that_the_reporting_python_cannot_import_is_missing_or_broken(pip: str) -> None:
    text = f"PyTorch version: N/A\nIs debug build: N/A\nPython version: 3.8\n{pip}"
    environment = ingest.read(text).environment
    assert (environment.torch is not None) is bool(pip)
    if environment.torch:
        assert environment.torch.problem is not None
