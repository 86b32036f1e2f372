"""What a report's sections say, before they are put together.

Every reader of `ingest` gives one `Facts`: a field that it leaves alone was not said. Rival
sections are merged field by field, the more exact reader first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from llmdoctor.machine import Cpu, Gpu, Package, PciDevice, Reading, Tool

UNKNOWN_CUDA = "unknown"  # a CUDA build, and the report does not say of which CUDA


@dataclass(frozen=True)
class Facts:
    """A part of what a report says. None and an empty tuple: this part does not say.

    Where a tool looked and found nothing, `nvcc`, `torch` and the `no_…` fields say so.
    """

    recognised: tuple[str, ...] = ()  # the tools whose own words were found
    hints: int = 0  # lines that a report may hold and any other text as well

    system: str | None = None
    arch: str | None = None
    distribution: str | None = None
    distribution_version: str | None = None
    kernel: str | None = None
    libc: str | None = None  # "glibc 2.35", as the system itself says
    libc_of_python: str | None = None  # the same by Python's guess, too low before Python 3.9
    wsl: int | None = None  # as a person writes it; the kernel tells it too
    container: str | None = None
    cpu: Cpu | None = None
    memory: int | None = None  # bytes
    shm: int | None = None  # bytes

    driver: tuple[Reading, ...] = ()
    cuda: tuple[Reading, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    pci: tuple[PciDevice, ...] = ()
    errors: tuple[Reading, ...] = ()
    gpu_count: int | None = None
    no_gpu: Literal["no CUDA", "no answer"] | None = None  # collect_env: nvidia-smi listed none

    nvcc: str | None = None  # its version; "" is: looked for and not there
    compilers: tuple[Tool, ...] = ()
    no_compiler: bool | None = None  # gcc or clang was looked for and is not there
    tools: tuple[Tool, ...] = ()

    python: str | None = None
    conda: bool | None = None
    torch: str | None = None  # torch.__version__; "" is: it could not be imported
    build: str | None = None  # torch's CUDA ("12.1"), "cpu" or "rocm6.2"
    available: bool | None = None  # what torch.cuda.is_available() gave
    packages: tuple[Package, ...] = ()
    whole: bool | None = None  # the packages are all there are
    variables: dict[str, str] = field(default_factory=dict)
    all_variables: bool | None = None  # a variable that is not listed is not set

    @property
    def is_report(self) -> bool:
        """Whether this is what a tool printed, and not a text that mentions some version."""
        return bool(self.recognised) or self.hints >= 3


def merge(parts: Iterable[Facts]) -> Facts:
    """Put parts together: the first that says something wins, lists are joined."""
    found: dict[str, Any] = {}
    for part in parts:
        for spec in dataclasses.fields(Facts):
            value, before = getattr(part, spec.name), found.get(spec.name)
            if spec.name == "packages":
                known = {package.name for package in before or ()}
                value = (*(before or ()), *(item for item in value if item.name not in known))
            elif isinstance(value, tuple):
                value = tuple(dict.fromkeys((*(before or ()), *value)))
            elif isinstance(value, dict):
                value = {**value, **(before or {})}
            elif spec.name == "hints":
                value += before or 0
            elif before is not None:
                continue
            found[spec.name] = value
    return Facts(**found)
