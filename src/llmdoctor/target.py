"""The facts that the resolver decides on: distilled from a machine, or assumed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from llmdoctor import tables
from llmdoctor.errors import UsageError, nearest
from llmdoctor.machine import Gpu, Machine, Memory, minor_of
from llmdoctor.plan import Target
from llmdoctor.visible import visible

_OS = ("linux", "windows", "macos")
_ARCH = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]+)?)\s*(GB|GiB|G|MB|MiB|M)?", re.IGNORECASE)
_UNITS = {"g": 10**9, "gb": 10**9, "gib": 2**30, "m": 10**6, "mb": 10**6, "mib": 2**20}


def of_machine(machine: Machine, python: str) -> Target:
    """What the resolver needs of a machine; `python` is the version that will be used."""
    libc = machine.host.libc
    seen = visible(machine)
    gpus = seen.gpus
    if not machine.nvidia.gpus:  # without a driver the bus still tells that there is hardware
        gpus = tuple(
            Gpu(number, f"NVIDIA device {device.device}", source="pci")
            for number, device in enumerate(machine.nvidia.pci)
            if device.vendor == "10de"
        )
    driver = machine.nvidia.driver_version
    return Target(
        os=machine.host.system,
        arch=_arch(machine.host.arch, machine.host.system),
        glibc=libc.version if libc and libc.name == "glibc" else None,
        musl=libc is not None and libc.name == "musl",
        python=minor_of(python),
        driver=driver,
        driver_missing=bool(gpus) and driver is None,
        gpus=tuple(_with_capability(gpu) for gpu in gpus),
        wsl=machine.host.wsl,
        ram=_ram(machine.memory),
        gpus_note=seen.note,
    )


def as_judged(machine: Machine, python: str) -> Target:
    """The same, for judging. What a report leaves out is taken as `assume` takes it.

    It must not decide.
    """
    asked, usual = of_machine(machine, python), Target()
    unsaid = {note.reader for note in machine.notes if note.status == "unsaid"}
    if not unsaid:
        return asked
    os = usual.os if asked.os == "unknown" else asked.os
    return replace(
        asked,
        os=os,
        arch=usual.arch if asked.arch == "unknown" else asked.arch,
        glibc=asked.glibc or (usual.glibc if os == "linux" and not asked.musl else None),
        driver_missing=asked.driver_missing and "driver" not in unsaid,
    )


def assume(pairs: Sequence[str]) -> Target:
    """A target from `--assume KEY=VALUE[,KEY=VALUE…]` options.

    `gpu` may be given several times; `cc` belongs to the `gpu` before it. What is not given: Linux,
    x86_64 (arm64 for macOS), glibc 2.35, Python 3.12, no GPU; a GPU without a
    driver has an unknown one.

    Raises:
        UsageError: an unknown key, a value that cannot be meant, or a GPU that the table lacks.
    """
    target = Target(arch="", assumed=True)
    gpus: list[Gpu] = []
    for pair in ",".join(pairs).split(","):
        key, _, value = (part.strip() for part in pair.partition("="))
        if not key or not value:
            raise UsageError(
                f"--assume {pair!r} is not KEY=VALUE",
                next_command="llmdoctor plan --help",
            )
        if key == "gpu":
            if value.lower() != "none":
                gpus.append(Gpu(len(gpus), value, tables.capability_of(value), source="assumed"))
        elif key == "cc":
            if not gpus or not re.fullmatch(r"[0-9]{1,2}\.[0-9]", value):
                raise UsageError(
                    f"--assume cc={value}: expected a compute capability after the gpu it belongs "
                    "to, such as --assume gpu='My GPU',cc=8.9"
                )
            gpus[-1] = replace(gpus[-1], compute_capability=value)
        elif key in _KEYS:
            target = _KEYS[key](target, value)
        else:
            raise UsageError(
                f"--assume knows no key {key!r}{nearest(key, [*_KEYS, 'gpu', 'cc'])} "
                f"(there are: {', '.join(sorted([*_KEYS, 'gpu', 'cc']))})"
            )
    for gpu in gpus:
        if vendor := tables.other_vendor(gpu.name):
            raise UsageError(
                f"--assume gpu={gpu.name}: that is a GPU of {vendor}, and CUDA builds run on those "
                "of NVIDIA alone; for a plan without one write gpu=none",
                next_command="llmdoctor plan --profile cpu --assume gpu=none",
            )
        if gpu.compute_capability is None:
            near = _like(gpu.name)
            meant = f" (near it: {', '.join(near)})" if near else ""
            raise UsageError(
                f"the table of {tables.table_date('gpu')} has no NVIDIA GPU called {gpu.name!r}"
                f"{meant}; if it is one, write its compute capability after it (cc=X.Y)",
                next_command="nvidia-smi --query-gpu=name,compute_cap --format=csv",
            )
    if target.os != "linux":
        target = replace(target, glibc=None)
    arch = target.arch or ("arm64" if target.os == "macos" else "x86_64")
    return replace(target, arch=_arch(arch, target.os), gpus=tuple(gpus))


def _like(name: str) -> list[str]:
    """Known GPUs that may be meant: those of a bare model number ("4090"), else by spelling."""
    of_number = [known for known, _ in tables.gpu_names() if name in known.split()]
    shortest = sorted(of_number, key=len)[:3]
    return shortest if name.isdigit() and shortest else tables.nearest_gpu_names(name)


def _ram(memory: Memory) -> int | None:
    if memory.total is None:
        return None
    if memory.limit is not None and memory.limit < memory.total:
        return memory.limit
    return memory.total + (memory.swap or 0)


def _with_capability(gpu: Gpu) -> Gpu:
    """Fill in from the table what an old driver or a report does not say."""
    if gpu.compute_capability is not None:
        return gpu
    return replace(gpu, compute_capability=tables.capability_of(gpu.name))


def _arch(arch: str, os: str) -> str:
    name = _ARCH.get(arch.lower(), arch.lower())
    return "arm64" if os == "macos" and name == "aarch64" else name


def _one_of(names: Sequence[str], key: str, value: str) -> str:
    if value.lower() in names:
        return value.lower()
    raise UsageError(f"--assume {key}={value}: expected one of {', '.join(names)}")


def _version(key: str, value: str) -> str:
    if _VERSION.fullmatch(value) and (key == "driver" or "." in value):
        return value
    raise UsageError(f"--assume {key}={value}: expected a version such as {_EXAMPLES[key]}")


def _bytes(value: str) -> int:
    match = _SIZE.fullmatch(value)
    if match is None:
        raise UsageError(f"--assume ram={value}: expected a size such as 16GB")
    return int(float(match[1]) * _UNITS[(match[2] or "GB").lower()])


def _wsl(value: str) -> int | None:
    return _WSL[_one_of(tuple(_WSL), "wsl", value)]


_WSL = {"1": 1, "2": 2, "true": 2, "yes": 2, "false": None, "no": None}
_EXAMPLES = {"glibc": "2.35", "python": "3.12", "driver": "535.183.01"}
_KEYS: dict[str, Callable[[Target, str], Target]] = {
    "os": lambda target, value: replace(target, os=_one_of(_OS, "os", value)),
    "arch": lambda target, value: replace(target, arch=_one_of(tuple(_ARCH), "arch", value)),
    "glibc": lambda target, value: replace(target, glibc=_version("glibc", value)),
    "python": lambda target, value: replace(
        target, python=".".join(_version("python", value).split(".")[:2])
    ),
    "driver": lambda target, value: replace(
        target,
        driver=None if value.lower() == "none" else _version("driver", value),
        driver_missing=value.lower() == "none",
    ),
    "ram": lambda target, value: replace(target, ram=_bytes(value)),
    "wsl": lambda target, value: replace(target, wsl=_wsl(value)),
}
