"""What the machine can do, in the words of somebody who wants to run models on it."""

from __future__ import annotations

from collections.abc import Iterable

from llmdoctor.checks._access import rocm_torch, why_no_gpu
from llmdoctor.checks._facts import capability, parts
from llmdoctor.checks._framework import Case
from llmdoctor.finding import Verdict
from llmdoctor.machine import Gpu
from llmdoctor.visible import visible

_CPU = "LoRA in fp32 with SDPA on the CPU: small models, slowly"
_METAL = "LoRA and inference on Metal (mps)"
# Shown in this order: a row of the GPU table's features, and what people call it.
_FEATURES = (
    ("triton", "Triton and torch.compile"),
    ("flash_attn_2", "FlashAttention 2"),
    ("flash_attn_3", "FlashAttention 3"),
    ("fp8", "FP8 weights"),
    ("bitsandbytes", "4-bit weights and QLoRA (bitsandbytes)"),
    ("mamba", "Mamba kernels"),
)
# Kernels that nobody builds for another system. WSL counts as Linux.
_ON_LINUX = ("mamba",)
# Errors whose codes begin so keep CUDA from a GPU that could do the work. That the GPU lacks what
# a profile wants (GPU005) is not one: the rows say it themselves.
_IN_THE_WAY = ("DRV", "GPU", "TORCH", "DEEP009", "DEEP010", "DEEP011")
_OF_WISHES = ("GPU005",)


def capabilities(
    case: Case, verdicts: Iterable[Verdict] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the hardware and its driver allow (can, cannot), one line each.

    Judged by the least capable visible GPU, because work is spread over all of them. What the GPU
    could do is no "can" while `verdicts` hold an error of its driver, of itself or of torch.
    """
    if note := case.machine.note("nvidia"):
        return (), (f"GPU: unknown, nobody could look ({note.status}): `nvidia-smi` shows it",)
    if case.machine.host.system == "unknown":
        return (), ("unknown: the report does not say what machine this is",)
    torch = case.machine.environment.torch
    later = " (once a stack is installed)" if torch is None or torch.problem else ""
    cpu = _CPU + later
    on_cpu: tuple[str, ...] = (cpu,)
    if (case.machine.host.system, case.machine.host.arch) == ("macos", "arm64"):
        on_cpu = (cpu.replace(_CPU, _METAL), cpu)
    if not case.wants_gpu:
        return on_cpu, ()
    if rocm := rocm_torch(case):
        return (), (f"unknown: torch {rocm.version} is built for ROCm, which is not covered",)
    if why := why_no_gpu(case):
        return on_cpu, (f"CUDA: no, because {why}",)
    gpus = visible(case.machine).gpus
    if not gpus:
        return on_cpu, ("CUDA: no, because CUDA_VISIBLE_DEVICES hides every GPU",)
    known = [(gpu, cc) for gpu in gpus if (cc := capability(gpu))]
    if unknown := [gpu.name for gpu in gpus if not capability(gpu)]:
        which = ", ".join(dict.fromkeys(unknown))
        ask = "`nvidia-smi --query-gpu=compute_cap --format=csv`"
        return (), (f"GPU: unknown, no compute capability of {which} is known: {ask} shows it",)
    gpu, cc = min(known, key=lambda pair: parts(pair[1]))
    can, cannot = _of_gpu(gpu, cc, case.machine.host.system)
    if errors := _in_the_way(verdicts):
        could = f"use the GPU before this is mended: {', '.join(errors)}"
        rows = ", ".join(row.partition(":")[0] for row in can)
        return (), (f"{could}. {gpu.name} could then: {rows}", *cannot)
    return (can[0] + later, *can[1:]), cannot


def _in_the_way(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The codes of errors that keep torch from the GPU, each once."""
    codes = (
        item.code
        for verdict in verdicts
        for item in verdict.findings
        if item.severity == "error" and item.code.startswith(_IN_THE_WAY)
    )
    return tuple(code for code in dict.fromkeys(codes) if code not in _OF_WISHES)


def _of_gpu(gpu: Gpu, cc: str, system: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    from llmdoctor.tables import feature

    bf16 = feature("bf16")
    can = [f"LoRA in {'bf16' if bf16.works_on(cc) else 'fp16'} with SDPA: {gpu.name}, {cc}"]
    cannot = [] if bf16.works_on(cc) else [f"bf16: no, {_below(cc, bf16.minimum)}"]
    for name, words in _FEATURES:
        needed = feature(name)
        if name in _ON_LINUX and system != "linux":
            cannot.append(f"{words}: no, there are none for {system}")
        elif needed.works_on(cc):
            can.append(f"{words}: compute capability {cc}")
        elif parts(cc) < parts(needed.minimum):
            cannot.append(f"{words}: no, {_below(cc, needed.minimum)}")
        else:
            cannot.append(f"{words}: no, it ends at compute capability {needed.highest}")
    return tuple(can), tuple(cannot)


def _below(cc: str, minimum: str) -> str:
    return f"compute capability {cc} is below {minimum}"
