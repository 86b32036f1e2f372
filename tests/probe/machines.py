"""The machines whose transcripts are kept: `python -m probe.machines` writes them anew.

A transcript holds the answers to what the probe asks. When the probe learns to ask something else,
the test of the kept transcripts says so, and this module answers it.
"""

from __future__ import annotations

import json
from pathlib import Path

from llmdoctor.probe import Subject, look
from llmdoctor.system.transcript import Recording
from probe.described import Described, dist_info, door, torch_files

TRANSCRIPTS = Path(__file__).with_name("transcripts")

_CPU_LINUX = (
    "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: 13th Gen Intel(R) Core(TM) i9-13900K\n"
    "flags\t\t: fpu sse4_2 avx avx2 fma f16c avx_vnni\n\nprocessor\t: 1\n"
)
_MEMORY = "MemTotal:       32768000 kB\nMemAvailable:   16384000 kB\nSwapTotal:       8192000 kB\n"

RUNTIME = ("msvcp140.dll", "vcruntime140.dll", "vcruntime140_1.dll")
LONG_PATHS = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem"


def windows_11() -> Described:
    """Windows 11 with an RTX 4090, a venv with torch cu126, and no NVML for the doctor."""
    project = "C:\\Users\\ann\\project"
    env = f"{project}\\.venv"
    site = f"{env}\\Lib\\site-packages"
    base = "C:\\Users\\ann\\AppData\\Local\\Programs\\Python\\Python312"
    cuda = "C:\\Program Files\\NVIDIA GPU Computing Toolkit\\CUDA\\v12.6"
    smi = "C:\\Windows\\system32\\nvidia-smi.EXE"
    fields = "index,name,driver_version,memory.total,compute_cap,uuid,pci.bus_id"
    ask = f"{smi} --query-gpu={fields} --format=csv,noheader,nounits"
    row = (
        "0, NVIDIA GeForce RTX 4090, 560.94, 24564, 8.9, "
        "GPU-11111111-2222-3333-4444-555555555555, 00000000:01:00.0\n"
    )
    table = "| NVIDIA-SMI 560.94     Driver Version: 560.94     CUDA Version: 12.6     |\n"
    cpu = {
        "brand_raw": "AMD Ryzen 9 7950X 16-Core Processor",
        "vendor_id_raw": "AuthenticAMD",
        "flags": ["avx2", "avx512f", "fma", "sse4_2"],
    }
    python = "C:\\llmdoctor\\python.exe"
    machine = Described(
        system="windows",
        release="10.0.26100",
        machine="amd64",
        glibc=None,
        house="C:\\Users\\ann",
        here=project,
        files={
            f"{project}\\pyproject.toml": '[project]\nname = "demo"\nrequires-python = ">=3.11"\n',
            f"{env}\\pyvenv.cfg": f"home = {base}\nversion = 3.12.7\n",
            f"{env}\\Scripts\\python.exe": "",
            f"{base}\\python.exe": "",
            f"{cuda}\\version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.2"}}',
            f"{cuda}\\bin\\nvcc.exe": "",
            **dist_info(site, "torch", "2.9.1+cu126", tag="cp312-cp312-win_amd64", sep="\\"),
            **dist_info(site, "transformers", "4.57.1", tag="py3-none-any", sep="\\"),
            **torch_files(site, "2.9.1+cu126", "12.6", sep="\\"),
            **{f"C:\\Windows\\System32\\{name}": "" for name in RUNTIME},
        },
        programs={"nvidia-smi": smi, "nvcc": f"{cuda}\\bin\\nvcc.exe"},
        answers={
            ask: row,
            smi: table,
            f"{python} -m cpuinfo --json": json.dumps(cpu),
            f"reg query {LONG_PATHS} /v LongPathsEnabled": (
                f"\r\n{LONG_PATHS}\r\n    LongPathsEnabled    REG_DWORD    0x1\r\n\r\n"
            ),
        },
        environ={
            "CUDA_PATH": cuda,
            "LOCALAPPDATA": "C:\\Users\\ann\\AppData\\Local",
            "ProgramFiles": "C:\\Program Files",
            "TEMP": "C:\\Users\\ann\\AppData\\Local\\Temp",
            "SystemRoot": "C:\\Windows",
        },
    )
    from llmdoctor.probe import memory

    question = f"{python} -I -S -c {memory._ASK_WINDOWS}"
    machine.answers[question] = f"1 {64 * 2**30} {40 * 2**30} {80 * 2**30} {50 * 2**30}\r\n"
    return machine


