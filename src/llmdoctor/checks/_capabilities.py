"""What the machine can do, in the words of somebody who wants to run models on it."""

from __future__ import annotations

from llmdoctor.checks._access import why_no_gpu
from llmdoctor.checks._facts import capability, parts
from llmdoctor.checks._framework import Case
from llmdoctor.machine import Gpu
from llmdoctor.visible import visible

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


def capabilities(case: Case) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the hardware and its driver allow (can, cannot), one line each.

    Judged by the least capable visible GPU, because work is spread over all of them. What is
    installed does not count: that is what the findings are about.
    """
    if case.machine.note("nvidia"):
        return (), ("GPU: unknown, it could not be looked at",)
    if case.machine.host.system == "unknown":
        return (), ("unknown: the report does not say what machine this is",)
    cpu = "LoRA in fp32 with SDPA on the CPU: small models, slowly"
    torch = case.machine.environment.torch
    if torch is None or torch.problem:
        cpu += " (once a stack is installed)"
    if not case.wants_gpu:
        return (cpu,), ()
    if why := why_no_gpu(case):
        return (cpu,), (f"CUDA: no, because {why}",)
    gpus = visible(case.machine).gpus
    if not gpus:
        return (cpu,), ("CUDA: no, because CUDA_VISIBLE_DEVICES hides every GPU",)
    known = [(gpu, cc) for gpu in gpus if (cc := capability(gpu))]
    if len(known) < len(gpus):
        return (), ("GPU: unknown, its compute capability is not in the table",)
    return _of_gpu(*min(known, key=lambda pair: parts(pair[1])), case.machine.host.system)


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
