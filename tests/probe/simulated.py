"""Machines for the real probe: files in memory, a fake NVML and nvidia-smi that really run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llmdoctor.machine import Machine
from llmdoctor.probe import Subject, look
from llmdoctor.system import Completed, Space
from llmdoctor.system.local import Local
from probe.described import Described, dist_info, door, torch_files
from support.nvidia_smi import Failure, fake_nvidia_smi
from support.nvml import Gpu, nvml_env

ENV = "/home/ann/project/.venv"
SITE = f"{ENV}/lib/python3.12/site-packages"
DRIVER = "550.54.14"
_LIMIT = 1.5  # seconds for a child; the probe's own limit is for real drivers


@dataclass
class Simulated(Described):
    """`nvml` are the variables of the child that loads the fake library; None is no library."""

    nvml: dict[str, str] | None = None
    smi: Path | None = None
    unwritable: set[str] = field(default_factory=set)

    def has_library(self, name: str) -> bool:
        return self.nvml is not None and name == "libnvidia-ml.so.1"

    def which(self, name: str) -> str | None:
        return str(self.smi) if name == "nvidia-smi" and self.smi else super().which(name)

    def space(self, path: str) -> Space | None:
        room = super().space(path)
        return room and replace(room, writable=path not in self.unwritable)

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | None = None,
        timeout: float = 60.0,
        on_line: Any = None,
        stop_when: Any = None,
    ) -> Completed:
        if argv[-1] == "gpu.py":
            child = Local({**os.environ, **(self.nvml or {})})
            return child.run([sys.executable, *argv[1:]], cwd=cwd, timeout=_LIMIT)
        if self.smi and argv[0] == str(self.smi):
            return Local({**os.environ}).run(argv, timeout=_LIMIT)
        return super().run(argv, env=env, cwd=cwd, timeout=timeout)


@dataclass
class Workshop:
    """Builds machines: where the fake library lies, and where programs are written."""

    library: Path
    folder: Path

    def linux(
        self,
        *gpus: Gpu,
        driver: str = DRIVER,
        torch: str = "2.9.1+cu126",
        kernel: str | None = None,
        nodes: Sequence[str] = ("nvidiactl", "nvidia-uvm"),
        bus: Sequence[tuple[str, str]] | None = None,
        module: str = "nvidia",
        arch: str = "x86_64",
        **nvml: Any,
    ) -> Simulated:
        """A healthy workstation on Linux with these GPUs, Python 3.12 and torch.

        `kernel` is the version of the kernel module where that is another, "" for none; `bus` holds
        (class, module) of NVIDIA's PCI devices; `nvml` goes to the fake library.
        """
        kernel = driver if kernel is None else kernel
        bus = [("0x030200", module)] * len(gpus) if bus is None else bus
        minor = "126" if "cu126" in torch else torch.partition("+cu")[2]
        cuda = f"{minor[:2]}.{minor[2:]}" if "+cu" in torch else None
        machine = Simulated(
            files={
                "/etc/os-release": 'ID=ubuntu\nVERSION_ID="22.04"\n',
                "/proc/cpuinfo": "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: avx2\n",
                "/proc/meminfo": "MemTotal: 65536000 kB\nMemAvailable: 60000000 kB\nSwapTotal: 0 kB\n",
                "/proc/self/cgroup": "0::/init.scope\n",
                "/dev/shm/.keep": "",
                "/usr/bin/python3.12": "",
                "/usr/bin/nvidia-modprobe": "",
                "/usr/include/python3.12/Python.h": "",
                f"{ENV}/pyvenv.cfg": "home = /usr/bin\nversion = 3.12.3\n",
                **dist_info(SITE, "torch", torch, tag=f"cp312-cp312-manylinux_2_28_{arch}"),
                **torch_files(SITE, torch, cuda),
            },
            links={f"{ENV}/bin/python": "/usr/bin/python3.12"},
            programs={"gcc": "/usr/bin/gcc"},
            answers={"/usr/bin/gcc -dumpfullversion -dumpversion": "11.4.0\n"},
            machine=arch,
            nvml=nvml_env(self.library, driver=driver, gpus=gpus, **nvml),
        )
        for number, (kind, held) in enumerate(bus):
            place = f"/sys/bus/pci/devices/0000:{number + 1:02x}:00.0"
            machine.files |= {
                f"{place}/class": f"{kind}\n",
                f"{place}/vendor": "0x10de\n",
                f"{place}/device": "0x2684\n",
            }
            if held:
                machine.files[f"/sys/bus/pci/drivers/{held}/uevent"] = ""
                machine.links[f"{place}/driver"] = f"../../drivers/{held}"
        if kernel:
            machine.files |= {
                "/proc/driver/nvidia/version": (
                    f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {kernel}  Fri Nov 20\n"
                ),
                "/sys/module/nvidia/version": f"{kernel}\n",
                "/sys/module/nvidia_uvm/refcnt": "",
                "/usr/lib/x86_64-linux-gnu/libcuda.so": "",
                f"/usr/lib/x86_64-linux-gnu/libcuda.so.{driver}": "",
                **{f"/dev/{node}": "" for node in nodes},
                **{f"/dev/nvidia{number}": "" for number in range(len(gpus))},
            }
            machine.links["/usr/lib/x86_64-linux-gnu/libcuda.so.1"] = f"libcuda.so.{driver}"
        return machine

    def smi(self, machine: Simulated, *gpus: Gpu, fail: Failure | None = None) -> Simulated:
        """Give it an nvidia-smi, which really runs."""
        folder = self.folder / f"bin{len(list(self.folder.iterdir()))}"
        machine.smi = fake_nvidia_smi(folder, driver=DRIVER, cuda="12.4", gpus=gpus, fail=fail)
        return machine


def look_at(machine: Described) -> Machine:
    """One look by the real probe."""
    return look(door(machine), Subject())
