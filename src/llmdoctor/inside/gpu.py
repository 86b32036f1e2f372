"""Ask NVML about the GPUs, in a process of its own: a driver that hangs or crashes ends only this.

Runs in the doctor's own interpreter, as a script: `python gpu.py`. Prints one JSON object:

- `{"result": "ok", "driver": "535.183.01", "cuda": "12.2", "gpus": [...], "errors": [...]}`,
  where a GPU has `index`, `name`, `compute_capability` ("8.9"), `memory` (bytes), `uuid`, `pci` and
  `mig`, each null where this driver does not tell it, and an error has `source`, `name`, `number`
  and `text`;
- `{"result": "error", "errors": [{...}]}` where NVML refuses altogether.

Both end with exit code 0; any other code is a failure that nobody foresaw.
"""

from __future__ import annotations

import json
import sys
from typing import Any


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
        gpus.append(
            {
                "index": index,
                "name": ask(where, pynvml.nvmlDeviceGetName, handle),
                "compute_capability": "%d.%d" % tuple(capability) if capability else None,
                "memory": int(memory.total) if memory else None,
                "uuid": ask(where, pynvml.nvmlDeviceGetUUID, handle),
                "pci": bus_id.decode() if isinstance(bus_id, bytes) else bus_id,
                "mig": bool(mig[0]) if mig else None,
            }
        )
    cuda = ask("nvmlSystemGetCudaDriverVersion", pynvml.nvmlSystemGetCudaDriverVersion)
    answer = {
        "result": "ok",
        "driver": ask("nvmlSystemGetDriverVersion", pynvml.nvmlSystemGetDriverVersion),
        "cuda": "%d.%d" % (cuda // 1000, cuda % 1000 // 10) if cuda else None,
        "gpus": gpus,
        "errors": errors,
    }
    print(json.dumps(answer))
    return 0


def _error(source: str, error: Exception) -> dict[str, Any]:
    return {
        "source": source,
        "name": type(error).__name__,
        "number": getattr(error, "value", None),
        "text": str(error),
    }


if __name__ == "__main__":
    sys.exit(main())