def wsl2() -> Described:
    """WSL 2 on Windows with an RTX 4090: NVML in /usr/lib/wsl/lib, /dev/dxg, no nvidia module."""
    env = "/home/ann/project/.venv"
    site = f"{env}/lib/python3.12/site-packages"
    nvml = {
        "result": "ok",
        "driver": "560.94",
        "cuda": "12.6",
        "gpus": [
            {
                "index": 0,
                "name": "NVIDIA GeForce RTX 4090",
                "compute_capability": "8.9",
                "memory": 25756696576,
                "uuid": "GPU-11111111-2222-3333-4444-555555555555",
                "pci": "00000000:01:00.0",
                "mig": None,
            }
        ],
        "errors": [],
    }
    return Described(
        release="5.15.167.4-microsoft-standard-WSL2",
        files={
            "/etc/os-release": 'NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\n',
            "/proc/cpuinfo": _CPU_LINUX,
            "/proc/meminfo": _MEMORY,
            "/proc/self/cgroup": "0::/init.scope\n",
            "/proc/1/cgroup": "0::/init.scope\n",
            "/sys/bus/pci/devices/4bd2:00:00.0/class": "0x030200\n",
            "/sys/bus/pci/devices/4bd2:00:00.0/vendor": "0x1414\n",
            "/sys/bus/pci/devices/4bd2:00:00.0/device": "0x008e\n",
            "/sys/bus/pci/drivers/dxgkrnl/uevent": "",
            "/dev/dxg": "",
            "/dev/shm/.keep": "",
            "/usr/lib/wsl/lib/libnvidia-ml.so.1": "",
            "/usr/lib/wsl/lib/nvidia-smi": "",
            "/usr/bin/python3.12": "",
            f"{env}/pyvenv.cfg": "home = /usr/bin\nversion = 3.12.3\n",
            **dist_info(site, "torch", "2.9.1", tag="cp312-cp312-manylinux_2_28_x86_64"),
            **torch_files(site, "2.9.1+cu128", "12.8"),
        },
        links={
            "/sys/bus/pci/devices/4bd2:00:00.0/driver": "../../drivers/dxgkrnl",
            f"{env}/bin/python": "/usr/bin/python3",
            "/usr/bin/python3": "python3.12",
        },
        programs={"gcc": "/usr/bin/gcc"},
        answers={
            "/usr/bin/python3 gpu.py": json.dumps(nvml) + "\n",
            "/usr/bin/gcc -dumpfullversion -dumpversion": "13.2.0\n",
        },
    )


def slim_container() -> Described:
    """A slim Debian container on a T4 host: no lspci, no PCI bus, nvidia-smi mounted in, no venv."""
    fields = "index,name,driver_version,memory.total,compute_cap,uuid,pci.bus_id"
    ask = f"/usr/bin/nvidia-smi --query-gpu={fields} --format=csv,noheader,nounits"
    rows = "".join(
        f"{n}, Tesla T4, 535.183.01, 15360, 7.5, GPU-0000000{n}, 00000000:0{n}:00.0\n"
        for n in (0, 1)
    )
    return Described(
        files={
            "/etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
            "/.dockerenv": "",
            "/proc/1/cgroup": "0::/\n",
            "/proc/cpuinfo": _CPU_LINUX,
            "/proc/driver/nvidia/version": (
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 2024\n"
            ),
            "/proc/meminfo": _MEMORY,
            "/proc/self/cgroup": "0::/\n",
            "/sys/fs/cgroup/memory.max": f"{8 * 2**30}\n",
            "/sys/module/nvidia/version": "535.183.01\n",
            "/dev/nvidia0": "",
            "/dev/nvidia1": "",
            "/dev/nvidiactl": "",
            "/dev/shm/.keep": "",
            "/app/requirements.txt": "torch\n",
        },
        glibc="glibc 2.36",
        house="/home/app",
        here="/app",
        programs={"nvidia-smi": "/usr/bin/nvidia-smi"},
        answers={ask: rows, "/usr/bin/nvidia-smi": "| CUDA Version: 12.2 |\n"},
        environ={"NVIDIA_VISIBLE_DEVICES": "all"},
    )


KEPT = {"windows-11": windows_11, "wsl2": wsl2, "slim-container": slim_container}


def record(machine: Described) -> str:
    """The transcript of one look at that machine."""
    recording = Recording(door(machine))
    look(recording, Subject())
    return recording.transcript(machine.environ)


if __name__ == "__main__":
    for name, describe in KEPT.items():
        (TRANSCRIPTS / f"{name}.json").write_text(record(describe()), encoding="utf-8")
