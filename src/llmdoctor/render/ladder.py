"""The stack as a ladder: what rests on what, what was seen of it, and which rung is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from llmdoctor.finding import Report
from llmdoctor.machine import Machine
from llmdoctor.render.remarks import family
from llmdoctor.tables import capability_of

State = Literal["ok", "warning", "broken", "unknown"]

# From the ground up: a rung's name, and the families of checks that judge it.
_RUNGS = (
    ("Machine", ("HOST",)),
    ("GPU", ("GPU",)),
    ("Driver", ("DRV",)),
    ("CUDA", ("CUDA",)),
    ("Python", ("PY", "PKG")),
    ("torch", ("TORCH",)),
    ("Extensions", ("EXT", "DEEP")),
    ("Attention", ("ATTN", "HF")),
)
# Of the network, the project, the wish and pasted messages: no rung of the stack.
BESIDE = ("LOCK", "LOG", "NET", "POETRY", "PROFILE", "PROJ")
_EXTENSIONS = ("triton", "triton-windows", "bitsandbytes", "mamba-ssm", "causal-conv1d", "peft")
_ATTENTION = ("flash-attn", "flash-attn-3", "xformers", "transformers")


@dataclass(frozen=True)
class Rung:
    """One rung; `first` marks the lowest broken one: what is above rests on it."""

    name: str
    what: str
    state: State
    codes: tuple[str, ...]
    first: bool = False


def rungs(report: Report) -> tuple[Rung, ...]:
    """The ladder of a report, from the hardware up. Unknown is what no check could judge."""
    made = []
    broken = False
    for name, families in _RUNGS:
        verdicts = [v for v in report.verdicts if family(v.code) in families]
        found = [item for verdict in verdicts for item in verdict.findings]
        severities = {item.severity for item in found}
        state: State = "unknown"
        if "error" in severities:
            state = "broken"
        elif "warning" in severities:
            state = "warning"
        elif any(verdict.outcome in ("pass", "fail") for verdict in verdicts):
            state = "ok"
        codes = tuple(dict.fromkeys(i.code for i in found if i.severity != "note"))
        first = state == "broken" and not broken
        broken = broken or first
        seen = ", ".join(_seen(name, report.machine)) or "nothing was seen"
        made.append(Rung(name, seen, state, codes, first))
    return tuple(made)


def _seen(name: str, machine: Machine) -> Iterator[str]:
    """What was seen of a rung, in words."""
    environment = machine.environment
    if name in ("Machine", "GPU", "Driver", "CUDA"):
        yield from _below(name, machine)
    elif name == "Python" and environment.version:
        yield f"{environment.version} ({environment.kind})"
    elif name == "torch" and environment.torch:
        cuda = environment.torch.cuda
        yield environment.torch.version or "of unknown version"
        yield f"built for CUDA {cuda}" if cuda else "built for the processor"
    elif name in ("Extensions", "Attention"):
        if name == "Attention" and environment.torch:
            yield "torch's own (SDPA)"
        for package in _EXTENSIONS if name == "Extensions" else _ATTENTION:
            if found := environment.package(package):
                yield f"{package} {found.version}"


def _below(name: str, machine: Machine) -> Iterator[str]:
    """The same of what lies below Python."""
    host, nvidia = machine.host, machine.nvidia
    if name == "Machine":
        words = (host.distribution or host.system, host.distribution_version, host.arch)
        yield " ".join(word for word in words if word)
    elif name == "GPU":
        for gpu in nvidia.gpus:
            known = gpu.compute_capability or capability_of(gpu.name)
            yield f"{gpu.name} (compute capability {known or 'unknown'})"
    elif name == "Driver" and nvidia.driver_version:
        yield nvidia.driver_version
    elif name == "CUDA":
        for value in nvidia.driver_cuda:
            yield f"up to {value} by the driver"
        if machine.cuda.nvcc_version:
            yield f"nvcc {machine.cuda.nvcc_version}"
