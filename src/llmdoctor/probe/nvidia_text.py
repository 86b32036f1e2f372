"""What NVIDIA's programs and files print, as values. Pure, and never raising on strange text."""

from __future__ import annotations

import json
import re
from typing import Literal, NamedTuple, TypeAlias

from llmdoctor.machine import Gpu

QUERY = ("index", "name", "driver_version", "memory.total", "compute_cap", "uuid", "pci.bus_id")
QUERY_OF_OLD_DRIVERS = tuple(field for field in QUERY if field != "compute_cap")

Fabric: TypeAlias = Literal["not started", "in progress", "completed"]

_FABRIC: dict[str, Fabric] = {
    "not started": "not started",
    "in progress": "in progress",
    "completed": "completed",
}
_MIB = 1024 * 1024


class Answer(NamedTuple):
    """What NVML or nvidia-smi told, and in whose words it refused the rest."""

    driver: str | None = None
    cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    errors: tuple[str, ...] = ()
    fabric: Fabric | None = None


def parse_nvml(text: str) -> Answer:
    """Read what `inside/gpu.py` prints."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    try:
        data = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return Answer(errors=(f"no answer: {text.strip()[:200]!r}",))
    gpus = tuple(_nvml_gpu(number, item) for number, item in enumerate(_dicts(data.get("gpus"))))
    errors = tuple(_nvml_error(item) for item in _dicts(data.get("errors")))
    fabric = _FABRIC.get(_text(data.get("fabric")) or "")
    return Answer(_text(data.get("driver")), _text(data.get("cuda")), gpus, errors, fabric)


def parse_nvidia_smi_csv(text: str, fields: tuple[str, ...]) -> Answer:
    """Read the rows of a `--format=csv,noheader,nounits` query for `fields`."""
    gpus, driver = [], None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(fields):
            continue
        # "[N/A]", "[Not Supported]", "[Insufficient Permissions]": in brackets is no value.
        row = {
            field: cell
            for field, cell in zip(fields, cells, strict=True)
            if cell and not cell.startswith("[")
        }
        index, memory = _number(row.get("index")), _number(row.get("memory.total"))
        if index is None or "name" not in row:
            continue
        driver = driver or row.get("driver_version")
        gpus.append(
            Gpu(
                index=index,
                name=row["name"],
                compute_capability=_capability(row.get("compute_cap")),
                memory=None if memory is None else memory * _MIB,
                uuid=row.get("uuid"),
                pci=pci_address(row.get("pci.bus_id")),
                source="nvidia-smi",
            )
        )
    return Answer(driver, None, tuple(gpus))


def parse_nvidia_smi_cuda(table: str) -> str | None:
    """The CUDA version in the head of nvidia-smi's plain table. Newer drivers write "CUDA UMD"."""
    match = re.search(r"CUDA (?:UMD )?Version\s*:\s*([0-9]+\.[0-9]+)", table)
    return match[1] if match else None


def parse_kernel_module(text: str) -> str | None:
    """The driver version in /proc/driver/nvidia/version, for the closed and the open module."""
    match = re.search(r"Kernel Module(?:\s+for\s+\S+)?\s+([0-9]+\.[0-9]+(?:\.[0-9]+)?)", text)
    return match[1] if match else None


def parse_gpu_information(text: str, index: int) -> Gpu | None:
    """One /proc/driver/nvidia/gpus/*/information; it tells neither capability nor memory."""
    facts = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            facts[key.strip()] = value.strip()
    name = facts.get("Model")
    if not name:
        return None
    uuid = facts.get("GPU UUID", "")
    return Gpu(
        index=index,
        name=name,
        uuid=uuid if uuid.startswith("GPU-") and "?" not in uuid else None,
        pci=pci_address(facts.get("Bus Location")),
        source="/proc",
    )


def parse_tegra_release(text: str) -> str | None:
    """The release in /etc/nv_tegra_release: "# R36 (release), REVISION: 4.3, ..." is 36.4.3."""
    match = re.search(r"R([0-9]+) \(release\), REVISION: ([0-9]+(?:\.[0-9]+)*)", text)
    return f"{match[1]}.{match[2]}" if match else None


def pci_address(text: str | None) -> str | None:
    """A PCI address as the kernel writes it ("0000:01:00.0"); NVML's domain has eight digits."""
    match = re.fullmatch(r"([0-9a-fA-F]{4,8}):([0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])", text or "")
    return f"{match[1][-4:]}:{match[2]}".lower() if match else None


def _nvml_gpu(number: int, item: dict[str, object]) -> Gpu:
    index, memory, mig = item.get("index"), item.get("memory"), item.get("mig")
    devices = item.get("mig_devices")
    return Gpu(
        index=index if isinstance(index, int) else number,
        name=_text(item.get("name")) or "unknown NVIDIA GPU",
        compute_capability=_capability(_text(item.get("compute_capability"))),
        memory=memory if isinstance(memory, int) else None,
        uuid=_text(item.get("uuid")),
        pci=pci_address(_text(item.get("pci"))),
        mig=mig if isinstance(mig, bool) else None,
        mig_devices=devices if isinstance(devices, int) else None,
        source="nvml",
    )


def _nvml_error(item: dict[str, object]) -> str:
    number = item.get("number")
    known = f"{item.get('name')}({number})" if isinstance(number, int) else f"{item.get('name')}"
    return f"{item.get('source')}: {known}: {item.get('text')}"


def _dicts(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,12}", text) else None


def _capability(text: str | None) -> str | None:
    return text if text and re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,2}", text) else None
