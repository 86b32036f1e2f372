"""Readers' parsers on literal samples, and on any text at all."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Gpu
from llmdoctor.probe import (
    compilers,
    cpu,
    cuda,
    host,
    interpreter,
    launchers,
    locks,
    memory,
    packages,
    toml,
    tools,
    torch_build,
)
from llmdoctor.probe import environment as env
from llmdoctor.probe import nvidia_text as nvidia

NEVER_RAISE: dict[str, Callable[[str], object]] = {
    "os-release": host.parse_os_release,
    "SystemVersion.plist": host.parse_system_version,
    "cgroup of container": host.container_of_cgroup,
    "kernel release": host.wsl,
    "cpuinfo": lambda text: cpu.parse_cpuinfo(text, 4),
    "meminfo": memory.parse_meminfo,
    "cgroup": memory.cgroup_files,
    "memory limit": memory.parse_limit,
    "nvml": nvidia.parse_nvml,
    "nvidia-smi csv": lambda text: nvidia.parse_nvidia_smi_csv(text, nvidia.QUERY),
    "nvidia-smi table": nvidia.parse_nvidia_smi_cuda,
    "kernel module": nvidia.parse_kernel_module,
    "gpu information": lambda text: nvidia.parse_gpu_information(text, 0),
    "pci address": nvidia.pci_address,
    "version.json": cuda.parse_version_json,
    "cuda.h": cuda.parse_cuda_header,
    "nvcc --version": cuda.parse_nvcc,
    "nvcc wrapper": cuda.parse_wrapper,
    "compiler version": compilers.parse_version,
    "uv --version": tools.parse_uv_version,
    "shebang": launchers.parse_shebang,
    "pyvenv.cfg": env.parse_pyvenv_cfg,
    "activate": env.parse_activate,
    "interpreter": interpreter.parse_answer,
    "METADATA": packages.parse_metadata,
    "WHEEL": packages.parse_wheel_tags,
    "dist-info name": packages.parse_folder_name,
    "torch/version.py": torch_build.parse_version,
    "toml": lambda text: toml.parse_toml(text, "x.toml"),
    "poetry.lock": lambda text: locks.parse_poetry_lock(text, "poetry.lock", {}),
    "uv.lock": lambda text: locks.parse_uv_lock(text, "uv.lock"),
}


@pytest.mark.parametrize("name", NEVER_RAISE)
@given(text=st.text() | st.from_regex(r"[\[{\"=: \n\w.#!/-]{0,80}", fullmatch=True))
def test_parser_never_raises_on_any_text(name: str, text: str) -> None:
    NEVER_RAISE[name](text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
)
nvml_keys = st.sampled_from(
    ["result", "driver", "cuda", "gpus", "errors", "index", "name", "memory"]
)


@given(
    data=st.dictionaries(nvml_keys, json_values | st.lists(st.dictionaries(nvml_keys, json_values)))
)
def test_nvml_answer_of_any_shape_is_read_without_raising(data: object) -> None:
    nvidia.parse_nvml(json.dumps(data))


@given(text=st.text())
def test_child_answers_fail_only_in_the_ways_that_the_readers_turn_into_notes(text: str) -> None:
    for parse in (memory.parse_memory_status, lambda t: cpu.parse_py_cpuinfo(t, 1)):
        with contextlib.suppress(UnreadableError, ValueError):
            parse(text)


def test_os_release_values_are_unquoted() -> None:
    text = '# comment\nNAME=\'Debian\'\nPRETTY="a \\"b\\""\nID=debian\nVERSION_ID="12"\n\n'
    facts = host.parse_os_release(text)
    assert facts == {"NAME": "Debian", "PRETTY": 'a "b"', "ID": "debian", "VERSION_ID": "12"}


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("5.15.167.4-microsoft-standard-WSL2", 2),
        ("6.6.36.3-custom-WSL2+", 2),
        ("4.4.0-19041-Microsoft", 1),
        ("6.8.0-45-generic", None),
    ],
)
def test_wsl_generation_is_told_by_the_kernel_release(release: str, expected: int | None) -> None:
    assert host.wsl(release) == expected


@pytest.mark.parametrize(
    ("machine", "system", "expected"),
    [
        ("AMD64", "windows", "x86_64"),
        ("x86_64", "linux", "x86_64"),
        ("arm64", "linux", "aarch64"),
        ("aarch64", "linux", "aarch64"),
        ("arm64", "macos", "arm64"),
        ("ARM64", "windows", "arm64"),
        ("riscv64", "linux", "riscv64"),
    ],
)
def test_architecture_is_spelled_as_wheels_spell_it(
    machine: str, system: str, expected: str
) -> None:
    assert host.arch(machine, system) == expected


def test_arm_cpuinfo_gives_designer_and_features() -> None:
    text = (
        "processor\t: 0\nFeatures\t: fp asimd sve bf16\nCPU implementer\t: 0x41\n"
        "CPU part\t: 0xd85\n\nprocessor\t: 1\nCPU implementer\t: 0x4e\n"
    )
    found = cpu.parse_cpuinfo(text, 20)
    assert (found.vendor, found.model, found.threads) == ("ARM", None, 20)
    assert found.flags == ("asimd", "sve", "bf16")


def test_meminfo_sizes_are_bytes() -> None:
    text = "MemTotal:       32768000 kB\nHugePages_Total:       0\nSwapTotal: 0 kB\n"
    assert memory.parse_meminfo(text) == {"MemTotal": 32768000 * 1024, "SwapTotal": 0}


def test_memory_limit_is_looked_for_in_the_group_and_all_above() -> None:
    assert memory.cgroup_files("0::/user.slice/app.scope\n") == (
        "/sys/fs/cgroup/user.slice/app.scope/memory.max",
        "/sys/fs/cgroup/user.slice/memory.max",
        "/sys/fs/cgroup/memory.max",
    )
    assert memory.cgroup_files("5:cpu:/a\n4:memory:/docker/x\n0::/\n") == (
        "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory.max",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8589934592\n", 8589934592), ("max\n", None), ("9223372036854771712\n", None), (None, None)],
)
def test_unlimited_group_has_no_limit(text: str | None, expected: int | None) -> None:
    assert memory.parse_limit(text) == expected


def test_nvidia_smi_rows_become_gpus() -> None:
    text = (
        "0, NVIDIA GeForce RTX 4090, 560.35.03, 24564, 8.9, GPU-1, 00000000:01:00.0\n"
        "1, NVIDIA GB10, 560.35.03, [N/A], 12.1, GPU-2, 0000000F:01:00.0\n"
    )
    answer = nvidia.parse_nvidia_smi_csv(text, nvidia.QUERY)
    first, second = answer.gpus
    assert answer.driver == "560.35.03"
    assert first == Gpu(
        0,
        "NVIDIA GeForce RTX 4090",
        "8.9",
        24564 * 2**20,
        "GPU-1",
        "0000:01:00.0",
        None,
        "nvidia-smi",
    )
    assert (second.memory, second.compute_capability, second.pci) == (None, "12.1", "000f:01:00.0")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("| NVIDIA-SMI 535.183.01   Driver Version: 535.183.01   CUDA Version: 12.2     |", "12.2"),
        ("| NVIDIA-SMI 595.10   KMD Version: 595.10   CUDA UMD Version: 13.2     |", "13.2"),
        ("| NVIDIA-SMI 535.183.01   Driver Version: 535.183.01   CUDA Version: N/A |", None),
    ],
)
def test_cuda_version_is_read_from_the_tables_head(head: str, expected: str | None) -> None:
    assert nvidia.parse_nvidia_smi_cuda(f"Fri Nov 20\n+----+\n{head}\n") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\nGCC version: 12\n",
            "535.183.01",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n",
            "580.65.06",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05\n", "580.95.05"),
    ],
)
def test_driver_version_of_closed_and_open_kernel_modules(text: str, expected: str) -> None:
    assert nvidia.parse_kernel_module(text) == expected


def test_gpu_information_of_proc() -> None:
    text = (
        "Model: \t\t Tesla T4\nIRQ:   \t\t 35\nGPU UUID: \t GPU-????????-????-????\n"
        "Bus Location: \t 0000:00:1e.0\nGPU Firmware: \t 535.183.01\n"
    )
    assert nvidia.parse_gpu_information(text, 3) == Gpu(
        3, "Tesla T4", pci="0000:00:1e.0", source="/proc"
    )


def test_cuda_version_is_read_from_json_header_and_nvcc() -> None:
    assert (
        cuda.parse_version_json('{"cuda": {"name": "CUDA SDK", "version": "12.4.1"}}') == "12.4.1"
    )
    assert cuda.parse_cuda_header("/* x */\n#define CUDA_VERSION 12060\n") == "12.6"
    assert cuda.parse_nvcc("Cuda compilation tools, release 13.0, V13.0.88\n") == "13.0"


def test_nvcc_wrapper_names_the_real_one() -> None:
    assert cuda.parse_wrapper('#!/bin/sh\nexec /usr/local/cuda-13.0/bin/nvcc "$@"\n') == (
        "/usr/local/cuda-13.0/bin/nvcc"
    )
    assert cuda.parse_wrapper("\x7fELF /usr/local/cuda/bin/nvcc") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.2.0\n", "12.2.0"),
        ("8\n", "8"),
        ("Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n", "14.0.6"),
        ("Microsoft (R) C/C++ Optimizing Compiler Version 19.38.33133 for x64\n", "19.38.33133"),
        ("cmake version 3.25.1\n\nCMake suite maintained\n", "3.25.1"),
        ("nothing\n", None),
    ],
)
def test_compiler_version_is_the_first_number(text: str, expected: str | None) -> None:
    assert compilers.parse_version(text) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("#!/home/ann/.local/pipx/venvs/poetry/bin/python\nimport sys\n", "python"),
        ("#!/usr/bin/python3.12\n", "python3.12"),
        ('#!/bin/sh\n\'\'\'exec\' "/home/ann b/venv/bin/python3" "$0" "$@"\n', "python3"),
        ("#!/bin/sh\n'''exec' /very/long/venv/bin/python3 \"$0\" \"$@\"\n", "python3"),
        ('#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python\' "$0"\n', None),
        ("#!/usr/bin/env bash\nset -e\n", None),
        ("#!/usr/bin/env python3\n", None),
    ],
)
def test_launchers_python_is_read_from_its_first_lines(head: str, expected: str | None) -> None:
    found = launchers.parse_shebang(head)
    assert (found.rsplit("/", 1)[-1] if found else None) == expected


def test_activate_script_of_a_relocatable_environment_names_no_place() -> None:
    assert (
        env.parse_activate('VIRTUAL_ENV="/home/ann/.venv"\nexport VIRTUAL_ENV\n')
        == "/home/ann/.venv"
    )
    assert env.parse_activate("    export VIRTUAL_ENV=/srv/env\n") == "/srv/env"
    assert env.parse_activate('VIRTUAL_ENV=$(cygpath "/srv/env")\n') is None
    assert env.parse_activate('VIRTUAL_ENV="$(dirname -- "$SCRIPT")"\n') is None


def test_metadata_is_read_to_its_blank_line_only() -> None:
    text = (
        "Metadata-Version: 2.4\r\nName: Torch_Vision\r\nVersion: 0.24.0\r\n"
        "License: BSD\r\n        folded\r\nRequires-Dist: numpy\r\n"
        'Requires-Dist: pillow!=8.3.*,>=5.3.0; extra == "io"\r\n\r\nName: other\r\nRequires-Dist: no\r\n'
    )
    name, version, requires = packages.parse_metadata(text)
    assert (name, version) == ("Torch_Vision", "0.24.0")
    assert requires == ("numpy", 'pillow!=8.3.*,>=5.3.0; extra == "io"')


def test_torch_version_file_is_read_annotated_or_not() -> None:
    new = (
        "from typing import Optional\n__all__ = ['cuda']\n__version__ = '2.9.1+cu128'\ndebug = False\n"
        "cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\nxpu: Optional[str] = None\n"
    )
    assert torch_build.parse_version(new) == {
        "__version__": "2.9.1+cu128", "cuda": "12.8", "hip": None, "xpu": None,
    }  # fmt: skip
    old = "__version__ = '1.13.1'\ncuda = '11.7'\nhip = None\n"
    assert torch_build.parse_version(old)["cuda"] == "11.7"


def test_conflict_markers_are_named_with_their_line() -> None:
    text = "a = 1\n<<<<<<< HEAD\nb = 2\n=======\nb = 3\n>>>>>>> main\n"
    tables, problem = toml.parse_toml(text, "pyproject.toml")
    assert tables == {}
    assert problem is not None
    assert "conflict markers" in problem
    assert "line 2" in problem
