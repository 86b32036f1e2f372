"""What the machine can do, in the words of somebody who wants to run models on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from llmdoctor.checks._access import rocm_torch, why_no_gpu
from llmdoctor.checks._facts import capability, parts
from llmdoctor.checks._fits import fits
from llmdoctor.checks._framework import Case, Skip
from llmdoctor.finding import Verdict
from llmdoctor.visible import visible

if TYPE_CHECKING:
    from llmdoctor.tables import Feature

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
_OF_ONE_GPU = ("GPU003", "GPU004")  # the others go on working

_Kind: TypeAlias = "tuple[str, str]"  # a GPU's name and its compute capability


def capabilities(
    case: Case, verdicts: Iterable[Verdict] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the hardware and its driver allow (can, cannot), one line each.

    Where GPUs differ, each line names those that it holds for. What a GPU could do is no "can"
    while `verdicts` hold an error of its driver, of itself or of torch.
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
    kinds = dict.fromkeys((gpu.name, cc) for gpu in gpus if (cc := capability(gpu)))
    unknown: tuple[str, ...] = ()
    if names := dict.fromkeys(gpu.name for gpu in gpus if not capability(gpu)):
        ask = "`nvidia-smi --query-gpu=compute_cap --format=csv`"
        unknown = (
            f"GPU: unknown, no compute capability of {', '.join(names)} is known: {ask} shows it",
        )
    if not kinds:
        return (), unknown
    errors = _in_the_way(verdicts)
    stopped = tuple(kind for kind in kinds if kind in _stopped(case, kinds, errors))
    can, cannot, then = _of_gpus(kinds, stopped, case.machine.host.system)
    if stopped:
        which = "the GPU" if len(kinds) == 1 else _names(stopped)
        cannot = (f"use {which} before this is mended: {', '.join(errors)}. {then}", *cannot)
    else:
        can = (can[0] + later, *can[1:])
    return can, (*cannot, *unknown)


def _in_the_way(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The codes of errors that keep torch from a GPU, each once."""
    codes = (
        item.code
        for verdict in verdicts
        for item in verdict.findings
        if item.severity == "error" and item.code.startswith(_IN_THE_WAY)
    )
    return tuple(code for code in dict.fromkeys(codes) if code not in _OF_WISHES)


def _stopped(case: Case, kinds: Iterable[_Kind], errors: Sequence[str]) -> Iterable[_Kind]:
    """The GPUs that those errors keep from work: that torch lacks the code of one is its own."""
    if not errors:
        return ()
    judged = fits(case) if set(errors) <= set(_OF_ONE_GPU) else Skip("the errors are of them all")
    if isinstance(judged, Skip):
        return kinds
    return [(fit.gpu.name, fit.capability) for fit in judged if fit.how in ("newer", "older")]


def _of_gpus(
    kinds: Collection[_Kind], stopped: Sequence[_Kind], system: str
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """What the GPUs can and cannot, and what those that are stopped could then."""
    from llmdoctor.tables import feature

    bf16 = feature("bf16")
    without = _why_not(bf16, kinds)
    halves = {"bf16": [kind for kind in kinds if kind not in without], "fp16": list(without)}
    able = {f"LoRA in {dtype} with SDPA": of for dtype, of in halves.items()}
    can = [
        f"{words}: {'; '.join(f'{name}, {cc}' for name, cc in free)}"
        for words, of in able.items()
        if (free := [kind for kind in of if kind not in stopped])
    ]
    cannot = [f"bf16: {_refused(without, kinds)}"] if without else []
    for name, words in _FEATURES:
        if name in _ON_LINUX and system != "linux":
            cannot.append(f"{words}: no, there are none for {system}")
            continue
        why = _why_not(feature(name), kinds)
        able[words] = [kind for kind in kinds if kind not in why]
        if free := [kind for kind in able[words] if kind not in stopped]:
            can.append(f"{words}: {_allowed(free, kinds)}")
        if why:
            cannot.append(f"{words}: {_refused(why, kinds)}")
    then = "; ".join(
        f"{kind[0]} could then: {', '.join(words for words, of in able.items() if kind in of)}"
        for kind in stopped
    )
    return tuple(can), tuple(cannot), then


def _why_not(needed: Feature, kinds: Iterable[_Kind]) -> dict[_Kind, str]:
    """The GPUs that lack something, and why."""
    return {
        (name, cc): f"compute capability {cc} is below {needed.minimum}"
        if parts(cc) < parts(needed.minimum)
        else f"it ends at compute capability {needed.highest}"
        for name, cc in kinds
        if not needed.works_on(cc)
    }


def _allowed(able: Sequence[_Kind], kinds: Collection[_Kind]) -> str:
    if len(able) < len(kinds):
        return f"on {_names(able)} only"
    every = {cc for _, cc in able}
    return f"compute capability {every.pop()}" if len(every) == 1 else f"on {_names(able)}"


def _refused(why: Mapping[_Kind, str], kinds: Collection[_Kind]) -> str:
    which = "no" if len(why) == len(kinds) else f"not on {_names(why)}"
    return f"{which}, {'; '.join(dict.fromkeys(why.values()))}"


def _names(kinds: Iterable[_Kind]) -> str:
    return ", ".join(name for name, _ in kinds)
