"""Which GPUs CUDA programs see: what CUDA_VISIBLE_DEVICES leaves of those that are there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmdoctor.machine import Gpu, Machine

_ORDER = (
    "which GPU a number in CUDA_VISIBLE_DEVICES means is not known, because CUDA sorts different "
    "GPUs by speed unless CUDA_DEVICE_ORDER is PCI_BUS_ID: every GPU is judged"
)
_SLICE = "which GPU the MIG slice in CUDA_VISIBLE_DEVICES is of is not known: every GPU is judged"
_NO_UUID = "which GPU the UUID in CUDA_VISIBLE_DEVICES means is not known: every GPU is judged"


@dataclass(frozen=True)
class Visible:
    """The GPUs to judge. `note` says which ones are hidden, or why that is not known.

    It quotes no value: a UUID names a device.
    """

    gpus: tuple[Gpu, ...]
    note: str | None = None


def visible(machine: Machine) -> Visible:
    """Apply CUDA_VISIBLE_DEVICES as CUDA does: it stops reading at the first unknown entry."""
    gpus = machine.nvidia.gpus
    value = machine.variables.get("CUDA_VISIBLE_DEVICES")
    if value is None or not gpus:
        return Visible(gpus)
    seen: list[Gpu] = []
    numbered = False
    for entry in (part.strip() for part in value.split(",")):
        number = re.fullmatch(r"[0-9]+", entry) is not None
        if entry.startswith("MIG-"):
            return Visible(gpus, _SLICE)
        if entry.startswith("GPU-") and any(gpu.uuid is None for gpu in gpus):
            return Visible(gpus, _NO_UUID)
        found = next((gpu for gpu in gpus if _is_meant(gpu, entry, number=number)), None)
        if found is None:
            break
        numbered = numbered or number
        seen.append(found)
    hidden = tuple(gpu for gpu in gpus if gpu not in seen)
    if numbered and hidden and not _numbers_hold(machine):
        return Visible(gpus, _ORDER)
    names = ", ".join(gpu.name for gpu in hidden)
    return Visible(tuple(seen), f"CUDA_VISIBLE_DEVICES hides {names}" if hidden else None)


def unknown_entry(machine: Machine) -> str | None:
    """The entry of CUDA_VISIBLE_DEVICES at which CUDA stops reading, counted from 1: "2 (7)".

    A UUID is not quoted: it names a device. None where each entry names a GPU or that is not known.
    """
    gpus = machine.nvidia.gpus
    entries = machine.variables.get("CUDA_VISIBLE_DEVICES", "").split(",")
    for place, entry in enumerate((part.strip() for part in entries), 1):
        number = re.fullmatch(r"-?[0-9]+", entry) is not None
        if entry.startswith("MIG-"):
            return None
        if not number and any(gpu.uuid is None for gpu in gpus):
            return None
        if not any(_is_meant(gpu, entry, number=number) for gpu in gpus):
            return f"{place} ({entry})" if number else f"{place}"
    return None


def _is_meant(gpu: Gpu, entry: str, *, number: bool) -> bool:
    if number:
        return gpu.index == int(entry)
    return bool(entry) and (gpu.uuid or "").startswith(entry)


def _numbers_hold(machine: Machine) -> bool:
    """Whether CUDA numbers the GPUs as the driver's tools do, or it makes no difference."""
    kinds = {(gpu.name, gpu.compute_capability) for gpu in machine.nvidia.gpus}
    return len(kinds) == 1 or machine.variables.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
