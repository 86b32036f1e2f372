"""The device under test, as torch sees it: whether it is there, its name, and its memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def absent(torch: Any, device: str) -> str | None:  # noqa: ANN401 - the module
    """Why torch cannot use this device ("cpu", "cuda:0"); None where it can."""
    if device == "cpu":
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return f"this torch ({torch.__version__}) was built without CUDA, so it has no {device}"
    there = torch.cuda.device_count()
    if int(device.partition(":")[2]) >= there:
        return f"torch sees {there} GPUs, so there is no {device}"
    return None


def describe(torch: Any, device: str) -> dict[str, Any]:  # noqa: ANN401 - the module
    """``type``, ``name`` and, of a GPU, ``capability`` ("8.9") and ``memory`` in bytes.

    ``absent`` instead, where torch is there and cannot use the device: why.
    """
    if device == "cpu" or torch is None:
        return {"type": device, "name": _cpu_name() if device == "cpu" else None}
    if reason := absent(torch, device):
        return {"type": device, "name": None, "absent": reason}
    properties = torch.cuda.get_device_properties(device)
    return {
        "type": device,
        "name": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "memory": properties.total_memory,
    }


def begin(device: str) -> None:
    """Forget the memory that the row before has used."""
    if device == "cpu":
        return
    import torch

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)


def end(device: str) -> int | None:
    """Wait for the GPU, which reports an error late; the peak of allocated bytes, None on a CPU."""
    if device == "cpu":
        return None
    import torch

    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device))


def _cpu_name() -> str | None:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the platform module's answer below
    import platform

    return platform.processor() or None
