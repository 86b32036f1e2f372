"""ATTN: attention kernels against the GPUs that are here."""

from __future__ import annotations

from collections.abc import Iterator

from llmdoctor.checks._access import gpu_access
from llmdoctor.checks._facts import capability, parts
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Gpu
from llmdoctor.visible import visible

# Installed package, and the row of the GPU table that says where its kernels run.
_KERNELS = (("flash-attn", "flash_attn_2"), ("flash-attn-3", "flash_attn_3"))


@check(
    "ATTN001",
    cause="gpu-too-old-for-flash-attn",
    also=("ext-no-kernel-for-gpu",),
    severity="warning",
    readers=("nvidia", "environment"),
)
def gpu_below_flash_attention(case: Case) -> Answer:
    """FlashAttention is installed and cannot run on a GPU.

    What: Compares the compute capability of every visible GPU with what the installed
    FlashAttention needs: 8.0 (Ampere) for FlashAttention 2.

    Why: It imports, so that programs take it, and then ends with "FlashAttention only supports
    Ampere GPUs or newer" at the first call.

    Remedy: Ask for SDPA, which torch brings: attn_implementation="sdpa".

    Known problems: With several GPUs it is used on none of them if it must run on all.
    """
    environment = case.machine.environment
    installed = [(name, row) for name, row in _KERNELS if environment.package(name)]
    if not installed:
        return Skip("FlashAttention is not installed")
    if not case.wants_gpu or gpu_access(case) != "works":
        return Skip("no GPU can be used")
    wished = {profile.feature for profile in case.profiles}
    return tuple(
        found
        for name, row in installed
        if row not in wished  # said by GPU005
        for gpu in visible(case.machine).gpus
        for found in _below(case, name, row, gpu)
    )


def _below(case: Case, name: str, row: str, gpu: Gpu) -> Iterator[Finding]:
    from llmdoctor.tables import feature

    cc, needed = capability(gpu), feature(row)
    if cc is None or not parts(cc) or needed.works_on(cc):
        return
    limit = f"up to {needed.highest}" if needed.highest else "or newer"
    package = case.machine.environment.package(name)
    yield finding(
        gpu_below_flash_attention,
        f"{name} needs compute capability {needed.minimum} {limit}; {gpu.name} has {cc}. SDPA "
        "works on it.",
        title=None if parts(cc) < parts(needed.minimum) else f"{name} has no kernels for a GPU",
        cause=None if parts(cc) < parts(needed.minimum) else "ext-no-kernel-for-gpu",
        evidence=(
            f"{name} {package.version if package else ''}".strip(),
            f"GPU {gpu.index} {gpu.name}: compute capability {cc}",
        ),
        remedy=Remedy('Use SDPA: attn_implementation="sdpa" in Transformers.'),
    )


@check("ATTN002", cause="gpu-too-old-for-flash-attn", severity="note", readers=("nvidia",))
def gpu_below_what_models_ask(case: Case) -> Answer:
    """A GPU in a report is too old for FlashAttention 2.

    What: In a report that tells the GPUs and no packages (a pasted `nvidia-smi`), compares their
    compute capability with the 8.0 that FlashAttention 2 needs.

    Why: Many models and servers ask for FlashAttention 2, and end with "only supports Ampere GPUs
    or newer" on such a GPU. With nothing but the GPU to go by, that is what can be said.

    Remedy: Ask for SDPA: attn_implementation="sdpa", in float16.

    Known problems: Where the packages are known, ATTN001 judges what is installed instead.
    """
    if case.machine.note("environment") is None:
        return Skip("the packages are known: ATTN001 judges them")
    if case.profiles:
        return Skip("GPU005 judges the wanted profiles")
    from llmdoctor.tables import feature

    needed = feature("flash_attn_2")
    old = [
        (gpu, cc)
        for gpu in visible(case.machine).gpus
        if (cc := capability(gpu)) and parts(cc) < parts(needed.minimum)
    ]
    if not old:
        return None
    return finding(
        gpu_below_what_models_ask,
        f"FlashAttention 2 needs compute capability {needed.minimum}: not on "
        f"{', '.join(dict.fromkeys(gpu.name for gpu, _ in old))}. SDPA works on it.",
        title="A GPU is too old for FlashAttention 2",
        evidence=(f"GPU {gpu.index} {gpu.name}: compute capability {cc}" for gpu, cc in old),
        remedy=Remedy('Use SDPA: attn_implementation="sdpa" in Transformers, in float16.'),
    )
