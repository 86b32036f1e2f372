"""Ask NVML about the GPUs, in a process of its own: a driver that hangs or crashes ends only this.

Runs in the doctor's own interpreter, as a script: `python gpu.py`. Prints one JSON object:

- `{"result": "ok", "driver": "535.183.01", "cuda": "12.2", "fabric": null, "gpus": [...],
  "errors": [...]}`, where a GPU has `index`, `name`, `compute_capability` ("8.9"), `memory`
  (bytes), `uuid`, `pci`, `mig` and `mig_devices` (how many instances, where MIG is on), each null
  where this driver does not tell it, and an error has `source`, `name`, `number` and `text`.
  `fabric` is how far the GPUs are in joining NVSwitch's fabric: "not started", "in progress",
  "completed", or null on GPUs that join none;
- `{"result": "error", "errors": [{...}]}` where NVML refuses altogether.

Both end with exit code 0; any other code is a failure that nobody foresaw.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

_FABRIC = {1: "not started", 2: "in progress", 3: "completed"}  # the least far GPU counts


def main() -> int:
    """Print what NVML says."""
    try:
        import pynvml
    except ImportError as error:
        print(json.dumps({"result": "error", "errors": [_error("import", error)]}))
        return 0
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        print(json.dumps({"result": "error", "errors": [_error("nvmlInit", error)]}))
        return 0
    errors: list[dict[str, Any]] = []

    def ask(source: str, question: Any, *arguments: object) -> Any:  # noqa: ANN401 - NVML's answers
        """The answer, or None where this driver, GPU or user gets none."""
        try:
            answer = question(*arguments)
        except pynvml.NVMLError as error:
            # An old driver without the function, or a GPU without the feature, is no trouble.
            if error.value not in (
                pynvml.NVML_ERROR_NOT_SUPPORTED,
                pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
            ):
                errors.append(_error(source, error))
            return None
        return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer

    gpus = []
    fabric: set[int] = set()
    for index in range(ask("nvmlDeviceGetCount", pynvml.nvmlDeviceGetCount) or 0):
        where = "GPU %d" % index
        handle = ask(where, pynvml.nvmlDeviceGetHandleByIndex, index)
        if handle is None:
            continue
        capability = ask(where, pynvml.nvmlDeviceGetCudaComputeCapability, handle)
        memory = ask(where, pynvml.nvmlDeviceGetMemoryInfo, handle)
        pci = ask(where, pynvml.nvmlDeviceGetPciInfo, handle)
        mig = ask(where, pynvml.nvmlDeviceGetMigMode, handle)
        bus_id = pci.busId if pci else None
        info = pynvml.c_nvmlGpuFabricInfo_t()
        if ask(where, pynvml.nvmlDeviceGetGpuFabricInfo, handle, ctypes.byref(info)) is not None:
            fabric.add(info.state & 0xFF)  # one byte, which the binding takes for four
        gpus.append(
            {
                "index": index,
                "name": ask(where, pynvml.nvmlDeviceGetName, handle),
                "compute_capability": "%d.%d" % tuple(capability) if capability else None,
                "memory": int(memory.total) if memory else None,
                "uuid": ask(where, pynvml.nvmlDeviceGetUUID, handle),
                "pci": bus_id.decode() if isinstance(bus_id, bytes) else bus_id,
                "mig": bool(mig[0]) if mig else None,
                "mig_devices": _instances(pynvml, handle) if mig and mig[0] else None,
            }
        )
    cuda = ask("nvmlSystemGetCudaDriverVersion", pynvml.nvmlSystemGetCudaDriverVersion)
    answer = {
        "result": "ok",
        "driver": ask("nvmlSystemGetDriverVersion", pynvml.nvmlSystemGetDriverVersion),
        "cuda": "%d.%d" % (cuda // 1000, cuda % 1000 // 10) if cuda else None,
        "fabric": next((_FABRIC[state] for state in sorted(fabric) if state in _FABRIC), None),
        "gpus": gpus,
        "errors": errors,
    }
    print(json.dumps(answer))
    return 0


def _instances(pynvml: Any, gpu: Any) -> int:  # noqa: ANN401 - the module, and its handle
    """How many MIG devices a GPU is cut into; NVML leaves gaps between their numbers."""
    count = 0
    for number in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
        try:
            pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, number)
        except pynvml.NVMLError:
            continue
        count += 1
    return count


def _error(source: str, error: Exception) -> dict[str, Any]:
    return {
        "source": source,
        "name": type(error).__name__,
        "number": getattr(error, "value", None),
        "text": str(error),
    }


if __name__ == "__main__":
    sys.exit(main())
