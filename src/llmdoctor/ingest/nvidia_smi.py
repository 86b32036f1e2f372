"""nvidia-smi: its table in the layouts of drivers 331 to 610, `-L`, `-q`, CSV, and its errors.

The table shortens long names to "Tesla V100S-PCI..."; a name that another section spells out is
preferred.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from llmdoctor.ingest.facts import Facts, merge
from llmdoctor.ingest.transformers_env import is_gpu
from llmdoctor.machine import Gpu, Reading
from llmdoctor.probe.nvidia_text import pci_address

_MIB = 1024 * 1024
# Of the table's head and of -q. Newer drivers give both the library's and the kernel's version.
_DRIVER = re.compile(r"(?:Driver|KMD) Version ?: ?(\d{3,4}(?:\.\d{1,4}){1,2})")
_CUDA = re.compile(r"CUDA (?:UMD )?Version ?: ?(\d{1,2}\.\d{1,2})")
_MODULE = re.compile(r"Kernel Module(?: +for +\S+)? +(\d{3}(?:\.\d{1,3}){1,2})")
_STATES = frozenset({"On", "Off", "N/A", "WDDM", "TCC", "MCDM", "ERR!"})
# The heads of the column beside the name, which is about a persistence daemon or driver models.
_SYSTEMS = {"Persistence-M": "linux", "TCC/WDDM": "windows", "Driver-Model": "windows"}
_UNDIVIDED = "No MIG devices found"  # below the table, where MIG is on
_BUS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]")
_USED = re.compile(r"/ {0,12}(\d{1,8}) ?MiB")
_LISTED = re.compile(
    r"(?:GPU models and configuration ?: ?)?GPU (\d{1,3}(?:, ?\d{1,3})*) ?: ?([^:|]{2,80})"
)
_CAPABLE = re.compile(r"GPU (\d{1,3}(?:, ?\d{1,3})*) Compute Capability ?: ?(\d{1,2}\.\d)")
_QUERIED = re.compile(r"GPU ([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7])$")
_ERRORS = (
    "NVIDIA-SMI has failed", "Failed to initialize NVML", "Unable to determine the device handle",
    "NVIDIA-SMI couldn't find libnvidia-ml", "GPU is lost",
    "couldn't communicate with the NVIDIA driver",
)  # fmt: skip
_ABSENT = re.compile(r"\bnvidia-smi'?\b.{0,40}(?:command not found|not found|is not recognized)")
_CSV = {
    "index": "index", "name": "name", "gpu_name": "name", "driver_version": "driver",
    "memory.total": "memory", "compute_cap": "capability", "pci.bus_id": "pci", "uuid": "uuid",
}  # fmt: skip


def read(lines: Sequence[str]) -> Facts:
    """What nvidia-smi says, in any of its forms."""
    return merge([_head(lines), _gpus(lines), _module(lines), _errors(lines)])


def _driver_column(lines: Iterable[str]) -> str | None:
    """The driver in `--query-gpu=driver_version,… --format=csv`: the same in each row."""
    columns: list[str | None] = []
    for line in lines:
        cells = [cell.strip() for cell in line.split(",")] if "," in line else []
        if "driver_version" in cells:
            columns = [_CSV.get(cell.partition(" ")[0]) for cell in cells]
        elif "driver" in columns and len(cells) == len(columns):
            value = cells[columns.index("driver")]
            if re.fullmatch(r"\d{3}(?:\.\d{1,3}){1,2}", value):
                return value
    return None


def _head(lines: Sequence[str]) -> Facts:
    driver = cuda = system = None
    for line in lines:
        if "Version" in line:
            driver = driver or _DRIVER.search(" ".join(line.split()))
            cuda = cuda or _CUDA.search(" ".join(line.split()))
        elif line.startswith("| GPU ") and " Name" in line:
            system = system or next((_SYSTEMS[word] for word in _SYSTEMS if word in line), None)
        if driver and cuda and system:
            break
    version = driver[1] if driver else _driver_column(lines)
    if version and system is None and version.count(".") == 2:
        system = "linux"  # the drivers of Windows have two numbers, also as WSL shows them
    return Facts(
        recognised=("nvidia-smi",) if version else (),
        system=system,
        driver=(Reading("nvidia-smi", version),) if version else (),
        cuda=(Reading("nvidia-smi", cuda[1]),) if driver and cuda else (),
    )


def _gpus(lines: Sequence[str]) -> Facts:
    found: dict[int, Gpu] = {}
    capable = {
        int(number): match[2]
        for line in lines
        if line.startswith("GPU ") and (match := _CAPABLE.match(line))
        for number in match[1].split(",")
    }
    for gpu in (*_listed(lines), *_queried(lines), *_tabled(lines), *_csv(lines)):
        found[gpu.index] = _joined(found[gpu.index], gpu) if gpu.index in found else gpu
    gpus = tuple(
        replace(
            found[index], compute_capability=found[index].compute_capability or capable.get(index)
        )
        for index in sorted(found)
    )
    return Facts(("nvidia-smi",) if found else (), gpus=gpus)


def _joined(one: Gpu, other: Gpu) -> Gpu:
    """One GPU from two sections: the name that is spelled out, and what only one of them has."""
    short = one.name.endswith("...")
    return replace(
        one,
        name=other.name if short and not other.name.endswith("...") else one.name,
        compute_capability=one.compute_capability or other.compute_capability,
        memory=one.memory or other.memory,
        pci=one.pci or other.pci,
        mig=other.mig if one.mig is None else one.mig,
        mig_devices=other.mig_devices if one.mig_devices is None else one.mig_devices,
    )


def _tabled(lines: Sequence[str]) -> Iterator[Gpu]:
    """Rows such as `|   0  Tesla T4   Off  | 00000000:01:00.0 Off |  0 |` and the ones below."""
    gpu: Gpu | None = None
    seen: set[int] = set()
    divided = None if not any(_UNDIVIDED in line for line in lines) else 0
    for line in lines:
        if line[:1] != "|":
            if gpu and not line.startswith("+-"):
                yield gpu
                gpu = None
            continue
        cells = [cell.split() for cell in line.strip("|").split("|")[:4]]
        row = _row(cells)
        if row:
            if gpu:
                yield gpu
            gpu = None if row.index in seen else row
            seen.add(row.index)
        elif gpu and gpu.memory is None and (memory := _USED.search(line)):
            gpu = replace(gpu, memory=int(memory[1]) * _MIB)
        elif gpu and gpu.mig is None and cells[-1] in (["Enabled"], ["Disabled"]):
            on = cells[-1] == ["Enabled"]
            gpu = replace(gpu, mig=on, mig_devices=divided if on else None)
    if gpu:
        yield gpu


def _row(cells: list[list[str]]) -> Gpu | None:
    """The row with the name: its second column begins with a bus address."""
    if len(cells) < 2 or not cells[1] or not _BUS.fullmatch(cells[1][0]):
        return None
    words = cells[0]
    if words and words[-1] in _STATES:
        words = words[:-1]
    if len(words) < 2 or not words[0].isdigit() or len(words[0]) > 3 or words[1] == "ERR!":
        return None
    pci = pci_address(cells[1][0])
    return Gpu(int(words[0]), " ".join(words[1:]), pci=pci, source="nvidia-smi")


def _listed(lines: Sequence[str]) -> Iterator[Gpu]:
    """`GPU 0: NVIDIA A100-SXM4-80GB (UUID: …)`, with its MIG devices below."""
    last: list[Gpu] = []
    seen: set[int] = set()
    for line in lines:
        if line.startswith("MIG ") and " Device " in line:
            last = [replace(gpu, mig=True) for gpu in last]
            continue
        if "GPU" not in line[:40] or not (match := _LISTED.match(line)):
            continue
        name = match[2].partition("(UUID")[0].strip().rstrip("<")
        if not is_gpu(name):
            continue
        yield from last
        numbers = [int(number) for number in match[1].split(",")]
        last = [Gpu(n, name, source="nvidia-smi") for n in numbers if n not in seen]
        seen.update(numbers)
    yield from last


def _queried(lines: Sequence[str]) -> Iterator[Gpu]:
    """`-q`: sections of lines `KEY : VALUE`, one section a GPU."""
    gpu: Gpu | None = None
    number, part = -1, ""
    for line in lines:
        if match := _QUERIED.match(line):
            if gpu and gpu.name:
                yield gpu
            number += 1
            gpu, part = Gpu(number, "", pci=pci_address(match[1]), source="nvidia-smi"), ""
            continue
        if gpu is None:
            continue
        key, colon, value = (word.strip() for word in line.partition(":"))
        if not colon:
            part = line
        elif key == "Product Name" and not gpu.name:
            gpu = replace(gpu, name=value[:80])
        elif key == "Total" and part == "FB Memory Usage" and gpu.memory is None:
            size = re.fullmatch(r"(\d{1,8}) MiB", value)
            gpu = replace(gpu, memory=int(size[1]) * _MIB if size else None)
        elif key == "Current" and part.startswith("MIG Mode") and gpu.mig is None:
            gpu = replace(gpu, mig={"Enabled": True, "Disabled": False}.get(value))
    if gpu and gpu.name:
        yield gpu


def _csv(lines: Sequence[str]) -> Iterator[Gpu]:
    """`--query-gpu=… --format=csv`: a head that names the columns, then a row for each GPU."""
    columns: list[str | None] = []
    number = 0
    for line in lines:
        cells = [cell.strip() for cell in line.split(",")] if "," in line else []
        if "name" in cells or "gpu_name" in cells:
            columns = [_CSV.get(cell.partition(" ")[0]) for cell in cells]
            continue
        row = dict(zip(columns, cells, strict=True)) if len(cells) == len(columns) > 1 else {}
        name = row.get("name", "")
        if not name or not is_gpu(name):
            columns = columns if not cells else []
            continue
        capability, size = row.get("capability") or "", re.match(r"\d{1,8}", row.get("memory", ""))
        index = row.get("index") or ""
        yield Gpu(
            int(index) if re.fullmatch(r"\d{1,3}", index) else number,
            name,
            capability if re.fullmatch(r"\d{1,2}\.\d", capability) else None,
            int(size[0]) * _MIB if size else None,
            pci=pci_address(row.get("pci")),
            source="nvidia-smi",
        )
        number += 1


def _module(lines: Iterable[str]) -> Facts:
    """/proc/driver/nvidia/version."""
    for line in lines:
        if "Kernel Module" in line and (match := _MODULE.search(line)):
            return Facts(("/proc/driver/nvidia/version",), driver=(Reading("/proc", match[1]),))
    return Facts()


def _errors(lines: Iterable[str]) -> Facts:
    parts = []
    for line in lines:
        if any(word in line for word in _ERRORS):
            text = line[min(at for word in _ERRORS if (at := line.find(word)) >= 0) :]
            parts.append(Facts(("nvidia-smi",), errors=(Reading("nvidia-smi", text[:300]),)))
        elif line == "No devices were found":
            parts.append(Facts(("nvidia-smi",), errors=(Reading("nvidia-smi", line),)))
        elif "nvidia-smi" in line and _ABSENT.search(line):
            parts.append(
                Facts(hints=1, errors=(Reading("nvidia-smi", "the program is not there"),))
            )
        if len(parts) >= 5:
            break
    return merge(parts)
