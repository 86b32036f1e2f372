"""A fake NVML library (`nvml/fakenvml.c`): build it, and the variables that make a child load it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_SOURCE = Path(__file__).with_name("nvml") / "fakenvml.c"
_LIBRARY = "libnvidia-ml.so.1"


@dataclass(frozen=True)
class Gpu:
    """One GPU of a fake driver.

    *memory_mib* is None where the driver does not say it (unified memory, as on a GB10), *mig* is
    None on a GPU without MIG, else how many instances there are (False is off). *code* is the
    nvmlReturn_t of asking for this GPU: 4 no permission, 15 lost. Without a *uuid* or *pci_bus_id* ("00000000:65:00.0") one is made up
    from the position.
    """

    name: str
    memory_mib: int | None
    compute_capability: str
    uuid: str | None = None
    pci_bus_id: str | None = None
    mig: int | bool | None = None
    code: int = 0

    def numbered(self, index: int) -> Gpu:
        """The same GPU with the made-up parts filled in."""
        uuid = self.uuid or f"GPU-00000000-0000-0000-0000-{index:012x}"
        bus_id = self.pci_bus_id or f"00000000:{index + 1:02X}:00.0"
        return replace(self, uuid=uuid, pci_bus_id=bus_id)


RTX_4090 = Gpu("NVIDIA GeForce RTX 4090", 24564, "8.9")
TESLA_T4 = Gpu("Tesla T4", 15360, "7.5")
A100 = Gpu("NVIDIA A100-SXM4-80GB", 81920, "8.0", mig=False)
GB10 = Gpu("NVIDIA GB10", None, "12.1")


class CannotBuildError(RuntimeError):
    """There is no fake NVML on this machine; the text is the reason to skip with."""


def build_fake_nvml(folder: Path) -> Path:
    """Compile `libnvidia-ml.so.1` into *folder* and return its path.

    Raises:
        CannotBuildError: not Linux, or no C compiler.
        subprocess.CalledProcessError: the compiler refused the source.
    """
    if not sys.platform.startswith("linux"):
        raise CannotBuildError(f"the fake NVML is a Linux library, this is {sys.platform}")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise CannotBuildError("no C compiler (cc or gcc) on PATH to build the fake NVML with")
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / _LIBRARY
    flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", f"-Wl,-soname,{_LIBRARY}"]
    subprocess.run([compiler, *flags, "-o", str(library), str(_SOURCE)], check=True)
    return library


def nvml_env(
    library: Path,
    *,
    driver: str = "535.183.01",
    cuda: int = 12020,
    gpus: Sequence[Gpu] = (),
    init: int = 0,
    hang: bool = False,
    crash: bool = False,
    fabric: int = 0,
) -> dict[str, str]:
    """The variables to add to a child's environment: it then loads *library* as its NVML.

    *cuda* is NVML's integer (12020 = CUDA 12.2). *init* is the nvmlReturn_t of nvmlInit: 9 is
    "driver not loaded", 18 "library and kernel module differ". *fabric* is the state of NVSwitch's
    fabric: 1 not started, 2 in progress, 3 completed.
    """
    parts = [f"driver={driver}", f"cuda={cuda}"]
    for index, gpu in enumerate(gpus):
        whole = gpu.numbered(index)
        memory = "" if whole.memory_mib is None else str(whole.memory_mib)
        # 0 is on without instances; False is off, and equals it
        mig = "off" if whole.mig is False else "" if whole.mig is None else str(int(whole.mig))
        where = (whole.uuid, whole.pci_bus_id)
        fields = (whole.name, memory, whole.compute_capability, *where, mig, whole.code)
        parts.append("gpu=" + ",".join(map(str, fields)))
    if fabric:
        parts.append(f"fabric={fabric}")
    if init:
        parts.append(f"init={init}")
    parts += [f"{word}=1" for word, wanted in (("hang", hang), ("crash", crash)) if wanted]
    return {"LD_LIBRARY_PATH": str(library.parent), "FAKE_NVML": ";".join(parts)}
